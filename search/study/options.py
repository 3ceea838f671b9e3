"""Arguments that the commands about a study have in common."""

from typing import TYPE_CHECKING, Annotated

import typer

from search.study.shipped import shipped_names

if TYPE_CHECKING:
    from search.study.study import Study

StudyArgument = Annotated[
    str,
    typer.Argument(metavar="STUDY", help=f"Study file, or one of {shipped_names()}."),
]

AddressOption = Annotated[
    str | None, typer.Option(help="Ray cluster to join (auto or host:port), whatever cluster.address says.")
]


def load_named(reference: str) -> "Study":
    """The study that a `StudyArgument` names.

    Raises:
        SpoofsweepError: there is none, or it is not valid.
    """
    from search.study.study import find_study, load_study

    return load_study(find_study(reference))

"""A lineage among the tags of an MLflow run: one tag an ancestor, for a tag holds no more than 8,000 characters."""

from collections.abc import Mapping

from trainable.checkpoints.lineage import Ancestor, Lineage

_NAME = "ancestor_{:02d}"


def lineage_tags(lineage: Lineage) -> dict[str, str]:
    """Tags by their names without the project's prefix; none of a training that began with weights of its own."""
    return {_NAME.format(place): ancestor.model_dump_json() for place, ancestor in enumerate(lineage)}


def lineage_of(tags: Mapping[str, str]) -> Lineage:
    """The lineage that `lineage_tags` wrote among ``tags``."""
    lineage: list[Ancestor] = []
    while (name := _NAME.format(len(lineage))) in tags:
        lineage.append(Ancestor.model_validate_json(tags[name]))
    return tuple(lineage)

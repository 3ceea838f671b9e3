"""A corpus layout: how a corpus lies on disk, how it is recognised and read, and what the complete corpus holds."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.errors import SpoofsweepError
from data_prep.corpora.audio_folder import subfolders
from data_prep.utterance import LABELS, SPLITS, Corpus, Label, Split, Tally, Utterance

_MIN_SHARE = 0.1
"""Something smaller than this share of a published corpus is another corpus in its layout, not a copy with gaps."""
_NAMES_SHOWN = 8
CLASS_NAMES: dict[Label, str] = {"bonafide": "bona fide", "spoof": "spoof"}
"""The classes in prose."""


@dataclass(frozen=True)
class Layout:
    """One way in which a corpus lies on disk."""

    name: str
    title: str
    marks: str
    """What tells the layout: completes the sentence "the root must ..."."""
    audio: str
    """Where the audio files lie."""
    source: str
    """Where the corpus comes from, and its licence if known."""
    holds: Callable[[Path], bool]
    """Whether a folder is the root of such a corpus."""
    parse: Callable[[Path, str | None], Corpus]
    """Reads the corpus at a root that ``holds``; the subset is one of ``subsets`` or none."""
    subsets: tuple[str, ...] = ()
    """Parts of the corpus that can be read; empty if there is just the whole."""
    default_subset: str = ""
    """What is read if no subset is named, in words."""
    published: Mapping[str, Tally] = field(default_factory=dict, hash=False)
    """Counts of the complete corpus by subset ("" if there is just the whole), as far as they are known."""
    may_step_up: bool = True
    """Whether a root in which nothing is found may stand for the folder around it: not where that holds any folders, as
    then a part that was meant alone would bring the whole.
    """
    asv_scores: str = ""
    """Where below the root the scores of a speaker verification system lie, with ``{split}`` for dev or eval; empty if
    the corpus has none."""
    is_generic: bool = False
    """Whether it describes any corpus, so that a layout of a particular one is preferred where both are found."""

    def read(self, root: Path, subset: str | None = None) -> Corpus:
        """Parse the corpus in ``root``, or one level off.

        Raises:
            SpoofsweepError: nothing or several are found there, the subset is unknown, or protocol lines are malformed
                (all are named together).
        """
        if subset is not None and subset not in self.subsets:
            remedy = f"give one of {', '.join(self.subsets)}" if self.subsets else "leave it out"
            raise SpoofsweepError(f"the subset must be a part of the layout {self.name}", subset, remedy)
        return self.parse(self._root(root), subset)

    def places(self, root: Path) -> list[Path]:
        """Where corpora of this layout lie: ``root`` itself, or else folders directly below."""
        return [root] if self.holds(root) else [child for child in subfolders(root) if self.holds(child)]

    def asv_score_files(self, root: Path) -> dict[Split, Path]:
        """Scores of speaker verification, target, nontarget and spoof, for the splits of which the corpus has them.

        Raises:
            SpoofsweepError: no corpus or several are found in ``root``.
        """
        if not self.asv_scores:
            return {}
        paths = {split: self._root(root) / self.asv_scores.format(split=split) for split in SPLITS}
        return {split: path for split, path in paths.items() if path.is_file()}

    def _root(self, root: Path) -> Path:
        """``root`` itself, or the folder one level below or above it."""
        places = self.places(root)
        if not places and self.may_step_up and self.holds(root.parent):
            return root.parent
        if len(places) > 1:
            found = f"several: {', '.join(str(place) for place in places)}"
            raise SpoofsweepError("the root must hold one corpus", found, "give one of them as root")
        if not places:
            found = f"{root} (with: {contents(root)})"
            raise SpoofsweepError(f"the root must {self.marks}", found, "correct the root or the layout")
        return places[0]


def contents(root: Path) -> str:
    """The first names in ``root``, for error messages."""
    if not root.is_dir():
        return "a file"
    return ", ".join(sorted(child.name for child in root.iterdir())[:_NAMES_SHOWN]) or "nothing"


def tally(utterances: Iterable[Utterance]) -> Tally:
    """Utterances by split and class."""
    return Counter((utterance.split, utterance.label) for utterance in utterances)


def both(train: tuple[int, int], dev: tuple[int, int], evaluation: tuple[int, int]) -> Tally:
    """Published counts from (bona fide, spoof) of each split."""
    return {
        (split, label): number
        for split, numbers in zip(SPLITS, (train, dev, evaluation), strict=True)
        for label, number in zip(LABELS, numbers, strict=True)
        if number
    }


def completeness_notes(corpus: Corpus) -> tuple[str, ...]:
    """The notes of ``corpus``, and how the files that are there compare with what was published, where that is known.

    Protocols are small and come whole; it is audio that copies lack.
    """
    if corpus.published is None:
        return corpus.notes
    present = {utterance.utterance_id: utterance for utterance in corpus.utterances if utterance.path in corpus.sizes}
    return (*corpus.notes, completeness(tally(present.values()), corpus.published))


def completeness(found: Tally, published: Tally) -> str:
    """One line that says whether ``found`` is the published corpus, and if not, what is missing or too much.

    A class that was not published at all lies beside the corpus, and comes from elsewhere.
    """
    classes = {label for _, label in published}
    found = {(split, label): number for (split, label), number in found.items() if label in classes}
    total, expected = sum(found.values()), sum(published.values())
    if dict(found) == dict(published):
        return f"complete: matches the published counts ({expected:,} utterances)"
    if total < _MIN_SHARE * expected:
        parts = [
            f"{split} has {_of_split(found, split):,} of {_of_split(published, split):,}"
            for split in SPLITS
            if _of_split(published, split)
        ]
        return f"not the published corpus: {', '.join(parts)} utterances"
    differing = [text for split in SPLITS if (text := _difference(found, published, split))]
    return f"partial: {'; '.join(differing)}"


def _difference(found: Tally, published: Tally, split: Split) -> str:
    if not _of_split(found, split) and _of_split(published, split):
        return f"{split} is missing ({_of_split(published, split):,} utterances)"
    texts = []
    for label in LABELS:
        more = found.get((split, label), 0) - published.get((split, label), 0)
        if more:
            texts.append(f"{abs(more):,} {CLASS_NAMES[label]} {'too many' if more > 0 else 'missing'}")
    expected = f" of {_of_split(published, split):,}" if _of_split(published, split) else ""
    return f"{split}: {', '.join(texts)}{expected}" if texts else ""


def _of_split(counts: Tally, split: Split) -> int:
    return sum(counts.get((split, label), 0) for label in LABELS)

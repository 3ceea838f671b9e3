"""What preparation shows on the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from data_prep.conversion import Outcome
from data_prep.corpora.layout import CLASS_NAMES, Layout
from data_prep.shards import ShardSet
from data_prep.utterance import LABELS, SPLITS, UNKNOWN_SPEAKER, Split, Tally, Utterance
from data_prep.validation import Counts, writable

_REASONS_SHOWN = 5
_ATTACKS_SHOWN = 8
_FAILURES_SHOWN = 20


def print_warnings(console: Console, warnings: Iterable[str]) -> None:
    """One line a warning."""
    for warning in warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


def counts_table(counts: Counts) -> Table:
    """Utterances by split and class, with the attacks of each split in one line."""
    table = Table("split", "class", title="Utterances")
    table.add_column("count", justify="right")
    table.add_column("attacks")
    for split in SPLITS:
        for label in LABELS:
            attacks = {attack: n for (where, kind, attack), n in counts.items() if (where, kind) == (split, label)}
            if attacks:
                shown = _attacks(attacks) if label == "spoof" else "-"
                table.add_row(split, CLASS_NAMES[label], f"{sum(attacks.values()):,}", Text(shown))
    return table


def _attacks(counts: Mapping[str, int]) -> str:
    """Attacks with their counts; of many, the most frequent ones and the range."""
    if len(counts) <= _ATTACKS_SHOWN:
        return ", ".join(f"{attack} {number:,}" for attack, number in sorted(counts.items()))
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: _ATTACKS_SHOWN // 2]
    named = ", ".join(f"{attack} {number:,}" for attack, number in largest)
    return f"{len(counts)} attacks of {min(counts.values()):,} to {max(counts.values()):,}: {named}..."


def layouts_table(layouts: Iterable[Layout]) -> Table:
    """The known layouts: where their audio lies, which parts they have, where they come from, what is published."""
    table = Table("layout", title="Corpus layouts", show_lines=True)
    table.add_column("corpus", overflow="fold")
    table.add_column("published: bona fide + spoof", no_wrap=True)
    for layout in layouts:
        about = [layout.title, f"root must {layout.marks}", f"audio: {layout.audio}"]
        if layout.subsets:
            about.append(f"subset: {', '.join(layout.subsets)}; default: {layout.default_subset}")
        if layout.source:
            about.append(f"source: {layout.source}")
        published = [
            f"{'' if subset in ('', split) else f'{subset} '}{split}: {_both(counts, split)}"
            for subset, counts in layout.published.items()
            for split in SPLITS
            if any((split, label) in counts for label in LABELS)
        ]
        table.add_row(layout.name, Text("\n".join(about)), "\n".join(published) or "-")
    return table


def _both(counts: Tally, split: Split) -> str:
    return " + ".join(f"{counts.get((split, label), 0):,}" for label in LABELS)


def speakers_line(utterances: Iterable[Utterance]) -> str:
    """How many speakers each split has."""
    speakers: dict[str, set[str]] = {}
    for utterance in utterances:
        speakers.setdefault(utterance.split, set()).add(utterance.speaker)
    known = {split: speakers[split] - {UNKNOWN_SPEAKER} for split in SPLITS if split in speakers}
    return "speakers: " + ", ".join(f"{split} {len(names) or 'unknown'}" for split, names in known.items())


def print_conversion(console: Console, outcomes: Sequence[Outcome], ledger: Path) -> None:
    """What a conversion made, by format, and what failed and why; ``ledger`` is where all of it stands."""
    table = Table("format", title="Conversion to FLAC")
    for column in ("converted", "made before", "failed", "hours"):
        table.add_column(column, justify="right")
    for name in sorted({outcome.entry.format for outcome in outcomes}):
        of_format = [outcome for outcome in outcomes if outcome.entry.format == name]
        known = sum(outcome.known for outcome in of_format)
        failed = sum(bool(outcome.entry.reason) for outcome in of_format)
        hours = sum(outcome.entry.duration_s for outcome in of_format) / 3600
        table.add_row(
            name or "unknown", f"{len(of_format) - known - failed:,}", f"{known:,}", f"{failed:,}", f"{hours:.3f}"
        )
    console.print(table)
    failures = sorted((outcome.entry.source, outcome.entry.reason) for outcome in outcomes if outcome.entry.reason)
    print_warnings(console, (f"{_printable(source)}: {reason}" for source, reason in failures[:_FAILURES_SHOWN]))
    if len(failures) > _FAILURES_SHOWN:
        console.print(f"... and {len(failures) - _FAILURES_SHOWN} more")
    console.print(
        f"{len(outcomes) - len(failures)} of {len(outcomes)} files are FLAC now; what came from what: {ledger}",
        highlight=False,
        soft_wrap=True,
    )


def _printable(name: str) -> str:
    """A file name on one line, whatever bytes it holds."""
    return writable(name).replace("\n", "\\n")


def shard_table(shards: ShardSet) -> Table:
    """What each split of a shard set holds."""
    table = Table("split", title=f"Shard set {shards.shard_set_id}")
    for column in ("bona fide", "spoof", "views", "hours"):
        table.add_column(column, justify="right")
    for split in (name for name in SPLITS if name in shards.manifest.splits):
        summary = shards.manifest.splits[split]
        table.add_row(
            split, f"{summary.bonafide:,}", f"{summary.spoof:,}", f"{summary.num_views:,}", f"{summary.hours:.2f}"
        )
    return table


def print_rejected(console: Console, shards: ShardSet) -> None:
    """How many utterances were set aside, the first reasons, and where all of them stand."""
    if not shards.rejected:
        return
    console.print(f"{len(shards.rejected)} utterances rejected, listed in {shards.folder / 'rejected.jsonl'}:")
    for one in shards.rejected[:_REASONS_SHOWN]:
        console.print(f"  {escape(one['utterance_id'])}: {escape(one['reason'])}", highlight=False)
    if len(shards.rejected) > _REASONS_SHOWN:
        console.print("  ...")


def print_summary(console: Console, shards: ShardSet, built_s: float, seconds: float) -> None:
    """What a preparation made, and how fast: ``built_s`` seconds of audio in ``seconds``, earlier runs left out."""
    console.print(shard_table(shards))
    print_rejected(console, shards)
    console.print(f"Shards in {shards.folder}", highlight=False)
    console.print(
        f"{built_s / 3600:.2f} h of audio, all views, in {seconds:.1f} s: {built_s / seconds:,.0f}x real time",
        highlight=False,
    )

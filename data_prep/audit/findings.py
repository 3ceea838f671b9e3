"""What an audit warns about: every doubt with its number and a remedy."""

from collections.abc import Iterator, Sequence

import pandas

from data_prep.audit.probes import CUES, KINDS, TOGETHER, Probe
from data_prep.audit.report import Duplicates, Finding, RejectedFile
from data_prep.utterance import LABELS, SPLITS
from data_prep.validation import CorpusReport

DOUBTFUL_EER = 0.4
"""What a cue reaches whose class means lie half a standard deviation apart: with two normal classes the EER is
``Phi(-d / 2)``, 40.1% at d = 0.5, where Cohen (1988, "Statistical Power Analysis", chapter 2) calls an effect one of
medium size. Below it a detector that hears nothing but this cue looks like one that works a little."""
CLIPPED_SHARE, DC_OFFSET = 0.001, 0.01
"""A file with more clipped samples is clipped; a larger constant part is above -40 dB of full scale."""
_WIDESPREAD = 0.05
_REMEDIES = {
    "duration": "train on crops shorter than most files, so that length cannot be heard",
    "leading silence": "trim the silence, or pad both classes at random, before training and when scoring",
    "trailing silence": "trim the silence, or pad both classes at random, before training and when scoring",
    "bandwidth": "limit the band of both classes alike (features.high_hz), or augment both by random low-pass filters",
    "level": "draw the gain of both classes at random",
    "background level": "add noise to both classes at random",
    "clipping": "draw gain and clipping of both classes at random",
    "DC offset": "high-pass both classes alike (features.low_hz)",
    "file format": "convert all files by the same chain, and send both classes through the same codecs at random",
    "told channel": "balance the channels between the classes, or send both through the same codecs at random",
    TOGETHER: "treat the cues above, strongest first; audit again",
}


def all_findings(
    validation: CorpusReport,
    table: pandas.DataFrame,
    duplicates: Duplicates,
    probes: Sequence[Probe],
    rejected: Sequence[RejectedFile],
    num_left_out: int,
) -> tuple[Finding, ...]:
    """Everything worth telling, the gravest first."""
    found = [
        Finding(severity="error", text=text, remedy="mend the corpus or its protocols") for text in validation.errors
    ]
    found += [Finding(severity="warning", text=text) for text in validation.warnings]
    found += _duplicate_findings(duplicates)
    found += probe_findings(probes)
    found += _signal_findings(table)
    if rejected:
        text = f"{_counted(len(rejected), 'file')} would be rejected"
        found.append(Finding(severity="warning", text=text, remedy="see the list of rejected files and their reasons"))
    found += [Finding(severity="note", text=text) for text in validation.notes]
    if num_left_out:
        text = f"only a sample was measured, without {_counted(num_left_out, 'file')}, so that duplicates are missed"
        found.append(Finding(severity="note", text=text, remedy="leave out --max-files"))
    return tuple(sorted(found, key=lambda one: ("error", "warning", "note").index(one.severity)))


def is_doubtful(probe: Probe) -> bool:
    """Whether a cue tells too much, or the opposite of what train teaches, and not by luck (95% interval)."""
    return (probe.eer < DOUBTFUL_EER and probe.high < 0.5) or (probe.eer > 1 - DOUBTFUL_EER and probe.low > 0.5)


def probe_findings(probes: Sequence[Probe]) -> Iterator[Finding]:
    """A warning for each cue that is far from 50% on some split."""
    for cue in [*CUES, *KINDS, TOGETHER]:
        telling = [one for one in probes if one.cue == cue and is_doubtful(one) and one.eer < 0.5]
        turned = [one for one in probes if one.cue == cue and is_doubtful(one) and one.eer > 0.5]
        name = "all cues together" if cue == TOGETHER else f"{cue} alone"
        if telling:
            text = f"EER of {name}: {_rates(telling)} (50% is guessing); a detector can learn this instead of speech"
            yield Finding(severity="warning", text=text, remedy=_REMEDIES[cue])
        if turned:
            text = f"EER of {name}: {_rates(turned)} (50% is guessing); what train teaches about it is wrong there"
            yield Finding(severity="warning", text=text, remedy=_REMEDIES[cue])


def _rates(probes: Sequence[Probe]) -> str:
    return ", ".join(f"{one.eer:.1%} [{one.low:.1%}, {one.high:.1%}] on {one.split}" for one in probes)


def _duplicate_findings(duplicates: Duplicates) -> Iterator[Finding]:
    within = duplicates.groups - duplicates.across_splits
    for number, where, remedy in (
        (duplicates.across_labels, "found both as bona fide and as spoofed", "remove them: one label is wrong"),
        (duplicates.across_splits, "found in several splits", "keep each in one split, else scores are too good"),
    ):
        if number:
            yield Finding(severity="warning", text=f"{_counted(number, 'recording')} {where}", remedy=remedy)
    if within:
        yield Finding(severity="note", text=f"{_counted(within, 'recording')} found several times in the same split")


def _signal_findings(table: pandas.DataFrame) -> Iterator[Finding]:
    for text, affected, remedy in (
        ("are clipped", table.clipped_share > CLIPPED_SHARE, "check the recording chain; see the probe on clipping"),
        (
            "have a DC offset above 1% of full scale",
            table.dc_offset.abs() > DC_OFFSET,
            "high-pass them (features.low_hz)",
        ),
    ):
        shares = [
            f"{share:.1%} of the {label} files of {split}"
            for split in SPLITS
            for label in LABELS
            if (share := affected[(table.split == split) & (table.label == label)].mean()) > _WIDESPREAD
        ]
        if shares:
            yield Finding(severity="warning", text=f"{', '.join(shares)} {text}", remedy=remedy)
    rates = table.sample_rate.value_counts()
    if len(rates) > 1:
        listed = ", ".join(f"{rate} Hz ({files:,})" for rate, files in rates.items())
        remedy = "all are resampled to features.sample_rate; what lies above the lowest of them tells the rate"
        yield Finding(severity="note", text=f"{len(rates)} sampling rates: {listed}", remedy=remedy)
    cut = int(table.notes.str.contains("cut to ").sum())
    if cut:
        text = f"{_counted(cut, 'file')} longer than corpus.max_duration_s, measured and prepared up to there"
        yield Finding(severity="note", text=text)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

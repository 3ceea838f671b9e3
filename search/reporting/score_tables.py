"""Error rates and costs of a finalist as Markdown tables, for the report and for the model card."""

from collections.abc import Mapping, Sequence

from search.finalists.finalists import Finalist
from search.ledger.leaderboard import percent
from trainable.scores.costs import COST_NAMES
from trainable.scores.score_summary import GroupRate, corpus_label, span


def error_rate_table(finalist: Finalist) -> str:
    """EER of each split with its intervals, and of each corpus."""
    return markdown_table(*error_rates(finalist))


def error_rates(finalist: Finalist) -> tuple[list[str], list[list[str]]]:
    """Names of the columns and rows of the error rates; intervals by speakers and attacks where a split has one."""
    summaries = {split: finalist.summary(split) for split in finalist.splits}
    confidence = finalist.record.trial.validation.confidence
    has_wide = any(summary.group_interval for summary in summaries.values())
    names = ["split", "EER", f"{confidence:.0%} interval", *(["by speakers and attacks"] if has_wide else [])]
    rows = []
    for split, s in summaries.items():
        wide = [span(s.group_interval) if s.group_interval else "-"] if has_wide else []
        rows.append([split, percent(s.eer), span(s.interval), *wide, str(s.num_bonafide), str(s.num_spoof)])
        for name, r in s.by_corpus.items():
            rates = [percent(r.eer), span(r.interval), *(["-"] if has_wide else [])]
            rows.append([f"{split}, {corpus_label(name, r)}", *rates, str(r.num_bonafide), str(r.num_spoof)])
    return [*names, "bona fide", "spoofed"], rows


def cost_section(finalist: Finalist) -> list[str]:
    """The costs of each split, and what they are."""
    names = shown_costs(finalist)
    rows = [[COST_NAMES[name], *(cost(finalist, split, name) for split in finalist.splits)] for name in names]
    notes = "minDCF, actDCF and Cllr are those of ASVspoof 5; actDCF and Cllr take scores as log-likelihood ratios."
    if (calibration := finalist.record.calibration) is not None:
        sign = "-" if calibration.offset < 0 else "+"
        notes += (
            f" Calibrated, a score is `{calibration.scale:.5g} * score {sign} {abs(calibration.offset):.5g}`, by a "
            "logistic regression fitted on dev, so dev's own calibrated costs flatter."
        )
    if "min_tdcf_2019" in names:
        notes += (
            " t-DCF is with the speaker verification whose scores come with the corpus; "
            "its two forms may not be compared with each other."
        )
    return [markdown_table(["cost", *finalist.splits], rows), notes]


def attack_section(finalist: Finalist) -> list[str]:
    """EER by attack with its interval, a table a split, the worst first."""
    return [
        markdown_table(
            [f"{split} attack", "EER", "interval"],
            [
                [name, percent(eer), span(summary.attack_intervals[name])]
                for name, eer in worst_first(summary.by_attack)
            ],
        )
        for split in finalist.splits
        for summary in (finalist.summary(split),)
    ]


def group_section(finalist: Finalist) -> list[str]:
    """The same by codec, gender and whatever else the corpus tells, a table a split and fact."""
    return [
        markdown_table(
            [f"{split} {fact}", "EER", "interval", "bona fide", "spoofed"],
            [_group_row(name, rates[name]) for name, _ in worst_first(eers(rates))],
        )
        for split in finalist.splits
        for fact, rates in finalist.summary(split).by_group.items()
    ]


def shown_costs(finalist: Finalist) -> list[str]:
    """Names of the costs that a split of the finalist has, in their order."""
    return [name for name in COST_NAMES if any(name in finalist.costs(split) for split in finalist.splits)]


def cost(finalist: Finalist, split: str, name: str) -> str:
    """A cost with four decimals, if the split has it."""
    costs = finalist.costs(split)
    return f"{costs[name]:.4f}" if name in costs else "-"


def eers(rates: Mapping[str, GroupRate]) -> dict[str, float]:
    """EER by group."""
    return {name: rate.eer for name, rate in rates.items()}


def worst_first(rates: Mapping[str, float]) -> list[tuple[str, float]]:
    """Names and EERs, the highest first."""
    return sorted(rates.items(), key=lambda item: -item[1])


def markdown_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table whose first column is text and the others numbers."""
    head, *body = ("| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in (names, *rows))
    return "\n".join([head, "|---" + "|---:" * (len(names) - 1) + "|", *body])


def _group_row(name: str, rate: GroupRate) -> list[object]:
    return [f"{name}{rate.mark}", percent(rate.eer), span(rate.interval), rate.num_bonafide, rate.num_spoof]

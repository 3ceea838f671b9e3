"""What a study has found so far: its trials in order, and how the search spent its compute."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from search.pruning.asha import compute_saved
from search.pruning.rank_correlation import RankCorrelation
from search.pruning.rung_trust import RungTrust, Standing
from search.study.objective import EER, Objective, Second
from search.trials.pareto import pareto_front, second_of
from search.trials.trial_record import TrialRecord
from trainable.scores.score_summary import span

_STATE_ORDER = ("COMPLETE", "RUNNING", "PRUNED", "FAIL", "WAITING")
_STATE_STYLES = {"COMPLETE": "green", "RUNNING": "cyan", "PRUNED": "dim", "FAIL": "red", "WAITING": "dim"}


@dataclass(frozen=True)
class Rung:
    """How one rung dealt with the trials that reached it."""

    samples: int
    passes: float
    num_reached: int
    num_stopped: int
    standing: Standing
    """How well the value here foretells the final one: over witnesses, or without trust over all that finished."""
    prunes: bool
    """Whether it may stop trials by now."""


@dataclass(frozen=True)
class Summary:
    """A study in figures."""

    num_by_state: dict[str, int]
    best: TrialRecord | None
    """Of those that were completed without diverging."""
    rungs: tuple[Rung, ...]
    compute_saved: float
    """Share of the training that was spared, against training every ended trial to the full budget."""
    objective: Objective = EER
    second: Second | None = None
    """What the study minimises besides."""
    front: tuple[TrialRecord, ...] = ()
    """The trials that none dominates in both, from the best value on; empty without a second objective."""
    num_refused: int = 0
    """Drawn configurations that were not trained, because they exceed the study's limits."""


def summarise(
    trials: Sequence[TrialRecord],
    rungs: Sequence[int],
    budget: int,
    samples_per_pass: int,
    trust: RungTrust | None = None,
    objective: Objective = EER,
    second: Second | None = None,
) -> Summary:
    """Figures of a study.

    Args:
        trials: from the ledger.
        rungs: samples seen at each rung.
        budget: samples of a full training.
        samples_per_pass: utterances of the training split.
        trust: what the trials say about the rungs, from `search.pruning.pruners.learnt_trust`; none where all prune.
        objective: what the study minimises.
        second: what it minimises besides.
    """
    ended = [trial for trial in trials if trial.state in ("COMPLETE", "PRUNED")]
    standings = finished_standings(trials, rungs) if trust is None else {rung: trust.standing(rung) for rung in rungs}
    return Summary(
        num_by_state=dict(Counter(trial.state for trial in trials if trial.begun)),
        best=next((trial for trial in ranked(trials) if trial.converged), None),
        rungs=tuple(
            Rung(
                samples=rung,
                passes=rung / samples_per_pass,
                num_reached=sum(trial.begun and trial.forked_at < rung <= trial.samples_seen for trial in trials),
                num_stopped=sum(
                    trial.state == "PRUNED" and trial.attributes.get("prune_rung") == rung for trial in trials
                ),
                standing=standings[rung],
                prunes=trust is None or standings[rung].prunes,
            )
            for rung in rungs
        ),
        compute_saved=compute_saved([trial.samples_seen for trial in ended if trial.counts], budget),
        objective=objective,
        second=second,
        front=() if second is None else tuple(pareto_front(trials, second)),
        num_refused=sum(trial.num_refused for trial in trials),
    )


def finished_standings(trials: Sequence[TrialRecord], rungs: Sequence[int]) -> dict[int, Standing]:
    """How well each rung foretells the final score, over COMPLETE trials.

    Trials that were stopped have no final score, so only survivors are compared: read small numbers with care.
    """
    correlations = {rung: RankCorrelation() for rung in rungs}
    for rung, correlation in correlations.items():
        for trial in trials:
            if trial.value is not None and trial.forked_at < rung <= trial.samples_seen:
                correlation.add(trial.reports[trial.first_report(rung)], trial.value)
    return {rung: Standing.of(correlation) for rung, correlation in correlations.items()}


def ranked(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Finished trials from the best value on; then the others, those that came further first."""

    def order(trial: TrialRecord) -> tuple[int, float, float]:
        value = trial.last_value
        far = 0 if trial.state == "COMPLETE" else -trial.samples_seen
        return _STATE_ORDER.index(trial.state), far, math.inf if value is None or math.isnan(value) else value

    return sorted((trial for trial in trials if trial.begun), key=order)


def leaderboard_table(
    trials: Sequence[TrialRecord],
    samples_per_pass: int,
    limit: int = 15,
    objective: Objective = EER,
    second: Second | None = None,
) -> Table:
    """The first ``limit`` trials of `ranked`, with the parameters in which the trials differ."""
    table = Table(box=None, header_style="bold", pad_edge=False, expand=True)
    forked = ["from"] if any(trial.lineage for trial in trials) else []
    for name in (
        "rank",
        "trial",
        *forked,
        "state",
        *value_names(objective),
        "interval",
        *([second.label] if second else []),
        "passes",
    ):
        table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    # A line a trial, however narrow the terminal: only this column gives way.
    table.add_column("parameters", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("run", no_wrap=True, style="dim")
    paths = varying(trials)
    for rank, trial in enumerate(ranked(trials)[:limit], 1):
        table.add_row(
            str(rank) if trial.state == "COMPLETE" else "",
            str(trial.number),
            *([origin(trial, samples_per_pass)] if forked else []),
            Text(trial.state.lower(), _STATE_STYLES[trial.state]),
            *values_of(trial, objective),
            interval(trial.attributes),
            *([second.show(second_of(trial, second))] if second else []),
            f"{trial.samples_seen / samples_per_pass:.3g}",
            ", ".join(f"{paths[path]} {short(value)}" for path, value in trial.params.items() if path in paths),
            trial.attributes.get("mlflow_run_id", "")[:8],
        )
    return table


def origin(trial: TrialRecord, samples_per_pass: int) -> str:
    """Whose weights a trial went on from, and after how many passes; empty if it began with its own."""
    return f"{trial.attributes['parent']} at {trial.forked_at / samples_per_pass:.3g}" if trial.lineage else ""


def status_lines(summary: Summary) -> list[str]:
    """Counts, the best trial, and the compute saved, a sentence each."""
    found = summary.num_by_state
    counts = [f"{found[state]} {state.lower()}" for state in _STATE_ORDER if state in found]
    lines = [f"Trials: {', '.join(counts) or 'none yet'}"]
    if summary.best is not None:
        values = zip(value_names(summary.objective), values_of(summary.best, summary.objective), strict=True)
        told = ", ".join(f"{name} {value}" for name, value in values)
        lines.append(f"Best: trial {summary.best.number}, {told} ({interval(summary.best.attributes)})")
    if summary.second is not None:
        numbers = ", ".join(str(trial.number) for trial in summary.front) or "none yet"
        lines.append(f"Pareto front of {summary.objective.label} and {summary.second.label}: trials {numbers}")
    pruned = f"{found.get('PRUNED', 0)} of {sum(found.values())} trials"
    lines.append(f"Pruned: {pruned}, which saved {summary.compute_saved:.0%} of the training compute")
    if summary.num_refused:
        lines.append(f"Refused: {summary.num_refused} drawn configurations beyond the study's limits, not trained")
    return lines


def rung_table(summary: Summary) -> Table:
    """Survival at each rung, and how well the rung ranks."""
    table = Table(
        "rung",
        "passes",
        "reached",
        "stopped",
        "rank correlation",
        "prunes",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for number, rung in enumerate(summary.rungs, 1):
        counts = f"{rung.passes:.3g}", str(rung.num_reached), str(rung.num_stopped)
        table.add_row(str(number), *counts, correlation_of(rung), verdict_of(rung))
    return table


def correlation_of(rung: Rung) -> str:
    """Kendall's tau of a rung with its interval, and the number of trials behind it."""
    standing = rung.standing
    if math.isnan(standing.correlation):
        return "-"
    bounds = "" if standing.interval is None else "{:.2f} to {:.2f}, ".format(*standing.interval)
    return f"{standing.correlation:.2f} ({bounds}{standing.num_trials} trials)"


def verdict_of(rung: Rung) -> str:
    """Whether a rung prunes, and if not, why."""
    return "yes" if rung.prunes else f"no: {rung.standing.reason}"


def varying(trials: Sequence[TrialRecord]) -> dict[str, str]:
    """Sampled paths that have several values among ``trials``, each with the shortest ending that names it alone."""
    values: dict[str, set[str]] = {}
    for trial in trials:
        for path, value in trial.params.items():
            values.setdefault(path, set()).add(str(value))
    endings = Counter(path.rpartition(".")[2] for path in values)
    return {
        path: path if endings[path.rpartition(".")[2]] > 1 else path.rpartition(".")[2]
        for path, found in values.items()
        if len(found) > 1
    }


def percent(rate: float | None) -> str:
    """A rate as percent with two decimals."""
    return "-" if rate is None or math.isnan(rate) else f"{100 * rate:.2f}%"


def decimals(cost: float | None) -> str:
    """A cost with four decimals."""
    return "-" if cost is None or math.isnan(cost) else f"{cost:.4f}"


def shown(value: float | None, objective: Objective) -> str:
    """A value of what a study minimises."""
    return percent(value) if objective.is_rate else decimals(value)


def eer_of(trial: TrialRecord, objective: Objective) -> float | None:
    """The pooled EER at a trial's last report, as far as the ledger of a study with this objective tells."""
    if objective == EER:
        return trial.last_value
    return trial.attributes.get("metrics", {}).get(EER.metric)


def value_names(objective: Objective) -> list[str]:
    """What a study minimises, if that is not the pooled EER, and the pooled EER."""
    return [EER.label] if objective == EER else [objective.label, EER.label]


def values_of(trial: TrialRecord, objective: Objective) -> list[str]:
    """A trial's last values, as `value_names` names them."""
    eer = percent(eer_of(trial, objective))
    return [eer] if objective == EER else [shown(trial.last_value, objective), eer]


def interval(attributes: Mapping[str, Any]) -> str:
    """The interval of the EER at a trial's last report, in percent."""
    metrics = attributes.get("metrics", {})
    return span((metrics["dev_eer_low"], metrics["dev_eer_high"])) if "dev_eer_low" in metrics else "-"


def short(value: Any) -> str:
    """A parameter's value in few characters."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)

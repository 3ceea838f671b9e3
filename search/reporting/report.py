"""What a finished study says: a report with figures in its folder, and the summary on the terminal."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from data_prep.atomic import atomic_write_text
from search.finalists.finalists import Finalist, Standing
from search.ledger.leaderboard import (
    Summary,
    correlation_of,
    decimals,
    leaderboard_table,
    origin,
    percent,
    ranked,
    short,
    shown,
    status_lines,
    value_names,
    values_of,
    varying,
    verdict_of,
)
from search.pruning.horizon import Horizon
from search.reporting import figures
from search.reporting.front_runs import FRONT_FIGURE, FRONT_TABLE
from search.reporting.model_card import seeds, validation_note
from search.reporting.registry import Champion, score_figures
from search.reporting.score_tables import (
    attack_section,
    cost,
    cost_section,
    error_rate_table,
    error_rates,
    group_section,
    markdown_table,
    shown_costs,
    worst_first,
)
from search.study.commands import Commands
from search.study.objective import EER, Objective, Second
from search.study.study import Study
from search.trials.pareto import second_of
from search.trials.trial_record import TrialRecord
from trainable.scores.costs import COST_NAMES

_MOST_NAMES = 12
"""Attacks or codecs named on the terminal, the worst ones; the report has them all."""


@dataclass(frozen=True)
class StudyOutcome:
    """Everything that a report tells."""

    trials: Sequence[TrialRecord]
    horizon: Horizon
    summary: Summary
    ranking: Sequence[Standing]
    champion: Champion
    study: Study

    @property
    def objective(self) -> Objective:
        """What the study minimised."""
        return self.study.objective


def write_report(outcome: StudyOutcome, folder: Path) -> Path:
    """Write ``report.md`` and its figures into ``folder``; returns the report's path."""
    points = [_history_point(trial, outcome.objective) for trial in outcome.trials if trial.counts]
    figures.save(figures.history_figure(points, outcome.objective), folder / "history.png")
    if outcome.summary.second is not None:
        figures.save(_pareto_figure(outcome, outcome.summary.second), folder / FRONT_FIGURE)
        atomic_write_text(folder / FRONT_TABLE, _front_rows(outcome, outcome.summary.second))
    if outcome.summary.rungs:
        figures.save(figures.survival_figure(outcome.summary.rungs), folder / "rungs.png")
    score_figures(outcome.champion.finalist, folder)
    path = folder / "report.md"
    atomic_write_text(path, _markdown(outcome))
    return path


def print_summary(outcome: StudyOutcome, console: Console, report: Path, limit: int = 10) -> None:
    """The leaderboard, the finalists, the champion's error rates, what pruning saved, and how to go on."""
    console.rule("[bold]Leaderboard")
    table = leaderboard_table(
        outcome.trials, outcome.horizon.samples_per_pass, limit, outcome.objective, outcome.summary.second
    )
    console.print(table)
    console.rule("[bold]Finalists")
    console.print(finalists_table(outcome.ranking))
    console.rule("[bold]Champion")
    console.print(champion_view(outcome.champion))
    for line in status_lines(outcome.summary):
        console.print(line, highlight=False)
    console.rule("[bold]Go on")
    commands = [*next_commands(outcome), ("read the report", str(report))]
    for purpose, command in commands:
        # Not wrapped: a command must survive being copied.
        console.print(f"  [dim]{purpose:<22}[/]{escape(command)}", soft_wrap=True, highlight=False)


def finalists_table(ranking: Sequence[Standing]) -> Table:
    """A line a configuration, over its seeds."""
    names, rows = _finalists(ranking)
    table = _table("", *names)
    for place, row in enumerate(rows):
        table.add_row("[green]champion[/]" if place == 0 else "", *row)
    return table


def champion_view(champion: Champion) -> Group:
    """Who won, its EER on each split, by attack and codec, and its costs."""
    finalist = champion.finalist
    candidate = finalist.candidate
    who = f"trial {candidate.trial_number}, seed {candidate.seed_index}, run {champion.run_id}"
    title = f"{champion.model_name}, version {champion.version}: {who}"
    notes = [escape(note.replace("**", "")) for note in validation_note(candidate)]
    return Group(title, "", _rates_view(finalist), *notes, "", _groups_view(finalist), "", _costs_view(finalist), "")


def _rates_view(finalist: Finalist) -> Table:
    names, rows = error_rates(finalist)
    table = _table(*names)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _groups_view(finalist: Finalist) -> Table:
    table = Table("EER by", "the worst first", box=None, header_style="bold", pad_edge=False)
    for split in finalist.splits:
        summary = finalist.summary(split)
        by_group = {
            fact: {f"{name}{rate.mark}": rate.eer for name, rate in rates.items()}
            for fact, rates in summary.by_group.items()
        }
        for fact, rates in {"attack": summary.by_attack, **by_group}.items():
            named = [f"{name} {percent(eer)}" for name, eer in worst_first(rates)]
            more = [f"{len(named) - _MOST_NAMES} more"] if len(named) > _MOST_NAMES else []
            table.add_row(f"{split} {escape(fact)}", escape(", ".join(named[:_MOST_NAMES] + more)))
    return table


def _costs_view(finalist: Finalist) -> Table:
    table = _table("cost", *finalist.splits)
    for name in shown_costs(finalist):
        table.add_row(COST_NAMES[name], *(cost(finalist, split, name) for split in finalist.splits))
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(first, box=None, header_style="bold", pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def next_commands(outcome: StudyOutcome) -> list[tuple[str, str]]:
    """What each next step is for, and its command."""
    study = outcome.study
    commands = Commands(study.name, study.tracking_uri, study.shards_folder)
    return [
        ("compare the runs", f"spoofsweep ui {shlex.quote(study.reference)}"),
        *(("give *** its password", line) for line in commands.environment),
        ("score your own files", commands.detect()),
        ("train it again", commands.reproduce(f"champion@{study.name}")),
    ]


def _markdown(outcome: StudyOutcome) -> str:
    champion, summary = outcome.champion, outcome.summary
    parts = [
        f"# Study {champion.model_name}",
        "\n".join(f"- {line}" for line in status_lines(summary)),
        "## Champion",
        f"Version {champion.version}, run `{champion.run_id}`, trial {champion.finalist.candidate.trial_number}.",
        error_rate_table(champion.finalist),
        *validation_note(champion.finalist.candidate),
        *cost_section(champion.finalist),
        *attack_section(champion.finalist),
        *group_section(champion.finalist),
        "![DET curves](det.png)",
        "![Scores](scores.png)",
        "## Finalists",
        f"Ranked by {_criterion(outcome.ranking)}; eval was scored after the training of each, and decided nothing.",
        markdown_table(*_finalists(outcome.ranking)),
        "## Search",
        "![Optimisation history](history.png)",
    ]
    if summary.rungs:
        parts += ["![Survival at the rungs](rungs.png)", _rung_rows(summary)]
    if summary.second is not None:
        parts += [
            f"## Pareto front of {summary.objective.label} and {summary.second.label}",
            f"![Pareto front]({FRONT_FIGURE})",
            _front_rows(outcome, summary.second),
            "No trial is better in one of them and not worse in the other. Finalists are spread over the front; the "
            f"champion is the best of the finalists by mean {summary.objective.label}.",
        ]
    parts += ["## Trials", _trial_rows(outcome), "## Go on"]
    parts.append(
        "```\n" + "\n".join(f"{command}  # {purpose}" for purpose, command in next_commands(outcome)) + "\n```"
    )
    return "\n\n".join(parts) + "\n"


def _finalists(ranking: Sequence[Standing]) -> tuple[list[str], list[list[str]]]:
    """Names of the columns and rows of the finalists."""
    objective, has_folds = ranking[0].objective, ranking[0].fold_eer is not None
    names = ["trial", "seeds"]
    if objective != EER:
        names += [*([f"{objective.label} over folds"] if has_folds else []), f"mean {objective.label}"]
    names += [*(["dev EER over folds"] if has_folds else []), "mean dev EER", "sd", "best dev EER"]
    rows = []
    for s in ranking:
        values = [*((s.fold_value,) if has_folds else ()), s.mean_value] if objective != EER else []
        rates = (*((s.fold_eer,) if has_folds else ()), s.mean, s.spread, s.best.dev_eer, s.mean_of("eval"))
        told = [*(shown(value, objective) for value in values), *map(percent, rates)]
        rows.append([str(s.trial_number), seeds(s), *told, decimals(s.mean_cost("eval", "min_dcf"))])
    return [*names, "mean eval EER", "mean eval minDCF"], rows


def _criterion(ranking: Sequence[Standing]) -> str:
    objective = ranking[0].objective
    meaning = "" if objective == EER else f" ({objective.meaning})"
    if ranking[0].fold_eer is None:
        return f"the mean {objective.label}{meaning} over seeds (where one that diverged counts as the worst)"
    return f"the trial's mean {objective.label}{meaning} over its folds, while the seeds were trained on all attacks"


def _rung_rows(summary: Summary) -> str:
    label = summary.objective.label
    names = ["passes", "reached", "stopped", f"rank correlation with the final {label} (Kendall's tau)", "prunes"]
    rows = [[f"{r.passes:.3g}", r.num_reached, r.num_stopped, correlation_of(r), verdict_of(r)] for r in summary.rungs]
    return markdown_table(names, rows)


def _trial_rows(outcome: StudyOutcome) -> str:
    paths, objective, second = list(varying(outcome.trials)), outcome.objective, outcome.summary.second
    forked = ["from trial, at passes"] if any(trial.lineage for trial in outcome.trials) else []
    rows = []
    for trial in ranked(outcome.trials):
        values = [short(trial.params[path]) if path in trial.params else "" for path in paths]
        passes = f"{trial.samples_seen / outcome.horizon.samples_per_pass:.3g}"
        parent = [origin(trial, outcome.horizon.samples_per_pass)] if forked else []
        sizes = [second.show(second_of(trial, second))] if second else []
        rows.append([trial.number, *parent, trial.state.lower(), *values_of(trial, objective), *sizes, passes, *values])
    labels = [*value_names(objective), *([second.label] if second else [])]
    return markdown_table(["trial", *forked, "state", *labels, "passes", *(f"`{path}`" for path in paths)], rows)


def _front_rows(outcome: StudyOutcome, second: Second) -> str:
    finalists = {standing.trial_number: standing for standing in outcome.ranking}
    rows = []
    for trial in outcome.summary.front:
        values = [*values_of(trial, outcome.objective), second.show(second_of(trial, second))]
        standing = finalists.get(trial.number)
        mean = [percent(standing.mean), percent(standing.mean_of("eval"))] if standing else ["-", "-"]
        rows.append([trial.number, *values, *mean, f"`{trial.config.model.kind}`"])
    names = ["trial", *value_names(outcome.objective), second.label]
    return markdown_table([*names, "mean dev EER over seeds", "mean eval EER", "model"], rows)


def _pareto_figure(outcome: StudyOutcome, second: Second) -> Figure:
    front = {trial.number for trial in outcome.summary.front}
    finalists = {standing.trial_number for standing in outcome.ranking}
    points = [
        figures.TradeOff(trial.number, trial.value, size, trial.number in front, trial.number in finalists)
        for trial in outcome.trials
        if trial.converged and trial.value is not None and (size := second_of(trial, second)) is not None
    ]
    return figures.pareto_figure(points, outcome.objective, second.label)


def _history_point(trial: TrialRecord, objective: Objective) -> figures.HistoryPoint:
    metrics = trial.attributes.get("metrics", {}) if objective == EER else {}  # others have no interval
    return figures.HistoryPoint(
        trial.number, trial.state, trial.last_value, metrics.get("dev_eer_low"), metrics.get("dev_eer_high")
    )

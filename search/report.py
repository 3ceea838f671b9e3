"""What a finished study says: a report with figures in its folder, and the summary on the terminal."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from data_prep.atomic import atomic_write_text
from search import figures
from search.commands import Commands
from search.finalists import Standing
from search.horizon import Horizon
from search.leaderboard import Summary, last_eer, leaderboard_table, percent, ranked, short, status_lines, varying
from search.model_card import attack_section, error_rate_table, seeds, validation_note
from search.registry import Champion, score_figures
from search.study import Study
from search.trial_record import TrialRecord
from trainable.score_summary import corpus_label, span


@dataclass(frozen=True)
class StudyOutcome:
    """Everything that a report tells."""

    trials: Sequence[TrialRecord]
    horizon: Horizon
    summary: Summary
    ranking: Sequence[Standing]
    champion: Champion
    study: Study


def write_report(outcome: StudyOutcome, folder: Path) -> Path:
    """Write ``report.md`` and its figures into ``folder``; returns the report's path."""
    points = [_history_point(trial) for trial in outcome.trials if trial.counts]
    figures.save(figures.history_figure(points), folder / "history.png")
    if outcome.summary.rungs:
        figures.save(figures.survival_figure(outcome.summary.rungs), folder / "rungs.png")
    score_figures(outcome.champion.finalist, folder)
    path = folder / "report.md"
    atomic_write_text(path, _markdown(outcome))
    return path


def print_summary(outcome: StudyOutcome, console: Console, report: Path, limit: int = 10) -> None:
    """The leaderboard, the finalists, the champion's error rates, what pruning saved, and how to go on."""
    console.rule("[bold]Leaderboard")
    console.print(leaderboard_table(outcome.trials, outcome.horizon.samples_per_pass, limit))
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
    table = Table("", "trial", box=None, header_style="bold", pad_edge=False)
    has_folds = ranking[0].fold_eer is not None
    fold_column = ["dev EER over folds"] if has_folds else []
    for name in (*fold_column, "mean dev EER", "sd", "best", "seeds", "mean eval EER"):
        table.add_column(name, justify="right")
    for place, standing in enumerate(ranking):
        table.add_row(
            "[green]champion[/]" if place == 0 else "",
            str(standing.trial_number),
            *([percent(standing.fold_eer)] if has_folds else []),
            percent(standing.mean),
            percent(standing.spread),
            percent(standing.best.dev_eer),
            seeds(standing),
            percent(standing.mean_of("eval")),
        )
    return table


def champion_view(champion: Champion) -> Group:
    """Who won, and its EER on each split, pooled and by attack."""
    finalist = champion.finalist
    candidate = finalist.candidate
    table = Table("split", box=None, header_style="bold", pad_edge=False)
    for name in ("EER", "interval", "bona fide", "spoofed"):
        table.add_column(name, justify="right")
    table.add_column("by attack")
    for split in finalist.splits:
        s = finalist.summary(split)
        attacks = ", ".join(f"{escape(name)} {eer:.1%}" for name, eer in sorted(s.by_attack.items()))
        table.add_row(split, percent(s.eer), span(s.interval), str(s.num_bonafide), str(s.num_spoof), attacks)
        for name, r in s.by_corpus.items():
            label = escape(corpus_label(name, r))
            table.add_row(f"  {label}", percent(r.eer), span(r.interval), str(r.num_bonafide), str(r.num_spoof))
    who = f"trial {candidate.trial_number}, seed {candidate.seed_index}, run {champion.run_id}"
    notes = [escape(note.replace("**", "")) for note in validation_note(candidate)]
    return Group(f"{champion.model_name}, version {champion.version}: {who}", table, *notes)


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
        *attack_section(champion.finalist),
        "![DET curves](det.png)",
        "![Scores](scores.png)",
        "## Finalists",
        f"Ranked by {_criterion(outcome.ranking)}; eval was scored after the training of each, and decided nothing.",
        _finalists_rows(outcome.ranking),
        "## Search",
        "![Optimisation history](history.png)",
    ]
    if summary.rungs:
        parts += ["![Survival at the rungs](rungs.png)", _rung_rows(summary)]
    parts += ["## Trials", _trial_rows(outcome.trials, outcome.horizon.samples_per_pass), "## Go on"]
    parts.append(
        "```\n" + "\n".join(f"{command}  # {purpose}" for purpose, command in next_commands(outcome)) + "\n```"
    )
    return "\n\n".join(parts) + "\n"


def _finalists_rows(ranking: Sequence[Standing]) -> str:
    has_folds = ranking[0].fold_eer is not None
    rows = []
    for s in ranking:
        rates = (*((s.fold_eer,) if has_folds else ()), s.mean, s.spread, s.best.dev_eer, s.mean_of("eval"))
        rows.append(f"| {s.trial_number} | {seeds(s)} | " + " | ".join(percent(rate) for rate in rates) + " |")
    names = ["trial", "seeds", *(["dev EER over folds"] if has_folds else [])]
    names += ["mean dev EER", "sd", "best dev EER", "mean eval EER"]
    return "\n".join([f"| {' | '.join(names)} |", "|---" * len(names) + "|", *rows])


def _criterion(ranking: Sequence[Standing]) -> str:
    if ranking[0].fold_eer is None:
        return "the mean dev EER over seeds (where one that diverged counts as 100%)"
    return "the trial's mean dev EER over its folds, while the seeds were trained on all attacks"


def _rung_rows(summary: Summary) -> str:
    rows = [
        f"| {r.passes:.3g} | {r.num_reached} | {r.num_stopped} | {r.rank_correlation:.2f} | {r.num_finished} |"
        for r in summary.rungs
    ]
    head = "| passes | reached | stopped | rank correlation with the final EER | finished trials behind it |"
    return "\n".join([head, "|---|---|---|---|---|", *rows]).replace("| nan |", "| - |")


def _trial_rows(trials: Sequence[TrialRecord], samples_per_pass: int) -> str:
    paths = list(varying(trials))
    lines = ["| trial | state | dev EER | passes | " + " | ".join(f"`{path}`" for path in paths) + " |"]
    lines.append("|---" * (4 + len(paths)) + "|")
    for trial in ranked(trials):
        values = [short(trial.params[path]) if path in trial.params else "" for path in paths]
        passes = f"{trial.samples_seen / samples_per_pass:.3g}"
        cells = [str(trial.number), trial.state.lower(), percent(last_eer(trial)), passes, *values]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _history_point(trial: TrialRecord) -> figures.HistoryPoint:
    metrics = trial.attributes.get("metrics", {})
    return figures.HistoryPoint(
        trial.number, trial.state, last_eer(trial), metrics.get("dev_eer_low"), metrics.get("dev_eer_high")
    )

"""The swept CNN-GRU against the LFCC-GMM baseline, on the same shards: EER on dev and eval, pooled and by attack.

    export SPOOFSWEEP_DEV_CORPUS=/where/it/is/LA
    python benchmarks/quality.py benchmarks/studies/dev-corpus.toml

Runs the study's sweep first, or goes on with it; writes results/reference/quality-<study>.md and .json. Champion and
GMM are chosen and trained without a look at eval.
"""

import argparse
import json
import time
from pathlib import Path

from gmm_baseline import gmm_score_tables
from machine import machine_facts
from rich.console import Console

from data_prep.shards import ShardSet
from search.launch import launch
from search.report import StudyOutcome
from search.study import Study, load_study
from trainable.score_summary import ScoreSummary, summarise
from trainable.scores import ScoreTable

Systems = dict[str, dict[str, ScoreSummary]]
NUM_RESAMPLES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--components", type=int, nargs="+", default=[64, 512], help="Gaussians a class")
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parser.parse_args()
    study, console = load_study(arguments.study), Console()
    outcome = launch(study, console)
    if outcome is None:
        raise SystemExit("the sweep was stopped; run this again to go on")
    champion = outcome.champion.finalist
    shards = ShardSet.open(study.shards_folder / champion.record.shard_set_id)
    systems: Systems = {"champion CNN-GRU": summaries({split: champion.scores(split) for split in champion.splits})}
    for num_components in arguments.components:
        started = time.monotonic()
        systems[f"LFCC-GMM {num_components}"] = summaries(gmm_score_tables(shards, num_components))
        console.print(f"LFCC-GMM {num_components}: {time.monotonic() - started:.0f} s")
    text = report(study, outcome, systems)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / f"quality-{study.name}.md").write_text(text)
    facts = {name: {split: as_json(summary) for split, summary in found.items()} for name, found in systems.items()}
    (arguments.output / f"quality-{study.name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    console.print(text, markup=False, highlight=False)


def summaries(tables: dict[str, ScoreTable]) -> dict[str, ScoreSummary]:
    return {split: summarise(table, NUM_RESAMPLES) for split, table in tables.items()}


def report(study: Study, outcome: StudyOutcome, systems: Systems) -> str:
    facts = machine_facts("torch", "ray", "optuna", "mlflow", "scikit-learn")
    standing = outcome.ranking[0]
    states = ", ".join(f"{count} {state.lower()}" for state, count in outcome.summary.num_by_state.items())
    eers = ", ".join(f"{100 * f.dev_eer:.2f}" for f in standing.finalists)
    lines = [
        f"# Quality: study `{study.name}`",
        "",
        "`python benchmarks/quality.py "
        + f"benchmarks/studies/{study.path.name}`; "
        + ", ".join(f"{k} {v}" for k, v in facts.items()),
        "",
        f"Trials: {states}; pruning saved {outcome.summary.compute_saved:.0%} of the training. "
        f"The champion's configuration over its seeds, dev EER %: {eers} (mean {100 * standing.mean:.2f}).",
        "",
        "| system | split | EER % | 95 % interval | to the champion's | by attack, EER % |",
        "|---|---|---|---|---|---|",
    ]
    reference = systems["champion CNN-GRU"]
    for name, found in systems.items():
        for split, summary in found.items():
            attacks = " ".join(f"{attack} {100 * eer:.1f}" for attack, eer in sorted(summary.by_attack.items()))
            low, high = 100 * summary.interval.low, 100 * summary.interval.high
            ratio = f"{summary.eer / reference[split].eer:.2f}x" if reference[split].eer else "-"
            lines.append(
                f"| {name} | {split} | {100 * summary.eer:.2f} | {low:.2f} - {high:.2f} | {ratio} | {attacks} |"
            )
    best_gmm = min(found["dev"].eer for name, found in systems.items() if name != "champion CNN-GRU")
    lines += ["", f"Champion's dev EER / best GMM's: {reference['dev'].eer / best_gmm:.3f} (aim: at most 0.45)."]
    return "\n".join(lines) + "\n"


def as_json(summary: ScoreSummary) -> dict[str, object]:
    return {
        "eer": summary.eer,
        "low": summary.interval.low,
        "high": summary.interval.high,
        "by_attack": summary.by_attack,
    }


if __name__ == "__main__":
    main()

"""What each augmentation does to the error rates of one fixed CNN-GRU; everything else is equal.

    export SPOOFSWEEP_DEV_CORPUS=/where/it/is/LA
    python benchmarks/augmentation_quality.py [--seeds 3] [--jobs 2]

All policies stand in one shard set; each training draws its views from one of them (``batch.policies``), or from none.
Nothing is chosen by the figures, so eval may be looked at. Writes results/reference/augmentation-quality.md.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

import torch
from machine import machine_facts

from data_prep.atomic import atomic_write_text
from data_prep.prepare import prepare
from data_prep.shards import ShardSet
from search.study.study import Study, load_study
from trainable.scores.score_summary import summarise
from trainable.training.training import Training

STUDY = Path(__file__).parent / "studies" / "augmentation.toml"
OFF = "none"
Outcome = dict[str, float]
"""EER by ``split`` and by ``split attack``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, one core each")
    parser.add_argument("--output", type=Path, default=Path("results/reference"))
    arguments = parser.parse_args()
    study = load_study(STUDY)
    shards = prepare(study.prep, study.base, study.output)
    policies = [OFF, *study.config.augmentation.policies]
    runs = [(policy, seed) for seed in range(1, arguments.seeds + 1) for policy in policies]
    outcomes: dict[str, list[Outcome]] = {policy: [] for policy in policies}
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(train, study, shards, policy, seed) for policy, seed in runs]
        for (policy, seed), future in zip(runs, waiting, strict=True):
            outcomes[policy].append(future.result())
            found = outcomes[policy][-1]
            print(
                f"{policy}, seed {seed}: dev {100 * found['dev']:.2f} %, eval {100 * found['eval']:.2f} %", flush=True
            )
            # After each training, so that a run that is interrupted leaves a true table.
            text = report(outcomes, arguments.seeds)
            atomic_write_text(arguments.output / "augmentation-quality.md", text)
    print(text)


def train(study: Study, shards: ShardSet, policy: str, seed: int) -> Outcome:
    torch.set_num_threads(1)
    trial = study.config.trial
    tags = () if policy == OFF else (policy,)
    batch = trial.batch.model_copy(update={"policies": tags})
    training = Training(trial.model_copy(update={"batch": batch}), shards, seed)
    for _ in training:
        pass
    found: Outcome = {}
    for split in ("dev", "eval"):
        summary = summarise(training.score(split))
        found |= {split: summary.eer} | {f"{split} {attack}": eer for attack, eer in summary.by_attack.items()}
    return found


def report(outcomes: dict[str, list[Outcome]], num_seeds: int) -> str:
    """The table of the trainings that are done; the first of them is one without augmentation."""
    done, planned = sum(map(len, outcomes.values())), num_seeds * len(outcomes)
    attacks = [key for key in outcomes[OFF][0] if key.startswith("eval ")]
    header = ["views from", "seeds", "dev", "eval", *attacks]
    lines = [
        "# What each augmentation does",
        "",
        f"`python benchmarks/augmentation_quality.py --seeds {num_seeds}`; "
        + ", ".join(f"{key} {value}" for key, value in machine_facts("torch").items()),
        "",
        f"EER % of the CNN-GRU of `benchmarks/studies/{STUDY.name}`, last pass, mean over seeds "
        f"(lowest - highest); {done} of {planned} trainings. Half of the training samples are augmented views of the "
        "policy named.",
        "",
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
    ]
    for policy, found in ((policy, found) for policy, found in outcomes.items() if found):
        cells = [str(len(found)), *(spread([one[key] for one in found]) for key in ("dev", "eval"))]
        cells += [f"{100 * mean(one[key] for one in found):.1f}" for key in attacks]
        lines.append(f"| {policy} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def spread(eers: Sequence[float]) -> str:
    return f"{100 * mean(eers):.2f} ({100 * min(eers):.2f} - {100 * max(eers):.2f})"


if __name__ == "__main__":
    main()

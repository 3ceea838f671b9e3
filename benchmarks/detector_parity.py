"""What export, eight bits, pruning, streaming and causality cost in EER: parity reports over seeds.

    export SPOOFSWEEP_DEV_CORPUS=/where/it/is/LA
    python benchmarks/detector_parity.py [--seeds 10] [--passes 20]

Trains causal models (edge_gru, and the CNN-GRU with ``causal``: of default size, and with a GRU that brings it to the
parameters of the bidirectional one) and the bidirectional CNN-GRU, all by one recipe, with every seed on the shards of
benchmarks/studies/quality.toml, prunes each to half of its units, trains what is left for as many passes again, and
reports on eval, which decides nothing here. Models, pruned models and reports are kept in the study's folder: a run
that is interrupted goes on.

The recipe is what the sweep of quality.py chose on dev (results/reference/quality.md), with the study's augmentations.
It neither subtracts a window's mean nor pools by attention, which a causal network cannot, so that causality alone
tells the two CNN-GRUs apart.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from machine import machine_facts, parse_arguments
from rich.console import Console

from data_prep.atomic import atomic_write_text
from data_prep.prepare import prepare
from data_prep.shards import ShardSet
from deploy.compress.pruning import FineTuning, Pruner, shrunk
from deploy.parity.chain import ExportedModel
from deploy.parity.report import REPORT
from deploy.parity.row import FLOAT32
from deploy.parity.run import Request, parity
from search.study.study import Study, load_study
from trainable.checkpoints.signature import trial_signature
from trainable.config import TrialConfig
from trainable.training.training import Training

STUDY = Path(__file__).parent / "studies" / "quality.toml"
BIDIRECTIONAL = "CNN-GRU, bidirectional"
MODELS: dict[str, dict[str, Any]] = {
    "edge_gru": {"kind": "edge_gru"},
    "CNN-GRU, causal": {"causal": True},
    "CNN-GRU, causal, 112 units": {"causal": True, "gru_size": 112},
    BIDIRECTIONAL: {},
}
"""Settings of ``[trial.model]``."""
RECIPE: dict[str, dict[str, Any]] = {
    "model": {"normalise": False, "pooling": "mean", "cnn_dropout": 0.0244, "dropout": 0.304},
    "optimizer": {"learning_rate": 2.42e-3, "weight_decay": 1.61e-3},
    "loss": {"bonafide_weight": 0.623},
    "averaging": {"kind": "ema"},
    "batch": {"balanced": True, "mixup_alpha": 0.3},
}
"""Settings of the sections of ``[trial]``, all models'."""
KEEP = 0.5
AIMS = {"int8": 0.1, "streamed int8": 0.1, "pruned int8": 0.3, "streamed pruned int8": 0.3}
"""Most points of EER that a row may cost."""
CAUSAL_AIM = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--passes", type=float, default=20.0, help="over the training split")
    parser.add_argument("--split", choices=("dev", "eval"), default="eval")
    parser.add_argument("--utterances", type=int, help="score at most so many; by default all")
    parser.add_argument("--output", type=Path, default=Path("results/reference/detector-parity.md"))
    arguments = parse_arguments(parser)
    torch.set_num_threads(1)
    console = Console()
    study = load_study(STUDY)
    shards = prepare(study.prep, study.base, study.output, cluster=study.config.cluster, console=console)
    reports: dict[str, list[dict[str, Any]]] = {name: [] for name in MODELS}
    for seed in range(1, arguments.seeds + 1):
        for name in MODELS:
            reports[name].append(reported(study, shards, name, seed, arguments))
            console.print(f"{name}, seed {seed}: done", highlight=False)
            if all(reports.values()):
                atomic_write_text(arguments.output, page(reports, arguments))
    console.print(arguments.output.read_text(), markup=False, highlight=False)


def reported(study: Study, shards: ShardSet, name: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """The report of one model and seed, made unless it is there."""
    config, slug = config_of(study, MODELS[name], arguments.passes), name.lower().replace(", ", "-")
    folder = study.folder / "parity" / f"{slug}-{trial_signature(config, seed, shards.shard_set_id)}"
    detector = folder / f"detector-{arguments.split}-{arguments.utterances or 'all'}"
    if not (detector / REPORT).is_file():
        train(config, shards, seed, folder)
        exported = ExportedModel.found_or_made(str(folder / "trained"), "", None, detector)
        pruned = str(folder / "pruned")
        request = Request(STUDY, pruned, arguments.split, arguments.utterances, num_resamples=200)
        parity(exported, request, "").write(detector)
    return dict(json.loads((detector / REPORT).read_text()))


def config_of(study: Study, settings: Mapping[str, Any], passes: float) -> TrialConfig:
    """The study's own trial by the recipe, with another network and budget."""
    trial = study.config.trial
    changes = {name: getattr(trial, name).model_copy(update=values) for name, values in RECIPE.items()}
    changes["model"] = changes["model"].model_copy(update=dict(settings))
    return trial.model_copy(update={**changes, "budget_passes": passes, "report_passes": min(5.0, passes)})


def train(config: TrialConfig, shards: ShardSet, seed: int, folder: Path) -> None:
    """Train and prune, as far as that is not done."""
    if not (folder / "trained").is_dir():
        training = Training(config, shards, seed)
        for _ in training:
            pass
        training.write_model(folder / "trained")
    if not (folder / "pruned").is_dir():
        pruner = Pruner(folder / "trained", shards)
        tuning = FineTuning(config.budget_passes)
        pruner.prune("half", shrunk(config.model, KEEP), tuning, folder / "pruned")


def page(reports: Mapping[str, Sequence[Mapping[str, Any]]], arguments: argparse.Namespace) -> str:
    """Means over seeds as Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in machine_facts("torch", "onnxruntime").items())
    first = next(iter(reports.values()))[0]
    lines = [
        "# Parity of causal and bidirectional detectors",
        "",
        f"`{arguments.command}`: {facts}. {first['num_bonafide']:,} bona fide and {first['num_spoof']:,} spoofed",
        f"utterances of {first['split']}. Figures are means over seeds; intervals hold 95%, by a bootstrap of seeds.",
    ]
    for name, of_seeds in reports.items():
        lines += ["", f"## {name} ({len(of_seeds)} seeds)", "", *_table(of_seeds)]
    lines += ["", f"EER against {BIDIRECTIONAL}, as trained, in points (aim: at most {CAUSAL_AIM:g}):", ""]
    eers = {name: np.array([_row(one, FLOAT32)["eer"] for one in of_seeds]) for name, of_seeds in reports.items()}
    num = len(eers[BIDIRECTIONAL])  # the last of each seed's
    for name in (name for name in MODELS if name != BIDIRECTIONAL):
        lines.append(f"- {name}: {_points(eers[name][:num] - eers[BIDIRECTIONAL])}")
    return "\n".join([*lines, ""])


def _table(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| form | EER % | change, points | aim | largest difference | kB | p50 ms | p99 ms | of s | CPU s an hour |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in (row["name"] for row in reports[0]["rows"]):
        rows = [_row(report, name) for report in reports]

        def mean(field: str, rows: Sequence[Mapping[str, Any]] = rows) -> float:
            return fmean(row[field] for row in rows)

        is_reference = name == rows[0]["against"]
        change = "" if is_reference else _points(np.array([row["eer_change"] for row in rows]))
        aim = f"{AIMS[name]:g}" if name in AIMS else ""
        largest = "" if is_reference else f"{max(row['max_difference'] for row in rows):.1e}"
        times = f"{mean('p50_ms'):.3f} | {mean('p99_ms'):.3f} | {mean('audio_s'):.2f} | {mean('cpu_s_per_hour'):.2f}"
        cells = f"{100 * mean('eer'):.2f} | {change} | {aim} | {largest} | {mean('num_bytes') / 1000:.1f}"
        lines.append(f"| {name} | {cells} | {times} |")
    return lines


def _row(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(row for row in report["rows"] if row["name"] == name)
    return found


def _points(changes: np.ndarray) -> str:
    """Mean and interval, in points."""
    draws = np.random.default_rng(0).integers(len(changes), size=(2000, len(changes)))
    low, high = np.quantile(changes[draws].mean(axis=1), (0.025, 0.975))
    return f"{100 * changes.mean():+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


if __name__ == "__main__":
    main()

"""Toy studies: closed-form learning curves, so that a whole sweep takes seconds."""

import time
from pathlib import Path
from typing import Any

import pandas

from search.study.config import StudyConfig
from search.study.study import Study

NUM_TRAIN = 100


class ToyData:
    """What a sweep needs of a shard set, without shards."""

    def __init__(self, folder: Path, shard_set_id: str = "0123456789abcdef") -> None:
        self.folder, self.shard_set_id = folder, shard_set_id
        self.index = pandas.DataFrame({"split": ["train"] * NUM_TRAIN + ["dev"] * 50, "view": 0})


def toy_study(output: Path, name: str, num_trials: int, **sections: dict[str, Any]) -> Study:
    """Nine passes; rungs at one and three passes."""
    values: dict[str, Any] = {
        "study": {"name": name, "output": str(output), "seed": 7},
        "corpus": {"layout": "manifest", "root": str(output)},
        "trial": {"budget_passes": 9},
        "space": {
            "optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "model.dropout": {"low": 0.0, "high": 0.5},
            "model.channels": {"choices": [[16, 32], [16, 32, 48]]},
        },
        "search": {"num_trials": num_trials, "startup_trials": 3, "rung_trust": False},
        "cluster": {"num_cpus": 2, "max_concurrent_trials": 1},
    }
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return Study(output / f"{name}.toml", StudyConfig.model_validate(values))


def toy_trial(
    crashing: tuple[int, ...] = (),
    nan: tuple[int, ...] = (),
    diverging: tuple[int, ...] = (),
    crashing_once: tuple[int, ...] = (),
    step_s: float = 0.0,
) -> Any:
    """A trainable class; local, so that it reaches Ray's workers by value. Trials named by number misbehave.

    Its checkpoint is a number in a file: the samples of its last report.
    """
    from ray import tune

    class ToyTrial(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self._config, self._num_reports = config, 0
            self._own = Path(config["checkpoint"])
            for earlier in sorted(self._own.parent.glob("*/samples")):
                # The last known report comes again.
                self._num_reports = min(int(earlier.read_text()), config["reported"]) // 100 - 1

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            self._num_reports += 1
            time.sleep(step_s)
            number, trial = self._config["trial_number"], self._config["trial"]
            eer = trial["model"]["dropout"] + 0.4 / self._num_reports
            final, diverged = self._num_reports == 9, False
            crashes = number in crashing or (number in crashing_once and self._own.name == "0001")
            if self._num_reports == 2 and crashes:
                raise RuntimeError(f"trial {number} crashed")
            self._own.mkdir(parents=True, exist_ok=True)
            (self._own / "samples").write_text(str(self._num_reports * 100))
            if number in nan:
                eer = float("nan")
            if number in diverging:
                eer, final, diverged = 1.0, True, True
            if final:
                folder = Path(self._config["output"])
                folder.mkdir(parents=True)
                (folder / "model.json").write_text(str(number))
            metrics = {
                "dev_eer": eer,
                "dev_eer_low": eer - 0.01,
                "dev_eer_high": eer + 0.01,
                "dev_min_dcf": 0.5 - trial["model"]["dropout"] + 0.4 / self._num_reports,  # ranks the other way round
                "num_parameters": 1e5 * len(trial["model"]["channels"]) * (1 - trial["model"]["dropout"]),
                "diverged": float(diverged),
            }
            return {
                **metrics,
                "samples_seen": self._num_reports * 100,
                "passes": float(self._num_reports),
                "done": final,
            }

    return ToyTrial

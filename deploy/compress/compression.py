"""A small study of how far a model can be compressed: dev EER against size and time of its exported file."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import optuna
from torch import nn

from cluster.errors import SpoofsweepError
from deploy.compress.int8_rounding import rounded
from deploy.compress.onnx_surgery import fold_network, store_weights_in_int8
from deploy.compress.pruning import LEAST_UNITS, FineTuning, Pruner, Rate, shrunk
from deploy.compress.quantise import FLOAT, PRECISION
from deploy.compress.slicing import widths_of
from deploy.detector_folder import STREAM, UTTERANCE
from deploy.export.form_cards import detector_card, stream_card, stream_obstacle
from deploy.export.model_origin import ModelOrigin
from deploy.export.onnx_file import write_detector
from deploy.export.onnx_forms import stream_graph, utterance_graph
from deploy.export.operating_points import EER
from deploy.stream.onnx_latency import Latency
from deploy.stream.onnx_model import OnnxModel
from trainable.checkpoints.checkpoint import ModelRecord, read_model
from trainable.config import ModelConfig
from trainable.models.streamable import Streamable

DATABASE = "compress.db"
_NAME = "compress"
_QUEUED_AGAIN = "queued_again"
_SIGNATURE = "signature"
_FIRST_SHARES = (0.75, 0.5, 0.25)
"""Of all layers alike, with which a study begins."""
_SMALLEST_SHARE = 8
"""A layer keeps an eighth of its units at least."""
_RATES = (0.1, 3.0)
"""Learning rates, as multiples of the model's own."""


@dataclass(frozen=True)
class Point:
    """One trial of the study."""

    number: int
    rate: Rate
    size_kb: float
    """Of the exported file, in thousands of bytes."""
    latency_ms: float
    """Median, of a chunk of 0.1 s if the model can follow a stream, else of a scoring window."""
    num_parameters: int
    precision: str

    @property
    def values(self) -> tuple[float, float, float]:
        """What is minimised."""
        return self.rate.eer, self.size_kb, self.latency_ms


class Compression:
    """Searches over units of every layer, length and learning rate of fine-tuning, and eight bits for the weights.

    Weights in eight bits are scored as they are rounded, on the features of the shards: no audio is needed. The search
    is multi-objective TPE (Ozaki, Tanigaki, Watanabe, Nomura and Onishi 2022), after three networks whose layers shrink
    alike.

    Args:
        pruner: of the model.
        folder: for the study's database, and a folder a trial; a study that is there goes on.
        max_passes: of fine-tuning, over the training split.

    Raises:
        SpoofsweepError: the folder holds another model's study.
    """

    def __init__(self, pruner: Pruner, folder: Path, max_passes: float, seed: int = 1) -> None:
        self._pruner, self._folder, self._max_passes = pruner, folder, max_passes
        folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = f"sqlite:///{(folder / DATABASE).resolve()}"
        self._study = optuna.create_study(
            storage=storage, study_name=_NAME, directions=["minimize"] * 3, load_if_exists=True
        )
        # Draws of a study that goes on are others than those that it began with.
        self._study.sampler = optuna.samplers.TPESampler(seed=seed + len(self._study.trials))
        self._claim()
        self._requeue_unfinished()

    def run(self, num_trials: int) -> list[Point]:
        """Run trials until so many are complete; returns these."""
        missing = num_trials - len(self.points())
        if missing > 0:
            self._study.optimize(self._try, n_trials=missing)
        return self.points()

    def points(self) -> list[Point]:
        """All complete trials."""
        return [
            Point(
                number=trial.number,
                rate=Rate(*(trial.user_attrs[name] for name in ("eer", "low", "high"))),
                size_kb=trial.values[1],
                latency_ms=trial.values[2],
                num_parameters=trial.user_attrs["num_parameters"],
                precision=trial.user_attrs["precision"],
            )
            for trial in self._study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
        ]

    def _claim(self) -> None:
        signature = self._pruner.record.signature
        known = self._study.user_attrs.get(_SIGNATURE)
        if known is None:
            self._study.set_user_attr(_SIGNATURE, signature)
            for share in _FIRST_SHARES:
                self._study.enqueue_trial(self._uniform(share))
        elif known != signature:
            found = f"one of {known} in {self._folder}, and {signature}"
            raise SpoofsweepError("a folder holds one model's study of compression", found, "give another --output")

    def _requeue_unfinished(self) -> None:
        """Queue, once, what earlier commands were about when they were killed or interrupted."""
        known = self._study.user_attrs.get(_QUEUED_AGAIN, [])
        states = (optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.FAIL)
        lost = [trial for trial in self._study.get_trials(states=states) if trial.number not in known]
        for trial in lost:
            if not trial.state.is_finished():
                self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            queued = trial.system_attrs.get("fixed_params", {})
            self._study.enqueue_trial(queued | trial.params)
        self._study.set_user_attr(_QUEUED_AGAIN, [*known, *(trial.number for trial in lost)])

    def _layers(self) -> dict[str, tuple[str, int | None, int]]:
        """By name: setting, place in it, units."""
        config = self._pruner.record.trial.model
        layers = {}
        for width in widths_of(self._pruner.model, config):
            name = width.setting if width.place is None else f"{width.setting}[{width.place}]"
            layers[name] = (width.setting, width.place, width.size)
        return layers

    def _uniform(self, share: float) -> dict[str, object]:
        config = self._pruner.record.trial
        small = shrunk(config.model, share)
        units = {}
        for name, (setting, place, size) in self._layers().items():
            value = getattr(small, setting)
            units[name] = max(_fewest(setting, size), value if place is None else value[place])
        rest = {"learning_rate": config.optimizer.learning_rate, "passes": self._max_passes, "precision": PRECISION}
        return {**units, **rest}

    def _target(self, trial: optuna.Trial) -> ModelConfig:
        config = self._pruner.record.trial.model
        changes: dict[str, object] = {}
        for name, (setting, place, size) in self._layers().items():
            units = trial.suggest_int(name, _fewest(setting, size), size)
            if place is None:
                changes[setting] = units
            else:
                before = changes.get(setting, getattr(config, setting))
                assert isinstance(before, tuple)
                changes[setting] = (*before[:place], units, *before[place + 1 :])
        return config.model_copy(update=changes)

    def _try(self, trial: optuna.Trial) -> tuple[float, float, float]:
        peak = self._pruner.record.trial.optimizer.learning_rate
        tuning = FineTuning(
            trial.suggest_float("passes", self._max_passes / 4, self._max_passes),
            trial.suggest_float("learning_rate", _RATES[0] * peak, min(1.0, _RATES[1] * peak), log=True),
        )
        precision = trial.suggest_categorical("precision", [FLOAT, PRECISION])
        training = self._pruner.cut(self._target(trial), tuning)
        *_, last = training
        folder = self._folder / f"trial-{trial.number:03d}"
        training.write_model(folder)
        record, model = read_model(folder)
        rate = Rate.of(last.metrics)
        if precision == PRECISION and not last.diverged:
            rate = self._pruner.rate(record.trial, rounded(model))
        path = _export(record, model, folder, precision)
        exported = OnnxModel.open(path)
        facts = asdict(rate) | {"precision": precision, "num_parameters": exported.card.num_parameters}
        for name, value in facts.items():
            trial.set_user_attr(name, value)
        return rate.eer, path.stat().st_size / 1000, Latency.of(exported).p50_ms


def front(points: list[Point]) -> list[Point]:
    """The points that no other one is better than in one value and as good in the rest; from the best EER on."""

    def dominated(point: Point) -> bool:
        return any(
            other.values != point.values and all(a <= b for a, b in zip(other.values, point.values, strict=True))
            for other in points
        )

    return sorted((point for point in points if not dominated(point)), key=lambda point: point.values)


def _fewest(setting: str, size: int) -> int:
    """Units that a layer keeps at least."""
    return max(LEAST_UNITS if setting == "gru_size" else 1, size // _SMALLEST_SHARE)


def _export(record: ModelRecord, model: nn.Module, folder: Path, precision: str) -> Path:
    """Write the form that is measured into the model's folder."""
    card = detector_card(record, model, ModelOrigin(folder), {EER: record.threshold or 0.0}, None)
    if stream_obstacle(record, model) is None:
        assert isinstance(model, Streamable)
        path, card = folder / STREAM, stream_card(card, record.features, model)
        graph = stream_graph(model, record.features)
    else:
        path, graph = folder / UTTERANCE, utterance_graph(model, record.features, card.window_frames)
    if precision == PRECISION:
        fold_network(graph)
        store_weights_in_int8(graph)
        card = replace(card, precision=PRECISION)
    write_detector(path, graph, card)
    return path

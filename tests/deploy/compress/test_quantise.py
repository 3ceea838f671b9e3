"""Exported detectors in eight bits. All are slow: PyTorch takes seconds to trace the model that they share."""

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnx import TensorProto
from onnx_runs import WINDOW_FRAMES, real_waves, session, step_scores, streamed, tiny_model, window_card, write_stream
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from data_prep.features_config import FeaturesConfig
from deploy.cli import app
from deploy.compress.int8_rounding import rounded
from deploy.compress.onnx_surgery import fold_network, in_network, store_weights_in_int8
from deploy.compress.quantise import _feeds, quantise, quantise_folder
from deploy.compress.quantise_audio import draw_waves
from deploy.detector_card import DetectorCard
from deploy.detector_folder import CARD, MODEL_FILES
from deploy.export.onnx_file import write_detector
from deploy.export.onnx_forms import utterance_graph
from deploy.stream.detector import Detector
from deploy.stream.onnx_model import OnnxModel

pytestmark = pytest.mark.long
FEATURES = FeaturesConfig(kind="logmel", num_filters=20)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, sample_root) -> Path:
    """Both forms of a small edge_gru; tracing it takes seconds."""
    folder = tmp_path_factory.mktemp("exported")
    model = tiny_model("edge_gru", FEATURES, real_waves(sample_root))
    card = window_card(FEATURES)
    write_detector(folder / "utterance.onnx", utterance_graph(model, FEATURES, WINDOW_FRAMES), card)
    write_stream(folder / "stream.onnx", model, FEATURES)
    (folder / CARD).write_text(card.to_json())
    (folder / MODEL_FILES[0]).write_text("{}")
    return folder


@pytest.fixture(scope="module")
def waves(sample_root) -> list[np.ndarray]:
    return list(real_waves(sample_root).numpy())


@pytest.mark.parametrize("weights_only", [False, True])
@pytest.mark.parametrize("form", ["utterance", "stream"])
def test_a_quantised_detector_is_smaller_and_scores_alike(form, weights_only, exported, waves, tmp_path) -> None:
    outcome = quantise(exported / f"{form}.onnx", tmp_path / "int8.onnx", waves[:2], waves[2:], weights_only)
    assert outcome.after_bytes < outcome.before_bytes
    assert outcome.form == form
    detector = Detector.load(tmp_path / "int8.onnx")
    assert detector.card == replace(OnnxModel.open(exported / f"{form}.onnx").card, precision="int8")
    original = Detector.load(exported / f"{form}.onnx")
    differences = [abs(detector.score(wave, 16000).score - original.score(wave, 16000).score) for wave in waves]
    assert outcome.max_difference == pytest.approx(differences[2])
    assert 0 < max(differences) < 0.05


@pytest.mark.parametrize("weights_only", [False, True])
def test_the_front_end_and_the_scores_stay_in_float(weights_only, exported, waves, tmp_path) -> None:
    quantise(exported / "stream.onnx", tmp_path / "int8.onnx", waves[:1], waves[1:], weights_only)
    graph = onnx.load(tmp_path / "int8.onnx").graph
    quantisers = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert bool(quantisers) != weights_only
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    operands = {made_by.get(name) for node in graph.node if node.op_type == "Conv" for name in node.input[:2]}
    assert (operands == {"DequantizeLinear"}) != weights_only
    assert not any("front_end/" in name for node in quantisers for name in (*node.input, *node.output))
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    large = {tensor.name for tensor in graph.initializer if np.prod(tensor.dims) >= 128}
    assert {kinds[name] for name in large if "front_end/" not in name} == {TensorProto.INT8}
    assert {kinds[name] for name in large if "front_end/" in name} == {TensorProto.FLOAT, TensorProto.INT32}


def test_streams_are_calibrated_with_the_states_that_occur(exported, waves) -> None:
    """Beginning with zeros, each feed's states are what the graph answered before."""
    model = OnnxModel.open(exported / "stream.onnx")
    feeds = list(_feeds(model, waves[:2]))
    (second,) = (place for place, feed in enumerate(feeds) if place and not feed["hidden_3"].any())
    for feed, following in pairwise(feeds[:second]):
        names = [f"next_{name}" for name in model.card.states]
        for name, state in zip(model.card.states, model.session.run(names, feed), strict=True):
            np.testing.assert_array_equal(following[name], state)


def test_folding_changes_no_score(exported, waves) -> None:
    graph = onnx.load(exported / "utterance.onnx")
    before = session(graph).run(None, {"samples": waves[0][None]})[0]
    num_nodes = sum(map(in_network, graph.graph.node))
    fold_network(graph)
    onnx.checker.check_model(graph, full_check=True)
    kinds = [node.op_type for node in graph.graph.node if in_network(node)]
    assert "BatchNormalization" not in kinds
    assert len(kinds) < num_nodes
    np.testing.assert_allclose(session(graph).run(None, {"samples": waves[0][None]})[0], before, atol=1e-5)


def test_every_row_has_a_scale_of_its_own(exported) -> None:
    graph = onnx.load(exported / "stream.onnx")
    fold_network(graph)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    (gru,) = (node for node in graph.graph.node if node.op_type == "GRU")
    store_weights_in_int8(graph)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    name = gru.input[1]
    assert stored[f"{name}_scale"].shape == (1, 24, 1)
    assert stored[f"{name}_int8"].dtype == np.int8
    restored = stored[f"{name}_int8"] * stored[f"{name}_scale"]
    assert (np.abs(restored - weights[name]) <= stored[f"{name}_scale"] / 2 * 1.001).all()


def test_only_float_detectors_are_quantised(exported, waves, tmp_path) -> None:
    quantise(exported / "stream.onnx", tmp_path / "int8.onnx", waves[:1], waves[1:])
    with pytest.raises(SpoofsweepError, match=r"in float32 can be quantised; got .* in int8"):
        quantise(tmp_path / "int8.onnx", tmp_path / "again.onnx", waves[:1], waves[1:])


def test_audio_is_drawn_alike_and_what_is_unusable_passed_over(exported, sample_root, tmp_path) -> None:
    card = OnnxModel.open(exported / "stream.onnx").card
    folder = sample_root / "ASVspoof2019_LA_dev" / "flac"
    first, again = (draw_waves([card], folder, 5) for _ in range(2))
    assert [wave.tolist() for wave in first] == [wave.tolist() for wave in again]
    assert len(first) == 5
    (tmp_path / "broken.flac").write_bytes(b"no audio")
    soundfile.write(tmp_path / "short.wav", np.zeros(400), 16000)
    soundfile.write(tmp_path / "one.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    with pytest.raises(SpoofsweepError, match="1 usable files"):
        draw_waves([card], tmp_path, 5)


def test_the_command_quantises_both_forms(exported, sample_root, tmp_path) -> None:
    audio = sample_root / "ASVspoof2019_LA_train" / "flac"
    words = ["quantise", exported, "--audio", audio, "--output", tmp_path / "out", "--files", 6]
    outcome = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert outcome.exit_code == 0
    assert outcome.stdout.count("int8") == 2
    for form in ("utterance", "stream"):
        assert OnnxModel.open(tmp_path / "out" / f"{form}.onnx").card.form == form
    assert DetectorCard.from_json((tmp_path / "out" / CARD).read_text()).precision == "int8"
    assert (tmp_path / "out" / MODEL_FILES[0]).is_file()
    with pytest.raises(SpoofsweepError, match=r"utterance\.onnx or stream\.onnx"):
        CliRunner().invoke(app, ["quantise", str(tmp_path), *map(str, words[2:])], catch_exceptions=False)


def test_a_folder_in_eight_bits_is_of_one_detector(exported, waves, tmp_path) -> None:
    """What another one left there goes, and the one in float32 stays."""
    source, output = tmp_path / "source", tmp_path / "output"
    for folder, form in ((source, "utterance"), (output, "stream")):
        folder.mkdir()
        shutil.copy(exported / f"{form}.onnx", folder)
    quantise_folder(source, output, waves[:1], waves[1:], weights_only=True)
    assert [path.name for path in output.iterdir()] == ["utterance.onnx"]
    with pytest.raises(SpoofsweepError, match="must stay"):
        quantise_folder(source, output / ".." / "source", waves[:1], waves[1:], weights_only=True)
    assert OnnxModel.open(source / "utterance.onnx").card.precision == "float32"


def test_a_rounded_network_scores_as_weights_in_eight_bits(exported, sample_root, waves, tmp_path) -> None:
    model = rounded(tiny_model("edge_gru", FEATURES, real_waves(sample_root)))
    quantise(exported / "stream.onnx", tmp_path / "int8.onnx", waves[:1], waves[1:], weights_only=True)
    run = session(onnx.load(tmp_path / "int8.onnx"))
    scores = streamed(run, model, FEATURES, real_waves(sample_root), [7])
    torch.testing.assert_close(scores, step_scores(model, FEATURES, real_waves(sample_root)), rtol=0, atol=2e-5)

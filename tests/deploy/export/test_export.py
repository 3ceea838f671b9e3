"""A model folder exported, and what the files then say."""

import json

import onnx
import pytest
import torch
from model_folders import STREAM_FEATURES, untrained, untrained_folder
from onnx_runs import TINY, real_waves, session, step_scores, streamed

from cluster.errors import SpoofsweepError
from data_prep.features_config import FeaturesConfig
from deploy.detector_card import METADATA_KEY, DetectorCard
from deploy.export.dev_scores import computed_scores
from deploy.export.export import default_folder, export
from deploy.export.export_check import check_utterance
from deploy.export.form_cards import WHOLE_FILE, detector_card, stream_obstacle
from deploy.export.model_origin import ModelOrigin
from deploy.export.operating_points import Wishes
from deploy.stream.detector import Detector
from deploy.torch_detector import TorchDetector
from trainable.checkpoints.checkpoint import read_model

NO_STORE = "sqlite:///nowhere.db"
HALF_PRECISION = 5e-3
"""Score of a file by features rounded to float16, as shards hold them, against those of the exported front end."""


@pytest.fixture(scope="session")
def waves(sample_root):
    return real_waves(sample_root)


@pytest.fixture(scope="session")
def streamable(tmp_path_factory, waves):
    """An `edge_gru` of default size: record, network and export."""
    folder = tmp_path_factory.mktemp("edge") / "phone"
    record, network = untrained_folder(folder, {"kind": "edge_gru"}, STREAM_FEATURES, waves)
    return record, network, export(str(folder), NO_STORE, output=folder.parent / "exported")


@pytest.fixture(scope="session")
def with_deltas(tmp_path_factory, waves):
    """A bidirectional model on features with pre-emphasis and derivatives, over a folder with a foreign stream form."""
    folder = tmp_path_factory.mktemp("deltas") / "model"
    features = FeaturesConfig(pre_emphasis=0.97, deltas=2, delta_reach=2)
    untrained_folder(folder, {"kind": "cnn_gru", **TINY}, features, waves)
    output = folder.parent / "exported"
    output.mkdir()
    (output / "stream.onnx").write_text("of another model")
    return folder, export(str(folder), NO_STORE, output=output)


@pytest.mark.slow
def test_the_folder_of_a_streamable_model(streamable):
    """PyTorch takes seconds to trace a model with open sizes."""
    record, _network, done = streamable
    names = {path.name for path in done.folder.iterdir()}
    assert names == {"utterance.onnx", "stream.onnx", "card.json", "model.json", "model.safetensors"}
    assert [file.path.name for file in done.files] == ["utterance.onnx", "stream.onnx"]
    assert all(file.num_bytes < 300_000 and file.fidelity.max_difference < 1e-5 for file in done.files)
    assert done.no_stream is None
    again, _ = read_model(done.folder)
    assert again == record
    card = json.loads((done.folder / "card.json").read_text())
    assert DetectorCard.from_json(json.dumps(card)) == done.card


@pytest.mark.slow
def test_a_file_says_what_it_is(streamable):
    """PyTorch takes seconds to trace a model with open sizes."""
    record, network, done = streamable
    graph = onnx.load(done.folder / "stream.onnx")
    (opset,) = graph.opset_import
    assert opset.version == 20
    card = DetectorCard.from_json({entry.key: entry.value for entry in graph.metadata_props}[METADATA_KEY])
    assert card.form == "stream"
    assert card.threshold == record.threshold
    assert card.calibration == (2.0, -0.5)
    assert set(card.operating_points) == {"eer", "spoof_prior=0.05,costs=1:10"}
    assert (card.name, card.signature, card.shard_set_id) == ("phone", record.signature, record.shard_set_id)
    assert FeaturesConfig.model_validate(card.features) == record.features
    assert card.step_samples == network.step_frames * 160
    assert card.states["tail"] == [161]
    assert card.num_parameters == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.slow
def test_streamed_it_scores_as_the_model_does(streamable, waves):
    """PyTorch takes seconds to trace a model with open sizes."""
    record, network, done = streamable
    run = session(onnx.load(done.folder / "stream.onnx"))
    expected = step_scores(network, record.features, waves)
    torch.testing.assert_close(streamed(run, network, record.features, waves, [5]), expected, rtol=0, atol=1e-5)
    stream = Detector.load(done.folder / "stream.onnx").stream()
    scores = [score for first in range(0, 32_000, 777) for score in stream.feed(waves[0, first : first + 777].numpy())]
    assert [score.score for score in scores] == pytest.approx(expected[0].tolist(), abs=1e-5)


@pytest.mark.long
def test_long_files_get_the_score_of_the_trained_model(with_deltas, waves):
    """PyTorch takes seconds to trace a model with open sizes."""
    folder, done = with_deltas
    ours, theirs = Detector.load(done.folder / "utterance.onnx"), TorchDetector.load(folder)
    assert done.card.context_frames == 5
    for wave_T in (*waves.numpy(), waves[0, :5_000].numpy(), waves[1, :330].numpy()):
        mine, other = ours.score(wave_T, 16_000), theirs.score(wave_T, 16_000)
        assert [w.score for w in mine.windows] == pytest.approx([w.score for w in other.windows], abs=HALF_PRECISION)
        assert [(w.start_s, w.end_s) for w in mine.windows] == [(w.start_s, w.end_s) for w in other.windows]


@pytest.mark.slow
def test_a_model_without_a_stream_form_says_so(with_deltas):
    """PyTorch takes seconds to trace a model with open sizes."""
    _, done = with_deltas
    assert "model.causal" in done.no_stream
    assert not (done.folder / "stream.onnx").exists()
    assert [file.path.name for file in done.files] == ["utterance.onnx"]


@pytest.mark.slow
def test_another_models_file_is_found_out(with_deltas, streamable):
    """PyTorch takes seconds to trace a model with open sizes."""
    record, network, _ = streamable
    with pytest.raises(SpoofsweepError, match="as the trained model does"):
        check_utterance(with_deltas[1].folder / "utterance.onnx", network, record.features)


@pytest.mark.slow
def test_normalised_over_the_file(tmp_path, waves):
    """PyTorch takes seconds to trace a model with open sizes."""
    features = FeaturesConfig(kind="logmel", num_filters=20, cmvn="utterance", deltas=1)
    untrained_folder(tmp_path / "model", {"kind": "cnn_gru", **TINY}, features, waves)
    done = export(str(tmp_path / "model"), NO_STORE, output=tmp_path / "exported")
    wave_T = waves[0].numpy()
    mine = Detector.load(done.folder / "utterance.onnx").score(wave_T, 16_000)
    other = TorchDetector.load(tmp_path / "model").score(wave_T, 16_000)
    assert [w.score for w in mine.windows] == pytest.approx([w.score for w in other.windows], abs=HALF_PRECISION)


@pytest.mark.parametrize(
    ("model", "features", "words"),
    [
        ({"kind": "graph"}, {}, "train edge_gru"),
        ({"kind": "edge_gru"}, {"deltas": 1}, "deltas = 0"),
        ({"kind": "edge_gru"}, {"deltas": 0, "cmvn": "utterance"}, "cmvn"),
        ({"kind": "edge_gru"}, {"deltas": 0, "hop_ms": 25}, "hop_ms"),
        ({"kind": "edge_gru"}, {"deltas": 0}, None),
    ],
)
def test_what_a_stream_needs(model, features, words, waves):
    record, network = untrained(model, FeaturesConfig.model_validate(features), waves)
    found = stream_obstacle(record, network)
    assert found is None if words is None else words in found


def test_the_card_tells_how_far_windows_must_look(waves):
    points = {"eer": 0.5, "false_alarm_rate=0.01": -1.0}
    for features, context in (({"deltas": 2}, 2), ({"deltas": 0}, 0), ({"cmvn": "utterance"}, WHOLE_FILE)):
        record, network = untrained({"kind": "edge_gru"}, FeaturesConfig.model_validate(features), waves)
        card = detector_card(record, network, ModelOrigin(None), points, None, "false_alarm_rate=0.01")
        assert (card.context_frames, card.threshold, card.window_frames) == (context, -1.0, 60)
    with pytest.raises(SpoofsweepError, match="operating points"):
        detector_card(record, network, ModelOrigin(None), points, None, "false_alarm_rate=0.02")


def test_dev_scores_are_computed_as_validation_did(trained):
    record, model = read_model(trained.folder)
    computed = computed_scores(model, record, trained.shards.folder)
    assert computed.utterance_id == trained.dev_scores.utterance_id
    assert computed.score == pytest.approx(trained.dev_scores.score, abs=1e-6)
    with pytest.raises(SpoofsweepError, match="must be those"):
        computed_scores(model, replace_id(record), trained.shards.folder)


def replace_id(record):
    return record.model_copy(update={"shard_set_id": "other"})


def test_an_unreachable_wish_is_refused_before_the_work(trained, tmp_path):
    with pytest.raises(SpoofsweepError, match="dev scores"):
        export(str(trained.folder), NO_STORE, output=tmp_path / "out", wishes=Wishes((0.1,)))
    assert not (tmp_path / "out").exists()


def test_no_two_runs_share_a_folder(tmp_path):
    origins = [
        ModelOrigin(tmp_path, "aaaabbbbcccc", "demo"),
        ModelOrigin(tmp_path, "ddddeeeeffff", "demo"),
        ModelOrigin(tmp_path, "ddddeeeeffff", "demo", "3"),
        ModelOrigin(tmp_path, name="phone"),
    ]
    assert [default_folder(origin).name for origin in origins] == ["demo-aaaabbbb", "demo-ddddeeee", "demo-3", "phone"]

"""What is converted for phones, in PyTorch: it is the stream form of the model."""

import json
from dataclasses import replace

import pytest
import torch
from onnx_runs import real_waves, step_scores, tiny_model, window_card

from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.chunk_by_chunk import follow
from deploy.detector_card import DetectorCard
from deploy.export.form_cards import stream_card
from deploy.mobile.chunk_network import ChunkNetwork
from deploy.mobile.front_end import matrix_front_end
from deploy.mobile.stream_check import check

LFCC = FeaturesConfig(deltas=0, pre_emphasis=0.97)
KINDS = {
    "lfcc": LFCC,
    "energy": FeaturesConfig(deltas=0, energy=True, low_hz=300),
    "logmel": FeaturesConfig(kind="logmel", num_filters=40),
    "odd-size": FeaturesConfig(kind="lfb", sample_rate=8000, fft_size=321, window_ms=40, hop_ms=12.5),
    "cqcc": FeaturesConfig(kind="cqcc", deltas=0),
}
STREAMABLE = {
    "edge_gru": ("edge_gru", {}, LFCC),
    "cnn_gru": ("cnn_gru", {"causal": True, "block": "residual", "gru_layers": 2}, LFCC),
    "no-emphasis": ("edge_gru", {}, FeaturesConfig(deltas=0)),
    "no-overlap": ("edge_gru", {}, FeaturesConfig(kind="lfb", window_ms=20, hop_ms=20)),
}


@pytest.fixture(scope="module")
def waves(sample_root):
    return real_waves(sample_root, 20_000)


def chunk_card(model, features, num_steps):
    """As a file holds it: JSON sorts the states."""
    card = stream_card(window_card(features), features, model)
    card = replace(card, chunk_samples=num_steps * card.step_samples)
    return DetectorCard.from_json(json.dumps(json.loads(card.to_json())))


def runner(network, inputs):
    """The network as a converted file runs: arrays by name; states come out in the card's order."""

    def run(**values):
        assert set(values) == set(inputs)
        with torch.inference_mode():
            outputs = network(**{name: torch.from_numpy(value) for name, value in values.items()})
        assert list(outputs) == ["scores", *(f"next_{name}" for name in inputs[1:])]
        return {name: value.numpy() for name, value in outputs.items()}

    return run


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS.keys())
def test_the_front_end_gives_the_features_that_shards_hold(config, waves):
    config = config.model_copy(update={"pre_emphasis": 0.0})
    with torch.inference_mode():
        mine = matrix_front_end(config)(waves[0].unfold(0, config.window_samples, config.hop_samples))
        theirs = FrontEnd(config)(waves[:1])[0]
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("config", STREAMABLE.values(), ids=STREAMABLE.keys())
@pytest.mark.parametrize("num_steps", [1, 3])
def test_chunk_by_chunk_it_scores_as_the_model_does(config, num_steps, waves):
    kind, settings, features = config
    model = tiny_model(kind, features, waves, **settings)
    card = chunk_card(model, features, num_steps)
    run = runner(ChunkNetwork(model, features, card).eval(), ["samples", *card.states])
    expected = step_scores(model, features, waves[:1])
    found = torch.from_numpy(follow(run, card, waves[:1].numpy(), card.chunk_samples))
    num_chunks = (waves.shape[1] - card.lead_samples) // card.chunk_samples
    assert found.shape == (1, num_chunks * num_steps)
    torch.testing.assert_close(found, expected[:, : found.shape[1]], rtol=0, atol=1e-5)


def test_the_check_sees_a_wrong_score(waves):
    model = tiny_model("edge_gru", LFCC, waves)
    card = chunk_card(model, LFCC, 5)
    run = runner(ChunkNetwork(model, LFCC, card).eval(), ["samples", *card.states])
    found = check(run, card, model, LFCC)
    assert found["max_difference"] < 1e-5
    assert found["timed_s"] == pytest.approx(0.1)
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    forgetful = check(lambda **values: run(**values) | {"next_tail": 0 * values["tail"]}, card, model, LFCC)
    assert forgetful["max_difference"] > 1e-3


def test_the_model_is_left_as_it_is(waves):
    model = tiny_model("edge_gru", LFCC, waves)
    before = [parameter.stride() for parameter in model.parameters()]
    network = ChunkNetwork(model, LFCC, chunk_card(model, LFCC, 1))
    assert [parameter.stride() for parameter in model.parameters()] == before
    assert all(tensor.is_contiguous() for tensor in (*network.parameters(), *network.buffers()))

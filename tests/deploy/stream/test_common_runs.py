"""Streams that share runs of the graph: each gets what it would have got alone."""

import numpy as np
import pytest
import torch
from onnx_runs import real_waves, tiny_model, write_stream

from cluster.errors import SpoofsweepError
from data_prep.features_config import FeaturesConfig
from deploy.stream.common_runs import LARGEST_BATCH
from deploy.stream.detector import Detector

FEATURES = FeaturesConfig(kind="logmel", num_filters=20, deltas=0)


@pytest.fixture(scope="module")
def waves(sample_root) -> np.ndarray:
    return real_waves(sample_root, 16_123).numpy()


@pytest.fixture(scope="module")
def detector(waves, tmp_path_factory) -> Detector:
    model = tiny_model("edge_gru", FEATURES, torch.from_numpy(waves))
    return Detector.load(write_stream(tmp_path_factory.mktemp("export") / "stream.onnx", model, FEATURES))


@pytest.mark.long
@pytest.mark.parametrize("num_streams", [1, 3, LARGEST_BATCH + 2])
def test_many_streams_with_chunks_of_their_own(detector, waves, num_streams):
    """PyTorch takes seconds to trace a model with open sizes."""
    generator = np.random.default_rng(num_streams)
    together = [detector.stream() for _ in range(num_streams)]
    alone = [detector.stream() for _ in range(num_streams)]
    place = 0
    while place < waves.shape[1]:
        # Most chunks are equally long, some are not, and some come in several runs or in none.
        sizes = generator.choice([1600, 1600, 1600, 100, 7000], num_streams)
        chunks = [waves[n % 3, place : place + size] for n, size in enumerate(sizes)]
        outcomes = detector.work_together(s.feeding(chunk) for s, chunk in zip(together, chunks, strict=True))
        for outcome, stream, chunk in zip(outcomes, alone, chunks, strict=True):
            expected = stream.feed(chunk)
            assert [s.score for s in outcome] == pytest.approx([s.score for s in expected], abs=1e-5)
            assert [s.end_s for s in outcome] == [s.end_s for s in expected]
        place += 1600


@pytest.mark.long
def test_a_stream_whose_samples_are_no_audio_is_told_alone(detector, waves):
    """PyTorch takes seconds to trace a model with open sizes."""
    streams = [detector.stream() for _ in range(3)]
    chunks = [waves[0], np.full(1600, np.nan, np.float32), waves[1]]
    first, second, third = detector.work_together(s.feeding(c) for s, c in zip(streams, chunks, strict=True))
    assert isinstance(second, SpoofsweepError)
    assert len(first) == len(third) == len(detector.stream().feed(waves[0]))

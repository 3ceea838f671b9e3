import pytest
import torch
from onnx_runs import real_waves, session
from torch.nn.functional import pad

from data_prep.features import FrontEnd
from data_prep.features_config import FeaturesConfig
from deploy.export.onnx_framing import framing_graph, num_before
from deploy.export.onnx_front_end import OnnxFrontEnd

CONFIGS = {
    "lfcc": FeaturesConfig(),
    "lfcc-2021": FeaturesConfig(window_ms=30, hop_ms=15, fft_size=1024, num_filters=70, high_hz=4000),
    "emphasis-energy": FeaturesConfig(pre_emphasis=0.97, energy=True, deltas=1, low_hz=300),
    "mfcc": FeaturesConfig(kind="mfcc", delta_reach=3),
    "lfb": FeaturesConfig(kind="lfb"),
    "logmel-cmvn": FeaturesConfig(kind="logmel", num_filters=40, cmvn="utterance", deltas=2),
    "odd-size": FeaturesConfig(kind="lfb", sample_rate=8000, fft_size=321, window_ms=40, hop_ms=12.5),
    "no-common-stretch": FeaturesConfig(kind="lfb", sample_rate=22050, fft_size=1024, window_ms=25, hop_ms=10),
    "no-overlap": FeaturesConfig(kind="lfb", window_ms=20, hop_ms=20),
    "gaps": FeaturesConfig(kind="lfb", window_ms=20, hop_ms=25),
    "five-parts": FeaturesConfig(window_ms=25, deltas=0),
    "cqcc": FeaturesConfig(kind="cqcc"),
}


@pytest.fixture(scope="module")
def waves(sample_root):
    return real_waves(sample_root)


def difference(config, wave_BT):
    joined_BT = pad(wave_BT, (num_before(config), 0))
    (frames_BFW,) = session(framing_graph(config)).run(None, {"joined_samples": joined_BT.numpy()})
    with torch.inference_mode():
        mine = OnnxFrontEnd(config)(torch.from_numpy(frames_BFW))
        theirs = FrontEnd(config)(wave_BT)
    assert mine.shape == theirs.shape
    return (mine - theirs).abs()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("extra", [0, 1, 12_345])
def test_it_gives_the_features_that_shards_hold(config, waves, extra):
    assert difference(config, waves[:, : config.window_samples + extra]).max() < 1e-4


@pytest.mark.parametrize("config", [FeaturesConfig(kind="logspec"), FeaturesConfig(kind="cqt")], ids=["logspec", "cqt"])
def test_single_bins_agree_as_far_as_their_rounding_lets_them(config, waves):
    """A bin at the floor beside loud ones holds float32's errors, the Fourier transform's too."""
    error = difference(config, waves)
    assert error.mean() < 1e-4
    assert error.max() < 0.02

"""`mobile` as a user calls it. Real conversions need the converters' environments, which the command installs."""

import os
import sys
from pathlib import Path

import pytest
from model_folders import STREAM_FEATURES, untrained_folder
from onnx_runs import TINY, real_waves
from typer.testing import CliRunner

from cluster.errors import SpoofsweepError
from data_prep.features_config import FeaturesConfig
from deploy.cli import app
from deploy.detector_card import DetectorCard
from deploy.detector_folder import CARD
from deploy.mobile.conversion import card_path, convert_model, mobile_origin
from deploy.mobile.environment import environment_folder, is_made
from deploy.mobile.formats import FORMATS

NO_STORE = "sqlite:///nowhere.db"
MODELS = {
    "edge_gru": {"kind": "edge_gru"},
    "cnn_gru": {"kind": "cnn_gru", "causal": True, "block": "residual", "gru_layers": 2, **TINY},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory, sample_root):
    """Model folders by name."""
    root, waves = tmp_path_factory.mktemp("mobile"), real_waves(sample_root)
    for name, model in MODELS.items():
        untrained_folder(root / name, model, STREAM_FEATURES, waves)
    untrained_folder(root / "late", {"kind": "edge_gru"}, FeaturesConfig(deltas=1), waves)
    return {path.name: path for path in root.iterdir()}


def converter_python(form):
    """The interpreter of the converter's environment, where this machine has one."""
    variable = f"SPOOFSWEEP_{form.name.upper()}_PYTHON"
    if variable in os.environ:
        return Path(os.environ[variable])
    if not is_made(form):
        pytest.skip(f"{form.title}'s environment is not installed: run `spoofsweep mobile`, or set {variable}")
    return environment_folder(form) / "bin" / "python"


def run(*arguments):
    return CliRunner().invoke(app, ["mobile", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_converted_file_scores_as_the_model_does(name, model, folders, tmp_path, monkeypatch):
    """Converters take half a minute to load and to convert."""
    form = FORMATS[name]
    monkeypatch.chdir(folders[model].parent)
    result = run(model, "--to", name, "--python", converter_python(form), "--output", tmp_path)
    assert result.exit_code == 0, result.output
    path = tmp_path / form.file
    assert f"Detector in {path}" in result.stdout
    assert 10_000 < path.stat().st_size < 2_000_000
    card = DetectorCard.from_json(card_path(path).read_text())
    assert card.chunk_samples % card.step_samples == 0
    assert (card.form, card.threshold, card.architecture) == ("stream", 0.125, MODELS[model]["kind"])


def test_the_chunk_is_whole_steps(folders):
    for chunk_ms, num_samples in ((100.0, 1600), (1.0, 320), (50.0, 640), (999.0, 16_000)):
        _, card = mobile_origin(str(folders["edge_gru"]), NO_STORE, chunk_ms, None)
        assert card.chunk_samples == num_samples
        assert (card.step_samples, card.lead_samples, card.states["tail"]) == (320, 160, [161])


def test_an_exported_folder_keeps_its_thresholds(folders, tmp_path):
    origin, card = mobile_origin(str(folders["edge_gru"]), NO_STORE, 100.0, None)
    exported = tmp_path / "exported"
    exported.mkdir()
    for path in origin.folder.iterdir():
        (exported / path.name).write_bytes(path.read_bytes())
    text = card.to_json().replace('"threshold": 0.125', '"threshold": -2.5').replace("float32", "int8")
    (exported / CARD).write_text(text)
    _, kept = mobile_origin(str(exported), NO_STORE, 100.0, None)
    assert (kept.threshold, kept.precision, kept.name) == (-2.5, "float32", "edge_gru")


def test_a_model_that_cannot_stream_is_refused(folders):
    result = run(folders["late"])
    assert isinstance(result.exception, SpoofsweepError)
    assert "features.deltas = 0" in str(result.exception)


def test_a_wrong_format_or_interpreter_is_refused(folders, tmp_path):
    model = folders["edge_gru"]
    for arguments, words in (
        (("--to", "litter"), "did you mean 'litert'"),
        (("--python", tmp_path / "python"), "names an interpreter"),
        (("--python", "/bin/true"), "names an interpreter"),
        (("--python", sys.executable), "litert_torch"),
    ):
        result = run(model, *arguments, "--output", tmp_path / "out")
        assert isinstance(result.exception, SpoofsweepError)
        assert words in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_a_failed_conversion_leaves_nothing(folders, tmp_path):
    """PyTorch is imported once more, in the converter's process."""
    origin, card = mobile_origin(str(folders["edge_gru"]), NO_STORE, 100.0, None)
    with pytest.raises(SpoofsweepError, match="No module named") as caught:  # here is no converter
        convert_model(FORMATS["litert"], Path(sys.executable), origin, card, tmp_path / "out")
    assert "LiteRT" in caught.value.rule
    assert not (tmp_path / "out").exists()

"""Corpus to shard set: same bytes whatever the workers, kills survived, broken files on record."""

import io
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from filelock import FileLock
from miniature import aac, contents, make_la, mp3, prep_config, speech, train_file
from object_store import upload
from rich.console import Console

from cluster.errors import SpoofsweepError
from data_prep.audit.prep_page import page_path
from data_prep.config import FeaturesConfig, PrepConfig
from data_prep.corpora import read_corpus
from data_prep.corpus_conversion import convert_corpus, known_conversions
from data_prep.decoding import decode
from data_prep.features import FrontEnd
from data_prep.plan import Conversions, Recipe, ShardPlan, plan_shards
from data_prep.prepare import prepare
from data_prep.shard_builder import build_shard
from data_prep.shard_part import read_parts
from data_prep.shards import ShardSet

pytestmark = pytest.mark.usefixtures("ray_session")


def run(config: PrepConfig, output: Path) -> tuple[ShardSet, str]:
    """The shard set, and what was printed."""
    console = Console(file=io.StringIO(), width=200)
    shard_set = prepare(config, Path(), output, console=console)
    return shard_set, console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def prepared(config: PrepConfig, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> tuple[ShardSet, str]:
    return run(config, tmp_path_factory.mktemp("output"))


def test_views_of_the_training_split_alone(prepared: tuple[ShardSet, str]) -> None:
    index = prepared[0].index
    assert index.groupby("split").size().to_dict() == {"train": 36, "dev": 12, "eval": 12}
    assert (index[index.view == 0].policy == "clean").all()
    augmented = index[index.view > 0]
    assert set(augmented.view) == {1, 2}
    assert dict(zip(augmented.view, augmented.policy, strict=True)) == {1: "classic", 2: "rawboost"}
    kinds = {step["step"] for steps in augmented.augmentation for step in json.loads(steps)}
    assert kinds == {"noise", "pitch", "stretch", "rawboost"}


def test_index_points_at_the_frames(prepared: tuple[ShardSet, str], root: Path, config: PrepConfig) -> None:
    shard_set, _ = prepared
    front_end = FrontEnd(config.features)
    for row in shard_set.index[shard_set.index.view == 0].itertuples():
        path = root / f"ASVspoof2019_LA_{row.split}" / "flac" / f"{row.utterance_id}.flac"
        expected = front_end(torch.from_numpy(decode(path, 16000))[None])[0].half()
        stored = shard_set.frames(row.shard)[row.offset : row.offset + row.num_frames]
        assert stored.shape == expected.shape
        torch.testing.assert_close(stored, expected, atol=0.02, rtol=2e-3)
    totals = shard_set.index.groupby("shard").num_frames.sum()
    assert all(len(shard_set.frames(shard)) == total for shard, total in totals.items())


def test_summary_is_printed_without_a_progress_bar(prepared: tuple[ShardSet, str]) -> None:
    shard_set, printed = prepared
    assert str(shard_set.folder) in printed
    assert "x real time" in printed
    assert "every attack of dev is in train" in printed
    assert "preparing" not in printed


def test_second_call_opens_what_is_there(prepared: tuple[ShardSet, str], config: PrepConfig) -> None:
    before = {path: path.stat().st_mtime_ns for path in prepared[0].folder.iterdir()}
    again, printed = run(config, prepared[0].folder.parent.parent)
    assert again == prepared[0]
    assert printed == ""
    assert {path: path.stat().st_mtime_ns for path in again.folder.iterdir()} == before


def test_what_a_run_killed_at_its_very_end_left_is_removed(
    prepared: tuple[ShardSet, str], config: PrepConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "shards" / prepared[0].shard_set_id
    shutil.copytree(prepared[0].folder, folder)
    (folder / "parts").mkdir()
    (folder / "parts" / "shard-00000.safetensors.parquet").write_bytes(b"x")
    (folder / ".index.parquet.0123.tmp").write_bytes(b"x")
    run(config, tmp_path)
    assert contents(folder) == contents(prepared[0].folder)


def test_shards_go_to_the_store(prepared: tuple[ShardSet, str], config: PrepConfig, tmp_path: Path) -> None:
    """Of several studies with one store, one works and the others wait."""
    elsewhere = config.model_copy(update={"store": str(tmp_path / "sets")})
    (tmp_path / "sets").mkdir()
    with ThreadPoolExecutor(1) as pool:
        with FileLock(tmp_path / "sets" / f".{prepared[0].shard_set_id}.lock"):
            made = pool.submit(run, elsewhere, tmp_path / "output")
            with pytest.raises(TimeoutError):
                made.result(timeout=0.5)
            assert not list((tmp_path / "sets").rglob("*.safetensors"))
        shard_set, _ = made.result()
    assert shard_set.folder == tmp_path / "sets" / prepared[0].shard_set_id
    assert contents(shard_set.folder) == contents(prepared[0].folder)
    assert not list((tmp_path / "output").rglob("*.safetensors"))


def test_store_without_its_bucket(config: PrepConfig, bucket: str, tmp_path: Path) -> None:
    nowhere = config.model_copy(update={"store": f"s3://no-{bucket}/sets"})
    with pytest.raises(SpoofsweepError, match=r"store of the shards must be at hand; got s3://no-.*bucket"):
        run(nowhere, tmp_path)


def test_conversion_of_a_remote_corpus_is_refused(root: Path, bucket: str, tmp_path: Path) -> None:
    upload(root, f"s3://{bucket}/LA")
    corpus = {"layout": "asvspoof2019-la", "root": f"s3://{bucket}/LA", "convert": True}
    with pytest.raises(SpoofsweepError, match=r"conversion needs a corpus on disk.*leave corpus\.convert out"):
        run(PrepConfig.model_validate({"corpus": corpus}), tmp_path)


def test_order_of_work_changes_no_byte(prepared: tuple[ShardSet, str], config: PrepConfig, tmp_path: Path) -> None:
    corpus = read_corpus(config.corpus, Path(), seed=0)
    recipe = Recipe(tmp_path, corpus, config, {}, Conversions({}, {}))
    for plan in reversed(plan_shards(corpus.utterances, config.utterances_per_shard)):
        build_shard(plan, recipe)
    for name, data in contents(tmp_path).items():
        if name.endswith(".safetensors"):
            assert data == (prepared[0].folder / name).read_bytes()


def test_index_keeps_what_the_protocol_tells_of_the_channel(config: PrepConfig, tmp_path: Path) -> None:
    corpus = read_corpus(config.corpus, Path(), seed=0)
    utterance = replace(corpus.utterances[0], channel={"codec": "opus", "condition": "C05"})
    build_shard(ShardPlan(0, utterance.split, (utterance,)), Recipe(tmp_path, corpus, config, {}, Conversions({}, {})))
    ((_, part),) = read_parts(tmp_path, [0])
    assert {json.loads(row)["codec"] for row in part.rows["channel"].to_pylist()} == {"opus"}


def test_damaged_shard_of_an_unfinished_run_is_made_again(
    prepared: tuple[ShardSet, str], config: PrepConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "shards" / prepared[0].shard_set_id
    corpus = read_corpus(config.corpus, Path(), seed=0)
    plans = plan_shards(corpus.utterances, config.utterances_per_shard)
    for plan in plans[:2]:
        build_shard(plan, Recipe(folder, corpus, config, {}, Conversions({}, {})))
    (folder / "shard-00000.safetensors").write_bytes(b"cut")
    untouched = (folder / "shard-00001.safetensors").stat().st_mtime_ns
    run(config, tmp_path)
    assert (folder / "shard-00001.safetensors").stat().st_mtime_ns == untouched
    assert contents(folder) == contents(prepared[0].folder)


def test_broken_files_are_set_aside_with_reasons(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=30, seconds=0.2)
    train_file(root, 0).write_bytes(b"")
    train_file(root, 1).write_bytes(train_file(root, 1).read_bytes()[:3000])
    train_file(root, 2).write_text("text")
    soundfile.write(train_file(root, 3), np.zeros(16000), 16000)
    train_file(root, 4).unlink()
    nan = np.full(16000, np.nan, np.float32)
    soundfile.write(train_file(root, 30), nan, 16000, format="WAV", subtype="FLOAT")
    soundfile.write(train_file(root, 31), np.ones(1), 16000)
    stereo = np.stack([speech(1.0, 44100), -speech(1.0, 44100)], axis=1)
    soundfile.write(train_file(root, 32), stereo, 44100)
    shard_set, printed = run(prep_config(root, max_duration_s=0.5), tmp_path / "results")
    reasons = {one["utterance_id"][-2:]: one["reason"] for one in shard_set.rejected}
    assert reasons.keys() == {"00", "01", "02", "03", "04", "30", "31"}
    assert reasons["00"] == "empty file (0 bytes)"
    assert reasons["03"] == "silent"
    assert reasons["04"] == "file missing"
    assert reasons["30"].startswith("not finite")
    assert reasons["31"].startswith("too short")
    assert {one["file"] for one in shard_set.rejected} == {
        f"ASVspoof2019_LA_train/flac/LA_T_{int(number):07d}.flac" for number in reasons
    }
    assert "7 utterances rejected" in printed
    assert shard_set.manifest.splits["train"].bonafide == 25
    noted = shard_set.index[shard_set.index.utterance_id.str.endswith("32")].notes.iloc[0]
    assert noted == "cut to 0.5 s; channels cancel out, channel 1 of 2 used; resampled from 44100 Hz"


def test_a_class_of_which_much_cannot_be_decoded_stops(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=5, seconds=0.2)
    for number in (5, 6):
        train_file(root, number).write_text("text")
    soundfile.write(train_file(root, 0), speech(0.05), 16000)
    soundfile.write(train_file(root, 1), speech(0.05), 16000)
    expected = r"but 2 of 5 spoof utterances of train cannot be used.*Format not recognised.*rejected\.jsonl"
    with pytest.raises(SpoofsweepError, match=expected) as caught:
        run(prep_config(root), tmp_path / "results")
    assert "bonafide" not in str(caught.value)  # these two are too short for the study, which it may ask for
    (listed,) = (tmp_path / "results").rglob("rejected.jsonl")
    assert len(listed.read_text().splitlines()) == 4
    assert not list((tmp_path / "results").rglob("manifest.json"))


def test_class_that_does_not_survive_decoding_stops(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=2, seconds=0.2)
    for number in (0, 1):
        train_file(root, number).write_text("text")
    with pytest.raises(SpoofsweepError, match=r"split train has no bonafide.*Format not recognised"):
        run(prep_config(root), tmp_path / "results")


def test_unsound_corpus_stops_before_any_work(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=1, seconds=0.1)
    (root / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.dev.trl.txt").write_text("")
    with pytest.raises(SpoofsweepError, match="split dev is empty"):
        run(prep_config(root), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_mp3_and_wav_are_converted_on_demand(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=6)
    mp3(train_file(root, 0), speech(0.6))
    train_file(root, 0).rename(train_file(root, 0).with_suffix(".mp3"))
    soundfile.write(train_file(root, 1), speech(0.6), 16000, format="WAV")
    train_file(root, 6).write_text("text")
    shard_set, _ = run(prep_config(root, convert=True), tmp_path / "results")
    converted = {path.name for path in (tmp_path / "results" / "converted").rglob("*.flac")}
    assert converted == {"LA_T_0000000.flac", "LA_T_0000001.flac"}
    assert [one["reason"] for one in shard_set.rejected] == ["not readable as audio: Format not recognised"]
    clean = shard_set.index[(shard_set.index.view == 0) & (shard_set.index.split == "train")]
    assert clean.duration_s.tolist() == pytest.approx([0.6, 0.6, *[0.5] * 9], abs=0.1)


def test_page_of_a_finished_set_plays_what_was_converted(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=2)
    for number in (0, 1):
        train_file(root, number).unlink()
        aac(train_file(root, number).with_suffix(".m4a"), speech(0.6))
    pages = []
    for _ in range(2):
        shard_set = prepare(prep_config(root, convert=True), Path(), tmp_path, console=Console(quiet=True), page=True)
        page = page_path(tmp_path, shard_set.shard_set_id)
        pages.append(re.findall(r'<audio controls src="([^"]+)"', page.read_text()))
        page.unlink()
    assert len(pages[0]) == 2 * 2 * 3
    assert pages[0] == pages[1]


def test_conversion_sets_aside_what_cannot_be_opened(la_root: Path, tmp_path: Path) -> None:
    corpus = read_corpus(prep_config(la_root, convert=True).corpus, Path(), seed=0)
    folder, gone = (one.path for one in corpus.utterances[:2])
    for path in (folder, gone):
        path.unlink()
    folder.mkdir()  # as where a file's rights were taken away since the corpus was checked
    config = prep_config(la_root, convert=True).corpus
    made = convert_corpus(corpus, corpus.utterances, config, tmp_path / "out", Console(quiet=True), visible=False)
    assert made == Conversions({}, {folder: "not a file but a folder", gone: "file missing"})
    assert known_conversions(corpus, config, tmp_path / "out") == made


def test_full_disk_is_one_clear_error_and_leaves_no_partial_shard(tmp_path: Path, tiny_disk: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=2, seconds=8.0)
    with pytest.raises(SpoofsweepError, match=r"disk must have room.*shard-"):
        run(prep_config(root), tiny_disk)
    assert list(tiny_disk.rglob("*.safetensors")) == []
    assert list(tiny_disk.rglob("manifest.json")) == []


def test_shortest_training_utterance_survives_the_fastest_stretch(la_root: Path) -> None:
    augmentation = {"policies": {"fast": {"steps": [{"kind": "stretch", "rate": [8.0, 8.0]}]}}}
    fast = prep_config(la_root, min_duration_s=0.01, augmentation=augmentation)
    assert fast.min_duration_s("train") == pytest.approx(8 * 0.03)
    assert prep_config(la_root).min_duration_s("train") == 0.1


def test_augmentation_does_not_decide_what_is_validated_on(tmp_path: Path) -> None:
    root = make_la(tmp_path / "LA", per_class=1, seconds=0.2)
    config = prep_config(
        root, augmentation={"policies": {"fast": {"steps": [{"kind": "stretch", "rate": [8.0, 8.0]}]}}}
    )
    corpus = read_corpus(config.corpus, Path(), seed=0)
    plans = plan_shards(corpus.utterances, 2)
    for plan in plans:
        build_shard(plan, Recipe(tmp_path / "set", corpus, config, {}, Conversions({}, {})))
    parts = read_parts(tmp_path / "set", [plan.number for plan in plans])
    kept = {plan.split: len(part.rows) for plan, (_, part) in zip(plans, parts, strict=True)}
    assert kept == {"train": 0, "dev": 1, "eval": 1}


def test_conversion_leaves_no_band_above_8_khz(la_root: Path) -> None:
    prep_config(la_root, features=FeaturesConfig(sample_rate=24000))
    prep_config(la_root, features=FeaturesConfig(sample_rate=8000), convert=True)
    with pytest.raises(SpoofsweepError, match=r"at most 16000 Hz with corpus.convert = true.*got 24000; lower it"):
        prep_config(la_root, features=FeaturesConfig(sample_rate=24000), convert=True)

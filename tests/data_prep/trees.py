"""Miniature trees of every layout: two bona fide and two spoofed utterances a split, as far as the corpus has them.

The audio files hold a few bytes, since parsers look at names alone.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow
import pyarrow.parquet
from miniature import make_la

_KINDS = ("bonafide", "bonafide", "spoof", "spoof")


def write_audio(path: Path) -> None:
    """A file that stands for audio, of other bytes for another name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"audio of {path.name}".encode())


def write_lines(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def asvspoof2015(root: Path) -> Path:
    for letter, name in (("T", "train.trn"), ("D", "develop.ndx"), ("E", "evaluation.ndx")):
        lines = []
        for i, kind in enumerate(_KINDS):
            file = f"{letter}{i % 2 + 1}_100000{i}"
            attack, key = ("human", "human") if kind == "bonafide" else (f"S{i}", "spoof")
            lines.append(f"{letter}{i % 2 + 1} {file} {attack} {key}")
            write_audio(root / "wav" / f"{letter}{i % 2 + 1}" / f"{file}.wav")
        write_lines(root / "CM_protocol" / f"cm_{name}.txt", *lines)
    return root


def asvspoof2017(root: Path, stem: str = "ASVspoof2017_V2", protocols: str = "protocol_V2") -> Path:
    for number, (split, name) in enumerate({"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}.items()):
        lines = []
        for i, kind in enumerate(_KINDS):
            file = f"{split[0].upper()}_100000{i}.wav"
            rest = "genuine M000{} S01 - - -" if kind == "bonafide" else "spoof M000{} S02 E02 P04 R0" + str(i)
            lines.append(f"{file} {rest.format(number)}")
            write_audio(root / f"{stem}_{split}" / file)
        write_lines(root / protocols / f"{stem}_{name}.txt", *lines)
    return root


def asvspoof2019_la(root: Path) -> Path:
    return make_la(root, per_class=2, seconds=0.05)


def asvspoof2019_pa(root: Path) -> Path:
    return make_la(root, per_class=2, seconds=0.05, access="PA")


_TRIALS_2021 = {
    "LA": {
        "bonafide": "LA_000{i} {trial} alaw ita_tx bonafide bonafide notrim {subset}",
        "spoof": "LA_000{i} {trial} alaw ita_tx A07 spoof notrim {subset}",
    },
    "DF": {
        "bonafide": "LA_000{i} {trial} low_mp3 asvspoof - bonafide notrim {subset} bonafide - - - -",
        "spoof": "LA_000{i} {trial} low_mp3 asvspoof A14 spoof notrim {subset} traditional_vocoder - - - -",
    },
    "PA": {
        "bonafide": "PA_000{i} {trial} R3 M3 d4 - - - - bonafide notrim {subset}",
        "spoof": "PA_000{i} {trial} R3 M3 d4 r1 m1 s4 c4 spoof notrim {subset}",
    },
}


def asvspoof2021(root: Path, task: str) -> Path:
    """Four trials of each subset."""
    lines = []
    for number, subset in enumerate(("progress", "eval", "hidden")):
        for i, kind in enumerate(_KINDS):
            trial = f"{task}_E_{number}00000{i}"
            lines.append(_TRIALS_2021[task][kind].format(i=i, trial=trial, subset=subset))
            write_audio(root / f"ASVspoof2021_{task}_eval" / "flac" / f"{trial}.flac")
    write_lines(root / "keys" / task / "CM" / "trial_metadata.txt", *lines)
    return root


def asvspoof5(root: Path) -> Path:
    names = {"T": ("flac_T", "train"), "D": ("flac_D", "dev.track_1"), "E": ("flac_E_eval", "eval.track_1")}
    for letter, (audio, name) in names.items():
        lines = []
        for i, kind in enumerate(_KINDS):
            attack = "bonafide" if kind == "bonafide" else "A05"
            lines.append(f"{letter}_{i} {letter}_00{i} F C05 3 {letter}_99{i} AC1 {attack} {kind} -")
            write_audio(root / audio / f"{letter}_00{i}.flac")
        write_lines(root / f"ASVspoof5.{name}.tsv", *lines)
    return root


def in_the_wild(root: Path) -> Path:
    lines = ["file,speaker,label"]
    for i, kind in enumerate(_KINDS):
        lines.append(f"{i}.wav,{'Ada Lovelace' if i % 2 else 'Alan Turing'},{kind.replace('bona', 'bona-')}")
        write_audio(root / f"{i}.wav")
    write_lines(root / "meta.csv", *lines)
    return root


def fake_or_real(root: Path, variant: str = "norm") -> Path:
    for split in ("training", "validation", "testing"):
        for kind in ("real", "fake"):
            for name in ("file1.mp3", "file1.wav"):
                write_audio(root / f"for-{variant}" / split / kind / name)
    return root


def wavefake(root: Path) -> Path:
    for folder in ("ljspeech_melgan", "jsut_parallel_wavegan"):
        write_audio(root / folder / "LJ001-0001_gen.wav")
    prompts = root / "common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech"
    write_audio(prompts / "gen_1.wav")
    write_audio(prompts / "generated" / "gen_1.wav")
    return root


def mlaad(root: Path) -> Path:
    header = (
        "path|original_file|language|is_original_language|duration|training_data|model_name|architecture|transcript"
    )
    for language in ("de", "en"):
        folder = root / "fake" / language / "tts_models_xtts v2"
        lines = [header]
        for i in range(2):
            path = f"./fake/{language}/tts_models_xtts v2/audio_00{i}.wav"
            lines.append(f'{path}|{language}/by_book/x.wav|{language}|True|3.2|LJ|xtts|XTTS|"He said ""no|yes"""')
            write_audio(folder / f"audio_00{i}.wav")
        write_lines(folder / "meta.csv", *lines)
    return root


def add2023(root: Path) -> Path:
    for folder, mark in {"train": "T", "dev": "D", "testR1": "E"}.items():
        lines = []
        for i, kind in enumerate(("genuine", "genuine", "fake", "fake")):
            name = f"ADD2023_T1.2{'R1' if mark == 'E' else ''}_{mark}_0000000{i}.wav"
            lines.append(f"{name} {kind}")
            write_audio(root / folder / "wav" / name)
        write_lines(root / folder / "label.txt", *lines)
    return root


def folders(root: Path) -> Path:
    for split in ("train", "dev", "test"):
        for name in ("Genuine/a.wav", "Genuine/b c.mp3", "fake/tts 1/a.wav", "fake/b.wav"):
            write_audio(root / split / name)
    return root


def manifest(root: Path) -> Path:
    lines = ["path,label,split,speaker,attack,codec"]
    for split in ("train", "dev", "eval"):
        for i, (label, attack) in enumerate([("bonafide", "-"), ("bonafide", ""), ("spoof", "tts"), ("spoof", "")]):
            lines.append(f"audio/{split}{i}.wav,{label},{split},{split}-speaker,{attack},opus")
            write_audio(root / "audio" / f"{split}{i}.wav")
    write_lines(root / "corpus.csv", *lines)
    return root / "corpus.csv"


def parquet_manifest(root: Path) -> Path:
    path = manifest(root)
    header, *rows = (line.split(",") for line in path.read_text().splitlines())
    values = [dict(zip(header, (value or None for value in row), strict=True)) for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(values), path.with_suffix(".parquet"))
    path.unlink()
    return path.with_suffix(".parquet")


TREES: dict[str, Callable[[Path], Path]] = {
    "asvspoof2015": asvspoof2015,
    "asvspoof2017": asvspoof2017,
    "asvspoof2019-la": asvspoof2019_la,
    "asvspoof2019-pa": asvspoof2019_pa,
    "asvspoof2021-la": partial(asvspoof2021, task="LA"),
    "asvspoof2021-df": partial(asvspoof2021, task="DF"),
    "asvspoof2021-pa": partial(asvspoof2021, task="PA"),
    "asvspoof5": asvspoof5,
    "in-the-wild": in_the_wild,
    "fake-or-real": fake_or_real,
    "wavefake": wavefake,
    "mlaad": mlaad,
    "add2023": add2023,
    "folders": folders,
    "manifest": manifest,
}
"""Writes the tree of a layout below a folder, and returns the root of the corpus."""

"""Coverage-guided fuzzing of the decoder, the protocol parsers, the conversion ledger and study files.

    python benchmarks/fuzz_decoder.py [TARGET ...] --seconds 120 --folder FOLDER

Needs the extra ``fuzz`` (Atheris: libFuzzer for Python). Each target runs in a process of its own, so that a crash in
libsndfile is a finding and not the end. Only the project's error types may come out; any other exception, a crash, 20 s
for one input or 2 GB of memory is a finding, whose input stays in the folder. The corpus grown there serves later runs.

Coverage is that of this project's Python code. libsndfile is not instrumented: in its place every different verdict
(kind of reason, notes, order of length) counts as something new.
"""

import argparse
import io
import json
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import soundfile

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLE = REPOSITORY / "data_prep" / "sample" / "LA"
INPUT_LIMIT_S = 20
MEMORY_LIMIT_MB = 2048
LARGEST_INPUT = 16384
MOST_FINDINGS = 5
"""A target with more of them needs mending, not more fuzzing."""


def sounds() -> dict[str, list[bytes]]:
    """A third of a second of sample utterances in each format."""
    made: dict[str, list[bytes]] = {"flac": [], "wav": [], "mp3": []}
    for path in sorted((SAMPLE / "ASVspoof2019_LA_train" / "flac").iterdir())[:3]:
        wave, rate = soundfile.read(path, frames=5000)
        for name, format, subtype in (
            ("flac", "FLAC", "PCM_16"),
            ("flac", "FLAC", "PCM_24"),
            ("wav", "WAV", "PCM_16"),
            ("wav", "WAVEX", "FLOAT"),
            ("wav", "WAV", "IMA_ADPCM"),
            ("wav", "WAV", "ULAW"),
            ("wav", "AIFF", "PCM_24"),
            ("mp3", "MP3", "MPEG_LAYER_III"),
        ):
            buffer = io.BytesIO()
            soundfile.write(buffer, wave, rate, format=format, subtype=subtype)
            made[name].append(buffer.getvalue())
    return made


def containers() -> list[bytes]:
    """Files of the formats that are told by their first bytes, made by ffmpeg."""
    import imageio_ffmpeg

    made = []
    source = next((SAMPLE / "ASVspoof2019_LA_train" / "flac").iterdir())
    with tempfile.TemporaryDirectory() as folder:
        for name, options in {
            "a.m4a": "aac",
            "b.m4a": "alac",
            "a.wma": "wmav2",
            "a.aac": "aac",
            "a.wav": "g722",
        }.items():
            path = Path(folder) / name
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-t", "0.2", "-i", str(source), "-c:a", options]
            subprocess.run([*command, str(path)], check=True, timeout=60)
            made.append(path.read_bytes())
    return made


LA_LINES = b"LA_0079 LA_T_1138215 - - bonafide\nLA_0079 LA_T_1271820 - A01 spoof\r\n\n"
SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "flac": lambda: sounds()["flac"],
    "wav": lambda: sounds()["wav"],
    "mp3": lambda: sounds()["mp3"],
    "containers": containers,
    "asvspoof2019": lambda: [LA_LINES, b"\xef\xbb\xbf" + LA_LINES, LA_LINES.replace(b" ", b"\t")],
    "asvspoof5": lambda: [
        b"T_4850 T_0000000000 F - - - AC3 A05 spoof -\nT_3245 T_0000000001 M C01 2 1 - bonafide bonafide -\n"
    ],
    "csv": lambda: [
        b"path,label,split\na.flac,bonafide,train\nb.flac,spoof,dev\n",
        b'path,label,split,speaker,attack,utterance_id,codec\n"a,\nb.wav",spoof,eval,s1,A01,u1,opus\n',
    ],
    "ledger": lambda: [
        b'{"source": "a.mp3", "size": 3, "mtime_ns": 1, "sha256": "ab", "target": "a.flac", "output_sha256": "cd"}\n'
        b'{"source": "b\\udcff.mp3", "size": -1, "sha256": "", "reason": "file missing"}\n'
    ],
    "study": lambda: [path.read_bytes() for path in sorted((REPOSITORY / "search" / "studies").glob("*.toml"))],
}


def run_one(target: str) -> Callable[[Path], str]:
    """What is done with the file that holds an input; returns its verdict, which counts as coverage."""
    from data_prep.audio_format import recognise
    from data_prep.conversion_ledger import Ledger
    from data_prep.corpora import LAYOUTS
    from data_prep.decoding import read_audio
    from data_prep.utterance import Corpus

    def decode(path: Path) -> str:
        audio = read_audio(path, 16000, min_duration_s=0.05, max_duration_s=60.0)
        return f"{audio.notes} {len(audio.wave).bit_length()}"

    def protocols(path: Path, folder: str, names: list[str], read: Callable[[Path], Corpus]) -> str:
        root = path.parent / target
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / folder / name).write_bytes(path.read_bytes())
        return judge(read(root))

    def judge(corpus: Corpus) -> str:
        from data_prep.config import CorpusConfig
        from data_prep.validation import validate

        report = validate(corpus, CorpusConfig(layout="manifest", root=str(corpus.root)))
        return f"{corpus.identity[:0]} {len(report.errors)} {len(report.warnings)}"

    def ledger(path: Path) -> str:
        path.rename(path.with_name("ledger.jsonl"))
        return f"{len(Ledger.open(path.parent).entries)}"

    def study(path: Path) -> str:
        from search.study.study import load_study

        return load_study(path).name[:0]

    la = [f"ASVspoof2019.LA.cm.{name}.txt" for name in ("train.trn", "dev.trl", "eval.trl")]
    five = [f"ASVspoof5.{name}.tsv" for name in ("train", "dev.track_1", "eval.track_1")]
    return {
        "containers": lambda path: f"{recognise(path)}",
        "asvspoof2019": lambda path: protocols(
            path, "ASVspoof2019_LA_cm_protocols", la, LAYOUTS["asvspoof2019-la"].read
        ),
        "asvspoof5": lambda path: protocols(path, "", five, LAYOUTS["asvspoof5"].read),
        "csv": lambda path: judge(LAYOUTS["manifest"].read(path)),
        "ledger": ledger,
        "study": study,
    }.get(target, decode)


def fuzz(target: str, folder: Path, seconds: float) -> None:
    """Runs in a process of its own and does not return."""
    import atheris

    with atheris.instrument_imports(include=["data_prep", "cluster", "search"], enable_loader_override=False):
        from cluster.errors import SpoofsweepError
        from data_prep.decode_error import DecodeError

        run = run_one(target)
    verdicts = [atheris.instrument_func(eval(f"lambda: {number}")) for number in range(1024)]
    scratch = Path(tempfile.mkdtemp())
    suffix = {"csv": ".csv", "study": ".toml", "containers": ".m4a"}.get(target, f".{target}")
    slowest = 0.0

    def test_one_input(data: bytes) -> None:
        nonlocal slowest
        path = scratch / f"input{suffix}"
        path.write_bytes(data)
        started = time.perf_counter()
        try:
            verdict = run(path)
        except (DecodeError, SpoofsweepError) as error:
            verdict = str(error).replace(str(scratch), "")[:60]
        seconds_taken = time.perf_counter() - started
        verdicts[zlib.crc32(re.sub(r"\d+", "0", verdict).encode(errors="replace")) % len(verdicts)]()
        if seconds_taken > slowest:
            slowest = seconds_taken
            (folder / "slowest.json").write_text(json.dumps({"seconds": slowest, "input": data.hex()}))

    flags = [
        f"-max_total_time={max(1, int(seconds))}",
        f"-timeout={INPUT_LIMIT_S}",
        f"-rss_limit_mb={MEMORY_LIMIT_MB}",
        f"-max_len={LARGEST_INPUT}",
        f"-artifact_prefix={folder}/finding-",
        "-print_final_stats=1",
        "-seed=1",
        str(folder / "corpus"),
    ]
    atheris.Setup([sys.argv[0], *flags], test_one_input)
    atheris.Fuzz()


def campaign(target: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Fuzz ``target`` for ``seconds``, going on after each finding; the figures."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[target]()):
        (corpus / f"seed-{number}").write_bytes(seed)
    before = set(folder.glob("finding-*"))
    executions, coverage, slowest_s, log = 0, 0, 0.0, folder / "log.txt"
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 1 and len(
        findings := set(folder.glob("finding-*")) - before
    ) < MOST_FINDINGS:
        (folder / "slowest.json").unlink(missing_ok=True)
        command = [sys.executable, __file__, target, "--child", "--folder", str(folder), "--seconds", str(left)]
        with log.open("wb") as output:
            subprocess.run(command, stdout=output, stderr=output, timeout=left + 120, check=False)
        text = log.read_text(errors="replace")
        executions += sum(map(int, re.findall(r"stat::number_of_executed_units:\s*(\d+)", text)))
        coverage = max([coverage, *map(int, re.findall(r"cov: (\d+)", text))])
        if (folder / "slowest.json").exists():
            slowest_s = max(slowest_s, json.loads((folder / "slowest.json").read_text())["seconds"])
        if "stat::number_of_executed_units" not in text:
            raise RuntimeError(f"the fuzzer did not run:\n{text[-2000:]}")
    findings = set(folder.glob("finding-*")) - before
    return {
        "target": target,
        "executions": executions,
        "coverage": coverage,
        "corpus": sum(1 for _ in corpus.iterdir()),
        "findings": sorted(path.name for path in findings),
        "slowest_s": round(slowest_s, 3),
    }


def main() -> None:
    """Fuzz the named targets one after another and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=list(SEEDS), metavar="TARGET", help=", ".join(SEEDS))
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path("results/fuzzing"), help="corpora and findings")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        fuzz(arguments.targets[0], arguments.folder, arguments.seconds)
    else:
        from machine import machine_facts

        print(machine_facts("atheris", "soundfile"))
        for target in arguments.targets:
            print(campaign(target, arguments.folder.absolute() / target, arguments.seconds), flush=True)


if __name__ == "__main__":
    main()

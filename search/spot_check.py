"""Lets a model judge evaluation files drawn by seed, with the truth beside its verdicts."""

import random
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from cluster.errors import SpoofsweepError
from data_prep.corpora import read_corpus
from data_prep.utterance import Utterance
from deploy.torch_detector import TorchDetector
from deploy.verdicts import Verdict, print_table
from search.study.study import Study


def draw_utterances(study: Study, num_files: int, seed: int) -> list[Utterance]:
    """``num_files`` utterances of the evaluation split, or all if it has fewer; the same for the same seed.

    Raises:
        SpoofsweepError: the corpus has no evaluation split.
    """
    corpus = read_corpus(study.config.corpus, study.base, study.prep.seed)
    found = sorted((u for u in corpus.utterances if u.split == "eval"), key=lambda u: u.utterance_id)
    if not found:
        raise SpoofsweepError(
            "a spot check needs evaluation files", f"none in {corpus.root}", "use `spoofsweep detect FILE...`"
        )
    return random.Random(seed).sample(found, min(num_files, len(found)))


def spot_check(study: Study, model_folder: Path, num_files: int, seed: int, console: Console) -> None:
    """Print verdicts beside the truth, and how many are right."""
    detector = TorchDetector.load(model_folder)
    drawn = draw_utterances(study, num_files, seed)
    verdicts = [replace(Verdict.of(detector, u.path), path=Path(u.path.name)) for u in drawn]
    truth = [u.label if u.label == "bonafide" else f"{u.label} ({u.attack})" for u in drawn]
    print_table(verdicts, windows=False, console=console, truth=truth)
    right = sum(v.detection is not None and v.detection.label == u.label for v, u in zip(verdicts, drawn, strict=True))
    console.print(f"{right} of {len(drawn)} verdicts are right (files drawn with seed {seed}).", highlight=False)

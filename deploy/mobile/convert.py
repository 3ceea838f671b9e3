"""Converts a model folder and checks what came out: a program of the converter's own environment.

    python -m deploy.mobile.convert FORMAT MODEL_FOLDER CARD OUTPUT

leaves the format's file and ``fidelity.json`` in the folder OUTPUT. Of packages it imports the format's alone.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import torch

from deploy.detector_card import SAMPLES, DetectorCard
from deploy.mobile.chunk_network import ChunkNetwork
from deploy.mobile.formats import find_format
from deploy.mobile.stream_check import check
from deploy.zero_states import zero_states
from trainable.checkpoints.checkpoint import read_model
from trainable.models.streamable import Streamable

FIDELITY = "fidelity.json"


def main(name: str, model_folder: str, card_file: str, output: str) -> None:
    form, card = find_format(name), DetectorCard.from_json(Path(card_file).read_text())
    record, model = read_model(Path(model_folder))
    assert isinstance(model, Streamable)
    torch.set_num_threads(1)
    file = import_module(f"deploy.mobile.{form.name}_file")
    path = Path(output) / form.file
    with torch.no_grad():
        network = ChunkNetwork(model, record.features, card).eval()
        states = {name: torch.from_numpy(state) for name, state in zero_states(card).items()}
        file.write(path, network, {SAMPLES: torch.zeros(1, card.chunk_samples)} | states)
    found = check(file.open_file(path, card), card, model, record.features)
    (Path(output) / FIDELITY).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

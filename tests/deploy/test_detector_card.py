"""The card of an exported detector survives its file, and one of another version is refused."""

import json

import pytest

from cluster.errors import SpoofsweepError
from deploy.detector_card import DetectorCard

CARD = DetectorCard(
    form="stream",
    sample_rate=16000,
    window_samples=320,
    hop_samples=160,
    window_frames=300,
    coverage="full",
    threshold=-0.25,
    states={"tail": [160]},
    calibration=(1.5, -0.5),
    metrics={"dev_eer": 0.05},
)


def test_a_card_is_what_was_written() -> None:
    assert DetectorCard.from_json(CARD.to_json()) == CARD


@pytest.mark.parametrize("change", [{"format_version": 1}, {"a_field_of_later": 1}])
def test_another_version_is_refused(change: dict[str, int]) -> None:
    text = json.dumps(json.loads(CARD.to_json()) | change)
    with pytest.raises(SpoofsweepError, match="export it again"):
        DetectorCard.from_json(text)

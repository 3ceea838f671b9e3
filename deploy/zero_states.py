"""How a stream begins."""

import numpy as np
from numpy.typing import NDArray

from deploy.detector_card import DetectorCard


def zero_states(card: DetectorCard, batch: int = 1) -> dict[str, NDArray[np.float32]]:
    """States of streams that begin, but for the lead samples at the end of their ``tail``."""
    return {name: np.zeros((batch, *shape), np.float32) for name, shape in card.states.items()}

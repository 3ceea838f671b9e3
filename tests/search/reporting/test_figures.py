"""What figures are drawn of."""

import numpy as np

from search.reporting.figures import ScoredSplit
from trainable.scores.scores import ScoreTable


def test_of_many_attacks_the_worst_are_named() -> None:
    """Of a hundred, the one whose spoofs score highest among them."""
    attack = np.array(["-"] * 50 + [f"A{i:02d}" for i in range(100)] * 2)
    label = np.array(["bonafide"] * 50 + ["spoof"] * 200)
    score = np.concatenate((np.linspace(0, 100, 50), np.tile(np.arange(100.0), 2)))
    table = ScoreTable([f"u{i}" for i in range(250)], attack, label, np.full(250, ""), score)
    split = ScoredSplit.of("eval", table)
    assert len(np.unique(split.attacks)) == 20
    assert {"A99", "others"} <= set(split.attacks)
    assert (split.attacks == "others").sum() == 2 * 81

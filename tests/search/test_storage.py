"""How the storage of a study is opened."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from search.storage import check_writable


def test_those_who_come_first_together_make_its_tables_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(6)

    def come(url: str) -> None:
        barrier.wait()
        check_writable(url)

    with ThreadPoolExecutor(6) as pool:
        for number in range(5):
            list(pool.map(come, [f"sqlite:///{tmp_path / str(number)}.db"] * 6))

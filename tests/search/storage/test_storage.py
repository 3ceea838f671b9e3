"""How the storage of a study is opened."""

import gc
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from postgres_server import PostgresServer

from search.storage.storage import check_writable


def open_each_by_several(urls: Sequence[str], number: int = 6) -> None:
    barrier = threading.Barrier(number)

    def come(url: str) -> None:
        barrier.wait()
        check_writable(url)

    with ThreadPoolExecutor(number) as pool:
        for url in urls:
            list(pool.map(come, [url] * number))
    gc.collect()  # which complains of connections that were left open


def test_those_who_come_first_together_make_its_tables_once(tmp_path: Path) -> None:
    open_each_by_several([f"sqlite:///{tmp_path / str(number)}.db" for number in range(5)])


def test_so_do_they_on_a_server(postgres: PostgresServer) -> None:
    open_each_by_several([postgres.new_database(f"fresh{number}") for number in range(3)])

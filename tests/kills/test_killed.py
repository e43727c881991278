"""The kill matrix: a notifier ends by SIGKILL at every step between a warning consumed and its delivery recorded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kills.matrix import POINTS, Cell, Counts, result_table
from tests.support.postgres import PostgresServer
from tests.support.programs import require_program


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer(require_program("postgresql"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def play(folder: Path, url: str, point: str, replicas: int, seed: int) -> Counts:
    counts = Cell(folder, url, point, replicas, seed).play()
    print(counts)
    return counts


def on_postgresql(server: PostgresServer, folder: Path, point: str, replicas: int, seed: int) -> Counts:
    name = f"cell_{point.replace(':', '_')}_{replicas}"
    try:
        return play(folder, server.new_database(name), point, replicas, seed)
    finally:
        server.drop_database(name)


@pytest.fixture
def seed() -> int:
    return random.SystemRandom().randrange(10**6)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", ["after:claim"])
def test_killed_alone_on_sqlite_nobody_misses_a_page_and_only_what_was_in_doubt_comes_twice(
    tmp_path: Path, point: str, seed: int
) -> None:
    counts = play(tmp_path / "cell", f"sqlite:///{tmp_path / 'n.db'}", point, 1, seed)
    assert counts.good, counts


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", ["after:send"])
def test_killed_beside_another_on_postgresql_nobody_misses_a_page_and_only_what_was_in_doubt_comes_twice(
    postgres: PostgresServer, tmp_path: Path, point: str, seed: int
) -> None:
    counts = on_postgresql(postgres, tmp_path / "cell", point, 2, seed)
    assert counts.good, counts


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_whole_matrix(postgres: PostgresServer, tmp_path: Path, seed: int) -> None:
    """On SQLite with one notifier, which is all that it may have, on PostgreSQL with one and with two."""
    found = []
    for point in POINTS:
        folder = tmp_path / point.replace(":", "-")
        found.append(play(folder / "one", f"sqlite:///{folder / 'n.db'}", point, 1, seed))
        found += [on_postgresql(postgres, folder / f"pg-{n}", point, n, seed) for n in (1, 2)]
    print(result_table(found))
    assert all(one.good for one in found), result_table([one for one in found if not one.good])

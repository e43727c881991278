"""Secrets of links: from the environment, or a file that only its owner reads; a new one breaks nothing sent."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.common.settings import BadSetting
from services.notifier.link_secrets import CURRENT, FILE, PREVIOUS, from_environment, kept_in, renew

LONG, OTHER = "l" * 32, "o" * 40


def test_the_environment_gives_the_current_one_first() -> None:
    assert from_environment({}) == ()
    assert from_environment({CURRENT: LONG}) == (LONG.encode(),)
    assert from_environment({CURRENT: LONG, PREVIOUS: OTHER}) == (LONG.encode(), OTHER.encode())


@pytest.mark.parametrize("env", [{CURRENT: "short"}, {CURRENT: LONG, PREVIOUS: "short"}, {PREVIOUS: OTHER}])
def test_what_can_be_guessed_or_makes_no_sense_is_refused_without_being_told(env: dict[str, str]) -> None:
    with pytest.raises(BadSetting) as refused:
        from_environment(env)
    assert "short" not in str(refused.value)


def test_a_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    made = kept_in(tmp_path / "data")
    assert kept_in(tmp_path / "data") == made
    assert len(made) == 1
    assert len(made[0]) >= 32
    file = tmp_path / "data" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == [FILE]


def test_processes_that_start_at_once_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(kept_in, [tmp_path] * 16))) == 1


def test_a_new_secret_signs_and_the_one_before_it_still_counts(tmp_path: Path) -> None:
    (first,) = kept_in(tmp_path)
    renew(tmp_path)
    second, before = kept_in(tmp_path)
    assert before == first != second
    renew(tmp_path)
    third, before = kept_in(tmp_path)
    assert before == second
    assert third not in (first, second)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    kept_in(tmp_path)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(BadSetting, match="can be read by others"):
        kept_in(tmp_path)


@pytest.mark.parametrize("text", ["", "\n \n", "short\n"])
def test_a_file_without_a_good_secret_is_refused(tmp_path: Path, text: str) -> None:
    kept_in(tmp_path)
    (tmp_path / FILE).write_text(text)
    with pytest.raises(BadSetting):
        kept_in(tmp_path)

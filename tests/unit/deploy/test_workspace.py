"""The directory of a run: new each time, never somebody else's, never two runs at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.workspace import WorkspaceError, open_workspace


def test_a_new_run_starts_with_an_empty_directory(tmp_path: Path) -> None:
    path = tmp_path / "data dir" / "run"
    with open_workspace(path, keep=False) as directory:
        (directory / "old").touch()
    with open_workspace(path, keep=False) as directory:
        assert not (directory / "old").exists()


def test_keep_leaves_what_the_last_run_wrote(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "run", keep=True) as directory:
        (directory / "old").touch()
    with open_workspace(tmp_path / "run", keep=True) as directory:
        assert (directory / "old").exists()


def test_a_directory_that_no_run_has_made_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").touch()
    with (
        pytest.raises(WorkspaceError, match="was not made by `make run`: move it away, or set BELLWETHER_DATA_DIR"),
        open_workspace(tmp_path / "run", keep=False),
    ):
        pytest.fail("it was opened")
    assert (tmp_path / "run" / "thesis.txt").exists()


def test_two_runs_do_not_share_a_directory(tmp_path: Path) -> None:
    with (
        open_workspace(tmp_path / "run", keep=False),
        pytest.raises(WorkspaceError, match="another `make run` is using"),
        open_workspace(tmp_path / "run", keep=False),
    ):
        pytest.fail("it was opened twice")

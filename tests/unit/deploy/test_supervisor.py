"""Several children: started, watched, stopped together."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.supervisor import ChildDied, NotInTime, Supervisor

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path, {"GREETING": "hello"})
    yield supervisor
    supervisor.stop(grace_s=5)


def test_children_get_the_environment_of_the_run(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start("greeter", [sys.executable, "-c", "import os; print(os.environ['GREETING'])"])
    child.wait(10)
    assert (tmp_path / "greeter.log").read_text() == "hello\n"


def test_a_dead_child_is_named_with_the_end_of_its_log(supervisor: Supervisor) -> None:
    supervisor.start("sound", SLEEP)
    broken = supervisor.start("broken", [sys.executable, "-c", "print('no database'); raise SystemExit(3)"])
    broken.wait(10)
    with pytest.raises(ChildDied, match=r"^broken ended with exit code 3; the end of .*broken.log:\nno database$"):
        supervisor.check()


def test_waiting_ends_as_soon_as_a_child_dies(supervisor: Supervisor) -> None:
    supervisor.start("victim", SLEEP).kill()
    with pytest.raises(ChildDied, match="victim was ended by signal 9"):
        supervisor.wait_for(lambda: False, "what never comes", deadline_s=60)


def test_waiting_gives_the_answer_that_was_waited_for(supervisor: Supervisor) -> None:
    answers = iter([0, 0, 5])
    assert supervisor.wait_for(lambda: next(answers), "a number", deadline_s=10) == 5


def test_waiting_is_bounded(supervisor: Supervisor) -> None:
    with pytest.raises(NotInTime, match=r"waited 0.2 s for rain in vain; the logs are in "):
        supervisor.wait_for(lambda: False, "rain", deadline_s=0.2)


def test_stop_ends_every_child_and_may_be_called_again(supervisor: Supervisor) -> None:
    children = [supervisor.start(name, SLEEP) for name in ("one", "two", "three")]
    assert supervisor.children == tuple(children)
    supervisor.stop(grace_s=5)
    assert all(child.exit_code() is not None for child in children)
    supervisor.stop(grace_s=5)
    assert supervisor.children == ()

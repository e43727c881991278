"""`make run` as a process: it comes up, says where it is, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deploy.ports import free_port, is_free
from tests.support.commands import bellwether_env
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until

STAND_IN = Path(__file__).with_name("stand_in.py")
RUNNER = textwrap.dedent(f"""
    import sys
    import deploy.run
    deploy.run.bellwether_argv = lambda *arguments: [sys.executable, {str(STAND_IN)!r}, *arguments]
    deploy.run.PAGES_QUIET_S = 0.2
    deploy.run.STOP_GRACE_S = 1.0
    sys.exit(deploy.run.main())
""")


class Runner:
    """Runs `deploy.run` with stand-ins for the services, on ports and in a directory of its own."""

    def __init__(self, directory: Path, env: dict[str, str]) -> None:
        self.directory = directory
        names = ("BELLWETHER_INGEST_PORT", "BELLWETHER_RULES_PORT", "BELLWETHER_NOTIFIER_PORT", "BELLWETHER_KAFKA_PORT")
        self.ports = {name: free_port() for name in names}
        ports = {name: str(port) for name, port in self.ports.items()}
        self.env = bellwether_env({**ports, "BELLWETHER_DATA_DIR": str(directory / "data dir"), **env})
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, **env: str) -> subprocess.Popen[bytes]:
        with (self.directory / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", RUNNER],
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    @property
    def output(self) -> str:
        return (self.directory / "output.txt").read_text()

    def wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        wait_until(lambda: "Ctrl-C stops" in self.output or process.poll() is not None, "the run to be up", 60)
        assert process.poll() is None, self.output

    def all_free(self) -> bool:
        return all(is_free(port) for port in self.ports.values())


@pytest.fixture
def runner(tmp_path: Path, kafka: Kafka) -> Iterator[Runner]:
    """On the session's broker; only one partition a topic, for these tests look at no event."""
    env = {"BELLWETHER_KAFKA": kafka.bootstrap, "BELLWETHER_TOPIC_PREFIX": f"run-{free_port()}"}
    runner = Runner(tmp_path, {**env, "BELLWETHER_PARTITIONS": "1"})
    yield runner
    for process in runner.started:
        process.kill()
        process.wait()


def test_it_says_what_happened_and_where_the_console_is_and_stops_on_sigterm(runner: Runner) -> None:
    process = runner.start()
    runner.wait_until_up(process)
    directory = runner.directory / "data dir" / "run-external"
    password = (directory / "demo-password").read_text()
    port = runner.ports["BELLWETHER_NOTIFIER_PORT"]
    assert "Sent 2 sample events (2 accepted)" in runner.output
    assert "3 warnings, 2 open cases, 5 pages in the inbox." in runner.output
    assert f"http://127.0.0.1:{port}/   account: demo   password: {password}" in runner.output
    assert (directory / "account").read_text() == password
    assert (directory / "advanced").read_text() == "event"
    first, second = map(datetime.fromisoformat, (directory / "ranked").read_text().split())
    assert second - first == timedelta(minutes=20), "the second ranking knows the classes that the first one made"
    assert not runner.all_free()
    assert f"Commands  . {shlex.quote(os.path.relpath(directory / 'settings.sh'))}" in runner.output
    assert f"BELLWETHER_DATA_DIR='{directory}'" in (directory / "settings.sh").read_text()
    assert stat.S_IMODE((directory / "settings.sh").stat().st_mode) == 0o600

    process.terminate()

    assert process.wait(20) == 0
    assert runner.output.endswith("Stopped; no process is left.\n")
    assert runner.all_free()


def test_a_clock_that_was_chosen_is_not_moved(runner: Runner) -> None:
    runner.wait_until_up(runner.start(BELLWETHER_CLOCK="wall"))
    assert not (runner.directory / "data dir" / "run-external" / "advanced").exists()
    assert "bellwether advance" not in runner.output


def test_a_service_that_ignores_sigterm_is_stopped_too(runner: Runner) -> None:
    process = runner.start(MISBEHAVE="rules:deaf")
    runner.wait_until_up(process)
    process.terminate()
    assert process.wait(20) == 0
    assert runner.all_free()


def test_after_a_kill_9_nothing_runs_and_the_next_run_comes_up_with_the_old_sample_kept(runner: Runner) -> None:
    process = runner.start()
    runner.wait_until_up(process)
    process.kill()
    process.wait()
    wait_until(runner.all_free, "the services to die with the runner", 10)

    again = runner.start()
    runner.wait_until_up(again)
    assert "An earlier run has sent the sample" in runner.output


def test_a_service_that_dies_is_named_with_its_last_words_and_everything_stops(runner: Runner) -> None:
    process = runner.start(MISBEHAVE="rules:die")
    assert process.wait(60) == 1
    assert "rules ended with exit code 1; the end of" in runner.output
    assert "rules: the disk is full" in runner.output
    assert "Traceback" not in runner.output
    assert runner.all_free()


def test_a_taken_port_is_one_sentence(runner: Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        process = runner.start(BELLWETHER_RULES_PORT=port)
        assert process.wait(60) == 1
    assert runner.output == (
        f"Port {port} is in use: stop what listens there, or set BELLWETHER_RULES_PORT to another port.\n"
    )


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_with_its_own_kafka_everything_is_made_anew_each_time_even_after_a_kill_9(tmp_path: Path, times: int) -> None:
    runner = Runner(tmp_path, {"BELLWETHER_PARTITIONS": "1"})
    passwords = []
    try:
        for _ in range(times):
            process = runner.start()
            runner.wait_until_up(process)
            assert "Sent 2 sample events" in runner.output
            passwords.append((tmp_path / "data dir" / "run" / "demo-password").read_text())
            process.kill()
            process.wait()
            wait_until(runner.all_free, "Kafka and the services to die with the runner", 20)
    finally:
        for process in runner.started:
            process.kill()
            process.wait()
    assert len(set(passwords)) == times

"""`make run`: the whole system on this machine with sample data, until Ctrl-C.

What a run keeps lies in <BELLWETHER_DATA_DIR>/run and is made anew each time, unless KEEP=1. With BELLWETHER_KAFKA set,
that broker is used; its topics outlive a run, so the local state that belongs to them is always kept, in
<BELLWETHER_DATA_DIR>/run-external.
"""

from __future__ import annotations

import functools
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn

from deploy.feed import FeedRefused, Settled, feed, is_ready, page_count, summary
from deploy.kafka import Broker, BrokerFailed, JarsUnavailable, new_place
from deploy.plan import SERVICES, Plan, read_plan, settings_script
from deploy.ports import is_free
from deploy.progress import has_caught_up, unjudged_customers
from deploy.supervisor import ChildDied, NotInTime, Supervisor
from deploy.workspace import WorkspaceError, open_workspace
from schemas.topics import topic_specs
from services.common.errors import UserError
from services.common.kafka_admin import ensure_topics
from services.common.kafka_connection import Connection
from services.common.settings import BadSetting, read_connection

SAMPLE_SEED = "7"
DEMO_ACCOUNT = "demo"
READY_DEADLINE_S = 90.0
PAGES_DEADLINE_S = 180.0
PAGES_QUIET_S = 5.0
RANKS_DEADLINE_S = 15.0
COMMAND_TIMEOUT_S = 120.0
STOP_GRACE_S = 15.0
WATCH_EVERY_S = 0.5


class Stopped(BaseException):
    """Ctrl-C or SIGTERM. A BaseException like KeyboardInterrupt: no `except Exception` on the way may hold it."""


class CommandFailed(Exception):
    """A command that prepares the run failed; the message has what it said."""


class Run:
    """One run that is being brought up: the plan, its directory, and the processes."""

    def __init__(self, plan: Plan, directory: Path, env: Mapping[str, str], supervisor: Supervisor) -> None:
        self.plan = plan
        self.directory = directory
        self.env = env
        self.supervisor = supervisor

    @property
    def sample_file(self) -> Path:
        """The sample events, JSON lines."""
        return self.directory / "sample.jsonl"

    @property
    def settings_file(self) -> Path:
        """For a shell, so that what its commands say is said to this run."""
        return self.directory / "settings.sh"

    def write_settings(self) -> None:
        """For its owner alone: the environment may hold what others are not to know."""
        self.settings_file.touch(mode=0o600)
        self.settings_file.write_text(settings_script(self.env, Path(sys.executable).parent))

    def bring_up(self) -> None:
        """Sample data, services, an account, events, pages; then a few lines about it."""
        self.write_settings()
        if not self.sample_file.exists():
            self.make_sample()
        self.start_services()
        password = self.demo_password()
        self.feed_once()
        counts = summary(self.plan.urls["notifier"])
        say(f"{counts['warnings']} warnings, {counts['cases_open']} open cases, {counts['pages']} pages in the inbox.")
        say(f"Console   {self.plan.urls['notifier']}/   account: {DEMO_ACCOUNT}   password: {password}")
        say(f"Events    POST {self.plan.urls['ingest']}/v1/events")
        say(f"Commands  . {shlex.quote(os.path.relpath(self.settings_file))}   and `bellwether ...` means this run")
        say(f"Logs      {self.directory / 'logs'}")
        if self.plan.settings.clock == "event":
            say("Clock     follows the events; `bellwether advance INSTANT` moves it on")
        say("Ctrl-C stops everything.")

    def make_sample(self) -> None:
        """Write the sample events, and the people whom the notifier is to page."""
        people = self.env["BELLWETHER_DIRECTORY"]
        self.command("sample", "--seed", SAMPLE_SEED, "--to", str(self.sample_file), "--directory", people)

    def start_services(self) -> None:
        """Start the three at once, and return when each says that it is ready."""
        say(f"Starting {', '.join(SERVICES)} ...")
        for name, arguments in SERVICES.items():
            self.supervisor.start(name, bellwether_argv(*arguments))
        for name, url in self.plan.urls.items():
            ready = functools.partial(is_ready, url)
            self.supervisor.wait_for(ready, f"{name} to be ready at {url}", READY_DEADLINE_S)

    def demo_password(self) -> str:
        """The demo account's password. A new run makes the account, with a random one that nobody knows beforehand."""
        file = self.directory / "demo-password"
        if not file.exists():
            password = secrets.token_urlsafe(9)
            self.command("notifier", "user", "add", DEMO_ACCOUNT, "--password-stdin", stdin=password)
            file.touch(mode=0o600)
            file.write_text(password)
        return file.read_text()

    def feed_once(self) -> None:
        """Post the sample, unless an earlier run has, and wait until its pages have come."""
        marker = self.directory / "sample-sent"
        if marker.exists():
            say("An earlier run has sent the sample; what came of it is kept.")
            return
        fed = feed(self.plan.urls["ingest"], self.sample_file)
        outcome = ", ".join(f"{number} {status}" for status, number in sorted(fed.by_status.items()))
        say(f"Sent {fed.events} sample events ({outcome}); waiting for the pages ...")
        if self.plan.settings.clock == "event":
            self.go_on_to_now()
        marker.touch()
        settled = Settled(functools.partial(page_count, self.plan.urls["notifier"]), PAGES_QUIET_S, time.monotonic)
        self.supervisor.wait_for(settled, "pages in the local inbox", PAGES_DEADLINE_S)

    def go_on_to_now(self) -> None:
        """The sample ends in the past: what has been silent since then is found only by going on to now.

        On the way customers are ranked, so that what rests on rankings has something to say: first by what they buy,
        then by the classes that follow from that.
        """
        now = datetime.now(UTC).replace(microsecond=0)
        pause = timedelta(minutes=self.plan.settings.snapshot_minutes)
        for rest in (4 * pause, 2 * pause) if pause else ():
            self.command("advance", (now - rest).isoformat())
            self.rank_customers(now - rest)
        self.command("advance", now.isoformat())

    def rank_customers(self, as_of: datetime) -> None:
        """Publish the rankings of what the rules service has told, and wait until it knows them."""
        settings, kafka = self.plan.settings, read_connection(self.env)
        done = functools.partial(has_caught_up, kafka, settings.topics, settings.partitions)
        self.supervisor.wait_for(done, "the rules service to take in the sample", PAGES_DEADLINE_S)
        self.command("ranks", "publish", "--as-of", as_of.isoformat())
        known = functools.partial(unjudged_customers, self.plan.urls["rules"])
        try:
            self.supervisor.wait_for(known, "the rankings to be known", RANKS_DEADLINE_S)
        except NotInTime:
            say("The rules service is slow: the rankings will count from the next event on.")

    def command(self, *arguments: str, stdin: str = "") -> None:
        """Run one `bellwether` command to its end. Raises CommandFailed."""
        done = subprocess.run(
            bellwether_argv(*arguments),
            env=dict(self.env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailed(f"bellwether {' '.join(arguments[:3])} failed:\n{done.stdout}{done.stderr}")


def main() -> int:
    """Exit code 0 after Ctrl-C or SIGTERM, 1 after anything that went wrong."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)
    try:
        _run(os.environ)
    except Stopped:
        say("Stopped; no process is left.")
        return 0
    except (BadSetting, UserError, WorkspaceError, BrokerFailed, JarsUnavailable) as error:
        print(error, file=sys.stderr)
    except (ChildDied, NotInTime, FeedRefused, CommandFailed) as error:
        print(f"{error}\nEverything was stopped.", file=sys.stderr)
    return 1


def port_problem(ports: Mapping[str, int]) -> str | None:
    """One sentence about the first port that is taken or wanted twice, or None. `ports` is by variable."""
    owner: dict[int, str] = {}
    for variable, port in ports.items():
        if port in owner:
            return f"{owner[port]} and {variable} are both {port}: set one of them to another port."
        owner[port] = variable
        if not is_free(port):
            return f"Port {port} is in use: stop what listens there, or set {variable} to another port."
    return None


def say(line: str) -> None:
    """One line for the person at the terminal, at once."""
    print(line, flush=True)


def bellwether_argv(*arguments: str) -> list[str]:
    """A `bellwether` command of this installation."""
    return [sys.executable, "-m", "services.cli", *arguments]


def _run(environ: Mapping[str, str]) -> NoReturn:
    """Bring everything up and watch it. Ends only by an exception; whatever was started is stopped then."""
    plan = read_plan(environ)
    problem = port_problem(plan.ports)
    if problem:
        raise UserError(problem)
    with ExitStack() as stack:
        directory = stack.enter_context(open_workspace(plan.directory, keep=plan.keep))
        broker = None if plan.external_kafka else _start_kafka(stack, directory, plan.kafka_port)
        kafka = Connection(broker.bootstrap) if broker else plan.settings.kafka
        ensure_topics(kafka, topic_specs(plan.settings.topics.prefix, plan.settings.partitions))
        env = plan.child_env(environ, directory, kafka.servers)
        supervisor = Supervisor(directory / "logs", env)
        stack.callback(supervisor.stop, STOP_GRACE_S)
        if broker:
            supervisor.adopt(broker.child)
        Run(plan, directory, env, supervisor).bring_up()
        while True:
            supervisor.check()
            time.sleep(WATCH_EVERY_S)


def _start_kafka(stack: ExitStack, directory: Path, port: int) -> Broker:
    say("Starting Kafka ...")
    broker = Broker(new_place(directory / "kafka", port))
    stack.callback(broker.stop)
    broker.start()
    return broker


def _on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: stopping is bounded in time, and an impatient second Ctrl-C must not leave processes behind.
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())

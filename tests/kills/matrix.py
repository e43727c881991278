"""One cell of the kill matrix: warnings are put on the topic, a notifier is killed at one step, others go on; then it
is counted what people got. The counting knows the warnings and the people, and nothing of the outbox's ways."""

from __future__ import annotations

import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, inspect, select

from deploy.ports import free_port
from deploy.process import Child, start_child
from schemas import warnings as wire
from services.common.clock import set_manual_clock, wall_now
from services.common.database import Database
from services.notifier.tables import cases, inbox, open_database, pages, replicas
from tests.kills.receiver import Receiver, waited_for
from tests.kills.tape import write_tape
from tests.support.commands import ROOT, bellwether_env
from tests.support.waiting import wait_until
from tests.unit.notifier.making import NOON, make_warning

LEASE_S = 3
"""Of notifiers that a busy machine may keep waiting for a second."""
STEP = timedelta(minutes=2)
"""By which the notifiers' clock is moved while they work off what is left."""
TEAMS = 6
PILE = 6
"""Pages of one person that become a digest."""
ROUNDS = 8
DEATH_DEADLINE_S = 6.0
UP_DEADLINE_S = 120.0
CALM_DEADLINE_S = 150.0

POINTS = (
    "before:file",
    "inside:file",
    "after:file",
    "before:commit",
    "after:commit",
    "inside:claim",
    "after:claim",
    "before:send",
    "torn:send",
    "after:send",
    "inside:record",
    "after:record",
    "inside:inbox",
    "after:inbox",
    "before:event",
    "after:event",
    "inside:publish",
    "after:publish",
    "inside:judge",
    "after:judge",
)
"""Every step between a warning consumed and its delivery recorded, and of the notifier that judges what was left."""

OFTEN = ("send", "event")
"""Places that pass once a message, so that any of the first few may be the fatal one."""


@dataclass(frozen=True)
class Counts:
    """What came of a cell. `due`: pages that people must get by webhook; `twice`: those they got more than once;
    `unmarked`: those that came a second time without a word of doubt; `doubted`: pages that were ever uncertain."""

    cell: str
    due: int
    missing: int
    twice: int
    unmarked: int
    doubted: int
    unexplained: int
    left_over: int
    inbox_missing: int
    events_missing: int

    @property
    def good(self) -> bool:
        """Nothing is missing, and whatever came twice was in doubt and said so."""
        bad = self.missing, self.unmarked, self.unexplained, self.left_over, self.inbox_missing, self.events_missing
        return not any(bad)

    def __str__(self) -> str:
        found = {name: value for name, value in vars(self).items() if name != "cell"}
        return f"{self.cell}: " + " ".join(f"{name}={value}" for name, value in found.items())


def directory_yaml() -> str:
    """Teams of an owner and a superior, a customer each; the last team's gets a pile of warnings."""
    people = [
        f"  - {{id: o{n}, name: Owner {n}, department: sales, language: en, reports_to: s{n}}}" for n in range(TEAMS)
    ]
    people += [f"  - {{id: s{n}, name: Superior {n}, department: sales, language: en}}" for n in range(TEAMS)]
    customers = [f"  - {{id: K{n}, name: Customer {n}, owner: o{n}}}" for n in range(TEAMS)]
    return "\n".join(["people:", *people, "customers:", *customers, "fallback: s0", ""])


class Cell:
    """A database, a topic on a tape, a receiver, and notifiers that come and go."""

    def __init__(self, folder: Path, url: str, point: str, replicas: int, seed: int) -> None:
        self.folder, self.url, self.point, self.replicas, self.seed = folder, url, point, replicas, seed
        self.chance = random.Random(f"{seed}/{point}/{replicas}")
        self.warnings: list[wire.Warning] = []
        self.children: list[Child] = []
        self.at = NOON
        self.receiver = Receiver()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "people.yaml").write_text(directory_yaml(), encoding="utf-8")
        set_manual_clock(folder / "clock", self.at)
        self.database: Database = open_database(url)

    def play(self) -> Counts:
        """Kill at the point, go on without it, count."""
        with self.receiver:
            try:
                if self.point.endswith("judge"):
                    self._die_judging()
                else:
                    self._die(self._fatal())
                for index in range(self.replicas):
                    if not self._runs(index):
                        self.start(index)
                self._come_to_rest()
                return self.count()
            finally:
                for child in self.children:
                    child.kill()
                self.database.close()

    def _fatal(self) -> str:
        place = self.point.partition(":")[2]
        return f"{self.point}:{self.chance.randint(1, 4) if place in OFTEN else 1}"

    def _die_judging(self) -> None:
        """There is something to judge once another one is dead: the one beside it judges, or the one after it."""
        fatal = f"{self.point}:1"
        if self.replicas == 1:
            self._die("after:send:1")
            self.move()
            self._wait_for_death(self.start(0, fatal))
            return
        judge = self.start(1, fatal)
        self._die("after:send:1")
        self._wait_for_death(judge)

    def _die(self, fatal: str) -> None:
        """Start, and put warnings on the topic until the first notifier has died."""
        for index in range(1, self.replicas):
            if not self._runs(index):
                self.start(index)
        self._wait_for_death(self.start(0, fatal), self.publish)

    def _wait_for_death(self, mortal: Child, meanwhile: Callable[[int], None] = lambda _: None) -> None:
        # Who starts late would find nothing left to die of.
        assert waited_for(lambda: mortal.exit_code() is not None or self._all_there(), UP_DEADLINE_S), mortal.log_tail()
        for number in range(ROUNDS):
            meanwhile(number)
            if waited_for(lambda: mortal.exit_code() is not None, DEATH_DEADLINE_S):
                break
            self.move()
        code = mortal.exit_code()
        assert code == -signal.SIGKILL, f"{mortal.name} did not die but {code}; see {self.folder}\n{mortal.log_tail()}"

    def _all_there(self) -> bool:
        """Whether every notifier that was started and lives has joined the database."""
        living = sum(child.exit_code() is None for child in self.children)
        with self.database.reading() as tx:
            if not inspect(tx).has_table(replicas.name):
                return False
            names = tx.execute(select(replicas.c.name).where(replicas.c.lease_until > wall_now())).all()
        return len(names) >= living

    def _runs(self, index: int) -> bool:
        return any(child.name == f"notifier-{index}" and child.exit_code() is None for child in self.children)

    def start(self, index: int, fatal: str = "") -> Child:
        """One notifier, with the tape's customers that fall to it."""
        env = {
            "BELLWETHER_DATABASE_URL": self.url,
            "BELLWETHER_DATA_DIR": str(self.folder / f"data-{index}"),
            "BELLWETHER_DIRECTORY": str(self.folder / "people.yaml"),
            "BELLWETHER_CLOCK": f"manual:{self.folder / 'clock'}",
            "BELLWETHER_NOTIFIER_PORT": str(free_port()),
            "BELLWETHER_CHANNELS": "webhook",
            "BELLWETHER_WEBHOOK_URL": self.receiver.url,
            "BELLWETHER_WEBHOOK_SECRET": "a secret",
            "BELLWETHER_LEASE_S": str(LEASE_S),
            "BELLWETHER_CHANNELS_ALLOW": "127.0.0.0/8",
            "BELLWETHER_SETTLE_S": "0",
            "KILLS_FOLDER": str(self.folder),
            "KILLS_INDEX": str(index),
            "KILLS_READERS": str(self.replicas),
            "KILLS_SEED": str(self.chance.randrange(10**6)),
            "KILLS_POINT": fatal,
        }
        argv = [sys.executable, "-m", "tests.kills.worker"]
        log = self.folder / f"{len(self.children):02d}-{index}.log"
        child = start_child(f"notifier-{index}", argv, log_file=log, env=bellwether_env(env), cwd=ROOT)
        self.children.append(child)
        return child

    def publish(self, number: int) -> None:
        """A warning for each team, and a pile for the last."""
        found = [make_warning(f"w{number}-{team}", customer_id=f"K{team}") for team in range(TEAMS)]
        found += [
            make_warning(f"p{number}-{one}", customer_id=f"K{TEAMS - 1}") for one in range(PILE if number == 0 else 0)
        ]
        self.chance.shuffle(found)
        self.warnings += found
        write_tape(self.folder / "tape", [wire.encode_warning(one) for one in found])

    def move(self) -> None:
        """Time passes for the notifiers."""
        self.at += STEP
        set_manual_clock(self.folder / "clock", self.at)

    def _come_to_rest(self) -> None:
        """Until everything is filed and nothing waits or is in hand, time passing all the while."""

        def at_rest() -> bool:
            self.move()
            with self.database.reading() as tx:
                moving = select(func.count()).where(pages.c.state.in_(("pending", "sending")))
                left = tx.execute(moving).scalar_one()
                rows = tx.execute(select(pages.c.warning_id, pages.c.person, pages.c.channel).distinct()).all()
            written = {tuple(row) for row in rows}
            filed = all((*one, channel) in written for one in self._due() for channel in ("inbox", "webhook"))
            return filed and not left and not self._missing_events()

        for child in self.children[-self.replicas :]:
            assert child.exit_code() in (None, -signal.SIGKILL), child.log_tail()
        wait_until(at_rest, f"{self.point} to come to rest; see {self.folder}", CALM_DEADLINE_S)

    def _missing_events(self) -> int:
        """Entries of timelines that are not on the topic."""
        lines = (self.folder / "events").read_bytes().splitlines() if (self.folder / "events").exists() else []
        # Anchors of the ledger tell of no case.
        told = (event for event in map(orjson.loads, lines) if "case_id" in event)
        there = {(event["case_id"], event["sequence"]) for event in told}
        with self.database.reading() as tx:
            counted = tx.execute(select(cases.c.id, cases.c.sequence)).all()
        return sum((case_id, number) not in there for case_id, last in counted for number in range(1, last + 1))

    def _due(self) -> set[tuple[str, str]]:
        """Who must get a page, of what: the owner of the customer and the one above."""
        return {(one.id, f"{role}{one.customer_id[1:]}") for one in self.warnings for role in "os"}

    def count(self) -> Counts:
        """Hold what was got against what was due."""
        due = self._due()
        # What the service tells the fallback of its own accord, of gaps in the directory, is not counted here.
        ours = {one.id for one in self.warnings}
        told_of = [(warning, person, kind) for warning, person, kind in self.receiver.told() if warning in ours]
        got = Counter((warning, person) for warning, person, _ in told_of)
        plain = Counter((warning, person) for warning, person, kind in told_of if kind != "uncertain")
        with self.database.reading() as tx:
            about = select(pages.c.warning_id, pages.c.person)
            doubt = about.where(pages.c.channel == "webhook", pages.c.state == "uncertain")
            doubted = {(row.warning_id, row.person) for row in tx.execute(doubt)}
            undone = pages.c.state.in_(("pending", "sending", "failed"))
            left = tx.execute(select(func.count()).where(undone)).scalar_one()
            kept = tx.execute(select(func.count()).select_from(inbox)).scalar_one()
            keys = select(pages.c.message_key).where(pages.c.channel == "inbox").distinct()
            messages = len(tx.execute(keys).all())
            told = {(row.warning_id, row.person) for row in tx.execute(about.where(pages.c.channel == "inbox"))}
        twice = {one for one, times in got.items() if times > 1}
        database = "postgresql" if self.database.file is None else "sqlite"
        return Counts(
            cell=f"{self.point} {database} x{self.replicas} seed {self.seed}",
            due=len(due),
            missing=len(due - set(got)),
            twice=len(twice),
            unmarked=sum(times > 1 for times in plain.values()),
            doubted=len(doubted),
            unexplained=len(twice - doubted) + len(set(got) - due),
            left_over=left,
            inbox_missing=len(due - told) + abs(kept - messages),
            events_missing=self._missing_events(),
        )


def result_table(found: list[Counts]) -> str:
    """A line for each cell and one for all."""
    names = [name for name in vars(found[0]) if name != "cell"]
    sums: dict[str, Any] = {name: sum(getattr(one, name) for one in found) for name in names}
    return "\n".join([*map(str, found), f"{len(found)} cells: " + " ".join(f"{k}={v}" for k, v in sums.items())])

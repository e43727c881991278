"""Row 4: how fast states come back, and how soon after a worker's death its customers are served again."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import fields
from datetime import timedelta
from statistics import median

from schemas.topics import Topics
from services.common.settings import Settings
from services.rules.sizing import MEASURED
from tests.bench.bellwether import Bellwether
from tests.bench.crowd import BEGIN, SETTINGS, changelog_records, crowd, customer_ids, minutes_before, write_crowd
from tests.bench.figures import Row, Section, at_least, at_most, figure, told
from tests.bench.mixes import chosen, lone_events
from tests.bench.racing import START_DEADLINE_S, Course
from tests.bench.sizes import ITEMS, PARTITIONS
from tests.bench.speed import now
from tests.bench.stage import Look, Stage

NAME = "recovery"
STATES_PER_S = 60_000.0
TAKEOVER_S = 15.0
RESTORE_DEADLINE_S = 900.0
TRICKLE_S = 0.25
TRICKLE_EVENTS = 50
RESTORED = "bellwether_rules_recovery_records_total"


def measure(stage: Stage) -> Section:
    """Restores of the whole crowd; then deaths."""
    count, topics = stage.sizes.customers, crowd(stage)
    records = changelog_records(stage, topics)
    found = [restore(stage, topics, records, number) for number in range(stage.rounds)]
    restores, sizes = [seconds for seconds, _ in found], [size for _, size in found]
    rows = [
        at_least(
            f"recovery: customers/s of {count:,} with {ITEMS} items", [count / s for s in restores], STATES_PER_S, "/s"
        ),
        told("recovery: changelog records/s", [records / s for s in restores], "/s", f"{records:,} records"),
        told(
            "recovery: MB of customers' records/s",
            [size / seconds / 1e6 for seconds, size in found],
            "MB/s",
            f"{figure(median(sizes) / count)} bytes a customer; the capacity page reckons with "
            f"{figure(MEASURED.restore_bytes_s / 1e6)} MB/s",
        ),
    ]
    takeovers = [takeover(stage, number) for number in range(stage.rounds)]
    rows.append(takeover_row(takeovers))
    data = {"records": records, "restore_s": restores, "state_bytes": sizes, "takeover_s": takeovers}
    return Section(NAME, "Recovery", rows, TEXT, data, stage.rounds, stage.quick, now())


TEXT = f"""\
Restores: from the first changelog record that the worker has read until it says that it is ready (due queue rebuilt,
positions found). After a death: two workers share {PARTITIONS} partitions, one gets SIGKILL while events come all the
time; until the first state of the dead one's partitions is acknowledged from the other."""


def restore(stage: Stage, topics: Topics, records: int, number: int) -> tuple[float, float]:
    """Seconds from the first record read to readiness, and the bytes of the customers' records."""
    worker = Bellwether(stage, Course(topics.events, 0, 0), f"restore-{number}", topics, BEGIN, SETTINGS)
    stage.meter.begin(f"restore {number + 1}", records)
    try:
        worker.start()
        stage.meter.wait("the first record", lambda: _restored(worker), START_DEADLINE_S)
        begun, already = time.monotonic(), _restored(worker)
        stage.meter.wait("the worker to be ready", worker.is_ready, RESTORE_DEADLINE_S, 0.1)
        seconds = time.monotonic() - begun
        metrics = worker.metrics()
        read, size = (worker.total(name, metrics) for name in (RESTORED, "bellwether_rules_state_bytes"))
    finally:
        worker.stop()
    if read < records:
        raise ValueError(f"the worker was ready after {read:.0f} of {records} records")
    # What was there at the first look had been read before it.
    return seconds * records / (records - already), size


def _restored(worker: Bellwether) -> int:
    worker.process()
    return int(worker.total(RESTORED))


def has_standbys() -> bool:
    """Whether the product has the setting."""
    return "standbys" in {field.name for field in fields(Settings)}


def takeover_row(seconds: list[float]) -> Row:
    """The worst counts nothing more than the median; both are told."""
    how = "one standby" if has_standbys() else "no standbys in the product yet"
    return at_most("first event after SIGKILL", seconds, TAKEOVER_S, "s", f"{how}; worst {figure(max(seconds))} s")


def takeover(stage: Stage, number: int) -> float:
    """Seconds from a SIGKILL to the first state that another worker has written for the dead one's customers."""
    count = stage.sizes.standby_customers
    topics = stage.make_topics(f"bw-kill-{number}")
    write_crowd(stage, topics, count, BEGIN)
    settings = {**SETTINGS, "BELLWETHER_STANDBYS": "1"}
    course = Course(topics.events, 0, 0)
    dying, heir = (Bellwether(stage, course, f"{who}-{number}", topics, BEGIN, settings) for who in ("dying", "heir"))
    stopping = threading.Event()
    trickle = threading.Thread(target=_trickle, args=(stage, topics, count, stopping), daemon=True)
    look = stage.look()
    stage.meter.begin(f"a worker dies {number + 1}")
    try:
        for worker in (dying, heir):
            worker.start()
            stage.meter.wait("a worker to be ready", worker.is_ready, RESTORE_DEADLINE_S, 0.2)
        stage.meter.wait("both to have partitions", lambda: _shared(dying, heir), 120, 0.2)
        trickle.start()
        theirs = _ready_partitions(heir)
        lost = sorted(set(range(PARTITIONS)) - theirs)
        stage.meter.wait("both to be at work", lambda: heir.first() and dying.first(), START_DEADLINE_S)
        # The standby, if there is one, shall have caught up.
        time.sleep(5)
        return _killed(stage, dying, look, topics, lost)
    finally:
        stopping.set()
        trickle.join(30)
        look.close()
        for worker in (dying, heir):
            worker.stop()
        stage.delete_topics(topics.prefix)


def _killed(stage: Stage, dying: Bellwether, look: Look, topics: Topics, lost: list[int]) -> float:
    os.kill(dying.process().pid, signal.SIGKILL)
    begun = time.monotonic()
    # What it had sent already may still arrive.
    time.sleep(0.3)
    before = look.ends(topics.changelog)
    stage.meter.wait("the heir", lambda: _moved(look, topics, lost, before), 120)
    return time.monotonic() - begun


def _moved(look: Look, topics: Topics, lost: list[int], before: dict[int, int]) -> bool:
    ends = look.ends(topics.changelog)
    return any(ends[number] > before[number] for number in lost)


def _shared(one: Bellwether, other: Bellwether) -> bool:
    mine, theirs = (worker.total("bellwether_rules_partitions") for worker in (one, other))
    return mine > 0 and theirs > 0 and mine + theirs == PARTITIONS


def _ready_partitions(worker: Bellwether) -> set[int]:
    """By its metrics; right for a worker that has never lost a partition."""
    name = "bellwether_rules_lag_records"
    worker.stage.meter.wait("its lag", lambda: any(one.startswith(name) for one in worker.metrics()), 30, 0.2)
    return {int(one.split('"')[1]) for one in worker.metrics() if one.startswith(name)}


def _trickle(stage: Stage, topics: Topics, count: int, stopping: threading.Event) -> None:
    """Some events for everybody, again and again."""
    turn, ids = 0, customer_ids(count)
    while not stopping.wait(TRICKLE_S):
        names = chosen(ids, TRICKLE_EVENTS, f"trickle-{turn}")
        at = minutes_before(60 - turn / 60)
        stage.publish_events(topics, lone_events(names, at, timedelta(milliseconds=1), f"t{turn}"))
        turn += 1

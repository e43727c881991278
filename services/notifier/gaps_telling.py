"""Tells the fallback once of every gap in the directory: a task in their list, and a page that has the new gaps."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, tuple_

from schemas import warnings as wire
from schemas.warnings import Bilingual, Evidence
from services.common.clock import Now
from services.common.database import Database
from services.notifier import outbox, store
from services.notifier.case import Page, TaskChange, Verdict
from services.notifier.directory_tables import directory_gaps
from services.notifier.docket import Docket
from services.notifier.gaps import Gap, find_gaps, has_address, keys_of, summary
from services.notifier.outbox import Reaches, Way, by_address
from services.notifier.people import Directory, Person

RULE = "directory"
"""What stands for a rule in the task: its id is no rule's, so that no route or snooze meant for one takes it."""

ABOUT = "directory"
"""What stands for the customer in it."""

TASK = str(uuid.uuid5(uuid.UUID("5b7cf2a1-0d0b-4d52-9a35-6c1f6a1d6a3e"), RULE))
"""The one task. Each time that gaps are new it has another revision."""

CHUNK = 400


class GapTeller:
    """One worker's. Looks at a directory when it is another than the last; of several notifiers one tells. `channels`
    are those beside the inbox; `reaches` says of each whether it has a way to somebody."""

    def __init__(self, database: Database, now: Now, channels: Sequence[str], reaches: Reaches = by_address) -> None:
        self._database = database
        self._now = now
        self._channels = tuple(channels)
        self._reaches = reaches
        self._open: frozenset[tuple[str, str]] | None = None
        self._seen: Directory | None = None

    def look(self, directory: Directory) -> bool:
        """Find the gaps and tell what has changed; True when anything had."""
        if directory is self._seen:
            return False
        gaps = find_gaps(directory, self._is_reached)
        found = keys_of(gaps)
        if found == self._open or found == self._told():
            self._open, self._seen = found, directory
            return False
        ways = outbox.ways(directory.people[directory.fallback], self._channels, (), self._reaches)
        with self._database.writing() as tx:
            told = tell(tx, directory, gaps, self._now(), ways)
        # Only now: what could not be written is looked at again.
        self._open, self._seen = found, directory
        return told

    def _told(self) -> frozenset[tuple[str, str]]:
        with self._database.reading() as tx:
            return _open_gaps(tx)

    def _is_reached(self, person: Person) -> bool:
        """Some channels reach people who have no address of their own, such as a group's robot."""
        return has_address(person) or any(self._reaches(name, person) for name in self._channels)


def tell(tx: Connection, directory: Directory, gaps: Sequence[Gap], now: datetime, ways: Sequence[Way]) -> bool:
    """Page the fallback about gaps that were not open before; forget those that are closed; True when it was either.

    In one transaction, so that of two notifiers that look at the same directory one pages.
    """
    known = _open_gaps(tx)
    new = [gap for gap in gaps if (gap.kind, gap.subject) not in known]
    closed = list(known - keys_of(gaps))
    for start in range(0, len(closed), CHUNK):
        named = tuple_(directory_gaps.c.kind, directory_gaps.c.subject)
        tx.execute(delete(directory_gaps).where(named.in_(closed[start : start + CHUNK])))
    if new:
        rows = [
            {"kind": gap.kind, "subject": gap.subject, "version": directory.version, "found_at": now} for gap in new
        ]
        tx.execute(insert(directory_gaps), rows)
        _page(tx, directory, new, now, ways)
    elif closed and not gaps:
        _close(tx, now)
    return bool(new or closed)


def _open_gaps(tx: Connection) -> frozenset[tuple[str, str]]:
    rows = tx.execute(select(directory_gaps.c.kind, directory_gaps.c.subject))
    return frozenset((kind, subject) for kind, subject in rows)


def _page(tx: Connection, directory: Directory, new: Sequence[Gap], now: datetime, ways: Sequence[Way]) -> None:
    warning = _task(store.known_revision(tx, TASK) + 1, new, now)
    docket = Docket(tx, now)
    docket.file(warning, None, Verdict.TASK_SET)
    docket.set_task(warning, TaskChange((directory.fallback,), "open"))
    page = Page(f"gaps:{warning.revision}", "nudge", directory.fallback, "fallback", warning.id, warning.revision)
    docket.page(None, [(page, way) for way in ways])
    docket.write()


def _close(tx: Connection, now: datetime) -> None:
    """No gap is left: the task ends, and nobody is told."""
    revision = store.known_revision(tx, TASK)
    last = store.find_warning(tx, TASK, revision)
    if last is None or last.change == "ended":
        return
    over = last.model_copy(update={"revision": revision + 1, "change": "ended", "end": now})
    docket = Docket(tx, now)
    docket.file(over, None, Verdict.TASK_ENDED)
    docket.set_task(over, TaskChange((), "ended"))
    docket.write()


def _task(revision: int, new: Sequence[Gap], now: datetime) -> wire.Warning:
    """A task as a rule would set it."""
    found = Bilingual(zh=f"{len(new)} 个新缺口", en=f"{len(new)} new gaps")
    return wire.Warning(
        id=TASK,
        revision=revision,
        change="raised",
        output="task",
        rule=RULE,
        name=Bilingual(zh=f"通讯录有 {found.zh}", en=f"The directory has {found.en}"),
        customer_id=ABOUT,
        kind="stretch",
        severity="high" if any(gap.kind == "nobody_to_page" for gap in new) else "medium",
        start=now,
        detected_at=now,
        first_detected_at=now,
        evidence=Evidence(events=[], events_total=0, compared=[], summary=summary(new)),
        advice=Bilingual(
            zh="补全通讯录：为客户指定负责人，修正汇报关系，验证联系方式。全部清单：bellwether directory check。",
            en="Complete the directory: name owners, mend reporting lines, verify addresses. The whole list: "
            "bellwether directory check.",
        ),
        clause=Bilingual(zh="每条预警都必须有人收到。", en="Every warning must reach somebody."),
        clause_source=RULE,
        audience=["owner"],
    )

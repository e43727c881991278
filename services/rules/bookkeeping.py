"""Which rulebook is in force: the newest good one that was published, and over a restart the last good one.

At the start: the newest on the topic if it is good, else the last good one that this data directory remembers, else the
shipped rules.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from schemas.rulebook import BadBook, decode_book
from services.rules.books import SHIPPED, read_rules
from services.rules.checking import rules_in
from services.rules.compiling import Rule
from services.rules.definition import BadRule
from services.rules.port import Core
from services.rules.rulebook import Rulebook
from services.rules.runtime_metrics import RuntimeMetrics

log = logging.getLogger(__name__)

GOOD_FILE = "rulebook.good.json"
MAX_TOLD = 20
"""Problems of one refused book in the log."""

Build = Callable[[list[Rule]], Core]
Trial = Callable[[bytes], Awaitable[list[str]]]


class InForce(NamedTuple):
    """A rulebook ready to run; `published_s` is the epoch second of its publishing, 0 for the shipped one; `rules` are
    the ids of those that raise warnings."""

    core: Core
    fingerprint: str
    origin: str
    published_s: float
    rules: tuple[str, ...]


class BookKeeper:
    """Judges what is published and remembers what is good. `trial` says what is wrong with a book's bytes."""

    def __init__(self, data_dir: Path, build: Build, trial: Trial, metrics: RuntimeMetrics) -> None:
        self._file = data_dir / GOOD_FILE
        self._build = build
        self._trial = trial
        self._metrics = metrics
        self._in_force: InForce | None = None

    async def begin(self, newest: bytes | None) -> Core:
        """The core to start with; `newest` is the topic's last record, if it has one. Raises BadRule when not even the
        shipped rules compile."""
        saved = self._saved()
        found = None
        if newest is not None:
            # What was accepted before is not tried again: its examples take seconds.
            found = await (self._compiled(newest, "topic") if newest == saved else self._judged(newest, "topic"))
            if found is not None and newest != saved:
                self._save(newest)
        if found is None and saved is not None:
            found = await self._compiled(saved, "file")
        if found is None:
            rules = read_rules(SHIPPED)
            found = self._built(rules, "shipped", 0)
        self._put_in_force(found)
        return found.core

    async def consider(self, raw: bytes | None) -> Core | None:
        """A new record of the topic: the core to go on with, or None when nothing changes."""
        found = await self._judged(raw, "topic")
        if found is None:
            return None
        self._save(raw or b"")
        changes = self._in_force is None or found.fingerprint != self._in_force.fingerprint
        self._put_in_force(found)
        return found.core if changes else None

    async def _judged(self, raw: bytes | None, origin: str) -> InForce | None:
        problems = ["the record is empty"] if raw is None else await self._trial(raw)
        if raw is None or problems:
            self._refuse(origin, problems)
            return None
        return await self._compiled(raw, origin)

    async def _compiled(self, raw: bytes, origin: str) -> InForce | None:
        try:
            # In a thread: the loop has to answer the broker meanwhile.
            return await asyncio.to_thread(self._compile, raw, origin)
        except (BadBook, BadRule) as error:
            self._refuse(origin, error.problems)
        except Exception as error:  # noqa: BLE001 no book may stop the worker
            self._refuse(origin, [f"it cannot be compiled: {type(error).__name__}: {error}"])
        return None

    def _compile(self, raw: bytes, origin: str) -> InForce:
        return self._built(rules_in(raw), origin, decode_book(raw).at.timestamp())

    def _built(self, rules: list[Rule], origin: str, published_s: float) -> InForce:
        raising = tuple(rule.id for rule in rules if not rule.definition.judges)
        return InForce(self._build(rules), Rulebook(rules).fingerprint, origin, published_s, raising)

    def _refuse(self, origin: str, problems: list[str]) -> None:
        self._metrics.book_refused.inc()
        if origin == "topic":
            self._metrics.newest_refused.set(1)
        for problem in problems[:MAX_TOLD]:
            log.error("the rulebook (%s) is refused: %s", origin, " ".join(problem.split()))
        if len(problems) > MAX_TOLD:
            log.error("the rulebook (%s) is refused: %d problems more", origin, len(problems) - MAX_TOLD)

    def _put_in_force(self, found: InForce) -> None:
        log.info("the rulebook %s (%s) is in force", found.fingerprint, found.origin)
        self._in_force = found
        self._metrics.expect(found.rules)
        if found.origin == "topic":
            self._metrics.newest_refused.set(0)
        self._metrics.book.clear()
        self._metrics.book.labels(found.fingerprint, found.origin).set(1)
        self._metrics.book_published.set(found.published_s)

    def _saved(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("the last good rulebook cannot be read: %s", error)
            return None

    def _save(self, raw: bytes) -> None:
        draft = self._file.with_name(f"{self._file.name}.{os.getpid()}.new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._file)
        except OSError as error:
            # It is in force all the same; only a restart with a bad book on the topic would not find it.
            log.warning("the rulebook in force cannot be remembered in %s: %s", self._file, error)

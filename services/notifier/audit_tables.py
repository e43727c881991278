"""Whether the notifier's tables say what its ledger says: a row that was changed, added or removed by hand differs.

About 150 bytes are remembered of each case, page, task, warning and entry of a timeline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, RowMapping, Table, select, tuple_

from schemas.cases import Money
from services.notifier import chain, store
from services.notifier.chain import SEAL
from services.notifier.directory_tables import directory_entries
from services.notifier.ledger_check import Finding, Trouble
from services.notifier.recording import directory_text
from services.notifier.tables import cases, deadlines, holds, ledger_private, pages, tasks, timeline, warnings

Said = Mapping[str, Any]
Key = tuple[Any, ...]

_AT_A_TIME = 1000
_ENTRY = ("actor", "warning_id", "person", "department", "channel", "decision")
_KEYS: dict[str, tuple[Column[Any], ...]] = {
    "cases": (cases.c.id,),
    "pages": (pages.c.key,),
    "tasks": (tasks.c.id,),
    "timeline": (timeline.c.case_id, timeline.c.sequence),
    "warnings": (warnings.c.id, warnings.c.revision),
}
_HOLD = {"hold_kind": "kind", "rule": "rule", "customer_id": "customer_id", "up_to": "up_to"}
"""What the ledger says of a hold, and the table's column for it."""

_IN_FLIGHT = ("pending", "sending")
"""States of a page about which the ledger says nothing new."""


class Last(NamedTuple):
    """What the ledger says last of a row of a table: in which row of its own, and how that row stands."""

    sequence: int
    state: str
    decision: str | None = None
    seal: str | None = None


def of_version(version: object) -> str:
    """A version of the directory among those who were forgotten; no id has a space in it."""
    return f"version {version}"


@dataclass(frozen=True)
class Excuses:
    """Why the salt of a seal may be gone: the customer was forgotten, or the field's time was over."""

    forgotten: Mapping[str, int]
    """Customer, case, or version of the directory -> the last row that says so."""
    expired: Mapping[str, datetime]
    """Field -> up to when."""

    def excuse(self, sequence: int, said: Said, name: str) -> bool:
        """Whether a row of the ledger tells why."""
        whose = (str(said.get("customer_id")), str(said.get("case_id")), of_version(said.get("version")))
        gone = max(self.forgotten.get(one, 0) for one in whose) > sequence
        expired = self.expired.get(name)
        return gone or (expired is not None and datetime.fromisoformat(str(said["at"])) < expired)


@dataclass
class TableCheck:
    """Feed the rows of the ledger that are as they were written, then `finish`."""

    tx: Connection
    excuses: Excuses
    findings: list[Finding] = field(default_factory=list)
    erased: int = 0
    """Seals that nobody can open any more, with an excuse."""
    _last: dict[str, dict[Key, Last]] = field(default_factory=lambda: {name: {} for name in _KEYS})
    _begun: Said = field(default_factory=dict)
    _set: dict[str, tuple[int, Said]] = field(default_factory=dict)
    """Holds by id: the row of the ledger that tells of it, and what it says."""

    def feed(self, rows: Sequence[tuple[int, Said]]) -> None:
        """Some rows, in order."""
        if not rows:
            return
        salts = self._salts(rows[0][0], rows[-1][0])
        entries = self._found(timeline, [(one["case_id"], one["entry"]) for _, one in rows if "entry" in one])
        filed = [(one["warning_id"], one["revision"]) for _, one in rows if str(one["kind"]).startswith("warning.")]
        bodies = self._found(warnings, filed)
        for sequence, said in rows:
            self._remember(sequence, said)
            outside = self._compare(sequence, said, entries, bodies)
            for name in [name for name, value in said.items() if isinstance(value, dict) and SEAL in value]:
                if name != "state":
                    self._open(sequence, said, name, salts, outside)

    def finish(self) -> None:
        """What stands in the tables and not in the ledger, what is missing there, and what stands there otherwise."""
        for name, compare in (("cases", self._case), ("pages", self._page), ("tasks", self._task)):
            self._sweep(name, compare)
        self._sweep("warnings")
        self._holds()
        self._before(self._sweep("timeline"))

    def _remember(self, sequence: int, said: Said) -> None:
        kind = str(said["kind"])
        if kind == "ledger.begun":
            self._begun = said
        elif "entry" in said:
            self._last["timeline"][said["case_id"], said["entry"]] = Last(sequence, kind)
        elif kind == "case.saved":
            whole = Last(sequence, said["status"], said.get("decision"), said["state"][SEAL])
            self._last["cases"][(said["case_id"],)] = whole
        elif "page" in said and kind.startswith("page."):
            self._last["pages"][(said["page"],)] = Last(sequence, kind.removeprefix("page."))
        elif "task" in said:
            self._last["tasks"][(said["task"],)] = Last(sequence, kind.removeprefix("task."))
        elif kind == "hold.set":
            self._set[str(said["hold"])] = sequence, said
        elif kind == "warning.filed":
            self._last["warnings"][said["warning_id"], said["revision"]] = Last(sequence, kind)

    def _compare(
        self, sequence: int, said: Said, entries: Mapping[Key, RowMapping], filed: Mapping[Key, RowMapping]
    ) -> str | None:
        """What the table has for what is sealed here, where a table has it."""
        kind = str(said["kind"])
        if "entry" in said:
            row = entries.get((said["case_id"], said["entry"]))
            if row is not None:
                self._entry(sequence, said, row)
                return str(row["note"]) if row["note"] is not None else None
        elif kind == "directory.changed":
            return self._directory(said["version"])
        elif kind.startswith("hold."):
            return self.tx.execute(select(holds.c.reason).where(holds.c.id == said["hold"])).scalar()
        elif kind.startswith("warning."):
            row = filed.get((said["warning_id"], said["revision"]))
            if row is not None:
                if said["verdict"] not in (row["verdict"], "settling"):
                    self._differs(sequence, f"the verdict of warning {said['warning_id']}")
                return str(row["body"])
        return None

    def _directory(self, version: int) -> str:
        entries = directory_entries.c
        query = select(entries.kind, entries.id, entries.body).where(entries.version == version)
        return directory_text([(row.kind, row.id, row.body) for row in self.tx.execute(query)])

    def _entry(self, sequence: int, said: Said, row: RowMapping) -> None:
        pairs = {name: (said.get(name), row[name]) for name in _ENTRY}
        pairs["type"] = said["kind"], row["type"]
        pairs["at"] = datetime.fromisoformat(str(said["at"])), row["at"]
        if "value" in row:
            pairs["value"] = _money(said.get("value")), row["value"]
        other = [name for name, (here, there) in pairs.items() if here != there]
        if other:
            self._differs(sequence, f"timeline of case {row['case_id']}, entry {row['sequence']}: {', '.join(other)}")

    def _open(
        self, sequence: int, said: Said, name: str, salts: Mapping[tuple[int, str], Any], outside: str | None
    ) -> None:
        """Whether what is known of a sealed field is what was sealed."""
        found = salts.get((sequence, name))
        if found is None:
            self._gone(sequence, said, name)
            return
        value = found.value if found.value is not None else outside
        if value is None or chain.sealed(found.salt, name, value) != said[name][SEAL]:
            what = f"{name} of {said['kind']}"
            self.findings.append(Finding(Trouble.PRIVATE_DIFFERS, sequence, sequence, what))

    def _gone(self, sequence: int, said: Said, name: str) -> None:
        if self.excuses.excuse(sequence, said, name):
            self.erased += 1
        else:
            says = f"{name} of {said['kind']}: its salt is gone, and no row tells why"
            self.findings.append(Finding(Trouble.PRIVATE_MISSING, sequence, sequence, says))

    def _case(self, row: RowMapping, last: Last) -> str | None:
        if (row["status"], _decision(row["state"])) != (last.state, last.decision):
            return "status or decision"
        query = select(ledger_private.c.salt)
        at = ledger_private.c.sequence == last.sequence, ledger_private.c.name == "state"
        salt = self.tx.execute(query.where(*at)).scalar()
        if salt is None:
            about: Said = {"customer_id": row["customer_id"], "kind": "case.saved"}
            self._gone(last.sequence, about, "state")
            return None
        if chain.sealed(salt, "state", row["state"]) != last.seal:
            return "state"
        return None if self._deadlines_fit(row) else "deadlines"

    def _deadlines_fit(self, row: RowMapping) -> bool:
        """The table repeats what the case's state says: who moves an instant there stops a clock."""
        wanted = store.deadline_rows(store.read_case(row["state"]))
        found = self.tx.execute(select(deadlines).where(deadlines.c.case_id == row["id"])).mappings()
        return {one["name"]: one for one in wanted} == {one["name"]: dict(one) for one in found}

    def _holds(self) -> None:
        """What is kept back, of whom and until when is as it was set; ends are told by the ledger alone."""
        known = dict(self._set)
        for row in self.tx.execute(select(holds)).mappings():
            sequence, said = known.pop(row["id"], (0, None))
            if said is None:
                # Those from before the ledger began stand in no row of it, and nobody counted them.
                if not any(dict(self._begun.get("before", {})).values()):
                    self._differs(0, f"holds {row['id']}: it stands in no row of the ledger")
                continue
            kept = {name: str(row[column]) for name, column in _HOLD.items()}
            until = datetime.fromisoformat(str(said["expires_at"]))
            if kept != {name: str(said[name]) for name in _HOLD} or row["expires_at"] != until:
                self._differs(sequence, f"holds {row['id']}: what it keeps back, or until when")
        for hold, (sequence, _) in known.items():
            self._differs(sequence, f"holds {hold}: its row is gone")

    def _page(self, row: RowMapping, last: Last) -> str | None:
        state = "pending" if row["state"] in _IN_FLIGHT else row["state"]
        return None if state == last.state else f"state is {row['state']}, the ledger says {last.state}"

    def _task(self, row: RowMapping, last: Last) -> str | None:
        return None if row["status"] == last.state else f"status is {row['status']}, the ledger says {last.state}"

    def _sweep(self, name: str, compare: Callable[[RowMapping, Last], str | None] | None = None) -> list[RowMapping]:
        """Every row of a table; those of which the ledger does not speak are returned. There may be as many of them as
        there were before the ledger began."""
        known, beside = self._last[name], list[RowMapping]()
        table = _KEYS[name][0].table
        for row in self.tx.execute(select(table).execution_options(yield_per=_AT_A_TIME)).mappings():
            key = tuple(row[column.name] for column in _KEYS[name])
            last = known.pop(key, None)
            if last is None:
                beside.append(row)
            elif compare is not None and (says := compare(row, last)) is not None:
                self._differs(last.sequence, f"{name} {'/'.join(map(str, key))}: {says}")
        for key, last in known.items():
            self._differs(last.sequence, f"{name} {'/'.join(map(str, key))}: its row is gone")
        before = self._rows_before(name)
        if len(beside) > before:
            shown = ", ".join("/".join(str(row[column.name]) for column in _KEYS[name]) for row in beside[-5:])
            says = f"{name}: {len(beside) - before} rows stand in no row of the ledger, such as {shown}"
            self.findings.append(Finding(Trouble.TABLE_DIFFERS, 0, 0, says))
        return beside

    def _before(self, beside: Sequence[RowMapping]) -> None:
        """Entries from before the ledger began are as they were then."""
        digest = hashlib.sha256()
        columns = ("case_id", "sequence", "type", *_ENTRY)
        for row in sorted(beside, key=lambda row: (str(row["case_id"]).encode(), row["sequence"])):
            said = [row[name] for name in columns]
            digest.update(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        # With rows too many it has been said already.
        if len(beside) <= self._rows_before("timeline") and digest.hexdigest() != self._begun.get("timeline"):
            self._differs(1, "entries of timelines from before the ledger began")

    def _rows_before(self, name: str) -> int:
        return int(dict(self._begun.get("before", {})).get(name, 0))

    def _differs(self, sequence: int, says: str) -> None:
        self.findings.append(Finding(Trouble.TABLE_DIFFERS, sequence, sequence, says))

    def _salts(self, first: int, last: int) -> dict[tuple[int, str], Any]:
        query = select(ledger_private).where(ledger_private.c.sequence.between(first, last))
        return {(row.sequence, row.name): row for row in self.tx.execute(query)}

    def _found(self, table: Table, keys: Sequence[Key]) -> dict[Key, RowMapping]:
        columns = _KEYS[table.name]
        query = select(table).where(tuple_(*columns).in_(keys))
        rows: Iterable[RowMapping] = self.tx.execute(query).mappings() if keys else ()
        return {tuple(row[column.name] for column in columns): row for row in rows}


def _decision(state: str) -> str | None:
    found = json.loads(state).get("decision")
    return None if found is None else str(found)


def _money(value: Mapping[str, str] | None) -> str | None:
    return None if value is None else str(Money.model_validate_json(json.dumps(value)))

"""What lies on the topics after a run, against what should: lost, contradicting, false, applied twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from schemas.warnings import Warning, decode_warning
from services.rules.calendar import micros
from services.rules.core import Core
from services.rules.partition import Partition
from services.rules.port import Record
from services.rules.records import HEAD, read_head, segment_decoder
from tests.chaos.load import END, Expected
from tests.support.system import episodes

SHOWN = 5
"""Findings of each kind in a report."""


@dataclass
class Verdict:
    """Findings by kind, as sentences; counts of what is allowed."""

    warnings: int = 0
    repeated: int = 0
    stale: int = 0
    dead: int = 0
    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def good(self) -> bool:
        return not any(self.found.values())

    def count(self, kind: str) -> int:
        return len(self.found.get(kind, ()))

    def __str__(self) -> str:
        return "\n".join(
            f"{kind}: {len(said)}, such as\n  " + "\n  ".join(said[:SHOWN]) for kind, said in self.found.items() if said
        )


def judge(
    core: Core,
    expected: Expected,
    changelog: Sequence[Sequence[Record]],
    warnings: Iterable[bytes],
    dead: Iterable[tuple[str, bytes]],
) -> Verdict:
    """`changelog` by partition; `dead` are codes and original bytes. The core must know the reference data."""
    verdict = Verdict()
    newest = _read_warnings(list(warnings), expected, verdict)
    for number, records in enumerate(changelog):
        _read_states(core, Partition(number, len(changelog), core, event_clock=False), records, newest, verdict)
    known = verdict.found.pop("known", [])
    _compare_names(expected, known, verdict)
    letters = Counter(dead)
    verdict.dead = letters.total()
    verdict.found["dead letters lost"] += [f"{code}: {value[:60]!r}" for code, value in expected.dead - letters]
    verdict.found["dead letters of good events"] += [
        f"{c}: {v[:200]!r}" for c, v in letters if (c, v) not in expected.dead
    ]
    return verdict


def _read_warnings(raws: list[bytes], expected: Expected, verdict: Verdict) -> dict[str, int]:
    """The newest revision sent of each warning."""
    said: dict[tuple[str, int], bytes] = {}
    kept: list[Warning] = []
    for raw in raws:
        document = orjson.loads(raw)
        name = (document["id"], document["revision"])
        if name not in said:
            said[name] = raw
            kept.append(decode_warning(raw))
        elif said[name] == raw:
            verdict.repeated += 1
        else:
            verdict.found["contradicting"].append(_difference(orjson.loads(said[name]), document))
    verdict.warnings = len(kept)
    standing = episodes(kept)
    verdict.found["lost"] += [f"episode {one}" for one in sorted(expected.episodes - standing, key=str)]
    verdict.found["false"] += [f"episode {one}" for one in sorted(standing - expected.episodes, key=str)]
    newest: dict[str, int] = {}
    for warning_id, number in said:
        newest[warning_id] = max(number, newest.get(warning_id, 0))
    for warning_id, last in newest.items():
        gaps = [number for number in range(1, last) if (warning_id, number) not in said]
        verdict.found["lost"] += [f"revision {number} of {warning_id}, of {last}" for number in gaps]
    return newest


def _difference(one: dict[str, object], other: dict[str, object]) -> str:
    """What two warnings of one name say otherwise."""
    fields = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    said = "; ".join(f"{name}: {str(one.get(name))[:60]} or {str(other.get(name))[:60]}" for name in fields)
    return f"{one['rule']} {one['id']} revision {one['revision']}: {said}"


def _read_states(
    core: Core, partition: Partition, records: Sequence[Record], newest: dict[str, int], verdict: Verdict
) -> None:
    verdict.stale += partition.restore(records) if records else 0
    for customer_id in sorted(partition.store.customers()):
        kept = partition.records_of(customer_id)
        if HEAD not in kept:
            verdict.found["states without a head"].append(customer_id)
            continue
        _read_state(core, customer_id, kept, newest, verdict)


def _read_state(core: Core, customer_id: str, kept: dict[str, bytes], newest: dict[str, int], verdict: Verdict) -> None:
    state = core.open(customer_id, kept)
    segments = [segment_decoder.decode(record) for name, record in kept.items() if name != HEAD]
    names = Counter((entry.source, entry.id) for segment in segments for entry in segment.entries)
    # A head may hold what a segment holds that a crash cut off from the next head.
    names |= Counter((entry.source, entry.id) for entry in read_head(kept[HEAD]).entries)
    verdict.found["applied twice"] += [f"{name} of {customer_id}" for name, count in names.items() if count > 1]
    verdict.found["known"] += [orjson.dumps([customer_id, *name]).decode() for name in names]
    if state.reconcile:
        verdict.found["torn"].append(customer_id)
    peek = core.peek(kept[HEAD])
    if peek.wake_at is not None and peek.wake_at <= micros(END):
        verdict.found["not woken"].append(f"{customer_id} at {peek.wake_at}")
    for one in state.announced:
        if newest.get(one.id, 0) != one.revision:
            said = (
                f"the state of {customer_id} has {one.rule} {one.id} at {one.revision}, sent is {newest.get(one.id, 0)}"
            )
            verdict.found["lost" if newest.get(one.id, 0) < one.revision else "forgotten"].append(said)


def _compare_names(expected: Expected, known: list[str], verdict: Verdict) -> None:
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for text in known:
        customer_id, source, name = orjson.loads(text)
        found[customer_id].add((source, name))
    for customer_id, names in expected.names.items():
        verdict.found["events lost"] += [f"{name} of {customer_id}" for name in sorted(names - found[customer_id])]
    for customer_id, mine in found.items():
        extra = mine - expected.names.get(customer_id, frozenset())
        verdict.found["events of nobody"] += [f"{name} of {customer_id}" for name in sorted(extra)]

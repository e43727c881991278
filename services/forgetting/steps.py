"""The steps by which a customer is forgotten. Each may be done again; what was cut short goes on from its beginning."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import MetaData, select

from schemas.customers import split_key
from schemas.personal import Place
from schemas.topics import Topics, topic_specs
from services.common.clock import Now
from services.common.database import Database
from services.common.errors import UserError
from services.common.kafka_connection import Address
from services.common.sealing import Context, CustomerKey, NotSealed
from services.forgetting.reading import records_of, wait_for_tombstones
from services.forgetting.report import STAYS, Report
from services.forgetting.traces import Search, Trace, Values, gather
from services.ingest import forgetting as at_ingest
from services.ingest.sealing import LOOK_EVERY_S
from services.ingest.sealing_letters import unclaimed
from services.ingest.sealing_store import SealingStore
from services.ingest.tables import metadata as ingest_tables
from services.notifier import forgetting as at_notifier
from services.notifier.tables import metadata as notifier_tables
from services.rules.control import erase
from services.rules.partitioner import partition_of

SETTLE_S = LOOK_EVERY_S + 3.0
"""After so long every ingest refuses the customer's events, and what they took before is on the topic."""

_PAUSE_S = 0.5
_ROWS_AT_A_TIME = 1000


class NotErased(UserError):
    """The rules workers have not erased the state; done again later, it goes on."""


@dataclass(frozen=True)
class Places:
    """All that an installation keeps."""

    kafka: Address
    topics: Topics
    partitions: int
    ingest: Database
    notifier: Database
    keys: SealingStore


def forget(
    places: Places,
    customer_id: str,
    by: str,
    now: Now,
    wait_s: float,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Forget the customer, and whoever was merged into it; the report is the proof, and is kept.

    Raises BrokerUnreachable, TopicUnread, EraseFailed, NotErased; then it is to be run again.
    """
    at_ingest.ask(places.ingest, customer_id, by, now())
    also = at_ingest.others_of(places.ingest, customer_id)
    for other in also:
        at_ingest.ask(places.ingest, other, by, now())
    everyone = [customer_id, *also]
    asked = at_ingest.found(places.ingest, customer_id)
    report = Report(customer_id, also, asked.asked_by if asked else by, asked.asked_at if asked else now())
    tell("nothing of it is taken any more; waiting until every ingest knows")
    sleep(SETTLE_S)
    tell("reading what is known of it")
    values = _gathered(places, everyone)
    report.note_values(values)
    _destroy(places, everyone, now, report)
    tell("its keys are destroyed; the rules workers erase its state")
    _erase_states(places, everyone, wait_s, sleep)
    tell("searching for what was known of it")
    report.note_traces(_traces(places, frozenset(everyone), values, report))
    report.stays = list(STAYS)
    report.done_at = now()
    return report


def _gathered(places: Places, everyone: list[str]) -> Values:
    keys = {one: CustomerKey(key) for one, key in places.keys.find(everyone).items() if key is not None}

    def opener(document: Mapping[str, Any], place: Place, sealed: str) -> str | None:
        key, source, event_id = keys.get(document["subject"]), document.get("source"), document.get("id")
        if key is None or not isinstance(source, str) or not isinstance(event_id, str):
            return None
        try:
            return key.open(Context(document["subject"], source, event_id, place.path), sealed)
        except NotSealed:
            return None

    values, customers = Values(), frozenset(everyone)
    for topic in (places.topics.events, places.topics.dead_letters):
        for record in records_of(places.kafka, topic):
            gather(record.value, customers, values, opener)
    for one in everyone:
        for text in at_notifier.said_of(places.notifier, one):
            values.add("console", text)
    return values


def _destroy(places: Places, everyone: list[str], now: Now, report: Report) -> None:
    cleared: Counter[str] = Counter()
    for one in everyone:
        # First: from here on nobody reads what was sealed, whatever becomes of the rest.
        places.keys.destroy(one, now())
        for source, external_id in at_ingest.names_of(places.ingest, one):
            places.keys.destroy(unclaimed(source, external_id), now())
        at_ingest.note_step(places.ingest, one, "key_destroyed")
        cleared.update(at_ingest.clear(places.ingest, one))
        cleared.update(at_notifier.clear(places.notifier, one))
        at_ingest.note_step(places.ingest, one, "databases_cleared")
    report.cleared = dict(cleared)


def _erase_states(places: Places, everyone: list[str], wait_s: float, sleep: Callable[[float], None]) -> None:
    rounds = iter(range(max(1, int(wait_s / _PAUSE_S))))

    def pause() -> bool:
        sleep(_PAUSE_S)
        return next(rounds, None) is not None

    for one in everyone:
        erase(places.kafka, places.topics, one)
    for one in everyone:
        home = partition_of(one, places.partitions)
        if not wait_for_tombstones(places.kafka, places.topics.changelog, home, _belongs_to([one]), pause):
            raise NotErased(
                f"after {wait_s:g} s no rules worker has erased {one}: is one running? Run the same command again"
            )
        at_ingest.note_step(places.ingest, one, "state_erased")


def _belongs_to(customers: Iterable[str]) -> Callable[[bytes], bool]:
    known = frozenset(customers)
    return lambda key: split_key(key)[0] in known


def _traces(places: Places, everyone: frozenset[str], values: Values, report: Report) -> Counter[Trace]:
    search = Search(values.searched)
    is_its = _belongs_to(everyone)
    traces: Counter[Trace] = Counter()
    for spec in topic_specs(places.topics.prefix, places.partitions):
        if spec.name in (places.topics.reference, places.topics.rulebook):
            continue
        count = 0
        for record in records_of(places.kafka, spec.name):
            count += 1
            if search.finds(record.key, record.value, *(value for _, value in record.headers)):
                ours = record.key is not None and (is_its(record.key) or spec.name == places.topics.dead_letters)
                traces[Trace(spec.name, ours, _until(spec.config, record.timestamp))] += 1
        report.searched[spec.name] = count
    for name, database, tables in (
        ("ingest's database", places.ingest, ingest_tables),
        ("the notifier's database", places.notifier, notifier_tables),
    ):
        report.searched[name] = _search_rows(name, database, tables, everyone, search, traces)
    return traces


def _until(config: Mapping[str, str], timestamp_ms: int) -> str:
    if "retention.ms" not in config:
        return "the broker compacts the topic"
    end = datetime.fromtimestamp(timestamp_ms / 1000, UTC) + timedelta(milliseconds=int(config["retention.ms"]))
    return f"{end:%Y-%m-%d}"


def _search_rows(
    name: str, database: Database, tables: MetaData, everyone: frozenset[str], search: Search, traces: Counter[Trace]
) -> int:
    count = 0
    with database.reading() as tx:
        for table in tables.sorted_tables:
            for row in tx.execute(select(table).execution_options(yield_per=_ROWS_AT_A_TIME)):
                count += 1
                if search.finds(*(value if isinstance(value, bytes) else str(value).encode() for value in row)):
                    ours = any(value in everyone for value in row if isinstance(value, str))
                    traces[Trace(f"{name}, {table.name}", ours, "it is cleared by hand")] += 1
    return count

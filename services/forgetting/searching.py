"""The proof: after all is done every topic and table is read once more, from its beginning to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import MetaData, select

from schemas.customers import split_key
from schemas.topics import TopicSpec, topic_specs
from services.common.database import Database
from services.forgetting.keys import KeysAtHand, Whole
from services.forgetting.places import Places
from services.forgetting.reading import records_of
from services.forgetting.traces import Found, Search, Trace, Values, gather
from services.ingest.tables import metadata as ingest_tables
from services.notifier import forgetting as at_notifier
from services.notifier.tables import metadata as notifier_tables

_ROWS_AT_A_TIME = 1000


def search_all(places: Places, whole: Whole, values: Values) -> Found:
    """Look for the values, for keys, and for states. Raises BrokerUnreachable, TopicUnread."""
    found, search, keys = Found(), Search(values.searched), KeysAtHand(places.keys, whole)
    found.keys = len(keys)
    for spec in topic_specs(places.topics.prefix, places.partitions):
        if spec.name not in (places.topics.reference, places.topics.rulebook):
            _search_topic(places, spec, whole, search, keys, found)
    cases = frozenset(case for one in whole.customers for case in at_notifier.cases_of(places.notifier, one))
    for name, database, tables in (
        ("ingest's database", places.ingest, ingest_tables),
        ("the notifier's database", places.notifier, notifier_tables),
    ):
        found.searched[name] = search_rows(name, database, tables, whole.ids | cases, search, found.traces)
    return found


def _search_topic(
    places: Places, spec: TopicSpec, whole: Whole, search: Search, keys: KeysAtHand, found: Found
) -> None:
    topics, newest, count = places.topics, dict[tuple[int, bytes], bool](), 0
    for record in records_of(places.kafka, spec.name):
        count += 1
        its = record.key is not None and split_key(record.key)[0] in whole.customers
        if its:
            newest[record.partition, record.key] = record.value is None
        if spec.name in (topics.events, topics.dead_letters):
            gather(record.value, whole.is_its, found.fields, keys.open)
        if search.finds(record.key, record.value, *(value for _, value in record.headers)):
            # A letter's key is no customer's; what stands in letters is told as its own rather than passed over.
            ours = its or spec.name == topics.dead_letters
            found.traces[Trace(spec.name, ours, _until(spec.config, record.timestamp))] += 1
    found.searched[spec.name] = count
    if spec.name in (topics.changelog, topics.customers):
        found.tombstones[spec.name] = sum(newest.values())
        found.kept[spec.name] = len(newest) - sum(newest.values())


def _until(config: Mapping[str, str], timestamp_ms: int) -> str:
    if "retention.ms" not in config:
        return "the broker compacts the topic"
    end = datetime.fromtimestamp(timestamp_ms / 1000, UTC) + timedelta(milliseconds=int(config["retention.ms"]))
    return f"{end:%Y-%m-%d}"


def search_rows(
    name: str, database: Database, tables: MetaData, ids: frozenset[str], search: Search, traces: Counter[Trace]
) -> int:
    """How many rows there are; adds those in which a value stands to the traces, as the customer's when one of its
    `ids` stands in them too."""
    count = 0
    # As a value of its own, or as one in JSON: rows of a case or of a list name the customer only so.
    quoted = Search(orjson.dumps(one).decode() for one in ids)
    with database.reading() as tx:
        for table in tables.sorted_tables:
            for row in tx.execute(select(table).execution_options(yield_per=_ROWS_AT_A_TIME)):
                count += 1
                cells = [_bytes(value) for value in row]
                if search.finds(*cells):
                    ours = any(value in ids for value in row if isinstance(value, str)) or quoted.finds(*cells)
                    traces[Trace(f"{name}, {table.name}", ours, "it is cleared by hand")] += 1
    return count


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()

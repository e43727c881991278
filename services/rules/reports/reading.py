"""Where reports read: the customers and the reference topic, or a file of their records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from schemas.codec import InvalidEvent, decode
from schemas.customers import CustomerSnapshot, MonthCounters, decode_record, record_key, split_key
from schemas.events import ReferenceEvent
from schemas.topics import Topics
from services.common.errors import UserError
from services.common.kafka_admin import CANNOT_CONNECT, BrokerUnreachable, unreachable
from services.common.kafka_connection import CONNECT_TIMEOUT_MS, Address, client_options
from services.rules.calendar import Day, month_name, month_of_day
from services.rules.partitioner import partition_of
from services.rules.reference import Reference
from services.rules.reports.customer import Customer
from services.rules.reports.people import People
from services.rules.reports.sorting import Record, newest_by_key

POLL_MS = 1_000
SILENT_POLLS = 60
"""Polls in a row without a record before the broker counts as gone: a minute."""

Source = Callable[[], Iterator[Record]]
"""Gives all records from the start; those of one key in the order in which they were written."""


class NothingThere(UserError):
    """There is no customer to report on; the message says what to start."""


class Customers:
    """All customers of a source, each with the months that are wanted. `problems` says of records that could not be
    read and were left out, `problem_count` how many there are."""

    MAX_PROBLEMS = 10

    def __init__(self, source: Source, days: tuple[Day, Day] | None, people: People) -> None:
        self._source = source
        self._months = _month_names(days)
        self._people = people
        self.count = 0
        self.problem_count = 0
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[Customer]:
        records = ((key, value) for key, value in self._source() if split_key(key)[1] in self._months)
        customer_id, snapshot, months = "", None, dict[str, MonthCounters]()
        for key, raw in newest_by_key(records):
            owner_id, suffix = split_key(key)
            if owner_id != customer_id:
                yield from self._customer(snapshot, months)
                customer_id, snapshot, months = owner_id, None, {}
            record = self._decode(key, raw)
            if isinstance(record, CustomerSnapshot):
                snapshot = record
            elif record is not None:
                months[suffix] = record
        yield from self._customer(snapshot, months)

    def _customer(self, snapshot: CustomerSnapshot | None, months: dict[str, MonthCounters]) -> Iterator[Customer]:
        # Counters without a snapshot come from a write that was cut off: the snapshot follows with the next one.
        if snapshot is not None:
            self.count += 1
            entry = self._people.get(snapshot.customer_id)
            yield Customer(snapshot, months, entry.owner, entry.region)

    def _decode(self, key: bytes, raw: bytes) -> CustomerSnapshot | MonthCounters | None:
        try:
            record = decode_record(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            self._complain(f"{key.decode('utf-8', 'replace')!r}: {where}: {first['msg']}")
            return None
        if record_key(record.customer_id, record.month if isinstance(record, MonthCounters) else "") != key:
            self._complain(f"{key.decode('utf-8', 'replace')!r}: the record names another customer or month")
            return None
        return record

    def _complain(self, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < self.MAX_PROBLEMS:
            self.problems.append(problem)


def _month_names(days: tuple[Day, Day] | None) -> frozenset[str]:
    """The suffixes of the keys that are read: the snapshot's, and those of the months."""
    if days is None:
        return frozenset({""})
    months = range(month_of_day(days[0]), month_of_day(days[1]) + 1)
    return frozenset({"", *map(month_name, months)})


def newest_snapshot(source: Source, customer_id: str) -> CustomerSnapshot | None:
    """What was told of a customer last; None when nothing is known. Raises UserError for what cannot be read."""
    newest: bytes | None = None
    for key, value in source():
        if key == record_key(customer_id):
            newest = value
    if newest is None:
        return None
    try:
        record = decode_record(newest)
    except ValidationError as error:
        raise UserError(f'what was told of "{customer_id}" cannot be read: {error.errors()[0]["msg"]}') from None
    return record if isinstance(record, CustomerSnapshot) else None


def topic_source(kafka: Address, topic: str, customer_id: str | None = None) -> Source:
    """Everything on a topic up to its present end, with a progress bar; with a customer only that one's partition.

    Raises BrokerUnreachable, NothingThere.
    """

    def read() -> Iterator[Record]:
        with _consumer(kafka) as consumer:
            numbers = consumer.partitions_for_topic(topic) or ()
            total = len(numbers)
            if customer_id is not None and numbers:
                numbers = (partition_of(customer_id, total),)
            partitions = [TopicPartition(topic, number) for number in numbers]
            if not partitions:
                raise NothingThere(f"there is no topic {topic} at {kafka}: run `bellwether topics create` first")
            consumer.assign(partitions)
            starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            consumer.seek_to_beginning(*partitions)
            with progress_bar(f"reading {topic}", sum(ends.values()) - sum(starts.values())) as advance:
                yield from _to_the_end(consumer, ends, total, advance)

    return read


def _to_the_end(consumer: Any, ends: dict[Any, int], total: int, advance: Callable[[int], None]) -> Iterator[Record]:
    silent = 0
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        found = consumer.poll(timeout_ms=POLL_MS)
        silent = 0 if found else silent + 1
        if silent > SILENT_POLLS:
            raise BrokerUnreachable("Kafka has stopped answering; try again when it is up")
        for partition, records in found.items():
            advance(len(records))
            for record in records:
                # What is written while we read belongs to the next report; what lies where its customer does not live
                # was left there when the topics grew, and may be a tombstone.
                if record.offset < ends[partition] and record.key is not None and _is_at_home(record, total):
                    yield record.key, record.value


def _is_at_home(record: Any, partitions: int) -> bool:
    return bool(partition_of(split_key(record.key)[0], partitions) == record.partition)


@contextmanager
def _consumer(kafka: Address) -> Iterator[Any]:
    try:
        consumer = KafkaConsumer(
            **client_options(kafka),
            enable_auto_commit=False,
            group_id=None,
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            client_id="bellwether-report",
        )
    except CANNOT_CONNECT as error:
        raise unreachable(kafka, error) from error
    try:
        yield consumer
    finally:
        consumer.close()


def file_source(file: Path) -> Source:
    """The records of a file, one JSON a line; lines that are events are left out. Raises UserError."""

    def read() -> Iterator[Record]:
        for number, line in _lines(file):
            document = _json(file, number, line)
            if "specversion" not in document:
                yield _key(file, number, document), line

    return read


def _key(file: Path, number: int, document: dict[str, Any]) -> bytes:
    customer_id, month = document.get("customer_id"), document.get("month", "")
    if not isinstance(customer_id, str) or not isinstance(month, str):
        raise UserError(f"{file}:{number}: is neither a customer's record nor a reference event")
    return record_key(customer_id, month)


def _json(file: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UserError(f"{file}:{number}: is no JSON ({error}); every line must be one record") from None
    if not isinstance(document, dict):
        raise UserError(f"{file}:{number}: is no JSON object; every line must be one record")
    return document


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as lines, progress_bar(f"reading {file.name}", file.stat().st_size) as advance:
        for number, line in enumerate(lines, start=1):
            advance(len(line))
            if line.strip():
                yield number, line


def reference_of_topic(kafka: Address, topics: Topics) -> Reference:
    """All that the reference topic says. What is no event there is left out, as the workers do."""
    return _learned(value for _, value in topic_source(kafka, topics.reference)() if value is not None)


def reference_of_file(file: Path) -> Reference:
    """The reference events among the lines of a file."""
    return _learned(line for number, line in _lines(file) if "specversion" in _json(file, number, line))


def _learned(raws: Iterable[bytes]) -> Reference:
    reference = Reference()
    for raw in raws:
        try:
            event = decode(raw)
        except InvalidEvent:
            continue
        if isinstance(event, ReferenceEvent):
            reference.learn(event)
    return reference


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function that takes what is done; shown only where somebody watches."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=max(total, 1))
        yield lambda amount: progress.advance(task, amount)

"""What stream_parts.py takes for granted of Faust. A new version must be read again before this test is changed."""

from __future__ import annotations

import inspect
from pathlib import Path

import faust
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer, ConsumerThread, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy

from schemas.topics import Topics

ROOT = Path(__file__).resolve().parents[3]


def parameters(function: object) -> list[str]:
    assert callable(function)
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_the_version_is_the_one_whose_inner_workings_were_read() -> None:
    assert faust.__version__ == "0.15.3"


def test_what_we_override_is_called_as_we_expect() -> None:
    assert parameters(driver.Consumer._to_message) == ["tp", "record"]
    assert parameters(Consumer.getmany) == ["timeout"]
    assert inspect.isasyncgenfunction(Consumer.getmany)
    assert parameters(DefaultSchedulingStrategy.iterate) == ["records"]
    assert parameters(Collection.persisted_offset) == ["tp"]
    assert parameters(Collection.apply_changelog_batch)[:1] == ["batch"]
    assert parameters(Collection.on_recovery_completed)[:2] == ["active_tps", "standby_tps"]
    assert parameters(faust.Schema.compile)[0] == "app"


def test_what_we_call_is_there() -> None:
    assert parameters(ConsumerThread.call_thread)[0] == "fun"
    assert inspect.iscoroutinefunction(ThreadDelegateConsumer.seek_wait)
    assert inspect.iscoroutinefunction(ThreadDelegateConsumer.seek_to_committed)
    assert inspect.iscoroutinefunction(ThreadDelegateConsumer.earliest_offsets)
    assert inspect.iscoroutinefunction(ThreadDelegateConsumer.highwaters)
    assert parameters(driver.AIOKafkaConsumerThread._ensure_consumer) == []
    assert {"changelog_queue", "recovery"} <= vars(TableManager).keys()
    assert parameters(Recovery.active_remaining) == []
    assert parameters(Recovery.active_remaining) == []


def test_fetching_goes_through_what_we_override() -> None:
    source = inspect.getsource(Consumer.getmany)
    assert "self._to_message" in source
    assert "self.scheduler.iterate(records)" in source


def test_recovery_counts_by_a_messages_offset_and_swallows_errors_as_we_fear() -> None:
    source = inspect.getsource(Recovery)
    assert "offset = message.offset" in source
    assert "apply_changelog_batch" in source


def test_a_standby_reads_on_from_the_offset_that_a_table_gives_and_becomes_active_with_what_it_then_gives() -> None:
    source = inspect.getsource(Recovery.on_rebalance)
    assert "self.add_standby(table, tp)" in source
    assert "self.add_active(table, tp)" in source
    assert parameters(Recovery.add_standby) == ["table", "tp"]
    # Whatever is buffered is handed over before partitions are given out anew.
    assert "flush_buffers" in inspect.getsource(Recovery.on_partitions_revoked)
    # A size of 1 makes a recovered table's changelog be read on while it is active.
    assert "recovery_buffer_size == 1" in inspect.getsource(Recovery)
    assert parameters(faust.Table)[:1] == ["app"]
    assert "standby_buffer_size" in parameters(Collection.__init__)


def test_recovery_would_go_on_from_its_own_old_offset_if_a_table_gave_none() -> None:
    source = inspect.getsource(Recovery._add)
    assert "if persisted_offset is not None:" in source
    assert "offsets.setdefault(tp, None)" in source


def test_only_the_stream_imports_faust() -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("schemas", "services", "deploy")
        for path in (ROOT / folder).rglob("*.py")
        if any(line.lstrip().startswith(("import faust", "from faust")) for line in path.read_text().splitlines())
    }
    assert importers == {"services/rules/stream_parts.py"}


def test_the_changelog_has_the_name_that_faust_derives() -> None:
    table = inspect.getsource(Collection._changelog_topic_name)
    assert 'f"{self.app.conf.id}-{self.name}-changelog"' in table
    assert Topics("x").changelog == "x-rules-state-changelog"

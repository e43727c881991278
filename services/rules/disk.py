"""Stores on a local disk, in RocksDB: for more records than memory holds, and for a restart that need not read the
whole changelog again.

Everything that a changelog offset stands for is written in one atomic write together with it, so a store is complete up
to its offset whenever the process ends. It is only ever a copy: whatever is wrong with one, it is thrown away and made
anew from the changelog.

Keys: r + customer + \\x1f + segment, a record; b + customer, the brief of a head; m, the offset with its note.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from services.common.errors import UserError
from services.rules.port import SEGMENT_MARK
from services.rules.stores import Changes, Store

log = logging.getLogger(__name__)

FORMAT = 1
"""Of the keys and the note; what is inside a record has a version of its own."""

MAX_AGE_S = 12 * 3600.0
"""A store left alone for longer may have missed tombstones: Kafka forgets them a day after compaction
(delete.retention.ms)."""

KEEP_EVERY_S = 600.0
"""So often a store says so at most."""

CACHE_BYTES = 256 << 20
"""Blocks read from disk, of all partitions of a worker."""

WRITE_BUFFERS_BYTES = 128 << 20
"""What waits to be sorted into files, of all partitions of a worker."""

_WRITE_BUFFER_BYTES = 16 << 20
_OPEN_FILES = 200
_META = b"m"
_DAMAGED = "damaged"

T = TypeVar("T")


class StoreDamaged(Exception):
    """The files cannot be read or written. The process must end; the next one makes the store anew."""


class NoRocksDb(UserError):
    """The package is not installed."""


class DiskStores:
    """The stores of one worker. Each worker of a machine has a folder of its own, and finds it again when restarted."""

    def __init__(self, directory: Path, now_s: Callable[[], float]) -> None:
        """`now_s` is the wall clock. Raises NoRocksDb, OSError."""
        try:
            import rocksdict
        except ImportError:
            raise NoRocksDb("BELLWETHER_STORE=rocksdb needs the package: pip install 'bellwether[rocksdb]'") from None
        self._rocks = rocksdict
        self._directory, self._lock = _own_folder(directory)
        self._identity = ""
        self._now_s = now_s
        self._cache = rocksdict.Cache(CACHE_BYTES)
        self._buffers = rocksdict.WriteBufferManager(WRITE_BUFFERS_BYTES, False)  # noqa: FBT003 no keyword there

    @property
    def directory(self) -> Path:
        """Where they lie."""
        return self._directory

    def begin(self, identity: str, ends: Mapping[int, int]) -> None:
        """Before any is opened. `identity` names the changelog: stores of another are thrown away, and so are those
        beyond its `ends`, the offsets that each partition's next record will get, where a broker lost records."""
        self._identity = identity
        for path in self._directory.glob("partition-*"):
            number = int(path.name.rpartition("-")[2])
            store = self._open(number)
            offset = store.offset
            store.close()
            if offset >= ends.get(number, 0):
                self._throw_away(path, f"its offset {offset} is beyond the end of the changelog")

    def open(self, number: int) -> Store:
        """The store of a partition as the last process left it, or an empty one."""
        return self._open(number)

    def close(self) -> None:
        """Lets another worker have the folder."""
        os.close(self._lock)

    def _open(self, number: int) -> DiskStore:
        path = self._directory / f"partition-{number}"
        if (path / _DAMAGED).exists():
            self._throw_away(path, "it was found to be damaged")
        try:
            store = self._opened(path)
            why = store.unfit(self._identity, self._now_s())
            if why is None:
                return store
            store.close()
        except Exception as error:  # noqa: BLE001 whatever RocksDB says of its files, there is one answer
            why = f"it cannot be opened: {error}"
        self._throw_away(path, why)
        return self._opened(path)

    def _opened(self, path: Path) -> DiskStore:
        path.mkdir(parents=True, exist_ok=True)
        return DiskStore(self._rocks, self._rocks.Rdict(str(path), self._options()), path, self._identity, self._now_s)

    def _throw_away(self, path: Path, why: str) -> None:
        log.warning("the store %s is made anew from the changelog: %s", path.name, why)
        shutil.rmtree(path)

    def _options(self) -> Any:
        rocks = self._rocks
        table = rocks.BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_bloom_filter(10, False)  # noqa: FBT003 no keyword there
        # Within the cache's bound, else indexes and filters grow with the states.
        table.set_cache_index_and_filter_blocks(True)
        options = rocks.Options(raw_mode=True)
        options.create_if_missing(True)  # noqa: FBT003
        options.set_block_based_table_factory(table)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        options.set_compression_type(rocks.DBCompressionType.lz4())
        options.set_level_compaction_dynamic_level_bytes(True)
        options.set_max_open_files(_OPEN_FILES)
        options.set_keep_log_file_num(2)
        return options


class DiskStore:
    """The records of one partition in a RocksDB. What is put is kept in memory until it is committed."""

    def __init__(self, rocks: Any, db: Any, path: Path, identity: str, now_s: Callable[[], float]) -> None:
        """As the last commit left it."""
        self.is_durable = True
        self._rocks = rocks
        self._db = db
        self._path = path
        self._identity = identity
        self._now_s = now_s
        meta = self._do(lambda: db.get(_META))
        self._meta: dict[str, Any] = {} if meta is None else orjson.loads(meta)
        self._count: int = self._meta.get("customers", 0)
        self._pending: dict[str, dict[str, bytes | None]] = {}
        self._briefs: dict[str, bytes | None] = {}

    @property
    def offset(self) -> int:
        """See Store."""
        return int(self._meta.get("offset", -1))

    @property
    def note(self) -> bytes:
        """See Store."""
        return str(self._meta.get("note", "")).encode()

    @property
    def size_bytes(self) -> int:
        """On disk, where they are compressed, and in buffers."""
        on_disk = self._db.property_int_value("rocksdb.estimate-live-data-size") or 0
        return int(on_disk) + int(self._db.property_int_value("rocksdb.cur-size-all-mem-tables") or 0)

    def unfit(self, identity: str, now_s: float) -> str | None:
        """Why the store is not to be used; None when it is."""
        if not self._meta:
            return None
        if self._meta.get("format") != FORMAT:
            return f"its format is {self._meta.get('format')}, not {FORMAT}"
        if self._meta.get("identity") != identity:
            return "it belongs to another changelog"
        age_s = now_s - float(self._meta.get("at_s", 0))
        # The clock may have been set back; how old the store is is not known then.
        return None if 0 <= age_s <= MAX_AGE_S else f"it was left alone for {age_s:.0f} s"

    def __len__(self) -> int:
        return self._count

    def __contains__(self, customer_id: object) -> bool:
        name = str(customer_id)
        if name in self._briefs:
            return self._briefs[name] is not None
        return self._do(lambda: self._db.get(_brief_key(name))) is not None

    def customers(self) -> Iterator[str]:
        """See Store."""
        for name in [name for name, brief in self._briefs.items() if brief is not None]:
            yield name
        for key, _ in self._items(b"b", b"c"):
            name = key[1:].decode()
            if name not in self._briefs:
                yield name

    def get(self, customer_id: str) -> Mapping[str, bytes]:
        """See Store."""
        first = _record_key(customer_id, "")
        records = {key[len(first) :].decode(): value for key, value in self._items(first, first[:-1] + b"\x20")}
        for segment, value in self._pending.get(customer_id, {}).items():
            if value is None:
                records.pop(segment, None)
            else:
                records[segment] = value
        return records

    def record(self, customer_id: str, segment: str) -> bytes | None:
        """See Store."""
        pending = self._pending.get(customer_id)
        if pending is not None and segment in pending:
            return pending[segment]
        found: bytes | None = self._do(lambda: self._db.get(_record_key(customer_id, segment)))
        return found

    def put(self, customer_id: str, changes: Changes, brief: bytes | None = None) -> None:
        """See Store."""
        was_there = customer_id in self
        pending = self._pending.setdefault(customer_id, {})
        pending.update(changes)
        if brief is not None or not was_there:
            self._briefs[customer_id] = brief or b""
        if None in pending.values() and not self.get(customer_id):
            self._briefs[customer_id] = None
        self._count += (self._briefs.get(customer_id, b"") is not None) - was_there

    def briefs(self) -> Iterator[tuple[str, bytes]]:
        """See Store."""
        for key, brief in self._items(b"b", b"c"):
            if brief:
                yield key[1:].decode(), brief

    def commit(self, offset: int, note: bytes) -> None:
        """See Store."""
        batch = self._rocks.WriteBatch(raw_mode=True)
        for customer_id, changes in self._pending.items():
            for segment, value in changes.items():
                _write(batch, _record_key(customer_id, segment), value)
        for customer_id, brief in self._briefs.items():
            _write(batch, _brief_key(customer_id), brief)
        self._meta = {
            "format": FORMAT,
            "identity": self._identity,
            "offset": offset,
            "note": note.decode(),
            "customers": self._count,
            "at_s": self._now_s(),
        }
        batch[_META] = orjson.dumps(self._meta)
        self._do(lambda: self._db.write(batch))
        self._pending, self._briefs = {}, {}

    def keep(self) -> None:
        """See Store. A store that has nothing to write says now and then that it is not left alone."""
        if self._meta and self._now_s() - self._meta["at_s"] > KEEP_EVERY_S:
            self._meta["at_s"] = self._now_s()
            self._do(lambda: self._db.put(_META, orjson.dumps(self._meta)))

    def close(self) -> None:
        """See Store."""
        self._pending, self._briefs = {}, {}
        self._db.close()

    def _items(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """From `first` to before `end`, as they are on disk."""
        options = self._rocks.ReadOptions()
        options.set_iterate_upper_bound(end)
        try:
            found = self._db.iter(options)
            found.seek(first)
            while found.valid():
                yield found.key(), found.value()
                found.next()
            # At a block that cannot be read an iterator just ends; only this tells it from the end.
            found.status()
        except Exception as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> StoreDamaged:
        (self._path / _DAMAGED).touch()
        return StoreDamaged(f"{self._path.name}: {error}")

    def _do(self, what: Callable[[], T]) -> T:
        try:
            return what()
        except Exception as error:
            raise self._damaged(error) from error


def _write(batch: Any, key: bytes, value: bytes | None) -> None:
    if value is None:
        batch.delete(key)
    else:
        batch[key] = value


def _record_key(customer_id: str, segment: str) -> bytes:
    return f"r{customer_id}{SEGMENT_MARK}{segment}".encode()


def _brief_key(customer_id: str) -> bytes:
    return f"b{customer_id}".encode()


def _own_folder(directory: Path) -> tuple[Path, int]:
    """The first folder that no living worker holds, and the lock on it, which ends with the process."""
    number = 0
    while True:
        folder = directory / f"worker-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            number += 1
        else:
            return folder, lock

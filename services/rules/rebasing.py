"""PURE. The version in a customer's record, put in place without reading the rest of it.

A head and a segment begin alike (records.py): an array whose first three elements are integers, the encoding's version
and the state's (applied offset, revision).
"""

from __future__ import annotations

from services.rules.records import Version, encoder, read_prefix

_ARRAY_HEADERS = {0xDC: 3, 0xDD: 5}
_INTEGERS = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}


class NotRebased(Exception):
    """A record in an encoding that this module does not know; going on would spoil it."""


def version_of(record: bytes) -> Version:
    """The version of a head or a segment."""
    prefix = read_prefix(record)
    return Version(prefix.offset, prefix.revision)


def rebased(record: bytes, version: Version) -> bytes:
    """The same record as if it had been written with this version. Raises NotRebased."""
    start, end = _extent(record)
    made = b"".join((record[:start], encoder.encode(version.offset), encoder.encode(version.revision), record[end:]))
    if version_of(made) != version:
        raise NotRebased("the version is not where it should be")
    return made


def body(record: bytes) -> bytes:
    """All of a record but its version: what `rebased` leaves as it is."""
    start, end = _extent(record)
    return record[:start] + record[end:]


def _extent(record: bytes) -> tuple[int, int]:
    """Where the version begins and ends."""
    first = record[0]
    at = 1 if 0x90 <= first <= 0x9F else _ARRAY_HEADERS.get(first, 0)
    if at == 0:
        raise NotRebased(f"a record begins with {first:#x}")
    start = _after_integer(record, at)
    return start, _after_integer(record, _after_integer(record, start))


def _after_integer(record: bytes, at: int) -> int:
    first = record[at]
    if first <= 0x7F or first >= 0xE0:
        return at + 1
    length = _INTEGERS.get(first)
    if length is None:
        raise NotRebased(f"{first:#x} begins no integer")
    return at + length

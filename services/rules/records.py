"""The records of a customer: a head and segments, in the form in which they are kept and changelogged. PURE."""

from __future__ import annotations

from typing import NamedTuple

import cramjam
import msgspec

from services.rules.calendar import Micros
from services.rules.entries import Entry

SCHEMA = 3
"""The version of the encoding; a change of any struct below or of Entry raises it. Earlier versions are read: 1 had
neither judgements nor closed episodes in segments, 2 kept no event and no closed episode in a head."""


LONG_UNSENT_BYTES = 4_000
"""Beyond this the unsent warnings of a head are squeezed."""

SEALED_SINCE = 3
"""The first version in which a head's body is one piece."""


class NewerSchema(Exception):
    """A later version of this software wrote the record. The process must end: what it does not know it would lose."""


class Version(NamedTuple):
    """How much a record has seen: the applied offset, and the wake-ups since. Compared as a tuple."""

    offset: int
    revision: int


class Announced(msgspec.Struct, array_like=True):
    """An episode that was announced, as it stood in its newest warning. `change` is that warning's; `worst_…` are the
    greatest ever announced, so that only what is worse than all before pages again; `number` is the order of
    announcement among the customer's episodes."""

    rule: str
    subject: str
    id: str
    revision: int
    change: str
    start: Micros
    end: Micros | None
    severity: int
    run: int
    worst_severity: int
    worst_run: int
    first_detected_at: Micros
    historical: bool
    evidence: bytes
    number: int


class Judgement(msgspec.Struct, array_like=True):
    """The class or score that a rule gave last: a word, a decimal as a text, None for inconclusive; and since when."""

    value: str | None
    since: Micros


class Head(msgspec.Struct, array_like=True):
    """Everything about a customer that is in no segment; of a small customer that is all: `entries` are its events,
    `closed` its closed episodes, `announced` the open ones of every customer and those that changed with this head.

    `book` names the rules and the reference data by which the customer was judged; `untold` are the months that changed
    since reports were told of them, `unsettled` since when a silent feed leaves a rule's verdict open. Versions 1 and 2
    wrote these fields, but for the last two, just so; see Sealed.
    """

    schema: int
    offset: int
    revision: int
    clock: Micros
    wake_at: Micros | None
    unsent: list[bytes]
    customer_id: str
    book: str
    due: dict[str, Micros]
    announced: list[Announced]
    kept_from: Micros
    numbered: int = 0
    judgements: dict[str, Judgement] = {}
    untold: list[int] = []
    unsettled: dict[str, Micros] = {}
    entries: list[Entry] = []
    closed: list[Announced] = []


class Body(msgspec.Struct, array_like=True):
    """What only whoever opens the customer reads of its head."""

    due: dict[str, Micros]
    announced: list[Announced]
    kept_from: Micros
    numbered: int
    judgements: dict[str, Judgement]
    untold: list[int]
    unsettled: dict[str, Micros]
    entries: list[Entry]
    closed: list[Announced]


class Segment(msgspec.Struct, array_like=True):
    """Some of the events that are true in one month, and the closed episodes that began in it, with the version that
    the customer had when it was written."""

    schema: int
    offset: int
    revision: int
    entries: list[Entry]
    announced: list[Announced] = []


class Prefix(msgspec.Struct, array_like=True):
    """The first fields of a head or segment: enough to compare versions."""

    schema: int
    offset: int
    revision: int


class HeadPrefix(msgspec.Struct, array_like=True):
    """What the runtime needs of a head without reading the customer. A recovery reads a million of them. `unsent` is
    squeezed where it is long: a step may raise hundreds of warnings, which repeat their words, and a record is bounded.
    """

    schema: int
    offset: int
    revision: int
    clock: Micros
    wake_at: Micros | None
    unsent: list[bytes] | bytes
    customer_id: str
    book: str

    def warnings(self) -> list[bytes]:
        """Those that are unsent."""
        if isinstance(self.unsent, list):
            return self.unsent
        return _unsent_decoder.decode(memoryview(cramjam.zstd.decompress(self.unsent)))


class Sealed(HeadPrefix, array_like=True):
    """A head as it is written: the body in one piece, over which those who do not want it pass at once. Version 2
    finds bytes where it looks for `due` and stops, so it never loses the events that it would not read."""

    body: bytes


encoder = msgspec.msgpack.Encoder()
_old_head_decoder = msgspec.msgpack.Decoder(Head)
_sealed_decoder = msgspec.msgpack.Decoder(Sealed)
_unsent_decoder = msgspec.msgpack.Decoder(list[bytes])
_body_decoder = msgspec.msgpack.Decoder(Body)
segment_decoder = msgspec.msgpack.Decoder(Segment)
_prefix_decoder = msgspec.msgpack.Decoder(Prefix)
_head_prefix_decoder = msgspec.msgpack.Decoder(HeadPrefix)

HEAD = ""
"""The name of the head among a customer's records; segments are named by month and number, 2026-03 and 2026-03.1."""


def read_prefix(record: bytes) -> Prefix:
    """The version fields of a head or a segment. Raises NewerSchema."""
    prefix = _prefix_decoder.decode(record)
    if prefix.schema > SCHEMA:
        raise NewerSchema(f"a state was written in version {prefix.schema}; this software knows up to {SCHEMA}")
    return prefix


def read_head_prefix(record: bytes) -> HeadPrefix:
    """The first fields of a head. Raises NewerSchema."""
    prefix = _head_prefix_decoder.decode(record)
    if prefix.schema > SCHEMA:
        raise NewerSchema(f"a state was written in version {prefix.schema}; this software knows up to {SCHEMA}")
    return prefix


def read_head(record: bytes) -> Head:
    """A head of any version up to this one, as one of this version. Raises NewerSchema."""
    if read_prefix(record).schema < SEALED_SINCE:
        head = _old_head_decoder.decode(record)
        head.schema = SCHEMA
        return head
    found = _sealed_decoder.decode(record)
    body = _body_decoder.decode(found.body)
    return Head(
        SCHEMA,
        found.offset,
        found.revision,
        found.clock,
        found.wake_at,
        found.warnings(),
        found.customer_id,
        found.book,
        *msgspec.structs.astuple(body),
    )


def write_head(head: Head) -> bytes:
    """The record of a head."""
    fields = msgspec.structs.astuple(head)
    unsent: list[bytes] | bytes = head.unsent
    if sum(map(len, head.unsent)) > LONG_UNSENT_BYTES:
        unsent = bytes(cramjam.zstd.compress(encoder.encode(unsent)))
    prefix = len(HeadPrefix.__struct_fields__)
    body = encoder.encode(Body(*fields[prefix:]))
    sealed = Sealed(*(*fields[:prefix], body))
    sealed.unsent = unsent
    return encoder.encode(sealed)


def brief_of(head: bytes) -> bytes:
    """The first fields of a head, without the warnings and the customer's name; read as a head's first fields are."""
    prefix = read_head_prefix(head)
    prefix.unsent, prefix.customer_id = [], ""
    return encoder.encode(prefix)

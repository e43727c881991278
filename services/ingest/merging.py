"""PURE how the events of a customer that was merged are sent again under the surviving one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from schemas import codec
from schemas.codec import InvalidEvent
from schemas.control import CONTROL_KEY, erase_value
from schemas.records import ReadRecord
from schemas.topics import Topics
from services.ingest.records import Record

Reseal = Callable[[dict[str, Any], str, str], dict[str, Any] | None]
"""What is sealed for one customer is sealed for another: the document, from whom, for whom. None: not to be sent."""


@dataclass(frozen=True, slots=True)
class Move:
    """Whose events go to whom."""

    merged: str
    surviving: str

    def again(self, record: ReadRecord, topics: Topics, reseal: Reseal) -> Record | None:
        """The record as one of the surviving customer's, in structured mode; None when it is no valid event of the
        merged one, or not to be sent. Source and id stay, so that a second sending is recognised."""
        document = self._document(record)
        if document is None:
            return None
        try:
            codec.parse(document)
        except InvalidEvent:
            # The rules service has put it with the dead letters when it came.
            return None
        sealed = reseal(document, self.merged, self.surviving)
        if sealed is None:
            return None
        moved = {**sealed, "subject": self.surviving}
        return Record(topics.events, self.surviving.encode(), orjson.dumps({"specversion": "1.0", **moved}))

    def erasure(self, topics: Topics) -> Record:
        """Tells the rules service to withdraw the merged customer's warnings and to keep nothing of it."""
        return Record(topics.events, CONTROL_KEY, erase_value(self.merged, self.surviving))

    def _document(self, record: ReadRecord) -> dict[str, Any] | None:
        # Most records are others'; to look for the id's bytes is cheaper than to read the JSON (in which an escape may
        # hide it). Not by the key alone: who writes to the topic directly may have left it out.
        name, value = self.merged.encode(), record.value or b""
        bears = record.key == name or name in value or any(content == name for _, content in record.headers)
        if not bears and b"\\" not in value:
            return None
        try:
            headers = {header: (content or b"").decode() for header, content in record.headers}
            document = codec.binary_document(headers, value) if codec.is_binary(headers) else codec.loads(value)
        except (InvalidEvent, UnicodeDecodeError):
            return None
        return document if isinstance(document, dict) and document.get("subject") == self.merged else None


def unsealed(document: dict[str, Any], _merged: str, _surviving: str) -> dict[str, Any]:
    """Where nothing is sealed there is nothing to seal anew."""
    return document


def left_to_read(progress: Mapping[int, int], bounds: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """From where each partition is still to be read; none when all were read to their ends. `bounds`: the first offset
    and the one behind the last."""
    begun = {number: max(progress.get(number, first), first) for number, (first, _) in bounds.items()}
    return {number: offset for number, offset in begun.items() if offset < bounds[number][1]}

"""What waits for its customer lies sealed in the database: whose it is, and so whose key is its, nobody knows yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.common.sealing import Context
from services.ingest.ids import Waiting
from services.ingest.sealing import KeyRing, keys_away

KEY_NAME = "waiting events"
"""Of the key for all of them. No customer's id has a space in it."""


class Vault(Protocol):
    """Seals whole events, and opens them again."""

    def shut(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """With values as they may be written; the key is durable. The same event gives the same bytes. Raises
        TryLater."""

    def open(self, source: str, event_id: str, value: bytes) -> bytes:
        """The value that was shut. Raises TryLater, NotSealed."""


class OpenVault:
    """Where nothing is sealed."""

    def shut(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """As they came."""
        return list(waiting)

    def open(self, source: str, event_id: str, value: bytes) -> bytes:
        """As it is."""
        return value


@dataclass(frozen=True, slots=True)
class SealedVault:
    """One key for all that waits. Not a customer's: an event may be found to be of another id while it waits."""

    ring: KeyRing

    def shut(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """Asks the database: not to be used on the event loop, nor inside a transaction. Raises TryLater."""
        if not waiting:
            return []
        mark, key = self.ring.mark(), self.ring.key_of(KEY_NAME)
        if key is None:
            raise keys_away()
        shut = [replace(one, value=key.seal_bytes(_context(one.source, one.event_id), one.value)) for one in waiting]
        self.ring.keep(mark)
        return shut

    def open(self, source: str, event_id: str, value: bytes) -> bytes:
        """Raises TryLater, NotSealed."""
        key = self.ring.key_of(KEY_NAME)
        if key is None:
            raise keys_away()
        return key.open_bytes(_context(source, event_id), value)


def _context(source: str, event_id: str) -> Context:
    return Context(KEY_NAME, source, event_id, "value")

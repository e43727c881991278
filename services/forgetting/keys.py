"""The keys with which a customer's fields were sealed, and what they open."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from schemas.personal import Place
from services.common.sealing import Context, CustomerKey, NotSealed
from services.ingest.sealing_letters import unclaimed
from services.ingest.sealing_store import SealingStore


class Whole:
    """A customer with all that it is called: its own id, those merged into it, and by source those that are not its
    own."""

    def __init__(self, customers: Collection[str], names: Collection[tuple[str, str]]) -> None:
        self.customers = frozenset(customers)
        self.names = frozenset(names)

    def is_its(self, source: Any, subject: str) -> bool:
        """Whether a source means the customer by a subject."""
        return subject in self.customers or (source, subject) in self.names

    @property
    def ids(self) -> frozenset[str]:
        """Every id, whoever says it."""
        return self.customers | {external_id for _, external_id in self.names}

    @property
    def key_names(self) -> list[str]:
        """Of the keys that may have sealed something of it."""
        return sorted([*self.customers, *(unclaimed(source, external_id) for source, external_id in self.names)])


class KeysAtHand:
    """Those of its keys that there are now."""

    def __init__(self, store: SealingStore, whole: Whole) -> None:
        """Raises UnknownMaster. A key that is damaged opens nothing, and is destroyed as the others are."""
        self._keys: dict[str, CustomerKey] = {}
        for name in whole.key_names:
            try:
                key = store.find([name]).get(name)
            except NotSealed:
                continue
            if key is not None:
                self._keys[name] = CustomerKey(key)

    def __len__(self) -> int:
        return len(self._keys)

    def open(self, document: Mapping[str, Any], place: Place, sealed: str) -> str | None:
        """What was sealed in an event, or in a dead letter; None where no key opens it."""
        source, event_id = _text(document.get("source")), _text(document.get("id"))
        for name, key in self._keys.items():
            try:
                return key.open(Context(name, source, event_id, place.path), sealed)
            except NotSealed:
                continue
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

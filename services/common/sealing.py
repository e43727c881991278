"""Personal values sealed with a key of their customer's, and those keys wrapped by a master key. No I/O, no clock.

AES-SIV (RFC 5297) with 512-bit keys. It is deterministic: an event that is sent again has the same bytes, and is known
again. What a value is sealed for (Context) is authenticated: put in another place it does not open.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from schemas.fields import SEALED, is_sealed

KEY_BYTES = 64

_NAME_BYTES = 8
_WRAPPED = b"\x01"

BEGINNING_BYTES = 1 + _NAME_BYTES
"""So much of a wrapped key tells what wrapped it."""


class Context(NamedTuple):
    """Where a value stands; `field` is a path such as data.details.phone."""

    customer_id: str
    source: str
    event_id: str
    field: str


class NotSealed(Exception):
    """It was not sealed with this key for this place, or has been changed since."""


class UnknownMaster(Exception):
    """A key is wrapped by a master key that is not at hand."""


def new_key() -> bytes:
    """From the system's source of chance."""
    return secrets.token_bytes(KEY_BYTES)


class CustomerKey:
    """Seals and opens one customer's values. About 2 µs each."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def seal(self, context: Context, text: str) -> str:
        """The text as it goes on a topic. An empty one hides nothing and stays."""
        if not text:
            return text
        return SEALED + _base64(self._cipher.encrypt(text.encode(), _bound(context)))

    def open(self, context: Context, sealed: str) -> str:
        """The text that was sealed; raises NotSealed."""
        if not is_sealed(sealed):
            raise NotSealed
        try:
            return self._cipher.decrypt(_bytes(sealed[len(SEALED) :]), _bound(context)).decode()
        except (InvalidTag, ValueError):
            raise NotSealed from None

    def seal_bytes(self, context: Context, raw: bytes) -> bytes:
        """Bytes of any length, as they lie in a database; at least one."""
        return self._cipher.encrypt(raw, _bound(context))

    def open_bytes(self, context: Context, sealed: bytes) -> bytes:
        """What `seal_bytes` has sealed; raises NotSealed."""
        try:
            return self._cipher.decrypt(sealed, _bound(context))
        except (InvalidTag, ValueError):
            raise NotSealed from None


class MasterKeys:
    """Wraps the customers' keys with the first of `keys`; opens what any of them has wrapped."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a master key has {KEY_BYTES} bytes")
        self._ciphers = {_name(key): AESSIV(key) for key in keys}
        self._first = _name(keys[0])

    def wrap(self, customer_id: str, key: bytes) -> bytes:
        """The key as it is stored: with the name of what wrapped it, and of use for this customer only."""
        wrapped = self._ciphers[self._first].encrypt(key, [customer_id.encode()])
        return _WRAPPED + self._first + wrapped

    def unwrap(self, customer_id: str, wrapped: bytes) -> bytes:
        """Raises UnknownMaster, or NotSealed for what was changed."""
        name, sealed = wrapped[1 : 1 + _NAME_BYTES], wrapped[1 + _NAME_BYTES :]
        if wrapped[:1] != _WRAPPED or name not in self._ciphers:
            raise UnknownMaster(f"the key of {customer_id} is wrapped by the master key {name.hex()}, not at hand")
        try:
            return self._ciphers[name].decrypt(sealed, [customer_id.encode()])
        except InvalidTag:
            raise NotSealed from None

    def unknown(self, wrapped: bytes) -> str | None:
        """The name of the master key that wrapped it, if that is not at hand. Its beginning is enough to tell."""
        name = wrapped[1:BEGINNING_BYTES]
        return None if wrapped[:1] == _WRAPPED and name in self._ciphers else name.hex()

    def is_by_first(self, wrapped: bytes) -> bool:
        """Whether the first master key wrapped it: then the others are not needed for it."""
        return wrapped[1 : 1 + _NAME_BYTES] == self._first


def master_line(key: bytes) -> str:
    """A master key as a line of its file."""
    return _base64(key)


def read_master(text: str) -> MasterKeys:
    """The master keys of a file's text: one a line, the newest first; # begins a comment. Raises ValueError."""
    lines = [line.strip() for line in text.splitlines()]
    try:
        return MasterKeys([_bytes(line) for line in lines if line and not line.startswith("#")])
    except BadBase64:
        raise ValueError("a line is not base64") from None


def _name(key: bytes) -> bytes:
    return sha256(b"bellwether master key" + key).digest()[:_NAME_BYTES]


def _bound(context: Context) -> list[bytes]:
    return [part.encode() for part in context]


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))

"""PURE. A customer's records in one piece, for as long as nobody works on them: many small objects cost more than what
they hold, and customers are so alike that a few kilobytes of some of them, as a dictionary, halve the others.

The form is not for keeping: only the packer that packed a piece can unpack it.
"""

from __future__ import annotations

from collections.abc import Mapping

import lz4.block
import msgspec

DICTIONARY_BYTES = 4096
"""More than this hardly makes customers smaller, and each packing reads the dictionary first."""

_PLAIN, _SQUEEZED, _SQUEEZED_LONE = 0, 1, 2
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode


class Packer:
    """Packs, squeezes and unpacks. The first customers make the dictionary for all that come after them."""

    def __init__(self) -> None:
        self._dictionary = b""

    def pack(self, records: Mapping[str, bytes]) -> bytes:
        """One piece; the records come back in the same order. Of a customer who has nothing but the record without a
        name it is that record itself: a recovery reads a million of them, and need not copy one."""
        if len(records) == 1:
            lone = records.get("")
            if lone and lone[0] > _SQUEEZED_LONE:
                return lone
        return bytes((_PLAIN,)) + _encode(records)

    def squeeze(self, packed: bytes) -> bytes:
        """A piece of about half the size, which takes several times as long to make."""
        kind = packed[0]
        if kind in (_SQUEEZED, _SQUEEZED_LONE):
            return packed
        plain = memoryview(packed)[1:] if kind == _PLAIN else packed
        if len(self._dictionary) < DICTIONARY_BYTES:
            self._dictionary += plain[: DICTIONARY_BYTES - len(self._dictionary)]
            return packed
        squeezed: bytes = lz4.block.compress(plain, dict=self._dictionary)
        mark = _SQUEEZED if kind == _PLAIN else _SQUEEZED_LONE
        return bytes((mark,)) + squeezed if len(squeezed) < len(plain) else packed

    def unpack(self, packed: bytes) -> dict[str, bytes]:
        """What `pack` was given, squeezed or not."""
        kind = packed[0]
        if kind > _SQUEEZED_LONE:
            return {"": packed}
        rest = memoryview(packed)[1:]
        if kind == _PLAIN:
            return _decode(rest)
        plain: bytes = lz4.block.decompress(rest, dict=self._dictionary)
        return _decode(plain) if kind == _SQUEEZED else {"": plain}

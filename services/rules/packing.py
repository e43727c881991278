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

_PLAIN, _SQUEEZED = b"\x00", b"\x01"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode


class Packer:
    """Packs, squeezes and unpacks. The first customers make the dictionary for all that come after them."""

    def __init__(self) -> None:
        self._dictionary = b""

    def pack(self, records: Mapping[str, bytes]) -> bytes:
        """One piece; the records come back in the same order."""
        return _PLAIN + _encode(records)

    def squeeze(self, packed: bytes) -> bytes:
        """A piece of about half the size, which takes several times as long to make."""
        if packed[:1] == _SQUEEZED:
            return packed
        plain = memoryview(packed)[1:]
        if len(self._dictionary) < DICTIONARY_BYTES:
            self._dictionary += plain[: DICTIONARY_BYTES - len(self._dictionary)]
            return packed
        squeezed: bytes = lz4.block.compress(plain, dict=self._dictionary)
        return _SQUEEZED + squeezed if len(squeezed) < len(plain) else packed

    def unpack(self, packed: bytes) -> dict[str, bytes]:
        """What `pack` was given, squeezed or not."""
        rest = memoryview(packed)[1:]
        return _decode(rest if packed[:1] == _PLAIN else lz4.block.decompress(rest, dict=self._dictionary))

"""What comes out of a compressed body is what went in, in bounded pieces, or it is refused."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.encodings import PIECE_BYTES, BrokenEncoding, Gunzip, Identity, UnknownEncoding, decoder_of


def read(decoder: Gunzip | Identity, chunks: list[bytes]) -> list[bytes]:
    pieces = [piece for chunk in chunks for piece in decoder.feed(chunk)]
    return pieces + list(decoder.end())


def cut(raw: bytes, size: int) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 200), st.integers(1, 400))
def test_gzip_gives_what_went_in_however_it_is_cut(members: list[bytes], repeats: int, size: int) -> None:
    members = [member * repeats for member in members]
    raw = b"".join(gzip.compress(member) for member in members)
    pieces = read(Gunzip(), cut(raw, size))
    assert b"".join(pieces) == b"".join(members)
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_gzip_that_is_cut_or_changed_is_never_taken_for_whole(inside: bytes, data: st.DataObject) -> None:
    raw = gzip.compress(inside, mtime=0)
    kept = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(BrokenEncoding):
        read(Gunzip(), [raw[:kept]])
    # Of the checksum and the length, which stand at the end.
    changed = bytearray(raw)
    changed[data.draw(st.integers(len(raw) - 8, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BrokenEncoding):
        read(Gunzip(), [bytes(changed)])


@pytest.mark.parametrize("raw", [b"plain text", b"", zlib.compress(b"zlib"), gzip.compress(b"x") + b"rubbish"])
def test_what_is_no_gzip_is_refused(raw: bytes) -> None:
    with pytest.raises(BrokenEncoding):
        read(Gunzip(), [raw] if raw else [])


def test_a_bomb_is_read_a_piece_at_a_time() -> None:
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 9)
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in Gunzip().feed(bomb))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == 200 * 1024 * 1024
    assert peak < 2 * len(bomb) + 10 * PIECE_BYTES


@pytest.mark.parametrize("name", ["", "identity", " Identity "])
def test_nothing_is_hidden_without_an_encoding(name: str) -> None:
    decoder = decoder_of(name)
    assert [*decoder.feed(b"abc"), *decoder.feed(b""), *decoder.end()] == [b"abc"]


@pytest.mark.parametrize("name", ["br", "deflate", "zstd", "gzip, gzip", "gzip,identity"])
def test_other_encodings_are_named(name: str) -> None:
    with pytest.raises(UnknownEncoding, match="send gzip, or none"):
        decoder_of(name)


@pytest.mark.parametrize("name", ["gzip", "GZip", "x-gzip"])
def test_gzip_has_two_names(name: str) -> None:
    assert isinstance(decoder_of(name), Gunzip)

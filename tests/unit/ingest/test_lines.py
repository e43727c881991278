"""Lines out of pieces: whichever way a stream is cut, its lines are the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import MAX_EVENT_BYTES
from services.ingest.lines import Line, Lines


def read(pieces: list[bytes]) -> list[Line]:
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed(piece)]
    return found + list(lines.end())


TEXT = st.lists(st.sampled_from([b"a", b'{"b":1}', b" ", b"\r", b"\n", b"\n\n", "中".encode()]), max_size=40).map(
    b"".join
)


@given(TEXT, st.lists(st.integers(0, 200), max_size=10))
def test_lines_do_not_depend_on_where_the_stream_was_cut(text: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges) if start <= end]
    plain = [Line(number, raw.strip(b" \t\r")) for number, raw in enumerate(text.split(b"\n"), start=1)]
    assert read(pieces) == [line for line in plain if line.raw]


def test_a_line_of_the_longest_event_is_kept_and_a_longer_one_is_only_counted() -> None:
    longest = b"x" * MAX_EVENT_BYTES
    assert read([longest, b"\r\n", longest, b"x\n", b"end"]) == [Line(1, longest), Line(2, None), Line(3, b"end")]


def test_a_line_without_end_is_not_held() -> None:
    lines = Lines()
    for _ in range(100):
        assert list(lines.feed(b"x" * 100_000)) == []
        assert lines.held_bytes <= MAX_EVENT_BYTES + 1
    assert list(lines.feed(b"\nnext\n")) == [Line(1, None), Line(2, b"next")]


def test_numbers_count_the_empty_lines_too() -> None:
    assert read([b"\n\none\n\nfive"]) == [Line(3, b"one"), Line(5, b"five")]
    lines = Lines()
    list(lines.feed(b"\n\n\n"))
    assert lines.number == 3


def test_a_piece_of_nothing_but_line_ends_costs_next_to_nothing() -> None:
    lines = Lines()
    for _ in range(1000):
        assert list(lines.feed(b"\n" * 65_536)) == []
    assert lines.number == 65_536_000

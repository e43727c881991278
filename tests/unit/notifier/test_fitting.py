"""Texts made to fit: cut between whole characters, with a link or in parts, nothing lost."""

from __future__ import annotations

import random

import pytest

from services.notifier.channels.fitting import Size, cut, cut_characters, fit, in_json, utf8

ALPHABET = ["a", "é", "e\u0301", "中", "𠮷", "👩\u200d💻", "❤\ufe0f", "\n", " ", '"', "\\", "，", "1"]
LINK = "https://bellwether.example.com/cases/1"


def text_of(chance: random.Random, characters: int) -> str:
    return "".join(chance.choice(ALPHABET) for _ in range(characters))


@pytest.mark.parametrize("size", [utf8, in_json, len])
@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_too_long_torn_or_lost(seed: int, size: Size) -> None:
    chance = random.Random(seed)
    print("seed", seed)
    text, most = text_of(chance, chance.randint(0, 600)), chance.randint(120, 400)
    parts = fit(text, most, None, "zh", size)
    assert all(size(part) <= most for part in parts)
    joined = "".join(part if len(parts) == 1 else part.partition(") ")[2] for part in parts)
    assert "".join(joined.split()) == "".join(text.split())
    for part in parts[1:]:
        assert part.partition(") ")[2][0] not in "\u0301\u200d\ufe0f"
    assert not any(part.endswith("\u200d") for part in parts)
    (short,) = fit(text, most, LINK, "en", size)
    assert size(short) <= most
    assert short == text or short.endswith(f"{LINK})")


def test_what_fits_is_left_alone() -> None:
    assert fit("一二三", 9, LINK) == ["一二三"]
    assert fit("", 9, None) == [""]


def test_a_cut_prefers_the_end_of_a_line_that_is_near() -> None:
    assert cut("0123456789\nabc", 12) == "0123456789"
    assert cut("0\n23456789abc", 12) == "0\n23456789ab"


def test_a_cut_of_nothing_but_marks_ends_all_the_same() -> None:
    assert fit("\u0301" * 500, 120, None) != []


def test_a_title_tells_that_something_is_left_out() -> None:
    assert cut_characters("一二三四五", 4) == "一二三…"
    assert cut_characters("一二三四", 4) == "一二三四"


def test_a_link_that_leaves_no_room_gives_way_to_parts() -> None:
    assert len(fit("一二三四五六七八九十" * 10, 120, "https://example.com/" + "x" * 200)) > 1

"""A link says one thing, to one person, for a while; nothing that was made or changed elsewhere passes for one."""

from __future__ import annotations

import random
import string
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import orjson
import pytest

from services.notifier.links import (
    FORM_VALID,
    MAX_TOKEN,
    VALID,
    Expired,
    Forged,
    Link,
    LinkMaker,
    form_holds,
    form_token,
    page_mark,
    read_token,
    token_of,
)
from tests.unit.notifier.making import NOON

NEW, OLD, OTHER = b"n" * 32, b"o" * 32, b"x" * 32
LINK = Link("acknowledge", "3f0c", "王强", page_mark("3f0c/opened/王强/email"), NOON + VALID)
SECOND = timedelta(seconds=1)
SEEDS = range(200)


def test_a_token_says_what_was_signed_until_its_time_is_over() -> None:
    token = token_of(LINK, NEW)
    assert read_token(token, [NEW], NOON) == LINK
    assert read_token(token, [NEW], LINK.expires_at - SECOND) == LINK
    with pytest.raises(Expired) as told:
        read_token(token, [NEW], LINK.expires_at)
    assert told.value.link == LINK


def test_a_token_counts_under_the_previous_secret_and_under_no_other() -> None:
    assert read_token(token_of(LINK, OLD), [NEW, OLD], NOON) == LINK
    for secrets in ([NEW], [OTHER, NEW], []):
        with pytest.raises(Forged):
            read_token(token_of(LINK, OLD), secrets, NOON)


def test_who_is_forged_is_not_told_that_it_would_have_expired() -> None:
    with pytest.raises(Forged):
        read_token(token_of(LINK, OTHER), [NEW], NOON + VALID * 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_token_that_was_changed_anywhere_is_forged(seed: int) -> None:
    chance = random.Random(seed)
    token = token_of(LINK, NEW)
    changed = mutated(chance, token)
    if changed == token:
        return
    with pytest.raises(Forged):
        read_token(changed, [NEW, OLD], NOON)


def mutated(chance: random.Random, token: str) -> str:
    """A few edits by somebody who does not know the secret."""
    text = list(token)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text))
        match chance.randrange(6):
            case 0:
                text[at] = chance.choice(string.ascii_letters + string.digits + "-_.=+/")
            case 1:
                del text[at]
            case 2:
                text.insert(at, chance.choice(string.printable))
            case 3:
                text += text[at:]
            case 4:
                other = chance.randrange(len(text))
                text[at], text[other] = text[other], text[at]
            case _:
                text[at] = chance.choice("é\u0000\ud800 \n%")
    return "".join(text)


@pytest.mark.parametrize(
    "nonsense", ["", ".", "..", "a", "a.b", "a.b.c", "=.=", "é.é", "A" * 5000, "A" * 5000 + ".AAAA", "\x00.\x00", "-._"]
)
def test_nonsense_is_forged(nonsense: str) -> None:
    with pytest.raises(Forged):
        read_token(nonsense, [NEW], NOON)


def test_a_token_has_one_spelling() -> None:
    payload, mac = token_of(LINK, NEW).split(".")
    for spelling in (
        f"{payload}=.{mac}",
        f"{payload}.{mac}=",
        f"{payload}.{mac}A",
        f" {payload}.{mac}",
        f"{payload}\n.{mac}",
    ):
        with pytest.raises(Forged):
            read_token(spelling, [NEW], NOON)
    # The last character of a MAC has bits to spare: they must be those that we write.
    for last in string.ascii_letters + string.digits + "-_":
        if last != mac[-1]:
            with pytest.raises(Forged):
                read_token(f"{payload}.{mac[:-1]}{last}", [NEW], NOON)


@pytest.mark.parametrize(
    "other",
    [
        replace(LINK, action="open_review"),
        replace(LINK, subject="3f0d"),
        replace(LINK, person="li"),
        replace(LINK, page=page_mark("3f0c/opened/王强/webhook")),
        replace(LINK, expires_at=LINK.expires_at + SECOND),
    ],
)
def test_the_signature_of_one_link_is_not_good_for_another(other: Link) -> None:
    payload, _ = token_of(other, OTHER).split(".")
    _, mac = token_of(LINK, NEW).split(".")
    with pytest.raises(Forged):
        read_token(f"{payload}.{mac}", [NEW], NOON)


def test_a_page_is_used_once_however_often_its_link_was_signed() -> None:
    assert replace(LINK, expires_at=NOON).use == LINK.use
    others = [replace(LINK, action="open_review"), replace(LINK, subject="x"), replace(LINK, person="x")]
    assert len({LINK.use, replace(LINK, page="x").use, *(other.use for other in others)}) == 5


def test_the_same_page_has_the_same_link_and_the_longest_ids_fit() -> None:
    maker = LinkMaker("https://console.test", [NEW, OLD])
    key = f"{'案' * 100}/opened/{'𠮷' * 100}/email"
    made = maker.link_for("acknowledge", "案" * 100, "𠮷" * 100, key, NOON)
    assert made == maker.link_for("acknowledge", "案" * 100, "𠮷" * 100, key, NOON)
    token = unquote(urlsplit(made).path.removeprefix("/act/"))
    assert len(token) <= MAX_TOKEN
    found = read_token(token, [NEW], NOON)
    assert (found.subject, found.person, found.page) == ("案" * 100, "𠮷" * 100, page_mark(key))
    usual = maker.link_for("acknowledge", "3f0c6a52-1c1b-5d0e-9a0e-0d6a6a1f6f5b", "wang.qiang", key, NOON)
    assert len(usual) < 200


def test_no_id_gets_out_of_its_place() -> None:
    """What would end a string, a line or a path is inside the signed words, and comes back as it was."""
    for odd in ('","x', "a\nb", "../../admin", "a&b=c#d", "%00", "<script>"):
        link = replace(LINK, subject=odd, person=odd)
        token = token_of(link, NEW)
        assert set(token) <= set(string.ascii_letters + string.digits + "-_.")
        assert read_token(token, [NEW], NOON) == link


def test_a_form_is_good_for_its_own_link_and_for_a_while() -> None:
    token, other = token_of(LINK, NEW), token_of(replace(LINK, person="li"), NEW)
    form = form_token(token, NEW, NOON)
    assert form_holds(form, token, [NEW], NOON)
    assert form_holds(form, token, [OTHER, NEW], NOON + FORM_VALID - SECOND)
    assert not form_holds(form, token, [NEW], NOON + FORM_VALID)
    assert not form_holds(form, other, [NEW], NOON)
    assert not form_holds(form, token, [OTHER], NOON)
    later = str(int(form.split(".")[0]) + 1)
    assert not form_holds(f"{later}.{form.split('.')[1]}", token, [NEW], NOON)
    for nonsense in ("", ".", "1", "x.y", "９.AAAA", "-1.AAAA", "1" * 400 + ".AAAA", "1.é"):
        assert not form_holds(nonsense, token, [NEW], NOON)


def test_a_forms_token_is_no_link_and_a_link_no_forms_token() -> None:
    token = token_of(LINK, NEW)
    with pytest.raises(Forged):
        read_token(form_token(token, NEW, NOON), [NEW], NOON)
    assert not form_holds(token, token, [NEW], NOON)


def test_what_another_version_has_signed_is_refused_as_a_whole() -> None:
    import services.notifier.links as module

    for said in (
        [2, 0, "s", "p", "m", 1],
        [1, 9, "s", "p", "m", 1],
        [1, 0, "s"],
        {"a": 1},
        7,
        [1, 0, "s", "p", "m", 10**30],
    ):
        payload = orjson.dumps(said) if said != [1, 0, "s", "p", "m", 10**30] else b'[1,0,"s","p","m",1e300]'
        token = f"{module._text(payload)}.{module._text(module._mac(NEW, b'link', payload))}"
        with pytest.raises(Forged):
            read_token(token, [NEW], NOON)

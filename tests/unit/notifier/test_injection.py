"""What comes from outside stays text: in every shape of every message, wherever it stands.

The oracle is the same message with harmless words in the place of the hostile ones: it has the same markup, links and
mentions, found by readers of their own that know nothing of how we escape.
"""

from __future__ import annotations

import html
import random
import re
from collections import Counter
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from schemas.warnings import Bilingual, Compared, EventRef, Other
from services.notifier.channels.base import Message
from services.notifier.channels.saying import subject_of, text_of, without_contacts
from services.notifier.contents import About, Notice
from services.notifier.escaping import FLAVOURS, SHAPES, Flavour, Link, Shape, address, escape
from services.notifier.messages import Letters
from services.notifier.people import Customer, Directory, Person
from services.notifier.words import load_words
from tests.unit.notifier.making import DAY, NOON, evidence, make_warning

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</dd></dl><h1>ACT NOW</h1>",
    "{{ 7*7 }} {% raw %} ${7*7} #{7*7} %s %(x)s {0} {owner}",
    "{{ page.link.__class__.__mro__ }}",
    "[click here](http://evil.example/x)",
    "![x](http://evil.example/x.png)",
    "<http://evil.example|click>",
    "http://evil.example/x www.evil.example evil.example evil\u3002example",
    "ftp://evil.example weixin://pay javascript:alert(1) mailto:a@evil.example",
    "@all @所有人 <@all> <@U123> <!channel> <!here> <#C1>",
    '<at id=all></at><at user_id="all">x</at>',
    "**bold** _it_ ~~gone~~ `code` ```block``` *b* ~s~ __u__",
    "<font color='warning'>red</font>",
    "# heading",
    "> quote",
    "1. one",
    "- item",
    "---",
    "| a | b |",
    "\\*a\\* \\[x\\](http://evil.example)",
    "&lt;@all&gt; &#60;b&#62; &amp;",
    "line\nbreak\r\n\r\n案件: http://evil.example\u2028x\u2029y\x0bz\x00",
    "\u202eevil\u202c \u2066x\u2069 \u200bx\ufeff",
    ":rotating_light: :smile:",
    "a" * 3000,
)
READERS = (Person("wang", "王强", "sales", "zh"), Person("chen", "Chen", "sales", "en"))
HARMLESS = "Acme"
WORDS = load_words()


class Tags(HTMLParser):
    """What an HTML reader sees: tags with their attributes' names, addresses, and the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {sorted(name for name, _ in attrs)}")
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.tags.append("comment")

    def handle_data(self, data: str) -> None:
        self.text += data


# As chat and mail programs find them, the greedy way.
LINKED = re.compile(
    r"\w+://[^\s\u200b|)>]+|\bwww\.[\w-]|\b[\w-]+\.(?:example|com|cn|net|org)\b|[\w.+-]+@[\w-]+\.\w+", re.IGNORECASE
)
MENTIONED = re.compile(r"[@\uff20][^\s\u200b]|<[!#@]|<at\b", re.IGNORECASE)
MARKED = re.compile(
    r"\*+|~~?|`+|\[|\]\(|!\[|<[^\s\u200b>]+>|^(?:#+|>|[-+*]|\d+[.)])\s|\||(?<!\w)_|_(?!\w)|\\", re.MULTILINE
)


def message(word: str, person: Person, flavour: Flavour | None = None, *, digest: bool = False) -> Message:
    """A message into which a word has come by every way from outside."""
    both = Bilingual(zh=word, en=word)
    leaf = Compared(
        fact=word,
        label=both,
        value=word,
        op=">=",
        threshold=word,
        held=True,
        events=[EventRef(source=re.sub(r"[\s\x00-\x1f\x7f]", "-", word)[:60], id="1")],
        events_total=1,
    )
    told = evidence().model_copy(update={"compared": [leaf], "summary": both})
    other = Other(id="o1", rule="R", name=both, severity="low", start=NOON)
    warning = make_warning(
        customer_id="C1", subject=word, evidence=told, advice=both, clause=both, clears=both, name=both, others=[other]
    )
    owner = Person("own", word, "sales")
    directory = Directory({one.id: one for one in (*READERS, owner)}, {"C1": Customer("C1", word, "own")}, "own")
    letters = Letters(directory, "https://console.test", ZoneInfo("Asia/Shanghai"), WORDS, flavour=flavour)
    lost = Notice("k2", "undelivered", "superior", "case-2", warning, about=About("own", word, word))
    notice = Notice("k", "raised", "superior", "case-1", warning, NOON + DAY)
    return letters.digest([notice, lost], person) if digest else letters.single(notice, person)


def structure(text: str) -> tuple[Counter[str], ...]:
    """Links, mentions and markup."""
    return tuple(Counter(pattern.findall(text)) for pattern in (LINKED, MENTIONED, MARKED))


@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize("word", HOSTILE)
def test_html_has_the_same_tags_and_addresses_and_the_word_is_read_as_it_is(word: str, digest: bool) -> None:
    for person in READERS:
        seen, wanted = Tags(), Tags()
        seen.feed(message(word, person, digest=digest).html)
        wanted.feed(message(HARMLESS, person, digest=digest).html)
        assert seen.tags == wanted.tags
        assert seen.addresses == wanted.addresses
        assert LINKED.findall(seen.text) == LINKED.findall(wanted.text)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize("word", [word for word in HOSTILE if len(word) < 1000])
def test_markdown_has_the_same_links_mentions_and_markup(word: str, digest: bool, flavour: Flavour) -> None:
    for person in READERS:
        found = structure(unescaped(flavour, message(word, person, flavour, digest=digest).markdown))
        assert found == structure(unescaped(flavour, message(HARMLESS, person, flavour, digest=digest).markdown))


def unescaped(flavour: Flavour, text: str) -> str:
    """Without the entities that the provider documents as text, which are no markup there; of the others we do not
    know, so what they might stand for counts."""
    return re.sub(r"&#\d+;|&(?:lt|gt|amp);", "x", text) if flavour in ("feishu", "slack") else html.unescape(text)


@pytest.mark.parametrize("word", HOSTILE)
def test_plain_text_has_the_same_lines_links_and_mentions(word: str) -> None:
    for person in READERS:
        for digest in (False, True):
            found, wanted = (message(one, person, digest=digest) for one in (word, HARMLESS))
            for text, other in ((found.text, wanted.text), (found.subject, wanted.subject)):
                assert len(text.splitlines()) == len(other.splitlines())
                assert structure(text)[:2] == structure(other)[:2]
            assert all(char.isprintable() or char in "\n\u200b\u3000" for char in found.text)
            assert "\n" not in found.subject + found.summary


def test_nothing_from_outside_is_evaluated() -> None:
    text = message("{{ 7*7 }}{% if 1 %}{owner}{0}%s", READERS[1]).text
    assert "{{ 7*7 }}{% if 1 %}{owner}{0}%s" in text
    assert "49" not in text


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(20))
def test_random_mixtures_of_what_programs_obey_leave_nothing_to_obey(shape: Shape, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    pieces = [
        *"<>*_`[]()|~#!@&\\:/.-\n\u202e",
        "http",
        "://",
        "evil",
        "com",
        "at",
        "font",
        " ",
        "www",
        "lt;",
        "1",
        "客",
    ]
    for _ in range(200):
        word = "".join(chance.choice(pieces) for _ in range(chance.randint(1, 14)))
        found = escape(shape, word)
        assert "\n" not in found
        assert not LINKED.search(found), (word, found)
        assert not MENTIONED.search(found), (word, found)
        if shape == "html":
            assert not set("<>\"'") & set(found)
        elif shape != "plain":
            flavour = next(one for one in FLAVOURS if one == shape)
            assert not re.search(r"[*`~<>|\\]|\]\(|^\s*(?:[#>+=-]|\d+[.)]\s)", unescaped(flavour, found)), (word, found)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("江南精密机械有限公司", True),
        ("O'Brien & Sons, Inc.", True),
        ("3.5 m × 1.2 m. Next", True),
        ("二月。三月", True),
        ("a_b/c-1", True),
        ("erp/inv-1.2", True),
        ("Amazon.com", False),
    ],
)
def test_names_that_are_harmless_stay_as_they_are(text: str, kept: bool) -> None:
    assert (escape("plain", text) == text) is kept
    assert escape("wecom", text).replace("\u200b", "") == text


@pytest.mark.parametrize("shape", SHAPES)
def test_only_http_addresses_are_links_and_nothing_in_them_ends_them(shape: Shape) -> None:
    found = address(shape, Link("https://console.test/cases/a)b](c) \"'<>|*`x?a=1&b=2"))
    assert not set(" \"'<>|*`)](") & set(found)
    for wrong in ("javascript:alert(1)", "data:text/html,x", "//evil.example", ""):
        with pytest.raises(ValueError, match="no address"):
            address(shape, Link(wrong))


@pytest.mark.parametrize("address", ["wang@mail.example", "wang.li+x@mail.example.com", "W@a-b.example"])
def test_a_contact_detail_is_still_taken_out_where_the_channel_must_not_tell_it(address: str) -> None:
    for person in READERS:
        found = message(f"call {address} today", person, "slack")
        for text in (text_of(found, contacts=False), without_contacts(found.markdown, found)):
            assert "call" in text
            assert not any(part in text.replace("\u200b", "") for part in (address, "mail.example", "@"))


def test_a_name_that_was_taken_apart_reads_as_one_in_chats() -> None:
    found = message("Amazon.com", READERS[1])
    assert "Amazon.\u200bcom" in text_of(found)
    assert "Amazon. com" not in text_of(found) + subject_of(found)

"""PURE. Phone numbers, e-mail addresses and bank accounts where none belong: in names, topics and ids.

What they look like is told with care: a check that refuses order numbers is soon switched off. Ids are asked for e-mail
addresses alone, since any number may be an id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple
from unicodedata import normalize

Looks = Literal["a phone number", "an e-mail address", "a bank account"]

REMOVED: dict[Looks, str] = {
    "a phone number": "[phone number removed]",
    "an e-mail address": "[e-mail address removed]",
    "a bank account": "[bank account removed]",
}


class Find(NamedTuple):
    """Where in a text it stands."""

    start: int
    end: int
    looks: Looks


_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")

# Mainland mobiles, with or without 86; their area codes with a hyphen; anything with a plus in front.
_PHONE = re.compile(
    r"(?<![A-Za-z0-9_.+-])(?:(?:\+|00)?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?!\.?[0-9A-Za-z_])"
    r"|(?<![A-Za-z0-9_.+-])(?:0[0-9]{2,3}|\(0[0-9]{2,3}\))[- ][2-9][0-9]{6,7}(?![0-9A-Za-z_-])"
    r"|(?<![A-Za-z0-9_.+-])\+[1-9](?:[- ()]{0,2}[0-9]){9,14}(?![0-9A-Za-z_])"
)

# Card numbers of 16 to 19 digits of UnionPay, Visa, Mastercard, with a right check digit (ISO/IEC 7812, Luhn).
_CARD = re.compile(r"(?<![A-Za-z0-9_.-])(?:62|4|5[1-5])(?:[- ]?[0-9]){14,17}(?!\.?[0-9A-Za-z_-])")
# ISO 13616, with its check over 97.
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
# An account's number has no check: only what it is called tells.
_ACCOUNT = re.compile(
    r"(?:账号|帐号|账户|帐户|卡号|(?<![A-Za-z])(?:account(?: (?:no\.?|number))?|a/c))"
    r"[^0-9\n]{0,6}[0-9](?:[- ]?[0-9]){9,24}",
    re.IGNORECASE,
)


def _luhn(text: str) -> bool:
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _over_97(text: str) -> bool:
    plain = text.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def _always(_text: str) -> bool:
    return True


_WORDS: tuple[tuple[re.Pattern[str], Looks, Callable[[str], bool]], ...] = (
    (_EMAIL, "an e-mail address", _always),
    (_PHONE, "a phone number", _always),
    (_CARD, "a bank account", _luhn),
    (_IBAN, "a bank account", _over_97),
    (_ACCOUNT, "a bank account", _always),
)
_MAY_BE = re.compile(r"@|[0-9](?:[- ()]{0,2}[0-9A-Z]){9}")


def in_words(text: str) -> list[Find]:
    """What stands in a text for people; spans do not overlap. Full-width characters are read as plain ones."""
    return _found(text if text.isascii() else "".join(map(_narrow, text)))


def _narrow(char: str) -> str:
    """One by one, so that positions stay what they are."""
    plain = normalize("NFKC", char)
    return plain if len(plain) == 1 else char


def _found(text: str) -> list[Find]:
    if not _MAY_BE.search(text):
        return []
    found = sorted(
        Find(*match.span(), looks)
        for pattern, looks, holds in _WORDS
        for match in pattern.finditer(text)
        if holds(match[0])
    )
    return list(_apart(found))


def _apart(found: list[Find]) -> Iterator[Find]:
    end = 0
    for find in found:
        if find.start >= end:
            yield find
            end = find.end


def in_id(text: str) -> list[Find]:
    """What stands in an id."""
    if "@" not in text and "＠" not in text:
        return []
    return [find for find in in_words(text) if find.looks == "an e-mail address"]


def redact(text: str) -> str:
    """The text without what stands in it."""
    pieces, end = [], 0
    for find in in_words(text):
        pieces += [text[end : find.start], REMOVED[find.looks]]
        end = find.end
    return "".join([*pieces, text[end:]])

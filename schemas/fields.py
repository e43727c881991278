"""The vocabulary of field types: each refuses what is wrong with a sentence that says what is wanted.

All parsing of text happens here, so a value has one meaning whether it came as JSON bytes or as a dict.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

from schemas.currencies import ISO_4217
from schemas.privacy import excerpt

# Instants outside are a mistyped century, and would make month arithmetic unbounded.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
# A word on its own (\S) without control characters: it is a Kafka key and a part of table keys.
IDENTIFIER = r"^[^\s\x00-\x1f\x7f]+$"


def _text(value: Any, wanted: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be {wanted}, not {type(value).__name__}")
    return value


def parse_instant(value: Any) -> datetime:
    """An RFC 3339 instant with an offset, 1970 to 2199; ValueError says what is missing."""
    if isinstance(value, datetime):
        instant = value
    else:
        text = _text(value, 'an RFC 3339 instant such as "2026-03-01T09:00:00+08:00"')
        if len(text) < 11:
            raise ValueError(f'"{text}" is a date: an instant needs a time and an offset, 2026-03-01T09:00:00+08:00')
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f'"{excerpt(text, 40)}" is no RFC 3339 instant such as "2026-03-01T09:00:00+08:00"'
            ) from None
    if instant.tzinfo is None:
        raise ValueError("has no zone: add an offset such as +08:00 or Z")
    if not EARLIEST <= instant < LATEST:
        raise ValueError("lies outside the years 1970 to 2199")
    return instant


def parse_date(value: Any) -> date:
    """A plain calendar date of the company's zone, YYYY-MM-DD, 1970 to 2199."""
    if isinstance(value, date) and not isinstance(value, datetime):
        day = value
    else:
        text = _text(value, 'a date such as "2026-03-01"')
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise ValueError(f'"{excerpt(text, 40)}" is no date such as "2026-03-01"') from None
    if not EARLIEST.year <= day.year < LATEST.year:
        raise ValueError("lies outside the years 1970 to 2199")
    return day


def parse_decimal(value: Any) -> Decimal:
    """A decimal string, at most 15 digits before and 6 after the point; JSON numbers are refused: they are floats."""
    if isinstance(value, Decimal):
        value = format(value, "f")
    text = _text(value, 'a decimal string such as "1200.50"')
    if not _DECIMAL.fullmatch(text):
        limits = "at most 15 digits before and 6 after the point"
        raise ValueError(f'"{excerpt(text, 40)}" is no decimal such as "1200.50" ({limits})')
    return Decimal(text)


def parse_positive(value: Any) -> Decimal:
    """A decimal greater than 0."""
    number = parse_decimal(value)
    if number <= 0:
        raise ValueError("must be greater than 0")
    return number


def parse_not_negative(value: Any) -> Decimal:
    """A decimal of 0 or more."""
    number = parse_decimal(value)
    if number < 0:
        raise ValueError("must not be negative")
    return number


def parse_currency(value: Any) -> str:
    """A code of ISO 4217."""
    code = _text(value, "an ISO 4217 code such as CNY")
    if code not in ISO_4217:
        raise ValueError(f'"{excerpt(code, 10)}" is no ISO 4217 currency code such as CNY')
    return code


SEALED = "sealed:1:"
"""What a sealed value begins with; the text behind it is base64 (RFC 4648 §5, without padding)."""

LABEL_CHARS, TEXT_CHARS = 200, 4000
# 4 bytes for a character, 16 for the seal, and base64's third more.
MAX_SEALED_CHARS = len(SEALED) + (TEXT_CHARS * 4 + 16) * 4 // 3 + 1

SEALED_PATTERN = rf"^{SEALED}[A-Za-z0-9_-]{{22,}}$"
_SEALED = re.compile(SEALED_PATTERN[:-1] + r"\Z")


def is_sealed(text: str) -> bool:
    """True for what can be a sealed value. Whether it is one, only its customer's key can tell."""
    return text.startswith(SEALED) and len(text) <= MAX_SEALED_CHARS and _SEALED.match(text) is not None


def parse_personal_label(value: Any) -> str:
    """1 to 200 characters, or sealed."""
    return _personal(value, 1, LABEL_CHARS)


def parse_personal_text(value: Any) -> str:
    """At most 4000 characters, or sealed."""
    return _personal(value, 0, TEXT_CHARS)


def _personal(value: Any, shortest: int, longest: int) -> str:
    text = _text(value, "a text")
    if text.startswith(SEALED):
        if not is_sealed(text):
            raise ValueError(f'begins with "{SEALED}" and is no sealed value')
    elif not shortest <= len(text) <= longest:
        raise ValueError(f"must have {shortest} to {longest} characters, not {len(text)}")
    return text


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _matching(pattern: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, **more})


# What a JSON Schema refuses must be refused here too, so the patterns are as wide as what is parsed.
_DECIMAL_SCHEMA = _matching(r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$")
_POSITIVE_SCHEMA = _matching(r"^(?=.*[1-9])[0-9]{1,15}(\.[0-9]{1,6})?$")
_NOT_NEGATIVE_SCHEMA = _matching(r"^(-(?!.*[1-9]))?[0-9]{1,15}(\.[0-9]{1,6})?$")
_OFFSET = r"(Z|[+-][0-9]{2}(:?[0-9]{2}(:?[0-9]{2}([.,][0-9]+)?)?)?)$"
_INSTANT_SCHEMA = _matching(_OFFSET, format="date-time", minLength=11)
_DAY_SCHEMA = _matching("^[0-9]{4}-?([0-9]{2}-?[0-9]{2}|W[0-9]{2}(-?[1-7])?)$", format="date")

_decimal_text = PlainSerializer(_plain, return_type=str, when_used="json")

Instant = Annotated[datetime, BeforeValidator(parse_instant), _INSTANT_SCHEMA]
Day = Annotated[date, BeforeValidator(parse_date), _DAY_SCHEMA]
Number = Annotated[Decimal, BeforeValidator(parse_decimal), _DECIMAL_SCHEMA, _decimal_text]
Amount = Annotated[Decimal, BeforeValidator(parse_positive), _POSITIVE_SCHEMA, _decimal_text]
AmountOrZero = Annotated[Decimal, BeforeValidator(parse_not_negative), _NOT_NEGATIVE_SCHEMA, _decimal_text]
Currency = Annotated[str, BeforeValidator(parse_currency), WithJsonSchema({"type": "string", "enum": sorted(ISO_4217)})]

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=IDENTIFIER)]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=IDENTIFIER)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=LABEL_CHARS)]
Text = Annotated[str, StringConstraints(max_length=TEXT_CHARS)]


class Personal:
    """Marks a field that says something of a person. On the topics it is sealed; no rule may read it."""


def _or_sealed(**plain: int) -> WithJsonSchema:
    sealed = {"type": "string", "pattern": SEALED_PATTERN, "maxLength": MAX_SEALED_CHARS}
    return WithJsonSchema({"anyOf": [{"type": "string", **plain}, sealed]})


PersonalLabel = Annotated[
    str, Personal, BeforeValidator(parse_personal_label), _or_sealed(minLength=1, maxLength=LABEL_CHARS)
]
PersonalText = Annotated[str, Personal, BeforeValidator(parse_personal_text), _or_sealed(maxLength=TEXT_CHARS)]
JsonMediaType = Annotated[str, StringConstraints(pattern=r"^application/json(;.*)?$", max_length=100)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Wire(BaseModel):
    """Base of everything on a topic. Unknown fields are kept out (the codec reports them); nothing is coerced."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False, populate_by_name=True)

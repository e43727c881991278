"""Documents of every event as senders may write them, whole and broken, from a source of chance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import chain
from random import Random
from typing import Any

import orjson

from schemas.events import CUSTOMER_EVENTS, REFERENCE_EVENTS
from tests.unit.schemas.examples import AT, DATA, example
from tests.unit.schemas.resident_ids import BORN_IN_1990, VALID, grouped, wide

SEALED = "sealed:1:" + "Az09_-" * 5

INSTANTS = [
    *("2026-03-02T09:30:00Z", "2026-03-02T09:30:59-11:30", "2026-03-02T09:30:00.5+08:00", "2026-03-02T09:30:00"),
    *("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+08:00", "1969-12-31T23:59:59-00:01", "2199-12-31T23:59:59Z"),
    *("2199-12-31T23:59:59-08:00", "2200-01-01T07:00:00+08:00", "2026-03-02 09:30:00+08:00", "2026-03-02t09:30:00z"),
    *(
        "2199-12-31T15:59:00-08:00",
        "2199-12-31T16:00:00-08:00",
        "1970-01-01T08:00:00+08:00",
        "1970-01-01T07:59:00+08:00",
    ),
    *("2026-03-02T24:00:00Z", "2026-03-02T09:30:60Z", "2026-03-02T09:60:00Z", "2026-03-02T09:30Z", "2026-03-02T09Z"),
    *("2026-03-02T09:30:00+0800", "2026-03-02T09:30:00+08", "2026-03-02T09:30:00+08:00:30", "20260302T093000Z"),
    *("2026-W10-1T09:30:00Z", "2026-02-30T09:30:00Z", "2026-03-02T09:30:00+24:00", "2026-03-02T09:30:00 +08:00"),
    *("２０２６-03-02T09:30:00Z", "2026-03-02T09:30:00Z ", "2026-03-02T09:30:00Z\n", "0000-03-02T09:30:00Z", "T09:30"),
]
DAYS = ["2026-03-02", "20260302", "2026-W10-1", "2026-02-30", "2024-02-29", "1969-12-31", "1970-01-01", "2200-01-01"]
DECIMALS = [
    *("0", "0.00", "-0", "-0.00", "0.01", "0.000000", "0.0000001", "-1.5", "00.5", "007", "1.", "1e5", ".5", "+1"),
    *("１２", "1200.50", "9" * 15, "9" * 16, "1.123456", "1.1234567", " 1", "1\n", "300.00", "300", "100.00", "NaN"),
]
TEXTS = [
    *(
        "",
        " ",
        "a",
        "A-1",
        "C001",
        "a b",
        "a\n",
        "\na",
        "a\u0085b",
        "a\u00a0b",
        "a\u200bb",
        "a\u3000",
        "林涛",
        "é",
        "😀",
    ),
    *("a\u2028b", "a\x7fb", "a\x1cb", "\0", "a\\b", 'a"b', "a/b", "a_b", "Ab", "9a", "_a", "a" * 50, "a" * 51),
    *("x" * 100, "x" * 101, "涛" * 100, "涛" * 101, "x" * 200, "x" * 201, "x" * 4000, "x" * 4001, "a" * 100 + "\n"),
    *("CNY", "cny", "XXY", "USD ", "phone", "P1", "upheld", "1.0", "2.0", "application/json", "application/json;x"),
    *("application/jsonx", "text/plain", "02-29", "02-30", "13-01", "02-29\n", "negative", "from", "retraction"),
    *(SEALED, "sealed:1:", "sealed:1:" + "?" * 30, "sealed:1:" + "A" * 30 + "\n", " sealed:1:", "sealed:2:" + "A" * 30),
    *(VALID, BORN_IN_1990, wide(VALID), grouped(VALID, "-", " "), grouped(VALID, "\n", "\t"), VALID[:-1], VALID + "1"),
]
NUMBERS: list[Any] = [
    *(0, 1, -1, 2, 5, 10, 11, 100, 101, 10_000_000, 10_000_001, 2**53 + 1, 2**63, 2**64 - 1, int(BORN_IN_1990), 10**17),
    *(0.0, -0.0, 0.5, 1.0, 1.5, 4.0, 100.0, 100.5, -0.1, 1e-300, 1e300),
]
NESTED: list[Any] = [
    *([], {}, ["a"], [None], [[]], {"a": 1}, {"a": None}, {"a": {"b": None}}, {"A": 1}, {"a": []}, ["lin", "song"]),
    *(["lin", 1], [{}], [{"due_date": "2026-04-01", "amount": "300"}], {"name": "林涛"}, {"name": None, "else": 1}),
]
ODD: list[list[Any]] = [INSTANTS, DAYS, DECIMALS, TEXTS, NUMBERS, NESTED, [None, True, False]]

NAMES = sorted(
    {"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "supersedes", "retracted", "history"}
    | {"data", "from_", "with_", "colour", "", "amount ", "数"}
    | {name for data in DATA.values() for name in data}
)
KINDS = sorted(CUSTOMER_EVENTS)


def deep(levels: int, *, in_lists: bool) -> Any:
    """Nothing, so many levels down."""
    inner: Any = []
    for _ in range(levels - 1):
        inner = [inner] if in_lists else {"a": inner}
    return inner


def with_every_oddity(document: Any, part: Any) -> Iterator[bytes]:
    """The JSON of a document with each of the odd values in each of the places in a part of it. In passing the document
    is changed."""
    for holder in _objects(part):
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            sound = holder[key]
            for value in chain(*ODD):
                holder[key] = value
                yield orjson.dumps(document)
            holder[key] = sound


def mangled(chance: Random) -> bytes:
    """The JSON of an event: most often with some changes, some of which leave it valid."""
    kind = chance.choice(KINDS) if chance.random() < 0.95 else chance.choice(sorted(REFERENCE_EVENTS))
    document = deepcopy(example(kind))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5))):
        chance.choice(CHANGES)(chance, document)
    raw = written(chance, document)
    if chance.random() < 0.05:
        raw = bitten(chance, raw)
    return raw


def _objects(node: Any) -> list[Any]:
    """The node and all objects and lists in it that are not empty."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = [one for child in children for one in _objects(child)]
    return [node, *found] if children else found


def _place(chance: Random, document: Any) -> tuple[Any, Any]:
    """An object or a list, and a key or an index in it."""
    holder = chance.choice(_objects(document) or [{"a": 1}])
    return holder, chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))


def _odd(chance: Random) -> Any:
    if chance.random() < 0.02:
        return deep(chance.choice((8, 10, 11, 12, 13, 300)), in_lists=chance.random() < 0.5)
    return deepcopy(chance.choice(chance.choice(ODD)))


def _like(chance: Random, value: Any) -> Any:
    """Another value of the same look."""
    for group, sample in ((INSTANTS, AT), (DAYS, "2026-03-02"), (DECIMALS, "300.00")):
        if isinstance(value, str) and len(value) == len(sample) and value[4:5] == sample[4:5]:
            return chance.choice(group)
    if isinstance(value, str) and value.replace(".", "").isdigit():
        return chance.choice(DECIMALS)
    return chance.choice(TEXTS if isinstance(value, str) else NUMBERS)


def _replace(chance: Random, document: Any) -> None:
    holder, key = _place(chance, document)
    holder[key] = _odd(chance)


def _vary(chance: Random, document: Any) -> None:
    holder, key = _place(chance, document)
    holder[key] = _like(chance, holder[key])


def _nullify(chance: Random, document: Any) -> None:
    holder, key = _place(chance, document)
    holder[key] = None


def _drop(chance: Random, document: Any) -> None:
    holder, key = _place(chance, document)
    del holder[key]


def _add(chance: Random, document: Any) -> None:
    holder, _ = _place(chance, document)
    if isinstance(holder, dict):
        holder[chance.choice(NAMES)] = _odd(chance)
    else:
        holder.append(_odd(chance))


def _double(chance: Random, document: Any) -> None:
    holder, key = _place(chance, document)
    if isinstance(holder, list):
        holder.extend([deepcopy(holder[key])] * chance.choice((1, 20, 120, 1000)))


def _swap(chance: Random, document: Any) -> None:
    (here, key), (there, other) = _place(chance, document), _place(chance, document)
    here[key], there[other] = deepcopy(there[other]), deepcopy(here[key])


def _rename(chance: Random, document: Any) -> None:
    holder, key = _place(chance, document)
    if isinstance(holder, dict):
        holder[chance.choice((f"{key}_", f"{key} ", str(key).upper(), *NAMES[:3]))] = holder.pop(key)


def _shuffle(chance: Random, document: Any) -> None:
    for holder in _objects(document):
        if isinstance(holder, dict):
            items = list(holder.items())
            chance.shuffle(items)
            holder.clear()
            holder.update(items)


def _correct(chance: Random, document: Any) -> None:
    document["supersedes"] = chance.choice(["earlier", "", document.get("id"), None, 5])
    document["retracted"] = chance.choice([True, False, None, "true", 1])
    document["history"] = chance.choice([True, False, True, None, 0, 1])


def _reveal(chance: Random, document: Any) -> None:
    holder, key = _place(chance, document)
    number = chance.choice([VALID, BORN_IN_1990, VALID.lower(), wide(VALID), grouped(BORN_IN_1990, " ", "-")])
    if isinstance(holder, dict) and chance.random() < 0.3:
        holder[f"{key}{number}"] = holder.pop(key)
    else:
        holder[key] = f"{chance.choice(['', 'no. ', '-'])}{number}{chance.choice(['', '!', ' '])}"


CHANGES: list[Callable[[Random, Any], None]] = [
    *(_replace, _vary, _vary, _vary, _nullify, _drop, _add, _double, _swap, _rename, _shuffle, _correct, _reveal)
]


def written(chance: Random, document: Any) -> bytes:
    """As JSON, the way one or another library writes it; now and then with a name that comes twice."""
    match chance.randrange(6):
        case 0:
            raw = json.dumps(document, ensure_ascii=True).encode()
        case 1:
            raw = json.dumps(document, ensure_ascii=False, indent=chance.choice((1, 2))).encode()
        case 2:
            raw = json.dumps(document, separators=(",", ":"), ensure_ascii=False).replace("/", r"\/").encode()
        case _:
            raw = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    if chance.random() < 0.1:
        opening = chance.choice([place for place, byte in enumerate(raw) if byte == ord("{")] or [0])
        twice = orjson.dumps({chance.choice(NAMES): chance.choice(chance.choice(ODD[:4]))})[1:-1]
        raw = raw[: opening + 1] + twice + b"," + raw[opening + 1 :]
    return raw


def bitten(chance: Random, raw: bytes) -> bytes:
    """Bytes that arrived damaged."""
    start, length = chance.randrange(len(raw) + 1), chance.choice((0, 1, 1, 2, 8, 10_000))
    junk = bytes(chance.randrange(256) for _ in range(chance.choice((0, 1, 1, 2))))
    return (
        raw[:start] + chance.choice((junk, b"", b"NaN", b"1e400", b"\\ud800", b"\xef\xbb\xbf")) + raw[start + length :]
    )

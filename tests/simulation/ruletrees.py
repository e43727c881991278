"""Rule files with condition trees drawn by chance, and values on both sides of what they compare with."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any

from tests.simulation.interpreter import NOT_KNOWN, Between, Comparison, RuleFile

DEEPEST = 5
FACTS = [f"fact{number}" for number in range(6)]
TIMES = ["passed0", "passed1"]
ORDERS = ["<", "<=", "==", "!=", ">=", ">"]
PIECES = [
    *(
        "",
        " ",
        '"',
        "'",
        "\\",
        "\\n",
        "\n",
        "重要客户",
        "张伟",
        "“引号”",
        "𠮷",
        "é",
        "$name",
        "{fact}",
        "%s",
        "# ",
        ": ",
    ),
    *("- ", "&a", "*a", "0.5", "5", "-", "true", "null", "~", "2026-03-01"),
]
"""What texts are put together from: all that could be mistaken for something else on the way."""

# Wide enough for every digit that is written here: no value is rounded before it is compared.
_EXACT = Context(prec=400)
_WORDS = {"zh": "词", "en": "words"}
_FRAME = {
    "name": _WORDS,
    "output": "warning",
    "severity": "low",
    "clause": {**_WORDS, "source": "x"},
    "summary": _WORDS,
    "advice": _WORDS,
    "examples": [
        {"name": "fires", "events": [], "until": "2026-01-01", "fires": [["2026-01-01", None]]},
        {"name": "quiet", "events": [], "until": "2026-01-01", "fires": []},
    ],
}


def text(rng: random.Random) -> str:
    """A text, often empty, with anything in it."""
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 3)))


def decimal(rng: random.Random) -> Decimal:
    """A number with up to 30 digits on each side of the point."""
    sign = rng.choice(["", "-"])
    whole = str(rng.randrange(10 ** rng.choice([1, 3, 30])))
    decimals = "".join(rng.choice("0123456789") for _ in range(rng.choice([0, 1, 6, 30])))
    return Decimal(f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}")


class Author:
    """Writes rule files. `points`: about the fields of events, else about facts."""

    def __init__(self, rng: random.Random, *, points: bool = False) -> None:
        self.rng = rng
        self.points = points
        self._params: dict[str, Any] = {}

    def rule(self, name: str) -> RuleFile:
        """A rule file whose trees are as deep as DEEPEST."""
        self._params = {}
        latest = {"shape": "latest", "of": "profile.updated"}
        facts: dict[str, Any] = {fact: {**latest, "field": f"fields.{fact}"} for fact in FACTS}
        facts |= {passed: {"shape": "since_last", "of": "order.placed"} for passed in TIMES}
        shape: dict[str, Any] = {"kind": "stretch", "facts": facts}
        if self.points:
            shape = {"kind": "point", "of": "profile.updated"}
        conditions = {"named": self.tree(2, may_name=False)}
        return RuleFile(
            {**_FRAME, "id": name, **shape, "conditions": conditions, "when": self.tree(), "params": self._params}
        )

    def tree(self, depth: int = 0, *, may_name: bool = True) -> dict[str, Any]:
        """A condition tree."""
        word = self.rng.choice(["all", "any", "not", "leaf", "leaf", "named"])
        if depth == DEEPEST or word == "leaf":
            return self.leaf()
        if word == "named":
            return {"condition": "named"} if may_name else self.leaf()
        if word == "not":
            return {"not": self.tree(depth + 1, may_name=may_name)}
        return {word: [self.tree(depth + 1, may_name=may_name) for _ in range(self.rng.randint(1, 3))]}

    def leaf(self) -> dict[str, Any]:
        """One comparison."""
        rng = self.rng
        if not self.points and rng.random() < 0.15:
            op = rng.choice(["known", "<", "<=", ">=", ">"])
            length = f"{rng.randint(0, 40)}{rng.choice('dhms')}"
            wanted = rng.random() < 0.5 if op == "known" else self._written("duration", length)
            return {"fact": rng.choice(TIMES), "op": op, "value": wanted}
        op, wanted = self._compared()
        fact = rng.choice(FACTS)
        return {"op": op, "value": wanted, **({"field": f"fields.{fact}"} if self.points else {"fact": fact})}

    def _compared(self) -> tuple[str, Any]:
        rng = self.rng
        kind = rng.choice(["number", "number", "word", "set", "bool", "known"])
        if kind == "known":
            return "known", rng.random() < 0.5
        if kind == "bool":
            return rng.choice(["==", "!="]), self._written("bool", rng.random() < 0.5)
        if kind == "word":
            return rng.choice(["==", "!="]), self._written("text", text(rng))
        if kind == "set":
            return rng.choice(["in", "not_in"]), [self._element() for _ in range(rng.randint(1, 4))]
        if rng.random() < 0.3:
            return rng.choice(ORDERS), self._written("int", rng.randint(-3, 10**11))
        # Without a parameter a text that is compared for equality is a word.
        return rng.choice(ORDERS), self._written("decimal", str(decimal(rng)))

    def _element(self) -> Any:
        return self.rng.choice([text(self.rng), self.rng.randint(-3, 9), str(decimal(self.rng))])

    def _written(self, kind: str, value: Any) -> Any:
        """The value as it stands in the file: there and then, or as a parameter."""
        is_plain = kind != "decimal" and not (isinstance(value, str) and value.startswith("$"))
        if is_plain and self.rng.random() < 0.6:
            return value
        name = f"param{len(self._params)}"
        self._params[name] = {"type": kind, "default": value}
        return f"${name}"


def values_for(rng: random.Random, comparisons: Iterable[Comparison], *, of_events: bool = False) -> dict[str, Any]:
    """A value for each fact that is compared: on its threshold, next to it, of another kind, or none.

    `of_events`: only values that an event can carry.
    """
    by_name: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_name.setdefault(comparison.name, []).append(comparison)
    return {name: _value(rng, found, of_events) for name, found in sorted(by_name.items())}


def _value(rng: random.Random, comparisons: list[Comparison], of_events: bool) -> Any:
    comparison = rng.choice(comparisons)
    if rng.random() < 0.1:
        return None
    if rng.random() < 0.1 and not of_events:
        return NOT_KNOWN
    if comparison.is_time:
        length = comparison.wanted if comparison.op != "known" else 0
        return max(0, length + rng.choice([-1, 0, 0, 1, -(10**12), 10**12]))
    wanted = comparison.wanted
    one = rng.choice(wanted) if isinstance(wanted, list) else wanted
    if rng.random() < 0.15:
        return rng.choice([True, False, text(rng), rng.randint(-3, 9)])
    near = _near(rng, one)
    return _carried(rng, near) if of_events else near


def _carried(rng: random.Random, value: Any) -> Any:
    """The value as an event carries it: JSON has no decimals, and beyond 64 bits no whole numbers."""
    number = value.low if isinstance(value, Between) else value
    if isinstance(number, Decimal):
        return rng.choice([format(number, "f"), float(number)])
    return str(number) if isinstance(number, int) and abs(number) >= 2**63 else number


def _near(rng: random.Random, wanted: Any) -> Any:
    """The wanted value or something that is hardly another."""
    if isinstance(wanted, bool):
        return rng.choice([True, False, 1, 0, "true"])
    if isinstance(wanted, str) and not _is_decimal(wanted):
        return rng.choice([wanted, wanted, wanted + " ", wanted[:-1], wanted.swapcase(), wanted.replace("\\", "")])
    return _near_number(rng, Decimal(wanted))


def _near_number(rng: random.Random, wanted: Decimal) -> Any:
    little = Decimal(1).scaleb(-rng.choice([0, 2, 31, 60]))
    number = rng.choice([wanted, wanted, _EXACT.add(wanted, little), _EXACT.subtract(wanted, little)])
    form = rng.choice(["decimal", "text", "longer", "int", "between"])
    if form == "text":
        return format(number, "f")
    if form == "longer":
        return format(number, "f") + ("000" if "." in format(number, "f") else ".000")
    if form == "int":
        return int(number)
    if form == "between":
        return Between(*sorted([number, rng.choice([number, wanted, _EXACT.add(number, little)])]))
    return number


def _is_decimal(value: str) -> bool:
    digits = value.removeprefix("-")
    return value.isascii() and digits.replace(".", "", 1).isdigit() and digits[0] != "." and digits[-1] != "."

"""Rule files that somebody got wrong: seeded changes of good ones, in their text or in what they say."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from typing import Any

import orjson
import yaml


def text_mutant(rng: random.Random, text: str) -> str:
    """The text with a few characters, words or lines changed, doubled, moved or gone."""
    for _ in range(rng.randrange(1, 4)):
        lines = text.split("\n")
        line, place = rng.randrange(len(lines)), rng.randrange(len(text) + 1)
        match rng.randrange(7):
            case 0:
                del lines[line]
                text = "\n".join(lines)
            case 1:
                lines.insert(rng.randrange(len(lines)), lines[line])
                text = "\n".join(lines)
            case 2:
                lines[line] = " " * rng.randrange(8) + lines[line].strip()
                text = "\n".join(lines)
            case 3:
                text = text[:place] + rng.choice("{}[]:,&*!|>'\"%@`#-?\t\0\x85é\U0001f600 0") + text[place:]
            case 4:
                text = text[:place] + text[place + rng.randrange(1, 30) :]
            case 5:
                words = sorted(set(re.findall(r"[\w.$]+", text)))
                one, other = rng.choice(words), rng.choice([*words, "null", "-1", "1e400", "!!python/object:os", "~"])
                text = re.sub(rf"\b{re.escape(one)}\b", other, text, count=rng.randrange(1, 3))
            case _:
                number = rng.choice(re.findall(r"\d+", text) or ["0"])
                text = text.replace(number, rng.choice(["0", "-5", "99999999999999999999", "1.5", "''"]), 1)
    return text


@lru_cache(maxsize=100)
def _read(text: str) -> Any:
    return yaml.safe_load(text)


def tree_mutant(rng: random.Random, text: str, others: list[str]) -> str:
    """The rule with a few of its values replaced, taken away, doubled or taken from another rule."""
    raw, strange = deepcopy(_read(text)), _read(rng.choice(others))
    for _ in range(rng.randrange(1, 4)):
        places = list(_places(raw))
        holder, key = rng.choice(places)
        alike = [found[name] for found, name in (*places, *_places(strange)) if type(found[name]) is type(holder[key])]
        match rng.randrange(12):
            case 0:
                del holder[key]
            case 1:
                holder[key] = rng.choice(VALUES)
            case 2 if isinstance(holder, dict):
                holder[f"{key}_2"] = deepcopy(holder[key])
            case 3 if isinstance(holder, list):
                holder.append(deepcopy(holder[key]))
            case 4 | 5 | 6:
                holder[key] = deepcopy(rng.choice(alike))
            case _:
                holder[key] = _nudged(rng, holder[key])
    return orjson.dumps(raw, option=orjson.OPT_INDENT_2).decode()  # YAML too


VALUES: list[Any] = [None, True, False, 0, -1, 2, 37, 10**9, 0.5, "", "x", "0.5", "-1", "$months", "$x", "CNY", [], {}]
VALUES += ["90d", "0s", "12000d", [0], ["high"], {"is": True}, {"condition": "x"}, {"months": 40}, {"has": "phone"}]
VALUES += [
    "count",
    "latest",
    "share",
    "waiting",
    "orders",
    "instalments",
    "activity.logged",
    "amount",
    "score",
    "point",
]
VALUES += [{"since": {"of": "orders"}}, {"calendar": "year", "full": 3}, {"at_least": "2"}, "fields.x", "contract"]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree that holds something, its examples apart: what holds it, and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        if key != "examples":
            yield value, key
            yield from _places(inner)


def _nudged(rng: random.Random, value: Any) -> Any:
    """Something else of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice([-1, 1, 100])
    if isinstance(value, str) and re.fullmatch(r"-?[0-9.]+", value):
        return rng.choice(["0", "1", "-1", "0.5", "100", "1000000"])
    if isinstance(value, str) and re.fullmatch(r"[0-9]+[dhms]", value):
        return rng.choice(["0s", "1s", "1h", "30d", "365d", "2000d"])
    if isinstance(value, str) and value in OPS:
        return rng.choice(OPS)
    return rng.sample(value, rng.randrange(1, len(value) + 1)) if isinstance(value, list) and value else value


OPS = ["<", "<=", ">=", ">", "==", "!=", "in", "not_in", "known"]

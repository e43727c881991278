"""PURE a spreadsheet's cell as people see it, and numbers without the signs that only make them prettier."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

_DECORATION = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.|[$¥￥€£ ]')
_DIGITS = re.compile(r"[#,]*(?P<zeros>[0,]*)(?:\.(?P<decimals>0+)(?P<more>[#?]*))?")


class _Shape(NamedTuple):
    """What a number format does to a number. None: it is shown as it is."""

    zeros: int
    decimals: int | None


def seen(value: Any, number_format: str) -> str:
    """The text of a cell.

    A day is YYYY-MM-DD and a moment ISO 8601, whatever the format. A number is rounded and filled with zeros as its
    format shows it, without separators or currency; a share shown in percent stays a share.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, number_format)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _number(value: float, number_format: str) -> str:
    # 15 digits are all that a spreadsheet keeps: 0.1 + 0.2 is 0.3 to those who look at it.
    number = Decimal(format(value, ".15g"))
    shape = _shape(number_format)
    if shape.decimals is None:
        if number == number.to_integral_value():
            number = number.to_integral_value()
    else:
        number = number.quantize(Decimal(1).scaleb(-shape.decimals), ROUND_HALF_UP)
    sign = "-" if number < 0 else ""
    whole, point, fraction = format(abs(number), "f").partition(".")
    return sign + whole.zfill(shape.zeros) + point + fraction


@lru_cache(maxsize=1024)
def _shape(number_format: str) -> _Shape:
    pattern = _DECORATION.sub("", number_format.split(";", maxsplit=1)[0])
    match = _DIGITS.fullmatch(pattern)
    if match is None or not pattern:
        return _Shape(0, None)
    zeros = match["zeros"].count("0")
    if match["more"]:
        return _Shape(zeros, None)
    return _Shape(zeros, len(match["decimals"] or ""))

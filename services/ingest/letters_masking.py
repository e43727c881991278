"""PURE what a dead letter shows of people to those who did not ask for it. It may hold anything, so in doubt it hides.

Hidden are the values under names that tell of a person, and whatever looks like a mail address or is a long number.
What is left of a text is enough to know it again.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_PERSONAL = frozenset(
    "name fullname firstname lastname contactname recipient person phone mobile tel telephone fax email mail wechat qq "
    "address bankaccount account iban cardnumber idnumber idcard birthday birthdate born age gender note notes text "
    "comment remark description details 姓名 联系人 电话 手机 手机号 邮箱 地址 账号 银行账号 身份证 身份证号 "
    "生日 备注".split()
)
"""Names of fields, in lower case and without _, - and blanks."""

_LIKELY = ("phone", "mobile", "email", "address", "bankaccount", "birth", "idcard")

_MAIL = re.compile(r"[^\s@\"'<>:,;(){}\[\]\\]{1,64}@[^\s@\"'<>,;(){}\[\]\\]{1,255}")
_NUMBER = re.compile(r"(?<![\w.-])\+?[0-9０-９][0-9０-９ \-]{5,30}[0-9０-９](?![\w.])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_MIN_DIGITS = 7
_LONG = 10**10
"""As long as a mobile number in China; amounts are no JSON numbers."""
HIDDEN = "***"


def masked(event: bytes) -> bytes:
    """The event with what tells of people hidden, pretty-printed; bytes that are no JSON as a text, masked likewise."""
    return pretty(event, mask=True)


def pretty(event: bytes, *, mask: bool = False) -> bytes:
    """For people to read: indented where it is JSON."""
    try:
        document = orjson.loads(event)
    except orjson.JSONDecodeError:
        text = event.decode(errors="replace")
        return (masked_text(text) if mask else text).encode()
    return orjson.dumps(_mask(document) if mask else document, option=orjson.OPT_INDENT_2)


def masked_text(text: str) -> str:
    """A sentence that may quote a value."""
    return _NUMBER.sub(_number, _MAIL.sub(lambda found: f"{found[0][0]}{HIDDEN}@{HIDDEN}", text))


def _mask(node: Any, *, personal: bool = False) -> Any:
    if isinstance(node, dict):
        return {masked_text(name): _mask(value, personal=personal or is_personal(name)) for name, value in node.items()}
    if isinstance(node, list):
        return [_mask(value, personal=personal) for value in node]
    if personal and node is not None and not isinstance(node, bool):
        return _hidden(str(node))
    if isinstance(node, int) and abs(node) >= _LONG:
        return _hidden(str(node))
    return masked_text(node) if isinstance(node, str) else node


def is_personal(name: str) -> bool:
    """Whether a field of that name may hold something of a person."""
    plain = re.sub(r"[\s_-]", "", name).lower()
    return plain in _PERSONAL or any(part in plain for part in _LIKELY)


def _hidden(text: str) -> str:
    return text[:1] + HIDDEN if len(text) > 1 else HIDDEN


def _number(found: re.Match[str]) -> str:
    digits = sum(character.isdigit() for character in found[0])
    if digits < _MIN_DIGITS or _DATE.match(found[0]):
        return found[0]
    return f"{found[0][:2]}{HIDDEN}{found[0][-2:]}"

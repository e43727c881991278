"""PURE: what a program asks to be done with a case, as JSON, turned into an action of a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from schemas.cases import Decision, Money
from schemas.fields import Day, Identifier, Instant, Label
from services.notifier.actions import (
    MAX_NOTE,
    Acknowledge,
    Action,
    Assess,
    Close,
    Comment,
    DecideReview,
    Join,
    OpenReview,
    Reopen,
)
from services.notifier.handing import Assign, Delegate, FinishTask, SetTask

Note = Annotated[str, StringConstraints(max_length=MAX_NOTE)]
MAX_BODY = 64 * 1024


class RequestInvalid(ValueError):
    """The body is not what the action takes; the message says which field and why."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Nothing(_Body):
    pass


class _Decided(_Body):
    decision: Decision
    note: Note


class _Joined(_Body):
    department: Label
    note: Note = ""


class _Text(_Body):
    text: Note


class _Valued(_Body):
    value: Money


class _Given(_Body):
    person: Identifier
    note: Note = ""


class _Delegated(_Given):
    until: Instant


class _Task(_Body):
    person: Identifier
    due: Day
    text: Note
    key: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Done(_Body):
    task: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Closed(_Body):
    decision: Decision
    reason: Note
    value: Money | None = None


class _Reason(_Body):
    reason: Note = Field(min_length=1)


ACTIONS: dict[str, tuple[type[_Body], Callable[[str, Any], Action]]] = {
    "acknowledge": (_Nothing, lambda who, _: Acknowledge(who)),
    "open-review": (_Nothing, lambda who, _: OpenReview(who)),
    "decide": (_Decided, lambda who, body: DecideReview(who, body.decision, body.note)),
    "join": (_Joined, lambda who, body: Join(who, body.department, body.note)),
    "comment": (_Text, lambda who, body: Comment(who, body.text)),
    "value": (_Valued, lambda who, body: Assess(who, body.value)),
    "assign": (_Given, lambda who, body: Assign(who, body.person, body.note)),
    "delegate": (_Delegated, lambda who, body: Delegate(who, body.person, body.until, body.note)),
    "task": (_Task, lambda who, body: SetTask(who, body.person, body.due, body.text, body.key)),
    "finish-task": (_Done, lambda who, body: FinishTask(who, body.task)),
    "close": (_Closed, lambda who, body: Close(who, body.decision, body.reason, body.value)),
    "reopen": (_Reason, lambda who, body: Reopen(who, body.reason)),
}
"""By the last part of the address: what the body holds, and the action that it asks for."""

_VALUE: TypeAdapter[Money] = TypeAdapter(Money)


def read_request(name: str, raw: bytes, person: str) -> Action:
    """The action of a person; an empty body is one without fields. Raises RequestInvalid, KeyError for no action."""
    model, make = ACTIONS[name]
    if len(raw) > MAX_BODY:
        raise RequestInvalid(f"the body has more than {MAX_BODY} bytes")
    try:
        body = orjson.loads(raw or b"{}")
        return make(person, model.model_validate(body))
    except orjson.JSONDecodeError as error:
        raise RequestInvalid(f"the body is no JSON: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise RequestInvalid(f"{where}: {first['msg']}") from None


def read_value(amount: str, currency: str) -> Money | None:
    """The money of a form; None where no amount was given. Raises RequestInvalid."""
    if not amount.strip():
        return None
    try:
        return _VALUE.validate_python({"amount": amount.strip().replace(",", ""), "currency": currency.strip()})
    except ValidationError as error:
        raise RequestInvalid(error.errors(include_url=False)[0]["msg"]) from None

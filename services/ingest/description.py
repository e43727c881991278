"""The OpenAPI description of what ingest takes and answers. Its examples run as tests."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.events import EVENT_MODELS, Retraction
from services.ingest.answers import PROBLEM_JSON, LineResult, Problem, Refused, Results, SummaryLine
from services.ingest.judge import JSON_TYPES, LINES_TYPES, MAX_BATCH_EVENTS, MAX_BODY_BYTES

Json = dict[str, Any]

_MIB = MAX_BODY_BYTES // 1024**2

POST_DESCRIPTION = f"""
Takes one event, an array of up to {MAX_BATCH_EVENTS} events, one event in CloudEvents binary mode (`ce-…` headers), or
a stream of any length with one event a line. `Content-Encoding: gzip` is taken everywhere; a body, out of its gzip, has
at most {_MIB} MiB, a stream any number.

* **202**: every event is acknowledged by the broker (all in-sync replicas), or kept until it is known whose it is
  (status `waiting`): it must not be sent again either.
* **200**: to a stream. The results come line by line while it is read; the last line is the summary, and only it says
  whether all was taken, or from which line to go on.
* **422**: at least one event was refused. Each has a result: those with status `accepted` *are* durable and must not be
  sent again; those with status `rejected` name the field and the reason, and their bytes are in the dead letters.
* **400**: the body cannot be read (truncated, NaN, …). Nothing is accepted; if it is no JSON, its bytes are in the dead
  letters.
* **401**: no key (`Authorization: Bearer bw_…`), or one that does not work, where keys are asked for.
* **403**: the key covers none of the events. Where it covers some, those it does not are `not_allowed` in a **422**.
* **429**: more events than the sender may send. Send the whole request again after `Retry-After` seconds. A stream is
  read more slowly instead.
* **408**, **413**, **415**: too slow, too large, or of no type that is taken. Nothing is accepted or kept.
* **503**: nothing is claimed to be durable. Send the whole request again after `Retry-After` seconds: an event is
  recognised by (source, id), so one that got through already does no harm.

With an `Idempotency-Key` the same request is answered as the first time for 24 hours, without being done again; the
same key with another body is **422** (`idempotency_key_reused`), and **409** while the first is still at work.

`ignored_fields` names fields that Bellwether does not know; they were kept out of the event.
"""

EVENT: Json = {
    "specversion": "1.0",
    "id": "2026-000123",
    "source": "erp",
    "type": "bellwether.contact.changed",
    "time": "2026-11-22T09:00:00+08:00",
    "subject": "C001",
    "data": {"contact_id": "K7", "change": "left", "decision_role": "procurement"},
}
SECOND: Json = {
    **EVENT,
    "id": "2026-000124",
    "type": "bellwether.promise.met",
    "data": {"promise_id": "P-9"},
}
REFUSED: Json = {**SECOND, "id": "2026-000125", "data": {}}

_EVENT_REF = {"$ref": "#/components/schemas/Event"}
_BATCH = {"type": "array", "items": _EVENT_REF, "maxItems": MAX_BATCH_EVENTS}
_LINES = {"type": "string", "description": "one event in JSON a line, in UTF-8"}

BINARY_HEADERS = {f"ce-{name}": EVENT[name] for name in ("specversion", "id", "source", "type", "time", "subject")}


def _result(event: Json, code: str = "ok", errors: tuple[Json, ...] = (), index: int = 0) -> Json:
    status = "accepted" if code == "ok" else "rejected"
    return {
        "index": index,
        "id": event["id"],
        "source": event["source"],
        "status": status,
        "code": code,
        "errors": list(errors),
        "ignored_fields": [],
    }


_MISSING = {"field": "data.promise_id", "reason": "Field required"}
ACCEPTED_ANSWER: Json = {"results": [_result(EVENT)], "accepted": 1, "waiting": 0, "rejected": 0}
REFUSED_ANSWER: Json = {
    "type": "urn:bellwether:problem:invalid",
    "title": "Events were refused",
    "status": 422,
    "detail": "1 of 2 events were refused: each result says why",
    "code": "invalid",
    "results": [_result(EVENT), _result(REFUSED, "invalid", (_MISSING,), 1)],
    "accepted": 1,
    "waiting": 0,
    "rejected": 1,
}


def operation() -> Json:
    """POST /v1/events, which FastAPI does not know of."""
    return {
        "operationId": "post_events_v1_events_post",
        "summary": "Send events",
        "description": POST_DESCRIPTION.strip(),
        "parameters": parameters(),
        "requestBody": request_body(),
        "responses": responses(),
        "security": [{}, {name: [] for name in SECURITY}],
    }


def request_body() -> Json:
    """What is posted, by media type."""
    lines = "".join(f"{orjson.dumps(event).decode()}\n" for event in (EVENT, SECOND))
    whole = {
        "event": {"summary": "one event", "value": EVENT},
        "binary": {"summary": "binary mode: the data, beside ce-… headers", "value": EVENT["data"]},
    }
    batch = {"batch": {"summary": "two events", "value": [EVENT, SECOND]}}
    refused = {"refused": {"summary": "the second is refused", "value": [EVENT, REFUSED]}}
    data = {"type": "object", "description": "in binary mode: the event's data alone"}
    by_type: Json = {
        "application/json": {"schema": {"anyOf": [_EVENT_REF, _BATCH, data]}, "examples": {**whole, **batch}},
        "application/cloudevents+json": {"schema": _EVENT_REF, "examples": {"event": whole["event"]}},
        "application/cloudevents-batch+json": {"schema": _BATCH, "examples": {**batch, **refused}},
        **{name: {"schema": _LINES, "examples": {"lines": {"value": lines}}} for name in LINES_TYPES},
    }
    assert set(by_type) == {*JSON_TYPES, *LINES_TYPES}
    return {"required": True, "content": by_type}


def parameters() -> list[Json]:
    """Headers and the query."""
    text = {"type": "string"}
    listed = [
        ("Content-Encoding", {"type": "string", "enum": ["gzip", "identity"]}, "of the body", None),
        (
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 202},
            "1 to 200 visible ASCII characters, with or without quotes; not for streams",
            "8e03978e-40d5-43dd-bc93-6894a57f9324",
        ),
        *((name, text, "binary mode: the event's attribute", value) for name, value in BINARY_HEADERS.items()),
    ]
    headers = [
        {"name": name, "in": "header", "required": False, "schema": schema, "description": about}
        | ({} if example is None else {"example": example})
        for name, schema, about, example in listed
    ]
    results = {"type": "string", "enum": ["all", "refused"], "default": "all"}
    about = "of a stream: tell of every line, or only of the refused ones"
    query = {"name": "results", "in": "query", "required": False, "schema": results, "description": about}
    return [*headers, query]


def responses() -> Json:
    """By status; None: any other."""
    retry = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    authenticate = {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}}
    accept = {"Accept-Encoding": {"description": "to an encoding that is not taken", "schema": {"type": "string"}}}
    replayed = {
        "Idempotency-Replayed": {"description": "true for an answer that was kept", "schema": {"type": "string"}}
    }
    refused = {"anyOf": [_ref(Refused), _ref(Problem)]}
    line = {"anyOf": [_ref(LineResult), _ref(SummaryLine)]}
    return {
        "200": {
            "description": "A stream was read: a result a line, and a summary in the last",
            "content": {LINES_TYPES[0]: {"schema": {"type": "string"}, "x-line-schema": line}},
        },
        "202": {
            "description": "All events are durable",
            "headers": replayed,
            "content": {"application/json": {"schema": _ref(Results), "example": ACCEPTED_ANSWER}},
        },
        "400": _problem("The body cannot be read", headers=replayed),
        "401": _problem("No key, or one that does not work, where keys are asked for", authenticate),
        "403": {
            "description": "The key covers none of the events",
            "content": {PROBLEM_JSON: {"schema": refused}},
        },
        "408": _problem("The header or the body was too slow"),
        "409": _problem("The first request with this Idempotency-Key is still at work", retry),
        "413": _problem("Too much at once"),
        "415": _problem("A content type or an encoding that is not taken", accept),
        "422": {
            "description": "Events were refused, or an Idempotency-Key was used for another body",
            "headers": replayed,
            "content": {PROBLEM_JSON: {"schema": refused, "example": REFUSED_ANSWER}},
        },
        "429": _problem("More events than the sender may send: send the same again", retry),
        "431": _problem("The request's header is too large"),
        "500": _problem("An error of ours"),
        "503": _problem("Nothing is claimed: send the same again", retry),
    }


def _problem(description: str, headers: Json | None = None) -> Json:
    answer: Json = {"description": description, "content": {PROBLEM_JSON: {"schema": _ref(Problem)}}}
    return answer if headers is None else {**answer, "headers": headers}


def state_responses() -> Json:
    """Of /healthz and /readyz."""
    problems = {"type": "object", "additionalProperties": {"type": "string"}}
    state = {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["ok", "failing"]},
            "problems": problems,
            "notes": problems,
        },
        "required": ["status", "problems"],
    }
    content = {"application/json": {"schema": state}}
    return {
        "200": {"description": "All is well", "content": content},
        "503": {"description": "It is not: `problems` says why", "content": content},
    }


SECURITY: Json = {"key": {"type": "http", "scheme": "bearer", "description": "a key of `bellwether ingest keys add`"}}
"""Where no keys are asked for, none has to be shown."""


def components() -> Json:
    """The schemas of all events and answers, by name."""
    models: list[type[BaseModel]] = [*EVENT_MODELS.values(), Retraction]
    models += [Results, Refused, Problem, LineResult, SummaryLine]
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in models]
    _, document = models_json_schema(wanted, by_alias=True, ref_template="#/components/schemas/{model}")
    schemas: Json = document["$defs"]
    events = [_ref(model) for model in (*EVENT_MODELS.values(), Retraction)]
    return {**schemas, "Event": {"anyOf": events, "description": "a CloudEvents 1.0 event, by its type"}}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}

"""The shapes of ingest's answers, for the code and for the OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from services.ingest.judge import BadBody, Judgement, Verdict
from services.ingest.keys import NOT_ALLOWED
from services.ingest.publisher import TryLater
from services.ingest.tallying import Tally

PROBLEM_JSON = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field, and what is wanted."""

    field: str
    reason: str


class Result(BaseModel):
    """What became of one event. `id` and `source` are null where they could not be read. One that is `waiting` is kept,
    and goes on its topic once it is known whose it is: it must not be sent again."""

    index: int
    id: str | None
    source: str | None
    status: Literal["accepted", "waiting", "rejected"]
    code: str
    errors: list[FieldProblem]
    ignored_fields: list[str]


class Results(BaseModel):
    """One result for each event, in the order of the request."""

    results: list[Result]
    accepted: int
    waiting: int
    rejected: int


class LineResult(BaseModel):
    """What became of one line of a stream. Empty lists are left out."""

    line: int
    id: str | None
    source: str | None
    status: Literal["accepted", "waiting", "rejected"]
    code: str
    errors: list[FieldProblem] = []
    ignored_fields: list[str] = []


class Summary(BaseModel):
    """The end of a stream's results. If it is not `complete`, `code` and `detail` say why, and the stream is to be sent
    again from `next_line`, the first line of which nothing is claimed."""

    complete: bool
    code: str
    detail: str | None = None
    retry_after_s: int | None = None
    lines: int
    accepted: int
    waiting: int
    rejected: int
    next_line: int


class SummaryLine(BaseModel):
    """The last line."""

    summary: Summary


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class Refused(Results, Problem):
    """The results where any event was refused. `code` is that of the refused if all have the same, else `several`."""


TITLES = {
    400: "The body cannot be read",
    401: "No key that works",
    403: "Not allowed",
    404: "There is nothing here",
    405: "Wrong method",
    409: "Still at work",
    408: "Too slow",
    413: "Too large",
    415: "Unsupported content type",
    422: "Events were refused",
    429: "Too many",
    431: "Header too large",
    500: "An error of ours",
    503: "Try again later",
}


def results_answer(judgement: Judgement) -> Response:
    """202 when every event was accepted, 422 when any was refused (the others are durable all the same), 403 when the
    sender's key covers none of them."""
    results = [_result(verdict) for verdict in judgement.verdicts]
    statuses = [result["status"] for result in results]
    rejected = statuses.count("rejected")
    body = {
        "results": results,
        "accepted": statuses.count("accepted"),
        "waiting": statuses.count("waiting"),
        "rejected": rejected,
    }
    if not rejected:
        return Response(orjson.dumps(body), 202, media_type="application/json")
    codes = {verdict.code for verdict in judgement.verdicts if verdict.status == "rejected"}
    status = 403 if codes == {NOT_ALLOWED} and rejected == len(judgement.verdicts) else 422
    detail = f"{rejected} of {len(judgement.verdicts)} events were refused: each result says why"
    problem = _problem(status, codes.pop() if len(codes) == 1 else "several", detail)
    return Response(orjson.dumps({**problem, **body}), status, media_type=PROBLEM_JSON)


def line_results(judgement: Judgement, *, only_refused: bool) -> bytes:
    """The results of some lines of a stream, as lines."""
    told = (verdict for verdict in judgement.verdicts if not only_refused or verdict.status == "rejected")
    return b"".join(orjson.dumps(_line_result(verdict), option=orjson.OPT_APPEND_NEWLINE) for verdict in told)


def _line_result(verdict: Verdict) -> dict[str, Any]:
    result = _result(verdict)
    line = {"line": result.pop("index"), **result}
    return {name: value for name, value in line.items() if value != []}


def summary_line(tally: Tally, trouble: BadBody | TryLater | None = None) -> bytes:
    """The last line of a stream's results; `trouble` is what cut it short."""
    summary: dict[str, Any] = {"complete": trouble is None, "code": "ok" if trouble is None else trouble.code}
    if trouble is not None:
        summary["detail"] = trouble.message
    if isinstance(trouble, TryLater):
        summary["retry_after_s"] = trouble.after_s
    counts = {
        "lines": tally.lines,
        "accepted": tally.accepted,
        "waiting": tally.waiting,
        "rejected": tally.rejected,
    }
    document = {"summary": {**summary, **counts, "next_line": tally.next_line}}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def problem_answer(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer about the request as a whole."""
    return Response(orjson.dumps(_problem(status, code, detail)), status, headers, media_type=PROBLEM_JSON)


def kept_answer(status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    """An answer that was given before."""
    return Response(body, status, headers, media_type="application/json" if status == 202 else PROBLEM_JSON)


def _problem(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": f"urn:bellwether:problem:{code}",
        "title": TITLES.get(status, "The request failed"),
        "status": status,
        "detail": detail,
        "code": code,
    }


def _result(verdict: Verdict) -> dict[str, Any]:
    return {
        "index": verdict.index,
        "id": verdict.event_id,
        "source": verdict.source,
        "status": verdict.status,
        "code": verdict.code,
        "errors": [{"field": error.field, "reason": error.reason} for error in verdict.errors],
        "ignored_fields": list(verdict.ignored_fields),
    }

"""What programs may do with a case, over HTTP, in the name of an account: `Authorization: Bearer <token>`.

`bellwether notifier token` makes the token. Answers are JSON; a refusal lists its reasons with stable codes.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from services.notifier.case_requests import ACTIONS, MAX_BODY, RequestInvalid, read_request
from services.notifier.desk import Desk, DeskError, NotFound
from services.notifier.recording import Origin
from services.notifier.views import CaseView, Session

_BEARER = "bearer "
MAX_TOKEN = 200


def signed_in(request: Request, desk: Desk) -> Session | None:
    """Whose token the request bears; None for none, one that has expired, and one whose person has left. A cookie does
    not count: other sites' forms send it along."""
    given = request.headers.get("authorization", "")
    if not given.lower().startswith(_BEARER) or len(given) > MAX_TOKEN:
        return None
    session = desk.session(given[len(_BEARER) :].strip())
    return session if session is not None and desk.person(session.account.person) is not None else None


def origin_of(request: Request) -> Origin:
    """From where it comes, for the ledger."""
    address = request.client.host if request.client else ""
    return Origin("api", address, request.headers.get("user-agent", ""))


def unauthorized() -> Response:
    """The answer to who bears no token that counts."""
    said = {
        "error": "unauthorized",
        "detail": "send Authorization: Bearer <token>; bellwether notifier token makes one",
    }
    return JSONResponse(said, 401, {"WWW-Authenticate": "Bearer"})


def add_case_api(app: FastAPI, desk: Desk) -> None:
    """POST /api/cases/{case_id}/{action}, with the fields of docs/cases.md as JSON. What has been done already is
    answered like what was done now. GET /api/cases/{case_id} tells how a case stands."""

    @app.get("/api/cases/{case_id}")
    def show(request: Request, case_id: str) -> Response:
        if signed_in(request, desk) is None:
            return unauthorized()
        try:
            return JSONResponse(standing(desk.get_case(case_id.replace("\x00", ""))))
        except NotFound as error:
            return _refusal("not_found", error, 404)

    @app.post("/api/cases/{case_id}/{action}")
    def act(request: Request, case_id: str, action: str, raw: Annotated[bytes, Depends(_body)]) -> Response:
        session = signed_in(request, desk)
        if session is None:
            return unauthorized()
        if action not in ACTIONS or "\x00" in case_id:
            return JSONResponse({"error": "not_found", "detail": f"the actions are {', '.join(ACTIONS)}"}, 404)
        try:
            wanted = read_request(action, raw, session.account.person)
            desk.coming_from(origin_of(request)).do(case_id, wanted)
        except RequestInvalid as error:
            return JSONResponse({"error": "invalid", "detail": str(error)}, 422)
        except NotFound as error:
            return _refusal("not_found", error, 404)
        except DeskError as error:
            return _refusal("refused", error, 409)
        return JSONResponse({"case_id": case_id, "action": action, "person": session.account.person})


async def _body(request: Request) -> bytes:
    """As much of it as may be read: one byte too many is enough to refuse it."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BODY:
            break
    return bytes(found[: MAX_BODY + 1])


def standing(view: CaseView) -> dict[str, Any]:
    """How a case stands, for programs: no explanation, no pages."""
    line, work = view.line, view.work
    found: dict[str, Any] = {
        "case_id": line.id,
        "customer_id": line.customer_id,
        "stage": line.stage,
        "severity": line.severity,
        "owner": line.owner,
        "opened_at": line.opened_at.isoformat(),
        "closed_at": line.closed_at.isoformat() if line.closed_at else None,
        "review": line.review,
        "review_due": line.due.isoformat() if line.due else None,
        "departments_joined": list(view.departments_joined),
        "departments_asked": {one.department: list(one.people) for one in view.team if not one.joined},
        "missing_to_close": [reason.code for reason in view.missing],
        "warnings": [{"id": one.warning.id, "rule": one.warning.rule, "state": one.state} for one in view.warnings],
    }
    if work is not None:
        found |= {
            "assignee": work.assignee,
            "value_at_risk": work.value,
            "tasks": [
                {"id": one.id, "person": one.person, "due": one.due.isoformat(), "status": one.status}
                for one in work.todos
            ],
        }
    return found


def _refusal(error: str, why: DeskError, status: int) -> Response:
    reasons = [{"code": reason.code, "zh": reason.text.zh, "en": reason.text.en} for reason in why.reasons]
    return JSONResponse({"error": error, "reasons": reasons}, status)

"""What programs may do with a case, over HTTP, in the name of an account: `Authorization: Bearer <token>`.

`bellwether notifier token` makes the token. Answers are JSON; a refusal lists its reasons with stable codes.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from services.notifier.desk import Desk, DeskError, NotFound
from services.notifier.recording import Origin
from services.notifier.views import Session

_BEARER = "bearer "
MAX_TOKEN = 200

ACTIONS: dict[str, Callable[[Desk, str, str], None]] = {
    "acknowledge": lambda desk, case_id, person: desk.acknowledge(case_id, person),
    "open-review": lambda desk, case_id, person: desk.open_review(case_id, person),
}


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
    """POST /api/cases/{case_id}/acknowledge and /open-review; an empty body will do. Done again they change nothing."""

    @app.post("/api/cases/{case_id}/{action}")
    def act(request: Request, case_id: str, action: str) -> Response:
        session = signed_in(request, desk)
        if session is None:
            return unauthorized()
        do = ACTIONS.get(action)
        if do is None or "\x00" in case_id:
            return JSONResponse({"error": "not_found", "detail": f"the actions are {', '.join(ACTIONS)}"}, 404)
        try:
            do(desk.coming_from(origin_of(request)), case_id, session.account.person)
        except NotFound as error:
            return _refusal("not_found", error, 404)
        except DeskError as error:
            return _refusal("refused", error, 409)
        return JSONResponse({"case_id": case_id, "action": action, "person": session.account.person})


def _refusal(error: str, why: DeskError, status: int) -> Response:
    reasons = [{"code": reason.code, "zh": reason.text.zh, "en": reason.text.en} for reason in why.reasons]
    return JSONResponse({"error": error, "reasons": reasons}, status)

"""From ASGI to plain values and back: a bounded request, an endpoint around a blocking handler, response headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.notifier.console.safety import HEADERS, LINK_HEADERS
from services.notifier.links import PATH
from services.notifier.recording import Origin, Via

FORM_BYTES = 64 * 1024
FORM_FIELDS = 50
FORM_TYPE = "application/x-www-form-urlencoded"

SESSION_COOKIE = "bellwether_session"
VISITOR_COOKIE = "bellwether_visitor"
LANGUAGE_COOKIE = "bellwether_language"
SAID_COOKIE = "bellwether_said"
LANGUAGE_KEPT_S = 365 * 24 * 3600
SAID_KEPT_S = 30


@dataclass(frozen=True)
class Call:
    """A request as plain values. `form` is empty for GET; the last of several equal names counts."""

    method: str
    path: str
    target: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    cookies: Mapping[str, str]
    accept_language: str
    secure: bool
    address: str = ""
    agent: str = ""

    def origin(self, via: Via) -> Origin:
        """From where it comes, for the ledger."""
        return Origin(via, self.address, self.agent)

    def text(self, name: str) -> str:
        """A field of the form, stripped, with lines ending as people count them; "" when it is not there."""
        return self.form.get(name, "").replace("\r\n", "\n").strip()


class BadRequest(Exception):
    """The body is not a form that a page of ours sends: `status` says how."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def read_call(request: Request) -> Call:
    """Raises BadRequest for a body that is too long or no form."""
    query = request.url.query
    return Call(
        method=request.method,
        path=request.url.path,
        target=request.url.path + (f"?{query}" if query else ""),
        params={name: str(value) for name, value in request.path_params.items()},
        query=dict(request.query_params),
        form=await _read_form(request) if request.method == "POST" else {},
        cookies=request.cookies,
        accept_language=request.headers.get("accept-language", ""),
        secure=request.url.scheme == "https",
        address=request.client.host if request.client else "",
        agent=request.headers.get("user-agent", ""),
    )


async def _read_form(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
        raise BadRequest(415, f"send a form as {FORM_TYPE}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise BadRequest(413, f"a form may have at most {FORM_BYTES} bytes")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS))
    except ValueError:
        raise BadRequest(400, "the form cannot be read") from None


def endpoint(handler: Callable[[Call], Response]) -> Callable[[Request], Awaitable[Response]]:
    """The desk blocks on its database, so a handler runs on a thread, never on the event loop."""

    async def serve(request: Request) -> Response:
        try:
            call = await read_call(request)
        except BadRequest as error:
            return PlainTextResponse(f"{error}\n", error.status)
        return await run_in_threadpool(handler, call)

    return serve


def see_other(path: str) -> RedirectResponse:
    """After a POST: the browser fetches `path`, so that a reload does not act twice."""
    return RedirectResponse(path, 303)


def keep_cookie(response: Response, call: Call, name: str, value: str, max_age_s: int | None = None) -> None:
    """Out of reach of scripts, not sent along with other sites' forms, and only by https where the page came by it."""
    response.set_cookie(name, value, max_age=max_age_s, httponly=True, samesite="lax", secure=call.secure, path="/")


def drop_cookie(response: Response, call: Call, name: str) -> None:
    """The same attributes as keep_cookie, or browsers keep it."""
    response.delete_cookie(name, httponly=True, samesite="lax", secure=call.secure, path="/")


class SafeHeaders:
    """Adds the security headers to every answer. Pages are never cached: they show customers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = {**HEADERS, **LINK_HEADERS} if scope["path"].startswith(f"{PATH}/") else HEADERS
        caching = "max-age=3600" if scope["path"].startswith("/static/") else "no-store"

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers[name] = value
                headers["Cache-Control"] = caching
            await send(message)

        await self._app(scope, receive, send_safely)

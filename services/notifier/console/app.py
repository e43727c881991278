"""The console as one ASGI application. The only place where its parts are put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from services.notifier.acting import ActLinks
from services.notifier.console.cases import ACTIONS, act, show_case, show_list
from services.notifier.console.findings import show_customer, show_finding, show_rejected, show_suggestions
from services.notifier.console.gate import Gate, Visit, not_found
from services.notifier.console.holds import lift_hold, set_hold, show_holds
from services.notifier.console.inbox import finish_task, mark_read, show_inbox, show_tasks
from services.notifier.console.links import Door
from services.notifier.console.look import STATIC, Look
from services.notifier.console.methods import PATH as METHODS
from services.notifier.console.methods import MethodsPage
from services.notifier.console.signin import HOME, change_language, show_sign_in, sign_in, sign_out
from services.notifier.console.texts import load_texts
from services.notifier.console.undelivered import drop_page, send_again, show_undelivered
from services.notifier.console.web import Call, SafeHeaders, endpoint, see_other
from services.notifier.desk import Desk
from services.notifier.links import PATH
from services.notifier.own_methods import OwnMethods

Handler = Callable[[Visit], Response]
DEFAULT_ZONE = ZoneInfo("Asia/Shanghai")


def build_console(
    desk: Desk, zone: ZoneInfo = DEFAULT_ZONE, links: ActLinks | None = None, methods: OwnMethods | None = None
) -> ASGIApp:
    """The pages on `desk`, with times in the company's `zone`. Mount it at "/": its addresses are absolute paths.
    Without `links` those in pages lead nowhere; without `methods` nobody sees their own."""
    gate = Gate(desk, Look(zone), load_texts(), has_methods=methods is not None)
    acting = _for_links(Door(gate, links)) if links is not None else []
    own = _for_methods(gate, MethodsPage(methods)) if methods is not None else []
    app = Starlette(routes=_public(gate) + acting + own + _for_members(gate), middleware=[Middleware(SafeHeaders)])
    app.router.redirect_slashes = False
    return app


def _public(gate: Gate) -> list[BaseRoute]:
    """The only addresses that answer without a session."""

    def form(call: Call) -> Response:
        return see_other(HOME) if gate.visit(call) else show_sign_in(gate, call)

    return [
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/sign-in", endpoint(form), methods=["GET"]),
        Route("/sign-in", endpoint(lambda call: sign_in(gate, call)), methods=["POST"]),
        Route("/language", endpoint(lambda call: change_language(gate, call)), methods=["POST"]),
    ]


def _for_links(door: Door) -> list[BaseRoute]:
    """They answer without a session too: what their addresses hold is the proof."""
    path = f"{PATH}/{{token}}"
    return [
        Route(path, endpoint(door.show), methods=["GET"]),
        Route(path, endpoint(door.act), methods=["POST"]),
    ]


def _for_methods(gate: Gate, page: MethodsPage) -> list[BaseRoute]:
    return [
        _get(gate, METHODS, page.show),
        _post(gate, f"{METHODS}/code", page.send_code),
        _post(gate, f"{METHODS}/confirm", page.confirm),
        _post(gate, f"{METHODS}/test", page.test),
    ]


def _for_members(gate: Gate) -> list[BaseRoute]:
    def home(_visit: Visit) -> Response:
        return see_other(HOME)

    get, post = partial(_get, gate), partial(_post, gate)
    return [
        get("/", home),
        get("/cases", show_list),
        get("/cases/{case_id}", show_case),
        *(post(f"/cases/{{case_id}}/{name}", partial(act, action=name)) for name in ACTIONS),
        get("/inbox", show_inbox),
        post("/inbox/{message_id}/read", mark_read),
        get("/customers/{customer_id}", show_customer),
        get("/findings/{warning_id}", show_finding),
        get("/suggestions", show_suggestions),
        get("/holds", show_holds),
        post("/holds", set_hold),
        post("/holds/{hold_id}/lift", lift_hold),
        get("/rejected", show_rejected),
        get("/undelivered", show_undelivered),
        post("/undelivered/{page_id}/retry", send_again),
        post("/undelivered/{page_id}/drop", drop_page),
        get("/tasks", show_tasks),
        post("/tasks/{task_id}/done", finish_task),
        post("/sign-out", sign_out),
        get("/{unknown:path}", not_found),
    ]


def _get(gate: Gate, path: str, handler: Handler) -> Route:
    return Route(path, endpoint(gate.member(handler)), methods=["GET"])


def _post(gate: Gate, path: str, handler: Handler) -> Route:
    return Route(path, endpoint(gate.member(handler)), methods=["POST"])

"""Signing in and out, and the language."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from starlette.responses import Response

from services.notifier.console.gate import Gate, Visit
from services.notifier.console.safety import local_path, new_token
from services.notifier.console.texts import LANGUAGES
from services.notifier.console.web import (
    LANGUAGE_COOKIE,
    LANGUAGE_KEPT_S,
    SESSION_COOKIE,
    VISITOR_COOKIE,
    Call,
    drop_cookie,
    keep_cookie,
    see_other,
)
from services.notifier.desk import SignInFailed

HOME = "/cases"
NAME_CHARS = 200
PASSWORD_CHARS = 1000


def show_sign_in(gate: Gate, call: Call, problem: str | None = None, status: int = 200) -> Response:
    """The form, with the user name kept after a failure. Gives the visitor a cookie for the form's CSRF token."""
    secret = call.cookies.get(VISITOR_COOKIE) or new_token()
    wanted = local_path(call.text("next") or call.query.get("next", ""), HOME)
    frame = replace(gate.stranger(call, secret), here=f"/sign-in?next={quote(wanted, safe='')}")
    if problem:
        frame = replace(frame, problems=(frame.texts(problem),))
    values = {"name": call.text("name")[:NAME_CHARS], "wanted": wanted}
    response = gate.look.page("signin.html", frame, gate.desk.now(), values, status)
    keep_cookie(response, call, VISITOR_COOKIE, secret)
    return response


def sign_in(gate: Gate, call: Call) -> Response:
    """Opens a session and goes on to the page that was wanted, if it is one of ours."""
    name, password = call.text("name")[:NAME_CHARS], call.form.get("password", "")[:PASSWORD_CHARS]
    account_key = name.casefold()
    if not gate.form_is_ours(call):
        return show_sign_in(gate, call, "signin.stale", 403)
    # Asked before the password is looked at: a guess must not even cost us the hash.
    if gate.failures.must_wait(account_key, gate.desk.now()):
        return show_sign_in(gate, call, "signin.wait", 429)
    try:
        account = gate.desk.authenticate(name, password)
    except SignInFailed:
        gate.failures.failed(account_key, gate.desk.now())
        return show_sign_in(gate, call, "signin.failed", 401)
    if gate.desk.person(account.person) is None:
        return show_sign_in(gate, call, "signin.no_person", 403)
    gate.failures.succeeded(account_key)
    session = gate.desk.open_session(account)
    response = see_other(local_path(call.text("next"), HOME))
    keep_cookie(response, call, SESSION_COOKIE, session.token)
    drop_cookie(response, call, VISITOR_COOKIE)
    return response


def sign_out(visit: Visit) -> Response:
    """Ends the session on the server too, so that a copied cookie is worth nothing."""
    visit.desk.close_session(visit.session.token)
    response = see_other("/sign-in")
    drop_cookie(response, visit.call, SESSION_COOKIE)
    return response


def change_language(gate: Gate, call: Call) -> Response:
    """Remembers the language in this browser, signed in or not, and comes back to the same page."""
    response = see_other(local_path(call.text("next"), HOME))
    if gate.form_is_ours(call) and call.text("language") in LANGUAGES:
        keep_cookie(response, call, LANGUAGE_COOKIE, call.text("language"), LANGUAGE_KEPT_S)
    return response

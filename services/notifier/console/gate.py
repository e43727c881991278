"""Who gets in. Every page goes through `Gate.member`, which asks for a session, and for its CSRF token on each POST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from services.notifier.console.look import Frame, Look
from services.notifier.console.safety import FailedSignIns, csrf_holds, csrf_token, same
from services.notifier.console.texts import Language, Texts, choose_language
from services.notifier.console.web import (
    LANGUAGE_COOKIE,
    SAID_COOKIE,
    SAID_KEPT_S,
    SESSION_COOKIE,
    VISITOR_COOKIE,
    Call,
    drop_cookie,
    keep_cookie,
    see_other,
)
from services.notifier.desk import Desk, NotFound
from services.notifier.people import Person
from services.notifier.views import Session

UNREAD_COUNTED = 100


@dataclass(frozen=True)
class Visit:
    """A request of somebody who has signed in."""

    call: Call
    desk: Desk
    look: Look
    texts: Texts
    session: Session
    person: Person
    now: datetime
    has_methods: bool = False

    def page(self, template: str, section: str, problems: tuple[str, ...] = (), **values: object) -> HTMLResponse:
        """Renders a page, with the line that says what the last action did."""
        frame = self.frame(section, problems)
        response = self.look.page(template, frame, self.now, values)
        if SAID_COOKIE in self.call.cookies:
            drop_cookie(response, self.call, SAID_COOKIE)
        return response

    def frame(self, section: str, problems: tuple[str, ...] = ()) -> Frame:
        """What surrounds the page."""
        said = self.call.cookies.get(SAID_COOKIE, "")
        return Frame(
            texts=self.texts,
            csrf=self.session.csrf,
            here=way_back(self.call),
            person=self.person,
            unread=sum(not message.read for message in self.desk.inbox(self.person.id, UNREAD_COUNTED)),
            section=section,
            has_methods=self.has_methods,
            # A word of the catalogue, never the cookie's own text.
            said=self.texts.known(f"done.{said}", "") or None,
            problems=problems,
        )

    def done(self, path: str, what: str) -> Response:
        """After an action: back to a page, which says what was done (`done.<what>` of the catalogue)."""
        response = see_other(path)
        keep_cookie(response, self.call, SAID_COOKIE, what, SAID_KEPT_S)
        return response


def way_back(call: Call) -> str:
    """The page to show after signing in or changing the language: this one, or the one whose form was sent."""
    if call.method != "POST":
        return call.target
    section, *rest = call.path.strip("/").split("/")
    if section == "cases" and rest:
        return f"/cases/{rest[0]}"
    return f"/{section}" if section in ("holds", "inbox", "methods", "tasks", "undelivered") else "/"


@dataclass(frozen=True)
class Gate:
    """What requests are answered with. One for the life of the process. `has_methods`: there is a page of them."""

    desk: Desk
    look: Look
    texts: Mapping[Language, Texts]
    has_methods: bool = False
    failures: FailedSignIns = field(default_factory=FailedSignIns)

    def member(self, handler: Callable[[Visit], Response]) -> Callable[[Call], Response]:
        """Lets only people with a session in, and acts only on forms that we gave them."""

        def answer(call: Call) -> Response:
            visit = self.visit(call)
            if visit is None:
                return see_other(f"/sign-in?next={quote(way_back(call), safe='')}")
            if call.method == "POST" and not same(visit.session.csrf, call.text("csrf")):
                return visit.look.page("message.html", visit.frame(""), visit.now, {"message": "frame.bad_form"}, 403)
            if any("\x00" in value for value in call.params.values()):
                # No name of ours has one, and PostgreSQL would not even compare it.
                return not_found(visit)
            try:
                return handler(visit)
            except NotFound:
                return not_found(visit)

        return answer

    def visit(self, call: Call) -> Visit | None:
        """The visit of the session in the cookie. None when there is none, it has expired, or its person has left."""
        token = call.cookies.get(SESSION_COOKIE, "")
        session = self.desk.session(token) if token else None
        person = self.desk.person(session.account.person) if session else None
        if session is None or person is None:
            return None
        texts = self.texts[choose_language(call.cookies.get(LANGUAGE_COOKIE), person.language)]
        desk = self.desk.coming_from(call.origin("console"))
        return Visit(call, desk, self.look, texts, session, person, self.desk.now(), self.has_methods)

    def stranger(self, call: Call, secret: str) -> Frame:
        """The frame of the pages before signing in; `secret` is the visitor's cookie."""
        texts = self.texts[choose_language(call.cookies.get(LANGUAGE_COOKIE), call.accept_language)]
        return Frame(texts=texts, csrf=csrf_token(secret), here="/")

    def form_is_ours(self, call: Call) -> bool:
        """Whether a POST carries the CSRF token of the session, or of the visitor's cookie before signing in."""
        visit = self.visit(call)
        if visit is not None:
            return same(visit.session.csrf, call.text("csrf"))
        return csrf_holds(call.cookies.get(VISITOR_COOKIE, ""), call.text("csrf"))


def not_found(visit: Visit) -> Response:
    """Says so, in the frame of the signed-in reader."""
    frame = replace(visit.frame(""), said=None)
    return visit.look.page("message.html", frame, visit.now, {"message": "frame.not_found"}, 404)

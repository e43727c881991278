"""The pages of the links in messages: GET shows what one would do, POST does it. Nobody signs in: the link will do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.responses import PlainTextResponse, Response

from services.notifier.acting import ActLinks, AlreadyUsed, FormTooOld, Offer, Used
from services.notifier.console.gate import Gate
from services.notifier.console.look import Frame
from services.notifier.console.safety import Limit
from services.notifier.console.texts import Texts, choose_language
from services.notifier.console.web import LANGUAGE_COOKIE, Call
from services.notifier.desk import NotFound, Refused
from services.notifier.links import PATH, Expired, Forged

FORGED = Limit(20, timedelta(minutes=10))
"""Links from one address that are none of ours; after so many they get no page for a while."""

OF_A_LINK = Limit(30, timedelta(minutes=1))
"""Requests for one link that is ours: scanners and impatient people."""


@dataclass
class Door:
    """What links are answered with. One for the life of the process."""

    gate: Gate
    links: ActLinks
    forged: Limit = field(default_factory=FORGED.anew)
    of_a_link: Limit = field(default_factory=OF_A_LINK.anew)

    def show(self, call: Call) -> Response:
        """GET: changes nothing."""
        return self._answer(call, lambda token: self._page(call, self.links.look(token)))

    def act(self, call: Call) -> Response:
        """POST: does it once."""

        def done(token: str) -> Response:
            offer = self.links.act(token, call.form.get("form", ""), call.origin("link"))
            return self._page(call, offer, done=True)

        return self._answer(call, done)

    def _answer(self, call: Call, handle: Callable[[str], Response]) -> Response:
        now, token = self.gate.desk.now(), call.params["token"]
        if self.of_a_link.reached(token, now):
            return self._message(call, "link.wait", 429)
        try:
            answer = handle(token)
        except Forged:
            # The database was not asked, and a link that is ours counts however many others were tried.
            return self._forged(call)
        except (Expired, AlreadyUsed, FormTooOld, NotFound, Refused) as reason:
            answer = self._not_done(call, token, reason)
        self.of_a_link.count(token, now)
        return answer

    def _forged(self, call: Call) -> Response:
        now = self.gate.desk.now()
        if self.forged.reached(call.address, now):
            return PlainTextResponse("too many links that are not valid; try again later\n", 429)
        self.forged.count(call.address, now)
        return self._message(call, "link.unknown", 404)

    def _not_done(self, call: Call, token: str, reason: Exception) -> Response:
        match reason:
            case AlreadyUsed():
                # Most who come again only want to be sure: they are told what was done, and when.
                return self._page(call, self.links.look(token), status=409)
            case Refused():
                offer = self.links.look(token)
                texts = self._texts(call, offer)
                said = tuple(dict.fromkeys(texts.of(one.text) for one in reason.reasons))
                return self._page(call, offer, said)
            case Expired():
                return self._expired(call, reason)
            case FormTooOld():
                return self._message(call, "link.old_form", 403)
        return self._message(call, "link.gone", 404)

    def _expired(self, call: Call, expired: Expired) -> Response:
        used = self.links.used(expired.link)
        if used is not None:
            return self._message(call, "link.used", 410, said=f"link_done.{expired.link.action}", used=used)
        return self._message(call, "link.expired", 410)

    def _page(
        self, call: Call, offer: Offer, problems: tuple[str, ...] = (), *, done: bool = False, status: int = 200
    ) -> Response:
        texts = self._texts(call, offer)
        frame = Frame(texts=texts, csrf="", here="/", problems=problems)
        here = f"{PATH}/{call.params['token']}"
        values = {"offer": offer, "here": here, "done": done}
        return self.gate.look.page("link.html", frame, self.gate.desk.now(), values, status)

    def _message(
        self, call: Call, message: str, status: int, said: str | None = None, used: Used | None = None
    ) -> Response:
        """Of a link that is none of ours nothing is said that would tell whose case there is."""
        frame = Frame(texts=self._texts(call, None), csrf="", here="/")
        values = {"message": message, "said": said, "used": used}
        return self.gate.look.page("link_message.html", frame, self.gate.desk.now(), values, status)

    def _texts(self, call: Call, offer: Offer | None) -> Texts:
        if offer is not None:
            return self.gate.texts[offer.person.language]
        return self.gate.texts[choose_language(call.cookies.get(LANGUAGE_COOKIE), call.accept_language)]

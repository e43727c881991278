"""The reader's own contact methods: each is proved by a code, and tried by a test message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from services.notifier.button import NoSuchMethod
from services.notifier.codes import DIGITS, Answer
from services.notifier.console.gate import Visit
from services.notifier.own_methods import MethodView, NoSuchAddress, OwnMethods

PATH = "/methods"
CODE_CHARS = 20
"""More than a code has: people type blanks into it."""

_GOOD = {Answer.SENT: "code_sent", Answer.CONFIRMED: "method_proved", Answer.VERIFIED_ALREADY: "method_proved"}


@dataclass(frozen=True)
class MethodsPage:
    """The page and its forms. One for the life of the process."""

    methods: OwnMethods

    def show(self, visit: Visit) -> Response:
        """All addresses of the reader."""
        return self._page(visit)

    def send_code(self, visit: Visit) -> Response:
        """A code goes to the address of the form."""
        return self._ask(visit, "send", lambda key: self.methods.send_code(visit.person.id, key))

    def confirm(self, visit: Visit) -> Response:
        """The code of the form proves its address."""
        code = visit.call.text("code")[:CODE_CHARS].replace(" ", "")
        if not code:
            return self._problem(visit, visit.texts("methods.confirm_empty", n=DIGITS))
        return self._ask(visit, "confirm", lambda key: self.methods.confirm(visit.person.id, key, code))

    def test(self, visit: Visit) -> Response:
        """A test message goes there, and what became of it is told."""
        try:
            tried = self.methods.test(visit.person.id, visit.call.text("method"), visit.call.text("channel")[:200])
        except (NoSuchAddress, NoSuchMethod):
            return self._problem(visit, visit.texts("methods.unknown_method"))
        if tried.sent:
            return visit.done(PATH, f"test_{tried.outcome}")
        said = visit.texts("methods.said", said=tried.said)
        return self._problem(visit, visit.texts(f"methods.test_{tried.outcome}"), said)

    def _ask(self, visit: Visit, what: str, ask: Callable[[str], Answer]) -> Response:
        try:
            answer = ask(visit.call.text("method"))
        except NoSuchAddress:
            answer = Answer.UNKNOWN_METHOD
        if answer in _GOOD:
            return visit.done(PATH, _GOOD[answer])
        # Of codes and of attempts there may be too many; what helps is another thing.
        key = f"{what}_too_many" if answer is Answer.TOO_MANY else answer.value
        return self._problem(visit, visit.texts(f"methods.{key}"))

    def _problem(self, visit: Visit, *sentences: str) -> Response:
        """Which address it is about is said first: there may be several."""
        about = next((one for one in self._mine(visit) if one.key == visit.call.text("method")), None)
        if about is None:
            return self._page(visit, sentences)
        channel = visit.texts.known(f"channel.{about.channel}", about.channel)
        first = visit.texts("methods.about", channel=channel, address=about.shown, problem=sentences[0])
        return self._page(visit, (first, *sentences[1:]), about.key)

    def _page(self, visit: Visit, problems: tuple[str, ...] = (), wrong: str = "") -> Response:
        mine = self._mine(visit)
        return visit.page("methods.html", "methods", problems, methods=mine, wrong=wrong, digits=DIGITS)

    def _mine(self, visit: Visit) -> list[MethodView]:
        return self.methods.of(visit.person.id, visit.now)

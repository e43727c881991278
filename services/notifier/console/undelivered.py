"""The page of what could not be delivered, and what people decide about each."""

from __future__ import annotations

from starlette.responses import Response

from services.notifier.bounds import MAX_NUMBER
from services.notifier.console.gate import Visit
from services.notifier.desk import NotFound, Refused
from services.notifier.undelivered import MAX_REASON

PATH = "/undelivered"


def show_undelivered(visit: Visit) -> Response:
    """Those that wait for a decision, or those about which somebody has decided."""
    return _page(visit)


def _page(visit: Visit, problems: tuple[str, ...] = ()) -> Response:
    handled = visit.call.query.get("state") == "handled"
    found = visit.desk.list_undelivered(handled=handled)
    waiting = visit.desk.summary().undelivered
    return visit.page(
        "undelivered.html", "", problems, undelivered=found, handled=handled, waiting=waiting, reason_chars=MAX_REASON
    )


def send_again(visit: Visit) -> Response:
    """One is sent again."""
    return _decide(visit, "sent_again")


def drop_page(visit: Visit) -> Response:
    """One is sent to nobody."""
    return _decide(visit, "dropped")


def _decide(visit: Visit, what: str) -> Response:
    number = visit.call.params["page_id"]
    if not (number.isascii() and number.isdigit() and len(number) < 11 and 0 < int(number) <= MAX_NUMBER):
        raise NotFound
    try:
        if what == "dropped":
            visit.desk.drop_page(int(number), visit.person.id, visit.call.text("reason"))
        else:
            visit.desk.send_again(int(number), visit.person.id, visit.call.text("reason"))
    except Refused as refused:
        return _page(visit, tuple(visit.texts.of(reason.text) for reason in refused.reasons))
    return visit.done(PATH, what)

"""The page of holds: which pages are kept back, why and until when; to make one, and to lift one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote, urlencode

from starlette.responses import Response

from schemas.warnings import SEVERITIES
from services.notifier.console.gate import Visit
from services.notifier.desk import Refused
from services.notifier.holds import GRAVEST, HOLD_KINDS, MAX_REASON, Hold
from services.notifier.views import Refusal

_DAYS = re.compile(r"[1-9][0-9]{0,2}")
_HOURS = re.compile(r"[1-9][0-9]{0,3}")


def show_holds(visit: Visit) -> Response:
    """Those of one customer, or of all."""
    return _page(visit)


def set_hold(visit: Visit) -> Response:
    """Makes one, or shows the page with the reasons against it and the input kept."""
    wanted, problems = _read(visit)
    if wanted is None:
        return _page(visit, problems)
    try:
        visit.desk.hold(wanted)
    except Refused as refused:
        return _page(visit, _said(visit, refused.reasons))
    return visit.done(f"/holds?{urlencode({'customer': wanted.customer_id})}", "held")


def lift_hold(visit: Visit) -> Response:
    """Ends one now."""
    try:
        visit.desk.lift_hold(visit.call.params["hold_id"], visit.person.id)
    except Refused as refused:
        return _page(visit, _said(visit, refused.reasons))
    customer = visit.call.text("customer")
    return visit.done(f"/holds?customer={quote(customer, safe='')}" if customer else "/holds", "lifted")


def _page(visit: Visit, problems: tuple[str, ...] = ()) -> Response:
    customer = visit.call.query.get("customer", "") or visit.call.text("customer")
    filled = {"customer": customer, "rule": visit.call.query.get("rule", ""), **visit.call.form}
    return visit.page(
        "holds.html",
        "",
        problems,
        holds=visit.desk.list_holds(customer or None),
        customer=customer,
        customer_name=visit.desk.directory.customer_name(customer) if customer else "",
        kinds=HOLD_KINDS,
        severities=SEVERITIES,
        filled=filled,
        reason_chars=MAX_REASON,
    )


def _read(visit: Visit) -> tuple[Hold | None, tuple[str, ...]]:
    call = visit.call
    kind = next((kind for kind in HOLD_KINDS if kind == call.text("kind")), None)
    days, hours = _DAYS.fullmatch(call.text("days")), _HOURS.fullmatch(call.text("pause_hours"))
    if kind is None or days is None or (kind == "cooldown" and hours is None):
        return None, (visit.texts("holds.incomplete"),)
    up_to = next((one for one in SEVERITIES if one == call.text("up_to")), GRAVEST[kind])
    pause = timedelta(hours=int(hours[0])) if hours is not None and kind == "cooldown" else None
    end = visit.now + timedelta(days=int(days[0]))
    about = call.text("rule"), call.text("customer"), call.text("reason"), visit.person.id
    return Hold(uuid.uuid4().hex, kind, *about, visit.now, end, up_to, pause), ()


def _said(visit: Visit, reasons: Sequence[Refusal]) -> tuple[str, ...]:
    return tuple(visit.texts.of(reason.text) for reason in reasons)

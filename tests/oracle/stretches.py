"""R2, R3, R5 and R5a, each written out by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.oracle.knobs import FAIRS, KEY_CHANGES, KEY_ROLES, Knobs
from tests.oracle.standing import Standing, of_kind, when
from tests.oracle.worlds import Span, spans


def key_contact_changes(events: list[Standing]) -> set[tuple[str, datetime]]:
    """R2: (contact, instant) of each change of a person or role that was more than a rumour."""
    return {
        (event.data.contact_id, min(when(event), when(event, "effective_at")))
        for event in of_kind(events, "contact.changed")
        if event.data.change in KEY_CHANGES
        and event.data.decision_role in KEY_ROLES
        and event.data.certainty == "announced"
    }


def meets_competitors(events: list[Standing], knobs: Knobs, zone: ZoneInfo, clock: datetime) -> list[Span]:
    """R3."""
    fairs = [when(event, "occurred_at") for event in of_kind(events, "competitor.activity") if event.data.kind in FAIRS]

    def often(at: datetime, _: bool) -> bool:
        days = {fair.astimezone(zone).date() for fair in fairs if at - knobs.r3_window < fair <= at}
        return len(days) >= knobs.r3_days

    return spans(often, [*fairs, *(fair + knobs.r3_window for fair in fairs)], clock)


def unconfirmed(
    events: list[Standing], after: timedelta, until: timedelta | None, clock: datetime
) -> dict[str, list[Span]]:
    """R5 and R5a: by first contract, while it is `after` (and not yet `until`) from signing and nobody has asked."""
    signed = [(event.data.contract_id, when(event, "signed_at")) for event in of_kind(events, "contract.signed")]
    asked = [when(e, "at") for e in of_kind(events, "activity.logged") if e.data.kind == "needs_confirmation"]
    firsts = {(contract, at) for contract, at in signed if at == min(at for _, at in signed)}

    found = {}
    for contract, signing in firsts:

        def waiting(at: datetime, _: bool, signing: datetime = signing) -> bool:
            in_time = until is None or at < signing + until
            return signing + after <= at and in_time and not any(answer <= at for answer in asked)

        limits = [signing + after] if until is None else [signing + after, signing + until]
        found[contract] = spans(waiting, [*limits, *asked], clock)
    return found

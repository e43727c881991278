"""R2, R3, R5, R5a and R7."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.oracle.knobs import FAIRS, KEY_CHANGES, KEY_ROLES, NO_CONTACT, Knobs
from tests.oracle.money import ZERO, payments
from tests.oracle.standing import Standing, first_of_month, midnight, months_between, of_kind, previous_month, when
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


class Importance:
    """R7's measures of one customer, each as known at an instant."""

    def __init__(self, events: list[Standing], knobs: Knobs, zone: ZoneInfo, clock: datetime) -> None:
        self.knobs, self.zone = knobs, zone
        self.received = payments(events)
        self.flags = sorted(
            (when(event, "at"), event.time, event.source, event.id, event.data.fields["important"] is True)
            for event in of_kind(events, "profile.updated")
            if "important" in event.data.fields
        )
        self.owners = [when(event, "at") for event in of_kind(events, "customer.owner_changed")]
        self.contacts = [
            when(event, "at")
            for event in of_kind(events, "activity.logged")
            if not event.data.automated and event.data.outcome not in NO_CONTACT
        ]
        self.turns = sorted({*(at for at, *_ in self.flags), *self._month_starts(clock)})

    def _month_starts(self, clock: datetime) -> list[datetime]:
        if not self.received:
            return []
        first = min(payment.data.value_date for payment in self.received)
        months = months_between(first, clock.astimezone(self.zone).date())
        return [midnight(first_of_month(month), self.zone) for month in months]

    def important(self, at: datetime, unknowns: bool) -> bool:
        flagged = [flag[-1] for flag in self.flags if flag[0] <= at]
        return bool(flagged and flagged[-1]) or self._much_received(at, unknowns)

    def _much_received(self, at: datetime, unknowns: bool) -> bool:
        local = at.astimezone(self.zone)
        month = (local.year, local.month)
        for _ in range(self.knobs.r7_stay_months):
            month = previous_month(month)
            total, foreign = self._receipts(month)
            if total >= self.knobs.r7_receipts or (foreign and unknowns):
                return True
        return False

    def _receipts(self, month: tuple[int, int]) -> tuple[Decimal, bool]:
        """What came in the rule's currency, and whether something came in another."""
        of_month = [p.data for p in self.received if (p.data.value_date.year, p.data.value_date.month) == month]
        home = [data.amount for data in of_month if data.currency == self.knobs.r7_currency]
        return sum(home, ZERO), len(home) < len(of_month)

    def important_since(self, at: datetime, unknowns: bool) -> datetime:
        """The start of the stretch of importance that contains `at`; only asked while it is important."""
        since = at
        for turn in reversed([turn for turn in self.turns if turn <= at]):
            if not self.important(turn, unknowns):
                break
            since = turn
        return since

    def neglected(self, at: datetime, unknowns: bool) -> bool:
        """R7."""
        if not self.important(at, unknowns):
            return False
        contacts = [contact for contact in self.contacts if contact <= at]
        if contacts:
            since = max(contacts)
        else:
            owners = [owner for owner in self.owners if owner <= at]
            since = max([self.important_since(at, unknowns), *owners])
        return at - since >= self.knobs.r7_limit


def not_followed_up(events: list[Standing], knobs: Knobs, zone: ZoneInfo, clock: datetime) -> list[Span]:
    """R7."""
    view = Importance(events, knobs, zone, clock)
    begins = [*view.turns, *view.owners, *view.contacts]
    return spans(view.neglected, [*begins, *(at + knobs.r7_limit for at in begins)], clock)

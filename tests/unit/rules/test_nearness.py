"""How close a quiet rule is: of several ways in which it could come to hold the nearest is told."""

from __future__ import annotations

from schemas.customers import NearMiss, decode_record
from schemas.events import Event
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.calendar import SECOND, instant
from services.rules.examples import EXAMPLE_ZONE
from tests.unit.rules.making import at, event, payment

RULES = {rule.id: rule for rule in read_rules(SHIPPED)}


def near(rule: str, now: str, *events: Event) -> NearMiss:
    """What is told of a rule that is near."""
    (found,) = nears(rule, now, *events)
    return found


def nears(rule: str, now: str, *events: Event) -> list[NearMiss]:
    """What is told of a rule, if it is near."""
    wanted = [rule]
    for name in wanted:
        wanted += [other for other in RULES[name].results if other not in wanted]
    core = assemble([RULES[name] for name in wanted], EXAMPLE_ZONE, 36, None, 600 * SECOND)
    state = core.open("C", {})
    for offset, one in enumerate(events, start=1):
        core.apply(state, one, offset=offset, now=at(now))
    core.wake(state, now=at(now) + 600 * SECOND)
    head = dict(core.close(state).snapshots)[""]
    assert head is not None
    told = decode_record(head)
    return [one for one in told.near_misses if one.rule == rule]  # type: ignore[union-attr]


def confirmed(section: str, day: str) -> Event:
    return event("profile.updated", day, section=section, confirmed_unchanged=True, id=f"{section}-{day}")


def test_of_several_sections_of_the_archive_the_one_that_is_due_first_is_told() -> None:
    signed = event("contract.signed", "2026-01-01", contract_id="K")
    others = [confirmed(section, "2026-01-15") for section in ("relationship", "transaction", "external")]
    told = near("R11", "2026-04-01", signed, *others, confirmed("basic", "2026-03-01"))
    assert told.text.en.startswith("time since the relationship section's update: due in ")
    assert told.due == instant(at("2026-04-17"))


def test_a_customer_who_is_not_important_comes_no_nearer_to_being_neglected_by_time() -> None:
    call = event("activity.logged", "2026-03-20 09:00", kind="call", channel="phone")
    paid = payment("P", "2026-02-10", "170000.00")
    assert nears("R7", "2026-04-01", call) == []
    assert nears("R7", "2026-04-01", call, paid) == [], "a third of what makes it important"
    more = payment("Q", "2026-03-10", "300000.00")
    (told,) = nears("R7", "2026-04-01", call, more)
    assert "300000.00 of 500000.00" in told.text.en
    flagged = event("profile.updated", "2026-01-02", section="basic", fields={"important": True})
    (told,) = nears("R7", "2026-04-01", call, flagged)
    assert told.due == instant(at("2026-04-19 09:00"))


def test_a_class_is_called_by_its_name_in_both_languages() -> None:
    terms = {"amount": "1.00", "currency": "CNY", "issue_date": "2026-01-02"}
    late = [
        event("invoice.issued", "2026-01-02", invoice_id=f"I{day}", due_date=day, **terms)
        for day in ("2026-01-20", "2026-02-20")
    ]
    told = near("R10b", "2026-04-01", *late)
    assert told.text.zh.startswith("价值：目前 价值低；")
    assert told.text.en.startswith("value: now low value; ")

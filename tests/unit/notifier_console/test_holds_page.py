"""The page on which managers keep pages back."""

from __future__ import annotations

from services.notifier.views import CaseFilter
from tests.unit.notifier_console.office import Office
from tests.unit.notifier_console.visitor import Visitor, words

HOSTILE = '<script>alert(1)</script>"><b>'


def wish(customer: str, **changes: str) -> dict[str, str]:
    """The fields of the form."""
    return {"kind": "exemption", "customer": customer, "rule": "R7", "days": "3", "reason": "a strike", **changes}


def a_customer(office: Office) -> str:
    return office.desk.list_cases(CaseFilter(person="emma.brown"))[0].customer_id


def test_a_superior_keeps_pages_back_and_lifts_it_again(superior: Visitor, office: Office) -> None:
    customer = a_customer(office)
    answer = superior.act("/holds", "/holds", **wish(customer, reason=HOSTILE))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/holds?customer={customer}")
    (one,) = office.desk.list_holds()
    assert (one.hold.kind, one.hold.up_to, one.hold.author) == ("exemption", "critical", "li.na")
    page = superior.get(f"/holds?customer={customer}")
    assert "豁免" in words(page)
    assert HOSTILE not in page.text
    assert superior.act("/holds", f"/holds/{one.hold.id}/lift", customer=customer).status_code == 303
    assert office.desk.list_holds() == []
    assert superior.act("/holds", f"/holds/{one.hold.id}/lift").status_code == 404


def test_an_owner_may_snooze_and_not_exempt_and_what_was_filled_in_stays(colleague: Visitor, office: Office) -> None:
    customer = a_customer(office)
    refused = colleague.act("/holds", "/holds", **wish(customer))
    assert refused.status_code == 422
    assert "for the superiors of the customer" in words(refused)
    assert 'value="R7"' in refused.text
    assert "a strike" in refused.text
    assert colleague.act("/holds", "/holds", **wish(customer, kind="snooze")).status_code == 303
    assert office.desk.list_holds(customer)[0].hold.up_to == "high"


def test_a_cooldown_needs_its_pause_and_every_field_is_looked_at(superior: Visitor, office: Office) -> None:
    customer = a_customer(office)
    for wrong in (
        {"kind": "cooldown"},
        {"kind": "for ever"},
        {"days": "0"},
        {"days": "x"},
        {"reason": ""},
        {"rule": ""},
    ):
        assert superior.act("/holds", "/holds", **wish(customer, **wrong)).status_code == 422, wrong
    assert office.desk.list_holds() == []
    assert superior.act("/holds", "/holds", **wish(customer, kind="cooldown", pause_hours="24")).status_code == 303
    assert "每 24.0 小时最多一次" in words(superior.get("/holds"))


def test_nobody_holds_anything_without_a_session_or_our_form(
    visitor: Visitor, superior: Visitor, office: Office
) -> None:
    customer = a_customer(office)
    assert visitor.get("/holds").headers["location"].startswith("/sign-in")
    assert visitor.post("/holds", **wish(customer)).headers["location"].startswith("/sign-in")
    assert superior.post("/holds", **wish(customer)).status_code == 403
    assert office.desk.list_holds() == []


def test_the_customers_page_leads_there(superior: Visitor, office: Office) -> None:
    customer = a_customer(office)
    assert f"/holds?customer={customer}" in superior.get(f"/customers/{customer}").text

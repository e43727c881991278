"""What stands beside cases: one task or suggestion, the list of suggestions, one customer, rejected records."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from services.notifier.console.gate import Visit
from services.notifier.console.story import enumeration
from services.notifier.console.web import see_other


def show_finding(visit: Visit) -> Response:
    """A task or suggestion with its explanation and history. A warning is told in its case."""
    view = visit.desk.find(visit.call.params["warning_id"])
    if view.case_id is not None:
        return see_other(f"/cases/{quote(view.case_id, safe='')}#{quote(view.warning.id, safe='')}")
    people = enumeration(view.task.people, visit.texts) if view.task else ""
    section = "suggestions" if view.warning.output == "suggestion" else "tasks"
    return visit.page("finding.html", section, view=view, people=people)


def show_suggestions(visit: Visit) -> Response:
    """Suggestions about the reader's customers, or everybody's."""
    everyone = visit.call.query.get("whose") == "all"
    found = visit.desk.list_suggestions(None if everyone else visit.person.id)
    return visit.page("suggestions.html", "suggestions", suggestions=found, everyone=everyone)


def show_customer(visit: Visit) -> Response:
    """Cases, tasks and suggestions of one customer."""
    return visit.page("customer.html", "", customer=visit.desk.get_customer(visit.call.params["customer_id"]))


def show_rejected(visit: Visit) -> Response:
    """Records of the warnings topic that could not be kept."""
    return visit.page("rejected.html", "", records=visit.desk.list_rejected())

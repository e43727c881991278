"""Who is told, who must review, and whether that can be done at all. PURE."""

from __future__ import annotations

from services.rules.definition import Definition
from services.rules.linting_found import Looking


def look_at_people(looking: Looking) -> None:
    """Finds warnings that reach nobody, reviews that nobody could finish, and what belongs to other outputs."""
    definition = looking.rule.definition
    if definition.output in ("warning", "suggestion") and not definition.audience:
        looking.error(
            ["output"], f"nobody is told of the {definition.output}: add audience: [owner] or [owner, superior]"
        )
    if definition.department == "":
        looking.error(["department"], "is empty: name a department, or take `department` away")
    _look_at_review(looking, definition)
    if definition.judges:
        for name in ("severity", "audience", "department"):
            if name in definition.model_fields_set:
                looking.error([name], f"a {definition.output} is told to nobody: take `{name}` away")


def _look_at_review(looking: Looking, definition: Definition) -> None:
    review = definition.review
    if review is None:
        return
    if definition.output != "warning":
        looking.error(["review"], f"only a warning is reviewed, and this is a {definition.output}: take `review` away")
    departments = set(review.departments)
    if len(departments) < len(review.departments):
        looking.error(["review", "departments"], "names a department twice: take one of them away")
    if review.quorum > len(departments):
        said = f"{review.quorum} departments are wanted and {len(departments)} named, so no case could be closed"
        looking.error(["review", "quorum"], f"{said}: name more, or want fewer")

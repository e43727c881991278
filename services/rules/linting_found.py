"""What the lint finds, and what it looks at. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from services.rules.compiling import Rule
from services.rules.conditions import Leaf
from services.rules.linting_kinds import Kind, fact_kind, field_kind

Level = Literal["error", "warning"]


class Finding(NamedTuple):
    """Something wrong in a rule file: `said` is what is wrong and what to write instead. Warnings may be left."""

    file: str
    line: int
    rule: str
    said: str
    level: Level = "error"

    @property
    def text(self) -> str:
        """The sentence with its place."""
        return f"{self.file}:{self.line}: {self.rule}: {self.said}"


@dataclass
class Looking:
    """A rule that compiled, what it is read with, and what was found in it so far."""

    file: str
    rule: Rule
    rules: Mapping[str, Rule]
    horizon_months: int
    found: list[Finding] = field(default_factory=list)

    def error(self, path: list[str], said: str) -> None:
        """Something that must be mended, at a place of the file."""
        self._add(path, said, "error")

    def warning(self, path: list[str], said: str) -> None:
        """Something that may be meant as it is."""
        self._add(path, said, "warning")

    def _add(self, path: list[str], said: str, level: Level) -> None:
        finding = Finding(self.file, self.rule.definition.line(path), self.rule.id, said, level)
        if finding not in self.found:
            self.found.append(finding)

    def kind(self, leaf: Leaf) -> Kind:
        """The kind of what a leaf compares."""
        if leaf.fact in self.rule.facts:
            return fact_kind(leaf.fact, self.rule, self.rules)
        return field_kind(self.of, leaf.fact)

    @property
    def of(self) -> str:
        """What a point is of: an event type or series."""
        of = self.rule.definition.of
        return str(of["of"] if isinstance(of, dict) else of)

    def raw(self, leaf: Leaf) -> Mapping[str, Any]:
        """The leaf as the file writes it."""
        raw = at_place(self.rule.definition, self.rule.places[leaf.name])
        assert isinstance(raw, dict), "a leaf is a mapping"
        return raw

    def place(self, leaf: Leaf) -> list[str]:
        """Where the leaf stands."""
        return list(self.rule.places[leaf.name])

    def parameter(self, raw: Any) -> str | None:
        """The parameter that a value names, if it does."""
        is_one = isinstance(raw, str) and raw.startswith("$") and raw[1:] in self.rule.params
        return raw[1:] if is_one else None


def at_place(whole: Any, path: tuple[str, ...]) -> Any:
    """What stands at a place of a definition."""
    for part in path:
        if isinstance(whole, dict):
            whole = whole[part]
        elif isinstance(whole, (list, tuple)):
            whole = whole[int(part)]
        else:
            whole = getattr(whole, part)
    return whole

"""How one customer stands, for a person: classes, scores and their inputs, what is open, what is near. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.customers import ClassNow, CustomerSnapshot, NearMiss, OpenEpisode, ScoreInput, ScoreNow
from schemas.warnings import Bilingual

WORDS = {
    "as_of": Bilingual(zh="截至", en="as of"),
    "owner": Bilingual(zh="负责人", en="owner"),
    "region": Bilingual(zh="区域", en="region"),
    "team": Bilingual(zh="团队", en="team"),
    "classes": Bilingual(zh="类别", en="Classes"),
    "scores": Bilingual(zh="得分", en="Scores"),
    "warnings": Bilingual(zh="未解除的预警、任务与建议", en="Open warnings, tasks and suggestions"),
    "near": Bilingual(zh="接近触发的规则", en="Rules that are near"),
    "nothing": Bilingual(zh="无", en="none"),
    "open": Bilingual(zh="依据不足，未定", en="not known: too little to go by"),
    "since": Bilingual(zh="自", en="since"),
    "ranked": Bilingual(zh="排名截至", en="ranking of"),
    "weight": Bilingual(zh="权重", en="weight"),
    "points": Bilingual(zh="分", en="points"),
    "missing": Bilingual(zh="缺数据", en="missing"),
    "due": Bilingual(zh="到期", en="due"),
}

SEVERITY = {
    "low": Bilingual(zh="低", en="low"),
    "medium": Bilingual(zh="中", en="medium"),
    "high": Bilingual(zh="高", en="high"),
    "critical": Bilingual(zh="紧急", en="critical"),
}


def by_due(near: NearMiss) -> tuple[bool, float, str, str]:
    """The order in which near misses are shown: the soonest first, then what time alone does not bring."""
    return (near.due is None, near.due.timestamp() if near.due else 0.0, near.rule, near.subject)


@dataclass(frozen=True)
class Standing:
    """Writes a snapshot in one language, with instants of one zone."""

    language: str
    zone: ZoneInfo

    def lines(self, snapshot: CustomerSnapshot) -> Iterator[str]:
        """Everything, line by line."""
        yield self._head(snapshot)
        yield from self._section("classes", [self._class(*one) for one in sorted(snapshot.classes.items())])
        yield from self._section("scores", [self._score(*one) for one in sorted(snapshot.scores.items())])
        yield from self._section("warnings", [[self._episode(one)] for one in snapshot.episodes])
        near = sorted(snapshot.near_misses, key=by_due)
        yield from self._section("near", [[self._near(one)] for one in near])

    def _head(self, snapshot: CustomerSnapshot) -> str:
        said = [("owner", snapshot.owner), ("region", snapshot.region), ("team", snapshot.team)]
        parts = [f"{self._word(name)} {value}" for name, value in said if value]
        return "  ".join([snapshot.customer_id, f"{self._word('as_of')} {self._at(snapshot.as_of)}", *parts])

    def _section(self, name: str, entries: list[list[str]]) -> Iterator[str]:
        yield ""
        yield self._word(name)
        for entry in entries or [[self._word("nothing")]]:
            yield from (f"  {line}" for line in entry)

    def _class(self, rule: str, now: ClassNow) -> list[str]:
        value = self._word("open") if now.value is None else self._text(now.name) or now.value
        first = self._titled(rule, now.rule_name, value, self._since(now.since), self._ranked(now.ranked_at))
        return [first, *(f"    {self._text(words)}" for words in (now.says, now.advice) if words)]

    def _score(self, rule: str, now: ScoreNow) -> list[str]:
        value = self._word("open") if now.value is None else format(now.value, "f")
        first = self._titled(rule, now.rule_name, value, self._since(now.since))
        return [first, *(f"    {self._input(one)}" for one in now.inputs)]

    def _input(self, one: ScoreInput) -> str:
        part = self._word("missing") if one.part is None else f"{one.part:f} {self._word('points')}"
        name = self._text(one.label) or one.name
        said = f"{name}{self._colon}{'–' if one.value is None else one.value} → {part}"
        return self._noted(said, f"{self._word('weight')} {one.weight:f}", self._ranked(one.ranked_at))

    def _episode(self, one: OpenEpisode) -> str:
        name = " ".join(part for part in (self._text(one.rule_name), one.subject) if part)
        return self._noted(f"{one.rule} {name}", self._text(SEVERITY[one.severity]), self._since(one.start))

    def _near(self, one: NearMiss) -> str:
        name = " ".join(part for part in (self._text(one.rule_name), one.subject) if part)
        due = "" if one.due is None else f"{self._word('due')} {self._at(one.due)}"
        return self._noted(f"{one.rule} {name}{self._colon}{self._text(one.text)}", due)

    def _titled(self, rule: str, name: Bilingual | None, value: str, *notes: str) -> str:
        title = " ".join(part for part in (rule, self._text(name)) if part)
        return self._noted(f"{title}{self._colon}{value}", *notes)

    def _noted(self, text: str, *notes: str) -> str:
        joined = ("，" if self.language == "zh" else ", ").join(note for note in notes if note)
        if not joined:
            return text
        return f"{text}（{joined}）" if self.language == "zh" else f"{text} ({joined})"

    def _since(self, at: datetime | None) -> str:
        return "" if at is None else f"{self._word('since')} {self._at(at)}"

    def _ranked(self, at: datetime | None) -> str:
        return "" if at is None else f"{self._word('ranked')} {self._at(at)}"

    @property
    def _colon(self) -> str:
        return "：" if self.language == "zh" else ": "

    def _word(self, name: str) -> str:
        return self._text(WORDS[name])

    def _text(self, words: Bilingual | None) -> str:
        return "" if words is None else words.zh if self.language == "zh" else words.en

    def _at(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M")

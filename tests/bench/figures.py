"""What is made of measurements: medians, ratios, verdicts, tables. Without any input or output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, NamedTuple

README_HEADING = "## Speed"
COMPILED = ", compiled"
"""Ends the names of sections, and of the rows in the README, that were measured on the compiled core."""
README_NEXT = "## Run it for real"
"""Where the section goes when the README does not have it yet."""


class Sample(NamedTuple):
    """At an instant (epoch seconds) so many events were done, and so many CPU seconds spent since the start."""

    at_s: float
    done: int
    cpu_s: float


@dataclass(frozen=True)
class Lap:
    """One run of a worker over all events, from the first sample that shows any done; `cut` when it was stopped before
    it had done all of them."""

    events: int
    seconds: float
    cpu_s: float
    cut: bool = False

    @property
    def per_s(self) -> float:
        """Events a second."""
        return self.events / self.seconds if self.seconds > 0 else 0.0

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU an event, of the process and its children."""
        return self.cpu_s * 1e6 / self.events if self.events else 0.0


@dataclass(frozen=True)
class Row:
    """One line of the report. `reached` is None where there is nothing to reach, or nothing was measured."""

    measure: str
    target: str
    measured: str
    reached: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Section:
    """What one part of the benchmark found: `text` is Markdown below its table, `data` everything that was measured."""

    name: str
    title: str
    rows: list[Row]
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    rounds: int = 0
    quick: bool = False
    at: str = ""


def lap(first: Sample, last: Sample, *, cut: bool = False) -> Lap:
    """From the first sample with anything done to the one with all of it, or the one at which it was stopped."""
    return Lap(last.done - first.done, last.at_s - first.at_s, last.cpu_s - first.cpu_s, cut)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round: what the machine did besides was the same for both. A round without their figure is left out."""
    return [mine / other for mine, other in zip(ours, theirs, strict=False) if other > 0]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed; raises ValueError without values."""
    if not values:
        raise ValueError("there are no values")
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank, 1) - 1]


def figure(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 1,234."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 or size == 0 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """The median, and between what the rounds lay."""
    middle = figure(median(values))
    return middle if len(values) == 1 else f"{middle} ({figure(min(values))}–{figure(max(values))})"


def told(measure: str, values: Sequence[float], unit: str, note: str = "") -> Row:
    """A figure without a target."""
    return Row(measure, "", f"{spread(values)} {unit}".strip(), None, note)


def at_least(measure: str, values: Sequence[float], limit: float, unit: str, note: str = "") -> Row:
    """Reached when the median is not below the limit."""
    return Row(
        measure,
        f"≥ {figure_of_target(limit)} {unit}".strip(),
        f"{spread(values)} {unit}".strip(),
        median(values) >= limit,
        note,
    )


def at_most(measure: str, values: Sequence[float], limit: float, unit: str, note: str = "") -> Row:
    """Reached when the median is not above the limit."""
    return Row(
        measure,
        f"≤ {figure_of_target(limit)} {unit}".strip(),
        f"{spread(values)} {unit}".strip(),
        median(values) <= limit,
        note,
    )


def missing(measure: str, target: str, why: str) -> Row:
    """Could not be measured here."""
    return Row(measure, target, "not measured", None, why)


def figure_of_target(limit: float) -> str:
    """As it was asked for: 15, 0.3, 60,000."""
    return f"{limit:,.0f}" if limit == int(limit) else f"{limit:g}"


def verdict(row: Row) -> str:
    """The word in the last column but one."""
    if not row.target:
        return ""
    return {True: "reached", False: "**not reached**", None: "not measured"}[row.reached]


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Markdown; a bar inside a cell would begin another."""
    written = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in written)


def rows_table(rows: Sequence[Row]) -> str:
    """All rows with their targets and verdicts."""
    lines = [[row.measure, row.target, row.measured, verdict(row), row.note] for row in rows]
    return table(["measure", "to reach", "measured", "", "note"], lines)


def document(sections: Sequence[Section], machine: Mapping[str, Any], day: str) -> str:
    """The dated file."""
    parts = [f"# Benchmark of {day}\n\n{machine_line(machine)}", METHOD]
    for section in sections:
        rounds = f"{section.rounds} {'round' if section.rounds == 1 else 'rounds'}, {section.at}"
        quick = ", quick mode: **small sizes, no figures to quote**" if section.quick else ""
        body = f"## {section.title}\n\n{rounds}{quick}.\n\n{rows_table(section.rows)}"
        parts.append(f"{body}\n\n{section.text}".rstrip())
    return "\n\n".join([*parts, LIMITS]) + "\n"


METHOD = """\
`make bench` on one machine: a real Kafka of one node, the workers one after another in each round, medians over the
rounds (smallest–greatest in brackets). Ratios are taken round by round. Times run from the first event that a worker
has done to the last one whose state and warnings the broker has acknowledged; in a race that takes a worker too long,
to the last one that it had done by then."""

LIMITS = """\
## What these figures do not show

- Under the wall clock, which production runs, a batch evaluates a customer's rules once, however many of its events it
  holds. So what a backlog costs depends on how many they are; it is told beside each mix. Live traffic of one event per
  customer and batch saves nothing: the row “in turn” tells that price.
- Backlogs are shorter than ten minutes, so no snapshots for reports are told in a race; docs/capacity.md reckons with
  them.
- Rates are of customers who stay open; those who have to be opened from their records are told under “Growth”.
- Broker, workers and whoever sends the events share one machine: a worker with cores to itself does more, and a broker
  across a network answers later.
- The counters of others count, and keep nothing else of an event: they are marks of what their frameworks can do."""


def machine_line(machine: Mapping[str, Any]) -> str:
    """What it ran on."""
    return ", ".join(f"{name} {value}" for name, value in machine.items()) + "."


def readme_section(sections: Sequence[Section], day: str) -> str:
    """Every row with a target, in short, and where the rest is."""
    rows = [row for section in sections for row in section.rows if row.target]
    lines = [[row.measure, row.target, row.measured, verdict(row)] for row in rows]
    words = (
        "`make bench` measures it on a real Kafka, side by side with others, under the clock that production runs. A "
        "batch evaluates a customer's rules once for all of its events there, so a backlog costs less than live "
        "traffic; the row “in turn” has one event per customer and batch, and tells the latter's price. Profiles, what "
        f"the figures do not show, and everything else: [docs/benchmarks/{day}.md](docs/benchmarks/{day}.md)."
    )
    if any(section.name.endswith(COMPILED) for section in sections):
        words += " What ends in “compiled” is a choice (`make compiled`), and was measured beside the same without it."
    return f"{README_HEADING}\n{words}\n\n{table(['measure', 'to reach', 'measured', ''], lines)}\n"


def spliced(readme: str, section: str) -> str:
    """The README with its section replaced, or put before the one about running."""
    before, found, rest = readme.partition(README_HEADING + "\n")
    if not found:
        before, found, rest = readme.partition(README_NEXT)
        if not found:
            return f"{readme.rstrip()}\n\n{section}"
        return f"{before}{section}\n{README_NEXT}{rest}"
    _, heading, after = rest.partition("\n## ")
    return f"{before}{section}" + (f"\n{heading[1:]}{after}" if heading else "")


def merged(old: Mapping[str, Any], new: Sequence[Section], order: Sequence[str]) -> list[Section]:
    """The sections of a report of the same day, with the new ones in their places; `old` is that report's document."""
    found = {section["name"]: section_of(section) for section in old.get("sections", [])}
    found.update({section.name: section for section in new})
    places = {name: place for place, name in enumerate(order)}
    return sorted(found.values(), key=lambda section: places.get(section.name, len(places)))


def section_of(document: Mapping[str, Any]) -> Section:
    """A section as it was written as JSON."""
    return Section(**{**document, "rows": [Row(**row) for row in document["rows"]]})


def as_document(sections: Sequence[Section], machine: Mapping[str, Any], day: str) -> dict[str, Any]:
    """The report as JSON."""
    return {"day": day, "machine": dict(machine), "sections": [asdict(section) for section in sections]}

"""Row 2: the runtime without rules against the limit of a Python worker, and where the time goes."""

from __future__ import annotations

from dataclasses import asdict, replace
from statistics import median
from subprocess import CalledProcessError

import orjson

from schemas.rulebook import KEY
from schemas.topics import Topics
from services.rules.books import SHIPPED
from services.rules.checking import check_published
from tests.bench.bellwether import DENSITY, Bellwether
from tests.bench.counters import Parser
from tests.bench.figures import Section, at_least, figure, missing, ratios, told
from tests.bench.mixes import Mix, week_mix
from tests.bench.profiling import record, shares, shares_table
from tests.bench.racing import START_DEADLINE_S, Course, Finish, Unavailable, race
from tests.bench.speed import SETTINGS, now
from tests.bench.stage import Stage

NAME = "bare"
TARGET = 0.3

QUIET_RULE = "R24cl_contract_review_wanted.yaml"
"""About opportunities, of which the mix has none. A book without any rule is refused by the product."""


class WrongBook(Exception):
    """The benchmark's own rulebook is refused."""


def measure(stage: Stage) -> Section:
    """The bare runtime and the limit in turn; then profiles."""
    mix = week_mix(stage.sizes.bare_events)
    bare, full = _filled(stage, "bw-bare", mix), _filled(stage, "bw-full", mix)
    stage.publish(bare.rulebook, [(0, (KEY, one_rule_book()))])
    course = Course(bare.events, len(mix.events), mix.customers)
    ours, limit = list[Finish](), list[Finish]()
    for number in range(stage.rounds):
        ours.append(race(Bellwether(stage, course, stage.named(f"bellwether-bare-{number}"), bare, mix.ends, SETTINGS)))
        limit.append(race(Parser(stage, course, stage.named(f"parser-{number}"))))
    speed, most = ([finish.lap.per_s for finish in finishes] for finishes in (ours, limit))
    profiles, why = _profiles(stage, {"one rule": bare, "59 rules": full}, course, mix)
    rows = [
        at_least("runtime without rules against parsing alone", ratios(speed, most), TARGET, "×"),
        told("runtime without rules", speed, "/s", _note(ours)),
        told(Parser.name, most, "/s", f"{figure(median([one.lap.cpu_us for one in limit]))} µs of CPU an event"),
    ]
    if why:
        rows.append(missing("profile", "", why))
    data = {"bare": [asdict(one) for one in ours], "limit": [asdict(one) for one in limit], "profiles": profiles}
    for topics in (bare, full):
        stage.delete_topics(topics.prefix)
    return Section(
        NAME, "The runtime without rules", rows, _text(mix, profiles), data, stage.rounds, stage.quick, now()
    )


def _note(finishes: list[Finish]) -> str:
    cpu_us, density = (
        median(values) for values in ([one.lap.cpu_us for one in finishes], [one.more[DENSITY] for one in finishes])
    )
    return f"{figure(cpu_us)} µs of CPU an event; {figure(density)} events {DENSITY}"


def _filled(stage: Stage, prefix: str, mix: Mix) -> Topics:
    topics = stage.make_topics(stage.named(prefix))
    stage.publish_events(topics, mix.events)
    return topics


def one_rule_book() -> bytes:
    """The smallest book that may be published. Raises WrongBook."""
    files = {QUIET_RULE: (SHIPPED / QUIET_RULE).read_text(encoding="utf-8")}
    raw = orjson.dumps({"files": files, "overrides": {}, "author": "bench", "at": "2026-01-01T00:00:00+00:00"})
    if problems := check_published(raw):
        raise WrongBook("; ".join(problems))
    return raw


def _profiles(
    stage: Stage, places: dict[str, Topics], course: Course, mix: Mix
) -> tuple[dict[str, dict[str, float]], str]:
    """A profile by rulebook, and why there is none."""
    found = {}
    for name, topics in places.items():
        here = replace(course, topic=topics.events)
        worker = Bellwether(stage, here, f"profiled-{topics.prefix}", topics, mix.ends, SETTINGS)
        try:
            found[name] = profile(worker, stage.sizes.profile_s)
        except (Unavailable, CalledProcessError) as error:
            told = error.stderr.decode(errors="replace") if isinstance(error, CalledProcessError) else str(error)
            return found, f"py-spy: {told.strip()}"
    return found, ""


def profile(worker: Bellwether, seconds: int) -> dict[str, float]:
    """Where the time of a busy worker goes, from its first event on. Raises Unavailable, CalledProcessError."""
    meter = worker.stage.meter
    meter.begin(f"{worker.label}: profile")
    try:
        worker.start()
        meter.wait("the first event", worker.first, START_DEADLINE_S)
        to = worker.folder / "stacks"
        record(worker.process().pid, seconds, to)
        return shares(to.read_text(), seconds)
    finally:
        worker.stop()


def _text(mix: Mix, profiles: dict[str, dict[str, float]]) -> str:
    words = (
        f"Mix “{mix.name}”: {len(mix.events):,} events of {mix.customers:,} customers. The product refuses a book "
        f"without rules, so the book has one shipped rule ({QUIET_RULE.partition('_')[0]}), about events that the mix "
        "has not. The limit reads the topic once before it is measured, then again and again. Profiles are py-spy's, "
        "of a worker in the middle of these events; shares are of the wall time and may exceed the whole, since "
        "fetching has a thread of its own. C code counts for the Python function that calls it."
    )
    return f"{words}\n\n{shares_table(profiles)}" if profiles else words

"""How much a person is told in a storm: nothing is lost, one digest a window, what is critical first."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from schemas.warnings import SEVERITIES
from services.notifier.case import PageKind
from services.notifier.grouping import Bundle, Manners, Row, Sent, group, is_critical
from tests.unit.notifier.making import NOON

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
MANNERS = Manners()
WINDOW, GATHER = MANNERS.window, MANNERS.gather


def row(id: int, person: str = "wang", *, critical: bool = False, at: datetime = NOON, **fields: object) -> Row:
    made = Row(id, person, f"w{id}", "raised", critical, at)
    return replace(made, **fields)  # type: ignore[arg-type]  # the names are those of the fields


def ids(bundles: tuple[Bundle, ...]) -> list[tuple[int, ...]]:
    return [bundle.ids for bundle in bundles]


def test_in_calm_weather_each_page_is_a_message_of_its_own_at_once() -> None:
    found = group([row(1), row(2), row(3, "li")], [], NOON, MANNERS)
    assert ids(found.now) == [(1,), (2,), (3,)]
    assert found.again_at is None


def test_many_become_one_digest_once_they_have_had_time_to_gather() -> None:
    rows = [row(number) for number in range(4)]
    assert group(rows, [], NOON, MANNERS).now == ()
    assert group(rows, [], NOON, MANNERS).again_at == NOON + GATHER
    (digest,) = group(rows, [], NOON + GATHER, MANNERS).now
    assert digest == Bundle("wang", (0, 1, 2, 3), urgent=False, digest=True)


def test_after_a_digest_all_that_is_not_critical_waits_for_the_window_to_end() -> None:
    sent = [Sent("wang", NOON, critical=False, digest=True)]
    at = NOON + WINDOW - SECOND
    found = group([row(1, at=at), row(2, critical=True, at=at), row(3, "li", at=at)], sent, at, MANNERS)
    assert ids(found.now) == [(2,), (3,)]
    assert found.again_at == NOON + WINDOW
    assert ids(group([row(1, at=at)], sent, NOON + WINDOW, MANNERS).now) == [(1,)]


def test_what_is_over_the_rate_goes_into_the_last_message_of_the_window() -> None:
    sent = [Sent("wang", NOON + number * SECOND, critical=False, digest=False) for number in range(3)]
    waiting = [row(1, at=NOON + 5 * SECOND), row(2, at=NOON + 9 * SECOND)]
    assert group(waiting, sent, NOON + 9 * SECOND, MANNERS).again_at == NOON + 5 * SECOND + GATHER
    (last,) = group(waiting, sent, NOON + 5 * SECOND + GATHER, MANNERS).now
    assert last.ids == (1, 2)
    assert group(waiting[:1], sent, NOON + 6 * SECOND, MANNERS).now == (), "the last one waits for company"
    full = [*sent, Sent("wang", NOON + 20 * SECOND, critical=False, digest=False)]
    assert group([row(3)], full, NOON + MINUTE, MANNERS).again_at == NOON + WINDOW


def test_a_critical_page_goes_at_once_and_before_all_others_whatever_the_window_says() -> None:
    rows = [row(1, "li"), row(2), row(3, critical=True)]
    sent = [Sent("wang", NOON - SECOND, critical=False, digest=True)]
    found = group(rows, sent, NOON, MANNERS)
    assert ids(found.now) == [(3,), (1,)]
    assert found.now[0].urgent


def test_critical_pages_of_one_moment_are_joined_when_they_are_many() -> None:
    rows = [row(number, critical=True) for number in range(4)]
    assert group(rows, [], NOON, MANNERS).now == (Bundle("wang", (0, 1, 2, 3), urgent=True, digest=True),)


def test_beyond_the_burst_critical_pages_keep_a_pace_of_seconds_and_are_joined() -> None:
    sent = [Sent("wang", NOON + number * SECOND, critical=True, digest=False) for number in range(5)]
    rows = [row(1, critical=True), row(2, critical=True)]
    at = NOON + 5 * SECOND
    assert group(rows, sent, at, MANNERS).again_at == NOON + 4 * SECOND + MANNERS.urgent_pace
    assert ids(group(rows, sent, NOON + 7 * SECOND, MANNERS).now) == [(1, 2)]
    assert ids(group(rows, sent, NOON + MINUTE, MANNERS).now) == [(1, 2)], "room for one more within the minute"
    assert ids(group(rows, sent, NOON + MINUTE + SECOND, MANNERS).now) == [(1,), (2,)]


def test_pages_about_one_warning_are_one_message_and_no_digest() -> None:
    worse = row(2, warning_id="w1", kind="amended")
    assert group([row(1), worse], [], NOON, MANNERS).now == (Bundle("wang", (1, 2), urgent=False, digest=False),)


def test_pages_that_tell_of_lost_ones_are_never_joined_into_one() -> None:
    lost = [row(number, warning_id="w", kind="undelivered") for number in (1, 2)]
    assert ids(group(lost, [], NOON, MANNERS).now) == [(1,), (2,)]


def test_a_round_of_settled_warnings_is_one_digest_at_once_what_is_critical_in_it() -> None:
    rows = [row(number, round_at=NOON, critical=number == 2) for number in range(9)]
    (digest,) = group(rows, [], NOON, MANNERS).now
    assert digest == Bundle("wang", tuple(range(9)), urgent=False, digest=True)


def test_a_window_parts_a_round_and_lets_only_what_is_critical_through() -> None:
    rows = [row(number, round_at=NOON, critical=number == 2) for number in range(9)]
    found = group(rows, [Sent("wang", NOON - MINUTE, critical=False, digest=True)], NOON, MANNERS)
    assert ids(found.now) == [(2,)]
    assert found.again_at == NOON - MINUTE + WINDOW


def test_two_rounds_that_wait_together_are_one_digest() -> None:
    rows = [row(number, round_at=NOON + number % 2 * SECOND) for number in range(4)]
    assert len(group(rows, [], NOON + MINUTE, MANNERS).now) == 1


@pytest.mark.parametrize("kind", ["raised", "breached", "undelivered"])
def test_a_critical_warnings_pages_are_critical_but_for_its_withdrawal(kind: PageKind) -> None:
    assert [is_critical(kind, severity) for severity in SEVERITIES] == [False, False, False, True]
    assert is_critical(kind, "low", page_says=True)
    assert not is_critical("withdrawn", "critical")


@pytest.mark.parametrize(
    "wrong",
    [
        {"digest_from": 1},
        {"most": 0},
        {"urgent_burst": 0},
        {"window": -SECOND},
        {"gather": -SECOND},
        {"urgent_pace": -SECOND},
    ],
)
def test_manners_that_would_lose_pages_are_no_manners(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="nobody waits|a digest has"):
        replace(MANNERS, **wrong)  # type: ignore[arg-type]  # the names are those of the fields


@dataclass
class Storm:
    """An outbox of one channel in simulated time. It knows nothing of how `group` decides: it keeps what was sent, and
    says of everything that waits why it may."""

    manners: Manners
    waiting: dict[int, Row] = field(default_factory=dict)
    log: list[tuple[datetime, Bundle]] = field(default_factory=list)
    went: dict[int, datetime] = field(default_factory=dict)
    known: dict[int, Row] = field(default_factory=dict)

    def arrive(self, new: list[Row]) -> None:
        for page in new:
            self.waiting[page.id] = self.known[page.id] = page

    def decide(self, now: datetime) -> datetime | None:
        reach = max(self.manners.window, MINUTE)
        sent = [Sent(one.person, at, one.urgent, one.digest) for at, one in self.log if at > now - reach]
        found = group(list(self.waiting.values()), sent, now, self.manners)
        urgent = [bundle.urgent for bundle in found.now]
        assert urgent == sorted(urgent, reverse=True), "critical pages first"
        for bundle in found.now:
            for page_id in bundle.ids:
                assert self.waiting.pop(page_id).person == bundle.person
                self.went[page_id] = now
            self.log.append((now, bundle))
        for person in {page.person for page in self.waiting.values()}:
            self.excuse([page for page in self.waiting.values() if page.person == person], now)
        assert (found.again_at is None) == (not self.waiting)
        assert found.again_at is None or found.again_at > now
        return found.again_at

    def excuse(self, waiting: list[Row], now: datetime) -> None:
        """One person's pages wait for one of four reasons, searched for in the log alone."""
        theirs = [(at, one) for at, one in self.log if one.person == waiting[0].person]
        if any(page.critical for page in waiting):
            recent = [at for at, one in theirs if one.urgent and at > now - MINUTE]
            assert len(recent) >= self.manners.urgent_burst
            assert now - recent[-1] < self.manners.urgent_pace
        others = [page for page in waiting if not page.critical]
        if not others:
            return
        calm = [(at, one) for at, one in theirs if not one.urgent and at > now - self.manners.window]
        gathers = now - min(page.created_at for page in others) < self.manners.gather
        assert any(one.digest for _, one in calm) or len(calm) >= self.manners.most or gathers


def storm(chance: random.Random, pages: int) -> list[Row]:
    """Bursts and trickles to a few people, some of it about one warning, some of it settled."""
    at, made = NOON, []
    for number in range(pages):
        at += timedelta(seconds=chance.choice((0, 0, 0, 0.01, 0.3, 2, 20, 200)) * chance.random())
        kind: PageKind = chance.choice(("raised", "raised", "amended", "withdrawn", "undelivered"))
        about = f"w{chance.randrange(pages)}"
        settled = at if chance.random() < 0.1 else None
        made.append(Row(number, chance.choice("abcde"), about, kind, chance.random() < 0.2, at, settled))
    return made


@pytest.mark.parametrize("seed", range(40))
def test_in_random_storms_nothing_is_lost_nobody_is_flooded_and_what_is_critical_does_not_wait(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    manners = Manners(
        digest_from=chance.randint(2, 5),
        most=chance.randint(1, 6),
        window=timedelta(seconds=chance.choice((0, 30, 120, 600))),
        gather=timedelta(seconds=chance.choice((0, 5, 15))),
        urgent_burst=chance.randint(1, 6),
        urgent_pace=timedelta(seconds=chance.choice((0, 2, 3))),
    )
    outbox, coming = Storm(manners), storm(chance, chance.choice((20, 200, 800)))
    again: datetime | None = None
    while coming or outbox.waiting:
        next_at = coming[0].created_at if coming else None
        now = min(at for at in (next_at, again) if at is not None)
        while coming and coming[0].created_at <= now:
            outbox.arrive([coming.pop(0)])
        again = outbox.decide(now)
    check(outbox)


def check(storm: Storm) -> None:
    manners, known = storm.manners, storm.known
    told = Counter(page_id for _, bundle in storm.log for page_id in bundle.ids)
    assert told == Counter(known.keys()), "each page in one message"
    for person in {page.person for page in known.values()}:
        calm = [(at, one) for at, one in storm.log if one.person == person and not one.urgent]
        digests = [at for at, one in calm if one.digest]
        assert all(later - earlier >= manners.window for earlier, later in pairwise(digests))
        if manners.window:
            assert all(sum(at <= other < at + manners.window for other, _ in calm) <= manners.most for at, _ in calm)
        urgent = [at for at, one in storm.log if one.person == person and one.urgent]
        paced = 60 / manners.urgent_pace.total_seconds() if manners.urgent_pace else len(urgent)
        for at in urgent:
            assert sum(at <= other < at + MINUTE for other in urgent) <= manners.urgent_burst + paced + 1
    for page_id, page in known.items():
        waited = storm.went[page_id] - page.created_at
        assert waited <= (manners.urgent_pace if page.critical else manners.window + manners.gather)
    for _, bundle in storm.log:
        assert bundle.urgent == all(known[page_id].critical for page_id in bundle.ids)


def test_ten_thousand_warnings_in_a_minute_are_a_handful_of_messages_to_each_and_critical_ones_wait_seconds() -> None:
    chance = random.Random(7)
    outbox = Storm(MANNERS)
    people = [f"p{number}" for number in range(20)]
    coming = [
        Row(n, chance.choice(people), f"w{n}", "raised", chance.random() < 0.05, NOON + n * MINUTE / 10_000)
        for n in range(10_000)
    ]
    now = NOON
    while coming or outbox.waiting:
        ripe = [page for page in coming if page.created_at <= now]
        coming = coming[len(ripe) :]
        outbox.arrive(ripe)
        again = outbox.decide(now)
        now = now + SECOND / 10 if coming else again or now
    check(outbox)
    calm = Counter(bundle.person for at, bundle in outbox.log if not bundle.urgent and at < NOON + WINDOW)
    assert max(calm.values()) <= MANNERS.most
    delays = sorted(outbox.went[page.id] - page.created_at for page in outbox.known.values() if page.critical)
    assert delays[len(delays) * 99 // 100] <= 5 * SECOND
    print(f"10,000 pages: {len(outbox.log)} messages to {len(people)}; critical waited {delays[-1]} at most")

"""Invented histories of a customer or two: late, doubled, out of order, corrected, in several currencies.

Few ids, few amounts and few days, so that everything collides with everything. The times are those at which calendars
go wrong: last days of months, the leap day, the turn of the year, the days on which clocks change, weeks in which
nobody in China works. A history has a theme: stories that bring some rules to the brink, and events that meddle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from hypothesis import strategies as st

from tests.simulation import (
    strategies_classes,
    strategies_contact,
    strategies_finance,
    strategies_reference,
    strategies_sales,
    strategies_service,
)
from tests.simulation.strategies_first import (
    accounts,
    activity_logged,
    competitor_activity,
    contact_changed,
    contract_signed,
    dispute_settled,
    fairs,
    invoice_credited,
    invoice_disputed,
    invoice_issued,
    invoices_monthly,
    large_payment,
    owner_changed,
    payment_received,
    payment_reversed,
    profile_updated,
    quarrel,
    receipts_monthly,
)
from tests.simulation.strategies_scene import CUSTOMERS, SOURCES, SPAN_DAYS, Document, History, Scene
from tests.simulation.worlds import WORLDS

__all__ = ["THEMES", "Document", "History", "Maker", "Story", "Theme", "histories"]

Maker = Callable[[Scene], Document]
Story = Callable[[Scene], list[Document]]


@dataclass(frozen=True)
class Theme:
    """What a history may tell: stories, and events beside them."""

    name: str
    events: tuple[Maker, ...]
    stories: tuple[Story, ...] = ()
    heard: tuple[Story, ...] = ()
    """What is heard of rates, rankings and feeds."""


MONEY = (invoice_issued, invoice_issued, payment_received, payment_received, payment_received, payment_reversed)
DISPUTES = (invoice_issued, invoice_credited, invoice_disputed, dispute_settled, payment_received)
PEOPLE = (contact_changed, competitor_activity, competitor_activity, contract_signed, activity_logged)
CARE = (activity_logged, profile_updated, profile_updated, owner_changed, large_payment, large_payment)
FIRST_THEMES = (
    Theme("money", MONEY, (invoices_monthly,)),
    Theme("disputes", MONEY + DISPUTES, (invoices_monthly,)),
    Theme("quarrels", (invoice_disputed, dispute_settled), (quarrel,)),
    Theme("paying", (payment_received, invoice_issued), (accounts,)),
    Theme("people", PEOPLE, (fairs,)),
    Theme("care", CARE, (receipts_monthly,)),
    Theme("all of these", MONEY + PEOPLE + CARE),
)
FOCUSSED = tuple(
    Theme(name, module.EVENTS, module.STORIES, strategies_reference.STORIES)
    for name, module in (
        ("finance", strategies_finance),
        ("contact", strategies_contact),
        ("service", strategies_service),
        ("sales", strategies_sales),
        ("classes", strategies_classes),
    )
)
EVERYTHING = Theme(
    "everything",
    MONEY + DISPUTES + PEOPLE + tuple(maker for theme in FOCUSSED for maker in theme.events),
    tuple(story for theme in FOCUSSED for story in theme.stories),
    strategies_reference.STORIES,
)
THEMES = {theme.name: theme for theme in (*FIRST_THEMES, *FOCUSSED, EVERYTHING)}
FIRST_DAYS = (date(2023, 11, 1), date(2024, 1, 1), date(2024, 10, 1), date(2025, 2, 1))
HOLIDAYS = (date(2019, 12, 1), date(2025, 12, 15), date(2018, 8, 15))
"""Soon after, a whole week is free."""
NAMES = (
    *("m", "a", "z", "e9", "e10", "b", "y", "k", "c", "x", "d", "w", "o", "f", "v", "g", "u", "h", "t", "i"),
    *("p", "e", "q", "e8", "e11", "r", "j", "s", "l", "e07"),
)
CORRECTIONS = ("n", "zz", "b2", "aa")


@st.composite
def histories(draw: st.DrawFn, theme: Theme | str | None = None) -> History:
    """A whole history, in an order that is that of time or any other, some events more than once."""
    world = draw(st.sampled_from(WORLDS))
    first_day = draw(st.sampled_from(FIRST_DAYS + HOLIDAYS))
    offsets = draw(st.lists(st.integers(0, SPAN_DAYS // 2), min_size=3, max_size=5))
    favourites = tuple(first_day + timedelta(days=offset) for offset in offsets)
    scene = Scene(draw, world.zone, first_day, favourites, narrow=draw(st.booleans()))
    told = theme if isinstance(theme, Theme) else THEMES[theme or scene.pick(*THEMES)]
    named = _corrected(scene, _documents(scene, told), told)
    named.sort(key=lambda document: datetime.fromisoformat(document["time"]))
    order = named if scene.often(2) else draw(st.permutations(named))
    twice = draw(st.lists(st.sampled_from(named), max_size=3))
    until = datetime.fromisoformat(scene.instant(scene.first_day + timedelta(days=scene.pick(90, 300, SPAN_DAYS))))
    return History(world, (*order, *twice), until, _references(scene, told))


def _documents(scene: Scene, theme: Theme) -> list[Document]:
    """The events, each with its name."""
    documents: list[Document] = []
    for _ in range(scene.pick(1, 1, 0, 2) if theme.stories else 0):
        documents += scene.pick(*theme.stories)(scene)
    fewest = 0 if documents else 1
    documents += [scene.pick(*theme.events)(scene) for _ in range(scene.draw(st.integers(fewest, 8)))]
    return [_named(scene, document, name) for document, name in zip(documents, NAMES, strict=False)]


def _named(scene: Scene, document: Document, name: str) -> Document:
    customer = CUSTOMERS[0] if scene.often(10) else CUSTOMERS[1]
    source = SOURCES[0] if scene.often(4) else SOURCES[1]
    named = {"specversion": "1.0", "id": name, "source": source, "subject": customer, **document}
    # Now and then two events correct each other: nothing stands at the beginning of such a ring.
    return named if scene.often(60) else {**named, "supersedes": scene.pick(*CORRECTIONS)}


def _references(scene: Scene, theme: Theme) -> tuple[Document, ...]:
    """What is heard of no customer; mostly nothing of feeds, since a silent one lets little begin."""
    if not theme.heard or not scene.often(2):
        return ()
    words = [word for _ in range(scene.pick(1, 2, 3)) for word in scene.pick(*theme.heard)(scene)]
    return tuple({"specversion": "1.0", "id": f"r{n}", "source": "market", **word} for n, word in enumerate(words))


def _corrected(scene: Scene, named: list[Document], theme: Theme) -> list[Document]:
    """The same with some that correct them."""
    for number in range(scene.pick(0, 0, 0, 1, 2, 4)):
        named.append(_correction(scene, named, CORRECTIONS[number], theme))
    return named


def _correction(scene: Scene, named: list[Document], name: str, theme: Theme) -> Document:
    """Corrects one of them (perhaps a correction itself), takes it back, or corrects one that is never seen."""
    corrected = scene.pick(*named) if scene.often(2) else scene.pick(*named[-3:])
    how = scene.pick("changed", "changed", "replaced", "taken back")
    if how == "changed" and "data" in corrected:
        words = {"type": corrected["type"], "time": scene.instant(), "data": _changed(scene, corrected["data"])}
    elif how == "taken back":
        words = {"type": corrected["type"], "time": scene.instant(), "retracted": True}
    else:
        words = scene.pick(*theme.events)(scene)
    if not scene.often(3):
        words["time"] = corrected["time"]  # so that corrections compete at one instant
    envelope = {attribute: corrected[attribute] for attribute in ("specversion", "source", "subject")}
    supersedes = corrected["id"] if scene.often(8) else "never-seen"
    return {**envelope, **words, "id": name, "supersedes": supersedes}


def _changed(scene: Scene, data: Document) -> Document:
    """The same, with its day put right, or what was booked."""
    changed = dict(data)
    for field in ("value_date", "due_date"):
        if field in changed:
            changed[field] = scene.near(date.fromisoformat(changed[field])).isoformat()
    for field in ("signed_at", "at"):
        if field in changed:
            changed[field] = scene.instant()
    if not scene.often(2):
        changed.pop("allocations", None)
    return changed

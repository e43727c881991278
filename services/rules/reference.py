"""What belongs to no single customer: exchange rates, rankings, how far feeds are complete, plans, promotions. PURE.

Of what one source says about one thing the newest word counts, and nothing older comes back when it is taken back: the
topic is compacted, so whoever reads it later does not see anything older.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from decimal import Context, Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

from schemas.events import ReferenceEvent
from schemas.reference import FeedHeartbeat, PlanSet, PromotionAnnounced, RanksPublished, RatePublished, natural_key
from services.rules.calendar import Day, Micros, instant, micros
from services.rules.rankings import MAX_RANKINGS, Complete, Names, Part, Ranking, complete, ranking_of

_EXACT_ENOUGH = Context(prec=28)
"""For the inverse of a rate: the same on every machine, whatever a library has set."""


class Feed(NamedTuple):
    """A source that sends heartbeats: complete up to an instant, and when it sent the last one."""

    complete_until: Micros
    last_heartbeat: Micros


class Name(NamedTuple):
    """An event's name for ever."""

    source: str
    id: str


class Slot(NamedTuple):
    """What a word of its kind is about: a feed, a pair of currencies on a day, a part of a ranking."""

    source: str
    key: tuple[str, ...]


class Word(NamedTuple):
    """An event, as far as it is kept. `said` is its data, or a Part of a ranking; `time` the envelope's."""

    time: Micros
    source: str
    id: str
    supersedes: str | None
    retracted: bool
    said: Any


class Reference:
    """All reference events learned so far, in whatever order and however often."""

    def __init__(self) -> None:
        self._words: dict[str, dict[Slot, Word]] = {}
        self._corrections: dict[Name, tuple[Micros, str]] = {}
        self._heard: dict[str, Micros] = {}
        self._names = Names()
        self._ranked: dict[str, dict[Micros, set[Slot]]] = {}
        self._joined: dict[tuple[str, Micros], tuple[bytes, Ranking]] = {}
        self._views: dict[str, Any] = {}

    def learn(self, event: ReferenceEvent[Any]) -> None:
        """Takes an event in. What it says shows from the next question on."""
        time, said = micros(event.time), event.data
        if isinstance(said, FeedHeartbeat):
            self._heard[said.feed] = max(time, self._heard.get(said.feed, time))
        if event.supersedes is not None:
            target = Name(event.source, event.supersedes)
            self._corrections[target] = max((time, event.id), self._corrections.get(target, (time, event.id)))
            self._views.clear()
        slot = Slot(event.source, natural_key(said))
        if isinstance(said, RanksPublished):
            said = self._names.part(said)
        word = Word(time, event.source, event.id, event.supersedes, event.retracted, said)
        words = self._words.setdefault(event.kind, {})
        known = words.get(slot)
        if known is None or self._replaces(word, known):
            words[slot] = word
            self._forget_views(event.kind)
            if isinstance(said, Part):
                self._bound(slot, said)

    def rate(self, base: str, quote: str, day: Day) -> Decimal | None:
        """What one unit of `base` is worth in `quote`, by the newest rate published with a date up to `day`.

        The inverse rate serves as well; of both the newer counts, on one date the direct one. None: there is no rate.
        """
        if base == quote:
            return Decimal(1)
        direct, inverse = self._newest_rate(base, quote, day), self._newest_rate(quote, base, day)
        if direct is not None and (inverse is None or direct[0] >= inverse[0]):
            return direct[1]
        return None if inverse is None else _EXACT_ENOUGH.divide(Decimal(1), inverse[1])

    def complete_until(self, feed: str) -> Micros | None:
        """The instant up to which the feed has sent everything; None when it never sent a heartbeat that stands."""
        found = self.feeds().get(feed)
        return None if found is None else found.complete_until

    def feeds(self) -> dict[str, Feed]:
        """Every feed that ever sent a heartbeat that stands, by name."""
        feeds: dict[str, Feed] | None = self._views.get("feed.heartbeat")
        if feeds is None:
            feeds = {}
            for word in self._standing("feed.heartbeat"):
                beat: FeedHeartbeat = word.said
                until = micros(beat.complete_until)
                known = feeds.get(beat.feed)
                greatest = until if known is None else max(until, known.complete_until)
                feeds[beat.feed] = Feed(greatest, self._heard[beat.feed])
            self._views["feed.heartbeat"] = feeds
        return feeds

    def ranking(self, measure: str) -> list[Ranking]:
        """The complete rankings by this measure, oldest first; the newest MAX_RANKINGS of them."""
        lists: dict[str, list[Ranking]] = self._views.setdefault("rankings", {})
        if measure not in lists:
            lists[measure] = [self._join(measure, found) for found in self._rankings().get(measure, [])]
        return lists[measure]

    def plans(self) -> list[PlanSet]:
        """The figures that are planned, by id, period, metric and scope."""
        return [word.said for word in self._newest_of_each("plan.set")]

    def promotions(self) -> list[PromotionAnnounced]:
        """Every promotion by id, each with `announced_at`."""
        return [
            word.said
            if word.said.announced_at is not None
            else word.said.model_copy(update={"announced_at": instant(word.time)})
            for word in self._newest_of_each("promotion.announced")
        ]

    @property
    def fingerprint(self) -> str:
        """Changes when rates or rankings do, and with them perhaps a verdict; "" when there are none."""
        found: str | None = self._views.get("fingerprint")
        if found is None:
            found = self._views["fingerprint"] = self._fingerprint()
        return found

    # ---- inside

    def _replaces(self, word: Word, known: Word) -> bool:
        if word.supersedes == known.id or known.supersedes == word.id:
            return word.supersedes == known.id
        if isinstance(word.said, FeedHeartbeat) and self._stands(word) and self._stands(known):
            # A heartbeat on its way longer than the next one takes nothing back.
            return bool(word.said.complete_until > known.said.complete_until)
        return (word.time, word.id) > (known.time, known.id)

    def _stands(self, word: Word) -> bool:
        """Not taken back, not superseded, and the newest of those that supersede the same event."""
        if word.retracted or Name(word.source, word.id) in self._corrections:
            return False
        if word.supersedes is None:
            return True
        return self._corrections[Name(word.source, word.supersedes)] == (word.time, word.id)

    def _standing(self, kind: str) -> Iterator[Word]:
        return (word for word in self._words.get(kind, {}).values() if self._stands(word))

    def _newest_of_each(self, kind: str) -> list[Word]:
        """Where several sources speak of one thing, the newest of their words."""
        newest: dict[tuple[str, ...], Word] = {}
        for word in self._standing(kind):
            key = natural_key(word.said)
            if key not in newest or _rank(word) > _rank(newest[key]):
                newest[key] = word
        return [newest[key] for key in sorted(newest)]

    def _newest_rate(self, base: str, quote: str, day: Day) -> tuple[Day, Decimal] | None:
        dated = self._rates().get((base, quote), [])
        index = bisect_right(dated, day, key=lambda pair: pair[0])
        return dated[index - 1] if index else None

    def _rates(self) -> dict[tuple[str, str], list[tuple[Day, Decimal]]]:
        rates: dict[tuple[str, str], list[tuple[Day, Decimal]]] | None = self._views.get("rate.published")
        if rates is None:
            rates = {}
            for word in self._newest_of_each("rate.published"):
                published: RatePublished = word.said
                pair = (published.base, published.quote)
                rates.setdefault(pair, []).append((published.date.toordinal(), published.rate))
            self._views["rate.published"] = rates
        return rates

    def _rankings(self) -> dict[str, list[Complete]]:
        rankings: dict[str, list[Complete]] | None = self._views.get("ranks.published")
        if rankings is None:
            rankings = self._views["ranks.published"] = self._complete_rankings()
        return rankings

    def _complete_rankings(self) -> dict[str, list[Complete]]:
        groups: dict[tuple[str, Micros, str], list[Word]] = {}
        for word in sorted(self._standing("ranks.published"), key=_rank, reverse=True):
            part: Part = word.said
            groups.setdefault((part.measure, part.as_of, word.source), []).append(word)
        # From the source that spoke last to the one that did first: the last one's ranking of an instant is kept.
        newest: dict[str, dict[Micros, Complete]] = {}
        for (measure, as_of, _), words in groups.items():
            found = complete([word.said for word in words])
            if found is not None:
                newest.setdefault(measure, {}).setdefault(as_of, found)
        return {measure: [found[at] for at in sorted(found)[-MAX_RANKINGS:]] for measure, found in newest.items()}

    def _join(self, measure: str, found: Complete) -> Ranking:
        """A new ranking leaves the others joined: each is a hundred thousand figures."""
        digest, ranking = self._joined.get((measure, found.as_of), (b"", None))
        if ranking is None or digest != found.digest:
            ranking = ranking_of(self._names, found)
            self._joined[measure, found.as_of] = found.digest, ranking
        return ranking

    def _fingerprint(self) -> str:
        rates, rankings = self._rates(), self._rankings()
        if not rates and not rankings:
            return ""
        digest = blake2b(digest_size=8)
        for pair in sorted(rates):
            digest.update(repr((pair, [(day, str(rate)) for day, rate in rates[pair]])).encode())
        for measure in sorted(rankings):
            digest.update(repr((measure, [(found.as_of, found.digest) for found in rankings[measure]])).encode())
        return digest.hexdigest()

    def _forget_views(self, kind: str) -> None:
        self._views.pop(kind, None)
        if kind == "ranks.published":
            self._views.pop("rankings", None)
        if kind in ("rate.published", "ranks.published"):
            self._views.pop("fingerprint", None)

    def _bound(self, slot: Slot, part: Part) -> None:
        """Incomplete rankings are kept too, as their other parts may come: so twice as many as are ever given."""
        slots = self._ranked.setdefault(part.measure, {})
        slots.setdefault(part.as_of, set()).add(slot)
        if len(slots) > 2 * MAX_RANKINGS:
            oldest = min(slots)
            self._joined.pop((part.measure, oldest), None)
            for old in slots.pop(oldest):
                del self._words["ranks.published"][old]


def _rank(word: Word) -> tuple[Micros, str, str]:
    return word.time, word.source, word.id

"""The steps by which a customer is forgotten. Each may be done again; what was cut short goes on from its beginning."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from schemas.customers import split_key
from services.common.clock import Now
from services.common.errors import UserError
from services.forgetting.keys import KeysAtHand, Whole
from services.forgetting.places import Places
from services.forgetting.reading import records_of, wait_for_tombstones
from services.forgetting.report import STAYS, Report
from services.forgetting.searching import search_all
from services.forgetting.traces import Values, gather
from services.ingest import forgetting as at_ingest
from services.ingest.sealing import LOOK_EVERY_S
from services.notifier import forgetting as at_notifier
from services.rules.control import erase
from services.rules.partitioner import partition_of

SETTLE_S = LOOK_EVERY_S + 3.0
"""After so long every ingest refuses the customer's events, and what they took before is on the topic."""

_PAUSE_S = 0.5


class NotErased(UserError):
    """The rules workers have not erased the state; done again later, it goes on."""


class MergedAway(UserError):
    """The customer is part of another one, with which its events lie by now."""


def forget(
    places: Places,
    customer_id: str,
    by: str,
    now: Now,
    wait_s: float,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Forget the customer, and whoever was merged into it; the report is the proof, and is kept.

    Raises MergedAway, BrokerUnreachable, TopicUnread, EraseFailed, NotErased; but for the first it is to be run again.
    """
    survivor = at_ingest.survivor_of(places.ingest, customer_id)
    if survivor != customer_id:
        raise MergedAway(f"{customer_id} was merged into {survivor}: forget {survivor}, and both are forgotten")
    report, whole = _asked(places, customer_id, by, now)
    tell("nothing of it is taken any more; waiting until every ingest knows")
    sleep(SETTLE_S)
    tell("reading what is known of it")
    values = _gathered(places, whole)
    report.note_values(values)
    # The keys first: from here on nobody reads what was sealed, whatever becomes of the rest.
    _destroy_keys(places, whole, now)
    cleared = _clear(places, whole)
    tell("its keys are destroyed; the rules workers erase its state")
    _erase_states(places, whole, wait_s, sleep)
    # Once more: what the workers told of it until then may have come to the notifier in between.
    report.cleared = dict(cleared + _clear(places, whole))
    tell("searching for what was known of it")
    report.note_found(search_all(places, whole, values))
    report.stays = list(STAYS)
    report.done_at = now()
    return report


def _asked(places: Places, customer_id: str, by: str, now: Now) -> tuple[Report, Whole]:
    at_ingest.ask(places.ingest, customer_id, by, now())
    also = at_ingest.others_of(places.ingest, customer_id)
    for other in also:
        at_ingest.ask(places.ingest, other, by, now())
    everyone = [customer_id, *also]
    names = [name for one in everyone for name in at_ingest.names_of(places.ingest, one)]
    asked = at_ingest.found(places.ingest, customer_id)
    assert asked is not None, "it was asked for a moment ago"
    return Report(customer_id, also, asked.asked_by, asked.asked_at), Whole(everyone, names)


def _gathered(places: Places, whole: Whole) -> Values:
    values, keys = Values(), KeysAtHand(places.keys, whole)
    for topic in (places.topics.events, places.topics.dead_letters):
        for record in records_of(places.kafka, topic):
            gather(record.value, whole.is_its, values, keys.open)
    for one in sorted(whole.customers):
        for text in at_notifier.said_of(places.notifier, one):
            values.add("console", text)
    return values


def _destroy_keys(places: Places, whole: Whole, now: Now) -> None:
    for name in whole.key_names:
        places.keys.destroy(name, now())
    for one in whole.customers:
        at_ingest.note_step(places.ingest, one, "key_destroyed")


def _clear(places: Places, whole: Whole) -> Counter[str]:
    cleared: Counter[str] = Counter()
    for one in sorted(whole.customers):
        cleared.update(at_ingest.clear(places.ingest, one))
        cleared.update(at_notifier.clear(places.notifier, one))
        at_ingest.note_step(places.ingest, one, "databases_cleared")
    return cleared


def _erase_states(places: Places, whole: Whole, wait_s: float, sleep: Callable[[float], None]) -> None:
    rounds = iter(range(max(1, int(wait_s / _PAUSE_S))))

    def pause() -> bool:
        sleep(_PAUSE_S)
        return next(rounds, None) is not None

    everyone = sorted(whole.customers)
    for one in everyone:
        erase(places.kafka, places.topics, one)
    for one in everyone:
        # The topic's own number, as `erase` goes by it: it may have grown beyond what the settings say.
        home = partial(partition_of, one)
        if not wait_for_tombstones(places.kafka, places.topics.changelog, home, _belongs_to(one), pause):
            raise NotErased(
                f"after {wait_s:g} s no rules worker has erased {one}: is one running? Run the same command again"
            )
        at_ingest.note_step(places.ingest, one, "state_erased")


def _belongs_to(customer_id: str) -> Callable[[bytes], bool]:
    return lambda key: split_key(key)[0] == customer_id

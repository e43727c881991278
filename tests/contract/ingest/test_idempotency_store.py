"""Answers are kept for their keys alike on every database, and a key is one request's only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from services.common.database import Database
from services.ingest.idempotency import CLAIMED_FOR, KEPT_FOR, Request, Turn
from services.ingest.idempotency_store import IdempotencyStore

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
ASKED = Request("erp", "k", b"digest")


def test_a_kept_answer_is_given_again_to_the_same_body_alone(database: Database) -> None:
    store = IdempotencyStore(database)
    assert store.claim(ASKED, NOW) == (Turn.DO, None)
    assert store.claim(ASKED, LATER)[0] is Turn.WAIT
    store.keep(ASKED, 202, b"answer", NOW)
    turn, kept = store.claim(ASKED, LATER)
    assert turn is Turn.REPEAT
    assert kept is not None
    assert (kept.status, kept.answer, kept.at) == (202, b"answer", NOW)
    assert store.claim(Request("erp", "k", b"another"), LATER)[0] is Turn.REFUSE


def test_senders_do_not_share_keys(database: Database) -> None:
    store = IdempotencyStore(database)
    store.claim(ASKED, NOW)
    assert store.claim(Request("crm", "k", b"digest"), NOW)[0] is Turn.DO


def test_a_released_key_is_free(database: Database) -> None:
    store = IdempotencyStore(database)
    store.claim(ASKED, NOW)
    store.release(ASKED, NOW)
    assert store.claim(Request("erp", "k", b"another"), NOW)[0] is Turn.DO


def test_who_was_taken_for_dead_changes_nothing_any_more(database: Database) -> None:
    store = IdempotencyStore(database)
    store.claim(ASKED, NOW)
    taken_over = NOW + CLAIMED_FOR
    assert store.claim(ASKED, taken_over)[0] is Turn.DO
    store.keep(ASKED, 422, b"late", NOW)
    store.release(ASKED, NOW)
    assert store.claim(ASKED, taken_over)[0] is Turn.WAIT
    store.keep(ASKED, 202, b"answer", taken_over)
    # An answer is no claim: it cannot be released.
    store.release(ASKED, taken_over)
    assert store.claim(ASKED, taken_over)[0] is Turn.REPEAT


def test_what_is_a_day_old_is_forgotten(database: Database) -> None:
    store = IdempotencyStore(database)
    store.claim(ASKED, NOW)
    store.keep(ASKED, 202, b"answer", NOW)
    store.claim(Request("erp", "young", b""), LATER)
    assert store.purge(NOW + KEPT_FOR) == 1
    assert store.claim(ASKED, LATER) == (Turn.DO, None)
    assert store.claim(Request("erp", "young", b""), LATER)[0] is Turn.WAIT


def test_of_many_who_ask_at_once_one_gets_the_key(database: Database) -> None:
    store = IdempotencyStore(database)
    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda _: store.claim(ASKED, NOW)[0], range(16)))
    assert sorted(turn.name for turn in turns) == ["DO"] + ["WAIT"] * 15

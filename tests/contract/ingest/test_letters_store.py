"""Dead letters as they are kept, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.common.database import Database
from services.ingest import letters_store as store
from services.ingest.letters import FROM_INGEST, Filter, Letter, Place
from services.ingest.letters_store import CLAIM

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def letter(
    offset: int, source: str = "erp", code: str = "invalid", origin: str = FROM_INGEST, **headers: str
) -> Letter:
    at = NOW + timedelta(minutes=offset)
    return Letter(Place(0, offset), code, "no", source, f"E{offset}", "C1", b"{}", headers, at, origin)


def file(database: Database, *letters: Letter, next_: int = 100) -> int:
    with database.writing() as tx:
        return store.file(tx, 0, letters, next_, NOW)


def state(database: Database, offset: int) -> str:
    with database.reading() as tx:
        filed = store.load(tx, Place(0, offset))
    assert filed is not None
    return filed.state


def done(database: Database, offset: int) -> list[tuple[str, str, str]]:
    with database.reading() as tx:
        return [(one.by, one.what, one.why) for one in store.decisions(tx, Place(0, offset))]


def test_a_letter_is_filed_once_and_comes_back_as_it_was(database: Database) -> None:
    one = letter(3, code="id_reused", origin="rules/2/17", ce_type="bellwether.promise.met")
    assert file(database, one, letter(4), next_=5) == 2
    assert file(database, one, letter(4), letter(5), next_=6) == 1
    with database.reading() as tx:
        assert store.load(tx, one.place) == (one, "waiting", None)
        assert store.next_offset(tx, 0) == 6


def test_the_rules_service_may_tell_of_a_refusal_twice(database: Database) -> None:
    assert file(database, letter(3, origin="rules/2/17"), letter(4, origin="rules/2/17")) == 1
    assert file(database, letter(5, origin="rules/2/17"), letter(6, origin="rules/2/18")) == 1


def test_nothing_is_filed_of_nothing(database: Database) -> None:
    assert file(database, next_=7) == 0
    with database.reading() as tx:
        assert store.next_offset(tx, 0) == 7


def test_letters_are_found_by_source_code_state_and_time_and_in_pages(database: Database) -> None:
    file(database, *(letter(n, ("erp", "crm")[n % 2], ("invalid", "not_json")[n // 4]) for n in range(8)))
    with database.writing() as tx:
        assert store.drop(tx, Filter(place=Place(0, 2)), "a test", "li.na", NOW) == 1
    with database.reading() as tx:

        def offsets(wanted: Filter, limit: int = 10, after: Place | None = None) -> list[int]:
            return [row.offset for row in store.page(tx, wanted, limit, after)]

        assert offsets(Filter()) == list(range(8))
        assert offsets(Filter(), 3) == [0, 1, 2]
        assert offsets(Filter(), 3, Place(0, 2)) == [3, 4, 5]
        assert offsets(Filter(source="erp", code="invalid", state="waiting")) == [0]
        assert offsets(Filter(since=NOW + timedelta(minutes=6))) == [6, 7]
        assert store.number_of(tx, Filter(source="crm")) == 4
        assert store.counts(tx, Filter(source="erp")) == [
            ("erp", "not_json", "waiting", 2, NOW + timedelta(minutes=4)),
            ("erp", "invalid", "dropped", 1, NOW + timedelta(minutes=2)),
            ("erp", "invalid", "waiting", 1, NOW),
        ]


def test_who_decided_what_and_why_is_kept(database: Database) -> None:
    file(database, letter(1), letter(2))
    with database.writing() as tx:
        assert store.edit(tx, Place(0, 1), b'{"a":1}', "li.na", NOW)
        store.look(tx, Place(0, 1), "zhang.wei", NOW)
        assert store.drop(tx, Filter(source="erp"), "doubles", "chen.jing", NOW) == 2
        assert not store.edit(tx, Place(0, 1), b"{}", "li.na", NOW), "it waits no longer"
        assert store.drop(tx, Filter(source="erp"), "again", "chen.jing", NOW) == 0
    assert done(database, 1) == [
        ("li.na", "edited", ""),
        ("zhang.wei", "seen", "with personal data"),
        ("chen.jing", "dropped", "doubles"),
    ]
    assert done(database, 2) == [("chen.jing", "dropped", "doubles")]


def test_a_claimed_letter_is_nobody_elses_until_its_claimant_must_have_died(database: Database) -> None:
    file(database, letter(1), letter(2), letter(3))
    with database.writing() as tx:
        assert not store.anything_asked(tx, NOW)
        assert store.ask(tx, Filter(), "li.na", NOW) == 3
        assert store.anything_asked(tx, NOW)
        assert [one.letter.place.offset for one in store.claim(tx, 2, NOW)] == [1, 2]
        assert [one.letter.place.offset for one in store.claim(tx, 2, NOW + CLAIM)] == [3]
        late = NOW + CLAIM + timedelta(seconds=1)
        assert store.anything_asked(tx, late)
        assert [one.letter.place.offset for one in store.claim(tx, 9, late)] == [1, 2]


def test_a_replay_is_marked_when_it_was_sent_and_waits_again_when_it_was_refused(database: Database) -> None:
    file(database, letter(1), letter(2), letter(3))
    with database.writing() as tx:
        store.ask(tx, Filter(), "li.na", NOW)
        store.claim(tx, 9, NOW)
        store.sent(tx, [Place(0, 1)], "ingest", NOW)
        store.refused(tx, Place(0, 2), "unknown_type", "type: no\0ne", "ingest", NOW)
        store.unclaim(tx, [Place(0, 3), Place(0, 1)])
    assert [state(database, number) for number in (1, 2, 3)] == ["replayed", "waiting", "asked"]
    assert done(database, 1)[-1] == ("ingest", "replayed", "")
    assert done(database, 2)[-1] == ("ingest", "refused", "unknown_type: type: no\ufffdne")
    with database.reading() as tx:
        again = store.load(tx, Place(0, 2))
    assert again is not None
    assert (again.letter.code, again.letter.reason) == ("unknown_type", "type: no\ufffdne")


@pytest.mark.parametrize("marked_first", [True, False])
def test_what_the_rules_service_refuses_of_a_replay_is_the_same_letter_again(
    database: Database, *, marked_first: bool
) -> None:
    file(database, letter(1))
    back = letter(9, code="id_reused", origin="rules/2/40", replay_of="0-1")
    with database.writing() as tx:
        store.ask(tx, Filter(), "li.na", NOW)
        store.claim(tx, 9, NOW)
        if marked_first:
            store.sent(tx, [Place(0, 1)], "ingest", NOW)
    assert file(database, back) == 1
    with database.writing() as tx:
        store.sent(tx, [Place(0, 1)], "ingest", NOW)
    assert file(database, back) == 0
    with database.reading() as tx:
        assert store.load(tx, Place(0, 9)) is None
        filed = store.load(tx, Place(0, 1))
    assert filed is not None
    assert (filed.letter.code, filed.letter.origin, filed.state) == ("id_reused", "rules/2/40", "waiting")
    assert done(database, 1)[-1] == ("the rules service", "refused", "id_reused: no")


def test_a_header_that_names_no_replayed_letter_means_nothing(database: Database) -> None:
    file(database, letter(1))
    named = [letter(5 + n, origin=f"rules/0/{n}", replay_of=text) for n, text in enumerate(["0-1", "0-77", "x", ""])]
    assert file(database, *named) == 4
    assert (state(database, 1), state(database, 5)) == ("waiting", "waiting")


def test_letters_go_with_their_records_and_so_do_their_decisions(database: Database) -> None:
    file(database, *(letter(number) for number in range(4)))
    with database.writing() as tx:
        store.drop(tx, Filter(), "old", "li.na", NOW)
        assert store.expire(tx, 0, 2) == 2
        assert store.expire(tx, 0, 2) == 0
    assert (done(database, 1), len(done(database, 2))) == ([], 1)
    with database.writing() as tx:
        store.forget_all(tx, 0)
        assert (store.number_of(tx, Filter()), store.next_offset(tx, 0)) == (0, 0)

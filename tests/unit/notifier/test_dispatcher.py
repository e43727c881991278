"""What becomes of pages: sent, tried again, given up in plain sight, or in doubt after a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from services.notifier import delivering
from services.notifier.channels.base import FateUnknown, Refused, TryLater
from services.notifier.delivering import JITTER, backoff_s
from services.notifier.desk import NotFound
from services.notifier.tables import pages
from services.notifier.views import CaseFilter
from tests.unit.notifier.making import NOON, make_warning
from tests.unit.notifier.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def page_wang(office: Office) -> None:
    office.clerk.file([make_warning(audience=["owner"])])


def test_a_page_is_sent_once_and_its_acceptance_is_on_the_timeline(office: Office) -> None:
    page_wang(office)
    assert (office.dispatcher.round(), office.dispatcher.round()) == (1, 0)
    assert office.states() == ["accepted"]
    (case,) = office.desk.list_cases(CaseFilter())
    last = office.desk.get_case(case.id).timeline[-1]
    assert (last.type, last.person, last.channel) == ("case.paged", "wang", "webhook")


def test_a_page_is_marked_before_it_is_sent(office: Office) -> None:
    """A crash at this point must not leave it looking unsent."""
    seen: list[str] = []
    office.channel.during = lambda: seen.extend(office.states())
    page_wang(office)
    office.dispatcher.round()
    assert seen == ["sending"]


def test_a_page_that_may_be_tried_later_is_with_growing_pauses(office: Office) -> None:
    page_wang(office)
    office.channel.script = [TryLater("busy"), TryLater("busy")]
    office.dispatcher.round()
    (key,) = office.keys()
    for attempts in (1, 2):
        pause_s = backoff_s(attempts, key)
        office.pass_seconds(pause_s - 0.1)
        assert office.dispatcher.round() == 0
        office.pass_seconds(0.1)
        assert office.dispatcher.round() == 1
    assert office.states() == ["accepted"]


def test_what_failed_together_is_not_tried_again_together_and_each_at_the_same_time_whenever_it_is_reckoned() -> None:
    pauses = [backoff_s(1, f"case/step/p{number}/webhook") for number in range(100)]
    assert len({round(pause_s, 3) for pause_s in pauses}) > 90
    assert all(delivering.FIRST_BACKOFF_S <= one <= delivering.FIRST_BACKOFF_S * (1 + JITTER) for one in pauses)
    assert pauses == [backoff_s(1, f"case/step/p{number}/webhook") for number in range(100)]


def test_what_the_provider_says_about_when_is_heeded(office: Office) -> None:
    page_wang(office)
    office.channel.script = [TryLater("blocked", after_s=600)]
    office.dispatcher.round()
    office.pass_seconds(599)
    assert office.dispatcher.round() == 0
    office.pass_seconds(1)
    assert office.dispatcher.round() == 1


def test_after_the_last_attempt_it_has_failed_and_the_fallback_is_told(office: Office) -> None:
    page_wang(office)
    office.channel.script = [TryLater("busy")] * delivering.MAX_ATTEMPTS
    for _ in range(delivering.MAX_ATTEMPTS + 2):
        office.dispatcher.round()
        office.pass_seconds(delivering.LONGEST_BACKOFF_S * (1 + JITTER))
    assert office.states() == ["failed"]
    assert len(office.channel.sent) == delivering.MAX_ATTEMPTS
    office.inbox.round()
    (message,) = office.desk.inbox("sun")
    assert message.subject.startswith("[Page not delivered]")
    assert "王强" in message.text
    assert "busy" in message.text


def test_a_refused_page_has_failed_at_once(office: Office) -> None:
    page_wang(office)
    office.channel.script = [Refused("gone")]
    office.dispatcher.round()
    office.pass_seconds(10_000)
    assert office.dispatcher.round() == 0
    assert office.states() == ["failed"]


def test_a_page_whose_answer_was_lost_is_uncertain_and_repeated_with_its_doubt_by_inbox_and_by_its_channel(
    office: Office,
) -> None:
    page_wang(office)
    office.channel.script = [FateUnknown("connection lost")]
    office.dispatcher.round()
    office.inbox.round()
    assert office.states() == ["uncertain", "pending"]
    assert len(office.channel.sent) == 1
    assert [subject[:8] for subject in office.subjects("wang")] == ["【预警·中】江南", "【通知可能未送达"]
    assert office.desk.summary().pages_uncertain == 1
    office.pass_seconds(delivering.FIRST_BACKOFF_S * (1 + JITTER))
    office.dispatcher.round()
    assert office.channel.sent[1].subject.startswith("【通知可能未送达】")
    assert office.states() == ["uncertain", "accepted"]


def test_a_page_that_stays_in_doubt_is_repeated_three_times_and_then_the_fallback_is_told_once(office: Office) -> None:
    page_wang(office)
    office.channel.script = [FateUnknown("connection lost")] * 10
    for _ in range(10):
        office.dispatcher.round()
        office.pass_seconds(delivering.LONGEST_BACKOFF_S)
    assert office.states() == ["uncertain"] * (1 + delivering.MAX_REPEATS)
    office.inbox.round()
    assert [subject[:8] for subject in office.subjects("wang")] == ["【预警·中】江南", "【通知可能未送达"]
    (told,) = office.subjects("sun")
    assert told.startswith("[Page not delivered]")


def test_what_a_crash_left_in_flight_is_uncertain_and_sent_again_only_with_its_doubt(office: Office) -> None:
    page_wang(office)
    office.channel.script = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        office.dispatcher.round()
    assert office.states() == ["sending"]
    after = office.through(office.channel)
    assert (after.recover(), after.recover(), after.round()) == (1, 0, 0)
    assert office.states() == ["uncertain", "pending"]


def test_a_receiver_that_answers_as_nobody_foresaw_leaves_its_page_in_doubt_and_goes_on(office: Office) -> None:
    office.clerk.file([make_warning()])
    office.channel.script = [ValueError("no such answer")]
    assert office.dispatcher.round() == 2
    assert sorted(office.states()) == ["accepted", "pending", "uncertain"]


def test_what_a_receiver_says_is_kept_without_its_control_characters(office: Office) -> None:
    page_wang(office)
    office.channel.script = [Refused("no\x00\x1b[31mway")]
    office.dispatcher.round()
    with office.database.reading() as tx:
        assert tx.execute(select(pages.c.error).where(pages.c.state == "failed")).scalar() == "no  [31mway"


def test_an_inbox_whose_log_cannot_be_written_keeps_the_page_for_later(office: Office) -> None:
    page_wang(office)
    office.log.mkdir()
    office.inbox.round()
    assert (office.states("inbox"), office.subjects("wang")) == (["pending"], [])
    office.log.rmdir()
    office.pass_seconds(delivering.LONGEST_BACKOFF_S)
    office.inbox.round()
    assert office.states("inbox") == ["accepted"]


def test_a_database_that_was_away_for_a_moment_leaves_no_page_in_flight(office: Office) -> None:
    page_wang(office)

    def interrupted() -> None:
        raise OperationalError("UPDATE pages", {}, Exception("database is locked"))

    office.channel.during = interrupted
    with pytest.raises(OperationalError):
        office.dispatcher.round()
    assert office.states() == ["sending"]
    office.channel.during = lambda: None
    office.dispatcher.round()
    assert office.states() == ["uncertain", "pending"]


@pytest.mark.parametrize("warnings", [1, 5])
def test_what_the_inbox_had_before_a_crash_is_there_once_alone_or_in_a_digest(office: Office, warnings: int) -> None:
    office.clerk.file([make_warning(f"w{number}", audience=["owner"]) for number in range(warnings)])
    office.inbox.round()
    # The crash came after the inbox had it and before the outbox knew.
    with office.database.writing() as tx:
        tx.execute(pages.update().where(pages.c.channel == "inbox").values(state="sending"))
    office.clerk.file([make_warning("later", customer_id="C2", audience=["owner"])])
    assert office.inbox.recover() == warnings
    office.inbox.round()
    assert set(office.states("inbox")) == {"accepted"}
    assert len(office.desk.inbox("wang")) == 2


def test_what_the_inbox_never_got_before_a_crash_is_sent_again(office: Office) -> None:
    page_wang(office)
    with office.database.writing() as tx:
        tx.execute(pages.update().where(pages.c.channel == "inbox").values(state="sending", message_key="k"))
    assert (office.inbox.recover(), office.inbox.round()) == (1, 1)
    assert len(office.desk.inbox("wang")) == 1


@pytest.mark.parametrize(("warnings", "messages"), [(3, 3), (4, 1), (40, 1)])
def test_more_than_three_pages_for_one_person_are_one_digest(office: Office, warnings: int, messages: int) -> None:
    office.clerk.file([make_warning(f"w{number}", audience=["owner"]) for number in range(warnings)])
    assert office.dispatcher.round() == warnings
    assert len(office.channel.sent) == messages
    assert set(office.states()) == {"accepted"}


def test_a_first_import_sends_each_person_one_digest(office: Office) -> None:
    office.clerk.file([make_warning(f"w{number}", customer_id=f"N{number}") for number in range(30)])
    office.inbox.round()
    assert [len(office.desk.inbox(person)) for person in ("sun", "zhao", "wang")] == [1, 1, 0]
    assert office.subjects("sun") == ["[Digest] 30 pages about 30 customers"]


def test_a_channel_that_reaches_nobody_is_left_alone_for_the_round(office: Office) -> None:
    office.clerk.file([make_warning()])
    office.channel.script = [TryLater("down", everyone=True)]
    office.dispatcher.round()
    assert len(office.channel.sent) == 1


def test_an_outage_of_the_channel_costs_no_page_an_attempt(office: Office) -> None:
    office.clerk.file([make_warning()])
    office.channel.script = [TryLater("down", everyone=True)] * 20
    for _ in range(20):
        office.dispatcher.round()
        office.pass_seconds(delivering.LONGEST_BACKOFF_S)
    office.dispatcher.round()
    assert office.states() == ["accepted", "accepted"]


def test_a_channel_that_is_away_is_tried_with_growing_pauses(office: Office) -> None:
    office.clerk.file([make_warning()])
    office.channel.script = [TryLater("down", everyone=True)] * 3
    for seconds, sent in ((0, 1), (14, 1), (1, 2), (29, 2), (1, 3), (59, 3), (1, 5)):
        office.pass_seconds(seconds)
        office.dispatcher.round()
        assert len(office.channel.sent) == sent


def test_pages_that_have_waited_a_day_for_an_absent_channel_have_all_failed_and_the_fallback_is_told(
    office: Office,
) -> None:
    office.clerk.file([make_warning()])
    office.pass_seconds(delivering.LONGEST_OUTAGE.total_seconds())
    office.clerk.file([make_warning("w2", customer_id="C2", audience=["owner"])])
    office.channel.script = [TryLater("down", everyone=True)]
    office.dispatcher.round()
    assert office.states() == ["failed", "failed", "pending"]
    office.inbox.round()
    assert len(office.desk.inbox("sun")) == 2


def test_one_person_who_cannot_be_reached_does_not_hold_up_the_others(office: Office) -> None:
    office.clerk.file([make_warning()])
    office.channel.script = [TryLater("mailbox full")]
    office.dispatcher.round()
    assert office.states() == ["pending", "accepted"]


def test_a_person_who_has_left_the_directory_cannot_be_paged_and_the_fallback_learns_it(office: Office) -> None:
    page_wang(office)
    with office.database.writing() as tx:
        tx.execute(pages.update().values(person="gone"))
    office.dispatcher.round()
    office.inbox.round()
    assert office.states() == ["failed"]
    assert "gone" in office.desk.inbox("sun")[0].text


def test_a_round_ends_early_when_the_service_stops(office: Office) -> None:
    office.clerk.file([make_warning()])
    assert office.dispatcher.round(stop=lambda: True) == 0
    assert office.states() == ["pending", "pending"]


def test_the_inbox_keeps_a_line_of_json_for_every_message(office: Office) -> None:
    page_wang(office)
    office.inbox.round()
    (line,) = [json.loads(text) for text in office.log.read_text(encoding="utf-8").splitlines()]
    assert (line["person"], line["at"]) == ("wang", NOON.isoformat())
    message = office.desk.inbox("wang")[0]
    assert (line["subject"], line["text"], line["case_id"]) == (message.subject, message.text, message.case_id)


def test_a_message_is_read_by_its_own_reader_only(office: Office) -> None:
    page_wang(office)
    office.inbox.round()
    (message,) = office.desk.inbox("wang")
    with pytest.raises(NotFound, match="no such message"):
        office.desk.mark_read(message.id, "li")
    office.desk.mark_read(message.id, "wang")
    assert office.desk.inbox("wang")[0].read


def withdraw(office: Office, id: str = "w1") -> None:
    office.clerk.file([make_warning(id, revision=2, change="withdrawn", audience=["owner"])])


def test_a_page_that_has_not_gone_out_when_its_warning_is_withdrawn_never_does_and_nobody_hears_of_it(
    office: Office,
) -> None:
    page_wang(office)
    withdraw(office)
    assert (office.dispatcher.round(), office.inbox.round()) == (0, 0)
    assert (office.states(), office.states("inbox")) == (["cancelled"], ["cancelled"])
    (case,) = office.desk.list_cases(CaseFilter(status="closed"))
    assert [page.state for page in office.desk.get_case(case.id).pages] == ["cancelled", "cancelled"]


def test_a_withdrawal_is_told_by_the_channels_through_which_the_page_had_gone(office: Office) -> None:
    page_wang(office)
    office.inbox.round()
    withdraw(office)
    office.inbox.round()
    office.dispatcher.round()
    assert [subject[:6] for subject in office.subjects("wang")] == ["【预警·中】", "【预警撤回】"]
    assert (office.states(), office.channel.sent) == (["cancelled"], [])


def test_who_knows_already_that_it_is_off_does_not_hear_it_twice(office: Office) -> None:
    page_wang(office)
    office.inbox.round()
    withdraw(office)
    office.inbox.round()
    office.clerk.file([make_warning(revision=3, audience=["owner"])])
    office.clerk.file([make_warning(revision=4, change="withdrawn", audience=["owner"])])
    assert office.inbox.round() == 0
    assert len(office.desk.inbox("wang")) == 2


def test_who_may_have_got_the_page_is_told_of_the_withdrawal(office: Office) -> None:
    page_wang(office)
    office.channel.script = [FateUnknown("connection lost")]
    office.dispatcher.round()
    withdraw(office)
    office.dispatcher.round()
    assert [message.subject[:6] for message in office.channel.sent] == ["【预警·中】", "【预警撤回】"]


def test_a_page_that_must_be_tried_again_is_not_once_its_warning_is_withdrawn(office: Office) -> None:
    page_wang(office)
    office.channel.script = [TryLater("busy")]
    office.channel.during = lambda: withdraw(office)
    office.dispatcher.round()
    assert office.states()[0] == "cancelled"


def test_a_page_that_is_withdrawn_while_the_round_goes_on_is_left_out_of_its_digest(office: Office) -> None:
    office.clerk.file([make_warning(f"w{number}", audience=["owner"]) for number in range(5)])
    office.clerk.file([make_warning("li", audience=["superior"])])
    taken: list[str] = []

    def withdraw_one() -> None:
        if not taken:
            taken.append("w4")
            withdraw(office, "li")

    office.channel.during = withdraw_one
    office.dispatcher.round()
    assert [message.to.id for message in office.channel.sent] == ["wang"]
    assert office.states()[:6] == ["accepted"] * 5 + ["cancelled"]


def test_an_uncertain_page_is_told_to_whoever_follows_the_case(office: Office) -> None:
    page_wang(office)
    office.channel.script = [FateUnknown("connection lost")]
    office.dispatcher.round()
    (case,) = office.desk.list_cases(CaseFilter())
    last = office.desk.get_case(case.id).timeline[-1]
    assert (last.type, last.person, last.channel) == ("case.page_uncertain", "wang", "webhook")


def test_it_is_known_when_a_page_was_sent(office: Office) -> None:
    page_wang(office)
    office.pass_seconds(90)
    office.inbox.round()
    (case,) = office.desk.list_cases(CaseFilter())
    sent = {page.channel: page.sent_at for page in office.desk.get_case(case.id).pages}
    assert sent == {"inbox": office.at, "webhook": None}

"""The page of one's own contact methods: each is proved by a code and tried by a test, and nobody sees another's."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import get_args

import pytest
from starlette.types import ASGIApp

from services.notifier.button import PAUSE as TEST_PAUSE
from services.notifier.channels.base import BadAddress, BadCredential, FateUnknown, NotSent, Refused, TryLater
from services.notifier.channels.trying import Outcome
from services.notifier.codes import LIVES, MAX_ATTEMPTS, MAX_SENT, PAUSE, Answer
from services.notifier.console.app import build_console
from services.notifier.console.texts import load_texts
from tests.unit.notifier_console.addresses import MEMBER, PAGER, ROBOT, Addresses
from tests.unit.notifier_console.office import SHANGHAI, Office
from tests.unit.notifier_console.visitor import Visitor, words

ZH = load_texts()["zh"]


@pytest.fixture
def addresses(office: Office) -> Addresses:
    return Addresses(office)


@pytest.fixture
def console(office: Office, addresses: Addresses) -> ASGIApp:
    """The pages with that of contact methods, in the place of those without."""
    return build_console(office.desk, SHANGHAI, methods=addresses.methods)


@pytest.fixture
def keys(office: Office, addresses: Addresses) -> dict[str, str]:
    """What forms call Li Na's addresses, by channel."""
    return {one.channel: one.key for one in addresses.methods.of("li.na", office.now)}


def post(visitor: Visitor, action: str, key: str, **fields: str) -> str:
    """What the page says after a form was sent."""
    answer = visitor.act("/methods", f"/methods/{action}", method=key, **fields)
    if answer.status_code == 303:
        assert answer.headers["location"] == "/methods"
        answer = visitor.get("/methods")
        return said(answer.text, "status")
    assert answer.status_code == 422
    return said(answer.text, "alert")


def said(page: str, role: str) -> str:
    """The text of what has that role."""
    found = re.search(rf'role="{role}">(.*?)</(?:p|div></div)>\n', page, re.DOTALL)
    assert found, f"nothing of role {role}"
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split())


def code_in(addresses: Addresses) -> str:
    """As the person reads it in the last message."""
    found = re.search(r"\d{6}", addresses.member.sent[-1].text)
    assert found
    return found[0]


def test_each_address_is_shown_shortened_with_its_standing(superior: Visitor) -> None:
    page = superior.get("/methods")
    text = words(page)
    assert "电子邮件 l…@bellwether.test 已验证 由通讯录确认" in text
    assert "企业微信应用 Li…rk 未验证" in text
    assert "PagerDuty li…er 未验证" in text
    assert text.count("没有设置这种渠道") == 1
    assert 'href="/methods" aria-current="page"' in page.text
    for address in (MEMBER, ROBOT, PAGER, "li.na@bellwether.test"):
        assert address not in page.text


def test_a_code_proves_an_address_and_the_page_says_since_when(
    superior: Visitor, addresses: Addresses, keys: dict[str, str]
) -> None:
    assert 'name="code"' not in superior.get("/methods").text
    assert post(superior, "code", keys["wecom_app"]) == ZH("done.code_sent")
    text = words(superior.get("/methods"))
    assert "6 位数字，有效期至 2026年3月18日 14:40，还可以尝试 5 次" in text
    code = code_in(addresses)
    assert post(superior, "confirm", keys["wecom_app"], code=f"{code[:3]} {code[3:]}") == ZH("done.method_proved")
    page = superior.get("/methods")
    assert "企业微信应用 Li…rk 已验证 通过验证码验证： 2026年3月18日 14:30" in words(page)
    assert 'name="code"' not in page.text
    assert addresses.live().people["li.na"].reached_by("wecom_app") == MEMBER


def test_a_wrong_code_is_said_beside_the_attempts_that_are_left(superior: Visitor, keys: dict[str, str]) -> None:
    post(superior, "code", keys["wecom_app"])
    for left in range(MAX_ATTEMPTS - 1, 0, -1):
        answer = superior.act("/methods", "/methods/confirm", method=keys["wecom_app"], code="999999")
        assert said(answer.text, "alert") == f"企业微信应用 Li…rk：{ZH('methods.wrong')}"
        assert f"还可以尝试 {left} 次" in words(answer)
        assert 'aria-invalid="true"' in answer.text
    post(superior, "confirm", keys["wecom_app"], code="999999")
    assert ZH("methods.confirm_too_many") in post(superior, "confirm", keys["wecom_app"], code="000100")


def test_a_code_that_has_expired_is_said_so_and_a_new_one_works(
    superior: Visitor, office: Office, addresses: Addresses, keys: dict[str, str]
) -> None:
    post(superior, "code", keys["wecom_app"])
    office.now += LIVES
    assert 'name="code"' not in superior.get("/methods").text
    assert ZH("methods.no_code") in post(superior, "confirm", keys["wecom_app"], code=code_in(addresses))
    post(superior, "code", keys["wecom_app"])
    assert post(superior, "confirm", keys["wecom_app"], code=code_in(addresses)) == ZH("done.method_proved")


def test_codes_come_no_faster_than_by_the_api(superior: Visitor, office: Office, keys: dict[str, str]) -> None:
    post(superior, "code", keys["wecom_app"])
    assert ZH("methods.too_soon") in post(superior, "code", keys["wecom_app"])
    for _ in range(MAX_SENT - 1):
        office.now += PAUSE
        assert post(superior, "code", keys["wecom_app"]) == ZH("done.code_sent")
    office.now += PAUSE
    assert ZH("methods.send_too_many") in post(superior, "code", keys["wecom_app"])


def test_a_code_that_the_channel_does_not_take_is_said_so(
    superior: Visitor, addresses: Addresses, keys: dict[str, str]
) -> None:
    addresses.member.problem = TryLater("away")
    assert ZH("methods.not_sent") in post(superior, "code", keys["wecom_app"])


def test_an_empty_code_counts_as_no_attempt(superior: Visitor, keys: dict[str, str]) -> None:
    post(superior, "code", keys["wecom_app"])
    assert "请输入收到的 6 位验证码" in post(superior, "confirm", keys["wecom_app"], code=" ")
    assert "还可以尝试 5 次" in words(superior.get("/methods"))


@pytest.mark.parametrize(
    ("problem", "outcome"),
    [
        (BadAddress("81013 <b>no such user</b>"), "bad_address"),
        (BadCredential("40001"), "bad_credential"),
        (TryLater("503"), "later"),
        (Refused("not allowed"), "refused"),
        (FateUnknown("the answer was lost"), "unknown"),
    ],
)
def test_a_test_that_was_not_accepted_says_why_in_the_channels_words(
    superior: Visitor, addresses: Addresses, keys: dict[str, str], problem: NotSent, outcome: str
) -> None:
    addresses.member.problem = problem
    answer = superior.act("/methods", "/methods/test", method=keys["wecom_app"], channel="wecom")
    assert answer.status_code == 422
    assert f"企业微信应用 Li…rk：{ZH(f'methods.test_{outcome}')}" in words(answer)
    assert f"渠道的答复：{problem}" in words(answer)
    assert "<b>" not in answer.text


def test_a_test_goes_to_its_address_proved_or_not_and_its_acceptance_is_told(
    superior: Visitor, office: Office, addresses: Addresses, keys: dict[str, str]
) -> None:
    assert post(superior, "test", keys["email"], channel="email") == ZH("done.test_accepted")
    assert post(superior, "test", keys["wecom_app"], channel="wecom") == ZH("done.test_accepted")
    assert addresses.mail.sent[0].to.email == "li.na@bellwether.test"
    assert addresses.member.sent[0].to.reached_by("wecom_app") == MEMBER
    addresses.member.unverified = True
    office.now += TEST_PAUSE
    assert post(superior, "test", keys["wecom_app"], channel="wecom") == ZH("done.test_unverified")


def test_whoever_tests_again_at_once_has_to_wait(
    superior: Visitor, office: Office, addresses: Addresses, keys: dict[str, str]
) -> None:
    post(superior, "test", keys["wecom_app"], channel="wecom")
    office.now += TEST_PAUSE - timedelta(seconds=1)
    assert ZH("methods.test_rate_limited") in post(superior, "test", keys["wecom_app"], channel="wecom")
    office.now += timedelta(seconds=1)
    post(superior, "test", keys["wecom_app"], channel="wecom")
    assert len(addresses.member.sent) == 2


def test_of_several_channels_of_a_kind_each_is_tried_by_its_own_button(
    superior: Visitor, addresses: Addresses, keys: dict[str, str]
) -> None:
    text = words(superior.get("/methods"))
    assert "通过 sales-group 发送测试消息" in text
    assert "通过 board 发送测试消息" in text
    post(superior, "test", keys["dingtalk"], channel="board")
    assert [len(robot.sent) for robot in addresses.robots] == [0, 1]
    # A channel of another kind is none of this address's, whoever asks.
    post(superior, "test", keys["dingtalk"], channel="email")
    assert [len(robot.sent) for robot in addresses.robots] == [1, 1]
    assert addresses.mail.sent == []


def test_without_a_channel_of_its_kind_nothing_is_sent(superior: Visitor, keys: dict[str, str]) -> None:
    for action in ("code", "confirm", "test"):
        said_of = post(superior, action, keys["pagerduty"], code="000100", channel="pagerduty")
        assert ZH("methods.no_code" if action == "confirm" else "methods.unknown_method") in said_of


def test_nobody_proves_or_tests_the_address_of_somebody_else(
    colleague: Visitor, addresses: Addresses, keys: dict[str, str]
) -> None:
    page = colleague.get("/methods")
    assert "The directory has no address of yours" in words(page)
    for action in ("code", "confirm", "test"):
        answer = colleague.act("/methods", f"/methods/{action}", method=keys["wecom_app"], code="1", channel="wecom")
        assert answer.status_code == 422
        assert "Li…rk" not in answer.text
        assert "The directory no longer has that address" in words(answer)
    assert addresses.member.sent == []


@pytest.mark.parametrize("action", ["code", "confirm", "test"])
def test_nothing_is_sent_without_a_session_or_our_form(
    visitor: Visitor, superior: Visitor, addresses: Addresses, keys: dict[str, str], action: str
) -> None:
    fields = {"method": keys["wecom_app"], "channel": "wecom", "code": "000100"}
    assert visitor.post(f"/methods/{action}", **fields).headers["location"] == "/sign-in?next=%2Fmethods"
    assert superior.post(f"/methods/{action}", **fields, csrf="forged").status_code == 403
    assert superior.get(f"/methods/{action}").status_code == 404
    assert addresses.member.sent == []


def test_a_console_without_the_page_does_not_lead_to_it(office: Office) -> None:
    signed_in = Visitor(build_console(office.desk, SHANGHAI))
    signed_in.sign_in("li.na")
    assert "/methods" not in signed_in.get("/cases").text
    assert signed_in.get("/methods").status_code == 404


def test_every_answer_and_every_outcome_has_its_words() -> None:
    good = {Answer.SENT, Answer.CONFIRMED, Answer.VERIFIED_ALREADY, Answer.TOO_MANY}
    for answer in set(Answer) - good:
        assert ZH(f"methods.{answer}")
    for outcome in get_args(Outcome):
        assert ZH(f"done.test_{outcome}" if outcome in ("accepted", "unverified") else f"methods.test_{outcome}")

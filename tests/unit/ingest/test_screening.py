"""What looks personal is told from what only looks like a number."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest

from schemas.codec import InvalidEvent, parse
from services.ingest.looking_personal import in_id, in_words, redact
from services.ingest.screening import Screening, spots_of
from services.ingest.treating import ANYBODY, Coming
from tests.unit.schemas.examples import DATA, example

PHONES = [
    "13812345678",
    "138-1234-5678",
    "138 1234 5678",
    "+86 138 1234 5678",
    "0086-13812345678",
    "8613812345678",
    "１３８１２３４５６７８",
    "010-55500100",
    "0571-88881234",
    "(010) 55500100",
    "+49 30 901820 12",
    "+1 (212) 555-01-00",
]
EMAILS = ["lin@example.com", "lin.tao+erp@mail.example.co.uk", "林涛@例子.公司", "lin＠example.com"]
ACCOUNTS = [
    "6222021234567890128",
    "6222 0212 3456 7890 128",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "5500005555555559",
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "账号：1100 1007 6000 5300 1234",
    "account no. 0200004509014413",
]


def looks(text: str) -> list[str]:
    return [find.looks for find in in_words(text)]


@pytest.mark.parametrize("around", ["{}", "电话{}", "call {} today", "({})", "林涛，{}。", "x: {}\n"])
@pytest.mark.parametrize(
    ("texts", "wanted"), [(PHONES, "a phone number"), (EMAILS, "an e-mail address"), (ACCOUNTS, "a bank account")]
)
def test_they_are_found_in_the_middle_of_words(texts: list[str], wanted: str, around: str) -> None:
    for text in texts:
        said = around.format(text)
        assert looks(said) == [wanted], said
        gone = redact(said)
        assert looks(gone) == []
        assert text not in gone


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "spring fair",
            "PO-13812345678",
            "PO13812345678",
            "13812345678.50",
            "1.13812345678",
            "2026-03-02 09:30:00",
        ),
        *(
            "12345678901",
            "20260302123456",
            "138123456789",
            "6222021234567890127",
            "4111111111111112",
            "SN4111111111111111",
        ),
        *(
            "INV-2026-000123",
            "010-555",
            "M6x30 DIN 912",
            "ISO 9001:2015",
            "0.138 1234",
            "3.14159265358979",
            "CNY 1,200,000.00",
        ),
        *(
            "11/12/13 14:15:16",
            "192.168.100.200",
            "lin@",
            "@example",
            "a @ b",
            "价格@100元",
            "1 2 3 4 5 6 7 8 9 10 11 12",
        ),
        *("account 2025", "账户 3 个", "第13812345678901号", "+5%", "+100 000 000", "DE89370400440532013001"),
    ],
)
def test_what_is_something_else_is_left_alone(text: str) -> None:
    assert looks(text) == []


def test_of_an_id_only_an_e_mail_address_is_asked() -> None:
    assert in_id("13812345678") == in_id("6222021234567890128") == in_id("O-1") == []
    assert [find.looks for find in in_id("lin@example.com")] == ["an e-mail address"]


def coming(kind: str, **changes: Any) -> Coming:
    document = example(kind, data={**DATA[kind], **changes})
    return Coming(parse(document), document)


@pytest.mark.parametrize("kind", sorted(DATA))
def test_no_example_is_refused(kind: str) -> None:
    unchanged = coming(kind)
    assert Screening("refuse")(unchanged, ANYBODY) is unchanged


@pytest.mark.parametrize(
    ("kind", "changes", "path"),
    [
        ("feedback.raised", {"topic": "call 13812345678"}, "data.topic"),
        ("service_case.opened", {"topic": "lin@example.com"}, "data.topic"),
        ("order.placed", {"campaign": "lin@example.com"}, "data.campaign"),
        (
            "order.placed",
            {"lines": [{**DATA["order.placed"]["lines"][0], "product_line": "13812345678"}]},
            "data.lines.0.product_line",
        ),
        ("competitor.activity", {"source": "Lin, +86 138 1234 5678"}, "data.source"),
        ("activity.logged", {"with": ["lin", "lin@example.com"]}, "data.with.1"),
        ("contact.changed", {"contact_id": "lin@example.com"}, "data.contact_id"),
        ("profile.updated", {"fields": {"ceo": "Lin 13812345678"}}, "data.fields.ceo"),
        ("profile.updated", {"fields": {"mobile": "13812345678"}}, "data.fields.mobile"),
        ("profile.updated", {"fields": {"ceo_phone": 13812345678}}, "data.fields.ceo_phone"),
        ("promotion.announced", {"campaign": "13812345678"}, "data.campaign"),
    ],
)
def test_it_is_refused_with_its_field_and_is_not_quoted(kind: str, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Screening("refuse")(coming(kind, **changes), ANYBODY)
    error = caught.value
    assert (error.code, [one.field for one in error.errors]) == ("personal_data", [path])
    assert not any(secret in error.message for secret in ("13812345678", "example.com", "138 1234"))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("contact.changed", {"details": {"phone": "13812345678", "email": "lin@example.com"}}),
        ("activity.logged", {"note": "call 13812345678"}),
        ("activity.logged", {"by": "zhang@ours.example"}),
        ("customer.owner_changed", {"new": "zhang@ours.example", "old": None}),
        ("profile.updated", {"fields": {"revenue": "13812345678", "revenue_2": "13812345678.00", "sold": 13812345678}}),
        ("payment.received", {"payment_id": "6222021234567890128", "amount": "999999999999999"}),
        ("order.placed", {"order_id": "13812345678"}),
    ],
)
def test_where_it_belongs_or_is_something_else_it_passes(kind: str, changes: dict[str, Any]) -> None:
    unchanged = coming(kind, **changes)
    assert Screening("refuse")(unchanged, ANYBODY) is unchanged


def test_it_can_be_set_to_warn_and_then_names_the_field_alone(caplog: pytest.LogCaptureFixture) -> None:
    suspect = coming("feedback.raised", topic="call 13812345678")
    with caplog.at_level(logging.WARNING):
        assert Screening("warn")(suspect, ANYBODY) is suspect
        assert Screening("off")(suspect, ANYBODY) is suspect
    (line,) = caplog.messages
    assert line.startswith("data.topic of a feedback.raised from ")
    assert "13812345678" not in line


def test_every_label_and_id_of_every_event_is_looked_at() -> None:
    seen = {f"{kind}.{spot.name}" for kind in DATA for spot in spots_of(f"bellwether.{kind}")}
    assert {"invoice.issued.invoice_id", "order.placed.lines", "feedback.raised.topic", "activity.logged.with"} <= seen
    assert not {"activity.logged.by", "activity.logged.note", "invoice.issued.amount", "order.placed.currency"} & seen


def test_of_generated_ids_and_figures_in_names_hardly_any_is_refused() -> None:
    """Order numbers as ERPs make them, put where words stand."""
    chance = random.Random(20260302)
    texts = [
        text
        for number in range(20_000)
        for text in (
            f"2026{chance.randrange(10**8):08d}",
            f"SO-{chance.randrange(10**9)}",
            f"{chance.randrange(10**5)}",
            f"{chance.randrange(10**6)}.{chance.randrange(100):02d}",
            f"{chance.randrange(10**9)}-{number}",
            f"{chance.getrandbits(64)}",
            f"{chance.getrandbits(128):032x}",
        )
    ]
    refused = [text for text in texts if in_words(text)]
    assert len(refused) / len(texts) < 0.003

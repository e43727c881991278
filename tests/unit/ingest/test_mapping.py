"""What a mapping may say, and what a row becomes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from services.ingest.imports.finding import SHIPPED, find_mapping, shipped_names
from services.ingest.imports.mapping import BadMapping, Mapping, parse_mapping
from services.ingest.imports.reading import BadFile, checked_header
from services.ingest.imports.rows import BadRow, Target, row_maker
from tests.unit.ingest.exports import DISPUTED, HEADER, OPEN, PAID

TARGET = Target(ZoneInfo("Asia/Shanghai"), "ar")
RECEIVABLE = find_mapping("accounts_receivable")


def cells(row: str) -> dict[str, str]:
    return dict(zip(HEADER.split(","), row.replace('"', "").split(","), strict=True))


def row_events(chosen: Mapping, row: dict[str, str], target: Target) -> list[dict[str, Any]]:
    return [made.document for made in row_maker(chosen, list(row), target)(list(row.values()))]


def mapping(text: str) -> Mapping:
    return parse_mapping(yaml.safe_load(text), "test.yaml")


def faults(text: str) -> str:
    with pytest.raises(BadMapping) as caught:
        mapping(text)
    return str(caught.value)


def bad_row(row: dict[str, str], chosen: Mapping = RECEIVABLE) -> tuple[str, str]:
    with pytest.raises(BadRow) as caught:
        row_events(chosen, row, TARGET)
    return caught.value.column, caught.value.reason


def test_a_settled_invoice_is_an_invoice_and_its_payment_in_full() -> None:
    paid, issued = row_events(RECEIVABLE, cells(PAID), TARGET)
    assert [issued, paid] == [
        {
            "specversion": "1.0",
            "id": "invoice-9000000001",
            "source": "ar",
            "type": "bellwether.invoice.issued",
            "time": "2013-01-02T00:00:00+08:00",
            "subject": "0001-AAAAA",
            "data": {
                "invoice_id": "9000000001",
                "amount": "55.94",
                "currency": "USD",
                "issue_date": "2013-01-02",
                "due_date": "2013-02-01",
            },
        },
        {
            "specversion": "1.0",
            "id": "payment-9000000001",
            "source": "ar",
            "type": "bellwether.payment.received",
            "time": "2013-01-15T00:00:00+08:00",
            "subject": "0001-AAAAA",
            "data": {
                "payment_id": "payment-9000000001",
                "amount": "55.94",
                "currency": "USD",
                "value_date": "2013-01-15",
                "allocations": [{"invoice_id": "9000000001", "amount": "55.94"}],
            },
        },
    ]


def test_a_dispute_is_dated_with_its_invoice_so_that_it_never_counts() -> None:
    disputed, paid, issued = row_events(RECEIVABLE, cells(DISPUTED), TARGET)
    assert disputed["type"] == "bellwether.invoice.disputed"
    assert disputed["time"] == issued["time"] == "2013-01-26T00:00:00+08:00"
    assert paid["time"] == "2013-03-03T00:00:00+08:00"


def test_an_open_invoice_has_no_payment() -> None:
    assert [event["type"] for event in row_events(RECEIVABLE, cells(OPEN), TARGET)] == ["bellwether.invoice.issued"]


def test_the_same_row_gives_the_same_ids_again() -> None:
    assert row_events(RECEIVABLE, cells(PAID), TARGET) == row_events(RECEIVABLE, cells(PAID), TARGET)


def test_history_marks_every_event() -> None:
    events = row_events(RECEIVABLE, cells(DISPUTED), Target(TARGET.zone, "ar", history=True))
    assert [event["history"] for event in events] == [True] * 3


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"InvoiceAmount": "12,5"}, "InvoiceAmount", "no decimal"),
        ({"InvoiceAmount": "0.00"}, "InvoiceAmount", "greater than 0"),
        ({"InvoiceDate": "2.1.2013"}, "InvoiceDate", "does not fit the format %m/%d/%Y"),
        ({"DueDate": "2013-02-30"}, "DueDate", "day is out of range"),
        ({"DueDate": "2/30/2013"}, "DueDate", "does not fit"),
        ({"DueDate": ""}, "DueDate", "is empty"),
        ({"SettledDate": "soon"}, "SettledDate", "does not fit"),
        ({"SettledDate": "1/1/1913"}, "SettledDate", "1970 to 2199"),
        ({"customerID": " "}, "customerID", "is empty"),
        ({"customerID": "two words"}, "customerID", "pattern"),
        ({"invoiceNumber": ""}, "invoiceNumber", "is empty"),
    ],
)
def test_a_bad_cell_refuses_the_row_and_names_the_column(change: dict[str, str], column: str, reason: str) -> None:
    found, why = bad_row({**cells(PAID), **change})
    assert found == column
    assert reason in why


ORDERS = """
name: orders
source: shop
events:
  - type: profile.updated
    id: "p-{Nr}"
    subject: {column: Nr}
    time: {column: When, as: instant, format: "%d.%m.%Y %H:%M"}
    when: [{column: Kind, one_of: [A, B]}]
    data:
      section: {constant: basic}
      fields:
        revenue: {column: Sum, as: decimal, thousands: ".", decimal_point: ","}
        staff: {column: Staff, as: integer, required: false}
        share: {column: Share, as: number, required: false, default: 0.5}
        important: {column: Key, as: boolean}
        class: {column: Kind, values: {A: gold, B: silver}}
        label: {template: "{Kind}/{Nr}"}
"""
ORDER = {
    "Nr": "7",
    "When": "02.03.2026 09:30",
    "Kind": "A",
    "Sum": "1.234.567,89",
    "Staff": "",
    "Share": "",
    "Key": "是",
}


def test_cells_are_read_as_the_mapping_says() -> None:
    (event,) = row_events(mapping(ORDERS), ORDER, TARGET)
    assert event["time"] == "2026-03-02T09:30:00+08:00"
    assert event["data"]["fields"] == {
        "revenue": "1234567.89",
        "share": 0.5,
        "important": True,
        "class": "gold",
        "label": "A/7",
    }


def test_a_condition_that_does_not_hold_makes_no_event() -> None:
    assert row_events(mapping(ORDERS), {**ORDER, "Kind": "C"}, TARGET) == []


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [({"Staff": "1.5"}, "Staff", "whole number"), ({"Key": "maybe"}, "Key", "neither yes nor no")],
)
def test_numbers_and_booleans_are_strict(change: dict[str, str], column: str, reason: str) -> None:
    found, why = bad_row({**ORDER, **change}, mapping(ORDERS))
    assert (found, reason in why) == (column, True)


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("type: profile.updated", "type: profile.update", "no event type"),
        ('id: "p-{Nr}"', "id: same", "column in braces"),
        ("as: instant", "as: whenever", "time.as"),
        ("as: instant", "as: date", "start_of_day or instant"),
        ("thousands:", "thousandz:", "data.fields.revenue.thousandz"),
        ("{column: Nr}", "{column: Nr, oops: 1}", "subject.oops"),
        ("    subject: {column: Nr}\n", "", "needs a subject"),
        ("one_of: [A, B]", "one_of: [A, B], empty: true", "exactly one of"),
        ("as: boolean", 'as: boolean, format: "%Y"', "format belongs to"),
        ("required: false, default", "default", "required: false"),
        ("name: orders", "name: My Orders", "name"),
        ("{constant: basic}", "basic", "data.section"),
    ],
)
def test_a_faulty_mapping_is_refused_with_the_place(right: str, wrong: str, sentence: str) -> None:
    assert right in ORDERS
    assert sentence in faults(ORDERS.replace(right, wrong))


def test_columns_are_all_that_the_mapping_reads() -> None:
    assert mapping(ORDERS).columns() == ["Nr", "When", "Kind", "Sum", "Staff", "Share", "Key"]


def test_a_mapping_that_does_not_exist_names_those_that_do() -> None:
    assert "accounts_receivable" in shipped_names()
    with pytest.raises(BadMapping, match="accounts_receivable"):
        find_mapping("invoices")


REGIONS = """
name: regions
source: shop
headings: {customer: [客户, Customer]}
lookups: {regions: {file: regions.csv, key: code, value: name}}
events:
  - type: profile.updated
    id: "p-{customer}"
    subject: {column: customer}
    time: {column: When, as: start_of_day}
    data:
      section: {constant: basic}
      fields: {region: {column: Region, lookup: regions, required: false}, size: {constant: 3}}
"""


def own_mapping(folder: Path, regions: str | None, text: str = REGIONS) -> Mapping:
    (folder / "regions.yaml").write_text(text, encoding="utf-8")
    if regions is not None:
        (folder / "regions.csv").write_text(regions, encoding="utf-8")
    return find_mapping(str(folder / "regions.yaml"))


def test_a_lookup_file_beside_the_mapping_says_what_a_cell_means(tmp_path: Path) -> None:
    chosen = own_mapping(tmp_path, "\ufeffcode,name\n010,北京\n021 , 上海\n")
    row = {"customer": "C1", "When": "2026-03-02", "Region": "021"}
    (event,) = row_events(chosen, row, TARGET)
    assert event["data"]["fields"] == {"region": "上海", "size": 3}
    (without,) = row_events(chosen, {**row, "Region": " "}, TARGET)
    assert without["data"]["fields"] == {"size": 3}
    assert bad_row({**row, "Region": "0755"}, chosen) == ("Region", '"0755" is not in regions.csv')


@pytest.mark.parametrize(
    ("regions", "sentence"),
    [
        (None, "cannot be read"),
        ("", "no rows with code and name"),
        ("code,title\n1,2\n", "no rows with code and name"),
        ("code,name\n1,a\n1,b\n", '"1" twice'),
    ],
)
def test_a_lookup_file_that_is_of_no_use_is_told(tmp_path: Path, regions: str | None, sentence: str) -> None:
    with pytest.raises(BadMapping, match=sentence):
        own_mapping(tmp_path, regions)


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("lookup: regions,", "lookup: towns,", "lookups lacks towns"),
        ("lookup: regions,", "lookup: regions, values: {a: b},", "either values or lookup"),
        ("[客户, Customer]}", "[客户], order: [客户]}", "one heading to two columns"),
        ("      section:", "      sections: {constant: 1}\n      section:", "profile.updated has no data.sections"),
        ("lookups:", 'group_by: "{customer}"\nlookups:', "each and group_by go together"),
        ("size: {constant: 3}", "size: {each: {a: {constant: 3}}}", "each and group_by go together"),
        ("lookups:", "snapshot: {item: same}\nlookups:", "column in braces"),
        ("lookups:", 'snapshot: {item: "{customer}", missing: settled}\nlookups:', "needs settled"),
    ],
)
def test_what_does_not_fit_together_is_told(right: str, wrong: str, sentence: str) -> None:
    assert right in REGIONS
    assert sentence in faults(REGIONS.replace(right, wrong, 1))


def test_fields_inside_a_list_are_looked_at_too() -> None:
    orders = (SHIPPED / "order_lines.yaml").read_text(encoding="utf-8")
    assert "order.placed has no data.lines.product" in faults(orders.replace("product_id:", "product:"))


def test_a_missing_column_is_named_as_it_may_be_called() -> None:
    with pytest.raises(BadFile, match="lacks columns that the mapping regions reads: 客户 or Customer, When, Region"):
        checked_header(["A"], mapping(REGIONS), "export.csv")
    assert checked_header(["客户", "When", "Region"], mapping(REGIONS), "export.csv")[0] == "customer"

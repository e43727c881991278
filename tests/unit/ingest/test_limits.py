"""Token buckets."""

from __future__ import annotations

from services.ingest import limits as limits_module
from services.ingest.limits import BURST_S, Limits
from services.ingest.treating import ANYBODY, Sender

ERP = Sender("erp/1", "erp")
CRM = Sender("crm/1", "crm")
BURST = int(10 * BURST_S)


def test_without_a_limit_nobody_waits() -> None:
    limits = Limits(None)
    assert limits.draw(ERP, 1_000_000, 0.0) == 0.0
    assert limits.wait_s(ERP, 0.0) == 0.0


def test_a_burst_goes_through_and_then_as_many_as_seconds_allow() -> None:
    limits = Limits(10)
    assert limits.draw(ERP, BURST, 0.0) == 0.0
    assert limits.wait_s(ERP, 0.0) == 0.1
    assert limits.wait_s(ERP, 0.11) == 0.0
    sent, now = 0, 0.0
    while now < 100:
        now += 0.05
        if not limits.draw(ERP, 1, now):
            sent += 1
    assert 990 <= sent <= 1010


def test_a_large_body_is_paid_for_before_the_next() -> None:
    limits = Limits(10)
    assert limits.draw(ERP, 2000, 0.0) == 0.0
    wait_s = limits.wait_s(ERP, 0.0)
    assert wait_s == (2000 - BURST + 1) / 10
    assert limits.wait_s(ERP, wait_s - 0.2) > 0
    assert limits.wait_s(ERP, wait_s) == 0.0


def test_of_two_requests_at_once_only_one_is_counted_when_the_first_takes_all() -> None:
    limits = Limits(10)
    assert limits.wait_s(ERP, 0.0) == limits.wait_s(ERP, 0.0) == 0.0
    assert limits.draw(ERP, 2000, 0.0) == 0.0
    assert limits.draw(ERP, 2000, 0.0) > 0
    assert limits.wait_s(ERP, 196.0) == 0.0


def test_nothing_more_than_a_burst_is_saved_up() -> None:
    limits = Limits(10)
    limits.draw(ERP, 1, 0.0)
    assert limits.draw(ERP, BURST, 1_000.0) == 0.0
    assert limits.wait_s(ERP, 1_000.0) > 0


def test_each_source_has_a_bucket_of_its_own_over_all_its_keys() -> None:
    limits = Limits(10)
    limits.draw(ERP, 2000, 0.0)
    assert limits.wait_s(CRM, 0.0) == 0.0
    assert limits.wait_s(Sender("erp/2", "erp"), 0.0) > 0


def test_a_key_with_a_limit_of_its_own_has_a_bucket_of_its_own() -> None:
    limits = Limits(None)
    slow = Sender("erp/3", "erp", per_second=1)
    limits.draw(slow, 100, 0.0)
    assert limits.wait_s(slow, 0.0) == 96.0
    assert limits.wait_s(ERP, 0.0) == 0.0


def test_those_without_a_key_share_a_bucket() -> None:
    limits = Limits(10)
    limits.draw(ANYBODY, 2000, 0.0)
    assert limits.wait_s(ANYBODY, 0.0) > 0


def test_buckets_are_bounded() -> None:
    limits = Limits(10)
    for number in range(limits_module.BUCKETS_MAX + 5):
        limits.draw(Sender(f"s{number}/1", f"s{number}"), 1, 0.0)
    assert len(limits._buckets) == limits_module.BUCKETS_MAX

"""A sealed value opens with its customer's key, in its own place, and in no other way."""

from __future__ import annotations

import stat
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import is_sealed
from services.common.master_file import BadMasterFile, add_master, keep_first_master, master_keys
from services.common.sealing import (
    Context,
    CustomerKey,
    MasterKeys,
    NotSealed,
    UnknownMaster,
    new_key,
    read_master,
)

HERE = Context("C001", "crm", "E-1", "data.details.phone")
KEY = CustomerKey(bytes(range(64)))


@given(st.text(min_size=1, max_size=4000))
def test_what_was_sealed_opens_again(text: str) -> None:
    sealed = KEY.seal(HERE, text)
    assert is_sealed(sealed)
    assert KEY.open(HERE, sealed) == text


def test_the_same_value_in_the_same_place_is_sealed_alike_so_that_an_event_sent_again_is_known_again() -> None:
    assert CustomerKey(bytes(range(64))).seal(HERE, "林涛") == KEY.seal(HERE, "林涛")


def test_the_form_on_the_topics_does_not_change() -> None:
    """It stays there for years."""
    assert KEY.seal(HERE, "+86 10 5550 0100") == FORM
    assert KEY.open(HERE, FORM) == "+86 10 5550 0100"


FORM = "sealed:1:8IuOTHx1gimCxvzQB8qi21yJpz89vomvZ7-N4iulVVw"


@pytest.mark.parametrize("part", Context._fields)
def test_a_value_that_was_put_elsewhere_does_not_open(part: str) -> None:
    with pytest.raises(NotSealed):
        KEY.open(HERE._replace(**{part: "other"}), KEY.seal(HERE, "林涛"))


def test_parts_of_a_place_do_not_run_into_each_other() -> None:
    shifted = HERE._replace(source="crmE", event_id="-1")
    assert KEY.seal(HERE, "x") != KEY.seal(shifted, "x")


def test_another_key_opens_nothing() -> None:
    with pytest.raises(NotSealed):
        CustomerKey(new_key()).open(HERE, KEY.seal(HERE, "林涛"))


@pytest.mark.parametrize("text", ["", "林涛", "sealed:1:", "sealed:1:" + "A" * 40])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(NotSealed):
        KEY.open(HERE, text)


def test_an_empty_text_stays_for_it_hides_nothing() -> None:
    assert KEY.seal(HERE, "") == ""


def test_a_wrapped_key_opens_with_the_master_key_that_wrapped_it_and_for_its_customer_only() -> None:
    old, new, key = new_key(), new_key(), new_key()
    wrapped = MasterKeys([old]).wrap("C001", key)
    assert key not in wrapped
    assert MasterKeys([new, old]).unwrap("C001", wrapped) == key
    assert not MasterKeys([new, old]).is_by_first(wrapped)
    with pytest.raises(UnknownMaster, match="C001"):
        MasterKeys([new]).unwrap("C001", wrapped)
    with pytest.raises(NotSealed):
        MasterKeys([old]).unwrap("C002", wrapped)
    with pytest.raises(NotSealed):
        MasterKeys([old]).unwrap("C001", wrapped[:-1] + bytes([wrapped[-1] ^ 1]))


def test_the_first_start_on_a_developers_machine_makes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "data" / "sealing.key"
    wrapped = master_keys(file, may_be_made=True).wrap("C001", b"k" * 64)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert master_keys(file, may_be_made=False).unwrap("C001", wrapped) == b"k" * 64
    assert list(file.parent.iterdir()) == [file]


def test_of_many_that_start_at_once_all_have_the_same_master_key(tmp_path: Path) -> None:
    file, together = tmp_path / "sealing.key", Barrier(8)
    wrapped: list[bytes] = []

    def start() -> None:
        together.wait()
        wrapped.append(master_keys(file, may_be_made=True).wrap("C001", b"k" * 64))

    threads = [Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrapped) == 8
    assert len(set(wrapped)) == 1


def test_a_file_that_was_named_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BadMasterFile, match="named.key"):
        master_keys(tmp_path / "named.key", may_be_made=False)


@pytest.mark.parametrize("text", ["", "# nothing\n", "c2hvcnQ\n", "x" * 87 + "\n", "é" * 86])
def test_a_file_without_master_keys_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sealing.key"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadMasterFile) as caught:
        master_keys(file, may_be_made=True)
    assert "c2hvcnQ" not in str(caught.value)
    assert file.read_text(encoding="utf-8") == text


def test_a_master_key_is_replaced_in_two_steps(tmp_path: Path) -> None:
    file = tmp_path / "sealing.key"
    old = master_keys(file, may_be_made=True).wrap("C001", b"k" * 64)
    add_master(file)
    both = master_keys(file, may_be_made=False)
    assert both.unwrap("C001", old) == b"k" * 64
    new = both.wrap("C001", b"k" * 64)
    keep_first_master(file)
    only = read_master(file.read_text())
    assert only.unwrap("C001", new) == b"k" * 64
    with pytest.raises(UnknownMaster):
        only.unwrap("C001", old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

"""States that earlier versions of the software wrote (data/state_N.json, made by data/write_states.py)."""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from schemas.codec import decode
from services.rules.calendar import micros
from services.rules.records import (
    HEAD,
    SCHEMA,
    Body,
    Head,
    NewerSchema,
    Sealed,
    Segment,
    encoder,
    read_head,
    read_prefix,
    segment_decoder,
    write_head,
)
from services.rules.state import CustomerState
from tests.unit.rules.making import core

DATA = Path(__file__).parent / "data"

LAYOUTS = {3: "1805"}
"""A digest of what the structs looked like in each version."""


def history(customer: str) -> list[dict[str, Any]]:
    spec = importlib.util.spec_from_file_location("write_states", DATA / "write_states.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    events: list[dict[str, Any]] = module.history(module.CUSTOMERS[customer])
    return events


def written_by(version: int, customer: str) -> tuple[dict[str, bytes], dict[str, int]]:
    """The records, and the revisions of the warnings by id."""
    found = json.loads((DATA / f"state_{version}.json").read_text())[customer]
    return {name: base64.b64decode(text) for name, text in found["records"].items()}, found["warnings"]


def known(state: CustomerState) -> dict[str, Any]:
    """Every event by id, and whether it stands."""
    return {key.id: (entry, state.known.stands(entry)) for key, entry in state.known.entries.items()}


@pytest.mark.parametrize("customer", ["few", "many"])
@pytest.mark.parametrize("version", range(1, SCHEMA + 1))
def test_a_state_of_an_earlier_version_is_read_whole_and_goes_on(version: int, customer: str) -> None:
    records, warnings = written_by(version, customer)
    assert {read_prefix(record).schema for record in records.values()} == {version}
    events = [decode(json.dumps(one).encode()) for one in history(customer)]
    with_core = core()
    anew = with_core.open("C", {})
    for offset, one in enumerate(events):
        with_core.apply(anew, one, offset=offset, now=micros(one.time))

    state = with_core.open("C", records)
    assert known(state) == known(anew)
    assert {one.id: one.revision for one in state.announced} == warnings
    assert len(warnings) > 0

    with_core.apply(state, events[-1], offset=len(events) - 1, now=state.head.clock)
    with_core.apply(state, events[0], offset=len(events), now=state.head.clock)
    assert known(state) == known(anew)
    with_core.wake(state, now=state.head.clock + 1)
    written = with_core.close(state)
    records |= {name: record for name, record in written.records if record is not None}
    assert read_prefix(records[HEAD]).schema == SCHEMA
    again = with_core.open("C", records)
    assert known(again) == known(anew)
    assert {one.id for one in again.announced} == {one.id for one in state.announced}


def test_what_a_later_version_wrote_is_refused() -> None:
    with_core = core()
    records, _ = written_by(SCHEMA, "few")
    head = msgspec.msgpack.decode(records[HEAD])
    newer = encoder.encode([SCHEMA + 1, *head[1:]])
    for read in (with_core.version, with_core.peek, with_core.brief):
        with pytest.raises(NewerSchema, match=f"version {SCHEMA + 1}; this software knows up to {SCHEMA}"):
            read(newer)
    with pytest.raises(NewerSchema):
        with_core.open("C", {HEAD: newer})


def test_version_2_would_break_on_a_head_of_version_3_and_not_lose_its_events() -> None:
    for customer in ("few", "many"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.msgpack.decode(written_by(3, customer)[0][HEAD], type=Head)


def test_whoever_changes_a_struct_raises_the_version() -> None:
    """If this fails: raise SCHEMA, keep states of the version before (data/write_states.py), add the new digest."""
    described = "\n".join(layout(Sealed, set()))
    assert {SCHEMA: blake2b(described.encode(), digest_size=2).hexdigest()}.items() <= LAYOUTS.items(), described


def layout(struct: type[msgspec.Struct], seen: set[type]) -> Iterator[str]:
    """The fields of a struct and of all that it holds, and of a head's body and a segment."""
    yield from (f"{struct.__name__}.{field.name}: {field.type}" for field in msgspec.structs.fields(struct))
    seen.add(struct)
    inner = [part for field in msgspec.structs.fields(struct) for part in (field.type, *get_args(field.type))]
    for part in [*inner, Body, Segment]:
        if isinstance(part, type) and issubclass(part, msgspec.Struct) and part not in seen:
            yield from layout(part, seen)


@pytest.mark.parametrize("customer", ["few", "many"])
def test_records_of_this_version_are_written_as_they_were(customer: str) -> None:
    for name, record in written_by(SCHEMA, customer)[0].items():
        again = write_head(read_head(record)) if name == HEAD else encoder.encode(segment_decoder.decode(record))
        assert again == record

"""What the door alone can do is not gone around by writing to the broker directly."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import insert

from schemas.codec import InvalidEvent, decode
from schemas.fields import SEALED
from services.common.database import Database
from services.common.sealing import MasterKeys, new_key
from services.ingest.direct_setup import NotDirect, treatments_here
from services.ingest.screening import Screening
from services.ingest.sealing import KeyRing
from services.ingest.sealing_setup import Secrecy
from services.ingest.sealing_store import SealingStore
from services.ingest.tables import mapped_sources, merges
from services.ingest.treating import ANYBODY, Coming
from tests.unit.schemas.examples import DATA, example

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def secret(database: Database) -> Secrecy:
    """Keys in the database, and everything that looks personal refused."""
    return Secrecy(KeyRing(SealingStore(database, MasterKeys([new_key()])), lambda: NOW), Screening("refuse"))


def treated(database: Database, coming: Coming) -> Coming:
    for treat in treatments_here(database, secret(database)):
        coming = treat(coming, ANYBODY)
    return coming


def test_events_whose_ids_nobody_maps_may_go(database: Database) -> None:
    document = example("promise.met")
    coming = Coming(decode(orjson.dumps(document)), document)
    assert treated(database, coming) == coming


def test_what_is_said_of_people_is_sealed_here_too(database: Database) -> None:
    document = example("promise.made")
    sealed = treated(database, Coming(decode(orjson.dumps(document)), document))
    assert sealed.document["data"]["about"].startswith(SEALED)


def test_what_looks_personal_elsewhere_is_refused_here_too(database: Database) -> None:
    document = example("promise.made", data={**DATA["promise.made"], "promise_id": "lin@example.com"})
    with pytest.raises(InvalidEvent, match="looks like"):
        treated(database, Coming(decode(orjson.dumps(document)), document))


def test_a_merger_goes_through_ingest(database: Database) -> None:
    document = example("customer.merged")
    with pytest.raises(InvalidEvent, match="goes through ingest"):
        treated(database, Coming(decode(orjson.dumps(document)), document))


@pytest.mark.parametrize("known", ["source", "merger"])
def test_where_ids_are_mapped_or_customers_were_merged_nothing_goes_around_ingest(
    database: Database, known: str
) -> None:
    with database.writing() as connection:
        if known == "source":
            connection.execute(insert(mapped_sources).values(source="erp", since=NOW))
        else:
            connection.execute(insert(merges).values(merged_id="C2", surviving_id="C1", at=NOW))
    with pytest.raises(NotDirect, match="leave --direct out"):
        treatments_here(database, secret(database))

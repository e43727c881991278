"""What the door alone can do is not gone around by writing to the broker directly."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import insert

from schemas.codec import InvalidEvent, decode
from services.common.database import Database
from services.ingest.direct_setup import NotDirect, treatments_here
from services.ingest.tables import mapped_sources, merges
from services.ingest.treating import ANYBODY, Coming
from tests.unit.schemas.examples import example

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_events_whose_ids_nobody_maps_may_go(database: Database) -> None:
    (treat,) = treatments_here(database)
    document = example("promise.met")
    coming = Coming(decode(orjson.dumps(document)), document)
    assert treat(coming, ANYBODY) is coming


def test_a_merger_goes_through_ingest(database: Database) -> None:
    (treat,) = treatments_here(database)
    document = example("customer.merged")
    with pytest.raises(InvalidEvent, match="goes through ingest"):
        treat(Coming(decode(orjson.dumps(document)), document), ANYBODY)


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
        treatments_here(database)

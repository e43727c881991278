"""What says something of people is sealed for the customer whose it is, whatever ids it came under and went through."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from schemas.fields import SEALED
from services.common.database import Database
from services.common.sealing import CustomerKey, MasterKeys, new_key
from services.ingest import forgetting, ids_store
from services.ingest.ids_keeping import Keeping
from services.ingest.ids_release import Releaser
from services.ingest.ids_store import IdRow
from services.ingest.ids_treatment import Identity
from services.ingest.ids_vault import KEY_NAME, SealedVault
from services.ingest.judge import Judgement, Post, judge
from services.ingest.letters import FROM_INGEST, Filed, Letter
from services.ingest.letters import Place as At
from services.ingest.letters_replay import Courts
from services.ingest.letters_unsealing import Unsealing
from services.ingest.merging_worker import Merger
from services.ingest.records import Record
from services.ingest.screening import Screening
from services.ingest.sealing import KeyRing, opened, resealed
from services.ingest.sealing_keeping import with_keys_kept
from services.ingest.sealing_letters import Opening, SealedLetters, unclaimed
from services.ingest.sealing_setup import Secrecy
from services.ingest.sealing_store import SealingStore
from services.ingest.tables import waiting_events
from services.ingest.treating import Treatment
from tests.contract.ingest.replicas import NOW, TOPICS, Broker
from tests.contract.ingest.test_merging import SETTLE_S, Log, Place, merge
from tests.unit.schemas.examples import DATA, example

ABOUT = "a crane for Mr Lin"
SAID = {**DATA["promise.made"], "about": ABOUT}


class Wary(Broker):
    """A broker that takes nothing that is sealed with a key that is not durable."""

    def __init__(self, store: SealingStore) -> None:
        super().__init__()
        self.store = store

    async def publish(self, records: Sequence[Record]) -> None:
        for record in records:
            document = orjson.loads(record.value)
            if SEALED.encode() in record.value and record.topic == TOPICS.events:
                assert self.clear(document)
        await super().publish(records)

    def clear(self, document: dict[str, Any], whose: str | None = None) -> dict[str, Any]:
        """The document as it came; `whose` it is sealed for, if not for its subject."""
        owner = whose or document["subject"]
        key = self.store.find([owner])[owner]
        assert key is not None
        return opened(document, CustomerKey(key), owner)


class House(Place):
    """A replica that seals, as `serve` puts one together."""

    def __init__(self, database: Database) -> None:
        self.store = SealingStore(database, MasterKeys([new_key()]))
        self.wary = Wary(self.store)
        log = Log(self.wary)
        # Its clock stands still, and every look must be a new one.
        self.seconds = 0.0
        ring = KeyRing(self.store, lambda: NOW, self._later)
        super().__init__(database, self.wary, log, vault=SealedVault(ring))
        secret = Secrecy(ring, Screening("refuse"))
        identity, topics = Identity(self.registry), TOPICS
        hide = SealedLetters(ring, identity.customer_of)
        self.hide, self.ring = hide, ring
        self.treatments: list[Treatment] = [identity, *secret.treatments]
        self.releaser = Releaser(self.registry, self.wary, topics, self.metrics, secret.treatments, hide, ring)
        self.keeping = Keeping(self.registry, topics, hide, ring)

        def again(document: dict[str, Any], whose: str, now_whose: str) -> dict[str, Any] | None:
            return resealed(ring, document, whose, now_whose)

        self.merger = Merger(self.registry, self.wary, topics, self.metrics, log, "one", SETTLE_S, again, ring)
        replayed: list[Treatment] = [Opening(ring), *self.treatments]
        mended = Unsealing(database, ring).to_replay
        self.courts = Courts(topics, lambda: NOW, replayed, [secret.sealing], self.keeping.whole, ring, mended)

    def _later(self) -> float:
        self.seconds += 10.0
        return self.seconds

    async def _post(self, documents: list[Any]) -> Judgement:
        post = Post(orjson.dumps(documents), {"content-type": "application/json"}, self.now)

        async def once() -> Judgement:
            return judge(post, TOPICS, self.treatments, hide=self.hide)

        judgement = await self.keeping.whole(lambda: with_keys_kept(self.ring, once))
        await self.wary.publish(judgement.records)
        return judgement

    def on(self, topic: str) -> list[dict[str, Any]]:
        """The documents on a topic."""
        assert all(ABOUT.encode() not in one.value for one in self.wary.records)
        return [orjson.loads(one.value) for one in self.wary.records if one.topic == topic]

    def replayed(self, document: dict[str, Any], edited: dict[str, Any] | None = None) -> Judgement:
        """A dead letter of it, judged again; `edited`: what somebody put in its place."""
        return asyncio.run(self.courts.judge(filed(document, edited)))

    def unsealed(self, document: dict[str, Any]) -> Any:
        """A dead letter of it, as those see it who ask for what it says of people."""
        return orjson.loads(Unsealing(self.registry.database, self.ring).event(filed(document)))


def filed(document: dict[str, Any], edited: dict[str, Any] | None = None) -> Filed:
    letter = Letter(At(0, 0), "invalid", "", "tests", "1", None, orjson.dumps(document), {}, NOW, FROM_INGEST)
    return Filed(letter, "sending", None if edited is None else orjson.dumps(edited))


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def made(id: str, customer: str, **changes: Any) -> dict[str, Any]:
    return example("promise.made", **{"id": id, "subject": customer, "data": SAID, **changes})


def name_ids(database: Database, *pairs: tuple[str, str]) -> None:
    """From now on the source has ids of its own; these are whose."""
    with database.writing() as tx:
        ids_store.map_source(tx, "tests", NOW)
        ids_store.put_ids(tx, [IdRow("tests", external, customer) for external, customer in pairs], NOW, "test")


def test_what_waited_is_sealed_for_the_customer_whose_it_turns_out_to_be(database: Database, house: House) -> None:
    name_ids(database, ("other", "C9"))
    assert house.post(made("1", "X1")) == ["unknown_customer"]
    name_ids(database, ("X1", "C1"))
    house.release()
    (sent,) = house.on(TOPICS.events)
    assert house.wary.clear(sent) == {"specversion": "1.0", **made("1", "C1")}


def test_while_it_waits_it_lies_sealed_and_the_same_event_is_known_again(database: Database, house: House) -> None:
    name_ids(database, ("other", "C9"))
    assert house.post(made("1", "X1")) == ["unknown_customer"]
    # Durable before the event is.
    assert house.store.find([KEY_NAME]).keys() == {KEY_NAME}
    again = house.post(made("1", "X1"))
    another = house.post(made("1", "X1", data={**SAID, "about": "two cranes"}))
    assert (again, another) == (["unknown_customer"], ["id_reused"])
    with database.reading() as tx:
        (value,) = tx.execute(select(waiting_events.c.value)).scalars()
    assert not any(word in value for word in (ABOUT.encode(), b"promise", b"X1"))


def test_what_looks_personal_when_its_wait_ends_is_hidden_in_its_dead_letter(database: Database, house: House) -> None:
    name_ids(database, ("other", "C9"))
    data = {**SAID, "promise_id": "lin@example.com"}
    house.post(made("1", "X1", data=data))
    name_ids(database, ("X1", "C1"))
    house.release()
    (letter,) = house.on(TOPICS.dead_letters)
    assert b"lin@example" not in orjson.dumps(letter)
    assert house.wary.clear(letter, "C1")["data"]["about"] == ABOUT


def test_a_merged_customers_events_are_sealed_for_the_surviving_one(house: House) -> None:
    # The other has no key yet.
    house.post(made("1", "C1"))
    house.post(merge("3", "C1", "C2"))
    house.finish()
    moved = [one for one in house.on(TOPICS.events) if (one.get("id"), one.get("subject")) == ("1", "C2")]
    assert [house.wary.clear(one)["data"] for one in moved] == [SAID]


def test_nothing_is_sent_again_of_or_for_a_customer_who_was_forgotten(database: Database, house: House) -> None:
    house.post(made("1", "C1"))
    house.post(merge("3", "C1", "C2"))
    forgetting.ask(database, "C2", "the officer", NOW)
    house.finish()
    assert [one["id"] for one in house.on(TOPICS.events) if one.get("subject") == "C2"] == ["3"]


@pytest.mark.parametrize("known_before", [True, False])
def test_a_letter_under_a_sources_own_id_is_replayed_for_its_customer(
    database: Database, house: House, known_before: bool
) -> None:
    name_ids(database, ("other", "C9"))
    if known_before:
        name_ids(database, ("X1", "C1"))
    assert house.post(made("1", "X1", time="yesterday")) == ["invalid"]
    (letter,) = house.on(TOPICS.dead_letters)
    name = "C1" if known_before else unclaimed(letter["source"], "X1")
    assert house.wary.clear(letter, name)["data"]["about"] == ABOUT
    assert house.store.find(["X1"]) == {}
    assert house.unsealed(letter) == made("1", "X1", time="yesterday")
    assert house.store.find(["X1"]) == {}

    name_ids(database, ("X1", "C1"))
    judgement = house.replayed({**letter, "time": made("1", "X1")["time"]})
    assert [one.code for one in judgement.verdicts] == ["ok"]
    (record,) = judgement.records
    assert house.wary.clear(orjson.loads(record.value))["data"]["about"] == ABOUT


@pytest.mark.parametrize("broken", [{"time": "yesterday"}, {"id": ""}, {"id": None}, {"source": None}])
@pytest.mark.parametrize("mended", [{"id": "2"}, {"source": "crm"}, {"subject": "C5"}])
def test_a_letter_in_which_somebody_mends_what_its_texts_were_sealed_for_is_sealed_anew(
    house: House, broken: dict[str, Any], mended: dict[str, Any]
) -> None:
    good = made("1", "C1")
    house.post({name: value for name, value in {**good, **broken}.items() if value is not None})
    (letter,) = house.on(TOPICS.dead_letters)
    judgement = house.replayed(letter, {**letter, **{name: good[name] for name in broken}, **mended})
    assert [one.code for one in judgement.verdicts] == ["ok"]
    (record,) = judgement.records
    assert house.wary.clear(orjson.loads(record.value)) == {"specversion": "1.0", **good, **mended}


def test_a_sealed_text_that_is_not_the_letters_own_is_not_opened_for_whoever_writes_it_in(house: House) -> None:
    house.post(made("1", "C1", time="yesterday"), made("2", "C2", time="yesterday"))
    first, second = house.on(TOPICS.dead_letters)
    stolen = {**first, "id": "3", "time": made("1", "C1")["time"], "data": second["data"]}
    assert [one.code for one in house.replayed(first, stolen).verdicts] == ["sealed"]


def test_a_letter_of_a_customer_that_was_merged_since_is_replayed_for_the_surviving_one(house: House) -> None:
    house.post(made("1", "C1", time="yesterday"))
    (letter,) = house.on(TOPICS.dead_letters)
    house.post(merge("3", "C1", "C2"))
    house.finish()
    judgement = house.replayed({**letter, "time": made("1", "C1")["time"]})
    (record,) = judgement.records
    assert house.wary.clear(orjson.loads(record.value), "C2")["data"]["about"] == ABOUT


def test_of_a_forgotten_customer_a_letter_under_another_id_keeps_nothing(database: Database, house: House) -> None:
    name_ids(database, ("X1", "C1"))
    forgetting.ask(database, "C1", "the officer", NOW)
    house.post(made("1", "X1", time="yesterday"))
    (letter,) = house.on(TOPICS.dead_letters)
    assert letter["data"] is None

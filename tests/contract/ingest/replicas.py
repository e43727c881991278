"""Ingests that share a database and a broker, without HTTP and without processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from schemas.topics import Topics
from services.common.database import Database
from services.ingest.ids_keeping import Keeping
from services.ingest.ids_metrics import IdsMetrics
from services.ingest.ids_registry import Registry
from services.ingest.ids_release import Releaser
from services.ingest.ids_treatment import Identity
from services.ingest.ids_vault import Vault
from services.ingest.judge import Judgement, Post, judge
from services.ingest.publisher import broker_away
from services.ingest.records import Record

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TOPICS = Topics("t")


class Broker:
    """Takes everything, until it is told to fail."""

    problem: str | None = None
    alive = True
    outstanding = 0

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.fails = False

    def start(self) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, records: Sequence[Record]) -> None:
        if self.fails:
            raise broker_away("it is away")
        self.records += records

    def sent(self) -> list[tuple[str, str]]:
        """(customer, event id) of the events, in their order."""
        on_topic = [one for one in self.records if one.topic == TOPICS.events]
        events = [orjson.loads(one.value) for one in on_topic]
        assert [one.key.decode() for one in on_topic] == [event["subject"] for event in events]
        return [(event["subject"], event["id"]) for event in events]


class Replica:
    """One ingest: what it knows, and its way from a request to the topic."""

    def __init__(self, database: Database, broker: Broker, max_waiting: int = 1000, vault: Vault | None = None) -> None:
        self.now = NOW
        self.broker = broker
        self.registry = Registry(database, lambda: self.now, lambda: 0.0, max_waiting, vault)
        self.metrics = IdsMetrics(CollectorRegistry())
        self.releaser = Releaser(self.registry, broker, TOPICS, self.metrics)
        self._identity = Identity(self.registry)
        self._keeping = Keeping(self.registry, TOPICS)

    def post(self, *documents: dict[str, Any]) -> list[str]:
        """The verdicts: their codes."""
        judgement = asyncio.run(self._post(list(documents)))
        return [verdict.code for verdict in judgement.verdicts]

    async def _post(self, documents: list[Any]) -> Judgement:
        post = Post(orjson.dumps(documents), {"content-type": "application/json"}, self.now)

        async def judged() -> Judgement:
            return judge(post, TOPICS, [self._identity])

        judgement = await self._keeping.kept(await self._keeping.judged(judged), judged)
        await self.broker.publish(judgement.records)
        return judgement

    def release(self) -> None:
        asyncio.run(self.releaser.round())

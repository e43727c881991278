"""The customers' sealing keys in ingest's database, and who was forgotten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from services.common.database import Database
from services.common.sealing import BEGINNING_BYTES, MasterKeys, new_key
from services.ingest.tables import forgotten, sealing_keys

MOST_IN_QUERY = 500
"""Ids in one query: databases bound the parameters of a statement."""


def has_keys(database: Database) -> bool:
    """Whether there is any that a master key is needed for."""
    with database.reading() as connection:
        some = select(sealing_keys.c.customer_id).where(sealing_keys.c.key.is_not(None)).limit(1)
        return connection.execute(some).first() is not None


class SealingStore:
    """Keys are wrapped by a master key before they are stored, and unwrapped when they are read."""

    def __init__(self, database: Database, masters: MasterKeys) -> None:
        self._database = database
        self._masters = masters

    def find(self, customer_ids: Collection[str]) -> dict[str, bytes | None]:
        """The keys that there are, None where one was destroyed. Raises UnknownMaster, NotSealed."""
        with self._database.reading() as connection:
            return self._read(connection, sorted(set(customer_ids)))

    def add(self, keys: Mapping[str, bytes], now: datetime) -> frozenset[str]:
        """Keep new keys; whose was not kept, for there is one already."""
        with self._database.writing() as connection:
            taken = frozenset(self._read(connection, sorted(keys)))
            new = {customer_id: key for customer_id, key in keys.items() if customer_id not in taken}
            self._insert(connection, new, now)
        return taken

    def forgotten(self) -> frozenset[str]:
        """Of whom nothing is taken any more."""
        asked = select(forgotten.c.customer_id).where(forgotten.c.readmitted_at.is_(None))
        with self._database.reading() as connection:
            return frozenset(connection.execute(asked).scalars())

    def unknown_masters(self) -> list[str]:
        """Names of master keys that wrapped some of the keys and are not at hand."""
        beginning = select(func.substr(sealing_keys.c.key, 1, BEGINNING_BYTES)).distinct()
        with self._database.reading() as connection:
            found = connection.execute(beginning.where(sealing_keys.c.key.is_not(None))).scalars()
            return sorted(name for one in found if (name := self._masters.unknown(bytes(one))) is not None)

    def destroy(self, customer_id: str, now: datetime) -> None:
        """What the customer's key sealed can never be read again; no other is made of itself. May be done twice."""
        with self._database.writing() as connection:
            known = connection.execute(
                select(sealing_keys.c.destroyed_at).where(sealing_keys.c.customer_id == customer_id)
            ).one_or_none()
            if known is None:
                connection.execute(sealing_keys.insert().values(customer_id=customer_id, made_at=now, destroyed_at=now))
            elif known.destroyed_at is None:
                connection.execute(
                    update(sealing_keys)
                    .where(sealing_keys.c.customer_id == customer_id)
                    .values(key=None, destroyed_at=now)
                )

    def renew(self, customer_id: str, now: datetime) -> None:
        """A new key in the place of one that was destroyed; of another customer's nothing is changed."""
        wrapped = self._masters.wrap(customer_id, new_key())
        with self._database.writing() as connection:
            connection.execute(
                update(sealing_keys)
                .where(sealing_keys.c.customer_id == customer_id, sealing_keys.c.key.is_(None))
                .values(key=wrapped, made_at=now, destroyed_at=None)
            )

    def rewrap(self) -> int:
        """Wrap all keys by the newest master key; how many were by another. Raises UnknownMaster, NotSealed."""
        rows = select(sealing_keys.c.customer_id, sealing_keys.c.key).where(sealing_keys.c.key.is_not(None))
        done = 0
        with self._database.writing() as connection:
            for customer_id, wrapped in connection.execute(rows).all():
                if not self._masters.is_by_first(wrapped):
                    again = self._masters.wrap(customer_id, self._masters.unwrap(customer_id, wrapped))
                    mine = sealing_keys.c.customer_id == customer_id
                    connection.execute(update(sealing_keys).where(mine).values(key=again))
                    done += 1
        return done

    def _read(self, connection: Connection, customer_ids: list[str]) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for start in range(0, len(customer_ids), MOST_IN_QUERY):
            some = customer_ids[start : start + MOST_IN_QUERY]
            rows = select(sealing_keys.c.customer_id, sealing_keys.c.key).where(sealing_keys.c.customer_id.in_(some))
            for customer_id, wrapped in connection.execute(rows):
                found[customer_id] = None if wrapped is None else self._masters.unwrap(customer_id, wrapped)
        return found

    def _insert(self, connection: Connection, keys: dict[str, bytes], now: datetime) -> None:
        rows = [
            {"customer_id": customer_id, "key": self._masters.wrap(customer_id, key), "made_at": now}
            for customer_id, key in keys.items()
        ]
        if rows:
            connection.execute(sealing_keys.insert(), rows)

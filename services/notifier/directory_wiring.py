"""Puts the directory's parts into a running notifier: its API, and the workers that follow changes and owners."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from starlette.routing import BaseRoute

from services.common.clock import wall_now
from services.common.settings import Settings
from services.notifier import owners_store
from services.notifier.channels.base import Channel
from services.notifier.clerk import Clerk
from services.notifier.directory_api import Door, directory_routes
from services.notifier.directory_desk import DirectoryDesk
from services.notifier.directory_live import LiveDirectory
from services.notifier.gaps_telling import GapTeller
from services.notifier.new_owners import NewOwners
from services.notifier.own_methods import OwnMethods, open_methods
from services.notifier.owners_follower import OwnersFollower
from services.notifier.workers import Workers

REFRESH_S = 1.0
"""Between two looks for a newer version: another notifier's change is seen after so long."""


def contact_methods(clerk: Clerk, channels: Iterable[Channel]) -> OwnMethods:
    """People's addresses, with codes and tests through these channels."""
    return open_methods(clerk.database, clerk.people, clerk.now, channels, partial(_refresh, clerk))


def people_routes(clerk: Clerk, settings: Settings, methods: OwnMethods) -> list[BaseRoute]:
    """The API. A change made through this process is seen here at once."""
    desk = DirectoryDesk(clerk.database, clerk.people, clerk.now, settings.zone, partial(_refresh, clerk))
    return directory_routes(desk, methods.verifier, Door(clerk.database, wall_now), methods.button)


def follow_people(workers: Workers, clerk: Clerk, settings: Settings, channels: Iterable[str]) -> None:
    """The workers: one looks for changes and tells of gaps, and new owners of their cases; one follows the events."""
    new_owners = NewOwners(clerk)
    teller = GapTeller(clerk.database, clerk.now, tuple(channels), clerk.reaches)

    def look() -> bool:
        _settle_owners(clerk)
        _refresh(clerk)
        teller.look(clerk.directory)
        new_owners.look(clerk.directory)
        # Never at once again: a look each second is enough, however much has changed.
        return False

    workers.start("directory", look, REFRESH_S)
    owners = OwnersFollower(settings.kafka, settings.topics, clerk.database, clerk.now)
    workers.start("owners", owners.step, REFRESH_S, owners.close)


def _refresh(clerk: Clerk) -> None:
    if isinstance(clerk.people, LiveDirectory):
        clerk.people.refresh()


def _settle_owners(clerk: Clerk) -> None:
    """Owners that were announced for a time which has come."""
    with clerk.database.reading() as tx:
        due = owners_store.due(tx, clerk.now())
    if due:
        with clerk.database.writing() as tx:
            owners_store.conclude(tx, due, clerk.now())

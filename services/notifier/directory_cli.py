"""`bellwether directory`: people and customers in, checked, shown. Works on the database of BELLWETHER_DATABASE_URL."""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.common.errors import UserError
from services.common.settings import read_settings

if TYPE_CHECKING:
    from services.common.database import Database
    from services.notifier.directory_entries import Said
    from services.notifier.directory_listing import Listing
    from services.notifier.gaps import Gap
    from services.notifier.people import Directory
    from services.notifier.verifying import Verifier

FILES = click.Path(exists=True, dir_okay=False, path_type=Path)
WHEN = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"])


class Unknown(UserError):
    """There is no such person, customer or version."""


class BadAbsence(UserError):
    """An absence that cannot be."""


class _Undone(Exception):
    """Ends a transaction of which nothing shall stay."""


class NotVerified(UserError):
    """An address is not proved; the message says why."""


@click.group()
def directory() -> None:
    """People, their addresses and superiors, and whose the customers are."""


@directory.command("import")
@click.argument("files", nargs=-1, required=True, type=FILES)
@click.option("--source", default="import", show_default=True, help="Who says so: each source is kept by itself.")
@click.option("--fallback", help="The person for what is nobody's; once named, it stays so.")
@click.option("--prune", is_flag=True, help="The files are all that the source says: what it said before is gone.")
@click.option("--dry-run", is_flag=True, help="Tell what would come of it, and change nothing.")
def import_command(files: tuple[Path, ...], source: str, fallback: str | None, prune: bool, dry_run: bool) -> None:
    """Take people, customers, departments and absences in from YAML or CSV FILES; tell the gaps that are left.

    Gaps do not keep anything out, and the exit code is 0: `bellwether directory check` is for that.
    """
    from services.common.clock import clock_from
    from services.notifier.directory import read_listings
    from services.notifier.directory_import import take_in, told
    from services.notifier.directory_listing import said

    settings = read_settings(os.environ)
    listing = read_listings(files)
    entries = list(said(_with_fallback(listing, fallback), settings.zone))
    with suppress(_Undone), _database() as database, database.writing() as tx:
        taken = take_in(tx, source, entries, clock_from(settings.clock)(), _user(), prune=prune)
        _tell(taken.gaps)
        click.echo(("it would be " if dry_run else "") + told(taken))
        if dry_run:
            raise _Undone


@directory.command()
@click.argument("files", nargs=-1, type=FILES)
@click.option("--fallback", help="The person for what is nobody's, where no file names one.")
def check(files: tuple[Path, ...], fallback: str | None) -> None:
    """Tell the gaps of the directory, or of FILES by themselves; exit code 1 if there are any."""
    from services.notifier.gaps import find_gaps

    found = find_gaps(_of_files(files, fallback) if files else _of_database())
    _tell(found)
    click.echo(f"{len(found)} gaps", err=True)
    if found:
        sys.exit(1)


@directory.command()
@click.option("--person", help="One person: methods, superiors, absences, who stands in.")
@click.option("--customer", help="One customer: who owns it, and who is asked in turn.")
@click.option("--version", type=click.IntRange(1), help="The directory as it was.  [default: as it is]")
@click.option("--addresses", is_flag=True, help="Show addresses in full; they are personal data.")
def show(person: str | None, customer: str | None, version: int | None, addresses: bool) -> None:
    """Show what the directory has, all together or of somebody."""
    from services.common.clock import clock_from
    from services.notifier import directory_showing as showing

    now = clock_from(read_settings(os.environ).clock)()
    people = _of_database(version)
    if person is not None:
        lines = showing.of_person(people, _known(person, people.people), now, addresses=addresses)
    elif customer is not None:
        lines = showing.of_customer(people, _known(customer, people.customers), now)
    else:
        lines = showing.of_all(people, now)
    for line in lines:
        click.echo(line)


@directory.command()
@click.option("--last", type=click.IntRange(1, 10_000), default=20, show_default=True)
def versions(last: int) -> None:
    """List the newest changes of the directory: when, how many entries, by whom."""
    from services.notifier import directory_store

    zone = read_settings(os.environ).zone
    with _database() as database, database.reading() as tx:
        for one in directory_store.versions(tx, last):
            at = one.at.astimezone(zone)
            click.echo(f"{one.id}  {at:%Y-%m-%d %H:%M}  {one.source}  by {one.actor}  {one.changes} entries")


@directory.command()
@click.argument("person")
@click.option("--from", "start", type=WHEN, required=True, help="The first day away, or an instant.")
@click.option("--to", "end", type=WHEN, required=True, help="The last day away, or an instant.")
@click.option("--delegate", help="Who acts meanwhile.")
@click.option("--cancel", is_flag=True, help="Take the absence that begins then back.")
def away(person: str, start: datetime, end: datetime, delegate: str | None, cancel: bool) -> None:
    """Note that PERSON is away, and who stands in."""
    from pydantic import ValidationError

    from services.common.clock import clock_from
    from services.notifier.directory_import import take_in, told
    from services.notifier.directory_listing import ListedAbsence, said_of_absence, zone_of

    settings = read_settings(os.environ)
    people = _of_database()
    for one in (person, delegate):
        if one is not None:
            _known(one, people.people)
    first, last = (value if value.tzinfo else value.date() for value in (start, end))
    try:
        listed = ListedAbsence(person=person, start=first, end=last, delegate=delegate)
    except ValidationError as error:
        raise BadAbsence(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    entry = said_of_absence(listed, zone_of(people.people[person], settings.zone))
    with _database() as database, database.writing() as tx:
        said: list[Said] = [replace(entry, body=None) if cancel else entry]
        click.echo(told(take_in(tx, "api", said, clock_from(settings.clock)(), _user())))


@directory.command()
@click.argument("person")
@click.argument("channel")
@click.option("--address", help="Which one, where the person has several on the channel.")
def verify(person: str, channel: str, address: str | None) -> None:
    """Send PERSON a code through CHANNEL, to the address that the directory has; `confirm` takes what they read."""
    from services.notifier.codes import LIVES, Answer

    with _verifying() as verifier:
        answer = verifier.send(person, channel, address)
    if answer not in (Answer.SENT, Answer.VERIFIED_ALREADY):
        raise NotVerified(_SAID[answer])
    minutes = int(LIVES.total_seconds() // 60)
    click.echo(f"a code is on its way; it works for {minutes} minutes" if answer is Answer.SENT else _SAID[answer])


@directory.command()
@click.argument("person")
@click.argument("channel")
@click.option("--address", help="Which one, where the person has several on the channel.")
@click.option("--code", prompt=True, help="The code that was sent; asked for where it is left out.")
def confirm(person: str, channel: str, address: str | None, code: str) -> None:
    """Take the code that PERSON has read: pages go to that address from now on."""
    from services.notifier.codes import Answer

    with _verifying() as verifier:
        answer = verifier.confirm(person, channel, code, address)
    if answer is not Answer.CONFIRMED:
        raise NotVerified(_SAID[answer])
    click.echo(f"the address of {person} on {channel} is verified")


_SAID: dict[str, str] = {
    "verified_already": "that address is verified already",
    "too_soon": "a code was sent less than a minute ago: wait for it",
    "too_many": "too many: of codes in a day, or of attempts at one",
    "no_code": "there is no code that works: it was used, has expired, or was never sent",
    "wrong": "that is not the code",
    "not_sent": "the channel did not take the code: `bellwether channels test` says why",
    "channel_full": "the provider takes no more messages at present: try again in a minute or two",
    "unknown_method": "the directory has no such address, or no channel of that kind is set up here",
}


@contextmanager
def _verifying() -> Iterator[Verifier]:
    from services.common.clock import clock_from
    from services.notifier.config import read_notifier_settings
    from services.notifier.directory_live import open_people
    from services.notifier.verifying import Verifier

    settings = read_settings(os.environ)
    now = clock_from(settings.clock)
    channels = read_notifier_settings(os.environ, settings).open_channels(now)
    with _database() as database:
        yield Verifier(database, open_people(settings, database, now), now, channels)


def _with_fallback(listing: Listing, fallback: str | None) -> Listing:
    return listing if fallback is None else listing.model_copy(update={"fallback": fallback})


def _of_files(files: Sequence[Path], fallback: str | None) -> Directory:
    from services.notifier.directory import DirectoryInvalid, make_directory, read_listings

    listing = _with_fallback(read_listings(files), fallback)
    if listing.fallback is None:
        raise DirectoryInvalid(files[0], ["no fallback is named: add fallback: to the YAML file, or --fallback"])
    return make_directory(files[0], listing, read_settings(os.environ).zone)


def _of_database(version: int | None = None) -> Directory:
    from services.notifier import directory_store
    from services.notifier.directory_live import look_up

    with _database() as database:
        if version is None:
            return look_up(read_settings(os.environ), database)
        with database.reading() as tx:
            known = version <= directory_store.last_version(tx)
            found = directory_store.read(tx, version) if known else None
    if found is None:
        raise Unknown(f"there is no version {version} with a fallback: `bellwether directory versions` has all")
    return found


def _known(id: str, among: Container[str]) -> str:
    if id not in among:
        raise Unknown(f'the directory has no "{id}"')
    return id


def _tell(gaps: Sequence[Gap]) -> None:
    for gap in gaps:
        click.echo(f"{gap.kind}: {gap.said.en} / {gap.said.zh}")


def _user() -> str:
    """Who sits at the keyboard, as far as the machine knows."""
    return f"command line ({os.environ.get('USER') or os.environ.get('LOGNAME') or 'unknown'})"[:200]


@contextmanager
def _database() -> Iterator[Database]:
    from services.notifier.tables import open_database

    database = open_database(read_settings(os.environ).database_url)
    try:
        database.migrate()
        yield database
    finally:
        database.close()

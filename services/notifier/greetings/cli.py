"""`bellwether greetings`: who agrees to greetings in their name, and what would be sent. Off without a file."""

from __future__ import annotations

import os
from pathlib import Path

import click

from services.common.errors import UserError
from services.common.settings import Settings, read_settings
from services.notifier.clerk import Clerk

VARIABLE = "BELLWETHER_GREETINGS_FILE"


class GreetingsOff(UserError):
    """The file is not named; the message says by which variable."""


class NobodyOfThatName(UserError):
    """A person is not in the directory."""


@click.group()
def greetings() -> None:
    """Greetings to customers (R29) by e-mail, where a file switches them on."""


@greetings.command()
@click.argument("person")
@click.option("--by", required=True, help="Who has it from the person, in writing or by word: an id of the directory.")
@click.option("--no", "withdrawn", is_flag=True, help="They take it back.")
@click.option("--note", help="Where it can be read again.")
def consent(person: str, by: str, withdrawn: bool, note: str | None) -> None:
    """Record that PERSON agrees to greetings in their name."""
    from services.notifier.greetings.store import record_consent

    _, clerk = _open()
    for name in (person, by):
        if name not in clerk.directory.people:
            raise NobodyOfThatName(f'"{name}" is not in the directory')
    with clerk.database.writing() as tx:
        record_consent(tx, person, clerk.now(), by, given=not withdrawn, note=note)
    click.echo(f"{person}: {'no' if withdrawn else 'yes'}, recorded by {by}")


@greetings.command()
def show() -> None:
    """What is due now or soon, and what would become of each. Sends nothing."""
    from services.notifier.greetings.opening import open_greeter

    settings, clerk = _open()
    path = os.environ.get(VARIABLE)
    if not path:
        raise GreetingsOff(f"greetings are off: {VARIABLE} names no file")
    greeter = open_greeter(Path(path), os.environ, clerk.database, lambda: clerk.directory, clerk.now, settings.zone)
    for occasion, verdict in greeter.look():
        click.echo(f"{occasion.day} {occasion.customer_id} {occasion.kind}: {verdict}")


def _open() -> tuple[Settings, Clerk]:
    from services.notifier.service import open_clerk

    settings = read_settings(os.environ)
    return settings, open_clerk(settings)

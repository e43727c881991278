"""`bellwether channels`: whether the channels are set up, and a test message through one of them."""

from __future__ import annotations

import os
import sys

import click

from services.common.clock import clock_from
from services.common.errors import UserError
from services.common.settings import Settings, read_settings
from services.notifier.channels.base import Channel
from services.notifier.channels.limits import Limits
from services.notifier.config import NotifierSettings, read_notifier_settings
from services.notifier.people import Directory, Person

EXIT_NOT_SENT = 2


class NoSuchChannel(UserError):
    """No channel has that name; the message lists those there are."""


@click.group()
def channels() -> None:
    """The channels that page people: check and try them."""


@channels.command()
def check() -> None:
    """Read BELLWETHER_CHANNELS and BELLWETHER_CHANNELS_FILE with all secrets, and say what is there. Sends nothing."""
    settings, own = _settings()
    opened = own.open_channels(clock_from(settings.clock))
    directory = _directory(settings)
    click.echo("inbox: always there")
    for channel in opened.values():
        click.echo(_line(channel, directory))


@channels.command()
@click.argument("name")
@click.option("--to", "whom", required=True, help="An id of the directory, or an address as the channel knows it.")
def test(name: str, whom: str) -> None:
    """Send a test message by the channel NAME, and say what became of it. Exits with 2 when it was not accepted."""
    from services.notifier.channels.trying import somebody, try_channel

    settings, own = _settings()
    now = clock_from(settings.clock)
    opened = own.open_channels(now)
    if name not in opened:
        raise NoSuchChannel(f'there is no channel "{name}": {", ".join(opened) or "none is set up beside the inbox"}')
    channel, directory = opened[name], _directory(settings)
    person = directory.people.get(whom) if directory else None
    tried = try_channel(channel, person or somebody(channel, whom), now(), own.console_url)
    click.echo(f"{tried.channel}: {tried.outcome}: {tried.said}")
    if not tried.sent:
        sys.exit(EXIT_NOT_SENT)


def _settings() -> tuple[Settings, NotifierSettings]:
    settings = read_settings(os.environ)
    return settings, read_notifier_settings(os.environ, settings)


def _directory(settings: Settings) -> Directory | None:
    """As notifiers have it; None where there is none. Whether channels work is asked in trouble too: while the database
    is away, the file has to do."""
    from services.notifier.directory import load_directory
    from services.notifier.directory_live import DirectoryAway, DirectoryEmpty, people_of

    try:
        return people_of(settings)
    except DirectoryEmpty:
        return None
    except DirectoryAway as away:
        click.echo(f"{away}: people are {'those of the file' if settings.directory else 'not known'}", err=True)
        return load_directory(settings.directory, settings.zone) if settings.directory is not None else None


def _line(channel: Channel, directory: Directory | None) -> str:
    """sales-group: wecom_bot, 20 in 60 s for a bot; reaches 12 of 14 people"""
    people: list[Person] = list(directory.people.values()) if directory else []
    reached = sum(channel.reaches(person) for person in people)
    reach = f"; reaches {reached} of {len(people)} people" if directory else ""
    return f"{channel.name}: {channel.kind}, {_said(channel.limits)}{reach}"


def _said(limits: Limits) -> str:
    if not limits.windows:
        return "no known limit"
    windows = " and ".join(f"{window.messages} in {window.seconds:g} s" for window in limits.windows)
    return f"{windows} for a {limits.per}"

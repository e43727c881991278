"""Greetings put together from their file, with a mail server of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from services.common.clock import Now
from services.common.database import Database
from services.notifier.channels.email import EmailChannel, parse_smtp_url
from services.notifier.channels.secrets import Secrets
from services.notifier.greetings.file import read_greetings
from services.notifier.greetings.work import Greeter
from services.notifier.people import Directory


def open_greeter(
    file: Path, env: Mapping[str, str], database: Database, directory: Callable[[], Directory], now: Now, zone: ZoneInfo
) -> Greeter:
    """Raises GreetingsInvalid, SecretMissing, BadSmtpUrl."""
    greetings = read_greetings(file)
    server = parse_smtp_url(Secrets(env).read(greetings.smtp))
    channel = EmailChannel(server, now, name="greetings", sender_name=greetings.house.company)
    return Greeter(database, channel, greetings, directory, now, zone)

"""What runs beside the dispatchers for channels: incidents that follow cases, and greetings to customers."""

from __future__ import annotations

from services.common.clock import wall_now
from services.common.settings import Settings
from services.notifier import incidents
from services.notifier.channels.base import Channel
from services.notifier.clerk import Clerk
from services.notifier.config import NotifierSettings
from services.notifier.greetings.follower import MourningFollower
from services.notifier.greetings.opening import open_greeter
from services.notifier.greetings.work import PAUSE_S as GREETINGS_S
from services.notifier.throttle import Throttle
from services.notifier.workers import Workers


def follow_cases(workers: Workers, channel: Channel, clerk: Clerk, console_url: str) -> None:
    """Only for a channel that keeps incidents of its own."""
    if channel.kind in incidents.KINDS:
        throttle = Throttle(clerk.database, wall_now)
        told = incidents.Incidents(clerk.database, channel, throttle, lambda: clerk.directory, clerk.now, console_url)
        workers.start(f"incidents-{channel.name}", told.step, incidents.PAUSE_S)


def greet_customers(workers: Workers, settings: Settings, own: NotifierSettings, clerk: Clerk) -> None:
    """Only where a file switches it on. Raises GreetingsInvalid, SecretMissing, BadSmtpUrl."""
    if own.greetings_file is None:
        return
    database, now = clerk.database, clerk.now
    greeter = open_greeter(own.greetings_file, own.env, database, lambda: clerk.directory, now, settings.zone)
    archive = MourningFollower(settings.kafka, settings.topics, database, now)
    # A greeting on a day of mourning cannot be taken back; a late one is only late.
    workers.start("greetings", lambda: archive.caught_up and greeter.step(), GREETINGS_S)
    workers.start("mourning", archive.step, 0.0, archive.close)

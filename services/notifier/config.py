"""What an operator sets of the notifier alone, beside services/common/settings.py. Read by the entry point only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from services.common.settings import BadSetting, Settings
from services.notifier import link_secrets
from services.notifier.channels.email import SmtpServer, parse_smtp_url
from services.notifier.house import House
from services.notifier.links import VALID
from services.notifier.routing_file import load_routes
from services.notifier.worktime_file import default_clocks, load_clocks

CHANNELS = ("inbox", "email", "webhook")

DEFAULT_SETTLE_S = 60
MAX_LINK_DAYS = 60

MAX_SETTLE_S = 900
"""As long as anything may wait at all (policy.LONGEST_SETTLING)."""


@dataclass(frozen=True)
class NotifierSettings:
    """`channels` are those beside the inbox, which always records. A channel that is listed has its settings."""

    channels: tuple[str, ...]
    console_url: str
    smtp: SmtpServer | None
    webhook_url: str | None
    webhook_secret: str
    settle_s: int = DEFAULT_SETTLE_S
    house: House = field(default_factory=House)
    link_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    link_days: int = VALID.days


def read_notifier_settings(env: Mapping[str, str], settings: Settings) -> NotifierSettings:
    """BELLWETHER_CHANNELS (comma-separated: inbox, email, webhook), BELLWETHER_SMTP_URL, BELLWETHER_WEBHOOK_URL,
    BELLWETHER_WEBHOOK_SECRET, BELLWETHER_CONSOLE_URL, BELLWETHER_SETTLE_S (for so long it must be quiet before people
    are paged about what was found late; 0: at once), BELLWETHER_WORKTIME (a file of the company's working time),
    BELLWETHER_ROUTES (a file of who is told of what), BELLWETHER_LINK_SECRET and _PREVIOUS (of at least 32 bytes; else
    a file in the data directory has them), BELLWETHER_LINK_DAYS (for so long a link in a page is good). Raises
    BadSetting or BadSmtpUrl, naming the variable, and WorktimeInvalid or RoutesInvalid, naming the file."""
    listed = [name.strip() for name in env.get("BELLWETHER_CHANNELS", "inbox").split(",") if name.strip()]
    unknown = [name for name in listed if name not in CHANNELS]
    if unknown:
        raise BadSetting(f'BELLWETHER_CHANNELS has "{unknown[0]}": the channels are {", ".join(CHANNELS)}')
    smtp = parse_smtp_url(_needed(env, "BELLWETHER_SMTP_URL", "email")) if "email" in listed else None
    webhook = _needed(env, "BELLWETHER_WEBHOOK_URL", "webhook") if "webhook" in listed else None
    secret = _needed(env, "BELLWETHER_WEBHOOK_SECRET", "webhook") if "webhook" in listed else ""
    here = f"http://{settings.host}:{settings.notifier_port}"
    console = env.get("BELLWETHER_CONSOLE_URL", here).rstrip("/")
    for name, url in (("BELLWETHER_WEBHOOK_URL", webhook), ("BELLWETHER_CONSOLE_URL", console)):
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
            raise BadSetting(f"{name} must be an http or https URL")
    channels = tuple(dict.fromkeys(name for name in listed if name != "inbox"))
    days = _whole(env, "BELLWETHER_LINK_DAYS", VALID.days, 1, MAX_LINK_DAYS)
    house, secrets = read_house(env, settings), link_secrets.from_environment(env)
    return NotifierSettings(channels, console, smtp, webhook, secret, _settle_s(env), house, secrets, days)


def read_house(env: Mapping[str, str], settings: Settings) -> House:
    """By which clocks people act, and by which routes they are told (BELLWETHER_ROUTES). Raises WorktimeInvalid or
    RoutesInvalid."""
    worktime, routes = env.get("BELLWETHER_WORKTIME"), env.get("BELLWETHER_ROUTES")
    clocks = load_clocks(Path(worktime), settings.zone) if worktime else default_clocks(settings.zone)
    return House(clocks, load_routes(Path(routes) if routes else None))


def _settle_s(env: Mapping[str, str]) -> int:
    text = env.get("BELLWETHER_SETTLE_S", str(DEFAULT_SETTLE_S))
    if not text.isascii() or not text.isdigit() or int(text) > MAX_SETTLE_S:
        raise BadSetting(
            f'BELLWETHER_SETTLE_S is "{text}": set it to a whole number of seconds from 0 to {MAX_SETTLE_S}'
        )
    return int(text)


def _whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadSetting(f'{name} is "{text}": set it to a whole number from {low} to {high}')
    return int(text)


def _needed(env: Mapping[str, str], name: str, channel: str) -> str:
    if not env.get(name):
        raise BadSetting(f"BELLWETHER_CHANNELS has {channel}: set {name} too")
    return env[name]

"""What an operator sets of the notifier alone, beside services/common/settings.py. Read by the entry point only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from services.common.clock import Now
from services.common.settings import BadSetting, Settings
from services.notifier import link_secrets
from services.notifier.channels.base import Channel
from services.notifier.channels.email import SmtpServer, parse_smtp_url
from services.notifier.channels.file import read_channels_file
from services.notifier.channels.opening import open_channels
from services.notifier.house import House
from services.notifier.links import VALID
from services.notifier.routing_file import load_routes
from services.notifier.worktime_file import default_clocks, load_clocks

CHANNELS = ("inbox", "email", "webhook")

DEFAULT_SETTLE_S = 60
MAX_LINK_DAYS = 60

MAX_SETTLE_S = 900
"""As long as anything may wait at all (policy.LONGEST_SETTLING)."""

DEFAULT_LEASE_S = 30
LEASES_S = (1, 600)
"""What a notifier that died had claimed is in doubt for nobody before its lease has ended."""


DEFAULT_DIGEST_WINDOW_S = 600
MAX_DIGEST_WINDOW_S = 24 * 3600


@dataclass(frozen=True)
class NotifierSettings:
    """`channels` are those beside the inbox, which always records. A channel that is listed has its settings. `env` is
    where the channels of the file find their secrets."""

    channels: tuple[str, ...]
    console_url: str
    smtp: SmtpServer | None
    webhook_url: str | None
    webhook_secret: str
    settle_s: int = DEFAULT_SETTLE_S
    lease_s: int = DEFAULT_LEASE_S
    channels_file: Path | None = None
    greetings_file: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    house: House = field(default_factory=House)
    routes_file: Path | None = None
    link_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    link_days: int = VALID.days
    digest_window_s: int = DEFAULT_DIGEST_WINDOW_S
    templates: Path | None = None

    def open_channels(self, now: Now) -> dict[str, Channel]:
        """All of `channels`, by name. Raises what is under UserError and BadSetting: a secret may not be there."""
        webhook = (self.webhook_url, self.webhook_secret) if self.webhook_url is not None else None
        return open_channels(self.env, now, self.smtp, webhook, self.channels_file, self.console_url)


def read_notifier_settings(env: Mapping[str, str], settings: Settings) -> NotifierSettings:
    """BELLWETHER_CHANNELS (comma-separated: inbox, email, webhook), BELLWETHER_SMTP_URL, BELLWETHER_WEBHOOK_URL,
    BELLWETHER_WEBHOOK_SECRET, BELLWETHER_CONSOLE_URL, BELLWETHER_SETTLE_S (for so long it must be quiet before people
    are paged about what was found late; 0: at once), BELLWETHER_LEASE_S (with several notifiers: so long after its last
    sign of life one counts as dead), BELLWETHER_CHANNELS_FILE (more channels, docs/channels.md),
    BELLWETHER_CHANNELS_ALLOW (networks that are not public and may be connected to), BELLWETHER_WORKTIME (a file of the
    company's working time), BELLWETHER_ROUTES (a file of who is told of what), BELLWETHER_LINK_SECRET and _PREVIOUS (of
    at least 32 bytes; else a file in the data directory has them), BELLWETHER_LINK_DAYS (for so long a link in a page
    is good), BELLWETHER_DIGEST_WINDOW_S (between two digests to one person by one channel), BELLWETHER_TEMPLATES (a
    folder with templates of messages in the place of ours), BELLWETHER_GREETINGS_FILE (switches greetings to customers
    on). Raises BadSetting or BadSmtpUrl, naming the variable,
    ChannelsInvalid, and WorktimeInvalid or RoutesInvalid, naming the file."""
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
    file = _path(env, "BELLWETHER_CHANNELS_FILE")
    more = read_channels_file(file).channels if file is not None else {}
    return NotifierSettings(
        channels=tuple(dict.fromkeys(name for name in (*listed, *more) if name != "inbox")),
        console_url=console,
        smtp=smtp,
        webhook_url=webhook,
        webhook_secret=secret,
        settle_s=_whole(env, "BELLWETHER_SETTLE_S", DEFAULT_SETTLE_S, 0, MAX_SETTLE_S),
        lease_s=_whole(env, "BELLWETHER_LEASE_S", DEFAULT_LEASE_S, *LEASES_S),
        channels_file=file,
        greetings_file=_path(env, "BELLWETHER_GREETINGS_FILE"),
        env=env,
        house=read_house(env, settings),
        routes_file=_path(env, "BELLWETHER_ROUTES"),
        link_secrets=link_secrets.from_environment(env),
        link_days=_whole(env, "BELLWETHER_LINK_DAYS", VALID.days, 1, MAX_LINK_DAYS),
        digest_window_s=_whole(env, "BELLWETHER_DIGEST_WINDOW_S", DEFAULT_DIGEST_WINDOW_S, 0, MAX_DIGEST_WINDOW_S),
        templates=_path(env, "BELLWETHER_TEMPLATES"),
    )


def _path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]) if env.get(name) else None


def read_house(env: Mapping[str, str], settings: Settings) -> House:
    """By which clocks people act, and by which routes they are told (BELLWETHER_ROUTES). Raises WorktimeInvalid or
    RoutesInvalid."""
    worktime = env.get("BELLWETHER_WORKTIME")
    clocks = load_clocks(Path(worktime), settings.zone) if worktime else default_clocks(settings.zone)
    return House(clocks, load_routes(_path(env, "BELLWETHER_ROUTES")))


def _whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadSetting(f'{name} is "{text}": set it to a whole number from {low} to {high}')
    return int(text)


def _needed(env: Mapping[str, str], name: str, channel: str) -> str:
    if not env.get(name):
        raise BadSetting(f"BELLWETHER_CHANNELS has {channel}: set {name} too")
    return env[name]

"""What an operator sets of the notifier alone, beside services/common/settings.py. Read by the entry point only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from services.common.settings import BadSetting, Settings
from services.notifier.channels.email import SmtpServer, parse_smtp_url

CHANNELS = ("inbox", "email", "webhook")

DEFAULT_SETTLE_S = 60
MAX_SETTLE_S = 900
"""As long as anything may wait at all (policy.LONGEST_SETTLING)."""

DEFAULT_LEASE_S = 30
LEASES_S = (1, 600)
"""What a notifier that died had claimed is in doubt for nobody before its lease has ended."""


DEFAULT_DIGEST_WINDOW_S = 600
MAX_DIGEST_WINDOW_S = 24 * 3600


@dataclass(frozen=True)
class NotifierSettings:
    """`channels` are those beside the inbox, which always records. A channel that is listed has its settings."""

    channels: tuple[str, ...]
    console_url: str
    smtp: SmtpServer | None
    webhook_url: str | None
    webhook_secret: str
    settle_s: int = DEFAULT_SETTLE_S
    lease_s: int = DEFAULT_LEASE_S
    digest_window_s: int = DEFAULT_DIGEST_WINDOW_S
    templates: Path | None = None


def read_notifier_settings(env: Mapping[str, str], settings: Settings) -> NotifierSettings:
    """BELLWETHER_CHANNELS (comma-separated: inbox, email, webhook), BELLWETHER_SMTP_URL, BELLWETHER_WEBHOOK_URL,
    BELLWETHER_WEBHOOK_SECRET, BELLWETHER_CONSOLE_URL, BELLWETHER_SETTLE_S (for so long it must be quiet before people
    are paged about what was found late; 0: at once), BELLWETHER_LEASE_S (with several notifiers: so long after its last
    sign of life one counts as dead), BELLWETHER_DIGEST_WINDOW_S (between two digests to one person by one channel),
    BELLWETHER_TEMPLATES (a folder with templates of messages in the place of ours). Raises BadSetting or BadSmtpUrl,
    naming the variable."""
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
    settle_s = _seconds(env, "BELLWETHER_SETTLE_S", DEFAULT_SETTLE_S, (0, MAX_SETTLE_S))
    lease_s = _seconds(env, "BELLWETHER_LEASE_S", DEFAULT_LEASE_S, LEASES_S)
    window_s = _seconds(env, "BELLWETHER_DIGEST_WINDOW_S", DEFAULT_DIGEST_WINDOW_S, (0, MAX_DIGEST_WINDOW_S))
    templates = Path(env["BELLWETHER_TEMPLATES"]) if env.get("BELLWETHER_TEMPLATES") else None
    return NotifierSettings(channels, console, smtp, webhook, secret, settle_s, lease_s, window_s, templates)


def _seconds(env: Mapping[str, str], name: str, default: int, bounds: tuple[int, int]) -> int:
    text = env.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not bounds[0] <= int(text) <= bounds[1]:
        raise BadSetting(f'{name} is "{text}": set it to a whole number of seconds from {bounds[0]} to {bounds[1]}')
    return int(text)


def _needed(env: Mapping[str, str], name: str, channel: str) -> str:
    if not env.get(name):
        raise BadSetting(f"BELLWETHER_CHANNELS has {channel}: set {name} too")
    return env[name]

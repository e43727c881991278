"""All channels of an installation: the variables' (BELLWETHER_CHANNELS) and the file's (BELLWETHER_CHANNELS_FILE)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services.common.clock import Now
from services.common.settings import BadSetting
from services.notifier.channels.addresses import Guard, NotANetwork, networks
from services.notifier.channels.base import Channel
from services.notifier.channels.email import EmailChannel, SmtpServer
from services.notifier.channels.file import open_channels_file
from services.notifier.channels.webhook import WebhookChannel


def open_channels(
    env: Mapping[str, str],
    now: Now,
    smtp: SmtpServer | None,
    webhook: tuple[str, str] | None,
    file: Path | None,
    console_url: str = "",
) -> dict[str, Channel]:
    """By name, without the inbox. `webhook` is its URL and secret. Raises ChannelsInvalid, BadSetting."""
    guard = read_guard(env)
    found: dict[str, Channel] = {}
    if smtp is not None:
        found["email"] = EmailChannel(smtp, now)
    if webhook is not None:
        found["webhook"] = WebhookChannel(*webhook, now, guard)
    more = open_channels_file(file, env, now, guard, console_url) if file is not None else {}
    twice = sorted(found.keys() & more.keys())
    if twice:
        raise BadSetting(
            f'BELLWETHER_CHANNELS and BELLWETHER_CHANNELS_FILE both have "{twice[0]}": name one of them anew'
        )
    return found | more


def read_guard(env: Mapping[str, str]) -> Guard:
    """BELLWETHER_CHANNELS_ALLOW: networks, with commas between them, that channels may connect to although they are
    not public. Raises BadSetting."""
    texts = [text for text in env.get("BELLWETHER_CHANNELS_ALLOW", "").split(",") if text.strip()]
    try:
        return Guard(networks(texts))
    except NotANetwork as odd:
        raise BadSetting(f'BELLWETHER_CHANNELS_ALLOW has "{odd}", which is no network such as 10.0.0.0/8') from None

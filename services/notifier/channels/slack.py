"""PURE: Slack, by an incoming webhook or by chat.postMessage: blocks to a channel. No contact details by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.notifier.channels.base import (
    Accepted,
    BadAddress,
    BadCredential,
    Message,
    RateLimited,
    Refused,
    TooLarge,
    TryLater,
)
from services.notifier.channels.fitting import cut, cut_characters, fit
from services.notifier.channels.limits import Limits, Window
from services.notifier.channels.provider import (
    Answer,
    Request,
    document,
    judge_status,
    no_verdict,
    retry_after_s,
    said_code,
    said_status,
)
from services.notifier.channels.saying import subject_of, text_of, without_contacts
from services.notifier.channels.wecom_bot import fingerprint
from services.notifier.people import Person

HOME = "https://slack.com"
HEADER_CHARACTERS = 150
SECTION_CHARACTERS = 3000
SECTIONS = 12
"""Of the 50 blocks a message may have: what is longer is read in the console."""
LIMITS = Limits((Window(1, 1.0),), 0.0, SECTIONS * SECTION_CHARACTERS, "Slack channel")

_BAD_KEY = frozenset(
    "invalid_auth not_authed account_inactive token_revoked token_expired no_permission missing_scope invalid_token "
    "action_prohibited no_service no_service_id no_team team_disabled ekm_access_denied not_allowed_token_type "
    "no_active_hooks".split()
)
_BAD_ADDRESS = frozenset(
    "channel_not_found is_archived channel_is_archived not_in_channel restricted_action user_not_found "
    "cannot_reply_to_message messages_tab_disabled".split()
)
_TOO_LARGE = frozenset("msg_too_long msg_blocks_too_long invalid_blocks_format".split())
_BUSY = frozenset("internal_error fatal_error service_unavailable request_timeout rollup_error".split())


@dataclass(frozen=True)
class Slack:
    """Either `webhook`, the whole address of an incoming webhook, or `token` of a bot with `channel`, to which a
    person's own address (a member id) is preferred. `contacts`: whether contact details may stand in a message."""

    webhook: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    channel: str = ""
    contacts: bool = False
    home: str = HOME
    kind: str = "slack"
    title: str = "Slack / Slack"
    limits: Limits = LIMITS
    repeatable: bool = False

    def scope(self, message: Message) -> str:
        """The channel of Slack: its limit is for each."""
        return f"{self.kind}:{fingerprint(self.webhook or f'{self.token} {self._to(message)}')}"

    def reaches(self, person: Person) -> bool:
        """Everybody where there is a channel, else who has a member id."""
        return bool(self.webhook or self.channel or person.reached_by(self.kind))

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """One message, in its markdown where it is written so; or its parts, as many as it takes."""
        if message.markdown:
            said = message.markdown if self.contacts else without_contacts(message.markdown, message)
            if _utf16(said) <= SECTION_CHARACTERS:
                return [self._request([_section({"type": "mrkdwn", "text": said})], message)]
        most = SECTIONS * SECTION_CHARACTERS
        text = text_of(message, contacts=self.contacts)
        parts = fit(text, most, message.link, message.to.language, len)
        return [self._request([_section(_plain(one)) for one in sections(part)], message) for part in parts]

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """`ok` of the body, which is a document of the API and a word of the webhook."""
        if answer.status == 429:
            raise RateLimited(
                said_status(self.title, answer),
                max(1.0, retry_after_s(answer.headers.get("retry-after"), at)),
                everyone=True,
                code="429",
            )
        found = document(answer)
        if found is not None:
            if found.get("ok") is True:
                return Accepted(str(found.get("ts", "")))
            raise _refusal(self.title, str(found.get("error", answer.status)))
        if answer.status < 300 and answer.text == "ok":
            return Accepted("")
        if 300 <= answer.status < 500:
            raise _refusal(self.title, answer.text)
        judge_status(self.title, answer, at)
        raise no_verdict(self.title, answer)

    def _to(self, message: Message) -> str:
        return message.to.reached_by(self.kind) or self.channel

    def _request(self, told: Sequence[dict[str, object]], message: Message) -> Request:
        subject = subject_of(message, contacts=self.contacts)
        # Plain text is told as it is; what Slack would read as a mention or a link in the rest is escaped.
        blocks: list[dict[str, object]] = [
            {"type": "header", "text": _plain(cut_characters(subject, HEADER_CHARACTERS))},
            *told,
        ]
        if message.link:
            link = f"<{escape(message.link).replace('|', '%7C')}>"
            blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": link}]})
        body: dict[str, object] = {"text": escape(subject), "blocks": blocks, "unfurl_links": False}
        if self.webhook:
            return Request(self.webhook, orjson.dumps(body))
        headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {self.token}"}
        document = orjson.dumps({"channel": self._to(message), **body})
        return Request(f"{self.home}/api/chat.postMessage", document, headers)


def sections(text: str) -> list[str]:
    """The text in pieces that a section takes, cut between characters."""
    found, left = [], text
    while left:
        piece = cut(left, SECTION_CHARACTERS, _utf16) or left[:1]
        found.append(piece)
        left = left[len(piece) :].lstrip("\n")
    return found or [" "]


def escape(text: str) -> str:
    """As Slack wants it in texts that it reads: three characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _utf16(text: str) -> int:
    # A picture counts as two characters where the provider counts as JavaScript does.
    return len(text.encode("utf-16-le")) // 2


def _plain(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _section(text: dict[str, object]) -> dict[str, object]:
    return {"type": "section", "text": text}


def _refusal(title: str, error: str) -> Exception:
    said = said_code(title, error, "")
    if error in ("ratelimited", "rate_limited"):
        return RateLimited(said, 1.0, everyone=True, code=error)
    if error in _BAD_KEY:
        return BadCredential(said, code=error)
    if error in _BAD_ADDRESS:
        return BadAddress(said, code=error)
    if error in _TOO_LARGE:
        return TooLarge(said, code=error)
    return TryLater(said, code=error) if error in _BUSY else Refused(said, code=error)

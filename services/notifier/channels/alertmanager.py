"""PURE: the webhook that Alertmanager's receivers understand, version 4: an alert for each warning."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.notifier.channels.base import Accepted, Message
from services.notifier.channels.limits import UNLIMITED, Limits
from services.notifier.channels.provider import Answer, Request, judge_status
from services.notifier.channels.saying import subject_of, text_of
from services.notifier.channels.wecom_bot import fingerprint
from services.notifier.people import Person

_STILL_OPEN = "0001-01-01T00:00:00Z"
"""Go's zero time, which is what Alertmanager writes for an alert that has not ended."""


@dataclass(frozen=True)
class Alertmanager:
    """`token`, where there is one, is sent as a bearer's. `console` is the externalURL."""

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    console: str = ""
    receiver: str = "bellwether"
    kind: str = "alertmanager"
    title: str = "Alertmanager 式 Webhook / the Alertmanager webhook"
    limits: Limits = UNLIMITED
    repeatable: bool = True

    def scope(self, message: Message) -> str:
        """The receiver's address."""
        return f"{self.kind}:{fingerprint(self.url)}"

    def reaches(self, person: Person) -> bool:
        """Everybody: the receiver tells them."""
        return True

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """One document. Alerts are known by fingerprint and start, so a receiver takes it twice for one."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return [Request(self.url, orjson.dumps(self._document(message, at)), headers)]

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """Any 2xx is accepted."""
        judge_status(self.title, answer, at)
        return Accepted("")

    def _document(self, message: Message, at: datetime) -> dict[str, object]:
        pages = message.data.get("pages")
        told = [page for page in pages if isinstance(page, Mapping)] if isinstance(pages, list) else [message.data]
        alerts = [_alert(page, message, at) for page in told]
        status = "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved"
        group = {"case": message.case_id} if message.case_id else {}
        labels = [alert["labels"] for alert in alerts if isinstance(alert["labels"], dict)]
        annotations = {"summary": subject_of(message), "description": text_of(message)}
        return {
            "version": "4",
            "groupKey": f'{{}}:{{case="{message.case_id or message.key}"}}',
            "truncatedAlerts": 0,
            "status": status,
            "receiver": self.receiver,
            "groupLabels": group,
            "commonLabels": _common(labels),
            "commonAnnotations": annotations,
            "externalURL": self.console,
            "alerts": alerts,
        }


def _alert(page: Mapping[str, object], message: Message, at: datetime) -> dict[str, object]:
    over = message.action == "resolve" or page.get("kind") == "withdrawn"
    names = ("rule", "severity", "customer_id", "customer", "department", "output")
    labels = {name: str(page[name]) for name in names if page.get(name)}
    labels = {"alertname": str(page.get("rule") or "Bellwether"), **labels}
    annotations = {"kind": str(page.get("kind") or ""), "due": str(page.get("due") or "")}
    known = str(page.get("warning_id") or message.key)
    return {
        "status": "resolved" if over else "firing",
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": str(page.get("since") or at.isoformat()),
        "endsAt": at.isoformat() if over else _STILL_OPEN,
        "generatorURL": str(page.get("url") or message.link or ""),
        "fingerprint": hashlib.sha256(known.encode()).hexdigest()[:16],
    }


def _common(labels: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all alerts have alike."""
    first = labels[0] if labels else {}
    return {name: text for name, text in first.items() if all(other.get(name) == text for other in labels)}

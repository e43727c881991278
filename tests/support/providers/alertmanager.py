"""A receiver of Alertmanager's webhook that reads as strictly as a Go program would."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.support.providers.server import Asked, Now, ProviderServer, Reply

FIELDS: dict[str, type] = {
    "version": str,
    "groupKey": str,
    "truncatedAlerts": int,
    "status": str,
    "receiver": str,
    "groupLabels": dict,
    "commonLabels": dict,
    "commonAnnotations": dict,
    "externalURL": str,
    "alerts": list,
}
ALERT: dict[str, type] = {
    "status": str,
    "labels": dict,
    "annotations": dict,
    "startsAt": str,
    "endsAt": str,
    "generatorURL": str,
    "fingerprint": str,
}


class AlertmanagerReceiver(ProviderServer):
    """POST /alerts with a bearer's token."""

    def __init__(self, now: Now, token: str = "alerts-token") -> None:
        self.token = token
        self.longest_body = 1_000_000
        super().__init__(now)

    def reply(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return Reply("Unauthorized", 401)
        if len(asked.raw) > self.longest_body:
            return Reply("Request Entity Too Large", 413)
        document = asked.json
        wrong = problems(document)
        if wrong:
            return Reply("; ".join(wrong), 400)
        self.accepted.append(document)
        return Reply("", 200)


def problems(document: dict[str, Any]) -> list[str]:
    found = [name for name, kind in FIELDS.items() if not isinstance(document.get(name), kind)]
    found += ["version"] if document.get("version") != "4" else []
    for name in ("groupLabels", "commonLabels", "commonAnnotations"):
        found += [name for text in document.get(name, {}).values() if not isinstance(text, str)]
    for alert in document.get("alerts", []):
        found += [f"alerts.{name}" for name, kind in ALERT.items() if not isinstance(alert.get(name), kind)]
        found += [] if alert.get("status") in ("firing", "resolved") else ["alerts.status"]
        found += [] if "alertname" in alert.get("labels", {}) else ["alertname"]
        for name in ("startsAt", "endsAt"):
            datetime.fromisoformat(alert[name])
        found += [
            name for part in ("labels", "annotations") for name, text in alert[part].items() if type(text) is not str
        ]
    return found

"""PagerDuty's Events API v2: 202 takes an event, and incidents are what the accepted events made of them."""

from __future__ import annotations

from typing import Any

from tests.support.providers.server import Asked, Counter, Now, ProviderServer, Reply


class PagerDutyServer(ProviderServer):
    """POST /v2/enqueue. `incidents` are open ones by dedup_key: "triggered" or "acknowledged"."""

    def __init__(self, now: Now, routing_key: str = "R" * 32) -> None:
        self.routing_key = routing_key
        self.longest_body = 512_000
        self.incidents: dict[str, str] = {}
        self._counter = Counter(120, 60)
        super().__init__(now)

    def reply(self, asked: Asked) -> Reply:
        if len(asked.raw) > self.longest_body:
            return invalid("Event object is larger than the maximum size of 512 KB")
        event = asked.json
        if errors := self._errors(event):
            return invalid(*errors)
        if not self._counter.takes(self.now()):
            self.broken_limits += 1
            return Reply(
                {"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly"}, 429
            )
        self.accepted.append(event)
        self._apply(event["event_action"], event["dedup_key"])
        return Reply({"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}, 202)

    def _errors(self, event: dict[str, Any]) -> list[str]:
        errors = []
        if event.get("routing_key") != self.routing_key:
            errors.append("'routing_key' is invalid")
        if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' is invalid")
        if not 1 <= len(event.get("dedup_key", "")) <= 255:
            errors.append("Length of 'dedup_key' is incorrect (should be between 1 and 255)")
        if event.get("event_action") == "trigger":
            payload = event.get("payload", {})
            if not 1 <= len(payload.get("summary", "")) <= 1024:
                errors.append("Length of 'summary' is incorrect (should be between 1 and 1024)")
            if payload.get("severity") not in ("critical", "error", "warning", "info") or not payload.get("source"):
                errors.append("'severity' is invalid")
        return errors

    def _apply(self, action: str, key: str) -> None:
        if action == "trigger":
            self.incidents.setdefault(key, "triggered")
        elif action == "acknowledge" and key in self.incidents:
            self.incidents[key] = "acknowledged"
        elif action == "resolve":
            self.incidents.pop(key, None)


def invalid(*errors: str) -> Reply:
    return Reply({"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}, 400)

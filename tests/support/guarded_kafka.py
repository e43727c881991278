"""A Kafka where nobody who has a name may do anything without an ACL. The test itself has none, and may do all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.kafka import Broker, new_place
from deploy.ports import LOOPBACK, free_port

USERS = ("ingest", "rules", "notifier", "creator", "operator", "reader", "officer", "erp")
WAIT_S = 30

Grant = tuple[ResourceType, str, AclOperation]
"""On what, of which name, which operation."""


class GuardedKafka:
    """One broker with an authorizer. `broker.bootstrap` is the port of the nameless."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._named = f"{LOOPBACK}:{free_port()}"
        place = new_place(folder / "kafka")
        self.broker = Broker(replace(place, overrides=self._settings(place.port, place.controller_port)))

    def client(self, user: str) -> dict[str, Any]:
        """The settings of a librdkafka client of this name."""
        return {
            "bootstrap.servers": self._named,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": user,
            "sasl.password": _password(user),
        }

    def env(self, user: str) -> dict[str, str]:
        """The settings of a service or command of this name."""
        secret = self._folder / f"password-of-{user}"
        secret.write_text(_password(user), encoding="utf-8")
        return {
            "BELLWETHER_KAFKA": self._named,
            "BELLWETHER_KAFKA_SECURITY": "SASL_PLAINTEXT",
            "BELLWETHER_KAFKA_SASL_MECHANISM": "PLAIN",
            "BELLWETHER_KAFKA_USER": user,
            "BELLWETHER_KAFKA_PASSWORD_FILE": str(secret),
        }

    def grant(self, user: str, grants: Iterable[Grant]) -> None:
        """Besides what the user has."""
        bindings = [
            AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
            for kind, name, operation in grants
        ]
        # What it promises is broken when the client goes away.
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        for made in admin.create_acls(bindings).values():
            made.result(WAIT_S)

    def _settings(self, port: int, controller_port: int) -> Mapping[str, str]:
        users = " ".join(f'user_{user}="{_password(user)}"' for user in USERS)
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        theirs = f"PLAINTEXT://{LOOPBACK}:{port},NAMED://{self._named}"
        return {
            "listeners": f"{theirs},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": theirs,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,NAMED:SASL_PLAINTEXT",
            "listener.name.named.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.named.plain.sasl.jaas.config": f"{plain} {users};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The broker itself, among others.
            "super.users": "User:ANONYMOUS",
        }


def _password(user: str) -> str:
    return f"{user}-secret"

"""A broker that wants certificates on one port and a name with a password on another, both by TLS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from deploy.kafka import Broker, new_place
from deploy.ports import LOOPBACK, free_port
from services.common.kafka_admin import admin_client
from tests.support.certificates import Authority

PLAIN_USER = "plain-user"
PLAIN_PASSWORD = "plain, but not simple"


class SecuredKafka:
    """`broker.bootstrap` is its port without TLS, for the test alone. `folder` holds all certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, "authority")
        self.client = self.authority.sign("client")
        self.ports = {"SSL": free_port(), "SASL_SSL": free_port()}
        place = new_place(folder / "kafka")
        self.broker = Broker(replace(place, overrides=self._listeners(place.port, place.controller_port)))

    def _listeners(self, port: int, controller_port: int) -> Mapping[str, str]:
        server = self.authority.sign("server", LOOPBACK)
        both = self.folder / "server-with-key.pem"
        both.write_text(server.key.read_text() + server.certificate.read_text())
        names = {"MUTUAL": "SSL", "SECRET": "SASL_SSL"}
        more = "".join(f",{name}://{LOOPBACK}:{self.ports[security]}" for name, security in names.items())
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return {
            "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}{more}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}{more}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
            + "".join(f",{name}:{security}" for name, security in names.items()),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.secret.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.secret.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.secret.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.secret.plain.sasl.jaas.config": f'{plain} user_{PLAIN_USER}="{PLAIN_PASSWORD}";',
        }

    def env(self, security: str, user: str = "", password: str = "", mechanism: str = "") -> dict[str, str]:
        """The settings of a service that is let in by SSL or SASL_SSL. The password comes in a file."""
        env = {
            "BELLWETHER_KAFKA": f"{LOOPBACK}:{self.ports[security]}",
            "BELLWETHER_KAFKA_SECURITY": security,
            "BELLWETHER_KAFKA_CA": str(self.authority.certificate),
        }
        if security == "SSL":
            return {
                **env,
                "BELLWETHER_KAFKA_CERTIFICATE": str(self.client.certificate),
                "BELLWETHER_KAFKA_KEY": str(self.client.key),
            }
        secret = self.folder / f"password-of-{user}"
        secret.write_text(f"{password}\n", encoding="utf-8")
        return {
            **env,
            "BELLWETHER_KAFKA_USER": user,
            "BELLWETHER_KAFKA_PASSWORD_FILE": str(secret),
            "BELLWETHER_KAFKA_SASL_MECHANISM": mechanism,
        }

    def add_user(self, user: str, password: str, mechanism: str) -> None:
        """From now on the broker lets this user in by one of the SCRAM mechanisms."""
        chosen = ScramMechanism[mechanism.replace("-", "_")]
        with admin_client(self.broker.bootstrap) as admin:
            wrong = admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, chosen, password)])
        assert wrong == {user: None}

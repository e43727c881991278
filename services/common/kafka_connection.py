"""How Kafka is reached: its addresses, TLS and credentials, as its client libraries take them, and why it fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECURITIES = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
CONNECT_TIMEOUT_MS = 5_000
"""Of a client of kafka-python: whoever waits for Kafka is told so this soon, and tries again (its own 30 s are half a
minute without a word)."""

PROBE_TIMEOUT_S = 3.0
ALERT_TIMEOUT_S = 0.5
"""A broker that does not want our certificate says so at once, but only after the handshake (TLS 1.3)."""

# X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_OTHER_NAME = (62, 64)


class UnusableCertificate(Exception):
    """A file of certificates or keys that cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Connection:
    """`servers` is host:port, with commas between. `ca`, `certificate` and `key` are PEM files; without a `ca` the
    machine's own authorities are trusted. `mechanism`, `user` and `password` are of SASL. A password is never shown."""

    servers: str
    security: str = "PLAINTEXT"
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.servers

    @property
    def tls(self) -> bool:
        """Whether what passes is encrypted, and the broker's certificate looked at."""
        return self.security in ("SSL", "SASL_SSL")

    @property
    def sasl(self) -> bool:
        """Whether we give a name and a password."""
        return self.security.startswith("SASL_")

    def addresses(self) -> Iterator[tuple[str, int]]:
        """Host and port of each server; what is none is left out."""
        for server in self.servers.split(","):
            host, _, port = server.strip().rpartition(":")
            with suppress(ValueError):
                yield host.strip("[]"), int(port)

    def tls_context(self) -> ssl.SSLContext | None:
        """What TLS is to be spoken with, host names checked; None without TLS. Raises UnusableCertificate."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise UnusableCertificate(f"{self.ca} holds no certificates in PEM ({_reason(error)})") from error
        if self.certificate is not None:
            _present(context, self.certificate, self.key)
        return context


def _present(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def encrypted() -> str:
        raise UnusableCertificate(f"{key} is encrypted: decrypt it (`openssl pkey`), and let only the service read it")

    try:
        # Without a function OpenSSL would ask at the terminal.
        context.load_cert_chain(certificate, key, password=encrypted)
    except OSError as error:
        raise UnusableCertificate(
            f"{certificate} and {key} are no certificate and its key in PEM ({_reason(error)})"
        ) from error


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    return str(reason).lower().replace("_", " ")


Address = str | Connection
"""host:port alone is a connection without TLS and credentials."""


def connection_of(kafka: Address) -> Connection:
    """The whole of it."""
    return Connection(kafka) if isinstance(kafka, str) else kafka


def client_options(kafka: Address) -> dict[str, Any]:
    """The arguments by which a client of kafka-python or of aiokafka connects: both have the same names for them.

    Files are read anew for each client. Raises UnusableCertificate.
    """
    connection = connection_of(kafka)
    options: dict[str, Any] = {"bootstrap_servers": connection.servers, "security_protocol": connection.security}
    if connection.tls:
        options["ssl_context"] = connection.tls_context()
    if connection.sasl:
        options["sasl_mechanism"] = connection.mechanism
        options["sasl_plain_username"] = connection.user
        options["sasl_plain_password"] = connection.password
    return options


def librdkafka_options(kafka: Address) -> dict[str, Any]:
    """The same for a client of librdkafka (confluent-kafka), which reads the files itself.

    They are looked at here first, so that the same is said about them. Raises UnusableCertificate.
    """
    connection = connection_of(kafka)
    options: dict[str, Any] = {"bootstrap.servers": connection.servers, "security.protocol": connection.security}
    if connection.tls:
        connection.tls_context()
        # Without a file of its own it would trust whatever it finds first; this is where Python looks.
        found = ssl.get_default_verify_paths()
        authorities = connection.ca or found.cafile or found.capath
        if authorities is not None:
            options["ssl.ca.location"] = str(authorities)
        if connection.certificate is not None:
            options["ssl.certificate.location"] = str(connection.certificate)
            options["ssl.key.location"] = str(connection.key or connection.certificate)
    if connection.sasl:
        options["sasl.mechanism"] = connection.mechanism
        options["sasl.username"] = connection.user
        options["sasl.password"] = connection.password
    return options


def why_unusable(kafka: Address, error: BaseException) -> str:
    """What keeps a client from working that failed with `error`, and what to do about it, for people.

    Clients say of TLS and passwords only that time ran out, so each server is tried here. Takes seconds where nobody
    answers. Not to be called on an event loop.
    """
    connection = connection_of(kafka)
    if isinstance(error, UnusableCertificate):
        return str(error)
    found = [_problem_at(connection, *address) for address in connection.addresses()]
    told = [problem for problem in found if problem is not None]
    if told:
        return told[0]
    return f"no Kafka answers at {connection}; start one, or set BELLWETHER_KAFKA"


def is_reachable(kafka: Address) -> bool:
    """Whether any of the servers accepts a connection."""
    for address in connection_of(kafka).addresses():
        with suppress(OSError), socket.create_connection(address, timeout=PROBE_TIMEOUT_S):
            return True
    return False


def _problem_at(connection: Connection, host: str, port: int) -> str | None:
    """What is wrong at a server, or None where nobody listens."""
    server = f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=PROBE_TIMEOUT_S) as plain:
            problem = _tls_problem(connection, plain, host, server)
    except OSError:
        return None
    if problem is None and connection.sasl and asyncio.run(_is_turned_away(connection, host, port)):
        return (
            f"Kafka at {server} does not let {connection.user} in by {connection.mechanism}: check "
            "BELLWETHER_KAFKA_USER, the password and BELLWETHER_KAFKA_SASL_MECHANISM"
        )
    return problem or _other_protocol(connection, server)


def _tls_problem(connection: Connection, plain: socket.socket, host: str, server: str) -> str | None:
    try:
        context = connection.tls_context()
        if context is not None:
            with context.wrap_socket(plain, server_hostname=host) as secured:
                _await_alert(secured)
    except UnusableCertificate as error:
        return str(error)
    except ssl.SSLCertVerificationError as error:
        return _distrusted(server, error)
    except ssl.SSLError as error:
        return _refused(connection, server, error)
    except OSError:
        return _other_protocol(connection, server)
    return None


async def _is_turned_away(connection: Connection, host: str, port: int) -> bool:
    """Whether it is the name or the password. Of both libraries' clients this alone tells."""
    from aiokafka.conn import create_conn
    from aiokafka.errors import AuthenticationFailedError, KafkaError, UnsupportedSaslMechanismError
    from aiokafka.errors import SaslAuthenticationFailed as Refused

    options = {name: value for name, value in client_options(connection).items() if name != "bootstrap_servers"}
    try:
        conn = await create_conn(host, port, request_timeout_ms=int(PROBE_TIMEOUT_S * 1000), **options)
    except (AuthenticationFailedError, UnsupportedSaslMechanismError, Refused):
        return True
    except (KafkaError, OSError):
        return False
    conn.close()
    return False


def _await_alert(secured: ssl.SSLSocket) -> None:
    secured.settimeout(ALERT_TIMEOUT_S)
    with suppress(TimeoutError):
        secured.recv(1)


def _distrusted(server: str, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _OTHER_NAME:
        return f"the certificate of Kafka at {server} is for another name: put the name it has into BELLWETHER_KAFKA"
    return (
        f"the certificate of Kafka at {server} is not to be trusted ({error.verify_message}): set BELLWETHER_KAFKA_CA "
        "to the certificate of the authority that signed it"
    )


def _refused(connection: Connection, server: str, error: ssl.SSLError) -> str:
    if "ALERT" in (error.reason or ""):
        ours = "ours" if connection.certificate else "one of ours, and we have none"
        return (
            f"Kafka at {server} wants a certificate that it trusts, {ours} ({_reason(error)}): set "
            "BELLWETHER_KAFKA_CERTIFICATE and BELLWETHER_KAFKA_KEY"
        )
    return _other_protocol(connection, server)


def _other_protocol(connection: Connection, server: str) -> str:
    return (
        f"what listens at {server} does not answer as a Kafka with {connection.security}: check the port in "
        "BELLWETHER_KAFKA and BELLWETHER_KAFKA_SECURITY"
    )

"""How Kafka is reached, from settings to the arguments of the clients; what cannot be is told by variable."""

from __future__ import annotations

import logging
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.common.kafka_connection import Connection, UnusableCertificate, client_options, librdkafka_options
from services.common.settings import BadSetting, read_connection, read_settings
from services.rules.stream_parts import broker_credentials
from tests.support.certificates import Authority
from tests.support.programs import require_program

SECRET = "correct horse"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """With a client's certificate: `client.pem` and `client.key` in its folder."""
    made = Authority(tmp_path_factory.mktemp("certificates"), "authority")
    made.sign("client")
    made.sign("other")
    return made


def env(authority: Authority, **settings: str) -> dict[str, str]:
    """Settings by the ends of their names; {} is the folder of the certificates."""
    folder = str(authority.certificate.parent)
    return {f"BELLWETHER_KAFKA_{name}": value.format(folder) for name, value in settings.items()}


MUTUAL = {"SECURITY": "SSL", "CA": "{}/authority.pem", "CERTIFICATE": "{}/client.pem", "KEY": "{}/client.key"}
SECRETIVE = {"SECURITY": "SASL_SSL", "CA": "{}/authority.pem", "USER": "bellwether", "PASSWORD": SECRET}


def test_by_default_kafka_is_on_this_machine_without_any_of_it() -> None:
    assert client_options(read_connection({})) == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "PLAINTEXT",
    }


def test_an_address_alone_is_a_connection_without_any_of_it() -> None:
    assert client_options("a:1,b:2") == {"bootstrap_servers": "a:1,b:2", "security_protocol": "PLAINTEXT"}


def test_with_certificates_host_names_are_checked_and_the_broker_must_have_one_too(authority: Authority) -> None:
    options = client_options(read_connection(env(authority, **MUTUAL)))

    context = options.pop("ssl_context")
    assert options == {"bootstrap_servers": "127.0.0.1:9092", "security_protocol": "SSL"}
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert [dict(pair[0] for pair in found["subject"])["commonName"] for found in context.get_ca_certs()] == [
        "authority"
    ]


def test_the_machines_own_authorities_are_trusted_where_none_is_named(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    context = read_connection({"BELLWETHER_KAFKA_SECURITY": "SSL"}).tls_context()
    assert context is not None
    assert len(context.get_ca_certs()) == 1


def test_a_password_comes_from_a_file_without_its_line_end(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" 密 码 \r\n", encoding="utf-8")
    given = {**SECRETIVE, "PASSWORD": "", "PASSWORD_FILE": str(file), "SASL_MECHANISM": "SCRAM-SHA-256"}

    options = client_options(read_connection(env(authority, **given)))

    assert isinstance(options.pop("ssl_context"), ssl.SSLContext)
    assert options == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "bellwether",
        "sasl_plain_password": " 密 码 ",
    }


def test_librdkafka_gets_the_same(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = authority.certificate.parent
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "other.pem"))
    secretive = {**SECRETIVE, "SASL_MECHANISM": "SCRAM-SHA-512"}
    trusting = {name: value for name, value in secretive.items() if name != "CA"}
    plain = {**trusting, "SECURITY": "SASL_PLAINTEXT"}
    secret = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "bellwether", "sasl.password": SECRET}
    wanted: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        "PLAINTEXT": ({}, {}),
        "SSL": (
            MUTUAL,
            {
                "ssl.ca.location": f"{folder}/authority.pem",
                "ssl.certificate.location": f"{folder}/client.pem",
                "ssl.key.location": f"{folder}/client.key",
            },
        ),
        "SASL_SSL": (secretive, {"ssl.ca.location": f"{folder}/authority.pem", **secret}),
        "SASL_PLAINTEXT": (plain, secret),
    }
    for security, (given, options) in wanted.items():
        always = {"bootstrap.servers": "127.0.0.1:9092", "security.protocol": security}
        assert librdkafka_options(read_connection(env(authority, **given))) == {**always, **options}
    # Where no authority is named, those of the machine, as Python takes them.
    assert librdkafka_options(read_connection(env(authority, **trusting)))["ssl.ca.location"] == f"{folder}/other.pem"


def test_librdkafka_never_gets_to_see_what_python_cannot_use(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(UnusableCertificate, match="broken.pem"):
        librdkafka_options(Connection("a:1", "SSL", ca=broken))


def test_faust_gets_the_same(authority: Authority) -> None:
    assert broker_credentials(Connection("a:1")) is None
    mutual = broker_credentials(read_connection(env(authority, **MUTUAL)))
    assert (mutual.protocol.value, mutual.context.check_hostname) == ("SSL", True)
    for security in ("SASL_SSL", "SASL_PLAINTEXT"):
        given = {**SECRETIVE, "SECURITY": security, "SASL_MECHANISM": "PLAIN"}
        if security == "SASL_PLAINTEXT":
            del given["CA"]
        secretive = broker_credentials(read_connection(env(authority, **given)))
        told = (secretive.protocol.value, secretive.mechanism.value, secretive.username, secretive.password)
        assert told == (security, "PLAIN", "bellwether", SECRET)


def test_a_password_is_never_shown(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    settings = read_settings(env(authority, **SECRETIVE))
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("a service").info("%s %r %s", settings.kafka, settings, broker_credentials(settings.kafka))
    assert SECRET not in caplog.text
    assert settings.kafka.password == SECRET


WRONG: dict[str, tuple[Mapping[str, str], str]] = {
    "another security": (
        {"SECURITY": "TLS"},
        'BELLWETHER_KAFKA_SECURITY is "TLS": set it to PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL',
    ),
    "another mechanism": (
        {**SECRETIVE, "SASL_MECHANISM": "GSSAPI"},
        'BELLWETHER_KAFKA_SASL_MECHANISM is "GSSAPI": set it to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512',
    ),
    "certificates that nobody uses": (
        {"CA": "{}/authority.pem"},
        "_CA is set, and BELLWETHER_KAFKA_SECURITY is PLAINTEXT, which does not use it: set that to SSL, or take",
    ),
    "a password that nobody uses": (
        {**MUTUAL, "PASSWORD": SECRET},
        "_PASSWORD is set, and BELLWETHER_KAFKA_SECURITY is SSL, which does not use it: set that to SASL_SSL, or take",
    ),
    "a certificate without its key": (
        {**MUTUAL, "KEY": ""},
        "BELLWETHER_KAFKA_CERTIFICATE and BELLWETHER_KAFKA_KEY belong together: set both, or none",
    ),
    "no user": (
        {**SECRETIVE, "USER": ""},
        "BELLWETHER_KAFKA_SECURITY is SASL_SSL: set BELLWETHER_KAFKA_USER and BELLWETHER_KAFKA_PASSWORD_FILE (or",
    ),
    "no password": ({**SECRETIVE, "PASSWORD": ""}, "BELLWETHER_KAFKA_PASSWORD_FILE (or BELLWETHER_KAFKA_PASSWORD) too"),
    "two passwords": (
        {**SECRETIVE, "PASSWORD_FILE": "{}/client.key"},
        "BELLWETHER_KAFKA_PASSWORD and BELLWETHER_KAFKA_PASSWORD_FILE are both set: take one of them away",
    ),
    "a missing file": (
        {**MUTUAL, "CA": "{}/none.pem"},
        "BELLWETHER_KAFKA_CA is {}/none.pem: it cannot be read (No such file or directory)",
    ),
    "a folder": ({**MUTUAL, "CA": "{}"}, "BELLWETHER_KAFKA_CA is {}: it cannot be read (Is a directory)"),
    "an empty password": (
        {**SECRETIVE, "PASSWORD": "", "PASSWORD_FILE": "/dev/null"},
        "BELLWETHER_KAFKA_PASSWORD_FILE is /dev/null: it is empty",
    ),
    "no certificates in the file": (
        {**MUTUAL, "CA": "{}/client.key"},
        "{}/client.key holds no certificates in PEM",
    ),
    "the key of another": (
        {**MUTUAL, "KEY": "{}/other.key"},
        "{}/client.pem and {}/other.key are no certificate and its key in PEM (key values mismatch)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_set_wrong_is_named_with_what_to_do(case: str, authority: Authority) -> None:
    settings, said = WRONG[case]

    with pytest.raises(BadSetting) as refused:
        read_settings(env(authority, **settings))

    assert said.replace("{}", str(authority.certificate.parent)) in str(refused.value)
    assert SECRET not in str(refused.value)


def test_nobody_is_asked_for_the_password_of_a_key(authority: Authority, tmp_path: Path) -> None:
    encrypted = tmp_path / "encrypted.key"
    plain = authority.certificate.parent / "client.key"
    openssl = str(require_program("openssl"))
    subprocess.run(
        [openssl, "pkey", "-in", str(plain), "-aes256", "-passout", "pass:x", "-out", str(encrypted)], check=True
    )
    with pytest.raises(BadSetting, match="is encrypted: decrypt it"):
        read_settings(env(authority, **{**MUTUAL, "KEY": str(encrypted)}))

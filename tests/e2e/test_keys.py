"""Keys and TLS of a running ingest, made and revoked by command. No broker is needed: 503 says that somebody was let in
and 401 that he was not."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path

import httpx
import orjson
import pytest

from deploy.ports import free_port
from schemas.topics import Topics
from services.ingest.keys_ring import REFRESH_S
from tests.e2e.ingest_service import IngestService
from tests.support.certificates import Authority
from tests.support.commands import Commands, call_bellwether, run_bellwether
from tests.support.waiting import wait_until
from tests.unit.schemas.examples import example

GOOD = orjson.dumps(example("promise.met"))
NO_BROKER = "127.0.0.1:1"
LET_IN, SHUT_OUT = 503, 401


def start(commands: Commands, **env: str) -> IngestService:
    return IngestService(commands, NO_BROKER, Topics("keys"), env)


def manage(service: IngestService, *arguments: str) -> str:
    """`bellwether ingest keys …`; what it prints for scripts."""
    done = call_bellwether("ingest", "keys", *arguments, env=service.env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def knock(service: IngestService, key: str | None) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return service.post(GOOD, **headers).status_code


def test_a_first_key_closes_the_door_and_a_revoked_one_opens_it_no_more(commands: Commands) -> None:
    service = start(commands)
    assert knock(service, None) == LET_IN
    key = manage(service, "add", "--source", "tests", "--expires", "90d", "--note", "the first")
    wait_until(lambda: knock(service, None) == SHUT_OUT, "a key to be required")
    assert knock(service, key) == LET_IN
    assert "source tests  the first" in manage(service, "list")
    renewed = manage(service, "rotate", key.split("_")[1], "--overlap", "1h")
    wait_until(lambda: knock(service, renewed) == LET_IN, "the new key to work")
    assert knock(service, key) == LET_IN
    manage(service, "revoke", key.split("_")[1])
    revoked_at = time.monotonic()
    wait_until(lambda: knock(service, key) == SHUT_OUT, "the old key to work no more", 10)
    print(f"the revoked key was shut out after {time.monotonic() - revoked_at:.1f} s (looked every {REFRESH_S:g} s)")
    assert knock(service, renewed) == LET_IN


def test_nothing_secret_is_said_anywhere(commands: Commands) -> None:
    service = start(commands, BELLWETHER_INGEST_KEYS="required")
    keys = [
        manage(service, "add", "--source", "tests", "--per-second", "1"),
        manage(service, "add", "--source", "crm", "--types", "invoice.*", "--admin"),
    ]
    gone = manage(service, "add", "--source", "tests")
    manage(service, "revoke", gone.split("_")[1])
    wait_until(lambda: knock(service, keys[0]) == LET_IN, "the keys to be known")
    said = []
    for key in (*keys, gone, keys[0][:-1], keys[0].upper()):
        for body in (GOOD, b"{broken", b"[" + b",".join([GOOD] * 50) + b"]"):
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            answer = httpx.post(f"{service.url}/v1/events?key={key}", content=body, headers=headers)
            said.append(f"{answer.status_code} {answer.headers} {answer.text}")
    said += [httpx.get(service.url + path).text for path in ("/metrics", "/openapi.json", "/healthz", "/readyz")]
    said.append(manage(service, "list"))
    service.child.stop(30)
    said.append(service.child.log_file.read_text())
    everything = "\n".join(said)
    assert "a key is required" in everything
    for key in (*keys, gone):
        secret = key.split("_")[2]
        assert secret[:16] not in everything
        assert secret[:16].upper() not in everything
    files = [file for file in commands.directory.rglob("*") if file.is_file()]
    assert any(file.name.startswith("ingest.db") for file in files)
    for file in files:
        held = file.read_bytes()
        for key in (*keys, gone):
            assert key.split("_")[2][:16].encode() not in held, file.name
            assert bytes.fromhex(key.split("_")[2]) not in held, file.name


def test_the_network_is_not_let_in_by_accident(tmp_path: Path) -> None:
    env = {"BELLWETHER_DATA_DIR": str(tmp_path), "BELLWETHER_KAFKA": NO_BROKER, "BELLWETHER_HOST": "0.0.0.0"}  # noqa: S104
    done = run_bellwether("ingest", "serve", env={**env, "BELLWETHER_INGEST_KEYS": "off"})
    assert done.returncode == 1
    assert "everybody in the network could send" in done.stderr


class Secure:
    """An ingest that speaks TLS."""

    def __init__(self, commands: Commands, authority: Authority, *, clients: bool) -> None:
        self.port = free_port()
        self.authority = authority
        self.own = authority.sign("door", "127.0.0.1")
        self.url = f"https://127.0.0.1:{self.port}"
        env = {
            "BELLWETHER_KAFKA": NO_BROKER,
            "BELLWETHER_DATA_DIR": str(commands.directory / "data"),
            "BELLWETHER_INGEST_PORT": str(self.port),
            "BELLWETHER_INGEST_TLS_CERTIFICATE": str(self.own.certificate),
            "BELLWETHER_INGEST_TLS_KEY": str(self.own.key),
        }
        if clients:
            env["BELLWETHER_INGEST_TLS_CLIENTS"] = str(authority.certificate)
        self.child = commands.start("ingest", "serve", env=env)
        wait_until(self._listens, "ingest to listen")

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return True
        except OSError:
            return False

    def trusting(self, shows: str | None = None) -> ssl.SSLContext:
        """A client's context; `shows`: the name of a certificate of its own."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if shows:
            made = self.authority.sign(shows)
            context.load_cert_chain(made.certificate, made.key)
        return context

    def serial(self) -> str:
        """Of the certificate that a new connection is shown."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            self.trusting().wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            shown = secure.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def test_tls_begins_at_1_2_and_a_renewed_certificate_is_taken_without_a_restart(
    commands: Commands, authority: Authority
) -> None:
    door = Secure(commands, authority, clients=False)
    with httpx.Client(verify=door.trusting(), base_url=door.url) as kept:
        assert kept.get("/healthz").status_code == 200
        before = door.serial()
        # One that does not fit its key changes nothing; the log says so.
        fitting = door.own.certificate.read_bytes()
        door.own.certificate.write_bytes(authority.certificate.read_bytes())
        wait_until(lambda: "cannot be used, the old one stays" in door.child.log_file.read_text(), "the bad one")
        assert door.serial() == before
        door.own.certificate.write_bytes(fitting)
        authority.sign("door", "127.0.0.1")
        wait_until(lambda: door.serial() != before, "the renewed certificate")
        assert kept.get("/healthz").status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{door.port}/healthz")
    old = door.trusting()
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(httpx.ConnectError):
        httpx.get(door.url + "/healthz", verify=old)


def test_clients_show_a_certificate_where_one_is_asked_for(commands: Commands, authority: Authority) -> None:
    door = Secure(commands, authority, clients=True)
    assert httpx.get(door.url + "/healthz", verify=door.trusting("erp")).status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(door.url + "/healthz", verify=door.trusting())


def test_a_certificate_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    env = {"BELLWETHER_DATA_DIR": str(tmp_path), "BELLWETHER_KAFKA": NO_BROKER}
    missing = {"BELLWETHER_INGEST_TLS_CERTIFICATE": "a.pem", "BELLWETHER_INGEST_TLS_KEY": "a.key"}
    done = run_bellwether("ingest", "serve", env={**env, **missing})
    assert (done.returncode, "must name PEM files" in done.stderr) == (1, True)
    done = run_bellwether("ingest", "serve", env={**env, "BELLWETHER_INGEST_TLS_CERTIFICATE": "a.pem"})
    assert (done.returncode, "BELLWETHER_INGEST_TLS_KEY is missing" in done.stderr) == (1, True)

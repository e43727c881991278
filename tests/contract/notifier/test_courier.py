"""The way of every request: bounded in time, to checked addresses only, and no secret in what is said of it."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from deploy.ports import free_port
from services.notifier.channels.addresses import Guard, networks
from services.notifier.channels.base import FateUnknown, NotSent, TryLater
from services.notifier.channels.courier import AddressRefused, Courier
from services.notifier.channels.provider import Request
from tests.contract.notifier.clocks import Clock
from tests.support.providers.server import Asked, ProviderServer, Reply

HERE = Guard(networks(["127.0.0.0/8"]))
TITLE = "收件方 / the receiver"


class Plain(ProviderServer):
    """Accepts everything."""

    def reply(self, asked: Asked) -> Reply:
        self.accepted.append(asked)
        return Reply({"ok": True})


@pytest.fixture
def receiver(clock: Clock) -> Iterator[Plain]:
    with Plain(clock) as made:
        yield made


def carry(url: str, guard: Guard = HERE, names: dict[str, list[str]] | None = None, deadline_s: float = 20.0) -> int:
    def resolving(host: str, _port: int) -> list[str]:
        return (names or {}).get(host, [host])

    courier = Courier(TITLE, guard, resolving=resolving, deadline_s=deadline_s)
    try:
        return courier.carry(Request(url, b"{}")).status
    finally:
        courier.close()


def test_a_request_arrives_under_the_name_it_was_sent_to(receiver: Plain) -> None:
    port = receiver.home.rpartition(":")[2]
    assert carry(f"http://hooks.example.com:{port}/a?b=c", names={"hooks.example.com": ["127.0.0.1"]}) == 200
    (asked,) = receiver.accepted
    assert (asked.headers["Host"], asked.path, asked.query) == (f"hooks.example.com:{port}", "/a", {"b": "c"})


PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.0.170",
    "198.18.0.1",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::1",
    "2001:0:7f00:1::1",
    "no address",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_no_address_that_is_not_public_is_admitted(address: str) -> None:
    assert not Guard().admits(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_admitted(address: str) -> None:
    assert Guard().admits(address)


def test_what_is_allowed_is_admitted_and_nothing_beside_it() -> None:
    guard = Guard(networks(["10.1.0.0/16", "::1"]))
    assert [guard.admits(one) for one in ("10.1.9.9", "::1", "::ffff:10.1.9.9", "10.2.0.1", "127.0.0.1")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "[::1]"])
def test_this_machine_is_not_reached_however_it_is_spelt(receiver: Plain, host: str) -> None:
    port = receiver.home.rpartition(":")[2]
    courier = Courier(TITLE, Guard())
    with pytest.raises(NotSent) as caught:
        courier.carry(Request(f"http://{host}:{port}/", b"{}"))
    assert isinstance(caught.value, AddressRefused | TryLater)
    assert receiver.asked == []


def test_a_name_that_leads_to_a_private_address_is_refused(receiver: Plain) -> None:
    port = receiver.home.rpartition(":")[2]
    with pytest.raises(AddressRefused):
        carry(f"http://evil.example.com:{port}/", Guard(), {"evil.example.com": ["127.0.0.1"]})
    with pytest.raises(AddressRefused):
        carry(f"http://evil.example.com:{port}/", Guard(), {"evil.example.com": ["8.8.8.8", "127.0.0.1"]})
    assert receiver.asked == []


def test_a_name_is_asked_for_once_so_a_second_answer_changes_nothing(receiver: Plain) -> None:
    """DNS rebinding: a public address to whoever checks, a private one to whoever connects."""
    port = receiver.home.rpartition(":")[2]
    answers, asked = iter([["127.0.0.2"], ["127.0.0.1"]]), []

    def resolving(host: str, _port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    courier = Courier(TITLE, Guard(networks(["127.0.0.2"])), resolving=resolving)
    with contextlib.suppress(TryLater):
        courier.carry(Request(f"http://rebinding.example.com:{port}/", b"{}"))
    assert asked == ["rebinding.example.com"]
    assert all(one.headers["Host"].startswith("rebinding") for one in receiver.asked)
    with pytest.raises(AddressRefused):
        courier.carry(Request(f"http://rebinding.example.com:{int(port)}/", b"{}", {"Connection": "close"}))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Plain, status: int) -> None:
    receiver.answer_instead = Reply("", status, {"Location": f"{receiver.home}/elsewhere"})
    assert carry(f"{receiver.home}/") == status
    assert [asked.path for asked in receiver.asked] == ["/"]


def test_a_proxy_of_the_environment_is_not_asked(receiver: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert carry(f"{receiver.home}/") == 200


def test_nobody_to_connect_to_is_for_later_and_for_everyone() -> None:
    with pytest.raises(TryLater) as caught:
        carry(f"http://127.0.0.1:{free_port()}/")
    assert caught.value.everyone


def test_a_name_without_an_address_is_for_later() -> None:
    with pytest.raises(TryLater):
        carry("http://nowhere.example.com/", names={"nowhere.example.com": []})


def test_an_answer_that_is_lost_leaves_the_fate_unknown(receiver: Plain) -> None:
    receiver.cut = "after"
    with pytest.raises(FateUnknown):
        carry(f"{receiver.home}/")
    assert len(receiver.accepted) == 1


def test_the_next_address_of_a_name_is_tried_when_one_is_away(receiver: Plain) -> None:
    port = receiver.home.rpartition(":")[2]
    assert carry(f"http://two.example.com:{port}/", names={"two.example.com": ["127.0.0.3", "127.0.0.1"]}) == 200


@pytest.fixture
def trickle() -> Iterator[int]:
    """A port that answers a byte at a time and never comes to an end."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def answer() -> None:
        taken, _ = listening.accept()
        with taken, contextlib.suppress(OSError):
            taken.recv(4096)
            taken.sendall(b"HTTP/1.1 200 OK\r\n")
            while not ended.wait(0.02):
                taken.sendall(b"X")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield int(listening.getsockname()[1])
    ended.set()
    listening.close()
    thread.join(5)


def test_an_answer_that_trickles_in_is_given_up_at_the_deadline_of_the_whole(trickle: int) -> None:
    with pytest.raises(FateUnknown):
        carry(f"http://127.0.0.1:{trickle}/", deadline_s=0.3)


def test_no_secret_of_an_address_is_logged_or_said(receiver: Plain, caplog: pytest.LogCaptureFixture) -> None:
    secret = "s3cret-key"
    caplog.set_level(logging.DEBUG)
    said = []
    for url in (f"{receiver.home}/?key={secret}", f"http://u:{secret}@127.0.0.1:{free_port()}/{secret}"):
        with contextlib.suppress(NotSent):
            carry(url)
    receiver.cut = "after"
    for url in (f"{receiver.home}/?key={secret}", f"http://127.0.0.1:{free_port()}/{secret}"):
        with pytest.raises(NotSent) as caught:
            carry(url)
        said.append(str(caught.value))
    assert secret not in caplog.text
    assert secret not in "".join(said)


def test_a_user_and_password_in_an_address_become_a_header(receiver: Plain) -> None:
    assert carry(receiver.home.replace("http://", "http://us:p%40ss@")) == 200
    assert receiver.asked[0].headers["Authorization"] == "Basic dXM6cEBzcw=="
    assert "us" not in receiver.asked[0].headers["Host"]

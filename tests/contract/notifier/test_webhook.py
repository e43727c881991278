"""The webhook against a real HTTP server."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import json
import threading
from collections import UserDict
from collections.abc import ItemsView, Iterable, Iterator, MutableMapping
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.ports import free_port
from services.notifier.channels.addresses import PUBLIC_ONLY, Guard, networks
from services.notifier.channels.base import (
    BadAddress,
    BadCredential,
    FateUnknown,
    Message,
    NotSent,
    Refused,
    TooLarge,
    TryLater,
)
from services.notifier.channels.courier import Courier
from services.notifier.channels.posting import Posting
from services.notifier.channels.webhook import SIGNATURE, Webhook, WebhookChannel
from services.notifier.people import Method, Person
from tests.support.providers.server import ProviderServer
from tests.unit.notifier.making import NOON

SECRET = "a shared secret"
WANG = Person("wang", "王强", "sales", "zh", None, "wang@example.com")
MESSAGE = Message("key-1", WANG, "主题", "正文", "<p>正文</p>", "case-1", {"kind": "raised", "severity": "high"})


class Receiver:
    """A webhook that answers as told and remembers what came."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.answer_headers: MutableMapping[str, str] = {}
        self.answer_body: Iterable[bytes] = ()
        self.requests: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                if receiver.status is None:
                    self.connection.close()
                    return
                self.send_response(receiver.status)
                for name, value in receiver.answer_headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):
                    for piece in receiver.answer_body:
                        self.wfile.write(piece)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self.channel = WebhookChannel(self.url, SECRET, lambda: NOON)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_a_page_is_posted_as_json_without_contact_details(receiver: Receiver) -> None:
    receiver.channel.send(MESSAGE)
    ((headers, body),) = receiver.requests
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "version": 1,
        "id": "key-1",
        "to": {"id": "wang", "name": "王强"},
        "case_id": "case-1",
        "subject": "主题",
        "text": "正文",
        "kind": "raised",
        "severity": "high",
    }


def test_the_receiver_can_check_the_signature_with_the_shared_secret(receiver: Receiver) -> None:
    receiver.channel.send(MESSAGE)
    ((headers, body),) = receiver.requests
    timestamp, signature = (part.partition("=")[2] for part in headers[SIGNATURE].split(","))
    wanted = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert (signature, int(timestamp)) == (wanted, int(NOON.timestamp()))


def test_every_attempt_at_one_message_has_the_same_idempotency_key(receiver: Receiver) -> None:
    receiver.channel.send(MESSAGE)
    receiver.channel.send(MESSAGE)
    first, second = (headers["Idempotency-Key"] for headers, _ in receiver.requests)
    assert first == second


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_accepted(receiver: Receiver, status: int) -> None:
    receiver.status = status
    receiver.answer_headers = {"X-Request-Id": "r-7"}
    assert receiver.channel.send(MESSAGE).provider_id == "r-7"


@pytest.mark.parametrize(("status", "everyone"), [(408, False), (429, True), (500, False), (502, False), (503, True)])
def test_what_may_pass_is_tried_later(receiver: Receiver, status: int, everyone: bool) -> None:
    receiver.status = status
    with pytest.raises(TryLater, match=str(status)) as caught:
        receiver.channel.send(MESSAGE)
    assert caught.value.everyone is everyone


@pytest.mark.parametrize(
    ("header", "after_s"),
    [
        ("120", 120),
        (format_datetime(NOON + timedelta(seconds=90)), 90),
        (format_datetime(NOON - timedelta(days=1)), 0),
        ("999999", 3600),
        ("soon", 0),
    ],
)
def test_retry_after_is_heeded_within_bounds(receiver: Receiver, header: str, after_s: float) -> None:
    receiver.status, receiver.answer_headers = 429, {"Retry-After": header}
    with pytest.raises(TryLater) as caught:
        receiver.channel.send(MESSAGE)
    assert caught.value.after_s == after_s


@pytest.mark.parametrize("status", [301, 302, 400, 404, 405, 410])
def test_everything_else_is_refused_and_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.answer_headers = status, {"Location": "/elsewhere"}
    with pytest.raises(Refused, match=str(status)):
        receiver.channel.send(MESSAGE)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(401, BadCredential), (403, BadCredential), (404, BadAddress), (413, TooLarge)]
)
def test_a_refusal_says_who_can_mend_it(receiver: Receiver, status: int, error: type[NotSent]) -> None:
    receiver.status = status
    with pytest.raises(error):
        receiver.channel.send(MESSAGE)


def own_addresses(allowed: Guard = PUBLIC_ONLY) -> Posting:
    hook = Webhook(None, SECRET)
    return Posting("own", hook, Courier(hook.title, allowed), lambda: NOON)


def test_who_has_an_address_of_their_own_is_reached_there_if_it_is_a_public_one(receiver: Receiver) -> None:
    mine = replace(MESSAGE, to=replace(WANG, methods=(Method("webhook", receiver.url, verified=True),)))
    assert (own_addresses().reaches(mine.to), own_addresses().reaches(WANG)) == (True, False)
    with pytest.raises(BadAddress, match="not public"):
        own_addresses().send(mine)
    assert receiver.requests == []
    own_addresses(Guard(networks(["127.0.0.1"]))).send(mine)
    assert len(receiver.requests) == 1


def test_what_the_operator_may_reach_an_address_of_the_directory_may_not(receiver: Receiver) -> None:
    """The notifier's own webhook stands on this machine; a person's entry names another port of it."""
    with Asks(lambda: NOON) as other:
        mine = replace(WANG, methods=(Method("webhook", f"{other.home}/admin", verified=True),))
        receiver.channel.send(replace(MESSAGE, to=mine))
        assert (len(receiver.requests), other.asked) == (1, [])


class Asks(ProviderServer):
    """What stands behind the door."""


ODD = [
    "file:///etc/passwd",
    "gopher://x/",
    "http://",
    "//x",
    "http://[::1",
    "http://a\n.b/",
    "http://a.b/ HTTP/1.1",
    "http://例子.example/",
    "http://a:99999/",
]


@pytest.mark.parametrize("address", ODD)
def test_what_is_no_web_address_is_refused_before_any_connection(address: str) -> None:
    odd = replace(WANG, methods=(Method("webhook", address, verified=True),))
    with pytest.raises(BadAddress, match="no usable"):
        own_addresses().send(replace(MESSAGE, to=odd))


def test_the_metadata_of_a_cloud_is_out_of_reach_even_when_it_is_written_in_the_settings() -> None:
    with pytest.raises(BadAddress, match="not public"):
        WebhookChannel("http://169.254.169.254/latest/", SECRET, lambda: NOON).send(MESSAGE)


def test_an_answer_that_is_lost_leaves_the_fate_unknown(receiver: Receiver) -> None:
    receiver.status = None
    with pytest.raises(FateUnknown):
        receiver.channel.send(MESSAGE)


def test_a_receiver_that_is_away_is_for_later() -> None:
    with pytest.raises(TryLater, match="cannot be reached"):
        WebhookChannel(f"http://127.0.0.1:{free_port()}/", SECRET, lambda: NOON).send(MESSAGE)


def test_an_acceptance_is_one_however_its_body_is_packed(receiver: Receiver) -> None:
    receiver.answer_headers, receiver.answer_body = {"Content-Encoding": "gzip", "Content-Length": "3"}, [b"bad"]
    receiver.channel.send(MESSAGE)
    assert receiver.requests[0][0]["Accept-Encoding"] == "identity"


def test_a_refusal_is_one_however_long_or_badly_packed_its_body_is(receiver: Receiver) -> None:
    receiver.status, receiver.answer_headers = 400, {"Content-Encoding": "gzip"}
    receiver.answer_body = itertools.repeat(b"no" * 1000)
    with pytest.raises(Refused, match="400: nono"):
        receiver.channel.send(MESSAGE)


def test_an_answer_that_does_not_come_in_time_leaves_the_fate_unknown(receiver: Receiver) -> None:
    ended = threading.Event()
    receiver.answer_headers = SlowHeaders(ended)
    with pytest.raises(FateUnknown, match="ReadTimeout"):
        WebhookChannel(receiver.url, SECRET, lambda: NOON, deadline_s=0.3).send(MESSAGE)
    ended.set()


class SlowHeaders(UserDict[str, str]):
    """The handler asks for the headers when it has the request, and gets none before the event."""

    def __init__(self, ended: threading.Event) -> None:
        super().__init__()
        self._ended = ended

    def items(self) -> ItemsView[str, str]:
        self._ended.wait(5)
        return super().items()

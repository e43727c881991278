"""What keeps a stranger out: CSRF tokens, local redirects, response headers, limits on failed sign-ins. No I/O."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections import OrderedDict, deque
from datetime import datetime, timedelta
from urllib.parse import urlsplit

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

LINK_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow, noarchive"}
"""Of pages whose address is a secret, in the place of the others: it is told to nobody that they lead to."""

FAILURES_ALLOWED = 5
FAILURE_WINDOW = timedelta(minutes=15)
ACCOUNTS_REMEMBERED = 10_000

_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")


def new_token() -> str:
    """An opaque random token of 256 bits."""
    return secrets.token_urlsafe(32)


def csrf_token(secret: str) -> str:
    """The token that a form carries for the cookie `secret`. The cookie cannot be computed from it."""
    return hmac.new(secret.encode(), b"bellwether csrf", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Compares secrets in the same time wherever they differ; "" is equal to nothing."""
    return bool(one) and hmac.compare_digest(one.encode(), other.encode())


def csrf_holds(secret: str, given: str) -> bool:
    """Whether the form comes from a page that we gave to the holder of the cookie `secret`."""
    return bool(secret) and same(csrf_token(secret), given)


def local_path(wanted: str, otherwise: str) -> str:
    """`wanted` if it is a path on this site, else `otherwise`.

    Browsers read `//host`, `/\\host` and control characters within as the way to another host.
    """
    if not wanted.startswith("/") or wanted.startswith("//") or _CONTROL.search(wanted):
        return otherwise
    parts = urlsplit(wanted)
    return wanted if not parts.scheme and not parts.netloc else otherwise


class Limit:
    """How often something may be done under a key: after `allowed` times within `window` it must wait. In memory, for
    at most ACCOUNTS_REMEMBERED keys: it only has to make trying slow."""

    def __init__(self, allowed: int, window: timedelta) -> None:
        self._allowed, self._window = allowed, window
        self._times: OrderedDict[str, deque[datetime]] = OrderedDict()
        # Handlers run on threads.
        self._lock = threading.Lock()

    def anew(self) -> Limit:
        """The same limit, of which nothing is used."""
        return Limit(self._allowed, self._window)

    def reached(self, key: str, now: datetime) -> bool:
        """Whether it must wait at the moment."""
        with self._lock:
            times = tuple(self._times.get(key, ()))
        return sum(now - at < self._window for at in times) >= self._allowed

    def count(self, key: str, now: datetime) -> None:
        """It was done."""
        with self._lock:
            self._times.setdefault(key, deque(maxlen=self._allowed)).append(now)
            self._times.move_to_end(key)
            if len(self._times) > ACCOUNTS_REMEMBERED:
                self._times.popitem(last=False)

    def forget(self, key: str) -> None:
        """It may be done as often as at first."""
        with self._lock:
            self._times.pop(key, None)


class FailedSignIns:
    """Counts failed sign-ins per account: after FAILURES_ALLOWED within FAILURE_WINDOW the account must wait.

    Kept in memory: it only has to make guessing slow, and a restart does not help a guesser enough to matter. Unknown
    account names count too, so that waiting does not tell which accounts exist. At most ACCOUNTS_REMEMBERED are kept.
    """

    def __init__(self) -> None:
        self._failures = Limit(FAILURES_ALLOWED, FAILURE_WINDOW)

    def must_wait(self, account: str, now: datetime) -> bool:
        """Whether even the right password is refused at the moment."""
        return self._failures.reached(account, now)

    def failed(self, account: str, now: datetime) -> None:
        """Remembers a failure."""
        self._failures.count(account, now)

    def succeeded(self, account: str) -> None:
        """Forgets the account's failures."""
        self._failures.forget(account)

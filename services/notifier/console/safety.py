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


class FailedSignIns:
    """Counts failed sign-ins per account: after FAILURES_ALLOWED within FAILURE_WINDOW the account must wait.

    Kept in memory: it only has to make guessing slow, and a restart does not help a guesser enough to matter. Unknown
    account names count too, so that waiting does not tell which accounts exist. At most ACCOUNTS_REMEMBERED are kept.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()
        # Handlers run on threads.
        self._lock = threading.Lock()

    def must_wait(self, account: str, now: datetime) -> bool:
        """Whether even the right password is refused at the moment."""
        with self._lock:
            failures = tuple(self._failures.get(account, ()))
        return sum(now - at < FAILURE_WINDOW for at in failures) >= FAILURES_ALLOWED

    def failed(self, account: str, now: datetime) -> None:
        """Remembers a failure."""
        with self._lock:
            self._failures.setdefault(account, deque(maxlen=FAILURES_ALLOWED)).append(now)
            self._failures.move_to_end(account)
            if len(self._failures) > ACCOUNTS_REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, account: str) -> None:
        """Forgets the account's failures."""
        with self._lock:
            self._failures.pop(account, None)

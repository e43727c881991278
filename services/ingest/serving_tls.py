"""TLS of ingest's door: a context from PEM files, which takes a renewed certificate up without a restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from services.common.settings import BadSetting
from services.ingest.serving_config import Certificate

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
"""How soon a renewed certificate is used. Connections that are open keep theirs."""


class Tls:
    """The server's side of TLS, 1.2 or later."""

    def __init__(self, certificate: Certificate) -> None:
        """Raises BadSetting."""
        self._certificate = certificate
        self._seen = self._stamps()
        try:
            self.context = _context(certificate)
        except (OSError, ssl.SSLError) as error:
            raise BadSetting(
                "BELLWETHER_INGEST_TLS_CERTIFICATE, …_KEY and …_CLIENTS must name PEM files that fit each other: "
                f"{type(error).__name__}"
            ) from None

    def renew(self) -> bool:
        """Use the certificate that lies there now, if it is another one and fits its key; a bad one changes nothing.
        Whether it is used from now on."""
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        self._seen = stamps
        try:
            # On a context of its own first: a pair that does not fit would leave the other half-changed.
            _context(self._certificate)
            self.context.load_cert_chain(self._certificate.chain, self._certificate.key)
        except (OSError, ssl.SSLError) as error:
            log.warning("the renewed certificate cannot be used, the old one stays: %s", type(error).__name__)
            return False
        log.info("the renewed certificate is used for new connections")
        return True

    async def run(self) -> None:
        """Look for a renewed certificate for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.to_thread(self.renew)

    def _stamps(self) -> list[tuple[int, int]]:
        return [_stamp(path) for path in (self._certificate.chain, self._certificate.key)]


def _stamp(path: Path) -> tuple[int, int]:
    """What another file of the same name does not share; zeros while there is none."""
    try:
        seen = path.stat()
    except OSError:
        return 0, 0
    return seen.st_mtime_ns, seen.st_ino


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate.clients)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A key with a passphrase must fail: asking for it at a terminal would hang a service.
    context.load_cert_chain(certificate.chain, certificate.key, password=_no_passphrase)
    if certificate.clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _no_passphrase() -> str:
    raise ssl.SSLError("the key has a passphrase")

"""Certificates of our own making, by the openssl of the machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import require_program

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """Two PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates. Skips the test where openssl is not installed."""

    def __init__(self, folder: Path, name: str) -> None:
        self._openssl = require_program("openssl")
        self._folder = folder / name
        self._folder.mkdir(parents=True)
        self._own = self._request(name, "-x509", "-days", "2")

    @property
    def certificate(self) -> Path:
        """Whoever trusts it trusts all that it signed."""
        return self._own.certificate

    def sign(self, name: str, address: str | None = None) -> Certificate:
        """A certificate with this common name, of a server if it has an IP address."""
        alternative = ("-addext", f"subjectAltName=IP:{address}") if address else ()
        by = ("-CA", str(self._own.certificate), "-CAkey", str(self._own.key))
        return self._request(name, "-x509", "-days", "2", *by, "-addext", "basicConstraints=CA:FALSE", *alternative)

    def _request(self, name: str, *options: str) -> Certificate:
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        files = ("-keyout", str(made.key), "-out", str(made.certificate), "-subj", f"/CN={name}")
        done = subprocess.run(
            [str(self._openssl), "req", *_CURVE, *files, *options], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return made

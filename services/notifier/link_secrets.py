"""The secrets that links are signed with: from the environment, or a file in the data directory made at first start."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from services.common.settings import BadSetting
from services.notifier.links import MIN_SECRET

FILE = "link.secrets"
CURRENT, PREVIOUS = "BELLWETHER_LINK_SECRET", "BELLWETHER_LINK_SECRET_PREVIOUS"
KEPT = 2
"""The one that signs and the one before it."""


def from_environment(env: Mapping[str, str]) -> tuple[bytes, ...]:
    """The current secret and the previous one, where they are set. Raises BadSetting for one that can be guessed."""
    if env.get(PREVIOUS) and not env.get(CURRENT):
        raise BadSetting(f"{PREVIOUS} is set, and {CURRENT} is not: set it to the new secret")
    return tuple(_long_enough(env[name].encode(), name) for name in (CURRENT, PREVIOUS) if env.get(name))


def kept_in(data_dir: Path) -> tuple[bytes, ...]:
    """Those in the file, which is made with one of 256 bits if it is not there. Notifiers that share a console must
    share it, or have theirs from the environment. Raises BadSetting for a file that others may read, or without any."""
    file = data_dir / FILE
    if not file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        _write(file, [secrets.token_urlsafe(32)], replace=False)
    if file.stat().st_mode & 0o077:
        raise BadSetting(f"{file} can be read by others: chmod 600 it, and make a new secret (notifier link-secret)")
    found = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not found:
        raise BadSetting(f"{file} holds no secret: delete it, and one is made")
    return tuple(_long_enough(line.encode(), str(file)) for line in found[:KEPT])


def renew(data_dir: Path) -> None:
    """A new secret signs from the next start on; the one before it still counts, those before that no more."""
    before = [secret.decode() for secret in kept_in(data_dir)]
    _write(data_dir / FILE, [secrets.token_urlsafe(32), *before][:KEPT], replace=True)


def _long_enough(secret: bytes, where: str) -> bytes:
    if len(secret) < MIN_SECRET:
        raise BadSetting(
            f"{where} has a secret of {len(secret)} bytes: it needs {MIN_SECRET}, such as openssl rand -hex 32"
        )
    return secret


def _write(file: Path, lines: list[str], *, replace: bool) -> None:
    """Complete, or not at all. Of two processes that make it at once, the file of the first stays."""
    new = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write("".join(f"{line}\n" for line in lines))
            out.flush()
            os.fsync(out.fileno())
        if replace:
            new.replace(file)
        else:
            _link(new, file)
    finally:
        new.unlink(missing_ok=True)


def _link(new: Path, file: Path) -> None:
    try:
        os.link(new, file)
    except FileExistsError:
        return

"""PURE: API keys as they are shown and kept, for every service that asks for one."""

from __future__ import annotations

import hashlib
import hmac
import re

SECRET_BYTES = 32
ID_BYTES = 6
TOKEN = re.compile(rf"bw_([0-9a-f]{{{2 * ID_BYTES}}})_([0-9a-f]{{{2 * SECRET_BYTES}}})")


def token(key_id: str, secret: str) -> str:
    """What the holder of a key shows."""
    return f"bw_{key_id}_{secret}"


def digest_of(key_id: str, secret: str) -> bytes:
    """What is kept of a secret. A fast digest is enough: the secret is 32 random bytes and no word of a person, so that
    there is nothing to guess; a slow one would only let a stranger keep us busy. The id is in it, so that a digest
    copied to another row opens nothing."""
    return hashlib.sha256(f"bellwether api key\n{key_id}\n{secret}".encode()).digest()


def split_token(text: str) -> tuple[str, str] | None:
    """The id and the secret; None for what is no key."""
    found = TOKEN.fullmatch(text)
    return (found[1], found[2]) if found else None


def secret_matches(kept: bytes | None, key_id: str, secret: str) -> bool:
    """Whether that is the secret of the key whose digest is `kept`. Takes as long when there is no such key."""
    expected = kept if kept is not None else bytes(hashlib.sha256().digest_size)
    return hmac.compare_digest(expected, digest_of(key_id, secret)) and kept is not None

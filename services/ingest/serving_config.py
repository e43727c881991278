"""What an operator sets of ingest's door alone, beside services/common/settings.py. Read by the entry point only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.common.settings import BadSetting
from services.ingest.keys_gate import Asking
from services.ingest.serving_bounds import Bounds


@dataclass(frozen=True)
class Certificate:
    """PEM files. `clients`: who signs the certificates that clients must show; None: they show none."""

    chain: Path
    key: Path
    clients: Path | None


@dataclass(frozen=True)
class DoorSettings:
    """`per_second`: events for each source whose keys have no limit of their own; None: no limit."""

    asking: Asking
    per_second: int | None
    certificate: Certificate | None
    bounds: Bounds


def read_door_settings(env: Mapping[str, str]) -> DoorSettings:
    """BELLWETHER_INGEST_KEYS (required, optional, off), BELLWETHER_INGEST_PER_SECOND (events; 0: no limit),
    BELLWETHER_INGEST_TLS_CERTIFICATE, …_TLS_KEY, …_TLS_CLIENTS, BELLWETHER_INGEST_CONNECTIONS,
    …_CONNECTIONS_PER_ADDRESS. Raises BadSetting, naming the variable."""
    asked = env.get("BELLWETHER_INGEST_KEYS", "")
    known = {asking.value: asking for asking in Asking}
    if asked not in known:
        raise BadSetting(f'BELLWETHER_INGEST_KEYS is "{asked}": set it to required, optional or off')
    total = _whole(env, "BELLWETHER_INGEST_CONNECTIONS", Bounds.connections, 10, 1_000_000)
    by_address = _whole(env, "BELLWETHER_INGEST_CONNECTIONS_PER_ADDRESS", max(1, total // 4), 1, 1_000_000)
    return DoorSettings(
        asking=known[asked],
        per_second=_whole(env, "BELLWETHER_INGEST_PER_SECOND", 0, 0, 10_000_000) or None,
        certificate=_certificate(env),
        bounds=Bounds(connections=total, by_address=min(by_address, total)),
    )


def _certificate(env: Mapping[str, str]) -> Certificate | None:
    paths = {
        name: Path(env[name])
        for name in ("BELLWETHER_INGEST_TLS_CERTIFICATE", "BELLWETHER_INGEST_TLS_KEY", "BELLWETHER_INGEST_TLS_CLIENTS")
        if env.get(name)
    }
    if not paths:
        return None
    for name in ("BELLWETHER_INGEST_TLS_CERTIFICATE", "BELLWETHER_INGEST_TLS_KEY"):
        if name not in paths:
            raise BadSetting(f"{name} is missing: TLS needs a certificate and its key, both PEM files")
    return Certificate(
        paths["BELLWETHER_INGEST_TLS_CERTIFICATE"],
        paths["BELLWETHER_INGEST_TLS_KEY"],
        paths.get("BELLWETHER_INGEST_TLS_CLIENTS"),
    )


def _whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadSetting(f'{name} is "{text}": set it to a whole number from {low} to {high}')
    return int(text)

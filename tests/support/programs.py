"""Optional programs of the machine that some tests need."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

# What to look for, first match wins: names on the PATH, or patterns below / for programs that distributions hide.
KNOWN: dict[str, tuple[str, ...]] = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "chrome"),
    "chromedriver": ("chromedriver", "/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver"),
    "postgresql": ("postgres", "/usr/lib/postgresql/*/bin/postgres", "/opt/homebrew/opt/postgresql*/bin/postgres"),
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "amtool": ("amtool",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
}


def find_program(name: str) -> Path | None:
    """Where the program is, or None. Names that are not in KNOWN are looked for as they are."""
    for candidate in KNOWN.get(name, (name,)):
        if candidate.startswith("/"):
            # The newest of several versions.
            hits = sorted(Path("/").glob(candidate.removeprefix("/")))
            if hits:
                return hits[-1]
        else:
            found = shutil.which(candidate)
            if found:
                return Path(found)
    return None


def require_program(name: str) -> Path:
    """Where the program is; skips the test with a clear reason where it is not installed."""
    found = find_program(name)
    if found is None:
        pytest.skip(f"the program {name} is not installed")
    return found

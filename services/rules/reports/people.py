"""Whose customers they are where no event ever told: the owners and regions of the directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from services.common.errors import UserError


class CustomerEntry(NamedTuple):
    """What the file says of a customer."""

    owner: str | None = None
    region: str | None = None


NOTHING = CustomerEntry()

ASKED = "bellwether.people"
"""In the meta of a command's context: what gives People for Settings, where more than the file is known."""


class People:
    """Customers by id; without a directory nothing is known of any."""

    def __init__(self, entries: Mapping[str, CustomerEntry] | None = None) -> None:
        self._entries = entries or {}

    def get(self, customer_id: str) -> CustomerEntry:
        """What is known of a customer."""
        return self._entries.get(customer_id, NOTHING)


def read_people(path: Path | None) -> People:
    """The file that BELLWETHER_DIRECTORY names; the notifier checks it, here only what is needed is read.

    Raises UserError for a file that cannot be read.
    """
    if path is None:
        return People()
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both loaders are safe
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"BELLWETHER_DIRECTORY: {path} cannot be read: {error}") from None
    customers = document.get("customers") if isinstance(document, dict) else None
    return People(dict(_entries(customers if isinstance(customers, list) else [])))


def _entries(customers: list[object]) -> Iterator[tuple[str, CustomerEntry]]:
    for entry in customers:
        if isinstance(entry, dict) and "id" in entry:
            owner, region = entry.get("owner"), entry.get("region")
            yield str(entry["id"]), CustomerEntry(str(owner) if owner else None, str(region) if region else None)


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

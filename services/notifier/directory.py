"""Reads the files of people and customers, YAML or CSV. What is wrong is said in sentences that name the entry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from pydantic import ValidationError

from services.common.errors import UserError
from services.notifier.directory_csv import CsvUnusable, read_csv
from services.notifier.directory_entries import Book
from services.notifier.directory_listing import DEFAULT_ZONE, Listing, contradictions, said, strangers
from services.notifier.people import Directory

MAX_BYTES = 50_000_000
"""Of a file: about 400,000 customers."""


class DirectoryInvalid(UserError):
    """The file cannot be used; `problems` has a sentence for each entry at fault."""

    def __init__(self, path: Path | str, problems: list[str]) -> None:
        shown = "\n  ".join(problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        super().__init__(f"the directory {path} cannot be used:\n  {shown}{more}")
        self.problems = problems


def load_directory(path: Path, zone: ZoneInfo = DEFAULT_ZONE) -> Directory:
    """The directory that one YAML file makes by itself; raises DirectoryInvalid with every problem found."""
    listing = read_listing(path)
    missing = [] if listing.fallback else ["fallback: Field required"]
    _require(path, [*missing, *strangers(listing)])
    return make_directory(path, listing, zone)


def make_directory(path: Path | str, listing: Listing, zone: ZoneInfo = DEFAULT_ZONE) -> Directory:
    """The directory that a listing makes by itself, with its gaps. Raises DirectoryInvalid without a fallback."""
    book = Book()
    for one in said(listing, zone):
        book.put(one.kind, one.id, one.body)
    directory = book.directory(0)
    if directory is None:
        raise DirectoryInvalid(path, [f'fallback: "{listing.fallback}" is not among the people'])
    return directory


def read_listings(paths: Sequence[Path]) -> Listing:
    """Several files as one. Raises DirectoryInvalid."""
    found = [read_listing(path) for path in paths]
    merged = Listing(
        people=[person for one in found for person in one.people],
        customers=[customer for one in found for customer in one.customers],
        departments=[department for one in found for department in one.departments],
        absences=[absence for one in found for absence in one.absences],
        fallback=next((one.fallback for one in found if one.fallback), None),
    )
    _require(", ".join(str(path) for path in paths), list(contradictions(merged)))
    return merged


def read_listing(path: Path) -> Listing:
    """What one file says, by its ending: .csv, or else YAML. Raises DirectoryInvalid."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DirectoryInvalid(path, [f"it cannot be read: {error}"]) from None
    return parse_listing(raw, path)


def parse_listing(raw: bytes, path: Path) -> Listing:
    """The same of bytes that were read already."""
    if len(raw) > MAX_BYTES:
        raise DirectoryInvalid(path, [f"it is larger than {MAX_BYTES} bytes"])
    try:
        document = read_csv(raw) if path.suffix.lower() == ".csv" else yaml.load(raw, Loader=_LOADER)  # noqa: S506 - safe
    except CsvUnusable as error:
        raise DirectoryInvalid(path, error.problems) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DirectoryInvalid(path, [f"it cannot be read: {error}"]) from None
    try:
        listing = Listing.model_validate(document)
    except ValidationError as error:
        found = [_sentence(document, item["loc"], item["msg"]) for item in error.errors()]
        raise DirectoryInvalid(path, found) from None
    _require(path, list(contradictions(listing)))
    return listing


# The C loader reads 10,000 customers in a second rather than in ten.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _require(path: Path | str, problems: list[str]) -> None:
    if problems:
        raise DirectoryInvalid(path, problems)


def _sentence(document: object, location: tuple[int | str, ...], message: str) -> str:
    """people[3] "zhang.wei": department: Field required."""
    if len(location) < 2 or not isinstance(document, dict):
        return f"{'.'.join(map(str, location)) or 'the file'}: {message}"
    section, index, *field = location
    entry = document[section][index]
    name = f' "{entry["id"]}"' if isinstance(entry, dict) and "id" in entry else ""
    return f"{section}[{index}]{name}: {'.'.join(map(str, field)) or 'the entry'}: {message}"

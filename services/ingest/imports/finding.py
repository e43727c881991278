"""Finding a mapping: by the name of one that ships, or as a file of one's own; and the lookup files beside it."""

from __future__ import annotations

import csv
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from services.ingest.imports.mapping import BadMapping, Lookup, Mapping, parse_mapping

SHIPPED = files("services.ingest") / "mappings"


def shipped_names() -> list[str]:
    """The mappings that come with Bellwether."""
    names = (entry.name for entry in SHIPPED.iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def find_mapping(name: str) -> Mapping:
    """A shipped mapping by name, or any by its path (which ends in .yaml or .yml). Raises BadMapping."""
    place: Traversable
    if name.endswith((".yaml", ".yml")):
        place = Path(name)
        folder: Traversable = Path(name).parent
    elif name in shipped_names():
        place, folder = SHIPPED / f"{name}.yaml", SHIPPED
    else:
        known = ", ".join(shipped_names())
        raise BadMapping(f'there is no mapping "{name}": name one of {known}, or give the path of a .yaml file')
    try:
        document = yaml.safe_load(_text(place, "mapping"))
    except yaml.YAMLError as error:
        raise BadMapping(f"the mapping {name} is no YAML: {error}") from None
    mapping = parse_mapping(document, name)
    lookups = {key: _filled(lookup, folder, name) for key, lookup in mapping.lookups.items()}
    return mapping.model_copy(update={"lookups": lookups})


def _filled(lookup: Lookup, folder: Traversable, where: str) -> Lookup:
    rows = list(csv.DictReader(_text(folder / lookup.file, "lookup file").removeprefix("\ufeff").splitlines()))
    if not rows or not {lookup.key, lookup.value} <= set(rows[0]):
        raise BadMapping(f"the lookup file {lookup.file} of {where} has no rows with {lookup.key} and {lookup.value}")
    found: dict[str, str] = {}
    for row in rows:
        key = (row[lookup.key] or "").strip()
        if key in found:
            raise BadMapping(f'the lookup file {lookup.file} of {where} has "{key}" twice')
        found[key] = (row[lookup.value] or "").strip()
    return lookup.model_copy(update={"found": found})


def _text(place: Traversable, what: str) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadMapping(f"the {what} {place} cannot be read: {error}") from None

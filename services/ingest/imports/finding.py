"""Finding a mapping: by the name of one that ships, or as a file of one's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import yaml

from services.ingest.imports.mapping import BadMapping, Mapping, parse_mapping

SHIPPED = files("services.ingest") / "mappings"


def shipped_names() -> list[str]:
    """The mappings that come with Bellwether."""
    names = (entry.name for entry in SHIPPED.iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def find_mapping(name: str) -> Mapping:
    """A shipped mapping by name, or any by its path (which ends in .yaml or .yml). Raises BadMapping."""
    if name.endswith((".yaml", ".yml")):
        text = _own(Path(name))
    elif name in shipped_names():
        text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        known = ", ".join(shipped_names())
        raise BadMapping(f'there is no mapping "{name}": name one of {known}, or give the path of a .yaml file')
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadMapping(f"the mapping {name} is no YAML: {error}") from None
    return parse_mapping(document, name)


def _own(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadMapping(f"the mapping {path} cannot be read: {error}") from None

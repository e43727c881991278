"""Which fields of which events say something of a person: found from the models, sealed on the topics. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

from schemas.events import CUSTOMER_EVENTS, PREFIX
from schemas.fields import SEALED, Personal, Wire, is_sealed


class Place(NamedTuple):
    """A field of an event's data: its own, or, with `inside`, one of the object of that name."""

    inside: str | None
    name: str

    @property
    def path(self) -> str:
        """As errors name it, and as it is sealed for: data.details.phone."""
        return ".".join(part for part in ("data", self.inside, self.name) if part)

    def holder(self, data: Any) -> dict[str, Any] | None:
        """The object in a document's data that has the field, if there is one."""
        found = data.get(self.inside) if self.inside is not None and isinstance(data, dict) else data
        return found if isinstance(found, dict) else None


def _places(model: type[Wire]) -> Iterator[Place]:
    for name, field in model.model_fields.items():
        if Personal in field.metadata or _is_marked(field.annotation):
            yield Place(None, name)
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, Wire):
                yield from (Place(name, place.name) for place in _places(inner))


def _is_marked(annotation: Any) -> bool:
    return any(Personal in getattr(part, "__metadata__", ()) for part in get_args(annotation))


PERSONAL: Mapping[str, tuple[Place, ...]] = {
    PREFIX + kind: places for kind, model in CUSTOMER_EVENTS.items() if (places := tuple(_places(model)))
}
"""By the full type of an event; types that are not in it say nothing of people."""


def sealed_in(kind: Any, data: Any) -> int:
    """How many personal fields of an event's data hold a sealed value."""
    holders = ((place.holder(data), place.name) for place in PERSONAL.get(kind, ()))
    return sum(holder is not None and _is_sealed(holder.get(name)) for holder, name in holders)


def _is_sealed(value: Any) -> bool:
    return isinstance(value, str) and is_sealed(value)


def misplaced(document: Any, path: str = "") -> Iterator[str]:
    """Paths of every value and key in an event's document that is sealed and must not be: that is in no personal field.

    `document` must not be nested deeper than Python's recursion allows.
    """
    allowed = {place.path for place in PERSONAL.get(document.get("type"), ())}
    yield from (path for path in _sealed_paths(document, path) if path not in allowed)


def _sealed_paths(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, str) and node.startswith(SEALED):
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            inside = f"{path}.{key}" if path else key
            if key.startswith(SEALED):
                yield inside
            yield from _sealed_paths(value, inside)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _sealed_paths(value, f"{path}.{index}")

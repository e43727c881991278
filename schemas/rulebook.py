"""The wire of the compacted rulebook topic: all rule files as one record, and the parameters that were tuned."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import Field, StringConstraints, ValidationError

from schemas.fields import Instant, Label, Wire

KEY = b"rulebook"
"""The one key of the topic: a book replaces the last one."""

MAX_BOOK_BYTES = 900_000
"""One book's JSON; a Kafka record carries 1 MiB at most by default."""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}\.yaml$")]


class BadBook(Exception):
    """Bytes that are no rulebook; `problems` are sentences."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class PublishedBook(Wire):
    """The texts of rule files by name, values of parameters by rule and name, who published it and when."""

    files: Annotated[dict[FileName, str], Field(min_length=1, max_length=1000)]
    overrides: dict[str, dict[str, Any]] = {}
    author: Label
    at: Instant


def encode_book(book: PublishedBook) -> bytes:
    """The JSON that goes on the topic."""
    return orjson.dumps(book.model_dump(mode="json"))


def decode_book(raw: bytes) -> PublishedBook:
    """The book of any bytes; raises BadBook. Whether its rules are any good is not looked at."""
    if len(raw) > MAX_BOOK_BYTES:
        raise BadBook([f"the rulebook has {len(raw)} bytes; at most {MAX_BOOK_BYTES} are accepted"])
    try:
        return PublishedBook.model_validate(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise BadBook([f"the rulebook is no valid JSON: {error}"]) from None
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise BadBook([f"rulebook: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in found]) from None

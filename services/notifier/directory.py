"""Reads the file of people and customers. What is wrong in it is said in sentences that name the entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.fields import Identifier, Label
from services.common.errors import UserError
from services.notifier.people import Customer, Directory, Language, Person

MAX_BYTES = 50_000_000
"""Of the file: about 400,000 customers."""


class DirectoryInvalid(UserError):
    """The file cannot be used; `problems` has a sentence for each entry at fault."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        shown = "\n  ".join(problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        super().__init__(f"the directory {path} cannot be used:\n  {shown}{more}")
        self.problems = problems


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Person(_Entry):
    id: Identifier
    name: Label
    department: Label
    language: Language = "zh"
    reports_to: Identifier | None = None
    email: Label | None = None


class _Customer(_Entry):
    id: Identifier
    name: Label
    owner: Identifier | None = None
    region: str = ""


class _File(_Entry):
    people: list[_Person]
    customers: list[_Customer] = []
    fallback: Identifier


def load_directory(path: Path) -> Directory:
    """The directory in a YAML file; raises DirectoryInvalid with every problem found."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DirectoryInvalid(path, [f"it is larger than {MAX_BYTES} bytes"])
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both loaders are safe ones
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DirectoryInvalid(path, [f"it cannot be read: {error}"]) from None
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        raise DirectoryInvalid(
            path, [_sentence(document, item["loc"], item["msg"]) for item in error.errors()]
        ) from None
    problems = list(_problems(file))
    if problems:
        raise DirectoryInvalid(path, problems)
    return _directory(file)


# The C loader reads 10,000 customers in a second rather than in ten.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _directory(file: _File) -> Directory:
    people = {entry.id: Person(**entry.model_dump()) for entry in file.people}
    customers = {entry.id: Customer(**entry.model_dump()) for entry in file.customers}
    return Directory(people, customers, file.fallback)


def _sentence(document: object, location: tuple[int | str, ...], message: str) -> str:
    """people[3] "zhang.wei": department: Field required."""
    if len(location) < 2 or not isinstance(document, dict):
        return f"{'.'.join(map(str, location)) or 'the file'}: {message}"
    section, index, *field = location
    entry = document[section][index]
    name = f' "{entry["id"]}"' if isinstance(entry, dict) and "id" in entry else ""
    return f"{section}[{index}]{name}: {'.'.join(map(str, field)) or 'the entry'}: {message}"


def _problems(file: _File) -> Iterator[str]:
    people = {person.id: person for person in file.people}
    for section, ids in (("people", [p.id for p in file.people]), ("customers", [c.id for c in file.customers])):
        for name, count in Counter(ids).items():
            if count > 1:
                yield f'{section}: "{name}" stands there {count} times'
    if file.fallback not in people:
        yield f'fallback: "{file.fallback}" is not among the people'
    for person in file.people:
        if person.reports_to is not None and person.reports_to not in people:
            yield f'people "{person.id}": reports to "{person.reports_to}", who is not among the people'
    for customer in file.customers:
        if customer.owner is not None and customer.owner not in people:
            yield f'customers "{customer.id}": the owner "{customer.owner}" is not among the people'
    yield from _loops(people)


def _loops(people: dict[str, _Person]) -> Iterator[str]:
    """Each loop once, told from its first person in the order of ids."""
    for start in sorted(people):
        line = [start]
        at = people[start].reports_to
        while at in people and at not in line:
            line.append(at)
            at = people[at].reports_to
        if at == start and start == min(line):
            yield f"people: the reporting line loops: {' -> '.join([*line, start])}"

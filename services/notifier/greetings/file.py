"""Reads the file that switches greetings on (BELLWETHER_GREETINGS_FILE), and says what is wrong in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.fields import Identifier, Label
from services.common.errors import UserError
from services.notifier.channels.secrets import Secret, Source
from services.notifier.greetings.deciding import NAMES, Contact, House
from services.notifier.people import Language

MAX_BYTES = 50_000_000
Kind = Literal["birthday", "cooperation"]


class GreetingsInvalid(UserError):
    """The file cannot be used; it shows no address of a contact."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Contact(_Entry):
    customer: Identifier
    id: Identifier
    name: Label
    email: Label
    language: Language = "zh"
    welcome: bool = False
    main: bool = False


class _Text(_Entry):
    subject: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=5000)

    @model_validator(mode="after")
    def _known(self) -> _Text:
        unknown = set(re.findall(r"\{(\w+)\}", self.subject + self.text)) - NAMES
        if unknown:
            raise ValueError(f"knows no {{{min(unknown)}}}: there are {', '.join(sorted(NAMES))}")
        if "{signature}" not in self.text:
            raise ValueError("must have {signature}: a greeting is somebody's")
        return self


class _File(_Entry):
    smtp: Secret
    company: Label
    company_signs: bool = False
    sends_at: time = time(9)
    lead_days: int = Field(default=3, ge=0, le=60)
    quiet_days: int = Field(default=7, ge=0, le=365)
    mourning: list[date] = []
    texts: dict[Kind, dict[Language, _Text]] = {}
    contacts: list[_Contact] = []


@dataclass(frozen=True)
class Greetings:
    """`smtp` is where the address of the mail server is, `lead_days` R29's lead: its task comes so long before."""

    smtp: Source
    house: House
    lead_days: int
    contacts: tuple[Contact, ...] = field(repr=False)


def read_greetings(path: Path) -> Greetings:
    """What the file says. Raises GreetingsInvalid."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GreetingsInvalid(f"{path} is larger than {MAX_BYTES} bytes")
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise GreetingsInvalid(f"{path} cannot be read") from None
    except yaml.YAMLError:
        # Its own words would show a line, and with it somebody's address.
        raise GreetingsInvalid(f"{path} is no YAML") from None
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        said = [f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors()]
        raise GreetingsInvalid(f"{path} cannot be used:\n  " + "\n  ".join(said[:20])) from None
    texts: dict[str, dict[str, dict[str, str]]] = {}
    for kind, by_language in file.texts.items():
        texts[kind] = {language: text.model_dump() for language, text in by_language.items()}
    house = House(file.company, file.company_signs, file.sends_at, file.quiet_days, frozenset(file.mourning), texts)
    contacts = tuple(Contact(**contact.model_dump()) for contact in file.contacts)
    return Greetings(file.smtp, house, file.lead_days, contacts)

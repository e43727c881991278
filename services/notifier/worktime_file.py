"""The company's working time from a YAML file: hours, quiet hours, days off and days worked beside the holidays'."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.warnings import SEVERITIES, Severity
from services.common.errors import UserError
from services.common.workdays import OwnDays
from services.notifier.clocks import ACT_WITHIN_DAYS, IDLE_DAYS, Clocks
from services.notifier.people import Quiet
from services.notifier.worktime import OFFICE_HOURS, Hours, WorkCalendar

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_Days = Annotated[int, Field(ge=1, le=366)]


class WorktimeInvalid(UserError):
    """The file of the company's working time cannot be used; the message names the file and the fault."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    hours: Annotated[list[str], Field(min_length=1)] = ["09:00-12:00", "13:00-18:00"]
    quiet: str | None = None
    days_off: list[date] = []
    working_days: list[date] = []
    idle_days: _Days = IDLE_DAYS
    act_within_days: dict[Severity, _Days] = {}


def default_clocks(zone: ZoneInfo) -> Clocks:
    """Office hours and the announced holidays, where nobody says more."""
    return Clocks(WorkCalendar(zone, OwnDays(), OFFICE_HOURS))


def load_clocks(path: Path, zone: ZoneInfo) -> Clocks:
    """The clocks of the file; what it leaves out is as without one. Raises WorktimeInvalid."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        file = _File.model_validate(raw or {})
        return _clocks(file, zone)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WorktimeInvalid(f"{path}: {where}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise WorktimeInvalid(f"{path}: {error}") from None


def _clocks(file: _File, zone: ZoneInfo) -> Clocks:
    both = set(file.days_off) & set(file.working_days)
    if both:
        raise ValueError(f"{min(both)} is in days_off and in working_days")
    hours = tuple(Hours(*_times(span)) for span in file.hours)
    ends = [one for span in hours for one in (span.start, span.end)]
    if any(later <= earlier for earlier, later in pairwise(ends)):
        raise ValueError("hours: each begins after the one before it has ended, and ends after it begins")
    calendar = WorkCalendar(zone, OwnDays(frozenset(file.days_off), frozenset(file.working_days)), hours)
    quiet = None if file.quiet is None else Quiet(*_times(file.quiet))
    within: Mapping[Severity, int] = {one: file.act_within_days.get(one, ACT_WITHIN_DAYS[one]) for one in SEVERITIES}
    return Clocks(calendar, file.idle_days, within, quiet)


def _times(span: str) -> tuple[time, time]:
    found = _SPAN.fullmatch(span)
    if found is None:
        raise ValueError(f'"{span}" is no span of a day such as 09:00-12:00')
    start_h, start_min, end_h, end_min = map(int, found.groups())
    return time(start_h, start_min), time(end_h, end_min)

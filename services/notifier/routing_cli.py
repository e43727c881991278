"""`bellwether routes`: who would be paged about a warning, and whether every route ends in somebody."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schemas.warnings import SEVERITIES
from services.common.errors import UserError

if TYPE_CHECKING:
    from schemas import warnings as wire
    from services.common.settings import Settings
    from services.notifier.people import Directory
    from services.notifier.routing_lint import Means
    from services.notifier.routing_preview import Preview, Step

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class BadTrial(UserError):
    """What is to be tried is no warning."""


@click.group()
def routes() -> None:
    """Who is told of which warnings (BELLWETHER_ROUTES)."""


@routes.command()
@click.argument("file", required=False, type=FILE)
@click.option("--directory", type=FILE, help="People from this YAML file.  [default: those of the database]")
@click.option("--strict", is_flag=True, help="Fail for what is merely odd, too.")
def check(file: Path | None, directory: Path | None, strict: bool) -> None:
    """Check that every route of FILE (default: BELLWETHER_ROUTES) ends in a person who can be reached; exit code 1 if
    one does not."""
    from services.common.clock import wall_now
    from services.notifier.routing_file import load_routes
    from services.notifier.routing_lint import lint

    settings = _settings()
    found = lint(load_routes(file or _configured()), _people(settings, directory), wall_now(), _channels())
    for finding in found:
        click.echo(f"{finding.level}: {finding.route}: {finding.said}")
    errors = sum(finding.level == "error" for finding in found)
    click.echo(f"{errors} errors, {len(found) - errors} warnings", err=True)
    if errors or (strict and found):
        sys.exit(1)


@routes.command()
@click.argument("warning", required=False, type=click.File("rb"))
@click.option("--rule", default="R1", show_default=True, help="A rule's id, where no WARNING is given.")
@click.option("--severity", type=click.Choice(SEVERITIES), default="high", show_default=True)
@click.option("--customer", default="", help="Whose warning it is; else nobody's whom the directory knows.")
@click.option("--class", "category", help="Suppose that the customer is in this class.")
@click.option("--region", help="Suppose that the customer is in this region.")
@click.option("--value", type=Decimal, help="Suppose that the customer is worth so much a year.")
@click.option("--department", help="Suppose that it is a ticket for this department.")
@click.option("--review", "review_h", type=click.IntRange(0, 1000), help="Hours for the review; 0: none.  [by rule]")
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]), help="When.  [default: now]")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="How far to look.")
@click.option("--routes", "file", type=FILE, help="A tree to try.  [default: BELLWETHER_ROUTES]")
@click.option("--directory", type=FILE, help="People from this YAML file.  [default: those of the database]")
def test(
    warning: click.utils.LazyFile | None,
    rule: str,
    severity: wire.Severity,
    customer: str,
    category: str | None,
    region: str | None,
    value: Decimal | None,
    department: str | None,
    review_h: int | None,
    at: datetime | None,
    days: int,
    file: Path | None,
    directory: Path | None,
) -> None:
    """Show who would be paged about a warning if nobody did anything: when, by what, and why. WARNING is a file with
    one as it stands on the warnings topic (- for standard input)."""
    from services.common.clock import wall_now
    from services.notifier.config import read_house
    from services.notifier.routing_file import load_routes
    from services.notifier.routing_preview import Supposed, preview, suppose, with_customer

    settings = _settings()
    now = at or wall_now()
    output: wire.Output = "task" if department else "warning"
    supposed = Supposed(rule, severity, customer or "unknown", department, output, 0 if department else review_h)
    tried = suppose(supposed, now) if warning is None else _given(warning.read())
    people = with_customer(
        _people(settings, directory), tried.customer_id, category=category, region=region, value=value
    )
    house = read_house(os.environ, settings)
    if file is not None:
        house = replace(house, routes=load_routes(file))
    for line in _told(tried, people, preview(tried, people, house, now, _channels(), days), settings):
        click.echo(line)


def _told(warning: wire.Warning, people: Directory, found: Preview, settings: Settings) -> Iterator[str]:
    from services.notifier.routing import matter_of

    about = matter_of(warning, people)
    known = {"class": about.category, "region": about.region, "value": about.value, "department": about.department}
    told = ", ".join(f"{name} {value}" for name, value in known.items() if value not in ("", None))
    name = people.customer_name(about.customer)
    yield f"{about.rule} ({about.severity}) of {name}: {told or 'nothing is known of the customer'}"
    for path in found.plan.routes or (("no routes file: as the rules ask for",),):
        yield f"route: {' > '.join(path)}"
    yield f"asked in turn: {', '.join(found.plan.ladder)}"
    if about.team:
        asked = {name: [one.person for one in found.plan.team if one.department == name] for name in about.team}
        drawn_in = "; ".join(f"{name}: {', '.join(whom) or 'nobody'}" for name, whom in asked.items())
        yield f"drawn in: {drawn_in}"
    for step in found.steps:
        yield "  ".join(_columns(step, people, settings))
    if not found.steps:
        yield "nobody is paged"
    yield f"(up to {found.until.astimezone(settings.zone):%Y-%m-%d %H:%M}, if nobody does anything)"


def _columns(step: Step, people: Directory, settings: Settings) -> Iterator[str]:
    yield f"{step.at.astimezone(settings.zone):%Y-%m-%d %H:%M}"
    yield step.page.kind.ljust(8)
    person = people.people.get(step.page.person)
    yield f"{step.page.person} {person.name if person else ''}".strip().ljust(16)
    yield step.page.role.ljust(10)
    yield (", else " if step.in_turn else ", ").join(step.channels) or "the inbox alone"
    yield f"({step.why})"
    if step.page.critical:
        yield "critical"
    if step.held_until is not None:
        yield f"waits until {step.held_until.astimezone(settings.zone):%m-%d %H:%M}, the end of quiet hours"


def _given(raw: bytes) -> wire.Warning:
    from pydantic import ValidationError

    from schemas.warnings import decode_warning

    try:
        return decode_warning(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadTrial(f"that is no warning: {place}: {first['msg']}") from None


def _people(settings: Settings, file: Path | None) -> Directory:
    """Of a file, or of the database."""
    from services.notifier.directory import load_directory
    from services.notifier.directory_live import people_of

    return people_of(settings) if file is None else load_directory(file, settings.zone)


def _settings() -> Settings:
    from services.common.settings import read_settings

    return read_settings(os.environ)


def _configured() -> Path | None:
    name = os.environ.get("BELLWETHER_ROUTES")
    return Path(name) if name else None


def _channels() -> Means | None:
    """Those of BELLWETHER_CHANNELS and BELLWETHER_CHANNELS_FILE, without the secrets that they need to send: a pipeline
    has none. Where neither is set here it may be where the notifier runs."""
    from services.notifier.channels.file import read_channels_file

    listed, file = os.environ.get("BELLWETHER_CHANNELS"), os.environ.get("BELLWETHER_CHANNELS_FILE")
    if not listed and not file:
        return None
    names = [name.strip() for name in (listed or "").split(",") if name.strip()]
    found: dict[str, str | None] = {name: name if name == "email" else None for name in names}
    if file:
        found |= {name: needed_by(kind) for name, kind in read_channels_file(Path(file)).channels.items()}
    return found


def needed_by(described: object) -> str | None:
    """Which method of a person a channel of the file needs; None for one that reaches everybody."""
    kind = str(getattr(described, "kind", ""))
    elsewhere = any(getattr(described, name, None) for name in ("webhook", "channel"))
    if kind in ("email", "wecom_app") or (kind == "webhook" and getattr(described, "url", None) is None):
        return kind
    return kind if kind == "slack" and not elsewhere else None

"""`bellwether holds`: which pages are kept back, by whom, until when. An entry point: it reads the environment."""

from __future__ import annotations

import os
import re
import uuid
from datetime import datetime, timedelta
from typing import get_args

import click
import orjson

from schemas.fields import parse_instant
from schemas.warnings import SEVERITIES, Severity
from services.common.errors import UserError
from services.common.settings import read_settings
from services.notifier.desk import Desk, DeskError
from services.notifier.holding import Listed
from services.notifier.holds import GRAVEST, Hold, HoldKind

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class HoldRefused(UserError):
    """The hold cannot be made or lifted; the message says why."""


class _Period(click.ParamType):
    name = "period"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", str(value))
        if found is None:
            self.fail(f"{value} is no period such as 30m, 24h or 7d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class _Instant(click.ParamType):
    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return parse_instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def holds() -> None:
    """Keep pages back: cooldown, snooze and exemption by rule and customer.

    Warnings are filed and cases opened all the same; what still holds when a hold ends pages then.
    """


@holds.command("list")
@click.option("--customer", help="Those of one customer alone.")
@click.option("--over", is_flag=True, help="Also those that have ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(customer: str | None, *, over: bool, as_json: bool) -> None:
    """Show the holds that count, the next to end first."""
    found = _desk().list_holds(customer, over=over)
    if as_json:
        click.echo(orjson.dumps([_document(one) for one in found], option=orjson.OPT_INDENT_2))
        return
    if not found:
        click.echo("no page is held back")
    for one in found:
        hold = one.hold
        ended = f"lifted {hold.ended_at:%Y-%m-%d %H:%M} by {one.ended_by}" if hold.ended_at else ""
        pause = f", one page in {hold.pause}" if hold.pause else ""
        until = ended or f"until {hold.expires_at.astimezone():%Y-%m-%d %H:%M %z}"
        click.echo(f"{hold.id}  {hold.kind}  {hold.rule}  {hold.customer_id} ({one.customer})  {until}{pause}")
        click.echo(f"    up to {hold.up_to}; {one.pages} pages kept back; {one.author}: {hold.reason}")


@holds.command("set")
@click.argument("kind", type=click.Choice(get_args(HoldKind)))
@click.argument("rule")
@click.argument("customer")
@click.option("--by", "author", required=True, help="In whose name: an id of the directory.")
@click.option("--reason", required=True, help="Why; it stands on the case's timeline.")
@click.option("--until", type=_Instant(), help="When it ends, such as 2026-03-01T09:00:00+08:00.")
@click.option("--for", "period", type=_Period(), help="For how long, such as 24h or 7d.")
@click.option("--pause", type=_Period(), help="Of a cooldown: the time between two pages.")
@click.option(
    "--up-to", type=click.Choice(SEVERITIES), help="The gravest it holds.  [default: high; of an exemption all]"
)
def set_(
    kind: HoldKind,
    rule: str,
    customer: str,
    author: str,
    reason: str,
    until: datetime | None,
    period: timedelta | None,
    pause: timedelta | None,
    up_to: Severity | None,
) -> None:
    """Keep back the pages about what RULE says of CUSTOMER."""
    if (until is None) == (period is None):
        raise HoldRefused("say when it ends by one of --until and --for")
    desk = _desk()
    now = desk.now()
    end = until if until is not None else now + (period or timedelta(0))
    hold = Hold(uuid.uuid4().hex, kind, rule, customer, reason, author, now, end, up_to or GRAVEST[kind], pause)
    try:
        desk.hold(hold, by_operator=True)
    except DeskError as error:
        raise HoldRefused(str(error)) from None
    click.echo(f"{hold.id} keeps pages about {rule} and {customer} back until {end.isoformat()}")


@holds.command()
@click.argument("hold_id")
@click.option("--by", "actor", required=True, help="In whose name: an id of the directory.")
def lift(hold_id: str, actor: str) -> None:
    """End a hold now: what still holds pages within a second."""
    try:
        _desk().lift_hold(hold_id, actor, by_operator=True)
    except DeskError as error:
        raise HoldRefused(str(error)) from None
    click.echo(f"{hold_id} is lifted")


def _desk() -> Desk:
    from services.notifier.service import open_clerk

    return Desk(open_clerk(read_settings(os.environ)))


def _document(one: Listed) -> dict[str, object]:
    hold = one.hold
    return {
        "id": hold.id,
        "kind": hold.kind,
        "rule": hold.rule,
        "customer_id": hold.customer_id,
        "customer": one.customer,
        "author": hold.author,
        "reason": hold.reason,
        "created_at": hold.created_at,
        "expires_at": hold.expires_at,
        "up_to": hold.up_to,
        "pause_s": None if hold.pause is None else int(hold.pause.total_seconds()),
        "ended_at": hold.ended_at,
        "ended_by": hold.ended_by,
        "pages": one.pages,
        "warnings": one.warnings,
    }

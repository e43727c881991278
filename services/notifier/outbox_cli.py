"""`bellwether outbox`: pages that could not be delivered, and what is to become of them."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import click
import orjson

from services.common.errors import UserError
from services.common.settings import read_settings
from services.notifier.bounds import MAX_NUMBER
from services.notifier.desk import Desk, Refused
from services.notifier.views import UndeliveredView


class OutboxRefused(UserError):
    """It cannot be done; the message says why."""


@click.group("outbox")
def outbox() -> None:
    """Pages that could not be delivered: look at them, have them sent again, or drop them with a reason."""


@contextmanager
def _desk() -> Iterator[Desk]:
    from services.notifier.service import open_clerk

    clerk = open_clerk(read_settings(os.environ))
    try:
        yield Desk(clerk)
    except Refused as refused:
        raise OutboxRefused("; ".join(reason.text.en for reason in refused.reasons)) from None
    finally:
        clerk.database.close()


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may have no name.
        return "unknown"


@outbox.command("list")
@click.option("--handled", is_flag=True, help="Those about which somebody has decided, instead of those that wait.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(*, handled: bool, limit: int, as_json: bool) -> None:
    """List them, newest first."""
    with _desk() as desk:
        found = desk.list_undelivered(handled=handled, limit=limit)
    if as_json:
        click.echo(orjson.dumps([asdict(one) for one in found], option=orjson.OPT_INDENT_2))
        return
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("every page was delivered or decided about")


@outbox.command()
@click.argument("pages", type=click.IntRange(1, MAX_NUMBER), nargs=-1, required=True)
@click.option("--by", help="Who decides it. Default: the name of this login.")
def retry(pages: Sequence[int], by: str | None) -> None:
    """Have PAGES (their numbers in the list) sent again. One that is uncertain may arrive twice."""
    with _desk() as desk:
        for page in pages:
            desk.send_again(page, by or _login())
            click.echo(f"page {page} is sent again")


@outbox.command()
@click.argument("pages", type=click.IntRange(1, MAX_NUMBER), nargs=-1, required=True)
@click.option("--reason", required=True, help="Why nobody needs it; it is kept.")
@click.option("--by", help="Who decides it. Default: the name of this login.")
def drop(pages: Sequence[int], reason: str, by: str | None) -> None:
    """Send PAGES (their numbers in the list) to nobody."""
    with _desk() as desk:
        for page in pages:
            desk.drop_page(page, by or _login(), reason)
            click.echo(f"page {page} is dropped")


def _line(one: UndeliveredView) -> str:
    handled = f"  [{one.handled_by}: {one.note}]" if one.handled_by else ""
    about = f"{one.kind} {one.customer_name or one.warning_id}"
    return (
        f"{one.id}  {one.lost_at.isoformat(timespec='seconds')}  {one.state}  {one.person} by {one.channel}"
        f"  {about}  {one.error}{handled}"
    )

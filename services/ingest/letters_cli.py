"""`bellwether dead-letters`: what was refused, why, and what is to be done about it."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson

from schemas.fields import parse_instant
from services.common.clock import Now, clock_from
from services.common.database import Database
from services.common.errors import UserError
from services.common.settings import read_settings
from services.ingest import letters_store as store
from services.ingest.letters import ASKED, REPLAYED, SENDING, STATES, WAITING, Filed, Filter, Place, place_of
from services.ingest.letters_editing import checked, with_values
from services.ingest.letters_masking import masked_text, pretty
from services.ingest.letters_showing import decision_row, letter_row, shown
from services.ingest.tables import open_database

WAIT_S = 20.0
POLL_S = 0.3

Options = Callable[[Callable[..., None]], Callable[..., None]]


@click.group("dead-letters")
def dead_letters() -> None:
    """What was refused: look at it, mend it, and have it judged again or drop it.

    Letters come within seconds of the refusal, from ingest and from the rules service, while `bellwether ingest serve`
    runs; it is also what replays them.
    """


@contextmanager
def _opened() -> Iterator[tuple[Database, Now]]:
    settings = read_settings(os.environ)
    database = open_database(settings.ingest_database_url)
    try:
        database.migrate()
        yield database, clock_from(settings.clock)
    finally:
        database.close()


def _who() -> str:
    return getpass.getuser()[:200]


def _some(command: Callable[..., None]) -> Callable[..., None]:
    since = click.option("--since", help="Refused since: 2026-03-01, an instant with its zone, or 90m, 12h, 7d ago.")
    code = click.option("--code", help="Only of this code, such as invalid.")
    return click.option("--source", help="Only of this source.")(code(since(command)))


def _sure(command: Callable[..., None]) -> Callable[..., None]:
    dry = click.option("--dry-run", is_flag=True, help="Only say how many there are.")
    return dry(
        click.option("--count", type=int, help="How many there are, as a dry run said; without it you are asked.")(
            command
        )
    )


@dead_letters.command("list")
@_some
@click.option("--state", type=click.Choice([*STATES, "all"]), default=WAITING, show_default=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--after", help="Go on behind this letter.")
@click.option("--counts", is_flag=True, help="Only how many there are, by source, code and state.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(
    source: str | None,
    code: str | None,
    since: str | None,
    state: str,
    limit: int,
    after: str | None,
    *,
    counts: bool,
    as_json: bool,
) -> None:
    """List letters in the order in which they were refused."""
    with _opened() as (database, now), database.reading() as tx:
        wanted = Filter(source, code, None if state == "all" else state, _since(since, now()))
        if counts:
            found = [{**one._asdict(), "oldest": one.oldest.isoformat()} for one in store.counts(tx, wanted)]
        else:
            found = [letter_row(row) for row in store.page(tx, wanted, limit, None if after is None else _place(after))]
        more = 0 if counts else store.number_of(tx, wanted) - len(found)
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    columns = ("letters", "source", "code", "state", "oldest")
    _table(found, columns if counts else ("id", "at", "state", "source", "code", "customer_id", "reason"))
    if more > 0 and found:
        click.echo(f"{more} more; the next: --after {found[-1]['id']}")


@dead_letters.command()
@click.argument("letter")
@click.option("--unmasked", is_flag=True, help="Show what it says of people too; that you saw it is kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(letter: str, *, unmasked: bool, as_json: bool) -> None:
    """Show one letter: why it was refused, the event, and what was done about it."""
    with _opened() as (database, now):
        filed = _load(database, letter)
        if unmasked:
            with database.writing() as tx:
                store.look(tx, filed.letter.place, _who(), now())
        with database.reading() as tx:
            done = [decision_row(one) for one in store.decisions(tx, filed.letter.place)]
        event = _unsealed(database, filed) if unmasked else filed.event
    row = shown(filed, event, unmasked=unmasked)
    if as_json:
        click.echo(orjson.dumps({**row, "decisions": done}, option=orjson.OPT_INDENT_2))
        return
    told, headers = row.pop("event"), row.pop("headers")
    for name, value in [*row.items(), *sorted(headers.items())]:
        click.echo(f"{name:<13} {value}")
    for one in done:
        click.echo(f"{one['at']}  {one['what']} by {one['by']}{': ' if one['why'] else ''}{one['why']}")
    click.echo(told if isinstance(told, str) else orjson.dumps(told, option=orjson.OPT_INDENT_2))


def _unsealed(database: Database, filed: Filed) -> bytes:
    from services.ingest.letters_unsealing import Unsealing
    from services.ingest.sealing_setup import secrecy

    return Unsealing(database, secrecy(read_settings(os.environ), database).ring).event(filed)


@dead_letters.command()
@click.argument("letter")
@click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="data.lines.0.quantity=3; may be repeated."
)
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The event as it is to be.")
def edit(letter: str, settings: tuple[str, ...], file: Path | None) -> None:
    """Mend the event of a letter, with --set, with --file or in $EDITOR. What was refused is kept beside it.

    With the same id it is the same event; if the rules service knows that id with another body (id_reused), give a new
    one.
    """
    if settings and file is not None:
        raise click.UsageError("--set or --file, not both")
    with _opened() as (database, now):
        filed = _load(database, letter)
        if settings:
            event = with_values(filed.event, settings)
        elif file is not None:
            event = checked(file.read_bytes())
        else:
            text = click.edit(pretty(filed.event).decode(), extension=".json")
            if text is None:
                raise UserError("nothing was changed")
            event = checked(text.encode())
        with database.writing() as tx:
            if not store.edit(tx, filed.letter.place, event, _who(), now()):
                raise UserError(f"{letter} does not wait any longer: it is {filed.state}")
    click.echo(f"{letter} is changed; `bellwether dead-letters replay {letter}` has it judged again")


@dead_letters.command()
@click.argument("letter", required=False)
@_some
@_sure
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for what becomes of it.")
def replay(
    letter: str | None,
    source: str | None,
    code: str | None,
    since: str | None,
    count: int | None,
    *,
    dry_run: bool,
    wait: bool,
) -> None:
    """Have LETTER, or all that wait of a source or a code, judged again and put on the topic.

    One that is refused again waits with the new reason.
    """
    with _opened() as (database, now):
        wanted = _wanted(letter, source, code, _since(since, now()))
        if not _is_sure(database, wanted, "replay", count, dry_run=dry_run):
            return
        begun = now()
        with database.writing() as tx:
            number = store.ask(tx, wanted, _who(), begun)
        click.echo(f"{number} to be replayed")
        if wait and number:
            _tell_outcome(database, wanted.place)


@dead_letters.command()
@click.argument("letter", required=False)
@_some
@_sure
@click.option("--why", required=True, help="Is kept.")
def drop(
    letter: str | None,
    source: str | None,
    code: str | None,
    since: str | None,
    count: int | None,
    why: str,
    *,
    dry_run: bool,
) -> None:
    """Say that LETTER, or all that wait of a source or a code, are not wanted. They can still be looked at."""
    if not why.strip():
        raise click.UsageError("--why: say why")
    with _opened() as (database, now):
        wanted = _wanted(letter, source, code, _since(since, now()))
        if not _is_sure(database, wanted, "drop", count, dry_run=dry_run):
            return
        with database.writing() as tx:
            number = store.drop(tx, wanted, why.strip()[:1000], _who(), now())
    click.echo(f"{number} dropped")


def _wanted(letter: str | None, source: str | None, code: str | None, since: datetime | None) -> Filter:
    if letter is not None:
        if source or code or since:
            raise click.UsageError("a letter, or a source and a code, not both")
        return Filter(state=WAITING, place=_place(letter))
    if source is None and code is None:
        raise click.UsageError("name a letter, or --source or --code")
    return Filter(source, code, WAITING, since)


def _is_sure(database: Database, wanted: Filter, verb: str, count: int | None, *, dry_run: bool) -> bool:
    with database.reading() as tx:
        waiting = store.number_of(tx, wanted)
    if wanted.place is not None:
        filed = _load(database, str(wanted.place))
        if not waiting:
            raise UserError(f"{wanted.place} does not wait any longer: it is {filed.state}")
    if dry_run or not waiting:
        click.echo(f"{waiting} letters wait")
        return False
    if count is not None and count != waiting:
        raise UserError(f"{waiting} letters wait, not {count}: nothing was done")
    if count is None and wanted.place is None:
        click.confirm(f"{verb} {waiting} letters?", abort=True)
    return True


def _tell_outcome(database: Database, place: Place | None) -> None:
    """Of one letter what became of it, of many how many are left to be replayed."""
    until = time.monotonic() + WAIT_S
    while left := _left(database, place):
        if time.monotonic() > until:
            click.echo(
                f"{left} still to be replayed: `bellwether ingest serve` does it when it runs and has its broker"
            )
            return
        time.sleep(POLL_S)
    if place is None:
        click.echo("done; what was refused again waits with the new reason")
        return
    filed = _load(database, str(place))
    if filed.state != REPLAYED:
        raise UserError(f"{place} was refused again: {filed.letter.code}: {masked_text(filed.letter.reason)}")
    click.echo(f"{place} was replayed")


def _left(database: Database, place: Place | None) -> int:
    with database.reading() as tx:
        return sum(store.number_of(tx, Filter(state=state, place=place)) for state in (ASKED, SENDING))


def _load(database: Database, letter: str) -> Filed:
    with database.reading() as tx:
        filed = store.load(tx, _place(letter))
    if filed is None:
        raise UserError(f"there is no dead letter {letter}, or its time is over")
    return filed


def _place(letter: str) -> Place:
    place = place_of(letter)
    if place is None:
        raise UserError(
            f'"{letter[:40]}" is no id of a letter; `bellwether dead-letters list` shows them, such as 0-17'
        )
    return place


def _since(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    if text[:-1].isascii() and text[:-1].isdigit() and len(text) < 7 and text[-1] in units:
        return now - int(text[:-1]) * units[text[-1]]
    try:
        if len(text) == len("2026-03-01"):
            settings = read_settings(os.environ)
            return datetime.fromisoformat(text).replace(tzinfo=settings.zone)
        return parse_instant(text)
    except ValueError:
        raise UserError(f'--since is "{text[:40]}": 2026-03-01, 2026-03-01T09:00:00+08:00, or 90m, 12h, 7d') from None


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if not rows:
        click.echo("none")
        return
    cells = [columns, *([_cell(row[name]) for name in columns] for row in rows)]
    widths = [max(len(row[number]) for row in cells) for number in range(len(columns))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return " ".join(text.split())[:100]

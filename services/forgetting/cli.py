"""The command `bellwether forget`."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from services.common.clock import wall_now
from services.common.errors import UserError
from services.common.settings import Settings, read_settings

if TYPE_CHECKING:
    from services.forgetting.places import Places

EXIT_REMAINS = 3


class NotForgotten(UserError):
    """Only a customer who was forgotten to the end can be readmitted."""


@click.command()
@click.argument("customer_id", metavar="CUSTOMER")
@click.option("--yes", is_flag=True, help="Do not ask. What is forgotten cannot be brought back.")
@click.option("--by", help="Who asks for it, for the record.  [default: the user of this machine]")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the proof here, as JSON.")
@click.option("--wait", "wait_s", default=120, show_default=True, help="Seconds that the rules workers are given.")
@click.option("--readmit", is_flag=True, help="Take events of a forgotten customer again, under a new key.")
def forget(customer_id: str, yes: bool, by: str | None, report: Path | None, wait_s: int, readmit: bool) -> None:
    """Destroy what is known of the people of CUSTOMER: on the topics, in the states, in the cases. And prove it.

    Run it with the settings of ingest and of the notifier, while the rules workers run. It may be run again at any
    time. Exit code 3: something of it is still there; the report says where and until when.
    A customer who was merged into another is forgotten with that one.
    """
    settings = read_settings(os.environ)
    if readmit:
        _readmit(settings, customer_id)
        return
    if not yes:
        click.confirm(f"Forget {customer_id}? It cannot be undone", abort=True)
    _forget(settings, customer_id, by or getpass.getuser(), report, wait_s)


def _forget(settings: Settings, customer_id: str, by: str, file: Path | None, wait_s: int) -> None:
    from services.forgetting import steps
    from services.ingest import forgetting as at_ingest

    places = _places(settings)
    done = steps.forget(places, customer_id, by, wall_now, wait_s, lambda line: click.echo(line, err=True))
    proof = orjson.dumps(done.as_data(), option=orjson.OPT_INDENT_2).decode()
    for one in (customer_id, *done.also):
        at_ingest.note_done(places.ingest, one, proof, wall_now())
    if file is not None:
        file.write_text(proof + "\n", encoding="utf-8")
    click.echo(done.as_text())
    if not done.is_clean:
        raise SystemExit(EXIT_REMAINS)


def _readmit(settings: Settings, customer_id: str) -> None:
    from services.ingest import forgetting as at_ingest

    places = _places(settings)
    if not at_ingest.is_done(places.ingest, customer_id):
        raise NotForgotten(f"{customer_id} is not forgotten, or not to the end: nothing was changed")
    # The key first: without it an ingest that takes its events already would refuse them.
    places.keys.renew(customer_id, wall_now())
    at_ingest.readmit(places.ingest, customer_id, wall_now())
    click.echo(f"events of {customer_id} are taken again; what was forgotten stays forgotten")


def _places(settings: Settings) -> Places:
    from services.forgetting.places import Places
    from services.ingest.sealing_cli import store_in
    from services.ingest.tables import open_database as open_ingest
    from services.notifier.tables import open_database as open_notifier

    notifier = open_notifier(settings.database_url)
    notifier.migrate()
    ingest = open_ingest(settings.ingest_database_url)
    ingest.migrate()
    keys = store_in(ingest, settings)
    return Places(settings.kafka, settings.topics, settings.partitions, ingest, notifier, keys)

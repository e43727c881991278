"""`bellwether report`, with the owners and regions that the notifier's directory has.

It asks two services: the rules for the figures, and the notifier for whose the customers are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from services.common.settings import Settings
from services.rules.reports.cli import report as of_rules
from services.rules.reports.people import ASKED, CustomerEntry, People, read_people


class _Report(click.Command):
    def invoke(self, ctx: click.Context) -> Any:
        ctx.meta[ASKED] = _people
        return super().invoke(ctx)


report = _Report(of_rules.name, callback=of_rules.callback, params=of_rules.params, help=of_rules.help)


def _people(settings: Settings) -> People:
    """As notifiers have them, or, where none has run or its database is away, as the operator's file has them."""
    from services.notifier.directory_live import DirectoryAway, DirectoryEmpty, people_of

    try:
        directory = people_of(replace(settings, directory=None))
    except DirectoryEmpty:
        return read_people(settings.directory)
    except DirectoryAway as away:
        click.echo(
            f"{away}: owners and regions are {'those of the file' if settings.directory else 'not known'}", err=True
        )
        return read_people(settings.directory)
    found = directory.customers.items()
    return People({id: CustomerEntry(one.owner, one.region or None) for id, one in found})

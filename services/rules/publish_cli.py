"""`bellwether rules publish`: a rulebook to all workers, after the check that they make too."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

import click
import orjson

from services.common.clock import ClockUnreadable, clock_from
from services.common.errors import UserError
from services.common.settings import read_settings
from services.rules.books import SHIPPED, parse_overrides, read_files
from services.rules.checking import check_published, rules_in
from services.rules.control import publish_book
from services.rules.rulebook import Rulebook


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="RULE.PARAM=VALUE", help="Another value for a parameter.")
@click.option("--author", help="Who publishes it. Default: the name of this login.")
def publish(folder: Path | None, settings: tuple[str, ...], author: str | None) -> None:
    """Check the rule files of FOLDER (default: the shipped rulebook) and put them in force in every worker.

    The book replaces the one in force as a whole, parameters that were set before with it.
    """
    environment = read_settings(os.environ)
    files, unread = read_files(folder or SHIPPED)
    try:
        overrides = parse_overrides(list(settings))
        at = clock_from(environment.clock)()
    except (ValueError, ClockUnreadable) as error:
        raise UserError(str(error)) from error
    book = {"files": files, "overrides": overrides, "author": author or _login(), "at": at.isoformat()}
    raw = orjson.dumps(book)
    problems = unread or check_published(raw)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        sys.exit(1)
    publish_book(environment.kafka, environment.topics, raw)
    rules = rules_in(raw)
    click.echo(f"{len(rules)} rules are published on {environment.topics.rulebook} as {Rulebook(rules).fingerprint}")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may have no name.
        return "unknown"

"""`bellwether rules …`, `bellwether advance` and `bellwether backtest`."""

from __future__ import annotations

import importlib
import os
from datetime import datetime
from functools import partial
from typing import Any

import click

from schemas.fields import parse_instant
from services.cli import Entry, LazyGroup
from services.common.settings import read_settings

_GROUP = {
    "catalogue": Entry("services.rules.catalogue_cli:catalogue_command", "Write what every rule does, to read."),
    "check": Entry("services.rules.backtest_cli:check", "Check rule files and run their examples."),
    "publish": Entry("services.rules.publish_cli:publish", "Check a rulebook and put it in force in every worker."),
    "run": Entry("services.rules.cli:run", "Watch customers: the worker. Start as many as there are cores to use."),
}


@click.command(cls=LazyGroup, entries=_GROUP)
def rules() -> None:
    """The service that watches customers, and its rule files."""


@click.command()
def run() -> None:
    """Watch customers until SIGTERM.

    /metrics, /healthz and /readyz are served at BELLWETHER_RULES_PORT.
    """
    from services.rules.build import build_core
    from services.rules.logs import configure_logging
    from services.rules.worker import run_worker

    configure_logging()
    settings = read_settings(os.environ)
    run_worker(settings, partial(build_core, settings))


class _Instant(click.ParamType):
    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return parse_instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("instant", type=_Instant())
def advance(instant: datetime) -> None:
    """Move the event clock of every partition up to INSTANT (such as 2026-03-01T09:00:00+08:00).

    Has an effect only where the worker runs with BELLWETHER_CLOCK=event.
    """
    from services.rules import control

    settings = read_settings(os.environ)
    told = control.advance(settings.kafka, settings.topics, instant)
    click.echo(f"told {told} partitions of {settings.topics.events} to go on to {instant.isoformat()}")


def __getattr__(name: str) -> Any:
    """`bellwether backtest` is looked for here and lives with the rule files' commands."""
    if name == "backtest":
        return getattr(importlib.import_module("services.rules.backtest_cli"), name)
    raise AttributeError(name)

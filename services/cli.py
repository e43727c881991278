"""The command line `bellwether`. A subcommand is imported only when it runs: Faust is slow, --help should be quick."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import click

from services.common.collector import begin_quickly
from services.common.errors import UserError
from services.common.settings import BadSetting


@dataclass(frozen=True)
class Entry:
    """Where a subcommand lives ("module:attribute"), and what --help says of it without looking there."""

    target: str
    summary: str


COMMANDS = {
    "advance": Entry("services.rules.cli:advance", "Move the event clock of every partition up to an instant."),
    "audit": Entry("services.notifier.audit_cli:audit", "Verify what was decided and delivered; export one case."),
    "backtest": Entry("services.rules.cli:backtest", "Replay past events through the rules and report what they find."),
    "capacity": Entry("services.rules.sizing_cli:capacity", "What so many events and customers need."),
    "channels": Entry("services.notifier.channels_cli:channels", "The channels that page people: check and try them."),
    "dead-letters": Entry("services.ingest.letters_cli:dead_letters", "What was refused: look, mend, replay or drop."),
    "directory": Entry("services.notifier.directory_cli:directory", "People and customers: import, check, show."),
    "explain": Entry("services.rules.reports.explain_cli:explain", "Show how one customer stands, and why."),
    "feeds": Entry("services.feeds_cli:feeds", "When each source was heard, and which are late or silent."),
    "forget": Entry("services.forgetting.cli:forget", "Destroy what is known of a customer's people, and prove it."),
    "greetings": Entry(
        "services.notifier.greetings.cli:greetings", "Greetings to customers, where they are switched on."
    ),
    "holds": Entry("services.notifier.holds_cli:holds", "Keep pages back: cooldown, snooze and exemption."),
    "ids": Entry("services.ingest.ids_cli:ids", "Whose the ids of sources are, and what waits for one."),
    "import": Entry("services.ingest.imports_cli:import_command", "Turn a CSV or XLSX export into events."),
    "ingest": Entry("services.ingest.cli:ingest", "The service that takes events by HTTP and puts them on Kafka."),
    "notifier": Entry("services.notifier.cli:notifier", "The service that pages people, keeps cases, has the console."),
    "outbox": Entry("services.notifier.outbox_cli:outbox", "Pages that could not be delivered: look, retry or drop."),
    "ranks": Entry("services.rules.reports.cli:ranks", "Rank all customers by what they buy."),
    "report": Entry("services.reports_cli:report", "Work out a report from what is known of all customers."),
    "routes": Entry("services.notifier.routing_cli:routes", "Who is told of which warnings: try it, and check it."),
    "rules": Entry("services.rules.cli:rules", "The service that watches customers, and its rule files."),
    "sample": Entry("services.ingest.cli:sample_command", "Make sample events and the people file that fits them."),
    "schema": Entry("services.common.schema_cli:schema", "Write and compare the contracts of all topics."),
    "sealing": Entry(
        "services.ingest.sealing_cli:sealing", "The master keys that wrap what personal fields are sealed with."
    ),
    "templates": Entry("services.templates_cli:templates", "The templates of messages: check them, and preview them."),
    "topics": Entry("services.common.cli:topics", "Create the Kafka topics, and make them larger."),
}


class LazyGroup(click.Group):
    """A group whose subcommands are named in a table and imported on use."""

    def __init__(self, *args: Any, entries: dict[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The table's names."""
        return sorted(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand; None when the table does not have it."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, attribute = entry.target.split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.entries[name].summary) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; what the reader can mend is one sentence and exit code 1, without a traceback."""
        try:
            return super().invoke(ctx)
        except (UserError, BadSetting) as error:
            raise click.ClickException(str(error)) from error


@click.command(cls=LazyGroup, entries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bellwether", prog_name="bellwether")
def main() -> None:
    """Early warnings for business-to-business customer relationships.

    Settings come from the environment (BELLWETHER_KAFKA, BELLWETHER_CLOCK, ...); the README lists them.
    """
    begin_quickly()


if __name__ == "__main__":
    main(prog_name="bellwether")

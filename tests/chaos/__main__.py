"""`make chaos SEED=… [FAULT=name] [ROUNDS=n]`: repeats a run, or goes through all faults."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.scenarios import SCENARIOS, play
from tests.support.small_disk import DiskUnavailable


@click.command()
@click.option("--seed", type=int, required=True, help="The first seed; rounds take the following ones.")
@click.option("--fault", type=click.Choice(sorted(SCENARIOS)), help="One fault instead of all.")
@click.option("--rounds", default=1, show_default=True, help="Seeds for each fault.")
@click.option("--report", type=click.Path(path_type=Path), help="A file to which the lines are added.")
def main(seed: int, fault: str | None, rounds: int, report: Path | None) -> None:
    """Disturb a running system, and see that nothing is lost and nothing contradicts."""
    bad = 0
    for number in range(seed, seed + rounds):
        for name in [fault] if fault else SCENARIOS:
            folder = Path(tempfile.mkdtemp(prefix=f"chaos-{name}-{number}-"))
            try:
                verdict, line = play(name, number, folder)
                good = verdict.good
            except (AssertionError, DiskUnavailable) as error:
                good, line = False, f"fault={name} seed={number} verdict=not finished: {error}"
            click.echo(line)
            if report is not None:
                with report.open("a") as file:
                    file.write(line.splitlines()[0] + "\n")
            if good:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                bad += 1
                click.echo(f"what it left is in {folder}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

"""`bellwether capacity`: what so many events and customers need."""

from __future__ import annotations

import click

from services.rules.sizing import Load, Need, need

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


@click.command()
@click.option("--events-per-day", type=click.FloatRange(min=1), required=True)
@click.option("--customers", type=click.FloatRange(min=1), required=True)
@click.option("--horizon-months", type=click.FloatRange(min=1), default=36, show_default=True)
@click.option("--peak", type=click.FloatRange(min=1), default=3, show_default=True, help="Busiest hour to mean.")
@click.option(
    "--open", "open_share", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Customers kept open."
)
@click.option("--warm", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Events that are of those.")
@click.option(
    "--told-hours", type=click.FloatRange(min=0.1), default=24, show_default=True, help="BELLWETHER_SNAPSHOT_MINUTES."
)
def capacity(
    events_per_day: float,
    customers: float,
    horizon_months: float,
    peak: float,
    open_share: float,
    warm: float,
    told_hours: float,
) -> None:
    """Work out partitions, workers, memory, network and recovery from costs that were measured.

    docs/capacity.md shows the arithmetic, and where the costs come from.
    """
    load = Load(events_per_day, customers, horizon_months, peak, open_share, warm, told_hours)
    for name, value in lines(load, need(load)):
        click.echo(f"{name:34} {value}")


def lines(load: Load, found: Need) -> list[tuple[str, str]]:
    """The answer, name by name, for people."""
    return [
        ("events a second, mean and peak", f"{load.events_s / load.peak:,.0f} and {load.events_s:,.0f}"),
        ("items a customer", f"{load.items:,.0f}"),
        ("CPU an event", f"{found.event_cpu_us:,.0f} µs, and {found.opening_cpu_us:,.0f} µs to open customers"),
        ("workers (a core each)", f"{found.cores:,}"),
        ("partitions", f"{found.partitions:,}"),
        ("states, once", size(found.state_bytes)),
        ("  on each worker", size(found.state_bytes / found.cores)),
        ("open customers, on each worker", size(found.open_bytes / found.cores)),
        ("to the brokers, with copies", f"{size(found.in_bytes_s)}/s"),
        ("from the brokers, with copies", f"{size(found.out_bytes_s)}/s"),
        ("events on the brokers' disks", size(found.events_disk_bytes)),
        ("changelog on the brokers' disks", size(found.changelog_disk_bytes)),
        ("all workers start with nothing", span(found.restart_s)),
        ("one dies, without a standby", span(found.heir_s)),
    ]


def size(value: float) -> str:
    """1.5 GB"""
    for unit in _UNITS[:-1]:
        if value < 1000:
            return f"{value:,.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} {_UNITS[-1]}"


def span(seconds: float) -> str:
    """90 s, 15 min, 3 h"""
    if seconds < 120:
        return f"{seconds:,.3g} s"
    return f"{seconds / 60:,.3g} min" if seconds < 7200 else f"{seconds / 3600:,.3g} h"

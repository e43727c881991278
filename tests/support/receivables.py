"""Receivables to import: a generated export with its expected numbers, and the plain calculation behind them."""

from __future__ import annotations

import csv
import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

COLUMNS = (
    "countryCode,customerID,PaperlessDate,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,SettledDate,"
    "PaperlessBill,DaysToSettle,DaysLate"
).split(",")


class Numbers(NamedTuple):
    """R1 over a whole export: customers with an episode, episodes, and months that complete a pair."""

    customers: int
    episodes: int
    pairs: int


def write_receivables(path: Path, seed: int, customers: int = 40, invoices: int = 900) -> None:
    """An export of invented invoices due over two years, every one paid in full, some late, some disputed."""
    rng = random.Random(seed)
    names = [f"{number:04d}-TEST{chr(65 + number % 26)}" for number in range(customers)]
    tardiness = {name: rng.choice((0.05, 0.2, 0.6)) for name in names}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(invoices):
            name = rng.choice(names)
            issued = date(2024, 1, 1) + timedelta(days=rng.randrange(730))
            due = issued + timedelta(days=30)
            late = rng.random() < tardiness[name]
            paid = due + timedelta(days=rng.randint(1, 40) if late else -rng.randint(0, 20))
            disputed = "Yes" if rng.random() < 0.2 else "No"
            amount = f"{rng.randint(500, 20000) / 100:.2f}"
            days = [f"{day.month}/{day.day}/{day.year}" for day in (issued, issued, due, paid)]
            writer.writerow(
                [391, name, days[0], f"{number:010d}", days[1], days[2], amount, disputed, days[3], "Paper"]
                + [(paid - issued).days, max(0, (paid - due).days)]
            )


def expected_numbers(path: Path, *, grace_days: int = 0, with_disputed: bool = False) -> Numbers:
    """R1's numbers by the plainest reading of the file: late months of the due date, unbroken runs of at least two."""
    late: dict[str, set[int]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["Disputed"] == "Yes" and not with_disputed:
                continue
            due, paid = (datetime.strptime(row[name], "%m/%d/%Y").date() for name in ("DueDate", "SettledDate"))
            if paid > due + timedelta(days=grace_days):
                late.setdefault(row["customerID"], set()).add(due.year * 12 + due.month)
    pairs = {name: [month for month in months if month - 1 in months] for name, months in late.items()}
    starts = {name: [month for month in found if month - 2 not in late[name]] for name, found in pairs.items()}
    return Numbers(
        sum(1 for found in starts.values() if found), sum(map(len, starts.values())), sum(map(len, pairs.values()))
    )

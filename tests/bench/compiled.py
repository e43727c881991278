"""The rules core as it is against the same core compiled to C: what an event costs, side by side in one run.

    python -m tests.bench.compiled [--events 6000] [--rounds 5] [--to FILE.md]

Where `make compiled` has compiled these sources, that is taken; otherwise they are compiled into a temporary folder,
which takes some minutes and needs a C compiler. Every round measures both, each in a process of its own and in turn the
one or the other first. What is told is that process's CPU for reading events, judging them and writing customers down,
with the shipped rulebook: "live", one event of a customer and its write at a time, and as a "backlog", where the rules
are asked once for all that a batch brings of a customer. Kafka is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from deploy.compile import MODULES, made_in
from schemas.codec import decode
from schemas.events import CustomerEvent, Retraction
from services.common.collector import settle_collector
from services.compiled import FOLDER, ROOT, SWITCH, digest_of
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.calendar import micros
from services.rules.core import Core
from services.rules.entries import Said
from services.rules.shortcut import heard
from services.rules.state import CustomerState
from tests.bench.figures import figure, ratios, table
from tests.bench.mixes import ZONE, Mix, busy_mix, sample_mix, week_mix

MONTHS = 36
BATCH = 4_000
"""Events of a batch of a backlog."""
MOST_ASKED = 256
"""Events of a customer for which the rules are asked once at most, as the worker does it."""
AS_IT_IS, COMPILED = "interpreted", "compiled"


def costs(events: int) -> dict[str, float]:
    """Microseconds of CPU an event, by mix and way, of the core that this process has loaded."""
    rules = read_rules(SHIPPED)
    found = {}
    for mix in (sample_mix(events), week_mix(events), busy_mix(events)):
        for way in (live, backlog):
            core = assemble(rules, ZONE, MONTHS)
            for _, raw in mix.reference:
                said = decode(raw)
                if not isinstance(said, (CustomerEvent, Retraction)):
                    core.reference.learn(said)
            settle_collector()
            begun = time.process_time_ns()
            way(core, mix)
            found[f"{mix.name}, {way.__name__}"] = (time.process_time_ns() - begun) / 1_000 / len(mix.events)
    return found


def live(core: Core, mix: Mix) -> None:
    """Each event at its own time, behind whatever its customer was to be woken for."""
    states: dict[str, CustomerState] = {}
    for offset, (customer_id, said) in enumerate(read(mix.events)):
        state = opened(core, states, customer_id)
        while (at := core.wake_at(state)) is not None and at < said.time:
            core.wake(state, now=at)
        core.apply(state, said, offset=offset, now=said.time)
        core.close(state)


def backlog(core: Core, mix: Mix) -> None:
    """In batches, all of them when the last has been written."""
    states: dict[str, CustomerState] = {}
    now = micros(mix.ends)
    for first in range(0, len(mix.events), BATCH):
        learned: defaultdict[str, int] = defaultdict(int)
        for offset, (customer_id, said) in enumerate(read(mix.events[first : first + BATCH]), first):
            state = opened(core, states, customer_id)
            core.learn(state, said, offset=offset, now=now)
            learned[customer_id] += 1
            if learned[customer_id] % MOST_ASKED == 0:
                core.settle(state)
        for customer_id in learned:
            core.settle(states[customer_id])
            core.close(states[customer_id])


def opened(core: Core, states: dict[str, CustomerState], customer_id: str) -> CustomerState:
    """The customer as it is kept open, or a new one."""
    state = states.get(customer_id)
    if state is None:
        state = states[customer_id] = core.open(customer_id, {})
    return state


def read(events: list[tuple[str, bytes]]) -> Iterator[tuple[str, Said]]:
    """What the events say, the way that the worker reads them."""
    for _, raw in events:
        found = heard(raw)
        if found is None:
            raise ValueError(f"an event of the benchmark is not plainly valid: {raw!r}")
        yield found


@contextmanager
def compiled_folder() -> Iterator[tuple[Path, str]]:
    """Where the core lies compiled, and what that took."""
    if (ROOT / FOLDER / digest_of()).is_dir():
        yield ROOT / FOLDER, "compiled before"
        return
    with TemporaryDirectory(prefix="compiled-") as folder:
        begun_s = time.perf_counter()
        made_in(Path(folder))
        yield Path(folder), f"compiled in {time.perf_counter() - begun_s:.0f} s"


def in_a_process(folder: str, events: int) -> dict[str, float]:
    """`costs` of another process, with the core of that folder; as it is where it is empty."""
    command = [sys.executable, "-m", "tests.bench.compiled", "--child", "--events", str(events)]
    done = subprocess.run(command, env={**os.environ, SWITCH: folder}, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def measure(folder: Path, events: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Every round's costs of both."""
    found: dict[str, list[dict[str, float]]] = {AS_IT_IS: [], COMPILED: []}
    folders = {AS_IT_IS: "", COMPILED: str(folder)}
    for number in range(rounds):
        for name in list(folders)[:: -1 if number % 2 else 1]:
            found[name].append(in_a_process(folders[name], events))
            print(f"round {number + 1} of {rounds}, {name}", file=sys.stderr, flush=True)
    return found


def told(found: dict[str, list[dict[str, float]]]) -> str:
    """A line for each mix and way."""
    lines = []
    for name in found[AS_IT_IS][0]:
        plain, made = ([one[name] for one in found[side]] for side in (AS_IT_IS, COMPILED))
        shares = ratios(made, plain)
        share = f"{figure(median(shares))} ({figure(min(shares))}–{figure(max(shares))})"
        lines.append([name, figure(median(plain)), figure(median(made)), share])
    return table(["µs of CPU an event", AS_IT_IS, COMPILED, "compiled / interpreted"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What compiling the rules core brings.")
    parser.add_argument("--events", type=int, default=6_000, help="of each mix, about (default 6,000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--to", type=Path, help="write the table into this file as well")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(costs(options.events)))
        return
    with compiled_folder() as (folder, how):
        found = measure(folder, options.events, options.rounds)
    about = f"{len(MODULES)} modules, {how}; {options.rounds} rounds, medians."
    text = f"{told(found)}\n\n{about}"
    print(text)
    if options.to:
        head = f"# The rules core compiled, {datetime.now(UTC):%Y-%m-%d}"
        options.to.write_text(f"{head}\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

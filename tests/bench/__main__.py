"""The benchmark: `python -m tests.bench [--only NAME …] [--mixes NAME …] [--rounds N] [--compiled] [--quick] …`.

Without --quick it writes docs/benchmarks/DATE.md and .json (sections not measured this time stay) and the README's
section "Speed". With --quick sizes are small, and what was found is only shown.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from deploy.kafka.jars import KAFKA_VERSION
from services.compiled import FOLDER, SWITCH, NotCompiled, compiled_rules
from tests.bench import empty, growth, ingest, latency, notifier, recovery, soak, speed
from tests.bench.figures import COMPILED, Section, as_document, document, merged, readme_section, rows_table, spliced
from tests.bench.meter import Meter
from tests.bench.sizes import QUICK, WHOLE
from tests.bench.stage import ROOT, Stage, staged

SECTIONS: dict[str, Callable[[Stage], Section]] = {
    speed.NAME: speed.measure,
    empty.NAME: empty.measure,
    latency.NAME: latency.measure,
    recovery.NAME: recovery.measure,
    ingest.NAME: ingest.measure,
    notifier.NAME: notifier.measure,
    growth.MEMORY: growth.measure_memory,
    growth.GROWTH: growth.measure_growth,
    soak.NAME: soak.measure,
}
BOTH = {f"{name}{COMPILED}": name for name in (speed.NAME, empty.NAME, latency.NAME)}
"""What is measured on the compiled core too, as a section of its own, by that section's name."""
ALONE = (soak.NAME,)
"""Only when asked for."""
ORDER = [one for name in SECTIONS for one in (name, *(both for both, plain in BOTH.items() if plain == name))]
ROUNDS = 3
DOCS = ROOT / "docs" / "benchmarks"
README = ROOT / "README.md"


def main() -> None:
    """Measure what was asked for."""
    options = parsed(sys.argv[1:])
    names = wanted(options)
    if any(name in BOTH for name in names):
        require_compiled()
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    sizes = QUICK if options.quick else WHOLE
    sizes = replace(sizes, mixes=tuple(options.mixes or sizes.mixes))
    found, failed = list[Section](), list[str]()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    # As by Ctrl-C: the broker and its files go with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with (
        Meter(len(names)) as meter,
        staged(sizes, rounds, meter, quick=options.quick) as stage,
    ):
        for name in names:
            try:
                section = measured(name, stage)
            except Exception as error:  # noqa: BLE001 an hour of other sections must not be lost with this one
                meter.say(f"\n{name} FAILED\n{''.join(traceback.format_exception(error))}")
                failed.append(name)
                continue
            found.append(section)
            meter.say(f"\n{section.title}\n{rows_table(section.rows)}\n\n{section.text}")
            if not options.quick and not options.no_write:
                # After every section: what took half an hour is not lost with what comes next.
                write([section], DOCS, README)
            meter.section_done()
    if options.quick:
        print(document(found, machine(), today()))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def parsed(arguments: list[str]) -> Any:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=ORDER, help="these sections alone")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, with --quick 1")
    parser.add_argument("--mixes", nargs="+", choices=list(speed.MIXES), help="what the speed section races over")
    parser.add_argument(
        "--compiled",
        action="store_true",
        help=f"{', '.join(BOTH.values())} on the compiled core too, as sections beside them (after make compiled)",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work? Writes nothing")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks and the README as they are")
    return parser.parse_args(arguments)


def wanted(options: Any) -> list[str]:
    """The sections to measure, those on the compiled core behind the same ones on the sources."""
    names = options.only or [name for name in SECTIONS if name not in ALONE]
    if not options.compiled:
        return list(names)
    chosen = {*names, *(both for both, plain in BOTH.items() if plain in names)}
    return [name for name in ORDER if name in chosen]


def require_compiled() -> None:
    """Ends the program where there is nothing compiled of these sources."""
    try:
        compiled_rules({SWITCH: FOLDER})
    except NotCompiled as error:
        sys.exit(str(error))


def measured(name: str, stage: Stage) -> Section:
    """One section; what is told outside of it says that it was measured on the compiled core."""
    if name not in BOTH:
        return SECTIONS[name](stage)
    found = SECTIONS[BOTH[name]](replace(stage, compiled=FOLDER))
    rows = [replace(row, measure=f"{row.measure}{COMPILED}") if row.target else row for row in found.rows]
    words = "Bellwether's worker runs the rules core as `make compiled` compiles it; the others are as they are."
    return replace(found, name=name, title=f"{found.title}{COMPILED}", rows=rows, text=f"{words}\n\n{found.text}")


def write(sections: list[Section], folder: Path, readme: Path) -> None:
    """Into today's report, and the summary of all of it into the README."""
    day = today()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{day}.json"
    old = orjson.loads(kept.read_bytes()) if kept.exists() else {}
    whole = merged(old, sections, ORDER)
    kept.write_bytes(orjson.dumps(as_document(whole, machine(), day), option=orjson.OPT_INDENT_2) + b"\n")
    kept.with_suffix(".md").write_text(document(whole, machine(), day), encoding="utf-8")
    readme.write_text(spliced(readme.read_text(encoding="utf-8"), readme_section(whole, day)), encoding="utf-8")


def today() -> str:
    """The report's day, in UTC."""
    return datetime.now(UTC).date().isoformat()


def machine() -> dict[str, Any]:
    """What it runs on."""
    return {
        "Linux" if platform.system() == "Linux" else platform.system(): platform.machine(),
        "cores": os.cpu_count(),
        "Python": platform.python_version(),
        "Kafka": KAFKA_VERSION,
    }


if __name__ == "__main__":
    main()

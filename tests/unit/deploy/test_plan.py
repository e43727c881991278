"""What `make run` will do, from the environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.plan import read_plan, settings_script
from services.common.settings import BadSetting


def test_by_default_it_runs_its_own_broker_and_makes_its_data_anew() -> None:
    plan = read_plan({})
    assert not plan.external_kafka
    assert not plan.keep
    assert plan.directory == Path(".bellwether/run")
    assert plan.ports == {
        "BELLWETHER_KAFKA_PORT": 9092,
        "BELLWETHER_INGEST_PORT": 8080,
        "BELLWETHER_RULES_PORT": 8081,
        "BELLWETHER_NOTIFIER_PORT": 8082,
    }


def test_keep_is_asked_for_with_1() -> None:
    assert read_plan({"KEEP": "1"}).keep


def test_with_a_broker_given_its_state_is_kept_and_no_port_of_kafka_is_ours() -> None:
    plan = read_plan({"BELLWETHER_KAFKA": "10.0.0.7:9092"})
    assert plan.keep
    assert plan.directory == Path(".bellwether/run-external")
    assert "BELLWETHER_KAFKA_PORT" not in plan.ports


def test_services_are_told_the_runs_own_places_whatever_was_set_before() -> None:
    environ = {"PATH": "/bin", "BELLWETHER_DATA_DIR": "elsewhere"}
    env = read_plan(environ).child_env(environ, Path("/data/run"), "127.0.0.1:9999")
    assert env["BELLWETHER_KAFKA"] == "127.0.0.1:9999"
    assert env["BELLWETHER_DATA_DIR"] == "/data/run"
    assert env["BELLWETHER_DATABASE_URL"] == "sqlite:////data/run/notifier.db"
    assert env["PATH"] == "/bin"


def test_time_is_the_events_own_unless_another_clock_is_chosen() -> None:
    cases: list[tuple[dict[str, str], str]] = [({}, "event"), ({"BELLWETHER_CLOCK": "wall"}, "wall")]
    for environ, clock in cases:
        plan = read_plan(environ)
        assert plan.settings.clock == clock
        assert plan.child_env(environ, Path("/data/run"), "127.0.0.1:9999")["BELLWETHER_CLOCK"] == clock


def test_the_sample_never_touches_an_installations_own_people_and_database() -> None:
    environ = {"BELLWETHER_DATABASE_URL": "postgresql://db/bellwether", "BELLWETHER_DIRECTORY": "/etc/people.yaml"}
    env = read_plan(environ).child_env(environ, Path("/data/run"), "127.0.0.1:9999")
    assert env["BELLWETHER_DATABASE_URL"] == "sqlite:////data/run/notifier.db"
    assert env["BELLWETHER_DIRECTORY"] == "/data/run/directory.yaml"


@pytest.mark.parametrize("port", ["", "x", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused_by_name(port: str) -> None:
    with pytest.raises(BadSetting, match="BELLWETHER_KAFKA_PORT"):
        read_plan({"BELLWETHER_KAFKA_PORT": port})


def test_the_broker_that_is_started_here_has_no_passwords() -> None:
    secured = {
        "BELLWETHER_KAFKA_SECURITY": "SASL_PLAINTEXT",
        "BELLWETHER_KAFKA_USER": "bellwether",
        "BELLWETHER_KAFKA_PASSWORD": "secret",
    }
    with pytest.raises(BadSetting, match="the broker that is started here speaks PLAINTEXT only"):
        read_plan(secured)
    assert read_plan({**secured, "BELLWETHER_KAFKA": "kafka:9092"}).settings.kafka.sasl


def test_a_shell_that_reads_the_settings_has_them_as_they_are_and_nothing_else(tmp_path: Path) -> None:
    odd = "a b'c\"$HOME`date`;\n#"
    env = {"BELLWETHER_PERSONAL_DATA": odd, "SECRET": "x", "BELLWETHER_PARTITIONS": "4"}
    script = tmp_path / "settings.sh"
    script.write_text(settings_script(env, tmp_path / "the bin"))
    show = '. "$0"; printf "%s|%s|%s|%s" "$BELLWETHER_PERSONAL_DATA" "$BELLWETHER_PARTITIONS" "$SECRET" "$PATH"'
    told = subprocess.run(["/bin/sh", "-c", show, str(script)], env={"PATH": "/bin"}, capture_output=True, check=True)
    assert told.stdout.decode() == f"{odd}|4||{tmp_path / 'the bin'}:/bin"

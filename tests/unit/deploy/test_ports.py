"""Finding ports, and the sentence about one that is taken."""

from __future__ import annotations

import socket

from deploy.ports import FIRST_PORT, LAST_PORT, free_port, is_free, is_listening
from deploy.run import port_problem


def test_a_free_port_is_outside_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert FIRST_PORT <= port <= LAST_PORT
    assert is_free(port)
    assert not is_listening(port)


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert is_listening(port)


def test_a_taken_port_is_named_with_the_variable_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        problem = port_problem({"BELLWETHER_INGEST_PORT": free_port(), "BELLWETHER_RULES_PORT": port})
    assert problem == f"Port {port} is in use: stop what listens there, or set BELLWETHER_RULES_PORT to another port."


def test_one_port_for_two_services_is_refused() -> None:
    port = free_port()
    problem = port_problem({"BELLWETHER_INGEST_PORT": port, "BELLWETHER_RULES_PORT": port})
    assert problem == (
        f"BELLWETHER_INGEST_PORT and BELLWETHER_RULES_PORT are both {port}: set one of them to another port."
    )


def test_free_ports_are_no_problem() -> None:
    assert port_problem({"BELLWETHER_INGEST_PORT": free_port()}) is None

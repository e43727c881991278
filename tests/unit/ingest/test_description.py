"""/openapi.json is true: its examples work, and every answer is one that it tells of."""

from __future__ import annotations

import ast
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Route
from starlette.testclient import TestClient

from services.ingest import codes, description
from services.ingest.app import build_app
from services.ingest.publisher import broker_away
from tests.support.commands import ROOT
from tests.unit.ingest.scripted import ScriptedPublisher, intake_of
from tests.unit.schemas.examples import DATA, example

PUBLISHER = ScriptedPublisher()
APP = build_app(intake_of(PUBLISHER))
DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(APP.openapi()))
OPERATION = DOCUMENT["paths"]["/v1/events"]["post"]
BODIES: dict[str, Any] = OPERATION["requestBody"]["content"]
EXAMPLES = [(kind, name) for kind, body in BODIES.items() for name in body["examples"]]


@pytest.fixture
def publisher() -> ScriptedPublisher:
    return ScriptedPublisher()


@pytest.fixture
def client(publisher: ScriptedPublisher) -> Iterator[TestClient]:
    with TestClient(build_app(intake_of(publisher)), raise_server_exceptions=False) as client:
        yield client


def problems(value: Any, schema: Any) -> list[str]:
    """Why the value is not as the schema says; the schema may refer to components."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def check(answer: httpx.Response, operation: Any = OPERATION) -> None:
    """The answer is one that the description tells of, to the letter."""
    told = operation["responses"][str(answer.status_code)]
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in told["content"], answer.text
    content = told["content"][media_type]
    if "x-line-schema" in content:
        for line in answer.text.splitlines():
            assert problems(orjson.loads(line), content["x-line-schema"]) == []
    elif media_type != "text/plain":
        assert problems(answer.json(), content["schema"]) == []


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
def test_the_examples_are_answered_as_described(
    client: TestClient, publisher: ScriptedPublisher, kind: str, name: str
) -> None:
    value = BODIES[kind]["examples"][name]["value"]
    body = value.encode() if isinstance(value, str) else orjson.dumps(value)
    headers = {"content-type": kind, **(description.BINARY_HEADERS if name == "binary" else {})}
    answer = client.post("/v1/events", content=body, headers=headers)
    check(answer)
    assert answer.status_code == {"lines": 200, "refused": 422}.get(name, 202), answer.text
    assert len(publisher.published) == (2 if name in ("lines", "refused", "batch") else 1)
    if kind.startswith("application/cloudevents") or kind == "application/json":
        assert problems(value, BODIES[kind]["schema"]) == [] or name == "refused"


def test_the_answers_shown_are_those_given(client: TestClient) -> None:
    answer = client.post("/v1/events", json=description.EVENT)
    assert answer.json() == OPERATION["responses"]["202"]["content"]["application/json"]["example"]
    answer = client.post("/v1/events", json=[description.EVENT, description.REFUSED])
    assert answer.json() == OPERATION["responses"]["422"]["content"]["application/problem+json"]["example"]


ANSWERS: dict[str, tuple[bytes, dict[str, str]]] = {
    "400": (b"{broken", {}),
    "413": (b"[" + b"1," * 2000 + b"1]", {}),
    "415": (b"{}", {"content-type": "text/plain"}),
    "422": (b"[1]", {}),
    "200": (b"{broken\n", {"content-type": "application/jsonl"}),
    "202": (gzip.compress(orjson.dumps(description.EVENT)), {"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_what_goes_wrong_is_answered_as_described(client: TestClient, status: str) -> None:
    body, headers = ANSWERS[status]
    answer = client.post("/v1/events", content=body, headers={"content-type": "application/json", **headers})
    assert answer.status_code == int(status)
    check(answer)


@pytest.mark.parametrize(("failure", "status"), [(broker_away("it is away"), 503), (RuntimeError(), 500)])
def test_trouble_of_ours_is_answered_as_described(
    client: TestClient, publisher: ScriptedPublisher, failure: Exception, status: int
) -> None:
    publisher.failure = failure
    answer = client.post("/v1/events", json=description.EVENT)
    assert answer.status_code == status
    check(answer)
    told = OPERATION["responses"][str(status)].get("headers", {})
    assert ("Retry-After" in told) is ("Retry-After" in answer.headers)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_the_other_pages_are_described(client: TestClient, publisher: ScriptedPublisher, path: str) -> None:
    operation = DOCUMENT["paths"][path]["get"]
    check(client.get(path), operation)
    publisher.problem, publisher.alive = "away", False
    check(client.get(path), operation)


def test_every_route_is_described() -> None:
    routes = {
        (route.path, method) for route in APP.routes if isinstance(route, Route) for method in route.methods or ()
    }
    described = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    # It does not describe itself, and HEAD comes with GET.
    assert {one for one in routes if one[0] != "/openapi.json" and one[1] != "HEAD"} == described


@pytest.mark.parametrize("kind", DATA)
def test_every_event_is_described(kind: str) -> None:
    schema = BODIES["application/cloudevents+json"]["schema"]
    assert problems(example(kind), schema) == []
    assert problems(example(kind, data=None), schema) != []


def test_every_reference_leads_somewhere() -> None:
    text = orjson.dumps(DOCUMENT).decode()
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(DOCUMENT["components"]["schemas"])
    assert "$defs" not in text


def test_nothing_is_loaded_from_outside(client: TestClient) -> None:
    assert [client.get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]


# -- codes

CALLS = {"BadBody": 1, "problem_answer": 1, "TryLater": 0, "InvalidEvent": 0, "Turned": 1}
"""What carries a code, and which of its arguments that is."""


def codes_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            place = CALLS[node.func.id]
            code = node.args[place] if len(node.args) > place else None
            if isinstance(code, ast.Constant):
                yield str(code.value)


SOURCES = [*(ROOT / "services" / "ingest").rglob("*.py"), ROOT / "schemas" / "codec.py"]
KNOWN = {code.name for code in codes.EVENT_CODES + codes.REQUEST_CODES}


def test_every_code_that_is_answered_is_listed() -> None:
    found = {code for path in SOURCES for code in codes_in(path)}
    assert len(found) > 20
    assert found <= KNOWN


def test_no_code_is_listed_twice() -> None:
    assert len(KNOWN) == len(codes.EVENT_CODES) + len(codes.REQUEST_CODES)


@pytest.mark.parametrize("listed", [codes.EVENT_CODES, codes.REQUEST_CODES])
def test_the_page_for_integrators_lists_them(listed: tuple[codes.Code, ...]) -> None:
    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    assert codes.table(listed) in page, f"docs/http.md must have this table:\n{codes.table(listed)}"


def test_the_statuses_of_codes_are_described() -> None:
    told = set(OPERATION["responses"]) | {"401", "403", "404", "405", "429", "any other", ""}
    assert {code.statuses for code in codes.EVENT_CODES + codes.REQUEST_CODES} <= told

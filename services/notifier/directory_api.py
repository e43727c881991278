"""The directory over HTTP (docs/directory.md): every request shows a key, `Authorization: Bearer bw_…`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from schemas.fields import Identifier, Instant
from services.common.clock import Now
from services.common.database import Database
from services.notifier import api_keys
from services.notifier.api_keys import ApiKey
from services.notifier.button import Button, NoSuchMethod
from services.notifier.codes import Answer
from services.notifier.directory_desk import Changed, DirectoryDesk, Missing, Unfit
from services.notifier.directory_listing import ListedAbsence, ListedCustomer, ListedDepartment, ListedPerson
from services.notifier.directory_showing import customer_as_data, person_as_data
from services.notifier.verifying import Verifier

PREFIX = "/api/directory"

MAX_BODY = 100_000
"""Bytes of one entry."""

MAX_GAPS = 1000

Document = dict[str, Any]
Act = Callable[[Mapping[str, str], Document, ApiKey], tuple[int, object]]


class Turned(Exception):
    """What is answered instead."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Owner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    owner: Identifier


class Entered(BaseModel):
    """A code, and of which address where the person has several on the channel."""

    model_config = ConfigDict(extra="forbid")

    code: str = ""
    address: str | None = None


_INSTANT: TypeAdapter[Any] = TypeAdapter(Instant)

_STATUS: Mapping[Answer, int] = {
    Answer.SENT: 202,
    Answer.CONFIRMED: 200,
    Answer.VERIFIED_ALREADY: 200,
    Answer.TOO_SOON: 429,
    Answer.TOO_MANY: 429,
    Answer.NO_CODE: 410,
    Answer.WRONG: 403,
    Answer.NOT_SENT: 502,
    Answer.CHANNEL_FULL: 429,
    Answer.UNKNOWN_METHOD: 404,
}


class Door:
    """Who may come in. Asks the database each time: a key that is revoked opens nothing from then on."""

    def __init__(self, database: Database, now: Now) -> None:
        """`now` is the wall's clock, whatever clock people's deadlines go by."""
        self._database = database
        self._now = now

    def admit(self, request: Request, scope: str) -> ApiKey:
        """Whose key it is; raises Turned. One answer for none, unknown, expired and revoked keys: a thief learns
        nothing of what he holds."""
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        with self._database.reading() as tx:
            key = api_keys.find(tx, shown.strip(), self._now()) if scheme.lower() == "bearer" else None
        if key is None:
            raise Turned(401, "unauthorized", "a key that works is needed: Authorization: Bearer bw_…")
        if not key.may(scope):
            raise Turned(403, "not_allowed", f"this key is not for {scope}")
        return key


def directory_routes(
    desk: DirectoryDesk, verifier: Verifier, door: Door, button: Button | None = None
) -> list[BaseRoute]:
    """The addresses below /api/directory. Without a button nothing can be tried."""
    made = _Maker(door)
    return [
        *_reading(made, desk),
        *_people(made, desk),
        *_absences(made, desk),
        *_customers(made, desk),
        *_methods(made, verifier),
        *(_trying(made, button) if button is not None else []),
    ]


class _Maker:
    def __init__(self, door: Door) -> None:
        self._door = door

    def __call__(self, method: str, path: str, act: Act) -> BaseRoute:
        scope = "directory:read" if method == "GET" else "directory"

        async def answer(request: Request) -> Response:
            try:
                # Before the body is read: a stranger's is not.
                key = await run_in_threadpool(self._door.admit, request, scope)
                document = {} if method in ("GET", "DELETE") else await _document(request)
                status, told = await run_in_threadpool(act, request.path_params, document, key)
            except Turned as turned:
                return _problem(turned.status, turned.code, str(turned))
            except Missing as missing:
                return _problem(404, "not_found", f"the directory has no {missing}")
            except Unfit as unfit:
                return _problem(409, "contradiction", str(unfit))
            except ValidationError as error:
                return _problem(422, "invalid", _sentence(error))
            return JSONResponse(told, status)

        return Route(PREFIX + path, answer, methods=[method])


async def _document(request: Request) -> Document:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise Turned(413, "too_large", f"an entry has at most {MAX_BODY} bytes")
    try:
        document = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError:
        raise Turned(400, "not_json", "the body is no JSON") from None
    if not isinstance(document, dict):
        raise Turned(400, "not_an_object", "the body must be a JSON object")
    return document


def _reading(made: _Maker, desk: DirectoryDesk) -> list[BaseRoute]:
    def all_of_it(_at: Mapping[str, str], _body: Document, _key: ApiKey) -> tuple[int, object]:
        directory = desk.directory
        counts = {"people": len(directory.people), "customers": len(directory.customers)}
        return 200, {"version": directory.version, "fallback": directory.fallback, **counts}

    def gaps(_at: Mapping[str, str], _body: Document, _key: ApiKey) -> tuple[int, object]:
        found = desk.gaps()
        listed = [{"kind": gap.kind, "subject": gap.subject, "said": gap.said.model_dump()} for gap in found[:MAX_GAPS]]
        return 200, {"count": len(found), "gaps": listed}

    def person(at: Mapping[str, str], _body: Document, _key: ApiKey) -> tuple[int, object]:
        directory = desk.directory
        if at["person"] not in directory.people:
            raise Missing(at["person"])
        return 200, person_as_data(directory, at["person"])

    def customer(at: Mapping[str, str], _body: Document, _key: ApiKey) -> tuple[int, object]:
        directory = desk.directory
        if at["customer"] not in directory.customers:
            raise Missing(at["customer"])
        return 200, customer_as_data(directory, at["customer"])

    return [
        made("GET", "", all_of_it),
        made("GET", "/gaps", gaps),
        made("GET", "/people/{person}", person),
        made("GET", "/customers/{customer}", customer),
    ]


def _people(made: _Maker, desk: DirectoryDesk) -> list[BaseRoute]:
    def put(at: Mapping[str, str], body: Document, key: ApiKey) -> tuple[int, object]:
        return _changed(desk.put_person(ListedPerson.model_validate({**body, "id": at["person"]}), key.actor))

    def drop(at: Mapping[str, str], _body: Document, key: ApiKey) -> tuple[int, object]:
        return _changed(desk.drop_person(at["person"], key.actor))

    def department(at: Mapping[str, str], body: Document, key: ApiKey) -> tuple[int, object]:
        listed = ListedDepartment.model_validate({**body, "id": at["department"]})
        return _changed(desk.put_department(listed, key.actor))

    return [
        made("PUT", "/people/{person}", put),
        made("DELETE", "/people/{person}", drop),
        made("PUT", "/departments/{department}", department),
    ]


def _absences(made: _Maker, desk: DirectoryDesk) -> list[BaseRoute]:
    def put(at: Mapping[str, str], body: Document, key: ApiKey) -> tuple[int, object]:
        listed = ListedAbsence.model_validate({**body, "person": at["person"]})
        return _changed(desk.put_absence(listed, key.actor))

    def drop(at: Mapping[str, str], _body: Document, key: ApiKey) -> tuple[int, object]:
        return _changed(desk.drop_absence(at["person"], _INSTANT.validate_python(at["start"]), key.actor))

    return [
        made("POST", "/people/{person}/absences", put),
        made("DELETE", "/people/{person}/absences/{start}", drop),
    ]


def _customers(made: _Maker, desk: DirectoryDesk) -> list[BaseRoute]:
    def put(at: Mapping[str, str], body: Document, key: ApiKey) -> tuple[int, object]:
        return _changed(desk.put_customer(ListedCustomer.model_validate({**body, "id": at["customer"]}), key.actor))

    def drop(at: Mapping[str, str], _body: Document, key: ApiKey) -> tuple[int, object]:
        return _changed(desk.drop_customer(at["customer"], key.actor))

    def owner(at: Mapping[str, str], body: Document, key: ApiKey) -> tuple[int, object]:
        return _changed(desk.set_owner(at["customer"], Owner.model_validate(body).owner, key.actor))

    return [
        made("PUT", "/customers/{customer}", put),
        made("DELETE", "/customers/{customer}", drop),
        made("PUT", "/customers/{customer}/owner", owner),
    ]


def _methods(made: _Maker, verifier: Verifier) -> list[BaseRoute]:
    def send(at: Mapping[str, str], body: Document, _key: ApiKey) -> tuple[int, object]:
        entered = Entered.model_validate(body)
        return _answered(verifier.send(at["person"], at["channel"], entered.address))

    def confirm(at: Mapping[str, str], body: Document, _key: ApiKey) -> tuple[int, object]:
        entered = Entered.model_validate(body)
        return _answered(verifier.confirm(at["person"], at["channel"], entered.code, entered.address))

    return [
        made("POST", "/people/{person}/methods/{channel}/code", send),
        made("POST", "/people/{person}/methods/{channel}/confirm", confirm),
    ]


def _trying(made: _Maker, button: Button) -> list[BaseRoute]:
    def press(at: Mapping[str, str], body: Document, _key: ApiKey) -> tuple[int, object]:
        entered = Entered.model_validate(body)
        try:
            tried = button.press(at["person"], at["channel"], entered.address)
        except NoSuchMethod:
            return _answered(Answer.UNKNOWN_METHOD)
        return 200, {"channel": tried.channel, "outcome": tried.outcome, "said": tried.said}

    return [made("POST", "/people/{person}/methods/{channel}/test", press)]


def _changed(changed: Changed) -> tuple[int, object]:
    """Gaps do not keep a change out; how many there are is told."""
    return 200, {"version": changed.version, "gaps": len(changed.gaps)}


def _answered(answer: Answer) -> tuple[int, object]:
    return _STATUS[answer], {"answer": answer.value}


def _problem(status: int, code: str, message: str) -> JSONResponse:
    headers = {"WWW-Authenticate": 'Bearer realm="bellwether"'} if status == 401 else None
    return JSONResponse({"error": code, "message": message}, status, headers)


def _sentence(error: ValidationError) -> str:
    """What is wrong with which field; never what was sent there, which may be an address."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg'].removeprefix('Value error, ')}"

"""PURE what an HTTP body holds: events to send on, and refusals with their reasons. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import unquote

import msgspec
import orjson

from schemas import codec
from schemas.codec import MAX_EVENT_BYTES, FieldError, InvalidEvent
from schemas.events import Event, Retraction
from schemas.privacy import excerpt
from schemas.topics import Topics
from services.ingest.ids import Joining, Waiting, names_another
from services.ingest.keys import NOT_ALLOWED, is_foreign
from services.ingest.lines import Line
from services.ingest.records import Hide, Record, Refusal, as_it_came, dead_letters, event_record
from services.ingest.splitting import array_elements
from services.ingest.treating import ANYBODY, Coming, Foresee, Sender, Treatment, Waits

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_BATCH_EVENTS = 2000

JSON_TYPES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")
LINES_TYPES = ("application/x-ndjson", "application/jsonl")
UTF_8 = ("utf-8", "utf8", "us-ascii")


class Verdict(msgspec.Struct, frozen=True):
    """What became of one event. `code` is `ok`, or the stable code of the refusal, or why it `waits`."""

    index: int
    event_id: str | None
    source: str | None
    code: str = "ok"
    errors: tuple[FieldError, ...] = ()
    ignored_fields: tuple[str, ...] = ()
    waits: bool = False

    @property
    def accepted(self) -> bool:
        """Whether it goes on the topic now."""
        return self.code == "ok"

    @property
    def status(self) -> Literal["accepted", "waiting", "rejected"]:
        """In a word."""
        if self.accepted:
            return "accepted"
        return "waiting" if self.waits else "rejected"


@dataclass(slots=True)
class Judgement:
    """One verdict for each event of the body in its order, and what has to be durable before the answer: records on
    their topics, events that wait, and who was merged."""

    verdicts: list[Verdict] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    joinings: list[Joining] = field(default_factory=list)

    def number_of(self, status: Literal["accepted", "waiting", "rejected"]) -> int:
        """How many events were judged so."""
        return [verdict.status for verdict in self.verdicts].count(status)

    @property
    def rejected(self) -> int:
        """How many events were refused."""
        return self.number_of("rejected")

    def accept(self, verdict: Verdict, coming: Coming, topics: Topics, written: bytes | None = None) -> None:
        """The event goes on its topic; `written`: its document as JSON, where that is at hand. Raises InvalidEvent when
        it has become too large."""
        event = coming.event
        value = bytes_on_topic(coming.document, event, verdict.ignored_fields, written)
        record = event_record(event, value, topics)
        self.records.append(record)
        self.verdicts.append(verdict)
        merged = names_another(event)
        if merged is not None and merged != event.subject:
            self.joinings.append(Joining(verdict.index, merged, str(event.subject), record))


class BadBody(Exception):
    """A body that holds no events at all: nothing of it is accepted.

    `records` are its dead letters. They are empty where the sender plainly still has the bytes and we never read them
    all (too large, too slow, wrong content type).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        records: list[Record] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`headers` are those of the answer."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.records = records or []
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Post:
    """One request: its body in full, the header names in lower case, and when it came."""

    body: bytes
    headers: Mapping[str, str]
    received_at: datetime

    @property
    def content_type(self) -> str:
        """As sent, or empty."""
        return self.headers.get("content-type", "")


def kind_of(content_type: str) -> str:
    """One of JSON_TYPES or LINES_TYPES; raises BadBody (415) for what is no JSON in UTF-8."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if kind not in JSON_TYPES + LINES_TYPES:
        wanted = ", ".join(JSON_TYPES + LINES_TYPES)
        raise BadBody(415, "unsupported_media_type", f'the content type is "{excerpt(kind, 80)}"; send one of {wanted}')
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in UTF_8:
            raise BadBody(415, "unsupported_media_type", "JSON is sent in UTF-8; leave the charset out")
    return kind


def judge(
    post: Post,
    topics: Topics,
    treatments: Sequence[Treatment] = (),
    sender: Sender = ANYBODY,
    hide: Hide = as_it_came,
) -> Judgement:
    """Judge every event of a body: one event, an array of them, or one in binary mode (ce-… headers). What is valid
    goes through the treatments, in their order; what is refused through `hide`.

    Raises BadBody when the body is not JSON, or not said to be, or has too many events.
    """
    kind_of(post.content_type)
    court = _Court(post, topics, treatments, sender, hide)
    if codec.is_binary(post.headers):
        court.judge_binary()
        return court.judgement
    document = _loads(post, topics)
    court.show(document if isinstance(document, list) else [document])
    if isinstance(document, list):
        court.judge_batch(document)
    else:
        court.judge_one(0, document, post.body)
    return court.judgement


def judge_lines(
    lines: Sequence[Line],
    post: Post,
    topics: Topics,
    treatments: Sequence[Treatment] = (),
    sender: Sender = ANYBODY,
    hide: Hide = as_it_came,
) -> Judgement:
    """Judge an event a line; a verdict's index is the line's number. Of `post` the headers and the time are used."""
    court = _Court(post, topics, treatments, sender, hide)
    documents = [_decoded(line) for line in lines]
    court.show([document for document in documents if not isinstance(document, InvalidEvent)])
    for line, document in zip(lines, documents, strict=True):
        court.judge_line(line, document)
    return court.judgement


def rejudged(value: bytes, treatments: Sequence[Treatment], topics: Topics) -> Judgement:
    """Of one event that was judged before and had to wait. Raises InvalidEvent, Waits and what treatments raise."""
    document = codec.loads(value)
    coming = Coming(codec.parse(document), document)
    for treat in treatments:
        coming = treat(coming, ANYBODY)
    judgement = Judgement()
    judgement.accept(Verdict(0, coming.event.id, coming.event.source), coming, topics)
    return judgement


def _decoded(line: Line) -> Any:
    """What is on it, or why that is no JSON."""
    if line.raw is None:
        # Nobody holds its bytes: it was thrown away as it came.
        return InvalidEvent("too_large", f"the line has more than {MAX_EVENT_BYTES} bytes, the most of an event")
    try:
        return codec.loads(line.raw)
    except InvalidEvent as problem:
        return problem


def _loads(post: Post, topics: Topics) -> Any:
    try:
        return codec.loads(post.body)
    except InvalidEvent as problem:
        refusal = Refusal(post.body, problem, {})
        letters = dead_letters(refusal, post.received_at, post.content_type, topics)
        raise BadBody(400, problem.code, problem.message, letters) from None


class _Court:
    """Judges the events of one post, collecting verdicts and records."""

    def __init__(self, post: Post, topics: Topics, treatments: Sequence[Treatment], sender: Sender, hide: Hide) -> None:
        self._post = post
        self._hide = hide
        self._topics = topics
        self._treatments = treatments
        self._sender = sender
        self.judgement = Judgement()

    def show(self, documents: list[Any]) -> None:
        for treat in self._treatments:
            # To ask whether it is a Foresees takes as long as to decode an event.
            foresee: Foresee | None = getattr(treat, "foresee", None)
            if foresee is not None:
                foresee(documents)

    def judge_batch(self, documents: list[Any]) -> None:
        if len(documents) > MAX_BATCH_EVENTS:
            sentence = f"the batch has {len(documents)} events; at most {MAX_BATCH_EVENTS} are taken at once: split it"
            raise BadBody(413, "batch_too_long", sentence)
        originals: list[bytes] = []
        for index, document in enumerate(documents):
            try:
                self._accept(index, document)
            except InvalidEvent as problem:
                # Only now, for most batches have no invalid event.
                originals = originals or array_elements(self._post.body)
                self._refuse(index, problem, originals[index], {})

    def judge_one(self, index: int, document: Any, raw: bytes) -> None:
        try:
            self._accept(index, document)
        except InvalidEvent as problem:
            self._refuse(index, problem, raw, {})

    def judge_line(self, line: Line, document: Any) -> None:
        if line.raw is None:
            errors = (FieldError("event", document.message),)
            self.judgement.verdicts.append(Verdict(line.number, None, None, document.code, errors))
        elif isinstance(document, InvalidEvent):
            self._refuse(line.number, document, line.raw, {})
        else:
            self.judge_one(line.number, document, line.raw)

    def judge_binary(self) -> None:
        attributes = {
            name.replace("-", "_"): unquote(value)
            for name, value in self._post.headers.items()
            if name.startswith("ce-")
        }
        try:
            document = codec.binary_document(attributes, self._post.body)
            self.show([document])
            self._accept(0, document)
        except InvalidEvent as problem:
            self._refuse(0, problem, self._post.body, attributes)

    def _accept(self, index: int, document: Any) -> None:
        written = _written(document)
        event = codec.parse(document) if written is None else codec.parse_written(document, written)
        ignored = tuple(codec.unknown_fields(document, event))
        coming = Coming(event, document)
        for treat in self._treatments:
            try:
                coming = treat(coming, self._sender)
            except Waits as waits:
                self._wait(index, waits, coming, ignored)
                return
        verdict = Verdict(index, event.id, event.source, ignored_fields=ignored)
        self.judgement.accept(verdict, coming, self._topics, written if coming.document is document else None)

    def _wait(self, index: int, waits: Waits, coming: Coming, ignored: tuple[str, ...]) -> None:
        event = coming.event
        value = bytes_on_topic(coming.document, event, ignored)
        self.judgement.waiting.append(Waiting(index, waits.source, waits.external_id, event.id, value))
        verdict = Verdict(index, event.id, event.source, waits.code, ignored_fields=ignored, waits=True)
        self.judgement.verdicts.append(verdict)

    def _refuse(self, index: int, problem: InvalidEvent, raw: bytes, attributes: Mapping[str, str]) -> None:
        errors = problem.errors or (FieldError("event", problem.message),)
        self.judgement.verdicts.append(Verdict(index, problem.event_id, problem.source, problem.code, errors))
        if problem.code == NOT_ALLOWED or is_foreign(problem.source, self._sender):
            # No dead letter: replayed by somebody who may say it, it would be said after all.
            return
        refusal = Refusal(raw, problem, attributes)
        self.judgement.records += dead_letters(
            refusal, self._post.received_at, self._post.content_type, self._topics, self._hide
        )


def bytes_on_topic(
    document: dict[str, Any], event: Event, ignored: tuple[str, ...], written: bytes | None = None
) -> bytes:
    """The event as it was sent (`written`, if it is at hand), or, where something must be kept out of it, as its model
    writes it."""
    kept_out = ignored or isinstance(event, Retraction)
    value = codec.encode(event) if kept_out else written or _as_json(document)
    if len(value) > MAX_EVENT_BYTES:
        sentence = f"the event has {len(value)} bytes; at most {MAX_EVENT_BYTES} are accepted"
        raise InvalidEvent("too_large", sentence, (), event.id, event.source)
    return value


def _written(document: Any) -> bytes | None:
    """A document as it would go on the topic; None for what is none, or none that can be written."""
    try:
        return _as_json(document)
    except TypeError:
        # Nested so deep that only the codec's words are left to be said of it.
        return None


def _as_json(document: dict[str, Any]) -> bytes:
    return orjson.dumps({"specversion": "1.0", **document})

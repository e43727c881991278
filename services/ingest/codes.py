"""PURE every code that ingest answers with: what it means, and what its receiver is to do. docs/http.md lists them."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """`statuses` are those of answers that carry it, "" for a code of one event among others."""

    name: str
    statuses: str
    means: str
    do: str


_MEND = "Mend it in the system that sends, and send it again"
_AGAIN = "Send the same again after `Retry-After` seconds"

EVENT_CODES = (
    Code("ok", "", "The event is on its topic, acknowledged by all in-sync replicas", "Nothing: do not send it again"),
    Code(
        "unknown_customer",
        "",
        "Nobody has said yet whose the id is: the event is kept, and goes on its topic once it is known",
        "Say whose it is (`bellwether ids`); do not send it again",
    ),
    Code(
        "behind_others",
        "",
        "Earlier events of the customer wait or are being sent again, so this one is kept and follows them",
        "Nothing: do not send it again",
    ),
    Code("invalid", "", "A field is missing or wrong: `errors` says which, and what is wanted", _MEND),
    Code("unknown_type", "", "There is no event of that type", "Look the type up in `/openapi.json`"),
    Code("not_an_object", "", "The event is no JSON object", "Send one object an event"),
    Code("not_json", "400", "The body, the data of binary mode, or the line of a stream is no JSON", _MEND),
    Code("too_large", "", "The event has more than 900,000 bytes", "Leave out what is not in the schema"),
    Code("too_deep", "", "The event is nested more than 12 levels deep", "Leave out what is not in the schema"),
    Code("resident_id", "", "A Chinese resident-ID number stands in it, which is not stored", "Leave it out"),
    Code(
        "personal_data", "", "A phone number, e-mail address or bank account where none belongs", "See docs/privacy.md"
    ),
    Code("sealed", "", "A field holds a sealed text that is not of its place", "Send the text as it is"),
    Code("forgotten", "", "The customer was forgotten on purpose", "Do not send it"),
    Code("not_allowed", "403", "The key does not cover this source, type or customer", "Use the key made for it"),
    Code("only_through_ingest", "", "An import that writes to Kafka itself met `customer.merged`", "Send it by HTTP"),
    Code("merge_refused", "", "The two customers cannot be joined: the error says why", _MEND),
    Code("id_reused", "", "The id was used by the same source for another body", "Give each event an id of its own"),
    Code("several", "422", "Events were refused for more than one reason", "Read each result"),
)
"""Of one event, or of a request whose events all have it."""

REQUEST_CODES = (
    Code("broken_gzip", "400", "The body is not the gzip that `Content-Encoding` says it is, or was cut", _MEND),
    Code("bad_query", "400", "A parameter of the query has a value that is none of its own", "See the parameter"),
    Code("bad_idempotency_key", "400", "The `Idempotency-Key` is none, or none is taken here", "Send a UUID, or none"),
    Code("disconnected", "400", "The connection ended before the body did", "Send it again"),
    Code("unauthorized", "401", "No key, or one that does not work", "Ask whoever runs Bellwether for a key"),
    Code("admin_only", "403", "This needs a key that was made with `--admin`", "Use such a key"),
    Code("not_found", "404", "There is nothing at that address", "Look the address up in `/openapi.json`"),
    Code("method_not_allowed", "405", "That address does not take this method", "Look it up in `/openapi.json`"),
    Code("body_too_slow", "408", "The body, or the next piece of a stream, did not come within 60 s", "Send it again"),
    Code("header_too_slow", "408", "The request's header did not come within 10 s", "Send it again"),
    Code("idempotency_key_in_use", "409", "The first request with this key is still at work", _AGAIN),
    Code("id_taken", "409", "The id belongs to another customer", "See docs/identity.md"),
    Code("not_waiting", "409", "Somebody has decided about the dead letter already", "See docs/dead-letters.md"),
    Code("count_differs", "409", "There are more or fewer such dead letters than was said", "Count them again"),
    Code("body_too_large", "413", "The body has more than 4 MiB, out of its gzip", "Send less at once, or a stream"),
    Code("batch_too_long", "413", "The array has more than 2,000 events", "Send less at once, or a stream"),
    Code("unsupported_media_type", "415", "The content type is none that is taken", "Send one that the answer names"),
    Code("unsupported_encoding", "415", "The content encoding is not gzip", "Send gzip, or none"),
    Code("idempotency_key_reused", "422", "The key was used for another body", "Take a new key for each new request"),
    Code("bad_edit", "422", "The event that is to be kept is no JSON, or holds what is not kept", "Send another"),
    Code("too_wide", "422", "Neither a source nor a code of dead letters was named", "Name one"),
    Code("too_many_events", "429", "The sender may not send so many events a second", _AGAIN),
    Code("header_too_large", "431", "The request's header has more than 32 KiB", "Send fewer or shorter headers"),
    Code("internal", "500", "An error of ours; nothing is claimed", "Send it again later, and tell us"),
    Code("http_error", "any other", "What the status says", "See the status"),
    Code("broker_unavailable", "503", "Kafka does not answer: nothing is claimed to be durable", _AGAIN),
    Code("spool_full", "503", "Kafka is away, and the disk space for events that wait is used up", _AGAIN),
    Code("overloaded", "503", "More events are waiting for Kafka than may wait", _AGAIN),
    Code("database_unavailable", "503", "Ingest's database does not answer", _AGAIN),
    Code("keys_unavailable", "503", "The keys that seal personal fields cannot be read now", _AGAIN),
    Code("keys_unknown", "503", "The senders' keys cannot be checked now", _AGAIN),
    Code("ids_are_changing", "503", "Whose the ids are is being changed at this moment", _AGAIN),
    Code("too_many_waiting", "503", "Too many events wait for whose they are", "Say whose the ids are, then as above"),
)
"""Of a request as a whole: nothing of it is claimed."""


def table(codes: tuple[Code, ...]) -> str:
    """The codes as a table in Markdown."""
    rows = [f"| `{code.name}` | {code.statuses} | {code.means} | {code.do} |" for code in codes]
    return "\n".join(["| code | status | means | what to do |", "|---|---|---|---|", *rows])

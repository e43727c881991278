"""The directory in SQL: what each source claims, and by version what holds of it. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Table, bindparam, func, insert, select, tuple_, update

from services.notifier import recording
from services.notifier.directory_entries import Book, Claim, Said, holds
from services.notifier.directory_tables import directory_claims, directory_entries, directory_files, directory_versions
from services.notifier.people import Directory

CHUNK = 400
"""Entries looked up in one statement: SQLite takes some thousands of values at most."""

MANY = 5000
"""From so many entries on the whole table is read at once, which is quicker."""

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""From when on a claim is that counts for nothing: whatever another source says is newer."""

TICK = timedelta(microseconds=1)

Key = tuple[str, str]


@dataclass(frozen=True)
class Version:
    """One change of the directory: `changes` entries were, by `actor`, because `source` said so."""

    id: int
    at: datetime
    source: str
    actor: str
    changes: int


@dataclass(frozen=True)
class _Kept:
    """A row of claims."""

    at: datetime
    text: str | None


def claim(
    tx: Connection, source: str, said: Sequence[Said], now: datetime, actor: str, *, prune: bool = False
) -> Version | None:
    """A source says these things from now on; None when nothing that holds is another for it.

    Only what the source had not said yet counts: a file that is read again changes nothing, and so does not undo what
    others have said since. With `prune`, what the source said before and says no more is gone; an owner that it names
    no more is not gone but unsaid: what others say counts.
    """
    wanted: dict[Key, str | None] = {one.key: text_of(one.body) for one in said}
    before = _claims_of(tx, source, None if prune or len(wanted) > MANY else list(wanted))
    gone: set[Key] = set()
    if prune:
        # A fallback is named or not; leaving the line out does not take it away.
        gone = {key for key, kept in before.items() if kept.text is not None and key[0] != "fallback"} - wanted.keys()
        wanted.update(dict.fromkeys(gone))
    unsaid = {key for key in gone if key[0] == "owner"}
    changed = {key: text for key, text in wanted.items() if key not in before or before[key].text != text}
    heard = _heard(tx, list(changed))
    # Said after all that is known of the entry, even where the clock stands still or was put back.
    since = {key: max(now, heard[key] + TICK) if key in heard else now for key in changed}
    news = {key: (text, NEVER if key in unsaid else since[key]) for key, text in changed.items()}
    return _write(tx, source, news, set(before), now, actor)


def claim_again(
    tx: Connection, source: str, said: Sequence[tuple[Said, datetime]], now: datetime, actor: str
) -> Version | None:
    """A source says these things, each from its own instant on, in place of whatever it said of them before."""
    wanted: dict[Key, tuple[str | None, datetime]] = {one.key: (text_of(one.body), at) for one, at in said}
    before = _claims_of(tx, source, list(wanted))
    news = {k: v for k, v in wanted.items() if k not in before or (before[k].text, before[k].at) != v}
    return _write(tx, source, news, set(before), now, actor)


def _write(
    tx: Connection,
    source: str,
    news: Mapping[Key, tuple[str | None, datetime]],
    known: set[Key],
    now: datetime,
    actor: str,
) -> Version | None:
    old = [{"k": key[0], "i": key[1], "text": text, "since": at} for key, (text, at) in news.items() if key in known]
    new = [
        {"kind": key[0], "id": key[1], "source": source, "body": text, "at": at}
        for key, (text, at) in news.items()
        if key not in known
    ]
    table = directory_claims.c
    if old:
        same = table.kind == bindparam("k"), table.id == bindparam("i"), table.source == source
        tx.execute(update(directory_claims).where(*same).values(body=bindparam("text"), at=bindparam("since")), old)
    if new:
        tx.execute(insert(directory_claims), new)
    return _settle(tx, list(news), source, actor, now) if news else None


def _settle(tx: Connection, keys: Sequence[Key], source: str, actor: str, now: datetime) -> Version | None:
    """Find out what holds of these entries, and write what is another now as the next version."""
    claims = _claims_by_key(tx, keys)
    current = dict(_current(tx, keys))
    news = []
    for key in keys:
        chosen = holds(claims.get(key, ()))
        text = text_of(chosen.body) if chosen else None
        if text != current.get(key):
            news.append((key, text, chosen.source if chosen else source))
    if not news:
        return None
    made = insert(directory_versions).values(at=now, source=source, actor=actor, changes=len(news))
    version = tx.execute(made.returning(directory_versions.c.id)).scalar_one()
    table = directory_entries.c
    over = [{"k": kind, "i": id} for (kind, id), _, _ in news if (kind, id) in current]
    if over:
        same = table.kind == bindparam("k"), table.id == bindparam("i"), table.current
        tx.execute(update(directory_entries).where(*same).values(current=False), over)
    rows = [
        {"kind": kind, "id": id, "version": version, "current": True, "source": by, "body": text}
        for (kind, id), text, by in news
    ]
    tx.execute(insert(directory_entries), rows)
    recording.directory_changed(tx, version, source, actor, [(kind, id, text) for (kind, id), text, _ in news], now)
    return Version(version, now, source, actor, len(news))


def last_version(tx: Connection) -> int:
    """The number of the newest version, 0 while there is none."""
    return tx.execute(select(func.max(directory_versions.c.id))).scalar() or 0


def versions(tx: Connection, limit: int = 20) -> list[Version]:
    """The newest changes first."""
    table = directory_versions.c
    query = select(table.id, table.at, table.source, table.actor, table.changes).order_by(table.id.desc()).limit(limit)
    return [Version(*row) for row in tx.execute(query)]


def fill(tx: Connection, book: Book, since: int = 0, until: int | None = None) -> int:
    """Bring a book that knows version `since` up to date, or to version `until`; the version that it has then."""
    table = directory_entries.c
    last = last_version(tx) if until is None else until
    query = select(table.kind, table.id, table.body)
    if since == 0 and until is None:
        query = query.where(table.current)
    else:
        query = query.where(table.version > since, table.version <= last).order_by(table.version)
    for kind, id, text in tx.execute(query):
        book.put(kind, id, None if text is None else orjson.loads(text))
    return last


def read(tx: Connection, version: int | None = None) -> Directory | None:
    """The whole directory, now or as of a version; None while nothing was imported, or no fallback is known."""
    book = Book()
    return book.directory(fill(tx, book, until=version))


def proofs(tx: Connection, methods: Sequence[str]) -> dict[str, datetime]:
    """When a code proved which of these addresses, named by their method_id."""
    found: dict[str, datetime] = {}
    for (_kind, id), text in _current(tx, [("verified", method) for method in methods]):
        if text is not None:
            found[id] = datetime.fromisoformat(orjson.loads(text)["at"])
    return found


def file_digest(tx: Connection, source: str) -> str | None:
    """Of the file as the source was last imported from it."""
    return tx.execute(select(directory_files.c.digest).where(directory_files.c.source == source)).scalar()


def note_file(tx: Connection, source: str, digest: str, now: datetime) -> None:
    """The file was imported."""
    known = directory_files.c.source == source
    if tx.execute(update(directory_files).where(known).values(digest=digest, at=now)).rowcount == 0:
        tx.execute(insert(directory_files).values(source=source, digest=digest, at=now))


def _claims_of(tx: Connection, source: str, keys: Sequence[Key] | None) -> dict[Key, _Kept]:
    """All that the source claims, or what it claims of some entries."""
    table = directory_claims.c
    query = select(table.kind, table.id, table.at, table.body).where(table.source == source)
    rows: Iterable[Any] = tx.execute(query) if keys is None else _among(tx, query, directory_claims, keys)
    return {(kind, id): _Kept(at, text) for kind, id, at, text in rows}


def _heard(tx: Connection, keys: Sequence[Key]) -> dict[Key, datetime]:
    """When the newest claim on each entry was made."""
    table = directory_claims.c
    found: dict[Key, datetime] = {}
    for kind, id, at in _among(tx, select(table.kind, table.id, table.at), directory_claims, keys):
        found[kind, id] = max(at, found.get((kind, id), at))
    return found


def _claims_by_key(tx: Connection, keys: Sequence[Key]) -> dict[Key, list[Claim]]:
    table = directory_claims.c
    query = select(table.kind, table.id, table.source, table.at, table.body)
    found: dict[Key, list[Claim]] = {}
    for kind, id, source, at, text in _among(tx, query, directory_claims, keys):
        body = None if text is None else orjson.loads(text)
        found.setdefault((kind, id), []).append(Claim(source, at, body))
    return found


def _current(tx: Connection, keys: Sequence[Key]) -> Iterator[tuple[Key, str | None]]:
    table = directory_entries.c
    query = select(table.kind, table.id, table.body).where(table.current)
    for kind, id, text in _among(tx, query, directory_entries, keys):
        yield (kind, id), text


def _among(tx: Connection, query: Any, table: Table, keys: Sequence[Key]) -> Iterable[Any]:
    """The rows of a query that are about these entries, and of others too where they are many."""
    if len(keys) > MANY:
        yield from tx.execute(query)
        return
    for start in range(0, len(keys), CHUNK):
        wanted = tuple_(table.c.kind, table.c.id).in_(keys[start : start + CHUNK])
        yield from tx.execute(query.where(wanted))


def text_of(body: object) -> str | None:
    """A body as it is kept; None: the entry is gone."""
    return None if body is None else orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()

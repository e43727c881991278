"""Pages that could not be delivered: the list, and what people decide about each. In the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from schemas.warnings import Bilingual
from services.notifier import outbox, store
from services.notifier.delivering import Queued
from services.notifier.outbox import LOST
from services.notifier.people import Directory
from services.notifier.tables import cases, pages
from services.notifier.views import Refusal, UndeliveredView

MAX_ROWS = 1000
MAX_REASON = 500
MAX_NAME = 100


def _open() -> tuple[ColumnElement[bool], ...]:
    return pages.c.state.in_(LOST), pages.c.handled_at.is_(None)


def count(tx: Connection) -> int:
    """How many nobody has decided about."""
    return tx.execute(select(func.count()).where(*_open())).scalar_one()


def listed(tx: Connection, directory: Directory, *, handled: bool = False, limit: int = 200) -> list[UndeliveredView]:
    """Failed pages and those in doubt that nobody has decided about, newest first; `handled`: those somebody has."""
    which = (pages.c.handled_at.is_not(None),) if handled else _open()
    query = select(pages, cases.c.customer_id, cases.c.customer_name).outerjoin(cases, cases.c.id == pages.c.case_id)
    rows = tx.execute(query.where(*which).order_by(pages.c.updated_at.desc(), pages.c.id).limit(min(limit, MAX_ROWS)))
    found = []
    for row in rows.mappings():
        person = directory.people.get(row["person"])
        view = UndeliveredView(
            id=row["id"],
            state=row["state"],
            person=row["person"],
            person_name=person.name if person else row["person"],
            channel=row["channel"],
            kind=row["kind"],
            critical=row["critical"],
            case_id=row["case_id"],
            customer_name=row["customer_name"] or "",
            warning_id=row["warning_id"],
            error=row["error"] or "",
            attempts=row["attempts"],
            written_at=row["created_at"],
            lost_at=row["updated_at"],
            handled_by=row["handled_by"],
            handled_at=row["handled_at"],
            note=row["handled_note"] or "",
        )
        found.append(view)
    return found


def retry(tx: Connection, page_id: int, by: str, note: str, now: datetime) -> Refusal | None:
    """Have it sent again, as if it had not been tried; why not, if not. One in doubt may arrive twice then."""
    page = _decided_on(tx, page_id)
    if isinstance(page, Refusal):
        return page
    if store.withdrawn_among(tx, [page.warning_id]) and page.kind != "withdrawn":
        return _refusal("withdrawn", "该预警已撤回，无需再发。", "Its warning is withdrawn: nobody needs it any more.")
    outbox.send_again(tx, page_id, by[:MAX_NAME], note[:MAX_REASON], now)
    return None


def drop(tx: Connection, page_id: int, by: str, reason: str, now: datetime) -> Refusal | None:
    """Nobody will send it, for a reason; why not, if not."""
    if not reason.strip():
        return _refusal("reason", "请说明理由。", "Please give a reason.")
    page = _decided_on(tx, page_id)
    if isinstance(page, Refusal):
        return page
    outbox.mark_dropped(tx, page_id, by[:MAX_NAME], reason.strip()[:MAX_REASON], now)
    return None


def _decided_on(tx: Connection, page_id: int) -> Queued | Refusal:
    found = select(pages.c.id).where(pages.c.id == page_id, *_open())
    page = outbox.find(tx, page_id) if tx.execute(found).first() else None
    if page is None:
        zh, en = f"没有待处理的通知 {page_id}。", f"There is no undelivered page {page_id} that waits for a decision."
        return _refusal("no_page", zh, en)
    return page


def _refusal(code: str, zh: str, en: str) -> Refusal:
    return Refusal(code, Bilingual(zh=zh, en=en))

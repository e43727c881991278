"""The reader's own pages: messages that the local channel keeps, and the list of tasks."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from schemas.warnings import SEVERITIES
from services.notifier.console.gate import Visit
from services.notifier.desk import NotFound, Refused
from services.notifier.views import TaskView

SHOWN_MESSAGES = 100
SHOWN_OVER = 100


def show_inbox(visit: Visit) -> Response:
    """Messages to the reader, newest first. Showing them does not mark them as read: a GET changes nothing."""
    return visit.page("inbox.html", "inbox", messages=visit.desk.inbox(visit.person.id, SHOWN_MESSAGES))


def mark_read(visit: Visit) -> Response:
    """Marks one message as read, or with the id `all` every one that is shown."""
    wanted = visit.call.params["message_id"]
    if wanted == "all":
        messages = visit.desk.inbox(visit.person.id, SHOWN_MESSAGES)
        ids = [message.id for message in messages if not message.read]
    elif wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
        ids = [int(wanted)]
    else:
        raise NotFound
    for message_id in ids:
        visit.desk.mark_read(message_id, visit.person.id)
    return visit.done("/inbox", "read")


def show_tasks(visit: Visit) -> Response:
    """The reader's tasks: the open ones, or those that are over."""
    return _tasks_page(visit)


def _tasks_page(visit: Visit, problems: tuple[str, ...] = ()) -> Response:
    over = visit.call.query.get("state") == "over"
    tasks = visit.desk.list_tasks(visit.person.id, finished=True)
    still_open = [task for task in tasks if task.status == "open"]
    shown = [task for task in tasks if task.status != "open"][:SHOWN_OVER] if over else in_order(still_open)
    todos = [] if over else visit.desk.list_todos(visit.person.id)
    return visit.page("tasks.html", "tasks", problems, tasks=shown, todos=todos, over=over, open=len(still_open))


def in_order(tasks: Sequence[TaskView]) -> list[TaskView]:
    """The gravest first, then the newest."""
    newest_first = sorted(tasks, key=lambda task: task.created_at, reverse=True)
    return sorted(newest_first, key=lambda task: -SEVERITIES.index(task.warning.severity))


def finish_task(visit: Visit) -> Response:
    """Marks a task as done; the desk knows who may."""
    try:
        visit.desk.finish_task(visit.call.params["task_id"], visit.person.id)
    except Refused as refused:
        return _tasks_page(visit, tuple(visit.texts.of(reason.text) for reason in refused.reasons))
    return visit.done("/tasks", "finished")

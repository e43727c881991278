"""PURE: a message as text and as HTML: paragraphs, then rows of a label with its lines, then a link."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from services.notifier.people import Language

Row = tuple[str, list[str]]
"""A label and the lines below it."""

End = tuple[str, str]
"""What the link at the end is called, and the link."""


def plain(paragraphs: Sequence[str], rows: Sequence[Row], end: End) -> str:
    """The message as text, with a blank line between its parts."""
    blocks = ["\n".join(paragraphs)]
    blocks += [f"{label}\n" + "\n".join(f"  {line}" for line in lines) for label, lines in rows]
    blocks.append(f"{end[0]}: {end[1]}")
    return "\n\n".join(blocks) + "\n"


def marked_up(paragraphs: Sequence[str], rows: Sequence[Row], end: End, language: Language) -> str:
    """The message as an HTML page; everything in it is text."""
    head = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    body = "".join(f"<dt><b>{escape(label)}</b></dt>{_definitions(lines)}" for label, lines in rows)
    last = f'<p><a href="{escape(end[1])}">{escape(end[0])}: {escape(end[1])}</a></p>'
    tag = "zh-CN" if language == "zh" else "en"
    return f'<!doctype html><html lang="{tag}"><meta charset="utf-8"><body>{head}<dl>{body}</dl>{last}</body></html>'


def _definitions(lines: Sequence[str]) -> str:
    return "".join(f"<dd>{escape(line)}</dd>" for line in lines)

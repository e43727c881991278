"""PURE: what a page says, in its reader's language: what happened, why, since when, what to do, by when, and where.

contents.py has what is said, the templates how it stands in each shape of message. Contact details of anybody are never
part of a message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import TypedDict

from schemas import warnings as wire
from services.notifier.channels.base import Message
from services.notifier.channels.fitting import cut, utf8
from services.notifier.contents import About, Contents, Notice, Parts
from services.notifier.digests import MAX_LINES, digest_of
from services.notifier.escaping import Flavour, Link, Shape
from services.notifier.grouping import DIGEST
from services.notifier.linking import PERSONAL, Links
from services.notifier.people import Directory, Language, Person, Source, newest
from services.notifier.template_files import shipped
from services.notifier.templating import FORMS, Form, Part, Templates, names_of

__all__ = ["About", "Letters", "Notice"]

MARKDOWN_BYTES: dict[Flavour, int] = {"wecom": 4096, "dingtalk": 18_000, "feishu": 18_000, "slack": 3000}
"""What each takes of one message, with room for what is put around it; over it WeCom loses the message."""

SUMMARY_BYTES = 500
"""Of the shortest form: a line on a locked screen, or the summary of an incident."""

READ: dict[str, tuple[Flavour | None, tuple[Form, ...]]] = {
    "inbox": (None, ()),
    "webhook": (None, ()),
    "email": (None, ("html",)),
    "wecom_bot": ("wecom", ("markdown",)),
    "wecom_app": ("wecom", ("markdown",)),
    "dingtalk": ("dingtalk", ("markdown",)),
    "feishu": ("feishu", ("markdown",)),
    "slack": ("slack", ("markdown", "summary")),
    "pagerduty": (None, ("summary",)),
}
"""What each kind of channel reads of a message beside subject and text; of any other kind it is not known."""

_FEW_LINES = 4
_SHORT = 200


class Written(TypedDict):
    """What a message says in every shape but markdown."""

    subject: str
    text: str
    html: str
    summary: str


@dataclass(frozen=True)
class Letters:
    """Writes messages. `console_url` is where the console answers, without a slash at the end; `zone` the company's.
    `words` are those of the evidence; a value that has none is said as it is. `flavour` is the markdown of the channel,
    None where it takes none; `forms` are those it reads beside subject and text: the others stay empty. `acting` gives
    the links by which a reader acts on a page; channels that groups read have none."""

    people: Source
    console_url: str
    zone: tzinfo
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    templates: Templates = field(default_factory=shipped)
    flavour: Flavour | None = None
    forms: tuple[Form, ...] = FORMS
    acting: Links | None = None

    @property
    def directory(self) -> Directory:
        """The newest directory."""
        return newest(self.people)

    def for_channel(self, kind: str) -> Letters:
        """The same for a kind of channel: nothing is written that it does not read."""
        flavour, forms = READ.get(kind, (None, FORMS))
        return replace(self, flavour=flavour, forms=forms, acting=self.acting if kind in PERSONAL else None)

    def single(self, notice: Notice, to: Person) -> Message:
        """The message of one page."""
        contents = self.contents(to.language)
        signed = self.acting(notice, to, contents.directory) if self.acting is not None else {}
        page = contents.page(notice) | contents.acts(signed)
        special = (notice.warning.rule, notice.kind)
        written = self._written("page", page, to.language, special)
        return Message(
            key=notice.key,
            to=to,
            **written,
            case_id=notice.case_id,
            data=self._data(notice, contents),
            link=str(page["link"]),
            markdown=self.markdown(page, to.language, special),
        )

    def digest(self, notices: Sequence[Notice], to: Person) -> Message:
        """One message for many pages to one person: by customer, the gravest first, and no longer than a page."""
        contents = self.contents(to.language)
        chosen = digest_of(notices, contents.directory.customer_name)
        digest = contents.digest(chosen)
        lengths = (MAX_LINES, MAX_LINES // 2, MAX_LINES // 5, 1)
        shorter = (contents.digest(digest_of(notices, contents.directory.customer_name, most)) for most in lengths)
        data: dict[str, object] = {"kind": "digest", "pages": [self._data(one, contents) for one in chosen.ordered]}
        return Message(
            key=DIGEST + hashlib.sha256("\n".join(notice.key for notice in notices).encode()).hexdigest(),
            to=to,
            **self._written("digest", digest, to.language),
            data=data,
            link=str(digest["link"]),
            markdown=self._markdown("digest", shorter, to.language),
        )

    def contents(self, language: Language) -> Contents:
        """What the templates are given, in a language, by the newest directory."""
        return Contents(self.directory, self.console_url, self.zone, self.words, language)

    def markdown(self, page: Parts, language: Language, special: Sequence[str]) -> str:
        """A page in the channel's flavour, shortened until the channel takes it; empty where nothing helps."""
        return self._markdown("page", _shorter(page), language, special)

    def fill(self, part: Part, form: Form, parts: Parts, language: Language, special: Sequence[str] = ()) -> str:
        """One form of a message."""
        names = names_of(part, form, language, *special)
        return self.templates.fill(self._shape(form), names, self._values(part, parts, language))

    def _values(self, part: Part, parts: Parts, language: Language) -> dict[str, object]:
        return {part: parts, "language": language, "flavour": self.flavour or ""}

    def _written(self, part: Part, parts: Parts, language: Language, special: Sequence[str] = ()) -> Written:
        plain = self.templates.ready("plain", self._values(part, parts, language))

        def fill(form: Form) -> str:
            return self.templates.fill("plain", names_of(part, form, language, *special), plain)

        summary = " ".join(fill("summary").split()) if "summary" in self.forms else ""
        if utf8(summary) > SUMMARY_BYTES:
            summary = cut(summary, SUMMARY_BYTES - utf8("…")) + "…"
        html = self.fill(part, "html", parts, language, special) if "html" in self.forms else ""
        return {"subject": " ".join(fill("subject").split()), "text": fill("plain"), "html": html, "summary": summary}

    def _markdown(self, part: Part, versions: Iterator[Parts], language: Language, special: Sequence[str] = ()) -> str:
        """The longest version that the channel takes; empty where it takes no markdown, or none of them."""
        if self.flavour is None or "markdown" not in self.forms:
            return ""
        written = (self.fill(part, "markdown", parts, language, special) for parts in versions)
        return next((text for text in written if utf8(text) <= MARKDOWN_BYTES[self.flavour]), "")

    def _shape(self, form: Form) -> Shape:
        if form == "markdown" and self.flavour is not None:
            return self.flavour
        return "html" if form == "html" else "plain"

    def _data(self, notice: Notice, contents: Contents) -> dict[str, object]:
        return {
            "kind": notice.kind,
            "role": notice.role,
            "case_id": notice.case_id,
            **facts_of(notice.warning, contents.directory),
            "due": notice.due.isoformat() if notice.due else None,
            "value": contents.value(notice),
            "url": str(contents.link(notice)),
        }


def facts_of(warning: wire.Warning, directory: Directory) -> dict[str, object]:
    """What programs are told of a warning beside the text."""
    return {
        "customer_id": warning.customer_id,
        "customer": directory.customer_name(warning.customer_id),
        "warning_id": warning.id,
        "revision": warning.revision,
        "rule": warning.rule,
        "output": warning.output,
        "department": warning.department,
        "severity": warning.severity,
        "since": warning.start.isoformat(),
    }


def _shorter(page: Parts) -> Iterator[Parts]:
    """The page, then with less and less: the deadline, what to do and the link are never left out."""
    yield page
    page = {**page, "shortened": True, "others": [], "more_others": ""}
    yield page
    why = page["why"]
    assert isinstance(why, list), "contents.py makes it one"
    page = {**page, "clears": "", "why": [*why[:_FEW_LINES], *(["…"] if len(why) > _FEW_LINES else [])]}
    yield page
    for most in (_SHORT, _SHORT // 4):
        yield {name: _cut(value, most) for name, value in page.items()}


def _cut(value: object, most: int) -> object:
    if isinstance(value, Link):
        return value
    if isinstance(value, list):
        return [_cut(one, most) for one in value]
    return value[: most - 1] + "…" if isinstance(value, str) and len(value) > most else value

"""PURE: what is wrong with templates: each filled in for every sample, in both languages and every shape, and looked
through for what a page must say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import get_args

from schemas import warnings as wire
from schemas.cases import Money
from services.notifier.case import PageKind, Role
from services.notifier.channels.fitting import utf8
from services.notifier.contents import About, Notice, Parts
from services.notifier.digests import digest_of
from services.notifier.escaping import FLAVOURS, Flavour, Link, Shape, address, escape
from services.notifier.links import ACTIONS
from services.notifier.messages import MARKDOWN_BYTES, Letters
from services.notifier.people import Customer, Directory, Language, Person
from services.notifier.templating import FORMS, BadTemplate, Form, Part, Problem, Templates, names_of

LANGUAGES: tuple[Language, ...] = get_args(Language)
KINDS: tuple[PageKind, ...] = get_args(PageKind)
CUSTOMER = "C-1024"
CONSOLE = "https://bellwether.example.com"

_VALUE = Money(amount=Decimal("350000.00"), currency="CNY")

_NEEDED: dict[Form, tuple[str, ...]] = {
    "plain": ("what", "why", "since", "value", "do", "due", "clause", "link"),
    "html": ("what", "why", "since", "value", "do", "due", "clause", "link"),
    "markdown": ("what", "why", "since", "value", "do", "due", "clause", "link"),
    "subject": ("customer", "name"),
    "summary": ("customer", "name"),
}
"""The parts of a page that each form must show, where there are any."""

_NEEDED_OF_A_DIGEST: dict[Form, tuple[str, ...]] = {
    "plain": ("opening", "rest", "link"),
    "html": ("opening", "rest", "link"),
    "markdown": ("opening", "rest", "link"),
    "subject": (),
    "summary": (),
}


def sample_letters(zone: tzinfo, words: Mapping[str, Mapping[str, str]], templates: Templates) -> Letters:
    """Letters of a small company about one customer, CUSTOMER."""
    people = (
        Person("wang", "王强", "sales", "zh", "li"),
        Person("li", "李娜", "sales", "zh"),
        Person("chen", "Chen Jie", "finance", "en", "li"),
    )
    customer = Customer(CUSTOMER, "江南精密机械有限公司", "wang", "华东", value=Decimal("1200000.00"))
    directory = Directory({person.id: person for person in people}, {CUSTOMER: customer}, "li")
    return Letters(directory, CONSOLE, zone, words, templates)


def reader(language: Language) -> Person:
    """Somebody of the small company who reads that language."""
    return (
        Person("wang", "王强", "sales", "zh", "li") if language == "zh" else Person("chen", "Chen Jie", "finance", "en")
    )


def sample_notice(warning: wire.Warning, kind: PageKind, now: datetime) -> Notice:
    """A page about a warning: with a deadline where it demands a review, and with a value at risk."""
    asked = warning.model_copy(update={"customer_id": CUSTOMER})
    due = now + timedelta(hours=warning.review.within_hours) if warning.review else None
    role: Role = "owner" if warning.department is None else "department"
    about = About("li", "email", "550 no such user") if kind in ("undelivered", "uncertain") else None
    case_id = "case-1" if warning.output == "warning" else None
    departments = tuple(warning.review.departments[:1]) if warning.review and kind in ("join", "join_due") else ()
    return Notice(f"sample/{warning.id}", kind, role, case_id, asked, due, about, _VALUE, departments=departments)


@dataclass
class _Found:
    """Each problem once, with the first sample in which it was found."""

    problems: dict[tuple[str, int, str], str]

    def add(self, problem: Problem, where: str) -> None:
        self.problems.setdefault((problem.file, problem.line, problem.what), where)

    def listed(self) -> list[Problem]:
        ordered = sorted(self.problems.items())
        return [Problem(file, line, f"{what} ({where})" if where else what) for (file, line, what), where in ordered]


def lint(letters: Letters, samples: Mapping[str, Sequence[wire.Warning]], now: datetime) -> list[Problem]:
    """Everything that is wrong, by file and line; empty when nothing is."""
    found = _Found({})
    for problem in letters.templates.unreadable():
        found.add(problem, "")
    if found.problems:
        return found.listed()
    for rule, warnings in samples.items():
        for warning in warnings:
            for kind in KINDS if warning is warnings[0] else KINDS[:1]:
                notice = sample_notice(warning, kind, now)
                for language in LANGUAGES:
                    _check_page(letters, notice, language, f"{rule}, {kind}, {language}", found)
    every = [sample_notice(warning, "raised", now) for warnings in samples.values() for warning in warnings]
    for language in LANGUAGES:
        _check_digest(letters, every, language, found)
    return found.listed()


def _check_page(letters: Letters, notice: Notice, language: Language, where: str, found: _Found) -> None:
    page = letters.contents(language).page(notice)
    page |= {action: Link(f"{CONSOLE}/{action}") for action in ACTIONS}
    special = (notice.warning.rule, notice.kind)
    needed = {form: (("link",) if page["is_over"] and "link" in names else names) for form, names in _NEEDED.items()}
    _check(letters, "page", page, language, special, needed, lambda problem: found.add(problem, where))


def _check_digest(letters: Letters, notices: Sequence[Notice], language: Language, found: _Found) -> None:
    # Of more customers than fit, so that there is a rest to be told.
    spread = [
        replace(one, warning=one.warning.model_copy(update={"customer_id": f"C-{number}"}))
        for number, one in enumerate(notices)
    ]
    digest = letters.contents(language).digest(digest_of(spread, letters.directory.customer_name))
    where = f"a digest, {language}"
    _check(letters, "digest", digest, language, (), _NEEDED_OF_A_DIGEST, lambda problem: found.add(problem, where))


def _check(
    letters: Letters,
    part: Part,
    parts: Parts,
    language: Language,
    special: Sequence[str],
    needed: Mapping[Form, Sequence[str]],
    told: Callable[[Problem], None],
) -> None:
    for form in FORMS:
        names = names_of(part, form, language, *special)
        for flavour in FLAVOURS if form == "markdown" else (None,):
            shape: Shape = flavour or ("html" if form == "html" else "plain")
            values = {part: parts, "language": language, "flavour": flavour or ""}
            try:
                text = letters.templates.try_to_fill(shape, names, values)
            except BadTemplate as error:
                told(error.problem)
                continue
            for name in needed[form]:
                missing = [one for one in _texts(parts[name]) if _escaped(shape, one) not in text]
                if missing:
                    told(Problem(letters.templates.chosen(names), 1, f"does not show {part}.{name}"))
            if flavour is not None and part == "page":
                _check_bytes(letters, parts, language, special, flavour, told)


def _check_bytes(
    letters: Letters,
    page: Parts,
    language: Language,
    special: Sequence[str],
    flavour: Flavour,
    told: Callable[[Problem], None],
) -> None:
    written = replace(letters, flavour=flavour).markdown(page, language, special)
    if not written or utf8(written) > MARKDOWN_BYTES[flavour]:
        name = letters.templates.chosen(names_of("page", "markdown", language, *special))
        told(Problem(name, 1, f"is longer than the {MARKDOWN_BYTES[flavour]} bytes of {flavour}, also when shortened"))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str) and value:
        yield value


def _escaped(shape: Shape, text: str) -> str:
    return address(shape, text) if isinstance(text, Link) else escape(shape, text)

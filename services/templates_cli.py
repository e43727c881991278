"""`bellwether templates`: the templates of messages, looked at before they are used.

It asks two services: the rules for what they say in their examples, and the notifier for how that reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import get_args

import click

from schemas import warnings as wire
from services.common.errors import UserError
from services.common.settings import read_settings
from services.notifier.case import PageKind
from services.notifier.escaping import FLAVOURS, SHAPES, Flavour
from services.notifier.messages import Letters
from services.notifier.people import Language

NOW = datetime.fromisoformat("2026-03-02T12:00:00+08:00")
"""When the samples are told: a deadline reads the same every day."""

Samples = Mapping[str, Sequence[wire.Warning]]


class BadTemplates(UserError):
    """There are problems; each has been printed."""


class NoSample(UserError):
    """No such rule, or no warning in the file."""


@click.group()
def templates() -> None:
    """The templates of messages: check them, and see how they read.

    BELLWETHER_TEMPLATES, or FOLDER, has those of your own: each takes the place of the one of the same name. They are
    described in docs/messages.md.
    """


_FOLDER = click.argument(
    "folder",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="BELLWETHER_TEMPLATES",
)
_RULES = click.option(
    "--rules",
    "rulebook",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of rule files whose examples are the samples.  [default: those that come with Bellwether]",
)


@templates.command()
@_FOLDER
@_RULES
def lint(folder: Path | None, rulebook: Path | None) -> None:
    """Fill every template in for the examples of every rule, in both languages and every shape.

    What is wrong is told by file and line, and what a page must say and does not. Exits with 1 when there is any.
    """
    from services.notifier.template_lint import lint as lint_all

    samples = _samples(rulebook)
    problems = lint_all(_letters(folder), samples, NOW)
    for problem in problems:
        click.echo(str(problem))
    if problems:
        raise BadTemplates(f"{len(problems)} problems")
    click.echo(f"no problem in what {len(samples)} rules say in their examples, in both languages and every shape")


@templates.command()
@_FOLDER
@_RULES
@click.option("--rule", help="Whose sample is shown.  [default: the first rule]")
@click.option("--warning", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A warning as JSON.")
@click.option("--language", type=click.Choice(get_args(Language)), help="One language alone.")
@click.option("--shape", type=click.Choice(["subject", "summary", *SHAPES]), help="One shape alone.")
@click.option("--kind", type=click.Choice(get_args(PageKind)), default="raised", show_default=True)
@click.option("--digest", is_flag=True, help="Show a digest of a sample of every rule instead.")
def preview(
    folder: Path | None,
    rulebook: Path | None,
    rule: str | None,
    warning: Path | None,
    language: Language | None,
    shape: str | None,
    kind: PageKind,
    *,
    digest: bool,
) -> None:
    """Show a page as its readers get it, in both languages and every shape."""
    from services.notifier.template_lint import LANGUAGES

    samples = {"": [_read(warning)]} if warning is not None else _samples(rulebook)
    chosen = [one[0] for one in samples.values()] if digest else [_chosen(samples, rule)]
    for one in (language,) if language else LANGUAGES:
        for name, text in _shown(folder, chosen, one, kind, digest=digest):
            if shape in (None, name):
                click.echo(f"──── {one} {name} " + "─" * 40)
                click.echo(text.rstrip("\n"))


def _shown(
    folder: Path | None, chosen: Sequence[wire.Warning], language: Language, kind: PageKind, *, digest: bool
) -> list[tuple[str, str]]:
    from services.notifier.template_lint import reader, sample_notice

    flavours: tuple[Flavour | None, ...] = (None, *FLAVOURS)
    found: list[tuple[str, str]] = []
    for flavour in flavours:
        letters = _letters(folder, flavour)
        notices = [sample_notice(one, kind, NOW) for one in chosen]
        to = reader(language)
        message = letters.digest(notices, to) if digest else letters.single(notices[0], to)
        if flavour is None:
            found += [("subject", message.subject), ("summary", message.summary)]
            found += [("plain", message.text), ("html", message.html)]
        else:
            found.append((flavour, message.markdown))
    return found


def _letters(folder: Path | None, flavour: Flavour | None = None) -> Letters:
    from services.notifier.template_files import with_own
    from services.notifier.template_lint import sample_letters
    from services.notifier.words import load_words

    made = sample_letters(read_settings(os.environ).zone, load_words(), with_own(folder))
    return replace(made, flavour=flavour)


def _samples(folder: Path | None) -> Samples:
    from services.rules.books import SHIPPED, read_files
    from services.rules.definition import parse_definition
    from services.rules.examples import samples

    files, problems = read_files(folder or SHIPPED)
    if problems:
        raise NoSample("; ".join(problems))
    definitions = [parse_definition(text, name) for name, text in files.items()]
    return samples({definition.id: definition for definition in definitions})


def _chosen(samples: Samples, rule: str | None) -> wire.Warning:
    name = rule if rule is not None else next(iter(samples))
    if name not in samples:
        raise NoSample(f"there is no rule {name} that says anything in its examples; there are {', '.join(samples)}")
    return samples[name][0]


def _read(file: Path) -> wire.Warning:
    try:
        return wire.decode_warning(file.read_bytes())
    except ValueError as error:
        raise NoSample(f"{file} has no warning: {str(error).splitlines()[0]}") from None

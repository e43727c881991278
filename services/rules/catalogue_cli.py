"""`bellwether rules catalogue`: writes the readable catalogue of a rulebook, or checks that it is current."""

from __future__ import annotations

from pathlib import Path

import click

from services.common.errors import UserError
from services.rules.books import SHIPPED, read_rules
from services.rules.catalogue import catalogue
from services.rules.catalogue_words import LANGUAGES, Language
from services.rules.definition import BadRule, Definition

DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)


def pages(definitions: list[Definition], languages: tuple[Language, ...], to: Path) -> dict[Path, str]:
    """What each file of the catalogue should hold."""
    return {to / f"rulebook.{language}.md": catalogue(definitions, language) for language in languages}


@click.command(name="catalogue")
@click.argument("directory", required=False, type=DIRECTORY)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file is not current.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Only this one (default: both).")
@click.option(
    "--to", default="docs", type=click.Path(path_type=Path), show_default=True, help="The folder to write to."
)
def catalogue_command(directory: Path | None, check: bool, language: Language | None, to: Path) -> None:
    """Write what every rule of DIRECTORY does, for people to read (default: the rules that come with bellwether).

    The files are rulebook.zh.md and rulebook.en.md.
    """
    try:
        definitions = [rule.definition for rule in read_rules(directory or SHIPPED)]
    except BadRule as error:
        raise UserError("\n".join(error.problems)) from error
    wanted = pages(definitions, (language,) if language else LANGUAGES, to)
    if check:
        _check(wanted)
        return
    to.mkdir(parents=True, exist_ok=True)
    for file, text in wanted.items():
        file.write_text(text, encoding="utf-8")
        click.echo(f"wrote {file}: {len(definitions)} rules")


def _check(wanted: dict[Path, str]) -> None:
    old = [file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    if old:
        named = " and ".join(str(file) for file in old)
        raise UserError(f"not current: {named}. Run `bellwether rules catalogue` and commit what it writes.")
    click.echo("the catalogue is current")

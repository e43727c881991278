"""`bellwether schema`: the contracts of the wire as files, and what a change breaks of them."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import yaml

from schemas.compatibility import Promises, Verdict, judge
from services.common.errors import UserError

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
GENERATED = SCHEMAS / "generated"
RELEASED = SCHEMAS / "released"

NOW = "now"
"""In the place of a version: the models as they are."""

_folder = click.Path(path_type=Path, file_okay=False)


@click.group(invoke_without_command=True)
@click.option(
    "--to",
    "folder",
    type=_folder,
    default=GENERATED,
    show_default="the folder schemas/generated of the installation",
    help="Folder to write to, or to check: asyncapi.json and one <name>.schema.json a message; made if it is missing.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if the folder holds anything else than it should.")
@click.pass_context
def schema(ctx: click.Context, folder: Path, check: bool) -> None:
    """Write the AsyncAPI document of all topics, and the JSON Schema (2020-12) of every message."""
    if ctx.invoked_subcommand is not None:
        return
    files = generated_files()
    if check:
        if differences := _differences(folder, files):
            lines = "\n".join(f"  {line}" for line in differences)
            raise UserError(f"{folder} is not what the models say; write it anew with `bellwether schema`:\n{lines}")
        click.echo(f"{len(files)} files in {folder} are current")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    click.echo(f"wrote {len(files)} files to {folder}")


@schema.command()
@click.argument("old", required=False)
@click.argument("new", default=NOW)
@click.option("--released", type=_folder, default=RELEASED, show_default="schemas/released", help="Where releases are.")
def compare(old: str | None, new: str, released: Path) -> None:
    """Refuse what NEW breaks of the promises of OLD.

    Each is a version in the folder of releases, a file, or "now": the models as they are. OLD is the last release if
    it is not given. Breaches named in <OLD>.allowed.yaml are let through.
    """
    before = old or last_release(released)
    verdict = judge(_promises(before, released), _promises(new, released), allowed_breaches(before, released))
    for line in report(verdict):
        click.echo(line)
    if not verdict.good:
        raise UserError(f"{new} does not keep what {before} promised; docs/contracts.md tells what may change")
    click.echo(f"{new} keeps what {before} promised")


@schema.command()
@click.argument("number")
@click.option("--released", type=_folder, default=RELEASED, show_default="schemas/released", help="Where releases are.")
def release(number: str, released: Path) -> None:
    """Keep what the models promise as release NUMBER, for later versions to be compared with."""
    from schemas.contracts import promises

    file = released / f"{number}.json"
    if file.exists():
        raise UserError(f"{file} is there already: what was released does not change")
    released.mkdir(parents=True, exist_ok=True)
    # In one line: it is compared, not read, and never changes.
    file.write_text(json.dumps(promises(), ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(f"wrote {file}")


def generated_files() -> dict[str, str]:
    """The texts of all files by name."""
    from schemas.asyncapi import asyncapi_document
    from schemas.contracts import schema_documents

    files = {f"{name}.schema.json": _spelled(document) for name, document in schema_documents().items()}
    return {"asyncapi.json": _spelled(asyncapi_document(version("bellwether"))), **files}


def last_release(released: Path = RELEASED) -> str:
    """The version with the greatest number; raises UserError where there is none."""
    versions = [file.stem for file in released.glob("*.json")]
    if not versions:
        raise UserError(f"there is no release in {released}; keep one with `bellwether schema release VERSION`")
    return max(versions, key=lambda name: [int(part) if part.isdecimal() else 0 for part in name.split(".")])


def allowed_breaches(name: str, released: Path = RELEASED) -> dict[str, str]:
    """Names of breaches since a release that were agreed on, with the reason; none without a file."""
    file = released / f"{name}.allowed.yaml"
    if not file.exists():
        return {}
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{file} is no YAML: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(reason, str) and reason for reason in found.values()):
        raise UserError(f"{file}: give a mapping of the breach's name to the reason why it is allowed")
    return found


def report(verdict: Verdict) -> list[str]:
    """The verdict in lines."""
    lines = [f"allowed  {breach.name}: {breach.says}" for breach in verdict.allowed]
    for breach in verdict.refused:
        lines += [f"BREAKS   {breach.name}: {breach.says}", f"         {breach.advice}"]
    lines += [f"STALE    {name}: is allowed and does not happen; strike it out" for name in verdict.stale]
    return lines


def _promises(name: str, released: Path) -> Promises:
    if name == NOW:
        from schemas.contracts import promises

        return promises()
    file = next((path for path in (released / f"{name}.json", Path(name)) if path.is_file()), None)
    if file is None:
        raise UserError(f"{name} is no release in {released}, no file, and not “{NOW}”")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is no JSON: {error}") from None
    if not isinstance(found, dict) or not {"channels", "messages"} <= found.keys():
        raise UserError(f"{file} is no file of `bellwether schema release`")
    return found


def _differences(folder: Path, files: dict[str, str]) -> list[str]:
    there = {file.name: file for file in folder.glob("*.json")}
    missing = [f"{name} is missing" for name in files.keys() - there.keys()]
    extra = [f"{name} is no longer made: delete it" for name in there.keys() - files.keys()]
    other = [f"{name} differs" for name in files.keys() & there.keys() if there[name].read_text("utf-8") != files[name]]
    return sorted([*missing, *extra, *other])


def _spelled(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"

"""Compiles the hot part of the rules core to C with mypyc, beside the sources: `make compiled`.

What stays interpreted: models (pydantic, msgspec), readers of rule files (they live on values of any type, which
compiled code refuses), and whatever acts. See services/compiled.py for how it is found, and why it cannot be stale.
"""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from mypyc.build import mypycify
from setuptools import Distribution

from services.compiled import FOLDER, ROOT, SWITCH, digest_of

GROUP = "services.rules.compiled"
MODULES = """
    announcements announcing arrears asking calendar conditions core courses derived dues engine episodes extremes facts
    glancing instalment_items invoices judging known ledger measuring missed monthly newest periods promises purchases
    receiving rulebook scoring segments series skipping spreading state streaks tallying timing totals touching waiting
    windows yearly
""".split()

KEPT = 3
"""Builds that are left for workers that run from them, and for other Pythons in this checkout."""


def build(into: Path) -> None:
    """Compiles all modules as one group, so that their calls of each other are calls of C. To be called in ROOT."""
    paths = [f"services/rules/{name}.py" for name in MODULES]
    work = str(into / "work")
    extensions = mypycify(
        ["--config-file=pyproject.toml", *paths], opt_level="3", debug_level="0", target_dir=work, group_name=GROUP
    )
    command = Distribution({"name": "bellwether-rules", "ext_modules": extensions}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(into / "made"), work
    command.ensure_finalized()
    command.run()


def made_in(folder: Path) -> Path:
    """What is compiled of these sources below a folder, made where it is not there yet."""
    made = folder / digest_of()
    if not made.is_dir():
        folder.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix="making-") as draft, chdir(ROOT):
            build(Path(draft))
            if digest_of() != made.name:
                raise SystemExit("The sources were changed meanwhile: compile them again.")
            # Whole or not at all: a build that was broken off leaves nothing that anybody would load.
            (Path(draft) / "made").rename(made)
    return made


def main() -> None:
    made = made_in(ROOT / FOLDER)
    for old in sorted((ROOT / FOLDER).iterdir(), key=lambda one: one.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)
    print(f"Compiled: {made.relative_to(ROOT)}. {SWITCH}={FOLDER} runs it.")


if __name__ == "__main__":
    main()

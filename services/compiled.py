"""Where the rules core lies compiled to C: only what was compiled from these very sources, for this very Python.

`make compiled` puts it below .compiled, in a folder named after a digest of the sources. A changed source has another
digest, so what was compiled before it is never loaded, and the sources themselves run.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ".compiled"
SWITCH = "BELLWETHER_COMPILED"
"""An environment variable: "no" runs the sources whatever was compiled, "yes" refuses to start without. It is read at
the first import, before any settings."""

READ = ("schemas", "services/rules")
"""Folders whose sources the compiler reads: types and constants of modules that stay interpreted are compiled in."""


class NotCompiled(ImportError):
    """The compiled core was demanded, and there is none of these sources."""


def digest_of(root: Path = ROOT) -> str:
    """The name of what is compiled from the sources below `root`, for this Python."""
    digest = blake2b(str(sysconfig.get_config_var("EXT_SUFFIX")).encode(), digest_size=10)
    for folder in READ:
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(f"\0{file.relative_to(root).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def compiled_rules(environ: Mapping[str, str], root: Path = ROOT) -> Path | None:
    """The folder of the compiled modules of services.rules; None where the sources are to run.

    Raises NotCompiled where the switch demands it and it is not there.
    """
    wanted = environ.get(SWITCH, "")
    if wanted != "no" and (root / FOLDER).is_dir():
        found = root / FOLDER / digest_of(root) / "services" / "rules"
        if found.is_dir():
            return found
    if wanted == "yes":
        raise NotCompiled(f"{SWITCH} is yes, but the rules core is not compiled from these sources: make compiled")
    return None

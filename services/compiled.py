"""Where the rules core lies compiled to C, for those who ask for it.

`make compiled` puts it below .compiled, in a folder named after a digest of the sources and of this Python. It is
loaded where BELLWETHER_COMPILED names .compiled. Changed sources have another digest: nothing stale is ever loaded.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ".compiled"
"""Where `make compiled` puts it, in the checkout."""
SWITCH = "BELLWETHER_COMPILED"
"""An environment variable: the folder with what was compiled; unset or empty, the sources run. It is read at the first
import of the rules, before any settings."""

READ = ("schemas", "services/rules")
"""Folders whose sources the compiler reads: types and constants of modules that stay interpreted are compiled in."""


class NotCompiled(ImportError):
    """The compiled core was asked for, and there is none of these sources."""


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

    A folder that is not absolute lies below `root`. Raises NotCompiled where it holds nothing made of these sources.
    """
    if not (wanted := environ.get(SWITCH, "")):
        return None
    found = root / wanted / digest_of(root) / "services" / "rules"
    if not found.is_dir():
        raise NotCompiled(f"{SWITCH} names {wanted}, where nothing is compiled from these sources: make compiled")
    return found


def is_compiled() -> bool:
    """Whether this process runs the compiled core."""
    spec = find_spec("services.rules.engine")
    return spec is not None and not str(spec.origin).endswith(".py")

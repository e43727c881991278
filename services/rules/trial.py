"""A published rulebook is tried in a process of its own: whatever its bytes do there, the worker is not harmed.

Run as a module: the book on standard input, a JSON list of what is wrong with it on standard output.
"""

from __future__ import annotations

import asyncio
import sys

import orjson

from services.rules.checking import check_published

TRIAL_S = 120.0
"""Rules that take longer to compile, or whose examples take longer to run, are not to be let loose on customers."""

_MODULE = "services.rules.trial"


async def tried(raw: bytes, patience_s: float = TRIAL_S) -> list[str]:
    """What is wrong with the bytes of a published rulebook; nothing when it may be used."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _MODULE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(patience_s):
            answer, _ = await process.communicate(raw)
    except TimeoutError:
        return [f"the rulebook was not judged within {patience_s:.0f} s: its rules or examples take too long"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return [str(problem) for problem in orjson.loads(answer)]
    except (orjson.JSONDecodeError, TypeError):
        return [f"the rulebook brought its trial down (exit code {process.returncode})"]


def main() -> None:
    """See the module."""
    sys.stdout.buffer.write(orjson.dumps(check_published(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()

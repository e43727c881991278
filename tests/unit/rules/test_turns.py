"""Work side by side, and who wants to be alone."""

from __future__ import annotations

import asyncio

import pytest

from services.rules.turns import Turns

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_whoever_wants_to_be_alone_waits_for_all_and_lets_nobody_begin() -> None:
    turns, told, ends = Turns(), list[str](), asyncio.Event()

    async def work(name: str) -> None:
        async with turns.beside():
            told.append(f"{name} begins")
            await ends.wait()
            told.append(f"{name} ends")

    async def rest() -> None:
        async with turns.alone():
            told.append("alone")
            await asyncio.sleep(0)
            told.append("no longer alone")

    first, second = asyncio.create_task(work("a")), asyncio.create_task(work("b"))
    await asyncio.sleep(0)
    alone = asyncio.create_task(rest())
    await asyncio.sleep(0)
    late = asyncio.create_task(work("c"))
    await asyncio.sleep(0.001)
    assert told == ["a begins", "b begins"]
    ends.set()
    await asyncio.gather(first, second, alone, late)
    assert told == ["a begins", "b begins", "a ends", "b ends", "alone", "no longer alone", "c begins", "c ends"]


async def test_who_gives_up_waiting_to_be_alone_holds_nobody_up() -> None:
    turns, ends = Turns(), asyncio.Event()

    async def work() -> None:
        async with turns.beside():
            await ends.wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001), turns.alone():
            pass
    ends.set()
    async with asyncio.timeout(1), turns.beside():
        pass
    await task


async def test_work_that_fails_has_ended() -> None:
    turns = Turns()
    with pytest.raises(ArithmeticError):
        async with turns.beside():
            raise ArithmeticError
    async with asyncio.timeout(1), turns.alone():
        pass

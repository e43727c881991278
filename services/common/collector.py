"""The garbage collector of a process that keeps much in memory: set once, when all is loaded."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 100_000
"""How many objects more than went are looked through at once: some tens of milliseconds. What one batch opens and lets
go of again is less, so a worker that has as many customers open as it keeps is hardly ever stopped."""

YOUNG_PER_FULL = 1_000
"""After how many such looks everything is looked through, which takes a second for 100,000 open items: a backstop for
rings that outlive a look. Some of a library's tasks and errors may, customers and what is worked out of them never."""


YOUNG_AT_A_START = 50_000
"""Objects, as above, while a command begins. With Python's 700 a sixth of what it takes to begin is spent on looking
through modules, which stay."""


def begin_quickly() -> None:
    """For a command that has loaded nothing yet."""
    gc.set_threshold(YOUNG_AT_A_START, 20, 20)


def leave_what_is_loaded() -> None:
    """Never look through what is loaded by now: it stays, and each look at all of it stops the process for 0.1 s."""
    gc.collect()
    gc.freeze()


def settle_collector() -> None:
    """Leave alone what is loaded, and look for rings seldom.

    What the rules make of a customer is freed by counting references: tests/unit/rules/test_rings.py holds that. With
    the thresholds that Python begins with, looking through all that stays open again and again was a third of what an
    event cost, and three quarters for customers who are seldom heard of.
    """
    leave_what_is_loaded()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_PER_FULL, 1)

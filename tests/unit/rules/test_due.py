"""The due queue: the earliest first, replaced wake-ups never."""

from __future__ import annotations

import random

from services.rules.due import Due, DueQueue


def drain(queue: DueQueue, until: int) -> list[Due]:
    taken = []
    while (due := queue.take(until)) is not None:
        taken.append(due)
    return taken


def test_customers_come_in_the_order_of_their_instants_and_then_of_their_names() -> None:
    queue = DueQueue()
    for customer_id, instant in [("b", 5), ("c", 1), ("a", 5)]:
        queue.set(customer_id, instant)
    assert drain(queue, 10) == [Due(1, "c"), Due(5, "a"), Due(5, "b")]
    assert len(queue) == 0


def test_nobody_is_taken_before_the_time() -> None:
    queue = DueQueue()
    queue.set("a", 5)
    assert queue.take(4) is None
    assert queue.first() == Due(5, "a")
    assert queue.take(5) == Due(5, "a")


def test_a_replaced_wake_up_does_not_come_and_its_replacement_comes_once() -> None:
    queue = DueQueue()
    queue.set("a", 1)
    queue.set("a", 7)
    queue.set("a", 7)
    assert drain(queue, 10) == [Due(7, "a")]


def test_a_cancelled_wake_up_does_not_come() -> None:
    queue = DueQueue()
    queue.set("a", 1)
    queue.set("a", None)
    queue.set("never there", None)
    assert queue.first() is None


def test_moved_back_and_forth_it_comes_once() -> None:
    queue = DueQueue()
    for instant in (3, 9, 3):
        queue.set("a", instant)
    assert drain(queue, 10) == [Due(3, "a")]


def test_after_any_changes_it_agrees_with_a_plain_dictionary_and_holds_no_pile_of_stale_entries() -> None:
    rng = random.Random(7)
    queue, plain = DueQueue(), dict[str, int]()
    for _ in range(20_000):
        customer_id = f"C-{rng.randrange(50)}"
        if rng.random() < 0.1:
            queue.set(customer_id, None)
            plain.pop(customer_id, None)
        else:
            plain[customer_id] = rng.randrange(1_000_000)
            queue.set(customer_id, plain[customer_id])
    assert len(queue._heap) < 2_000
    assert drain(queue, 1_000_000) == sorted(Due(instant, customer_id) for customer_id, instant in plain.items())

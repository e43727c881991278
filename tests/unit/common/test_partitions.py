"""Topics with another number of partitions than the settings name: what the person at the keyboard is told."""

from __future__ import annotations

import pytest

from schemas.topics import topic_specs
from services.common.kafka_admin import TopicMismatch, require_partitions


def present(partitions: int, **others: int) -> dict[str, int]:
    return {spec.name: others.get(spec.name.split(".")[-1], spec.partitions) for spec in topic_specs("b", partitions)}


def test_topics_that_are_as_they_should_be_or_missing_are_all_right() -> None:
    require_partitions(topic_specs("b", 8), present(8))
    require_partitions(topic_specs("b", 8), {"b.events": 8})


def test_another_number_everywhere_is_a_wrong_setting() -> None:
    with pytest.raises(
        TopicMismatch, match=r"topic b.events has 8 partitions where 4 are wanted: set BELLWETHER_PARTI"
    ):
        require_partitions(topic_specs("b", 4), present(8))


@pytest.mark.parametrize("setting", [1, 2])
def test_different_numbers_are_a_growth_that_was_cut_off_whatever_the_setting(setting: int) -> None:
    with pytest.raises(TopicMismatch, match="finish it with `bellwether topics grow --partitions 2`"):
        require_partitions(topic_specs("b", setting), present(1, customers=2))


def test_a_topic_of_one_partition_that_has_more_is_no_growth() -> None:
    with pytest.raises(TopicMismatch, match=r"topic b.reference has 3 partitions where 1 are wanted"):
        require_partitions(topic_specs("b", 4), present(4, reference=3))

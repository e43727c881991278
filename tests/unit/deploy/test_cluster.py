"""The configuration of a local cluster of three."""

from __future__ import annotations

from pathlib import Path

from deploy.kafka.cluster import NODES, Cluster
from deploy.kafka.config import server_properties


def test_the_nodes_of_a_cluster_know_each_other_and_keep_three_copies(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    places = [broker.place for broker in cluster.brokers]
    assert len({place.data_dir for place in places}) == len({place.port for place in places}) == NODES
    assert len({place.cluster_id for place in places}) == 1
    voters = {place.overrides["controller.quorum.voters"] for place in places}
    assert voters == {",".join(f"{n}@127.0.0.1:{place.controller_port}" for n, place in enumerate(places, start=1))}
    assert cluster.bootstrap.count(",") == NODES - 1


def test_overrides_replace_settings_and_add_to_them() -> None:
    text = server_properties(port=1, controller_port=2, overrides={"node.id": "3", "log.cleaner.threads": "1"})
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("node.id=")] == ["node.id=3"]
    assert "log.cleaner.threads=1" in lines

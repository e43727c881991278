"""Every fault that was thought of, by name. Each is a way to disturb a run; what must come out is the same for all."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from services.common.clock import set_manual_clock
from tests.chaos.load import END, instants, make_load
from tests.chaos.run import PARTITIONS, SESSION_S, Run
from tests.chaos.verdict import Verdict
from tests.chaos.world import World
from tests.support.commands import ROOT

PAST_SESSION_S = SESSION_S + 3

PREVIOUS = "d2030fc"
"""The last commit that writes states of version 2."""


@dataclass(frozen=True)
class Scenario:
    """`disturb` sends the load and moves time on, with faults on the way. `clock`: event, manual, or either by the
    seed. `world`: plain, proxied, cluster or small."""

    disturb: Callable[[Run], None]
    events: int = 1500
    workers: int = 2
    clock: str = "either"
    world: str = "plain"
    poison: bool = True


def kill_at_every_step(run: Run) -> None:
    """Workers that end themselves at a step of a batch, the wake-ups of the end among them."""
    run.draws(10)
    run.start()
    run.publish(6, lambda: run.pause(run.rng.uniform(0, 2)))
    run.wait_done()
    run.calm()
    run.draws(6, soon=True)
    run.move_time(4, lambda: run.pause(run.rng.uniform(2, 6)))
    run.calm()


def kill_the_broker(run: Run) -> None:
    """SIGKILL and restart of the only broker, under load and while time moves on."""
    broker = run.world.brokers[0]

    def strike() -> None:
        if run.rng.random() < 0.5:
            run.pause(run.rng.uniform(0, 3))
            broker.kill()
            run.codes["broker killed"] += 1
            run.pause(run.rng.uniform(0, 4))
            broker.start()

    run.start()
    run.publish(6, strike)
    run.wait_done()
    run.move_time(4, strike)


def slow_broker(run: Run) -> None:
    """Answers come late and in drops; then as ever."""

    def change() -> None:
        for proxy in run.world.proxies:
            proxy.latency_s = run.rng.choice((0.0, 0.02, 0.2, 0.8))
            proxy.bytes_per_s = run.rng.choice((float("inf"), 500_000, 60_000))
        run.codes["pace changed"] += 1
        run.pause(run.rng.uniform(2, 6))

    run.start()
    run.publish(6, change)
    for proxy in run.world.proxies:
        proxy.calm()
    run.wait_done()
    run.move_time(4, change)
    for proxy in run.world.proxies:
        proxy.calm()


def full_broker(run: Run) -> None:
    """The broker takes no writes for a while: too few replicas in sync, then records that are too large."""
    targets = (run.topics.changelog, run.topics.warnings, run.topics.customers, run.topics.events)

    def refuse() -> None:
        topic = run.rng.choice(targets)
        if run.rng.random() < 0.5:
            run.topic.configure(topic, min_insync_replicas="2")
            run.pause(run.rng.uniform(1, 8))
            run.topic.configure(topic, min_insync_replicas="1")
        elif topic != run.topics.events:
            run.topic.configure(topic, max_message_bytes="300")
            run.pause(run.rng.uniform(1, 8))
            run.topic.configure(topic, max_message_bytes="1100000")
        run.codes["refused"] += 1

    run.start()
    thread = run.publish_aside(8, 1.0)
    while thread.is_alive():
        refuse()
    run.wait_done()
    run.move_time(4, refuse)


def refused_connections(run: Run) -> None:
    """Nobody listens at the broker's address for a while."""

    def refuse() -> None:
        chosen = run.rng.sample(run.world.proxies, run.rng.randint(1, len(run.world.proxies)))
        for proxy in chosen:
            proxy.refuse()
        run.codes["refused"] += 1
        run.pause(run.rng.choice((0.5, 2, PAST_SESSION_S)))
        for proxy in chosen:
            proxy.accept()

    run.start()
    run.publish(5, refuse)
    run.wait_done()
    run.move_time(3, refuse)


def cut_network(run: Run) -> None:
    """One worker's connections are cut, or nothing passes on them for longer than its session."""

    def strike() -> None:
        proxy = run.rng.choice(run.world.proxies)
        run.codes["cut"] += 1
        if run.rng.random() < 0.4:
            proxy.cut()
            run.pause(run.rng.uniform(0, 2))
            return
        proxy.silence()
        run.pause(run.rng.choice((1.0, PAST_SESSION_S)))
        if run.rng.random() < 0.5:
            proxy.cut()
        proxy.speak()
        run.pause(run.rng.uniform(0, 2))

    run.start()
    run.publish(6, strike)
    run.wait_done()
    run.move_time(3, strike)


def come_and_go(run: Run) -> None:
    """Two to four workers that join, stop in order or die, every few seconds under load."""

    def change() -> None:
        slot = run.rng.choice(run.slots)
        slot.wanted = not slot.wanted or len(run.living()) < 2
        if not slot.wanted and slot.child is not None:
            if run.rng.random() < 0.5:
                slot.child.terminate()
                run.codes["asked to stop"] += 1
            else:
                run.kill(slot)
        run.pause(run.rng.uniform(1, 4))

    run.start()
    thread = run.publish_aside(30, 1.0)
    while thread.is_alive():
        change()
    run.slots[0].wanted = True
    run.wait_done()
    run.move_time(5, change)
    run.slots[0].wanted = True


def stop_past_the_session(run: Run) -> None:
    """SIGSTOP for longer than the session, with stale writes afterwards and a cleaner at work on the changelog."""
    lag_ms = run.rng.choice((3_600_000, 20_000))
    run.topic.configure(
        run.topics.changelog,
        segment_ms="1000",
        segment_bytes="100000",
        min_cleanable_dirty_ratio="0.01",
        min_compaction_lag_ms=str(lag_ms),
    )

    def strike() -> None:
        slots = run.living()
        if slots:
            run.pause(run.rng.uniform(0, 1.5))
            run.freeze(run.rng.choice(slots), run.rng.choice((1.0, PAST_SESSION_S, PAST_SESSION_S + 4)))

    run.start()
    thread = run.publish_aside(12, 2.0)
    while thread.is_alive():
        strike()
    run.wait_done()
    run.move_time(4, strike)


def jumping_clock(run: Run) -> None:
    """The wall clock jumps an hour ahead and back, while workers die."""
    assert run.clock is not None
    clock = run.clock

    def jump_to(at: datetime) -> None:
        run.draws(1, soon=True)
        for hours in (0, run.rng.choice((-1, 1)), run.rng.choice((-1, 1)), 0):
            set_manual_clock(clock, at + timedelta(hours=hours))
            run.codes["jumps"] += 1
            run.pause(run.rng.uniform(0.3, 1.5))
        if run.rng.random() < 0.5 and run.living():
            run.kill(run.rng.choice(run.living()))

    run.draws(3)
    run.start()
    run.publish(4, lambda: run.pause(run.rng.uniform(0, 2)))
    for at in instants(run.rng, 6)[:-1]:
        jump_to(at)
    run.wait_done()
    run.calm()
    set_manual_clock(clock, END)


def lose_one_of_three(run: Run) -> None:
    """A node of a cluster dies, any of them, and comes back; two in sync must do."""

    def strike() -> None:
        broker = run.rng.choice(run.world.brokers)
        broker.kill()
        run.codes["node killed"] += 1
        run.pause(run.rng.uniform(1, 6))
        broker.start()
        run.pause(run.rng.uniform(0, 3))

    run.start()
    thread = run.publish_aside(8, 2.0)
    for _ in range(3):
        strike()
    thread.join()
    run.wait_done()
    run.move_time(3, strike)


def lose_two_of_three(run: Run) -> None:
    """Two nodes of a cluster die, any two, so that nothing can be written; first until every worker has noticed, then
    for shorter times. With one of them back everything goes on."""

    def unwell() -> None:
        run.wait_until_all(well=False)

    def strike(outage: Callable[[], None]) -> None:
        gone = run.rng.sample(run.world.brokers, 2)
        for broker in gone:
            broker.kill()
        run.codes["two killed"] += 1
        outage()
        for broker in gone:
            broker.start()
            run.pause(run.rng.uniform(0, 3))

    def short() -> None:
        strike(lambda: run.pause(run.rng.uniform(1, 12)))

    run.start()
    run.wait_until_all(well=True)
    thread = run.publish_aside(8, 2.0)
    run.pause(run.rng.uniform(0, 6))
    strike(unwell)
    short()
    thread.join()
    run.wait_done()
    run.move_time(2, short)


def full_disk(run: Run) -> None:
    """The broker's disk is full, at once or when it has written some more. It is given space again, and started anew
    as people would do it; most often it has ended itself."""
    broker, disk = run.world.brokers[0], run.world.disk
    assert disk is not None

    def strike() -> None:
        run.pause(run.rng.uniform(0, 3))
        disk.fill(leave=run.rng.choice((0, 20_000, 200_000)))
        run.codes["disk filled"] += 1
        run.pause(run.rng.uniform(1, 8))
        run.codes["broker lives" if broker.running else "broker ended itself"] += 1
        disk.relieve()
        broker.stop()
        broker.start()

    run.start()
    thread = run.publish_aside(8, 1.0)
    while thread.is_alive():
        strike()
    run.wait_done()
    run.move_time(3, strike)


def upgrade(run: Run) -> None:
    """Workers of the previous state version give way to those of today, one after the other, under load."""
    tree = run.folder / "previous"
    tree.mkdir()
    archive = subprocess.run(["git", "archive", PREVIOUS], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    for slot in run.slots:
        slot.tree = tree
    run.start()
    run.topic.publish(run.load.records[: len(run.load.records) // 4])
    run.wait_done()
    thread = run.publish_aside(12, 1.0)
    for slot in run.rng.sample(run.slots, len(run.slots)):
        run.pause(run.rng.uniform(1, 6))
        slot.tree = None
        if run.rng.random() < 0.5 or slot.child is None:
            run.kill(slot)
        else:
            slot.child.terminate()
    thread.join()
    run.wait_done()
    run.move_time(3)


def kill_a_little(run: Run) -> None:
    """Two deaths: one under load, one while time moves on."""
    run.draws(1, soon=True)
    run.start()
    run.publish(2)
    run.wait_done()
    run.draws(1, soon=True)
    run.replace_all()
    run.move_time(2)


def calm(run: Run) -> None:
    """Nothing is disturbed."""
    run.start()
    run.publish(3)
    run.wait_done()
    run.move_time(2)


SCENARIOS: dict[str, Scenario] = {
    "calm": Scenario(calm),
    "short": Scenario(kill_a_little, events=250, workers=1),
    "kill": Scenario(kill_at_every_step),
    "broker": Scenario(kill_the_broker),
    "slow": Scenario(slow_broker, world="proxied"),
    "full": Scenario(full_broker),
    "refused": Scenario(refused_connections, world="proxied"),
    "cut": Scenario(cut_network, world="proxied"),
    "come-and-go": Scenario(come_and_go, workers=4, events=2500),
    "stop": Scenario(stop_past_the_session, events=2500),
    "clock": Scenario(jumping_clock, clock="manual"),
    "upgrade": Scenario(upgrade, poison=False),
    "cluster": Scenario(lose_one_of_three, world="cluster"),
    "majority": Scenario(lose_two_of_three, world="cluster"),
    "disk": Scenario(full_disk, world="small"),
}


def play(name: str, seed: int, folder: Path | None = None, events: int | None = None) -> tuple[Verdict, str]:
    """One run of a scenario, in a folder that is gone afterwards if it went well; its verdict and its line."""
    scenario = SCENARIOS[name]
    folder = folder or Path(tempfile.mkdtemp(prefix=f"chaos-{name}-{seed}-"))
    world = World(folder, scenario.world)
    try:
        world.start()
        return play_in(world, name, seed, folder, events)
    finally:
        world.stop()


def play_in(world: World, name: str, seed: int, folder: Path, events: int | None = None) -> tuple[Verdict, str]:
    """The same in a world that is there already."""
    scenario = SCENARIOS[name]
    manual = scenario.clock == "manual" or (scenario.clock == "either" and seed % 2 == 0)
    load = make_load(seed, events or scenario.events, PARTITIONS, share=0.5, poison=scenario.poison)
    run = Run(name, seed, folder, world, load, workers=scenario.workers, manual=manual)
    try:
        scenario.disturb(run)
        verdict = run.verdict()
        line = run.line(verdict)
        if not verdict.good:
            line += f"\n{verdict}\n{run.report_ends()}"
        return verdict, line
    finally:
        run.stop()

"""The faults of the matrix: what is done to the program, and what must be true afterwards. Numbers as in the table."""

import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

from factories import NOW
from faults import crowd
from faults.launch import ELSEWHERE, POINTS
from faults.relay import MISSING, Postfix
from faults.returned import Heap
from faults.server import FOUND, Server, server
from faults.sinks import PROGRAM, Scripted, SmtpSink, free_port, wait_until
from faults.world import Judgement, World

from digest import links
from digest.links import Purpose
from digest.model import State


class Unavailable(Exception):
    """What the fault needs is not on this machine."""


@dataclass
class Bench:
    """Where faults are tried out: a folder, chance, how many kills and how many readers."""

    folder: Path
    chance: Random
    kills: int = 40
    people: int = 500
    build: str = ""
    points: tuple[str, ...] = tuple(POINTS)

    def world(self, name: str, people: int = 0, **settings: object) -> World:
        world = World(self.folder / name.replace(" ", "-"), people or self.people, **settings)
        world.compose()
        return world

    def sink(self, world: World) -> SmtpSink:
        if not PROGRAM:
            raise Unavailable("smtp-sink is not installed; it comes with Postfix")
        return SmtpSink(world.folder / "taken", world.port)

    def scripted(self, world: World, **script: object) -> Scripted:
        return Scripted(world.folder / "taken.log", world.port, **script)


@dataclass
class Result:
    kills: int
    judgement: Judgement
    broken: list[str]
    """what should be true and is not"""

    @property
    def passed(self) -> bool:
        return not self.broken


def result(world: World, judgement: Judgement, doubles: range = range(1), **claims: bool) -> Result:
    """*doubles*: how many are allowed. *claims* are further things that must hold, by name."""
    broken = [*judgement.flaws, *(name.replace("_", " ") for name, holds in claims.items() if not holds)]
    if judgement.lost:
        broken.append(f"{judgement.lost} lost")
    if judgement.doubled not in doubles:
        broken.append(f"{judgement.doubled} doubled, {doubles.start} to {doubles.stop - 1} expected")
    return Result(world.kills, judgement, broken)


# ---------------------------------------------------------------- F1, F2: killed


def killed(bench: Bench, name: str, scripted: bool = False, **settings: object) -> Result:
    world = bench.world(name, **settings)
    sink = bench.scripted(world) if scripted else bench.sink(world)
    with sink():
        world.kill(bench.chance, bench.kills, bench.points, build=bench.build)
        world.finish(build=bench.build)
    judgement = world.judge(sink.taken)
    most = world.kills * int(world.settings["connections"])
    few = judgement.states[State.UNCERTAIN] <= most  # killed twice while the same message was on its way
    doubles = range(1) if world.settings["policy"] == "hold" else range(most + 1)
    return result(world, judgement, doubles, was_killed=world.kills > 0, few_uncertain=few)


def f1(bench: Bench) -> Result:
    return killed(bench, "f1")


def f1_fsync(bench: Bench) -> Result:
    return killed(bench, "f1 fsync", scripted=True)


def f1_four(bench: Bench) -> Result:
    return killed(bench, "f1 four", connections=4)


def f1_hold(bench: Bench) -> Result:
    return killed(bench, "f1 hold", policy="hold")


def f2(bench: Bench) -> Result:
    """A delayed smtp-sink answers what came behind the dot before the dot, and then says no more: no PIPELINING."""
    world = bench.world("f2", connections=20)
    return waiting(bench, world, bench.sink(world), bench.kills // 5, "-p", "-W", ".:1")


def f2_chained(bench: Bench, policy: str = "resend") -> Result:
    """The next envelope stands behind the dot while the server has stored the message and does not say so yet."""
    world = bench.world(f"f2 {policy}", max(bench.people, 4 * bench.kills), policy=policy, connections=2)
    return waiting(bench, world, bench.scripted(world, delay=lambda recipient: 0.3), bench.kills)


def f2_hold(bench: Bench) -> Result:
    return f2_chained(bench, "hold")


def waiting(bench: Bench, world: World, sink: SmtpSink | Scripted, kills: int, *options: str) -> Result:
    """Killed by the clock while the reply to a final dot is awaited."""
    with sink(*options):
        for _ in range(max(2, kills)):
            process = world.begun(sink)
            time.sleep(bench.chance.random() * (1 if options else 0.3))
            process.kill()
            process.said()
            world.kills += process.code == -signal.SIGKILL
        sink.delay = lambda recipient: 0
        world.finish()
    judgement = world.judge(sink.taken)
    if world.settings["policy"] == "hold":
        return result(world, judgement, held_are_listed=judgement.states[State.UNCERTAIN] > 0)
    return result(world, judgement, range(1, world.kills * int(world.settings["connections"]) + 1))


# ---------------------------------------------------------------- F3 to F8: servers


def f3(bench: Bench) -> Result:
    """The server stores each message and drops the connection: at most one extra each, and all are listed."""
    world = bench.world("f3", min(bench.people, 2 * bench.kills))
    sink = bench.sink(world)
    with sink("-q", "."):
        while world.open():
            world.run()
            world.run("resume")
        world.run()
    judgement = world.judge(sink.taken)
    listed = judgement.states[State.UNCERTAIN] == world.people
    once_more = max(Counter(sink.taken).values()) <= 2
    return result(world, judgement, range(world.people + 1), all_listed=listed, at_most_one_extra_each=once_more)


def f4(bench: Bench) -> Result:
    """No server, no name, 421: nothing is lost, and all goes out when it is back."""
    world = bench.world("f4")
    sink, stopped = bench.sink(world), []
    stopped.append("stopped early" in world.run()[1])
    world.configure(host="no-such-host.invalid")
    stopped.append("stopped early" in world.run()[1])
    world.configure(host="127.0.0.1")
    for verb in ("CONNECT", "EHLO", "MAIL"):
        with sink("-Q", verb):
            stopped.append("stopped early" in world.run()[1])
    with sink():
        soon = world.run(now=NOW + timedelta(seconds=30))
        backed_off = world.open() > 0
        world.finish(NOW + timedelta(hours=1))
    return result(world, world.judge(sink.taken), said_so=all(stopped), backed_off=backed_off and soon[0] == 0)


def refused(bench: Bench, name: str, minutes: int, step: int, until: int) -> tuple[World, Scripted, list[str]]:
    """Every third recipient is refused for *minutes*; a run every *step* minutes."""
    world, moment, attempts = bench.world(name), 0, []

    def refuse(recipient: str) -> str | None:
        if moment >= minutes or int(recipient[1:].partition("@")[0]) % 3:
            return None
        attempts.append(recipient)
        return "450 4.2.0 later"

    sink = bench.scripted(world, refuse=refuse)
    with sink():
        while moment <= until and world.open():
            world.run(now=NOW + timedelta(minutes=moment))
            moment += step
    return world, sink, attempts


def f5(bench: Bench) -> Result:
    world, sink, attempts = refused(bench, "f5", 15, 3, 60)
    return result(world, world.judge(sink.taken), tried_sparingly=max(Counter(attempts).values()) <= 5)


def f6(bench: Bench) -> Result:
    world, sink, _ = refused(bench, "f6", 48 * 60, 90, 48 * 60)
    judgement = world.judge(sink.taken)
    third = len(range(0, world.people, 3))
    sent = judgement.states[State.SENT] == world.people - third
    return result(world, judgement, the_rest_sent=sent, refused_expired=judgement.states[State.EXPIRED] == third)


def f7(bench: Bench) -> Result:
    """Unknown, full, and unwanted: only the unknown are never mailed again, and the unwanted make it pause."""
    world = bench.world("f7")
    half = world.people // 2

    def refuse(recipient: str) -> str | None:
        n = int(recipient[1:].partition("@")[0])
        if n >= half:
            return "550 5.7.515 this sender is not trusted"
        return {0: "550 5.1.1 no such user", 1: "552 5.2.2 mailbox full"}.get(n % 10)

    sink = bench.scripted(world, refuse=refuse)
    with sink():
        code, said = world.run()
        rest = world.open()
        world.run("resume")
        sink.refuse = lambda recipient: None
        world.finish()
    with world.app() as app:
        marks = [app.links.fingerprint(f"r{n}@example.org") for n in range(world.people)]
        barred = [n for n, mark in enumerate(marks) if app.catalog.consents.suppressed(mark)]
    only_unknown = barred == list(range(0, half, 10))
    paused = code == 6 and "5.7.515" in said and rest >= world.people - half - 20
    return result(world, world.judge(sink.taken), only_unknown_suppressed=only_unknown, paused=paused)


def f8(bench: Bench) -> Result:
    """A slow server that stalls once: the stalled one is doubled once, everybody else is served meanwhile."""
    world = bench.world("f8", patience=1, connections=2)
    sink = bench.scripted(world, delay=lambda recipient: 3 if recipient.startswith("r40@") else 0.01)
    with sink():
        world.run()
        sink.delay = lambda recipient: 0
        world.finish()
    return result(world, world.judge(sink.taken), range(2))


# ---------------------------------------------------------------- F9, F10: the machine


def f9(bench: Bench) -> Result:
    """The database is locked for longer than anybody waits, again and again."""
    world = bench.world("f9")
    sink, failures = bench.scripted(world, delay=lambda recipient: 0.005), 0
    with sink():
        for _ in range(max(3, bench.kills // 5)):
            process = world.begun(sink, busy=200, claim=5)
            time.sleep(bench.chance.random() / 10)
            with sqlite3.connect(world.folder / "subscribers.db", timeout=30, isolation_level=None) as lock:
                lock.execute("BEGIN IMMEDIATE")
                process.said()
                lock.execute("ROLLBACK")
            lock.close()
            failures += process.code == 5
        world.finish()
    return result(world, world.judge(sink.taken), it_failed=failures > 0)


def f10(bench: Bench) -> Result:
    """The disk fills up in the middle of a run."""
    if os.geteuid():
        raise Unavailable("a small disk can be mounted by root only")
    small = bench.folder / "f10"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], stderr=subprocess.DEVNULL)
    if mounted.returncode:
        raise Unavailable("a small disk cannot be mounted here")
    try:
        return full_disk(bench)
    finally:
        subprocess.run(["umount", small], check=True)


def full_disk(bench: Bench) -> Result:
    world = bench.world("f10")
    outside = bench.folder / "f10-taken.log"
    sink, failures = Scripted(outside, world.port, delay=lambda recipient: 0.005), 0
    with sink():
        for _ in range(max(3, bench.kills // 10)):
            process = world.begun(sink, claim=20)
            filler = fill(world.folder)
            process.said()
            failures += process.code in (5, 6)
            filler.unlink()
        world.finish()
    return result(world, world.judge(sink.taken), it_failed=failures > 0)


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


# ---------------------------------------------------------------- F13, F18 to F20: people and programs


def f13(bench: Bench, rounds: int = 50, name: str = "f13", **settings: object) -> Result:
    """Two schedulers and four workers."""
    world = World(bench.folder / name, 10, **settings)
    crowd.subscribe(world)
    if bench.build == "no unique key":
        crowd.without_a_key(world)
    sink = bench.sink(world)
    with sink():
        crowd.once_each(world, rounds)
    judgement = world.judge(sink.taken, rounds)
    return result(world, judgement, all_sent=judgement.states[State.SENT] == world.people * rounds)


def f18(bench: Bench) -> Result:
    """While a slow run goes on, one reader leaves, one is erased, one bounces: none of them is mailed any more."""
    world = bench.world("f18", connections=2)
    sink = bench.scripted(world, delay=lambda recipient: 2.5 / world.people)
    with world.app() as app, sink():
        gone = [app.catalog.subscribers.by_address(f"r{n * world.people // 10}@example.org") for n in (5, 6, 7)]
        process = world.begun(sink)
        app.subscriptions.leave(app.links.sign(Purpose.UNSUBSCRIBE, gone[0].public_id))
        app.subscriptions.erase(gone[1])
        app.catalog.consents.suppress(app.links.fingerprint(gone[2].address), "bounced", NOW)
        in_time = sink.count < world.people // 3
        process.said()
    honoured = not {one.recipient for one in sink.taken} & {person.address for person in gone}
    return result(world, world.judge(sink.taken), honoured=honoured, in_time=in_time)


def f19(bench: Bench) -> Result:
    """Paused and resumed, and told to stop by SIGTERM, again and again: no loss, no double, nothing in doubt."""
    world = bench.world("f19")
    sink, codes = bench.scripted(world, delay=lambda recipient: 0.01), set()
    times = max(3, bench.kills * 3 // 4)
    with sink():
        for turn in range(times):
            process = world.begun(sink)
            time.sleep(bench.chance.random() * 0.01 * world.people / times)
            process.terminate()
            process.said()
            codes.add(process.code if world.open() else 0)  # at its own end it may be past listening
            if turn % 3 == 0:
                world.run("pause")
                at = sink.count
                codes.add(world.run()[0] - 6)
                assert sink.count == at, "it sent while paused"
                world.run("resume")
        world.finish()
    return result(world, world.judge(sink.taken), **{f"stopped politely, not with {codes}": codes == {0}})


def f20(bench: Bench) -> Result:
    """One reader's message cannot be made: that row fails, the others are sent."""
    world = bench.world("f20")
    sink = bench.sink(world)
    with sink():
        world.run(build="one unprintable")
    judgement = world.judge(sink.taken)
    states = {state: number for state, number in judgement.states.items() if number}
    only_one = states == {State.SENT: world.people - 1, State.FAILED: 1}
    return result(world, judgement, only_one_failed=only_one)


def f21(bench: Bench) -> Result:
    """50 mails a kill came back: each counts once or is put aside, none is lost."""
    world = bench.world("f21", 10 * bench.kills)
    heap = Heap(world, world.folder / "Maildir")
    heap.pile_up(bench.chance)
    heap.read(bench.chance, bench.kills, bench.build)
    judgement = heap.judge()
    return result(world, judgement, was_killed=world.kills > bench.kills // 2)


def f25(bench: Bench) -> Result:
    """Both we and a real Postfix are killed, which has what it took on the disk and passes it on to a sink."""
    if MISSING:
        raise Unavailable(MISSING)
    world = bench.world("f25", min(bench.people, 10 * bench.kills))
    onward = SmtpSink(bench.folder / "f25-taken", free_port())
    relay = Postfix(bench.folder / "f25-postfix", world.port, onward.port)
    with onward(), relay():
        for _ in range(bench.kills):
            process = world.begun(onward, claim=10)
            time.sleep(bench.chance.random() / 20)
            for each in bench.chance.sample((process.kill, relay.kill), 2):
                each()
            process.said()
            world.kills += process.code == -signal.SIGKILL
            relay.start()
        world.finish()
        wait_until(lambda: onward.count >= world.people)
        wait_until(lambda: not relay.waiting)
    # either end may have been waiting for a reply: we for that of Postfix, and it for that of the sink
    return result(world, world.judge(onward.taken), range(2 * bench.kills + 1), was_killed=world.kills > 0)


# ---------------------------------------------------------------- on PostgreSQL


@contextmanager
def elsewhere(bench: Bench, name: str) -> Iterator[Server]:
    """A server in a folder of its own."""
    if not FOUND:
        raise Unavailable("PostgreSQL's server programs are not installed")
    with server(bench.folder / f"{name}-server") as running:
        yield running


def f1_server(bench: Bench) -> Result:
    with elsewhere(bench, "f1") as running:
        points = tuple(ELSEWHERE)
        return killed(replace(bench, points=points), "f1 on a server", database=running.url, connections=4)


def f9_server(bench: Bench) -> Result:
    """The database itself is killed in the middle of a run, again and again."""
    with elsewhere(bench, "f9") as running:
        world = bench.world("f9 on a server", database=running.url, connections=2)
        sink, failures = bench.scripted(world, delay=lambda recipient: 0.005), 0
        with sink():
            for _ in range(max(3, bench.kills // 5)):
                process = world.begun(sink, claim=20)
                time.sleep(bench.chance.random() / 5)
                running.kill()
                world.kills += 1
                process.said()
                failures += process.code == 5
                running.start()
            world.finish()
        judgement = world.judge(sink.taken)
    return result(world, judgement, range(world.kills * 2 + 1), it_failed=failures > 0)


def f13_server(bench: Bench, rounds: int = 50) -> Result:
    with elsewhere(bench, "f13") as running:
        (bench.folder / "f13-elsewhere").mkdir()
        links.create(bench.folder / "f13-elsewhere" / "digest.keys")
        return f13(bench, rounds, "f13-elsewhere", database=running.url)


FAULTS: dict[str, tuple[str, Callable[[Bench], Result]]] = {
    "F1": ("kill -9, smtp-sink", f1),
    "F1 fsync": ("kill -9, aiosmtpd that fsyncs", f1_fsync),
    "F1 four": ("kill -9, four connections", f1_four),
    "F1 hold": ("kill -9, policy hold", f1_hold),
    "F2": ("kill -9, replies take 1 s, 20 connections", f2),
    "F2 chained": ("kill -9, stored and not answered, PIPELINING", f2_chained),
    "F2 hold": ("the same, policy hold", f2_hold),
    "F3": ("stored, then dropped", f3),
    "F4": ("refused, no such name, 421", f4),
    "F5": ("450 for 15 minutes", f5),
    "F6": ("450 for 48 hours", f6),
    "F7": ("5.1.1, 5.2.2, 5.7.515", f7),
    "F8": ("slow, and stalled once", f8),
    "F9": ("database locked", f9),
    "F1 server": ("kill -9, PostgreSQL, four connections", f1_server),
    "F9 server": ("PostgreSQL killed", f9_server),
    "F13 server": ("two schedulers, four workers, PostgreSQL", f13_server),
    "F10": ("disk full", f10),
    "F13": ("two schedulers, four workers, 50 rounds", f13),
    "F18": ("left, erased, bounced in the run", f18),
    "F19": ("pause, resume, SIGTERM", f19),
    "F20": ("a message that cannot be made", f20),
    "F21": ("reports doubled, forged, cut, 30 MB; killed", f21),
    "F25": ("a real Postfix, both killed", f25),
}

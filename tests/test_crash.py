"""The whole program killed with SIGKILL in the middle of a run, against a real SMTP server with a memory."""

import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from factories import NOW, batch, candidate, card, listing, pick

from digest.catalog.deliveries import Composed
from digest.model import Digest, Interest, Schedule, State

PEOPLE = 200


class Sink:
    """Takes its time for each message, so that a kill finds it at work."""

    def __init__(self):
        self.taken = []

    async def handle_DATA(self, server, session, envelope):
        import asyncio

        self.taken.append((envelope.rcpt_tos[0], message_from_bytes(envelope.content)["Message-ID"]))
        await asyncio.sleep(0.01)
        return "250 2.0.0 taken"


@pytest.fixture
def sink():
    handler = Sink()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        handler.port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    yield handler
    controller.stop()


def compose(app):
    app.catalog.papers.take("arxiv", batch(listing()), NOW, timedelta(days=7))
    app.catalog.editions.open(NOW.date(), NOW, [candidate(0, card(1))], {})
    template = app.printing.stationery("digest").hash
    rows = []
    for n in range(PEOPLE):
        reader = app.subscriptions.add(f"r{n}@example.org", Interest(), Schedule(), "asked", after=NOW)
        message_id = app.links.message_id(reader.public_id, "2026-01-16", "news.example.org")
        row = Digest(0, reader.id, "2026-01-16", 1, (pick(0),), template, message_id, NOW, NOW + timedelta(days=1))
        rows.append(Composed(row, Schedule().next(NOW)))
    app.catalog.deliveries.add(rows)


def deliver(path):
    command = [sys.executable, "-m", "digest", "--config", str(path), "--now", NOW.isoformat(), "deliver"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


@pytest.mark.parametrize(("policy", "kills"), [("resend", 3), ("hold", 2)])
def test_killed_in_the_middle_nobody_is_lost_and_at_most_one_message_a_kill_is_doubled(make_app, sink, policy, kills):
    app = make_app(
        f"transport: {{kind: smtp, host: 127.0.0.1, port: {sink.port}, tls: none}}\ndelivery: {{uncertain: {policy}}}\n"
    )
    compose(app)
    for kill in range(1, kills + 1):
        process = deliver(app.settings.path)
        wait_for(lambda goal=kill * PEOPLE // (kills + 1): len(sink.taken) >= goal, process)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    process = deliver(app.settings.path)
    said = process.communicate(timeout=120)
    assert process.returncode == 0, said

    copies = Counter(recipient for recipient, _ in sink.taken)
    states = {state: number for state, number in app.catalog.deliveries.counts().items() if number}
    uncertain = states.get(State.UNCERTAIN, 0)
    assert states.get(State.SENT, 0) + uncertain == PEOPLE
    assert len(copies) >= PEOPLE - uncertain
    assert sum(copies.values()) - len(copies) <= (kills if policy == "resend" else 0)
    assert uncertain <= (0 if policy == "resend" else kills)
    assert len(set(sink.taken)) == len(copies), "a copy has the Message-ID of the first"

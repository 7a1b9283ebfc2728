"""What every transport promises (`digest.delivery.Transport`). A new transport is added to `places`."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from digest.delivery import Transport
from digest.delivery.maildir import Maildir
from digest.delivery.smtp import Smtp
from digest.model import Outcome, Outgoing, Phase


@dataclass
class Place:
    """A transport and what arrived at its other end."""

    transport: Transport
    arrived: Callable[[], list[bytes]]


def in_a_maildir(request: pytest.FixtureRequest) -> Iterator[Place]:
    box = request.getfixturevalue("tmp_path") / "outbox"
    yield Place(Maildir(str(box)), lambda: [file.read_bytes() for file in (box / "new").iterdir()])


def at_a_scripted_server(request: pytest.FixtureRequest) -> Iterator[Place]:
    server = request.getfixturevalue("serve")()
    yield Place(server.relay(), lambda: [message for _, _, message in server.messages])


def at_a_server_without_pipelining(request: pytest.FixtureRequest) -> Iterator[Place]:
    server = request.getfixturevalue("serve")(offers=())
    yield Place(server.relay(), lambda: [message for _, _, message in server.messages])


def at_aiosmtpd(request: pytest.FixtureRequest) -> Iterator[Place]:
    controllers = pytest.importorskip("aiosmtpd.controller")
    kept: list[bytes] = []

    class Keep:
        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
            kept.append(envelope.content)  # type: ignore[attr-defined]
            return "250 kept"

    controller = controllers.Controller(Keep(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield Place(Smtp("127.0.0.1", controller.port, tls="none", helo="client.example.org"), lambda: kept)
    finally:
        controller.stop()


def at_smtp_sink(request: pytest.FixtureRequest) -> Iterator[Place]:
    program = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        pytest.skip("smtp-sink is not installed; it comes with Postfix")
    folder: Path = request.getfixturevalue("tmp_path")
    port = free_port()
    user = ["-u", "root"] if os.geteuid() == 0 else []
    sink = subprocess.Popen([program, *user, "-d", f"{folder}/%M.", f"127.0.0.1:{port}", "20"])
    try:
        wait_for(port)
        relay = Smtp("127.0.0.1", port, tls="none", helo="client.example.org")
        yield Place(relay, lambda: [without_trace(file.read_bytes()) for file in folder.iterdir()])
    finally:
        sink.terminate()
        sink.wait(5)


PLACES = {
    "maildir": in_a_maildir,
    "smtp, pipelined": at_a_scripted_server,
    "smtp, one by one": at_a_server_without_pipelining,
    "smtp, aiosmtpd": at_aiosmtpd,
    "smtp, smtp-sink": at_smtp_sink,
}


@pytest.fixture(
    params=[pytest.param(p, id=i, marks=pytest.mark.service if "sink" in i else ()) for i, p in PLACES.items()]
)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from request.param(request)


def test_every_mail_gets_one_outcome_in_order(place: Place, mail: Callable[..., Outgoing]):
    outcomes = list(place.transport.deliver(mail(id) for id in (3, 1, 2)))
    assert [(o.id, o.phase, o.accepted) for o in outcomes] == [(id, Phase.FINAL, True) for id in (3, 1, 2)]


def test_what_arrives_is_what_was_handed_over_byte_for_byte(place: Place, mail: Callable[..., Outgoing]):
    mails = [mail(1), mail(2, body=b".\r\n"), mail(3, body=b".starts\r\n\r\n" + b"x" * 76 + b"\r\n")]
    assert all(outcome.accepted for outcome in place.transport.deliver(mails))
    assert sorted(place.arrived()) == sorted(m.message for m in mails)


def test_a_large_message_arrives_whole(place: Place, mail: Callable[..., Outgoing]):
    large = mail(body=(b"y" * 76 + b"\r\n") * 13_000)
    assert next(iter(place.transport.deliver([large]))).accepted
    assert place.arrived() == [large.message]


def test_the_next_mail_is_pulled_only_when_it_can_be_sent(place: Place, mail: Callable[..., Outgoing]):
    events: list[str] = []

    def mails() -> Iterator[Outgoing]:
        for id in (1, 2, 3):
            events.append(f"pulled {id}")
            yield mail(id)

    for outcome in place.transport.deliver(mails()):
        events.append(f"outcome {outcome.id}")
    assert events == [f"{what} {id}" for id in (1, 2, 3) for what in ("pulled", "outcome")]


def test_closing_the_iterator_early_leaves_the_rest_unsent(place: Place, mail: Callable[..., Outgoing]):
    delivering = place.transport.deliver(mail(id) for id in (1, 2, 3))
    assert next(delivering).id == 1
    delivering.close()  # type: ignore[attr-defined]
    assert place.arrived() == [mail(1).message]


def test_a_trouble_in_the_callers_iterable_passes_through(place: Place, mail: Callable[..., Outgoing]):
    def mails() -> Iterator[Outgoing]:
        yield mail(1)
        raise LookupError("the claim was lost")

    outcomes: list[Outcome] = []
    with pytest.raises(LookupError, match="claim"):
        outcomes.extend(place.transport.deliver(mails()))
    assert place.arrived() == [mail(1).message]


def test_nothing_to_do_is_done(place: Place):
    assert list(place.transport.deliver([])) == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def without_trace(dumped: bytes) -> bytes:
    """smtp-sink writes LF, the envelope above the message and an empty line below it."""
    lines = dumped.split(b"\n")
    start = next(i for i, line in enumerate(lines) if line.startswith(b"Message-ID:"))
    return b"\r\n".join(lines[start:-1])

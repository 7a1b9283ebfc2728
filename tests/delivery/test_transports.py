"""What every transport promises (`digest.delivery.Transport`). A new transport is added to `places`."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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
        yield Place(relay, lambda: [without_trace(dumped) for dumped in whole(folder)])
    finally:
        sink.terminate()
        sink.wait(5)


def at_amazon(request: pytest.FixtureRequest) -> Iterator[Place]:
    service = request.getfixturevalue("service")
    yield Place(service.ses(), lambda: service.messages)


PLACES = {
    "maildir": in_a_maildir,
    "smtp, pipelined": at_a_scripted_server,
    "smtp, one by one": at_a_server_without_pipelining,
    "smtp, aiosmtpd": at_aiosmtpd,
    "smtp, smtp-sink": at_smtp_sink,
    "ses": at_amazon,
}


@pytest.fixture(
    params=[pytest.param(p, id=i, marks=pytest.mark.service if "sink" in i else ()) for i, p in PLACES.items()]
)
def place(request):
    yield from request.param(request)


def test_every_mail_gets_one_outcome_in_order(place, mail):
    outcomes = list(place.transport.deliver(mail(id) for id in (3, 1, 2)))
    assert [(o.id, o.phase, o.accepted) for o in outcomes] == [(id, Phase.FINAL, True) for id in (3, 1, 2)]


def test_what_arrives_is_what_was_handed_over_byte_for_byte(place, mail):
    mails = [mail(1), mail(2, body=b".\r\n"), mail(3, body=b".starts\r\n\r\n" + b"x" * 76 + b"\r\n")]
    assert all(outcome.accepted for outcome in place.transport.deliver(mails))
    assert sorted(place.arrived()) == sorted(m.message for m in mails)


def test_a_large_message_arrives_whole(place, mail):
    large = mail(body=(b"y" * 76 + b"\r\n") * 13_000)
    assert next(iter(place.transport.deliver([large]))).accepted
    assert place.arrived() == [large.message]


def test_at_most_one_mail_is_pulled_ahead_of_an_outcome(place, mail):
    pulled: list[int] = []

    def mails() -> Iterator[Outgoing]:
        for id in (1, 2, 3, 4):
            pulled.append(id)
            yield mail(id)

    ahead = [len(pulled) - outcome.id for outcome in place.transport.deliver(mails())]
    assert set(ahead) <= {0, 1}


def test_no_data_goes_out_before_the_outcome_before_was_taken(place, mail):
    for outcome in place.transport.deliver(mail(id) for id in (1, 2, 3)):
        time.sleep(0.05)  # the other side has time to take what it should not have
        assert len(place.arrived()) == outcome.id


def test_closing_the_iterator_early_leaves_the_rest_unsent(place, mail):
    delivering = place.transport.deliver(mail(id) for id in (1, 2, 3))
    assert next(delivering).id == 1
    delivering.close()  # type: ignore[attr-defined]
    assert place.arrived() == [mail(1).message]


def test_a_trouble_in_the_callers_iterable_passes_through(place, mail):
    def mails() -> Iterator[Outgoing]:
        yield mail(1)
        raise LookupError("the claim was lost")

    outcomes: list[Outcome] = []
    with pytest.raises(LookupError, match="claim"):
        outcomes.extend(place.transport.deliver(mails()))
    assert place.arrived() == [mail(1).message]


def test_nothing_to_do_is_done(place):
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


def whole(folder: Path) -> list[bytes]:
    """smtp-sink opens a file at DATA, and removes it again when the message does not come."""
    files: list[bytes] = []
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            files.append(file.read_bytes())
    return [dumped for dumped in files if b"\nMessage-ID:" in dumped]


def without_trace(dumped: bytes) -> bytes:
    """smtp-sink writes LF, the envelope above the message and an empty line below it."""
    lines = dumped.split(b"\n")
    start = next(i for i, line in enumerate(lines) if line.startswith(b"Message-ID:"))
    return b"\r\n".join(lines[start:-1])

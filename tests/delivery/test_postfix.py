"""Through a real Postfix: what it does to our messages, and what it reports when they cannot be delivered."""

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from delivery.zone import Zone
from faults.relay import MISSING, Postfix
from faults.sinks import Scripted, free_port, wait_until
from faults.world import World, owe

from digest.app import App
from digest.delivery.dkim import Signer
from digest.model import State

pytestmark = [pytest.mark.service, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

REFUSALS = {
    "r1": "550 5.1.1 no such user", "r2": "552 5.2.2 mailbox full", "r3": "550 5.7.1 looks like spam",
    "r4": "554 5.3.2 system not accepting mail",
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(0o755)  # Postfix delivers as nobody
    return World(tmp_path / "world", 6)


@pytest.fixture
def onward(tmp_path: Path) -> Scripted:
    """The world behind the relay."""
    return Scripted(tmp_path / "taken.log", free_port(), refuse=lambda who: REFUSALS.get(who.partition("@")[0]))


@pytest.fixture
def relay(tmp_path: Path, world: World, onward: Scripted) -> Iterator[Postfix]:
    with onward(), Postfix(tmp_path / "postfix", world.port, onward.port)() as relay:
        yield relay


@pytest.fixture
def app(world: World) -> Iterator[App]:
    with world.app() as app:
        yield app


def test_its_reports_come_back_and_only_the_unknown_are_never_mailed_again(app: App, relay: Postfix, onward: Scripted):
    owe(app, 6)
    assert app.deliver.deliver().ended == {State.SENT: 6}  # so says the relay
    assert wait_until(lambda: onward.count == 2 and len(list(relay.bounces.glob("new/*"))) == len(REFUSALS), 30)
    report = next(relay.bounces.glob("new/*")).read_text()
    assert "Original-Envelope-Id: " in report  # we asked by ENVID, and for no copy of the body
    assert "List-Unsubscribe: " in report
    assert "multipart/alternative" in report
    assert "retrieval in paper" not in report
    learned = app.feedback.mails(relay.bounces)
    assert learned.kinds == {"bounce": 4}
    assert learned.effects == {"suppressed": 1, "counted": 1, "ours": 2}
    assert [n for n in range(6) if app.catalog.consents.suppressed(app.links.fingerprint(f"r{n}@example.org"))] == [1]


@pytest.fixture
def signed(app: App, relay: Postfix, onward: Scripted) -> tuple[bytes, str]:
    """A message as it left the relay, and the record of the key that it was signed with."""
    pytest.importorskip("cryptography", reason="the extra digest[dkim] is not installed")
    pem = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=pem, check=True, capture_output=True)
    app.signer = Signer("papers.dev", "d1", pem)
    owe(app, 1, title="w" * 2500, abstract="v" * 2500)
    assert app.deliver.deliver().ended == {State.SENT: 1}
    assert wait_until(lambda: onward.last, 30)
    return onward.last, f"v=DKIM1; k=rsa; p={base64.b64encode(der.stdout).decode()}"


def test_it_leaves_a_signature_with_the_longest_word_valid(signed: tuple[bytes, str]):
    dkim = pytest.importorskip("dkim", reason="dkimpy is the oracle")
    message, record = signed
    assert max(map(len, message.split(b"\r\n"))) < 200
    assert dkim.verify(message, dnsfunc=lambda name, **_: record.encode())


@pytest.mark.parametrize("broken", ["", "spf", "dkim", "dmarc"])
def test_a_spam_filter_finds_all_records_in_order_or_the_one_that_is_not(
    signed: tuple[bytes, str], broken: str, tmp_path: Path
):
    if not which("spamassassin"):
        pytest.skip("SpamAssassin is not installed")
    message, record = signed
    records = {
        "spf": ("papers.dev", "v=spf1 ip4:198.51.100.7 -all"),
        "dkim": ("d1._domainkey.papers.dev", record),
        "dmarc": ("_dmarc.papers.dev", "v=DMARC1; p=reject; adkim=s; aspf=s"),
    }
    if broken:
        records[broken] = (records[broken][0], {"spf": "v=spf1 -all", "dkim": "v=DKIM1; p=", "dmarc": "none"}[broken])
    arrived = (
        b"Return-Path: <b+token@papers.dev>\r\n"
        b"Received: from relay.internal (relay.internal [198.51.100.7])\r\n"
        b"\tby mx.example.org (Postfix) with ESMTP id 1; Fri, 16 Jan 2026 07:31:00 +0000\r\n"
    ) + message
    with Zone(dict(records.values())) as zone:
        told = verdicts(arrived, zone.port, tmp_path)
    assert ("SPF_PASS" in told, "DKIM_VALID_AU" in told) == (broken != "spf", broken != "dkim")
    assert ("DMARC_PASS" in told) == (broken != "dmarc")  # one of the other two is enough


def verdicts(message: bytes, dns: int, folder: Path) -> set[str]:
    """The rules that SpamAssassin says it matched, asking only our name server."""
    rules = folder / "rules.cf"
    rules.write_text(
        f"dns_server 127.0.0.1:{dns}\ndns_available yes\nskip_rbl_checks 1\nskip_uribl_checks 1\n"
        "use_bayes 0\nuse_razor2 0\nuse_pyzor 0\n"
        "add_header all Rules _TESTS_\n"
    )
    # not by its #! line, whose -T makes Perl ignore the environment
    command = ["perl", "-e", "do shift", str(which("spamassassin")), "--cf", f"include {rules}"]
    environment = os.environ | {"RES_NAMESERVERS": "127.0.0.1", "RES_OPTIONS": f"port:{dns}"}  # for its DMARC module
    done = subprocess.run(command, input=message, capture_output=True, timeout=120, env=environment)
    head = done.stdout.replace(b"\r\n", b"\n").partition(b"\n\n")[0].replace(b"\n\t", b" ").decode()
    line = next((line for line in head.split("\n") if line.startswith("X-Spam-Rules:")), "")
    assert line, done.stderr.decode()
    return set(line.partition(":")[2].replace(" ", "").split(","))

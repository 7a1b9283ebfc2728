"""How fast mail leaves: our SMTP client beside others, and the whole chain beside the naive one, in one run.

    python bench/delivery.py [--rounds 3] [--full]

Everything goes to one smtp-sink over loopback, in messages of 60 KB; needs smtp-sink and smtp-source (Debian: postfix).
Rates depend on the machine and on its other work; read the ratios. Exit code 1 when a promised one is missed.
"""

import argparse
import math
import os
import resource
import shutil
import smtplib
import socket
import sqlite3
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import render
from promise import Promise, exit_code
from rich.console import Console
from rich.table import Table

from digest import config
from digest.app import App
from digest.catalog import tables
from digest.catalog.deliveries import Composed
from digest.delivery.dkim import Signer
from digest.delivery.smtp import Smtp
from digest.model import Batch, Digest, Interest, Listing, Outcome, Outgoing, Phase, Picks, Schedule, State, Turn, pack

BODY = (b"y" * 76 + b"\r\n") * 769  # 60 KB
MESSAGE = b"Message-ID: <1@news.example.org>\r\nSubject: Papers\r\n\r\n" + BODY
SENDER, RECIPIENT = "b+token@news.example.org", "reader@example.org"
HERE = Path(__file__).parent
CONNECTIONS = 8
PAPERS = 14  # in a digest, which makes its message 60 KB as well


@dataclass
class Measured:
    """One way of doing it, over the rounds."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def add(self, count: int, seconds: float, cpu: float) -> None:
        self.rates.append(count / seconds)
        self.costs.append(cpu / count * 1000)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cost(self) -> float:
        """Milliseconds of the client's CPU for a message."""
        return statistics.median(self.costs)


def measure(into: Measured, count: int, work: Callable[[], object]) -> None:
    """Wall and CPU time of this process and the children it waits for meanwhile."""
    before, start = cpu(), time.perf_counter()
    work()
    into.add(count, time.perf_counter() - start, cpu() - before)


def cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


# ---------------------------------------------------------------- the transport alone


def ours(port: int, count: int, **settings: object) -> None:
    relay = Smtp("127.0.0.1", port, helo="bench.example.org", messages_per_connection=count, **settings)
    threaded(count, lambda share: sum(o.accepted for o in relay.deliver(mails(share))))


def mails(count: int) -> Iterator[Outgoing]:
    return (Outgoing(id, SENDER, RECIPIENT, MESSAGE) for id in range(count))


def plain(port: int, count: int, context: ssl.SSLContext | None = None) -> None:
    def client(share: int) -> int:
        with smtplib.SMTP("127.0.0.1", port, "bench.example.org") as line:
            if context:
                line.starttls(context=context)
            for _ in range(share):
                line.sendmail(SENDER, [RECIPIENT], MESSAGE)
        return share

    threaded(count, client)


def threaded(count: int, client: Callable[[int], int]) -> None:
    share = count // CONNECTIONS
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        assert sum(pool.map(client, [share] * CONNECTIONS)) == share * CONNECTIONS


def asynchronous(port: int, count: int) -> None:
    import asyncio

    import aiosmtplib

    async def client() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as line:
            for _ in range(count // CONNECTIONS):
                await line.sendmail(SENDER, [RECIPIENT], MESSAGE)

    async def all_of_them() -> None:
        await asyncio.gather(*(client() for _ in range(CONNECTIONS)))

    asyncio.run(all_of_them())


def smtp_source(port: int, count: int) -> None:
    sizes = ["-s", str(CONNECTIONS), "-m", str(count), "-l", str(len(MESSAGE))]
    subprocess.run(
        [program("smtp-source"), "-d", *sizes, "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"], check=True
    )


def transports(rounds: int, count: int) -> tuple[Table, list[Promise]]:
    clients = {
        "smtp-source -d": (smtp_source, count),
        "ours": (lambda port, n: ours(port, n, tls="none"), count),
        "smtplib": (plain, count // 2),
    }
    if installed("aiosmtplib"):
        clients["aiosmtplib"] = (asynchronous, count // 2)
    found = {name: Measured() for name in clients}
    with sink() as port:
        for _ in range(rounds):
            for name, (client, number) in clients.items():
                measure(found[name], number, lambda client=client, number=number: client(port, number))
    source, mine, lib = (found[name] for name in ("smtp-source -d", "ours", "smtplib"))
    promises = [
        Promise("rate over smtp-source", mine.rate / source.rate, least=1.0),
        Promise("rate over smtplib", mine.rate / lib.rate, least=1.5),
        Promise("CPU over smtplib", mine.cost / lib.cost, most=0.35),
    ]
    return table(f"transport alone, {CONNECTIONS} connections", found, "smtp-source -d"), promises


def encrypted(rounds: int, count: int) -> tuple[Table, list[Promise]]:
    found = {name: Measured() for name in ("ours, plain", "ours, STARTTLS", "smtplib, STARTTLS")}
    with python_sink() as (port, certificate):
        context = ssl.create_default_context(cafile=certificate)
        ways = {
            "ours, plain": (lambda: ours(port, count, tls="none"), count),
            "ours, STARTTLS": (lambda: ours(port, count, ca_file=certificate), count),
            "smtplib, STARTTLS": (lambda: plain(port, count // 20, context), count // 20),
        }
        for _ in range(rounds):
            for name, (way, number) in ways.items():
                measure(found[name], number, way)
    ratio = found["ours, STARTTLS"].cost / found["ours, plain"].cost
    return table("TLS, to a server in Python", found, "ours, plain"), [Promise("CPU of TLS over plain", ratio, most=3)]


# ---------------------------------------------------------------- the whole chain

CONFIG = """\
publication: {{name: Trending Papers, sender: digest@news.example.org, base_url: "http://127.0.0.1:8000",
  postal_address: 1 Library Street}}
topics: [{{slug: reading, name: Reading, description: Reading habits}}]
transport: {{kind: smtp, host: 127.0.0.1, port: {port}, tls: none, messages_per_connection: 100000}}
delivery: {{connections: {connections}}}
database: {database}
"""
FILE = "sqlite:///subscribers.db"


class Newsletter:
    """A database with readers, an edition of 300 papers, and a key to sign with."""

    def __init__(
        self,
        folder: Path,
        port: int,
        readers: int,
        *,
        connections: int = CONNECTIONS,
        signed: bool = True,
        database: str = FILE,
    ) -> None:
        path = folder / "config.yaml"
        path.write_text(CONFIG.format(port=port, connections=connections, database=database))
        self.app = App(config.load(path), lambda: render.NOON)
        self.pem = key()
        signer = Signer("news.example.org", "d1", self.pem) if signed else None
        self.app.signer = signer
        self.readers = self._subscribe(readers)
        self._open()
        self._turn = 0
        self.written = Measured()

    def _subscribe(self, count: int) -> range:
        first = self.app.subscriptions.add("r0@example.net", Interest(), Schedule(), "bench", after=render.NOON)
        with self.app.catalog.store.write() as db:
            row = dict(db.execute(tables.subscribers.select()).mappings().one()) | {"next_turn": "2001-01-01"}
            for chunk in chunks(range(1, count)):
                others = [{"id": n + 1, "public_id": f"{n:016}", "address": f"r{n}@example.net"} for n in chunk]
                db.execute(tables.subscribers.insert(), [row | other for other in others])
        return range(first.id, first.id + count)

    def _open(self) -> None:
        self.edition = render.edition()
        listings = tuple(
            Listing("bench", str(n), c.card.title, c.card.abstract, ids={"url": f"https://papers.example.org/{n}"})
            for n, c in enumerate(self.edition.candidates)
        )
        self.app.catalog.papers.take("bench", Batch(listings), render.NOON)
        known = [replace(c, card=replace(c.card, paper=c.card.paper + 1)) for c in self.edition.candidates]
        self.app.catalog.editions.open(render.NOON.date(), render.NOON, known, self.edition.topics)

    def owe(self) -> None:
        """One more digest for everybody, each with its own ten papers."""
        template = self.app.printing.stationery("digest").hash
        self._turn += 1
        turn, following = f"{2000 + self._turn}-01-01", Turn(f"{2001 + self._turn}-01-01", render.NOON)
        name = self.app.links.message_id
        for chunk in chunks(self.readers):
            rows = [
                d._replace(id=0, subscriber=n, turn=turn, template=template, picks=Picks(pack(d.picks)),
                        message_id=name(n, str(n), turn, "news.example.org"))
                for n, d in zip(chunk, render.digests(len(chunk), papers=PAPERS), strict=True)
            ]  # fmt: skip
            composed = [Composed(row, following) for row in rows]
            measure(self.written, len(rows), lambda composed=composed: self.app.catalog.deliveries.add(composed))

    def deliver(self) -> None:
        report = self.app.deliver.deliver()
        assert report.ended[State.SENT] == len(self.readers), report


class Naive:
    """Everything anew for each message, one connection, one commit each."""

    def __init__(self, folder: Path, port: int, pem: bytes) -> None:
        self.chains, self.port, self.pem = render.Chains(), port, pem
        self.ledger = folder / "naive.db"
        with closing(self._opened()) as db:
            db.execute("CREATE TABLE sent (id INTEGER PRIMARY KEY, at TEXT)")

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.ledger, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        return db

    def deliver(self, digests: list[Digest]) -> None:
        import dkim

        with closing(self._opened()) as db, smtplib.SMTP("127.0.0.1", self.port) as line:
            for digest in digests:
                message = self.chains.naive(digest)
                signature = dkim.sign(message, b"d1", b"news.example.org", self.pem, canonicalize=(b"relaxed",) * 2)
                line.sendmail(SENDER, [RECIPIENT], signature + message)
                db.execute("INSERT OR REPLACE INTO sent VALUES (?, datetime())", [digest.id])


def chain(rounds: int, count: int) -> tuple[Table, list[Promise]]:
    found = {"naive": Measured(), "ours": Measured()}
    with tempfile.TemporaryDirectory() as name, sink() as port:
        newsletter = Newsletter(Path(name), port, count)
        naive = Naive(Path(name), port, newsletter.pem)
        some = render.digests(max(20, count // 40), papers=PAPERS)
        for _ in range(rounds):
            newsletter.owe()
            measure(found["ours"], count, newsletter.deliver)
            measure(found["naive"], len(some), lambda: naive.deliver(some))
        written = newsletter.written
    promises = [
        Promise("whole chain by rate", found["ours"].rate / found["naive"].rate, least=28),
        Promise("whole chain by CPU", found["naive"].cost / found["ours"].cost, least=22),
        Promise("digest rows written a second", written.rate, least=100_000),
    ]
    title = f"the whole chain, {count} readers, signed; one RSA signature alone takes {primitive():.2f} ms of CPU"
    return table(title, found, "naive"), promises


# ---------------------------------------------------------------- many

LARGE = (10_000, 100_000, 1_000_000)


class Nowhere:
    """Takes everything at once; pulls one mail ahead, as SMTP does."""

    def deliver(self, mails: Iterator[Outgoing]) -> Iterator[Outcome]:
        mails = iter(mails)
        mail = next(mails, None)
        while mail:
            following = next(mails, None)
            yield Outcome(mail.id, Phase.FINAL, 250, "taken")
            mail = following


def to_nowhere() -> list[Promise]:
    """Each size in a process of its own, so that its memory is its own."""
    seconds = {}
    for readers in LARGE:
        command = [sys.executable, __file__, "--nowhere", str(readers)]
        took, memory = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
        print(f"{readers:,} readers to nowhere, unsigned: {took:.1f} s, {readers / took:,.0f}/s, {memory:.0f} MB")
        seconds[readers] = took
    exponent = math.log(seconds[LARGE[-1]] / seconds[LARGE[0]]) / math.log(LARGE[-1] / LARGE[0])
    return [
        Promise("time over readers, as an exponent", exponent, most=1.05),
        Promise("memory in MB", memory, most=150),
    ]


def nowhere(readers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        newsletter = Newsletter(Path(name), 25, readers, signed=False)
        newsletter.app.transport = Nowhere()
        newsletter.owe()
        start = time.perf_counter()
        newsletter.deliver()
        print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


# ---------------------------------------------------------------- helpers


def chunks(numbers: range, size: int = 2000) -> Iterator[range]:
    return (numbers[i : i + size] for i in range(0, len(numbers), size))


def installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        raise SystemExit(f"{name} is not installed; it comes with Postfix")
    return found


def primitive(times: int = 200) -> float:
    """Milliseconds; differs threefold between processors, and is what is left when all else is cut."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    signing = load_pem_private_key(key(), password=None)
    start = time.process_time()
    for _ in range(times):
        signing.sign(b"x" * 1000, PKCS1v15(), SHA256())
    return (time.process_time() - start) / times * 1000


def key() -> bytes:
    return subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout


@contextmanager
def sink() -> Iterator[int]:
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    port = free_port()
    with served([program("smtp-sink"), *user, f"127.0.0.1:{port}", "100"], port):
        yield port


@contextmanager
def python_sink() -> Iterator[tuple[int, str]]:
    with tempfile.TemporaryDirectory() as folder:
        pem = f"{folder}/both.pem"
        made = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ]
        made += ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out", f"{pem}.crt"]
        subprocess.run(made, check=True, capture_output=True)
        with open(pem, "a") as both:
            both.write(Path(f"{pem}.crt").read_text())
        port = free_port()
        with served([sys.executable, str(HERE / "servers" / "sink.py"), str(port), pem], port):
            yield port, f"{pem}.crt"


@contextmanager
def served(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def table(title: str, found: dict[str, Measured], base: str) -> Table:
    made = Table(title=title)
    for column in ("", "messages/s", "lowest", "highest", f"× {base}", "client CPU ms", f"× {base}"):
        made.add_column(column, justify="left" if not column else "right")
    for name, one in found.items():
        rates = (f"{rate:,.0f}" for rate in (one.rate, min(one.rates), max(one.rates)))
        ratio = f"{one.rate / found[base].rate:.2f}", f"{one.cost:.3f}", f"{one.cost / found[base].cost:.2f}"
        made.add_row(name, *rates, *ratio)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="messages a round (the slow ways: fewer)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("transports", "encrypted", "chain"))
    parser.add_argument("--full", action="store_true", help="up to a million readers, to nowhere")
    parser.add_argument("--nowhere", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.nowhere:
        nowhere(options.nowhere)
        return 0
    console = Console(width=110)
    console.print(f"{len(MESSAGE) // 1000} KB messages, medians of {options.rounds} rounds, {os.cpu_count()} cores")
    promises: list[Promise] = []
    for part in (transports, encrypted, chain):
        if options.only in (None, part.__name__):
            shown, made = part(options.rounds, options.count)
            console.print(shown)
            promises += made
    if options.full:
        promises += to_nowhere()
    return exit_code(promises)


if __name__ == "__main__":
    sys.exit(main())

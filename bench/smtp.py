"""Our SMTP client beside smtplib and Postfix's C client, at 1, 4 and 8 connections, against one smtp-sink, in one run.

Needs smtp-sink and smtp-source (Debian: postfix). Rates depend on the machine and on its other work; read the ratios.
"""

import argparse
import os
import resource
import shutil
import smtplib
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from digest.delivery.smtp import Smtp
from digest.model import Outgoing

BODY = (b"y" * 76 + b"\r\n") * 769  # 60 KB
MESSAGE = b"Message-ID: <1@news.example.org>\r\nSubject: Papers\r\n\r\n" + BODY
SENDER, RECIPIENT = "b+token@news.example.org", "reader@example.org"


def ours(port: int, count: int) -> None:
    relay = Smtp("127.0.0.1", port, tls="none", helo="bench.example.org", messages_per_connection=count)
    outcomes = relay.deliver(Outgoing(id, SENDER, RECIPIENT, MESSAGE) for id in range(count))
    assert sum(outcome.accepted for outcome in outcomes) == count


def plain(port: int, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, "bench.example.org") as line:
        for _ in range(count):
            line.sendmail(SENDER, [RECIPIENT], MESSAGE)


def threaded(client: Callable[[int, int], None]) -> Callable[[int, int, int], float]:
    def run(port: int, connections: int, count: int) -> float:
        before = time.process_time()
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(lambda _: client(port, count // connections), range(connections)))
        return time.process_time() - before

    return run


def smtp_source(port: int, connections: int, count: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    sizes = ["-s", str(connections), "-m", str(count), "-l", str(len(MESSAGE))]
    subprocess.run(
        [program("smtp-source"), "-d", *sizes, "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"], check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


CLIENTS = {"smtp-source -d": smtp_source, "ours": threaded(ours), "smtplib": threaded(plain)}


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        raise SystemExit(f"{name} is not installed; it comes with Postfix")
    return found


@contextmanager
def sink() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = ["-u", "root"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program("smtp-sink"), *user, f"127.0.0.1:{port}", "100"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1200, help="messages per cell and round (smtplib: half)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates: dict[tuple[str, int], list[float]] = {}
    cpu: dict[tuple[str, int], list[float]] = {}
    with sink() as port:
        for _ in range(options.rounds):
            for connections in (1, 4, 8):
                for name, client in CLIENTS.items():
                    count = (options.count // (2 if name == "smtplib" else 1)) // connections * connections
                    start = time.perf_counter()
                    used = client(port, connections, count)
                    rates.setdefault((name, connections), []).append(count / (time.perf_counter() - start))
                    cpu.setdefault((name, connections), []).append(used / count * 1000)
    show(rates, cpu)


def show(rates: dict[tuple[str, int], list[float]], cpu: dict[tuple[str, int], list[float]]) -> None:
    table = Table(title=f"{len(MESSAGE) // 1000} KB messages to one smtp-sink, medians; {os.cpu_count()} cores")
    for column in ("client", "connections", "messages/s", "× smtp-source", "× smtplib", "client CPU ms", "× smtplib"):
        table.add_column(column, justify="left" if column == "client" else "right")
    rate = {cell: statistics.median(values) for cell, values in rates.items()}
    load = {cell: statistics.median(values) for cell, values in cpu.items()}
    for name, n in sorted(rate, key=lambda cell: (cell[1], list(CLIENTS).index(cell[0]))):
        here, lib = (name, n), ("smtplib", n)
        ratios = rate[here] / rate["smtp-source -d", n], rate[here] / rate[lib]
        numbers = (f"{rate[here]:,.0f}", *(f"{ratio:.2f}" for ratio in ratios))
        table.add_row(name, str(n), *numbers, f"{load[here]:.3f}", f"{load[here] / load[lib]:.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()

"""Serves feeds on a free port of this machine, which it prints: /good/N, and /hang/N, /error/N and /bomb/N.

python bench/servers/feeds.py
"""

import gzip
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

ENTRIES, MEGABYTES = 50, 400


def feed(number: str) -> bytes:
    entries = "".join(
        f"<item><title>Paper {n} of {number}</title><link>https://example.org/{number}/{n}</link>"
        f"<guid>{number}-{n}</guid><description>{f'What is said of paper {n} of feed {number}. ' * 20}</description>"
        "<pubDate>Fri, 30 Jan 2026 06:00:00 +0000</pubDate></item>"
        for n in range(ENTRIES)
    )
    return f'<rss version="2.0"><channel><title>{number}</title>{entries}</channel></rss>'.encode()


def bomb() -> bytes:
    """A feed of hundreds of megabytes in some hundred kilobytes."""
    packed = BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(b"<rss><channel><title>")
        for _ in range(MEGABYTES):
            file.write(b"x" * 2**20)
    return packed.getvalue()


BOMB = bomb()


class Feeds(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, number = self.path.strip("/").split("/")
        if kind == "hang":
            threading.Event().wait(600)
        body = {"good": feed(number), "bomb": BOMB}.get(kind, b"")
        self.send_response(500 if kind == "error" else 200)
        self.send_header("Content-Length", str(len(body)))
        if kind == "bomb":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        pass  # whoever caps a bomb hangs up


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Feeds) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()

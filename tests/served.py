"""A stand-in for Http, and a server for the real one."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from digest.model import Memory
from digest.sources.http import Answer

DOCUMENTS = Path(__file__).parent / "data" / "sources"


class Served:
    """An Http that has one document for everybody."""

    def __init__(self, body: bytes, content_type: str = "application/xml", **more: object) -> None:
        self.body, self.content_type, self.more = body, content_type, more
        self.asked: list[str] = []
        self.internal: list[bool] = []

    def get(self, url: str, memory: Memory | None = None, accept: str = "", *, internal: bool = False) -> Answer:
        self.asked.append(url)
        self.internal.append(internal)
        return Answer(url, self.body, self.content_type, **self.more)


class Server(ThreadingHTTPServer):
    """Answers a path with what its function writes; keeps the requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.routes: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                outer.routes[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_: object) -> None:
        pass  # clients that hang up are the point

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def says(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(body)

        self.routes[path] = answer
        return self.address(path)

    def drips(self, path: str, head: bytes, drop: bytes, pause: float = 0.0) -> str:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(head)
            while not self.over.wait(pause):
                handler.wfile.write(drop)
                handler.wfile.flush()

        self.routes[path] = answer
        return self.address(path)

"""Polite HTTP for the sources: short of patience, frugal with memory, never in a hurry with other people's servers."""

import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urljoin, urlsplit

import httpx2

from digest import clock
from digest.errors import SourceError
from digest.model import Memory
from digest.sources import reach

FEEDS = "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9, */*;q=0.5"
OWN_TAG = "bytes:"
"""begins the tag of a document whose server has none for it; told to nobody"""
DELAYS = {"arxiv.org": 3.0, "api.biorxiv.org": 1.0}  # https://info.arxiv.org/help/api/tou.html: one in three seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes that one document may take (REQ-34)."""

    connect: float = 10.0
    total: float = 30.0
    size: int = 5 * 1024 * 1024  # after decompression
    redirects: int = 3
    attempts: int = 3
    patience: float = 60.0  # the longest Retry-After that is waited for


_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Answer:
    """A document from *url* (after redirects), or that it is *unchanged* since the memory that was shown."""

    url: str
    body: bytes = b""
    content_type: str = ""
    etag: str | None = None
    modified: str | None = None
    unchanged: bool = False


class _Later(Exception):
    """What may work in a moment; *seconds* as the server asked, else None."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Http:
    """Fetches documents for any number of threads. `file:` addresses are relative to *root*."""

    def __init__(
        self,
        user_agent: str,
        *,
        root: Path | None = None,
        limits: Limits = _LIMITS,
        delays: Mapping[str, float] = DELAYS,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._agent, self._root = user_agent, root or Path()
        self._limits, self._delays, self._wait = limits, delays, wait
        self._lock = threading.Lock()
        self._free: dict[str, float] = {}  # when a host may be asked next
        # The transport alone: no cookies, no proxies or passwords from the environment, no redirects behind our back;
        # and a connection for each request, so that its deadline can cut it.
        pool = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._transport = httpx2.HTTPTransport(trust_env=False, limits=pool)
        self._token = ""

    def bearing(self, token: str) -> Self:
        """The same, queues included, that shows *token* to the hosts that it asks, and not where they redirect."""
        bearer = copy(self)
        bearer._token = token
        return bearer

    def get(self, url: str, memory: Memory | None = None, accept: str = FEEDS, *, internal: bool = False) -> Answer:
        """The document at *url*, or that it is unchanged since *memory*. Raises SourceError with the way out.

        With *internal* the host and port of *url* may lie outside the public internet; where it redirects to may not.
        """
        if url.startswith("file:"):
            return self._file(url)
        etag = memory.etag if memory and not (memory.etag or "").startswith(OWN_TAG) else None
        known = {"If-None-Match": etag, "If-Modified-Since": memory and memory.modified}
        headers = {"User-Agent": self._agent, "Accept": accept, "Accept-Encoding": "gzip"}
        headers |= {name: value for name, value in known.items() if value and value.isascii()}
        headers |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        attempt = 1
        while True:
            try:
                return self._followed(url, headers, internal)
            except _Later as later:
                seconds = 2.0**attempt if later.seconds is None else later.seconds
                if attempt == self._limits.attempts or seconds > self._limits.patience:
                    raise SourceError(f"{url} {later}; the next collection tries again") from later
                self._turn(_host(url), seconds)
                attempt += 1

    def _file(self, url: str) -> Answer:
        path = self._root / unquote(url.removeprefix("file:").removeprefix("//"))
        try:
            with path.open("rb") as file:
                return Answer(url, self._whole(iter(lambda: file.read(65_536), b""), url))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SourceError(f"cannot read {path}: {reason}; check the path in {url}") from error

    def _followed(self, url: str, headers: dict[str, str], internal: bool) -> Answer:
        asked = url
        for _ in range(self._limits.redirects + 1):
            answer = self._asked(url, headers, home=asked if internal else "")
            if isinstance(answer, Answer):
                return answer
            if urlsplit(answer)[:2] != urlsplit(url)[:2]:  # another host
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = answer
        raise SourceError(f"{asked} redirects more than {self._limits.redirects} times; look for its new address")

    def _asked(self, url: str, headers: dict[str, str], home: str) -> Answer | str:
        """One request: the answer, or where it redirects to. The host of *home* need not be on the public internet."""
        self._turn(_host(url))
        anywhere = urlsplit(url).netloc == urlsplit(home).netloc
        connect, total = self._limits.connect, self._limits.total
        timeout = {"connect": connect, "pool": connect, "read": total, "write": total}
        try:
            with _deadline(total, anywhere) as trace:
                extensions = {"timeout": timeout, "trace": trace}
                request = httpx2.Request("GET", url, headers=headers, extensions=extensions)
                with closing(self._transport.handle_request(request)) as response:
                    return self._answer(url, response)
        except (httpx2.TimeoutException, TimeoutError) as error:
            limits = f"{connect:g} s to connect, {total:g} s in all"
            raise SourceError(f"{url} took too long ({limits}); the next collection tries again") from error
        except httpx2.TransportError as error:
            raise _Later(f"could not be fetched ({error})") from error
        except (httpx2.InvalidURL, ValueError) as error:
            raise SourceError(f"{url} is no address: {error}") from error

    def _answer(self, url: str, response: httpx2.Response) -> Answer | str:
        head, status = response.headers, response.status_code
        said = f"{status} {response.reason_phrase}".strip()
        if status in (301, 302, 303, 307, 308) and "location" in head:
            return urljoin(url, head["location"])
        if status in (429, 503):
            raise _Later(f"asks for patience ({said})", _seconds(head.get("retry-after", "")))
        if status not in (200, 304):
            hint = "the server is in trouble, the next collection tries again" if status >= 500 else "check the address"
            raise SourceError(f"{url} answered {said}; {hint}", status=status)
        chunks = _decoded(response.iter_raw(), head.get("content-encoding", ""), url)
        body = self._whole(chunks, url) if status == 200 else b""
        kind, etag, modified = head.get("content-type", ""), head.get("etag"), head.get("last-modified")
        return Answer(url, body, kind, etag, modified, unchanged=status == 304)

    def _whole(self, chunks: Iterable[bytes], url: str) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > self._limits.size:
                raise SourceError(f"{url} is larger than {self._limits.size:,} bytes; ask for a smaller feed")
        return bytes(body)

    def _turn(self, host: str, postponed: float | None = None) -> None:
        """Wait until *host* may be asked and take that moment, so that threads queue; or let all of them wait."""
        name = next((known for known in self._delays if f".{host}".endswith(f".{known}")), host)
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free.get(name, now))
            self._free[name] = start + self._delays.get(name, 0.0) if postponed is None else max(start, now + postponed)
        if postponed is None and start > now:
            self._wait(start - now)


@contextmanager
def _deadline(seconds: float, anywhere: bool) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    """Cuts the connection when the time is up: a server that drips never meets a timeout for reading.

    What it yields sees each new socket before anything is sent, and unless it may lead *anywhere* refuses those that
    lead out of the public internet.
    """
    sockets: list[socket.socket] = []
    over = threading.Event()

    def cut() -> None:
        over.set()
        for connection in sockets:
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads; close() would not

    def trace(event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started" and not anywhere:
            reach.look_up(info["host"], info["port"])
        if event == "connection.connect_tcp.complete" and not anywhere:
            reach.connected(info["return_value"].get_extra_info("socket"))
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            sockets.append(info["return_value"].get_extra_info("socket"))
            if over.is_set():
                cut()

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield trace
    finally:
        timer.cancel()
        if over.is_set():  # whatever else went wrong, or seems to have gone well: this is why
            raise TimeoutError


def _host(url: str) -> str:
    """The host to ask. Raises SourceError for what is not plain http(s)."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SourceError(f"{url} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        hint = "give an http(s) address without a user name or, in config.yaml, file:path"
        raise SourceError(f"{url.rpartition('@')[2]} cannot be fetched: {hint}")
    return parts.hostname


def _seconds(retry_after: str) -> float | None:
    """What the header says: seconds or a date."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - clock.system().timestamp())
    except (ValueError, OverflowError):
        return None


def _decoded(chunks: Iterable[bytes], encoding: str, url: str) -> Iterator[bytes]:
    """The chunks as they were before compression, in pieces of 64 KB: a bomb goes off in slices."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        yield from chunks
        return
    inflater = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
    try:
        for chunk in chunks:
            while chunk:
                if inflater.eof:
                    if chunk[:1] != b"\x1f":
                        break
                    inflater = zlib.decompressobj(wbits=47)  # another gzip member
                yield inflater.decompress(chunk, 65_536)
                chunk = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error as error:
        raise SourceError(f"{url} is compressed in a way that was not asked for ({encoding}: {error})") from error
    if not inflater.eof:
        raise SourceError(f"{url} ends in the middle; the next collection tries again")

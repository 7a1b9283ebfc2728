"""A scripted SMTP server on loopback, certificates, and messages."""

import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from delivery.amazon import StandIn

from digest.delivery.smtp import Smtp
from digest.model import Outgoing

DROP = "drop"
"""a reply: close the connection without a word"""

BODY = b"Dear reader,\r\n.a line with a dot\r\n..two\r\n.\r\nthe end\r\n"


@dataclass
class Server:
    """Says what *replies* tells it to: by verb (`CONNECT`, `EHLO`, …, `.`), a list for the first, second, … time.

    None (and the end of the list) is the usual answer. Under TLS every handshake is tried, also one that fails.
    """

    replies: dict[str, list[str | None]] = field(default_factory=dict)
    offers: tuple[str, ...] = ("PIPELINING", "8BITMIME")
    starttls: ssl.SSLContext | None = None
    implicit: ssl.SSLContext | None = None
    lines: list[str] = field(default_factory=list)
    """every command, in order, over all connections"""
    messages: list[tuple[str, str, bytes]] = field(default_factory=list)
    """envelope sender, recipient and bytes of what was accepted"""
    connections: int = 0

    def __enter__(self) -> "Server":
        self._counts: Counter[str] = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._thread.is_alive():
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        assert not self._thread.is_alive()

    def relay(self, **settings: object) -> Smtp:
        usual: dict[str, object] = {"tls": "none", "helo": "client.example.org", "connect_timeout": 3}
        usual |= {"command_timeout": 3, "final_timeout": 3}
        return Smtp("127.0.0.1", self.port, **(usual | settings))  # type: ignore[arg-type]

    def verbs(self) -> list[str]:
        return [line.split()[0] for line in self.lines]

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(5)
            with suppress(OSError, EOFError):
                Session(self, sock).run()

    def answer(self, verb: str, usual: str) -> str:
        script = self.replies.get(verb, [])
        n = self._counts[verb]
        self._counts[verb] += 1
        return (script[n] if n < len(script) else None) or usual


class Session:
    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server, self.sock = server, sock
        self.sender = self.recipient = ""
        self.secure = False

    def run(self) -> None:
        try:
            if self.server.implicit:
                self.secured(self.server.implicit)
            self.file = self.sock.makefile("rb")
            self.say("CONNECT", "220 ready")
            while line := self.file.readline().decode():
                self.server.lines.append(line.strip())
                self.obey(line.strip())
        finally:
            if hasattr(self, "file"):
                self.file.close()
            self.sock.close()

    def secured(self, context: ssl.SSLContext) -> None:
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.secure = True

    def say(self, verb: str, usual: str) -> int:
        reply = self.server.answer(verb, usual)
        if reply == DROP:
            raise EOFError
        self.sock.sendall(reply.encode() + b"\r\n")
        if reply.startswith("421"):
            raise EOFError
        return int(reply[:3]) if reply[:3].isdigit() else 0

    def obey(self, line: str) -> None:
        verb = line.upper().split()[0]
        handler: Callable[[str], None] = getattr(self, verb.lower(), self.other)
        handler(line)

    def other(self, line: str) -> None:
        self.say(line.split()[0].upper(), "250 ok")

    def ehlo(self, line: str) -> None:
        offers = [*self.server.offers, *(["STARTTLS"] if self.server.starttls and not self.secure else [])]
        text = ["test server", *offers]
        self.say("EHLO", "\r\n".join(f"250{'-' if i < len(text) - 1 else ' '}{w}" for i, w in enumerate(text)))

    def starttls(self, line: str) -> None:
        if self.say("STARTTLS", "220 go on") == 220:
            assert self.server.starttls
            self.file.close()
            self.secured(self.server.starttls)
            self.file = self.sock.makefile("rb")

    def auth(self, line: str) -> None:
        self.say("AUTH", "235 welcome")

    def mail(self, line: str) -> None:
        self.sender = self.recipient = ""
        if self.say("MAIL", "250 ok") == 250:
            self.sender = re.findall("<(.*)>", line)[0]

    def rcpt(self, line: str) -> None:
        if self.say("RCPT", "250 ok" if self.sender else "503 no sender") == 250:
            self.recipient = re.findall("<(.*)>", line)[0]

    def data(self, line: str) -> None:
        if self.say("DATA", "354 go on" if self.recipient else "503 no recipient") != 354:
            return
        if self.server.answer("BODY", "") == DROP:  # with a reset, as when a server is killed
            self.file.readline()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise EOFError
        body = b""
        while (part := self.file.readline()) != b".\r\n":
            if not part:
                raise EOFError
            body += part.removeprefix(b".")
        if self.say(".", "250 stored" if self.recipient else "554 no recipients") == 250:
            self.server.messages.append((self.sender, self.recipient, body))

    def quit(self, line: str) -> None:
        self.say("QUIT", "221 bye")
        raise EOFError


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with `ca.pem`, and signed by it for 127.0.0.1 `good.pem`; `wrong-name.pem`, `expired.pem`."""
    x509 = pytest.importorskip("cryptography.x509", reason="certificates for the tests are made with cryptography")
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    folder = tmp_path_factory.mktemp("certificates")
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test CA")])

    def issue(name: str, host: Any, year: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1()) if host else ca_key
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]) if host else ca_name)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(year, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(ca=not host, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=True)
        pem = builder.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) if host else b""
        (folder / f"{name}.pem").write_bytes(private + pem)

    here = x509.IPAddress(ip_address("127.0.0.1"))
    issue("ca", None, 2120)
    issue("good", here, 2120)
    issue("expired", here, 2021)
    issue("wrong-name", x509.DNSName("elsewhere.example.org"), 2120)
    return folder


@pytest.fixture
def tls(certificates):
    """The server's side, by the name of its certificate."""

    def context(name: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(certificates / f"{name}.pem")
        return made

    return context


@pytest.fixture
def serve():
    """Starts scripted servers that stop with the test."""
    with ExitStack() as stack:
        yield lambda **script: stack.enter_context(Server(**script))


@pytest.fixture
def mail():
    """A message by its id."""

    def made(id: int = 1, *, recipient: str = "", body: bytes = BODY) -> Outgoing:
        head = f"Message-ID: <{id}@news.example.org>\r\nSubject: Paper {id}\r\n\r\n".encode()
        return Outgoing(id, f"b+{id}@news.example.org", recipient or f"reader{id}@example.org", head + body)

    return made


@pytest.fixture
def service():
    with StandIn() as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)

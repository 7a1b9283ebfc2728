"""A name server on loopback that knows a few TXT records, and that their domains get mail."""

import struct
import threading
from socket import AF_INET, SOCK_DGRAM, socket

MX, TXT = 15, 16


def asked_of(port):
    """A resolver that asks the name server there."""
    from dns.resolver import Resolver

    made = Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], port
    return made


class Zone:
    """Answers over UDP as long as the context lasts; what it does not know does not exist."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._socket = socket(AF_INET, SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Zone":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, who = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(self.answer(query), who)

    def answer(self, query: bytes) -> bytes:
        """RFC 1035, 4.1: the question again, and the record that it asks for."""
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode("latin-1").lower())
            at += 1 + length
        question, (kind,) = query[12 : at + 5], struct.unpack_from("!H", query, at + 1)
        name, data = ".".join(labels), b""
        if kind == TXT and name in self._texts:
            text = self._texts[name].encode()
            data = b"".join(bytes([len(text[i : i + 255])]) + text[i : i + 255] for i in range(0, len(text), 255))
        if kind == MX and name in self._texts:
            data = b"\0\x0a\xc0\x0c"  # itself, with priority 10
        found = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data if data else b""
        known = any(text == name or text.endswith(f".{name}") for text in self._texts)
        flags = 0x8580 if known else 0x8583  # NXDOMAIN
        return query[:2] + struct.pack("!HHHHH", flags, 1, bool(found), 0, 0) + question + found

"""A few records from the domain name system, asked of this machine's own resolver (RFC 1035)."""

import re
import secrets
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from digest.errors import TransportError

RESOLVERS = Path("/etc/resolv.conf")
KINDS = {"MX": 15, "TXT": 16}
PORT, TRIES, PATIENCE = 53, 3, 3.0
_LARGE = b"\0\0\x29\x10\0\0\0\0\0\0\0"  # answers of up to 4096 bytes, please (RFC 6891): a key is long


def ask(name: str, kind: str) -> list[str]:
    """Texts, or names of mail servers; none when there is no such record. Raises TransportError without an answer."""
    number = secrets.randbelow(1 << 16)
    question = b"".join(bytes([len(part)]) + part for part in name.encode("idna").split(b".")) + b"\0"
    query = struct.pack("!6H", number, 0x0100, 1, 0, 0, 1) + question + struct.pack("!2H", KINDS[kind], 1) + _LARGE
    answer = _answer(query)
    flags, _, count = struct.unpack_from("!3H", answer, 2)
    if flags & 15 not in (0, 3):
        raise TransportError(f"the resolver could not tell {name} {kind} (its code is {flags & 15}); try again later")
    try:
        return list(_records(answer, 12 + len(question) + 4, count, KINDS[kind]))
    except (IndexError, struct.error) as error:
        raise TransportError(f"the resolver's answer about {name} {kind} is broken; try again later") from error


def _records(answer: bytes, at: int, count: int, kind: int) -> Iterator[str]:
    for _ in range(count):
        at = _name(answer, at)[1]
        of, length = struct.unpack_from("!H6xH", answer, at)
        at += 10
        if at + length > len(answer):
            raise IndexError
        if of == kind:
            yield _name(answer, at + 2)[0] if kind == KINDS["MX"] else _text(answer[at : at + length])
        at += length


def resolver() -> tuple[str, int]:
    """The first that this machine is told to ask."""
    found = re.search(r"^nameserver\s+(\S+)", RESOLVERS.read_text() if RESOLVERS.exists() else "", re.MULTILINE)
    return (found[1] if found else "127.0.0.1"), PORT


def _answer(query: bytes) -> bytes:
    address = resolver()
    for _ in range(TRIES):
        with suppress(OSError):
            answer = _short(address, query)
            if len(answer) >= 12 and answer[2] & 2:
                answer = _long(address, query)
            if len(answer) >= 12 and answer[:2] == query[:2]:
                return answer
    raise TransportError(f"the name server {address[0]} does not answer; see {RESOLVERS}, then run again")


def _short(address: tuple[str, int], query: bytes) -> bytes:
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(PATIENCE)
        line.connect(address)
        line.send(query)
        return line.recv(4096)


def _long(address: tuple[str, int], query: bytes) -> bytes:
    """Many have more to say under one name than fits into a datagram; those say so."""
    with socket.create_connection(address, PATIENCE) as line, line.makefile("rb") as reader:
        line.sendall(struct.pack("!H", len(query)) + query)
        return reader.read(int.from_bytes(reader.read(2), "big"))


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """A name, and where what follows it stands; parts of it may be told by pointing at an earlier one."""
    parts, end = [], 0
    for _ in range(128):
        length = packet[at]
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | packet[at + 1]
        elif length:
            parts.append(packet[at + 1 : at + 1 + length].decode("ascii", "replace"))
            at += 1 + length
        else:
            break
    return ".".join(parts), end or at + 1


def _text(data: bytes) -> str:
    """The strings of a TXT record, as one."""
    parts, at = [], 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts).decode("utf-8", "replace")

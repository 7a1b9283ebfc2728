"""Which network addresses a stranger's address may lead to (REQ-35): those of the public internet, nothing at home."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from digest.errors import SourceError

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # where a network without IPv4 sees all of it


def public(address: str) -> bool:
    """Whether *address*, or the IPv4 address it carries, belongs to the public internet."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    ip = (_carried(ip) or ip) if isinstance(ip, IPv6Address) else ip
    return ip.is_global and not ip.is_multicast and (ip.version == 4 or ip in _UNICAST)


def _carried(ip: IPv6Address) -> IPv4Address | None:
    return ip.ipv4_mapped or ip.sixtofour or (IPv4Address(ip.packed[-4:]) if ip in _NAT64 else None)


def look_up(host: str, port: int) -> None:
    """Refuse a host that leads elsewhere before anything there sees a connection. What the name means a moment later is
    another matter: `connected` has the last word. Raises SourceError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # connecting will tell
        return
    for *_, at in found:
        _refuse_unless_public(host, str(at[0]))


def connected(connection: socket.socket) -> None:
    """Refuse what a socket is connected to, before it carries a byte. Raises SourceError and closes it."""
    peer = str(connection.getpeername()[0])
    try:
        _refuse_unless_public(peer, peer)
    except SourceError:
        connection.close()
        raise


def _refuse_unless_public(host: str, address: str) -> None:
    if not public(address):
        lies = host if host == address else f"{host} ({address})"
        way = "if that is meant, name it in the source's own address and add `internal: true` there"
        raise SourceError(f"{lies} is no address of the public internet; {way}")

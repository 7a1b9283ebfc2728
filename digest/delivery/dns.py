"""A few records from the domain name system, asked of this machine's own resolver."""

from digest.errors import TransportError

PATIENCE = 9.0
"""seconds"""


def ask(name: str, kind: str) -> list[str]:
    """Texts, or names of mail servers; none when there is no such record. Raises TransportError without an answer."""
    from dns.exception import DNSException
    from dns.resolver import NXDOMAIN, NoAnswer, resolve

    try:
        found = resolve(name, kind, search=False, lifetime=PATIENCE)
    except (NXDOMAIN, NoAnswer):
        return []
    except DNSException as error:
        why = f"{error}; see /etc/resolv.conf, then run again"
        raise TransportError(f"{name} {kind} cannot be looked up: {why}") from error
    if kind == "MX":
        return [str(record.exchange).rstrip(".") for record in found]
    return [b"".join(record.strings).decode("utf-8", "replace") for record in found]

"""Mail addresses: checked, made comparable, shown without being told (REQ-8, REQ-24)."""

import re
import unicodedata
from ipaddress import IPv4Address, ip_address

from digest.errors import AddressError

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])+"')
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")
_WITHIN_TEXT = re.compile(r"""("[^"\s]*"|[^\s<>"',:;()\[\]]+)@[^\s<>"',;()\[\]]+""")


def normal(address: str) -> str:
    """The address as it is stored and mailed: its domain in lower case A-labels. Raises AddressError saying why not."""
    given = unicodedata.normalize("NFC", address.strip(" "))
    local, _, domain = given.rpartition("@")
    if flaw := _text_flaw(given) or _local_flaw(local):
        raise _refusal(address, flaw)
    whole = f"{_unquoted(local)}@{_a_labels(domain, address)}"
    if len(whole.encode()) > 254:
        raise _refusal(address, "it is longer than 254 octets")
    return whole


def needs_smtputf8(address: str) -> bool:
    """Whether only servers that offer SMTPUTF8 can take the (normal) *address*: its local part is not ASCII."""
    return not address.isascii()


def canonical(address: str) -> str:
    """One key for the spellings that commonly reach one person, for budgets only. Raises AddressError as `normal`."""
    local, _, domain = normal(address).rpartition("@")
    folded = unicodedata.normalize("NFKC", local).casefold().strip('"')
    return f"{folded.partition('+')[0].replace('.', '') or folded}@{domain}"


def domain_of(address: str) -> str:
    """What stands behind the @."""
    return address.rpartition("@")[2]


def masked(address: str) -> str:
    """`a…e@example.org`: enough for its owner to know it, too little for anybody else."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…{local[-1:] if len(local) > 2 else ''}@{domain}"


def veiled(text: str) -> str:
    """A server's words on one line of at most 500 characters, without the addresses that servers like to repeat."""
    text = text[:1000]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(text.split())
    return _WITHIN_TEXT.sub("…", line)[:500] if "@" in line else line[:500]


def network(ip: str) -> str:
    """What shares a budget: an IPv4 address, an IPv6 /64; everything that is no IP address shares the one `unknown`."""
    try:
        host = ip_address(ip.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(host, IPv4Address):
        return str(host)
    return str(host.ipv4_mapped or f"{ip_address(int(host) >> 64 << 64)}/64")


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, by its name alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _refusal(address: str, flaw: str) -> AddressError:
    return AddressError(f"{address[:80]!r} cannot be used as a mail address: {flaw}")


def _text_flaw(given: str) -> str:
    plain = given.isascii() and given.isprintable()  # nearly all: no need to look at each character
    if not plain and any(unicodedata.category(c)[0] in "CZ" and c != " " for c in given):
        return "it contains a control character, a line break or an unusual blank"
    if "@" not in given:
        return "the @ is missing"
    if given.endswith(">"):
        return "give only what stands between < and >"
    return ""


def _local_flaw(local: str) -> str:
    if not local:
        return "nothing stands before the @"
    if len(local.encode()) > 64:
        return "the part before the @ is longer than 64 octets"
    if _DOT_ATOM.fullmatch(local) or _QUOTED.fullmatch(local):
        return ""
    if "." in (local[0], local[-1]) or ".." in local:
        return "a dot stands at the wrong place before the @"
    return "the part before the @ contains a blank or a character that needs quotes"


def _unquoted(local: str) -> str:
    """Quotes that are not needed name the same mailbox (RFC 5321, 4.1.2)."""
    return local[1:-1] if _DOT_ATOM.fullmatch(local[1:-1]) and local[0] == '"' else local


def _a_labels(domain: str, address: str) -> str:
    if domain.startswith("["):
        raise _refusal(address, "write a domain name instead of an IP address after the @")
    try:
        plain = domain.lower() if domain.isascii() and "xn--" not in domain.lower() else _idna(domain)
    except UnicodeError as error:
        raise _refusal(address, f"its domain is not valid: {error}") from error
    if not _DOMAIN.fullmatch(plain):
        raise _refusal(address, "after the @ stands no complete domain name, like example.org")
    return plain


def _idna(domain: str) -> str:
    import idna  # tables of 5 ms, for few addresses

    return idna.encode(domain, uts46=True, std3_rules=True).decode()

"""Is the sender ready: what others look up about its domain (REQ-5), and whether the relay lets us in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from digest.delivery import Transport
from digest.delivery.dkim import Signer
from digest.delivery.smtp import Smtp
from digest.model import Publication

Ask = Callable[[str, str], list[str]]
"""records by name and kind; raises TransportError without an answer"""


@dataclass(frozen=True)
class Finding:
    """*told*: what was found; where it is not *well*, what to do about it."""

    what: str
    well: bool
    told: str


def findings(publication: Publication, transport: Transport, signer: Signer | None, ask: Ask) -> Iterator[Finding]:
    """One after the other, since each may take some seconds. Raises TransportError when no name server answers."""
    sender = publication.sender.rpartition("@")[2]
    back = publication.return_domain or sender
    host = transport.host if isinstance(transport, Smtp) else ""
    yield _spf(back, host, ask)
    yield _dkim(signer, ask)
    policies = _policies(sender, ask)
    advice = f'publish: _dmarc.{sender}. TXT "v=DMARC1; p=none; rua=mailto:postmaster@{sender}"'
    yield Finding("DMARC", bool(policies), next((f"_dmarc.{name}: {said}" for name, said in policies), advice))
    home = policies[-1][0] if policies else sender
    if not (_akin(back, home) or (signer and _akin(signer.domain, home))):
        yield Finding("alignment", False, f"neither {back} nor the key's domain belongs to {sender}: DMARC fails")
    servers = [name for name in ask(back, "MX") if name]  # "." takes no mail (RFC 7505)
    advice = f"publish: {back}. MX 10 NAME-OF-YOUR-MAIL-SERVER.   (else bounces are lost)"
    yield Finding("MX", bool(servers), f"bounces to {back} go to {', '.join(servers)}" if servers else advice)
    if isinstance(transport, Smtp):
        trouble = transport.tried()
        way = f"{host}:{transport.port}, tls: {transport.tls}{', logged in' if transport.username else ''}"
        yield Finding("relay", not trouble, trouble or way)


def _spf(domain: str, host: str, ask: Ask) -> Finding:
    found = [text for text in ask(domain, "TXT") if text.lower().split(" ")[0] == "v=spf1"]
    if len(found) == 1:
        anybody = found[0].lower().split()[-1] in ("all", "+all")
        return Finding("SPF", not anybody, f"{domain}: {found[0]}{' lets anybody send; end it with -all' * anybody}")
    if found:
        return Finding(
            "SPF", False, f"{domain} has {len(found)} SPF records, which counts as an error; make one of them"
        )
    allowed = f"a:{host}" if host else "include:WHAT-YOUR-PROVIDER-SAYS"
    return Finding("SPF", False, f'publish: {domain}. TXT "v=spf1 {allowed} -all"   (whatever sends for you)')


def _dkim(signer: Signer | None, ask: Ask) -> Finding:
    if signer is None:
        return Finding("DKIM", True, "left to the relay (no delivery.dkim); `digest send-test` shows whether it signs")
    name, record = f"{signer.selector}._domainkey.{signer.domain}", signer.record
    found = [text.replace(" ", "") for text in ask(name, "TXT")]
    if any(record.replace(" ", "").partition("p=")[2] == text.partition("p=")[2].partition(";")[0] for text in found):
        return Finding("DKIM", True, f"{name} has our key")
    wrong = f"{name} has another key; " if found else ""
    return Finding("DKIM", False, f'{wrong}publish: {name}. TXT "{record}"')


def _policies(domain: str, ask: Ask) -> list[tuple[str, str]]:
    """DMARC's, of the domain and those that it belongs to; the last one's is home to whatever may sign for it."""
    parts = domain.split(".")
    names = [".".join(parts[start:]) for start in range(max(1, len(parts) - 1))]
    return [(name, text) for name in names for text in ask(f"_dmarc.{name}", "TXT") if text.startswith("v=DMARC1")]


def _akin(one: str, other: str) -> bool:
    return f".{one}".endswith(f".{other}") or f".{other}".endswith(f".{one}")

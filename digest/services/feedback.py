"""What comes back: bounces and complaints, by mail or from a provider, believed only about messages that are ours.

A report counts when its envelope token was signed by us, or when it names a Message-ID that we gave (both are keyed, so
nobody can guess one). It is about the subscriber of that message, whatever address it names: a forged report can do no
more than its forger could do to themselves. Only a provider that proved who it is, and tells no name of ours, is
believed about the last digest to an address.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from digest.catalog import Catalog
from digest.catalog.feedback import Effect, Lesson, Recipient, What
from digest.catalog.store import chunks
from digest.clock import Clock
from digest.delivery import events
from digest.delivery.address import canonical, veiled
from digest.delivery.bounces import Failed, Kind, Report, read
from digest.delivery.events import Event, Told
from digest.delivery.refusal import Blame
from digest.delivery.spool import Spool
from digest.errors import BadLink, NotFound, TransportError
from digest.links import Links

BATCH = 200
"""mails in one transaction"""

SHARE = 0.05
"""of a domain's deliveries in a day; when more are refused because of us, sending pauses"""

FEW = 5
"""refusals of a domain that are no pattern yet"""


@dataclass
class Learned:
    """What mails or events told, by kind, and what followed; *paused*: why sending was stopped."""

    kinds: Counter[str] = field(default_factory=Counter)
    effects: Counter[Effect] = field(default_factory=Counter)
    quarantined: int = 0
    paused: str | None = None


@dataclass(frozen=True)
class Claim:
    """What somebody says, before it is believed."""

    tokens: tuple[str, ...]
    message_ids: tuple[str, ...]
    what: What | None
    why: str
    failed: tuple[Failed, ...] = ()
    address: str = ""
    """whom a provider names that is to be believed about it"""


@dataclass
class Feedback:
    catalog: Catalog
    links: Links
    clock: Clock
    secrets: Mapping[str, str] = field(default_factory=dict)
    """by provider: what proves that a callback is theirs"""
    fetch: Callable[[str], bytes] = lambda url: b""
    """gets a document over https"""

    def mails(self, folder: Path, progress: Callable[[], None] = lambda: None) -> Learned:
        """Read a spool until it is empty; a mail leaves it once its consequences are committed. Raises Busy, NotFound.

        What is no report, or about no message of ours, is put into quarantine beside the spool.
        """
        spool, learned = Spool(folder), Learned()
        with self.catalog.store.lock("feedback"):
            for paths in chunks(spool.files(), BATCH):
                reports = [read(spool.raw(path)) for path in paths]
                effects = self._apply([_claim(report) for report in reports], learned)
                for path, report, effect in zip(paths, reports, effects, strict=True):
                    learned.kinds[report.kind] += 1
                    self._put_away(spool, path, report, effect, learned)
                    progress()
        return learned

    def events(self, events: Sequence[Event]) -> Learned:
        """Apply what a provider told, once it is known to be the provider."""
        learned = Learned(Counter(event.event for event in events))
        self._apply([_told(event) for event in events], learned)
        return learned

    def callback(self, name: str, headers: Mapping[str, str], body: bytes) -> Learned | None:
        """What the provider *name* reports; None when this is not from them. *headers*: names in lower case.

        Raises NotFound for a provider without a secret in the configuration, SourceError when its certificate cannot
        be had, TransportError when the package that checks signatures is missing.
        """
        provider = events.provider(name)
        if name not in self.secrets:
            raise NotFound(f"webhooks.{name} is not configured")
        try:
            theirs = provider.verify(headers, body, self.secrets[name], self.fetch)
        except ImportError as error:
            raise TransportError(f"webhooks.{name} needs one more package: pip install 'digest[webhooks]'") from error
        if not theirs:
            return None
        try:
            payload = events.parsed(body)
        except (ValueError, RecursionError):
            return None
        return self.events(provider.parse(payload, headers))

    def _apply(self, claims: Sequence[Claim], learned: Learned) -> list[Effect]:
        """One transaction for all of them."""
        recipients = self._recipients(claims)
        effects = [Effect.NOTHING if claim.what is None else Effect.UNMATCHED for claim in claims]
        believed = [
            (place, self._lesson(claim, found))
            for place, (claim, found) in enumerate(zip(claims, recipients, strict=True))
            if claim.what and found and found.address
        ]
        taken = self.catalog.feedback.take([lesson for _, lesson in believed], self.clock())
        for (place, _), effect in zip(believed, taken, strict=True):
            effects[place] = effect
        learned.effects.update(effects)
        blamed = [
            lesson.recipient for (_, lesson), effect in zip(believed, taken, strict=True) if effect is Effect.OURS
        ]
        learned.paused = self._pause(blamed) or learned.paused
        return effects

    def _recipients(self, claims: Sequence[Claim]) -> list[Recipient | None]:
        """Whose message each claim is about: by the signed envelope first, then by Message-ID (REQ-43)."""
        signed = [self._digest(claim) for claim in claims]
        unsigned = [claim for claim, number in zip(claims, signed, strict=True) if not number]
        named = {name: self.links.named(name) for claim in unsigned for name in claim.message_ids}
        found = self.catalog.feedback.recipients({number for number in signed if number}, named)
        by_name = [next((found[name] for name in claim.message_ids if name in found), None) for claim in claims]
        nameless = {c.address.lower() for c, other in zip(claims, by_name, strict=True) if c.address and not other}
        last = self.catalog.feedback.last(nameless) if nameless else {}
        return [
            found.get(number) if number else other or last.get(claim.address.lower())
            for claim, number, other in zip(claims, signed, by_name, strict=True)
        ]

    def _digest(self, claim: Claim) -> int:
        """0 when no token is ours; a test mail has the token of 0 too."""
        for token in claim.tokens:
            try:
                return self.links.read_return(token)
            except BadLink:
                continue
        return 0

    def _lesson(self, claim: Claim, recipient: Recipient) -> Lesson:
        assert claim.what
        what = _worst(claim.failed, recipient.address) if claim.failed else claim.what
        return Lesson(recipient, self.links.fingerprint(canonical(recipient.address)), what, claim.why)

    def _pause(self, blamed: Sequence[Recipient]) -> str | None:
        """Stop before a domain that refuses us takes us for a spammer for good (REQ-44)."""
        domains, now = {recipient.address.rpartition("@")[2] for recipient in blamed}, self.clock()
        if not domains or self.catalog.deliveries.paused():
            return None
        for seen in self.catalog.feedback.refusals(now - timedelta(days=1), domains, FEW):
            if seen.refused > SHARE * seen.sent:
                why = f"{seen.domain} refused {seen.refused} of {seen.sent} messages of the last day because of us"
                self.catalog.deliveries.pause(why, now)
                return why
        return None

    def _put_away(self, spool: Spool, path: Path, report: Report, effect: Effect, learned: Learned) -> None:
        if effect is Effect.UNMATCHED or report.kind in (Kind.UNREADABLE, Kind.NOT_BOUNCE):
            spool.quarantine(path)
            learned.quarantined += 1
        else:
            spool.remove(path)


def _claim(report: Report) -> Claim:
    why = next((failed.reason for failed in report.recipients if failed.reason), "no reason given")
    if report.kind is Kind.COMPLAINT:
        meant = any(failed.blame is Blame.HARD for failed in report.recipients)
        what = What.COMPLAINT if meant else None
        return Claim(report.tokens, _names(report), what, f"complained: {why}")
    bounced = report.kind is Kind.BOUNCE
    failed = report.recipients if bounced else ()
    return Claim(report.tokens, _names(report), What.SOFT if bounced else None, f"bounced: {why}", failed)


def _names(report: Report) -> tuple[str, ...]:
    """A provider's Message-ID is its name for the message, at a domain of its own."""
    return tuple(name for given in report.message_ids for name in (given, given.partition("@")[0]))


_WHAT = {Blame.HARD: What.HARD, Blame.OURS: What.OURS}
_EVENTS = {Told.COMPLAINED: What.COMPLAINT, Told.UNSUBSCRIBED: What.LEFT, Told.BOUNCED: What.SOFT}
_LISTED = {"spam": What.COMPLAINT, "unsubscribed": What.LEFT}
"""why a provider does not even try, where it remembers what a reader said"""


def _told(event: Event) -> Claim:
    """Deferrals, opens and the like teach nothing."""
    what = _WHAT.get(event.blame) or _EVENTS.get(event.event)
    if event.event in (Told.BOUNCED, Told.REJECTED):
        what = _LISTED.get(event.reason) or what
    why = f"{event.event}: {veiled(event.response or event.description or event.reason)}"
    if not what:  # most need no look
        return Claim((), (), None, why)
    names = tuple(filter(None, (*event.ours, event.message_id.strip("<>"))))
    return Claim((), names, what, why, address=event.recipient if event.by_address else "")


def _worst(failed: Sequence[Failed], address: str) -> What:
    """What it means for *address*: the word on itself; else, as it was passed on, hard only when all of it was."""
    own = [one.blame for one in failed if one.address.lower() == address.lower()]
    blames = set(own or (one.blame for one in failed))
    if len(blames) == 1:
        return _WHAT.get(blames.pop(), What.SOFT)
    return What.SOFT

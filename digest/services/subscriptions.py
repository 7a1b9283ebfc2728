"""Signing up, agreeing, changing one's mind, leaving; and what an operator does for a subscriber."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from digest.catalog import Catalog
from digest.catalog.consents import SignUp
from digest.catalog.feedback import SIGN_UPS
from digest.clock import Clock
from digest.delivery import Transport
from digest.delivery.address import canonical, network, normal
from digest.delivery.verdict import Stop, verdict
from digest.errors import BadLink, DigestError, Known, NotFound
from digest.links import FINGERPRINT, Links, Purpose, new_public_id
from digest.model import WELCOME, Interest, Outgoing, Schedule, Standing, State, Subscriber, Topic, Turn
from digest.rendering.press import letter
from digest.services.printing import Printing

KEPT = timedelta(days=30)
"""how long an unconfirmed request is remembered"""


PATIENCE, AGAIN = timedelta(days=1), timedelta(minutes=5)
"""how long a confirmation mail is tried, and how long after an attempt the next one is made"""

FORM_LASTS = timedelta(days=1)
"""how long a form can be filled in"""

EARLIEST = timedelta(hours=14)
"""by which a day begins in the first zone before it does in UTC"""


@dataclass(frozen=True)
class Proof:
    """What is kept of an act of consent (REQ-18). *wording*: the text the person agreed to."""

    ip: str
    user_agent: str
    form_url: str
    wording: str


@dataclass(frozen=True)
class Limits:
    """How many confirmation mails may leave for one network, and in all, beside those for one address (REQ-24)."""

    network_hour: int = 20
    hour: int = 1000


@dataclass
class Subscriptions:
    catalog: Catalog
    links: Links
    printing: Printing
    limits: Limits
    clock: Clock

    # ---- what a person does

    def request(self, address: str, interest: Interest, schedule: Schedule, proof: Proof, count: int = 10) -> None:
        """Queue a request. The work is the same whoever asks; what follows is decided when the queue is worked off.

        Raises AddressError for what can be no address at all.
        """
        address, public_id, net = normal(address), new_public_id(), network(proof.ip)
        mark, wishes = self._mark(address), _dumped(interest, schedule) | {"count": count}
        self.catalog.consents.queue(SignUp(0, public_id, address, mark, net, wishes, _kept(proof), self.clock()))

    def form_token(self, typed: str = "") -> str:
        """Proves when a form was asked for (REQ-25): the one that came with it, or a new one when that is no good."""
        if self.form_age(typed) is not None:
            return typed
        return self.links.sign(Purpose.FORM, f"{int(self.clock().timestamp()):x}")

    def form_age(self, token: str) -> timedelta | None:
        """How long ago the form was asked for; None when that was too long ago, or never."""
        try:
            asked = datetime.fromtimestamp(int(self.links.read(token, Purpose.FORM), 16), UTC)
        except BadLink:
            return None
        return age if (age := self.clock() - asked) < FORM_LASTS else None

    def confirmable(self, token: str) -> SignUp:
        """The request behind a confirmation link. Raises BadLink, also when it was used and they have left since."""
        found = self.catalog.consents.sign_up(self.links.read(token, Purpose.CONFIRM, self.clock()))
        if found is None or self.catalog.consents.suppressed(found.fingerprint):
            raise BadLink(expired=True)
        known = self.catalog.subscribers.by_address(found.address) if found.confirmed else None
        if known and known.standing is Standing.LEFT:
            raise BadLink(expired=True)
        return found

    def confirm(self, token: str, proof: Proof) -> None:
        """Begin the subscription and owe a welcome; once more does nothing. Raises BadLink."""
        sign_up, now, consents = self.confirmable(token), self.clock(), self.catalog.consents
        if sign_up.confirmed:
            return
        interest, schedule = _loaded(sign_up.wishes)
        count = sign_up.wishes.get("count", 10)  # of a request from before it was asked for
        wanted = Subscriber(0, sign_up.public_id, sign_up.address, schedule=schedule, interest=interest, count=count)
        public_id = self._begin(wanted).public_id
        consents.record(public_id, "requested", sign_up.at, sign_up.proof)
        consents.record(public_id, "confirmed", now, _kept(proof) | {"token": sign_up.public_id})
        consents.confirm(sign_up, now)

    def refusable(self, token: str) -> tuple[str, str]:
        """Only looks: the fingerprint of the address that a confirmation mail went to, and what asked for it.

        Raises BadLink. It is never too late to refuse: the link itself has what is needed.
        """
        said = self.links.read(token, Purpose.NEVER)
        return said[:FINGERPRINT], said[FINGERPRINT:]

    def never(self, token: str) -> None:
        """Whoever got a confirmation mail wants none from us, ever. Raises BadLink."""
        mark, public_id = self.refusable(token)
        self.catalog.consents.suppress(mark, "asked never to be written to", self.clock())
        sign_up, people = self.catalog.consents.sign_up(public_id), self.catalog.subscribers
        if subscriber := people.by_address(sign_up.address) if sign_up else people.by_public_id(public_id):
            self._end(subscriber, "never")

    def preferences(self, token: str) -> Subscriber:
        """Whose preferences these are. Raises BadLink, also when the person has been erased."""
        subscriber = self.catalog.subscribers.by_public_id(self.links.read(token, Purpose.PREFERENCES))
        if subscriber is None or not subscriber.address:
            raise BadLink
        return subscriber

    def may_leave(self, token: str) -> None:
        """Only looks: raises BadLink unless this link would unsubscribe somebody."""
        self.links.read(token, Purpose.UNSUBSCRIBE)

    def leave(self, token: str) -> None:
        """End all digests at once. Leaving twice, or after having been erased, is fine. Raises BadLink."""
        public_id = self.links.read(token, Purpose.UNSUBSCRIBE)
        subscriber = self.catalog.subscribers.by_public_id(public_id)
        if subscriber and subscriber.standing is not Standing.LEFT:
            self._end(subscriber, "left")

    # ---- what an operator does

    def add(
        self,
        address: str,
        interest: Interest,
        schedule: Schedule,
        reason: str,
        *,
        count: int = 10,
        after: datetime | None = None,
    ) -> Subscriber:
        """Subscribe somebody whose consent the operator has, for *reason*; the first mail is a welcome.

        With *after*, no welcome: the first turn is the one due later than that. Raises AddressError, DigestError; Known
        for who is subscribed already: what they have chosen since, a pause above all, is theirs.
        """
        address, now = normal(address), self.clock()
        if not reason.strip():
            raise DigestError("say how they agreed: that is the proof of their consent")
        if why := self.catalog.consents.suppressed(self._mark(address)):
            raise DigestError(f"{address} must not be written to: {why}; `digest subscribers lift` forgets that")
        known = self.catalog.subscribers.by_address(address)
        if known and known.standing is Standing.LEFT:
            raise DigestError(f"{address} has left; ask them to sign up again, or add them without --confirmed")
        if known:
            raise Known(f"{address} is subscribed already; `digest subscribers set` changes what they get")
        wanted = Subscriber(0, new_public_id(), address, schedule=schedule, interest=interest, count=count)
        self.catalog.consents.record(wanted.public_id, "operator", now, {"reason": reason})  # before any mail is owed
        return self._begin(wanted, after)

    def find(self, who: str) -> Subscriber:
        """By address or public id. Raises NotFound."""
        if "@" in who:
            found = self.catalog.subscribers.by_address(normal(who))
        else:
            found = self.catalog.subscribers.by_public_id(who)
        if found is None:
            raise NotFound(f"there is no subscriber {who}; `digest subscribers list` shows all")
        return found

    def set(self, before: Subscriber, wanted: Subscriber) -> None:
        """Their preferences, and with them pause or go on; who has left stays so."""
        paused = self._pauses(wanted)
        standing = Standing.PAUSED if paused else Standing.ACTIVE
        if before.standing is Standing.LEFT:
            standing = Standing.LEFT
        changed = replace(wanted, paused_until=wanted.paused_until if paused else None, standing=standing)
        moved = (changed.schedule, standing) != (before.schedule, before.standing)
        moves = moved and not self._owed(before)
        self.catalog.subscribers.put(changed, changed.schedule.next(self.clock()) if moves else None)

    def wake(self) -> int:
        """End the pauses that are over; how many."""
        somewhere = self.catalog.subscribers.pauses_over((self.clock() + EARLIEST).date())
        over = [subscriber for subscriber in somewhere if not self._pauses(subscriber)]
        for subscriber in over:
            self.set(subscriber, subscriber)
        return len(over)

    def erase(self, subscriber: Subscriber) -> None:
        """Forget a person. Their links go on to answer "you are unsubscribed"."""
        self.catalog.subscribers.erase(subscriber.id)

    def lift(self, address: str, because: str) -> str:
        """Write to an address again; returns why it was suppressed. Raises AddressError, DigestError, NotFound."""
        address = normal(address)
        mark = self._mark(address)
        if not because.strip():
            raise DigestError("say why it may be written to again: that is kept as a proof")
        why = self.catalog.consents.suppressed(mark)
        if why is None:
            raise NotFound(f"{address} is not suppressed")
        self.catalog.consents.lift(mark)
        if known := self.catalog.subscribers.by_address(address):
            self.catalog.consents.record(known.public_id, "lifted", self.clock(), {"reason": because, "was": why})
        return why

    def _mark(self, address: str) -> str:
        """What is kept of an address that must never be written to, whatever way it is spelled (REQ-21)."""
        return self.links.fingerprint(canonical(address))

    def exported(self, subscriber: Subscriber) -> dict[str, Any]:
        """All that is known of a person, ready for JSON."""
        mark = self._mark(subscriber.address) if subscriber.address else ""
        return {
            **asdict(subscriber),
            "suppressed": self.catalog.consents.suppressed(mark),
            "topics": [topic.name for topic in self.catalog.topics.all() if topic.id in subscriber.interest.topics],
            "consents": self.catalog.consents.history(subscriber.public_id),
            "votes": self.catalog.votes.history(subscriber.id),
            "digests": [
                {"turn": d.digest.turn, "date": d.digest.date, "state": d.state}
                for d in self.catalog.deliveries.of(subscriber=subscriber.id)
            ],
        }

    def topics(self) -> list[Topic]:
        return self.catalog.topics.offered()

    def interest(self, names: Iterable[str]) -> tuple[Interest, list[str]]:
        """An interest from topic names or slugs; what is neither becomes free text and is returned beside it."""
        by_name = {key: topic.id for topic in self.topics() for key in (topic.name.lower(), topic.slug.lower())}
        wanted = [name.strip() for name in names if name.strip()]
        unknown = [name for name in wanted if name.lower() not in by_name]
        return Interest({by_name[n.lower()]: 1.0 for n in wanted if n.lower() in by_name}, tuple(unknown)), unknown

    # ---- the queue of confirmation mails

    def post(self, transport: Transport) -> int:
        """Send the confirmation mails that are asked for and allowed; how many left. At most once each. Raises Busy."""
        with self.catalog.store.lock("post"):
            return 0 if self.catalog.deliveries.paused() else self._post(transport)

    def _post(self, transport: Transport) -> int:
        waiting = self._allowed(self.catalog.consents.queued(self.clock() - AGAIN))
        first = next(waiting, None)
        if first is None:
            return 0
        sign_ups: dict[int, SignUp] = {}
        sent = 0
        for outcome in transport.deliver(self._letters(first, waiting, sign_ups)):
            sign_up, now = sign_ups.pop(outcome.id), self.clock()
            found = verdict(outcome, 1, now, sign_up.at + PATIENCE)
            self.catalog.consents.mark(sign_up, _POSTED.get(found.state, "failed"), now)
            sent += outcome.accepted
            if found.stop is Stop.PAUSE:
                self.catalog.deliveries.pause(found.text, now)
            if found.stop is not Stop.NONE:
                break  # the server is in trouble, not this address
        for sign_up in sign_ups.values():  # announced by then, and not begun
            self.catalog.consents.mark(sign_up, "queued", self.clock())
        return sent

    def tidy(self) -> int:
        """Delete what was asked for and never confirmed, and soon what was refused; how many requests."""
        return self.catalog.consents.forget(self.clock() - KEPT, refused=self.clock() - PATIENCE)

    def _allowed(self, queued: Sequence[SignUp]) -> Iterator[SignUp]:
        for sign_up in queued:
            if state := self._refusal(sign_up):
                self.catalog.consents.mark(sign_up, state, self.clock())
            else:
                yield sign_up

    def _refusal(self, sign_up: SignUp) -> str | None:
        """The state of a request that no mail follows, seen from the moment it is worked off; None if one does."""
        consents, now, limits = self.catalog.consents, self.clock(), self.limits
        if consents.suppressed(sign_up.fingerprint):
            return "suppressed"
        address, net = {"fingerprint": sign_up.fingerprint}, {"network": sign_up.network}
        budgets: tuple[tuple[str, int, timedelta, dict[str, str]], ...] = (
            ("overflow", limits.hour, timedelta(hours=1), {}),
            ("refused", 1, timedelta(minutes=10), address),
            ("refused", 3, timedelta(days=1), address),
            ("refused", limits.network_hour, timedelta(hours=1), net),
        )
        spent = (state for state, most, span, whose in budgets if consents.mailed_since(now - span, **whose) >= most)
        return next(spent, None)

    def _letters(self, first: SignUp, rest: Iterator[SignUp], sign_ups: dict[int, SignUp]) -> Iterator[Outgoing]:
        stationery, now = self.printing.stationery("confirm"), self.clock()
        for sign_up in chain([first], rest):
            sign_ups[sign_up.id] = sign_up
            token = self.links.sign(Purpose.CONFIRM, sign_up.public_id, at=now)
            base, domain = self.printing.publication.base_url, self.printing.publication.sender.rpartition("@")[2]
            message_id = self.links.message_id(0, sign_up.public_id, "confirm", domain)
            never = self.links.sign(Purpose.NEVER, sign_up.fingerprint + sign_up.public_id)
            values = {"confirm_url": f"{base}/confirm/{token}", "never_url": f"{base}/never/{never}"}
            message = self.printing.signed(letter(stationery, sign_up.address, message_id, now, values), now)
            self.catalog.consents.mark(sign_up, "sending", self.clock())
            yield Outgoing(sign_up.id, self.printing.return_path(SIGN_UPS + sign_up.id), sign_up.address, message)

    # ---- helpers

    def _begin(self, wanted: Subscriber, after: datetime | None = None) -> Subscriber:
        now, known = self.clock(), self.catalog.subscribers.by_address(wanted.address)
        active = known is not None and known.standing is Standing.ACTIVE
        if known:
            asked = replace(known.interest, topics=wanted.interest.topics, texts=wanted.interest.texts)
            wanted = replace(
                known, standing=Standing.ACTIVE, paused_until=None, schedule=wanted.schedule, interest=asked
            )
        begun = replace(wanted, since=known.since if known and active else now)
        first = wanted.schedule.next(after or now) if active or after else Turn(WELCOME, now)
        kept = known is not None and active and self._owed(known)
        return self.catalog.subscribers.put(begun, None if kept else first, again=not active)

    def _pauses(self, subscriber: Subscriber) -> bool:
        """Whether the day has not come yet, where they live, on which they want mail again."""
        until, zone = subscriber.paused_until, ZoneInfo(subscriber.schedule.zone)
        return until is not None and until > self.clock().astimezone(zone).date()

    def _owed(self, subscriber: Subscriber) -> bool:
        """Whether they wait for a turn that a new schedule must not take away: the welcome, or one that is due."""
        turn = self.catalog.subscribers.turn(subscriber.id)
        due = turn is not None and turn.due <= self.clock() and subscriber.standing is Standing.ACTIVE
        return due or (turn is not None and turn.label == WELCOME)

    def _end(self, subscriber: Subscriber, event: str) -> None:
        self.catalog.subscribers.stand(subscriber.id, Standing.LEFT)
        self.catalog.consents.record(subscriber.public_id, event, self.clock(), {})


_POSTED = {State.SENT: "mailed", State.UNCERTAIN: "mailed", State.PENDING: "queued"}
"""what becomes of a request; one that may have arrived counts as mailed, since a second would be one too many"""


def _kept(proof: Proof) -> dict[str, str]:
    version = hashlib.sha256(proof.wording.encode()).hexdigest()[:16]
    return {**asdict(proof), "wording_version": version}


def _dumped(interest: Interest, schedule: Schedule) -> dict[str, Any]:
    return {"interest": asdict(interest), "schedule": asdict(schedule)}


def _loaded(wishes: Mapping[str, Any]) -> tuple[Interest, Schedule]:
    interest, schedule = TypeAdapter(Interest), TypeAdapter(Schedule)
    return interest.validate_python(wishes["interest"]), schedule.validate_python(wishes["schedule"])

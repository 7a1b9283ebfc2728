"""Handing finished messages over, and knowing afterwards what became of each.

To add a transport: write `delivery/<kind>.py` with a frozen dataclass whose fields are its settings under `transport:`
in `config.yaml` and which has `deliver`; say `TRANSPORT = YourClass`; add it to the contract test. Nothing else is
edited. A transport installed as a package registers its class under the entry point group `digest.transports`.
"""

from collections.abc import Generator, Iterable
from typing import Protocol

from digest.model import Outcome, Outgoing


class Transport(Protocol):
    """Called once per connection and run; several calls may run at a time, in threads."""

    def deliver(self, mails: Iterable[Outgoing]) -> Generator[Outcome]:
        """Pulls the next mail only when it can send it; yields one Outcome for each, in order.

        It may pull one mail ahead, before the Outcome of the one before, and tell the server whom it is for.
        No byte of its message goes out before the Outcome of the one before was yielded and the next was asked for:
        what the caller writes down in between stands before the data does.

        Trouble with one message or connection is an Outcome, never an exception: `CONNECT` and `HELLO` when there is
        no session, `FINAL` with code 0 when the connection died after the data. Raises TransportError only for what
        no retry can help (an unwritable outbox, a policy that forbids the connection). Closing the generator ends the
        session; a mail that was pulled ahead is then not sent.
        """

"""What mail providers report over HTTP: one module each, one vocabulary.

To add a provider: write `events/<name>.py` with `parse(payload, headers)`, which returns `Event`s and raises nothing,
and `verify(headers, body, secret, fetch)`, True only for what comes from the provider; add its name to `PROVIDERS` and
to `config.Webhooks`. Headers have names in lower case. *fetch* gets a document over https, for one that signs with a
certificate.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from digest.delivery.events.event import Event, Told, parsed
from digest.errors import NotFound

__all__ = ["PROVIDERS", "Event", "Told", "parsed", "provider"]

PROVIDERS = ("mailgun", "postmark", "resend", "sendgrid", "ses")


class Provider(Protocol):
    """A module of this package."""

    def parse(self, payload: Any, headers: Mapping[str, str]) -> list[Event]:
        """The events in a payload (parsed JSON, or the fields of a form). Never raises."""

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str, fetch: Callable[[str], bytes]) -> bool:
        """Whether the provider sent this; never raises but for what *fetch* raises."""


def provider(name: str) -> Provider:
    """By name. Raises NotFound."""
    name = "ses" if name == "amazon_ses" else name
    if name not in PROVIDERS:
        raise NotFound(f"no provider is called {name[:40]!r}; there are {', '.join(PROVIDERS)}")
    return cast(Provider, import_module(f"digest.delivery.events.{name}"))

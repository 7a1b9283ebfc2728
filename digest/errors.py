"""Named failures. Everything the program can expect to go wrong is a `DigestError`; bugs are not caught.

`ConfigError` stands outside the family, so nothing that survives a bad feed survives a bad configuration.
"""


class ConfigError(Exception):
    """The configuration cannot be used; the message names file, line and key, and what to do."""


class DigestError(Exception):
    """The base of every expected failure; `str()` is one line for a person."""

    exit_code = 1


class SourceError(DigestError):
    """A source could not be read. *name* is the source as `config.yaml` calls it, *status* what its server answered."""

    exit_code = 3

    def __init__(self, message: str, *, name: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.name = name
        self.status = status

    def __str__(self) -> str:
        return f"{self.name}: {self.args[0]}" if self.name else str(self.args[0])


class InputError(DigestError):
    """A file that a command was given cannot be read: *file* (and *line*, from 1, where known) and what is wrong."""

    exit_code = 2

    def __init__(self, message: str, *, file: str, line: int | None = None) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")
        self.file = file
        self.line = line


class TemplateError(InputError):
    """A template cannot be used."""

    exit_code = 4


class CatalogError(DigestError):
    """The database cannot be opened, is locked, full, or of another version."""

    exit_code = 5


class TransportError(DigestError):
    """A transport cannot be used at all (unwritable outbox, TLS by policy). One message's trouble is an `Outcome`."""

    exit_code = 6


class Busy(DigestError):
    """Another process holds the lock named in the message."""

    exit_code = 7


class NotFound(DigestError):
    """What was asked for does not exist; the message names it."""

    exit_code = 2


class AddressError(DigestError, ValueError):
    """No mail can go to this address; the message says why."""

    exit_code = 2


class Known(DigestError):
    """Somebody is to be subscribed who is so already; nothing was changed."""


class BadLink(DigestError):
    """A signed link that we did not make, that is for something else, or that is too old (*expired*)."""

    def __init__(self, message: str = "this link is not valid", *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired

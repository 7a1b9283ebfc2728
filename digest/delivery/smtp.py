"""Mail to a relay over SMTP: smtplib does TLS and AUTH and reads the replies; the envelope is pipelined on top."""

import os
import re
import smtplib
import socket
import ssl
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Literal, NamedTuple, get_args

from digest.clock import elapsed
from digest.delivery.address import is_loopback, needs_smtputf8
from digest.delivery.pace import Pace
from digest.errors import TransportError
from digest.model import Outcome, Outgoing, Phase

Tls = Literal["starttls", "implicit", "none"]
PROMPT = 0.1
"""seconds: a server that thinks longer about a message gets the next envelope when it has answered"""
_ODD = re.compile(r"[^!-*,-<>-~]")


@dataclass(frozen=True)
class Smtp:
    """A relay, and how to talk to it. Raises TransportError for settings that would send secrets or mail in clear."""

    host: str
    port: int = 587
    tls: Tls = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    """trust the certificates in this file instead of the system's"""
    insecure: bool = False
    """allow `tls: none` to hosts other than this one"""
    helo: str = ""
    source: str = ""
    """the local IP address to send from"""
    rate: float = 0
    """messages a second, over all connections; 0: as many as the server takes"""
    messages_per_connection: int = 100
    connect_timeout: float = 30
    command_timeout: float = 300
    final_timeout: float = 600
    """how long the server may think after the final dot, and over the envelope that came with it; giving up early makes
    doubles (RFC 5321, 4.5.3.2.6)"""

    def __post_init__(self) -> None:
        if flaw := self._flaw():
            raise TransportError(f"mail cannot be sent through {self.host}:{self.port}: {flaw}")

    def _flaw(self) -> str:
        if not (self.host and 0 < self.port < 65536):
            return "host and port must name a server"
        if min(self.connect_timeout, self.command_timeout, self.final_timeout, self.messages_per_connection) <= 0:
            return "timeouts and messages_per_connection must be more than 0"
        if self.rate < 0:
            return f"rate is {self.rate}; it must be a number of messages a second, or 0 for no limit"
        if self.tls not in get_args(Tls):
            return f"tls is {self.tls!r}; it must be starttls, implicit or none"
        if self.tls == "none" and self.username:
            return "a password never travels in clear; use tls: starttls or implicit, or leave username out"
        if self.tls == "none" and not (self.insecure or is_loopback(self.host)):
            return "tls: none is for this machine only; use tls: starttls, or set insecure: true if the way is safe"
        if not f"{self.username}{self.password}{self.helo}".isascii():
            return "username, password and helo must be ASCII"
        return ""

    @cached_property
    def pace(self) -> Pace:
        return Pace(self.rate)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """One for all connections: making it takes ten times longer than connecting."""
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            raise TransportError(f"ca_file {self.ca_file} holds no certificates in PEM form: {error}") from error

    def tried(self) -> str:
        """Opens a session as for mail, with TLS and AUTH, and ends it: what was wrong, or ""."""
        line = Line(self)
        said = line.opened()
        line.leave()
        return f"{said.code or 'no reply'} at {said.phase}: {said.text}" if said else ""

    def deliver(self, mails: Iterable[Outgoing]) -> Generator[Outcome]:
        """As `Transport`. It connects before it pulls, so that what is pulled is sent at once.

        Where the server allows pipelining, the next mail is pulled and its envelope sent behind the message before, in
        one write: the server has work while its reply is on the way. After trouble it connects anew; whoever stops
        iterating leaves the server alone.
        """
        queue = Ahead(mails, self.pace)
        line = Line(self)
        try:
            while True:
                trouble = line.opened()
                if (mail := queue.pull()) is None:
                    return
                yield Outcome(mail.id, *trouble) if trouble else line.hand_over(mail, queue)
        finally:
            line.leave()


TRANSPORT = Smtp


class Said(NamedTuple):
    """The server's word and what it was about; code 0 when there was none."""

    phase: Phase
    code: int
    text: str


class Ahead:
    """The mails to send, at their pace; one may be looked at before its turn."""

    def __init__(self, mails: Iterable[Outgoing], pace: Pace) -> None:
        self._mails = iter(mails)
        self._pace = pace
        self._next: Outgoing | None = None
        self._trouble: Exception | None = None

    def peek(self) -> Outgoing | None:
        """The mail that `pull` gives next, if it may be sent now.

        Trouble with getting it is kept for `pull`: the reply to the mail before is still to be heard.
        """
        if self._pace.permit():
            try:
                self._next = next(self._mails, None)
            except Exception as error:  # noqa: BLE001  raised by `pull`
                self._trouble = error
        return self._next

    def pull(self) -> Outgoing | None:
        """The next mail, when it may be sent."""
        if self._trouble:
            raise self._trouble
        if self._next:
            mail, self._next = self._next, None
            return mail
        self._pace.wait()
        return next(self._mails, None)


class Line(smtplib.SMTP):
    """A connection that is made anew when it was lost or has carried enough messages."""

    def __init__(self, relay: Smtp) -> None:
        super().__init__(
            local_hostname=relay.helo or own_name(), source_address=(relay.source, 0) if relay.source else None
        )
        self._host = relay.host  # the name that smtplib expects in the certificate
        self._relay = relay
        self._tls = None if relay.tls == "none" else relay.context
        self._carried = 0
        self._prompt = False
        self._announced: Outgoing | None = None
        """whose envelope was sent, and not replied to yet"""

    def opened(self) -> Said | None:
        """Sees to it that there is a session; returns what the server said when there is none."""
        if self.sock and self._carried < self._relay.messages_per_connection:
            return None
        self.leave()
        trouble = self._connected() or self._introduced()
        if trouble:
            self.close()
        return trouble

    def _connected(self) -> Said | None:
        try:
            self.sock = self._socket()
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be one
            return Said(Phase.CONNECT, 0, f"no connection to {self._host}:{self._relay.port}: {self._explained(error)}")
        greeting = self._heard(Phase.CONNECT)
        return None if greeting.code == 220 else greeting

    def _socket(self) -> socket.socket:
        relay = self._relay
        sock = socket.create_connection((relay.host, relay.port), relay.connect_timeout, self.source_address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else Nagle and delayed ACK cost 40 ms a message
        if relay.tls == "implicit" and self._tls:
            sock = self._tls.wrap_socket(sock, server_hostname=relay.host)
        sock.settimeout(relay.command_timeout)
        self.file = None
        self._carried = 0
        self._prompt = False
        self._announced = None
        return sock

    def _introduced(self) -> Said | None:
        """EHLO, STARTTLS, AUTH. No name and no password is said before the certificate was checked."""
        relay = self._relay
        self.ehlo_resp = self.helo_resp = None
        try:
            self.ehlo_or_helo_if_needed()
            if relay.tls == "starttls":
                self.starttls(context=self._tls)
                self.ehlo_or_helo_if_needed()
            if relay.username:
                self.login(relay.username, relay.password)
        except smtplib.SMTPResponseException as error:
            return Said(Phase.HELLO, max(error.smtp_code, 0), _text(error.smtp_error))
        except smtplib.SMTPServerDisconnected as error:
            return Said(Phase.HELLO, 0, str(error))
        except smtplib.SMTPException as error:  # no STARTTLS, no AUTH that we know
            return Said(Phase.HELLO, 530, f"{error} Not sending without; check host, port and tls.")
        except (OSError, ValueError) as error:  # ValueError: an AUTH challenge that is none
            return Said(Phase.HELLO, 0, self._explained(error))
        return None

    def hand_over(self, mail: Outgoing, queue: Ahead) -> Outcome:
        """One message, up to the reply to its final dot or to the first refusal; the session goes on where it can."""
        self._carried += 1
        said = self._unsendable(mail) or self._envelope(mail)
        if said.phase is Phase.DATA and said.code == 354:
            said = self._message(mail.message, queue)
        return Outcome(mail.id, *said)

    def _announce(self, queue: Ahead) -> bytes:
        """The next envelope, to follow the final dot and be answered after it (RFC 2920); its data waits for both.

        Not while the server is slow, or has not shown yet how fast it is: what is announced should not grow old.
        """
        more = self._carried < self._relay.messages_per_connection
        if self._prompt and more and self.has_extn("pipelining"):
            mail = queue.peek()
            if mail and not self._unsendable(mail):
                self._announced = mail
                return "".join(self._commands(mail).values()).encode()
        return b""

    def _unsendable(self, mail: Outgoing) -> Said | None:
        """The last look at what goes into commands; addresses were checked long before."""
        if not (mail.sender + mail.recipient).isprintable():
            return Said(Phase.RCPT, 553, "5.1.3 an address of the envelope contains a control character")
        if needs_smtputf8(mail.recipient) and not self.has_extn("smtputf8"):
            return Said(Phase.RCPT, 553, "5.6.7 the address is not ASCII, and the server does not offer SMTPUTF8")
        return None

    def _envelope(self, mail: Outgoing) -> Said:
        """MAIL, RCPT and DATA, in one write where the server allows it: the first refusal, or 354."""
        commands = {} if mail is self._announced else self._commands(mail)
        pipelined = self.has_extn("pipelining")
        if pipelined and commands:
            self._say("".join(commands.values()))
        self._announced = None
        refusal = None
        for phase in (Phase.MAIL, Phase.RCPT, Phase.DATA):
            if not pipelined:
                self._say(commands[phase])
            said = self._heard(phase)
            if not _goes_on(said):
                refusal = refusal or said
                if not pipelined or not self.sock:
                    break
        if refusal:
            self._reset(said)
        return refusal or said

    def _commands(self, mail: Outgoing) -> dict[Phase, str]:
        """A server that knows RFC 3461 is asked to report failures only, and to say which message they are about."""
        utf8 = " SMTPUTF8" if needs_smtputf8(mail.recipient) else ""
        envid = notify = ""
        if self.has_extn("dsn"):
            token = mail.sender.partition("+")[2].partition("@")[0]
            envid = f" RET=HDRS{f' ENVID={token}' if token.isalnum() else ''}"
            notify = f" NOTIFY=FAILURE{'' if utf8 else f' ORCPT=rfc822;{_xtext(mail.recipient)}'}"
        return {
            Phase.MAIL: f"MAIL FROM:<{mail.sender}>{envid}{utf8}\r\n",
            Phase.RCPT: f"RCPT TO:<{mail.recipient}>{notify}\r\n",
            Phase.DATA: "DATA\r\n",
        }

    def _reset(self, last: Said) -> None:
        """After a refusal the transaction is open, and a server that said 354 all the same waits for a body."""
        for command in (".\r\n", "RSET\r\n") if last.code == 354 else ("RSET\r\n",):
            if self.sock:
                self._say(command)
                reset = self._heard(Phase.MAIL)
        if self.sock and reset.code != 250:
            self.close()

    def _message(self, message: bytes, queue: Ahead) -> Said:
        """Without the whole final dot the server cannot have taken it; from then on only its reply can tell."""
        sock = self.sock
        if sock is None:
            return Said(Phase.DATA, 0, "the connection was lost")
        envelope = self._announce(queue)
        try:
            _sent(sock, stuffed(message), envelope)
        except OSError as error:
            self.close()
            return Said(Phase.DATA, 0, f"the connection was lost within the message: {error}")
        _wait(sock, self._relay.final_timeout)
        asked = elapsed()
        said = self._heard(Phase.FINAL)
        self._prompt = elapsed() - asked < PROMPT
        return said

    def _say(self, commands: str) -> None:
        """A connection that is lost here shows when the reply is read, and the reply may be a 421 that says why."""
        with suppress(OSError):
            if self.sock:
                _wait(self.sock, self._relay.command_timeout)
                self.sock.sendall(commands.encode())

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib does, but a reply of one line, as nearly all are, in half the time."""
        if file := self.file:
            there = file.peek()
            end = there.find(b"\n") + 1
            if end and there[3:4] == b" " and there[:3].isdigit():
                file.read(end)
                return int(there[:3]), there[4:end].strip()
        return super().getreply()

    def _heard(self, phase: Phase) -> Said:
        """One reply. After 421, nonsense, silence or a reply to another command the connection is closed."""
        if self.sock is None:
            return Said(phase, 0, "the connection was lost")
        try:
            code, text = self.getreply()
        except OSError as error:  # smtplib's own errors are OSErrors too
            self.close()
            return Said(phase, 0, str(error))
        stray = 300 <= code < 400 and phase in (Phase.MAIL, Phase.RCPT)  # the server lost count, and waits for data
        if code in (-1, 421) or stray:
            self.close()
        if stray:
            return Said(phase, 0, f"this reply belongs to another command: {code} {_text(text)}")
        return Said(phase, code, _text(text)) if code > 0 else Said(phase, 0, f"this is no SMTP reply: {_text(text)}")

    def _explained(self, error: Exception) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the certificate of {self._host} is not trusted: {error.verify_message}; ca_file can name its CA"
        return str(error)

    def leave(self) -> None:
        """QUIT, if there is a session that expects commands; trouble with it changes nothing any more."""
        with suppress(OSError):
            if self.sock and not self._announced:
                self.sock.settimeout(min(5, self._relay.command_timeout))
                self.docmd("QUIT")
        with suppress(OSError):
            self.close()


def stuffed(message: bytes) -> bytes:
    """The message as it travels before the final dot: dots doubled where they begin a line (RFC 5321, 4.5.2)."""
    if message.startswith(b".") or message.rfind(b"\n.") >= 0:  # half the time of `in`, on every message
        message = re.sub(rb"(?m)^\.", b"..", message)
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def _wait(sock: socket.socket, seconds: float) -> None:
    """From now on so long for a reply. To say it again would be a system call, for each message."""
    if sock.gettimeout() != seconds:
        sock.settimeout(seconds)


def _sent(sock: socket.socket, message: bytes, envelope: bytes) -> None:
    """The message, its final dot, and the next *envelope*; in one call and without a copy, where there is no TLS.

    Raises OSError only when the server cannot have the whole dot: after that its reply tells, or nobody.
    """
    end = b".\r\n" + envelope
    gone = 0
    if not isinstance(sock, ssl.SSLSocket):
        with suppress(BlockingIOError):  # not asked first whether there is room: nearly always there is
            gone = os.writev(sock.fileno(), [message, end])
    if gone == len(message) + len(end):
        return
    rest = memoryview(message + end)[gone:]
    try:
        while rest:
            rest = rest[sock.send(rest) :]
    except OSError:
        if len(rest) > len(envelope):
            raise


@cache
def own_name() -> str:
    """How we introduce ourselves unless told otherwise; asking the resolver may be slow, so only once."""
    name = socket.getfqdn()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _xtext(value: str) -> str:
    return _ODD.sub(lambda odd: f"+{ord(odd[0]):02X}", value)


def _goes_on(said: Said) -> bool:
    return said.code == 354 if said.phase is Phase.DATA else 200 <= said.code < 300


def _text(reply: bytes | str) -> str:
    return reply if isinstance(reply, str) else reply.decode("utf-8", "replace")

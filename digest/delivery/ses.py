"""Mail through Amazon SES, by its HTTPS interface (v2, `SendEmail` with the raw message).

SES puts its own Message-ID and Date in the place of ours, so it must be SES that signs: leave `delivery.dkim` out and
turn on Easy DKIM. Its name for the message is kept in the ledger: bounces are known by it.
"""

import base64
import hashlib
import hmac
import http.client
import json
import select
import ssl
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from digest import clock
from digest.delivery.address import is_loopback, veiled
from digest.delivery.pace import Pace
from digest.errors import TransportError
from digest.model import Outcome, Outgoing, Phase

PATH = "/v2/email/outbound-emails"
LARGEST = 64 * 1024
"""bytes of an answer that are read"""

OURS = {
    "AccessDeniedException", "AccountSuspendedException", "IncompleteSignatureException", "InvalidClientTokenId",
    "InvalidSignatureException", "MailFromDomainNotVerifiedException", "MissingAuthenticationTokenException",
    "NotFoundException", "SendingPausedException", "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
"""whoever comes next would hear the same: keys, account, configuration set"""

Word = tuple[Phase, int, str]
SIGNED: Word = Phase.HELLO, 535, "SES changes what delivery.dkim signs; leave that out and turn on Easy DKIM there"


@dataclass(frozen=True)
class Ses:
    """An account in one region. Raises TransportError for settings that cannot work or would tell the mail in clear."""

    region: str
    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    """for temporary credentials"""
    configuration_set: str = ""
    rate: float = 0
    """messages a second, over all connections, as the account's quota says; 0: no limit of ours"""
    timeout: float = 60
    endpoint: str = ""
    """another address of the service than the region's own"""

    def __post_init__(self) -> None:
        if not (self.region and self.access_key and self.secret_key):
            raise TransportError("Amazon SES needs region, access_key and secret_key under transport")
        if self.rate < 0 or self.timeout <= 0:
            raise TransportError("Amazon SES: rate must not be less than 0, and timeout must be more")
        if self._url.scheme != "https" and not is_loopback(self._host):
            raise TransportError(f"Amazon SES: the endpoint {self.endpoint} must begin with https://")

    @cached_property
    def _url(self) -> SplitResult:
        return urlsplit(self.endpoint or f"https://email.{self.region}.amazonaws.com")

    @property
    def _host(self) -> str:
        return self._url.hostname or ""

    @cached_property
    def _pace(self) -> Pace:
        return Pace(self.rate)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def deliver(self, mails: Iterable[Outgoing]) -> Generator[Outcome]:
        """As `Transport`. A message that we signed is refused, since SES would break the signature."""
        queue = iter(mails)
        session = _Session(self._connection())
        try:
            while True:
                self._pace.wait()
                if (mail := next(queue, None)) is None:
                    return
                if mail.message[:15].lower() == b"dkim-signature:":
                    yield Outcome(mail.id, *SIGNED)
                    continue
                body = self._body(mail)
                phase, code, text = session.answer(body, self._headers(body, clock.system()))
                yield Outcome(mail.id, phase, code, text, named=veiled(text) if code == 250 else "")
        finally:
            session.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(self._host, self._url.port, timeout=self.timeout, context=self._context)
        return http.client.HTTPConnection(self._host, self._url.port, timeout=self.timeout)

    def _body(self, mail: Outgoing) -> bytes:
        request = {
            "Destination": {"ToAddresses": [mail.recipient]},
            "Content": {"Raw": {"Data": base64.b64encode(mail.message).decode()}},
            "EmailTags": [{"Name": "digest", "Value": str(mail.id)}],
        }
        if self.configuration_set:
            request["ConfigurationSetName"] = self.configuration_set
        return json.dumps(request).encode()

    def _headers(self, body: bytes, now: datetime) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Host": self._url.netloc,
            "X-Amz-Date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
        if self.session_token:
            headers["X-Amz-Security-Token"] = self.session_token
        scope = f"{now:%Y%m%d}/{self.region}/ses/aws4_request"
        signed = signature("POST", PATH, headers, body, self.secret_key, scope)
        names = ";".join(sorted(name.lower() for name in headers))
        return headers | {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signed}"
        }


TRANSPORT = Ses


class _Session:
    """One connection, made anew when it was lost."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._line = connection

    def answer(self, body: bytes, headers: Mapping[str, str]) -> Word:
        """What became of one request. Until its last byte is out it cannot have been accepted."""
        if trouble := self._connected():
            return trouble
        try:
            self._line.request("POST", PATH, body, dict(headers))
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Phase.DATA, 0, f"the connection was lost within the request: {error}"
        try:
            reply = self._line.getresponse()
            text = reply.read(LARGEST)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Phase.FINAL, 0, f"no answer: {error or type(error).__name__}"
        if not reply.isclosed():  # it had more to say than anybody reads
            self.close()
        return word(reply.status, reply.headers.get("x-amzn-ErrorType", ""), text)

    def _connected(self) -> Word | None:
        """A connection that the server ended meanwhile is noticed before a message is trusted to it."""
        if self._line.sock and select.select([self._line.sock], [], [], 0)[0]:
            self.close()
        if self._line.sock:
            return None
        try:
            self._line.connect()
        except (OSError, ValueError) as error:
            self.close()
            return Phase.CONNECT, 0, f"no connection to {self._line.host}: {error}"
        return None

    def close(self) -> None:
        with suppress(OSError):
            self._line.close()


def word(status: int, error: str, body: bytes) -> Word:
    """The service's answer in the words of SMTP, as `verdict` reads them."""
    name = error.partition(":")[0]
    try:
        said = json.loads(body)
    except ValueError:
        said = {}
    told = said if isinstance(said, dict) else {}
    text = f"{name} {told.get('message') or told.get('Message') or body[:200].decode('utf-8', 'replace')}".strip()
    if status == 200:
        return Phase.FINAL, 250 if "MessageId" in told else 0, str(told.get("MessageId", text))
    if name in OURS or status in (401, 403, 404):
        return Phase.HELLO, 535, text
    if name == "LimitExceededException":  # the day's quota
        return Phase.MAIL, 421, text
    if status in (408, 429) or status >= 500:
        return Phase.FINAL, 451, text
    return Phase.FINAL, 554, text or f"HTTP {status}"


def signature(method: str, path: str, headers: Mapping[str, str], body: bytes, secret: str, scope: str) -> str:
    """AWS Signature Version 4 over all of *headers* and the body; *scope* is DATE/REGION/SERVICE/aws4_request."""
    lower = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    canonical = "\n".join(
        [
            method, path, "", *(f"{name}:{value}" for name, value in lower), "",
            ";".join(name for name, _ in lower), hashlib.sha256(body).hexdigest(),
        ]
    )  # fmt: skip
    moment = dict(lower)["x-amz-date"]
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()

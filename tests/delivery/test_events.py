"""What providers tell: their recorded callbacks where DIGEST_TEST_DATA is set, signatures made here, and garbage."""

import hmac
import json
import os
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from factories import NOW
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.delivery.events import PROVIDERS, Event, provider
from digest.delivery.events import parsed as form
from digest.errors import NotFound


def parsed(name: str, payload: object, **headers: str) -> Event:
    (event,) = provider(name).parse(payload, headers)
    return event


def never(url: str) -> bytes:
    raise AssertionError(f"{url} must not be fetched")


# ---------------------------------------------------------------- what they say


def test_a_bounce_is_blamed_by_the_servers_words():
    def blame(status: str, reason: str) -> str:
        row = {"event": "bounce", "type": "bounce", "status": status, "reason": reason, "email": "a@b.org"}
        return parsed("sendgrid", [row]).blame

    assert blame("5.1.1", "550 5.1.1 no such user") == "hard"
    assert blame("5.7.1", "550 5.7.1 spam") == "ours"
    assert blame("5.2.2", "552 5.2.2 mailbox full") == "soft"


def test_what_passes_is_never_the_address_and_may_be_about_us():
    def blame(reason: str) -> str:
        return parsed("sendgrid", [{"event": "bounce", "type": "blocked", "reason": reason, "email": "a@b.org"}]).blame

    assert blame("550 5.7.1 our system has detected that this message is likely spam") == "ours"
    assert [blame("550 5.1.1 no such user"), blame("")] == ["soft", "soft"]


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("sendgrid", [{"event": "bounce", "type": "expired", "email": "a@b.org"}]),
        ("mailgun", {"event-data": {"event": "failed", "severity": "permanent", "reason": "old"}}),
    ],
)
def test_a_provider_that_gave_up_trying_knows_nothing_of_the_address(name: str, payload: object):
    event = parsed(name, payload)
    assert (event.event, event.blame) == ("bounced", "soft")


def test_what_a_provider_calls_permanent_without_a_reason_is_believed():
    bounce = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [{"emailAddress": "a@b.org"}]}
    told = {"notificationType": "Bounce", "bounce": bounce, "mail": {"messageId": "m"}}
    assert parsed("ses", told).blame == "hard"
    assert parsed("ses", {**told, "bounce": {**bounce, "bounceType": "Transient"}}).blame == "soft"


def test_each_bounced_recipient_is_an_event():
    people = [{"emailAddress": "a@b.org"}, {"emailAddress": "c@b.org"}]
    told = {"notificationType": "Bounce", "bounce": {"bounceType": "Permanent", "bouncedRecipients": people}}
    assert [event.recipient for event in provider("ses").parse(told, {})] == ["a@b.org", "c@b.org"]


def test_our_own_message_id_is_kept_apart_from_the_providers():
    headers = [{"name": "Message-ID", "value": "<turn-1@news.example.org>"}]
    told = {
        "notificationType": "Delivery",
        "mail": {"messageId": "0100", "destination": ["a@b.org"], "headers": headers},
    }
    event = parsed("ses", told)
    assert (event.message_id, event.ours) == ("0100", ("turn-1@news.example.org",))


def test_the_id_of_a_resend_event_is_in_its_headers():
    event = parsed("resend", {"type": "email.complained", "data": {"to": ["a@b.org"]}}, **{"svix-id": "msg_1"})
    assert (event.event, event.event_id) == ("complained", "msg_1")


def test_a_topic_that_asks_to_be_confirmed_tells_nothing():
    assert provider("ses").parse({"Type": "SubscriptionConfirmation", "Message": "confirm"}, {}) == []


def test_half_a_character_is_told_as_one_that_can_be_written():
    event = parsed("sendgrid", json.loads(r'[{"event": "bounce", "email": "\ud800@b.org", "smtp-id": "<\udfff@x>"}]'))
    assert (event.recipient, event.ours) == ("?@b.org", ("?@x",))


def test_an_unknown_provider_is_named_with_those_there_are():
    with pytest.raises(NotFound, match=r"pigeon.*sendgrid"):
        provider("pigeon")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["event", "Message", "event-data", "bounce", "mail", "data", "Type", "RecordType", "headers", "type",
         "to", "bouncedRecipients", "delivery-status", "notificationType", "message", "Headers"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PROVIDERS), JSON, st.binary(max_size=40))
def test_garbage_never_raises_and_never_verifies(name: str, payload: object, body: bytes):
    assert all(isinstance(event, Event) for event in provider(name).parse(payload, {}))
    assert not provider(name).verify({}, body, "secret", never)
    assert not provider(name).verify({}, json.dumps(payload).encode(), "secret", never)


# ---------------------------------------------------------------- that it was they who said it


def test_mailgun_signs_a_time_and_a_token():
    signature = hmac.new(b"key", b"1534108637token", "sha256").hexdigest()
    body = json.dumps({"signature": {"timestamp": "1534108637", "token": "token", "signature": signature}}).encode()
    assert provider("mailgun").verify({}, body, "key", never)
    assert not provider("mailgun").verify({}, body, "another", never)
    assert not provider("mailgun").verify({}, body, "", never)


def test_older_accounts_of_mailgun_send_a_form():
    signature = hmac.new(b"key", b"1461261330token", "sha256").hexdigest()
    body = f"timestamp=1461261330&token=token&signature={signature}&event=dropped&code=605&recipient=a%40b.org".encode()
    assert provider("mailgun").verify({}, body, "key", never)
    assert not provider("mailgun").verify({}, body, "another", never)
    event = parsed("mailgun", form(body))
    assert (event.event, event.recipient, event.reason, event.blame) == ("rejected", "a@b.org", "bounced", "hard")


def test_what_is_neither_json_nor_a_form_is_none():
    for body in (b"", b"no json", b'{"a": "b=c"', b"[1=2"):
        with pytest.raises(json.JSONDecodeError):
            form(body)


def test_postmark_logs_in():
    headers = {"authorization": "Basic " + b64encode(b"post:mark").decode()}
    assert provider("postmark").verify(headers, b"{}", "post:mark", never)
    assert not provider("postmark").verify(headers, b"{}", "post:man", never)
    assert not provider("postmark").verify({"authorization": "Basic "}, b"{}", "", never)


def test_resend_signs_id_time_and_body():
    secret = "whsec_" + b64encode(b"0123456789abcdef").decode()
    signature = b64encode(hmac.digest(b"0123456789abcdef", b"msg_1.1700000000.{}", "sha256")).decode()
    headers = {"svix-id": "msg_1", "svix-timestamp": "1700000000", "svix-signature": f"v1,b2xk v1,{signature}"}
    assert provider("resend").verify(headers, b"{}", secret, never)
    assert not provider("resend").verify(headers, b"{} ", secret, never)
    assert not provider("resend").verify({**headers, "svix-id": "msg_2"}, b"{}", secret, never)


def test_sendgrid_signs_time_and_body():
    key = ec.generate_private_key(ec.SECP256R1())
    public = b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    signature = b64encode(key.sign(b"1700000000[]", ec.ECDSA(SHA256()))).decode()
    headers = {
        "x-twilio-email-event-webhook-signature": signature,
        "x-twilio-email-event-webhook-timestamp": "1700000000",
    }
    assert provider("sendgrid").verify(headers, b"[]", public, never)
    assert not provider("sendgrid").verify(headers, b"[ ]", public, never)
    assert not provider("sendgrid").verify(headers, b"[]", "no key", never)


TOPIC = "arn:aws:sns:us-east-1:1234567890:SES_Events"
AMAZON = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem"


@pytest.fixture(scope="module")
def amazon():
    """A key, and the certificate that Amazon would show for it."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1)).sign(key, SHA256())
    return key, made.public_bytes(Encoding.PEM)


def notification(key: rsa.RSAPrivateKey, version: str = "2", url: str = AMAZON, **changes: str) -> bytes:
    message = {"Type": "Notification", "MessageId": "1", "TopicArn": TOPIC, "Message": "{}", "Timestamp": "2026"}
    names = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{message[name]}\n" for name in names).encode()
    signature = key.sign(signed, PKCS1v15(), SHA256() if version == "2" else SHA1())
    sealed = {"SignatureVersion": version, "SigningCertURL": url, "Signature": b64encode(signature).decode()}
    return json.dumps({**message, **sealed, **changes}).encode()


@pytest.mark.parametrize("version", ["1", "2"])
def test_sns_signs_with_amazons_certificate(amazon, version: str):
    key, certificate = amazon
    fetched: list[str] = []
    assert provider("ses").verify({}, notification(key, version), TOPIC, lambda url: fetched.append(url) or certificate)
    assert fetched == [AMAZON]


def test_a_changed_notification_is_refused(amazon):
    key, certificate = amazon
    assert not provider("ses").verify({}, notification(key, Message='{"a": 1}'), TOPIC, lambda url: certificate)


def test_somebody_elses_topic_is_refused(amazon):
    key, _ = amazon
    assert not provider("ses").verify({}, notification(key), "arn:aws:sns:us-east-1:1:other", never)
    assert not provider("ses").verify({}, notification(key), "", never)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/a.pem", "https://sns.us-east-1.amazonaws.com.evil.org/a.pem",
        "https://evil.org/sns.us-east-1.amazonaws.com/a.pem", "https://bucket.s3.amazonaws.com/a.pem",
        "https://x@sns.us-east-1.amazonaws.com/a.pem", "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.txt", "https://[sns/a.pem", "file:///etc/passwd.pem",
    ],
)  # fmt: skip
def test_a_certificate_comes_from_amazon_or_is_not_fetched(amazon, url: str):
    assert not provider("ses").verify({}, notification(amazon[0], url=url), TOPIC, never)


def test_a_certificate_that_is_none_is_refused(amazon):
    assert not provider("ses").verify({}, notification(amazon[0]), TOPIC, lambda url: b"not a certificate")


# ---------------------------------------------------------------- real callbacks

OUR_NAMES = {"amazon_ses": "ses"} | {name: name for name in PROVIDERS}
UNTOLD = {"event_id": ("test_bounce_event", "test_send_event", "test_sent_event")}
"""ids that stand in a header, or in the envelope that a case leaves out"""


@pytest.mark.skipif("DIGEST_TEST_DATA" not in os.environ, reason="DIGEST_TEST_DATA is not set: no real callbacks")
def test_every_recorded_callback_says_what_it_should():
    lines = (Path(os.environ["DIGEST_TEST_DATA"]) / "webhooks/cases.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["provider"] in OUR_NAMES and row["variable"] != "metadata"]
    wrong = [(row["case"], told) for row in rows if not any(told := [_as_expected(e, row) for e in _events(row)])]
    assert len(rows) == 55
    assert wrong == []


def _events(row: dict[str, object]) -> list[Event]:
    return provider(OUR_NAMES[str(row["provider"])]).parse(row["payload"], {})


def _as_expected(event: Event, row: dict[str, object]) -> bool:
    ours = {
        "event_type": event.event, "recipient": event.recipient, "message_id": event.message_id,
        "event_id": event.event_id, "reject_reason": event.reason, "mta_response": event.response,
        "description": event.description,
    }  # fmt: skip
    case = str(row["case"]).rpartition(".")[2]
    told = {n: v or "" for n, v in dict(row["expected"]).items() if n in ours and case not in UNTOLD.get(n, ())}  # type: ignore[call-overload]
    return all(ours[name] == value for name, value in told.items())

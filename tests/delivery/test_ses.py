"""Amazon SES, played by a server on loopback."""

import socket
from collections.abc import Callable

import pytest
from delivery.amazon import KEYS, SECRET

from digest.delivery.ses import Ses, signature
from digest.errors import TransportError
from digest.model import Outcome, Outgoing, Phase

Make = Callable[..., Outgoing]


def told(outcomes: list[Outcome]) -> list[tuple[Phase, int]]:
    return [(outcome.phase, outcome.code) for outcome in outcomes]


SENT = (Phase.FINAL, 250)


def test_the_service_gets_the_message_whom_it_is_for_and_the_rows_number(service, mail):
    outcomes = list(service.ses(configuration_set="news").deliver([mail(7), mail(8)]))
    assert [(o.id, o.accepted, o.text) for o in outcomes] == [(7, True, "ses-1"), (8, True, "ses-2")]
    assert service.messages == [mail(7).message, mail(8).message]
    assert service.requests[0]["Destination"] == {"ToAddresses": ["reader7@example.org"]}
    assert service.requests[0]["EmailTags"] == [{"Name": "digest", "Value": "7"}]
    assert service.requests[0]["ConfigurationSetName"] == "news"
    assert service.connections == 1


def test_a_name_that_no_ledger_could_keep_is_kept_as_far_as_it_can_be_written(service, mail):
    service.says = [(200, "", {"MessageId": "a\0b\ud800"})]
    assert [o.named for o in service.ses().deliver([mail(7)])] == ["a b"]


@pytest.mark.parametrize(
    ("says", "word"),
    [
        ((403, "InvalidSignatureException", {"message": "no"}), (Phase.HELLO, 535)),
        ((403, "UnrecognizedClientException:http://x", {"message": "no"}), (Phase.HELLO, 535)),
        ((400, "SendingPausedException", {"message": "no"}), (Phase.HELLO, 535)),
        ((404, "NotFoundException", {"message": "no such configuration set"}), (Phase.HELLO, 535)),
        ((400, "LimitExceededException", {"message": "daily quota"}), (Phase.MAIL, 421)),
        ((429, "TooManyRequestsException", {"message": "slow down"}), (Phase.FINAL, 451)),
        ((503, "", b"<html>unavailable</html>"), (Phase.FINAL, 451)),
        ((400, "MessageRejected", {"message": "Email address is not verified"}), (Phase.FINAL, 554)),
        ((400, "BadRequestException", {"message": "Illegal address"}), (Phase.FINAL, 554)),
        ((200, "", b"what?"), (Phase.FINAL, 0)),
        ((200, "", b"[]"), (Phase.FINAL, 0)),
        ("drop", (Phase.FINAL, 0)),
    ],
)
def test_each_answer_has_its_word_and_the_next_mail_goes_on(service, mail, says, word):
    service.says = [says]
    assert told(list(service.ses().deliver([mail(1), mail(2)]))) == [word, SENT]


def test_what_the_service_says_is_kept(service, mail):
    service.says = [(400, "MessageRejected", {"message": "Email address is not verified"})]
    (outcome,) = service.ses().deliver([mail()])
    assert outcome.text == "MessageRejected Email address is not verified"


def test_a_wrong_secret_is_told(service, mail):
    (outcome,) = service.ses(secret_key="another").deliver([mail()])
    assert told([outcome]) == [(Phase.HELLO, 535)]
    assert "another" not in outcome.text


def test_a_service_that_cannot_be_reached_is_told(mail):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ses = Ses(**KEYS, endpoint=f"http://127.0.0.1:{port}")
    assert told(list(ses.deliver([mail(1), mail(2)]))) == [(Phase.CONNECT, 0)] * 2


def test_a_message_with_our_signature_is_refused_because_the_service_would_break_it(service):
    signed = Outgoing(1, "b@example.org", "reader@example.org", b"DKIM-Signature: v=1\r\nSubject: x\r\n\r\nx\r\n")
    (outcome,) = service.ses().deliver([signed])
    assert told([outcome]) == [(Phase.HELLO, 535)]
    assert "delivery.dkim" in outcome.text
    assert service.messages == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"region": ""}, "needs region"),
        ({"secret_key": ""}, "secret_key"),
        ({"endpoint": "http://email.example.org"}, "https://"),
        ({"rate": -1}, "rate"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings, said):
    with pytest.raises(TransportError, match=said):
        Ses(**(KEYS | settings))


def test_secrets_are_not_shown():
    assert SECRET not in repr(Ses(**KEYS, session_token="temporary"))
    assert "temporary" not in repr(Ses(**KEYS, session_token="temporary"))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
)
def test_signatures_are_those_of_the_published_examples(method, expected):
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"}
    assert signature(method, "/", headers, b"", SECRET, "20150830/us-east-1/service/aws4_request") == expected


def test_temporary_credentials_are_part_of_what_is_signed(service, mail):
    assert told(list(service.ses(session_token="temporary").deliver([mail()]))) == [SENT]

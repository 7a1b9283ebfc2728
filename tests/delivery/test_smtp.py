"""Dialogues with a scripted server: who is told what, what arrives, and that the session goes on."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from digest.delivery.smtp import Smtp, _sent, stuffed
from digest.errors import TransportError
from digest.model import Outcome, Outgoing, Phase

Make = Callable[..., Outgoing]
Serve = Callable[..., Any]
Tls = Callable[[str], ssl.SSLContext]

DROP = "drop"


@pytest.fixture(params=[("PIPELINING",), ()], ids=["pipelined", "one by one"])
def offers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


def words(outcomes: list[Outcome]) -> list[tuple[Phase, int]]:
    return [(outcome.phase, outcome.code) for outcome in outcomes]


SENT = (Phase.FINAL, 250)


@pytest.mark.parametrize(
    ("replies", "word"),
    [
        ({"MAIL": ["550 5.7.1 not you"]}, (Phase.MAIL, 550)),
        ({"MAIL": ["451 4.3.0 later"]}, (Phase.MAIL, 451)),
        ({"RCPT": ["550 5.1.1 no such user"]}, (Phase.RCPT, 550)),
        ({"RCPT": ["450 4.2.0 greylisted"]}, (Phase.RCPT, 450)),
        ({"DATA": ["451 4.3.0 no"]}, (Phase.DATA, 451)),
        ({".": ["554 5.7.1 looks like spam"]}, (Phase.FINAL, 554)),
        ({".": ["452 4.3.1 disk full"]}, (Phase.FINAL, 452)),
        ({"DATA": ["250 what?"]}, (Phase.DATA, 250)),
        ({"RCPT": ["251 will forward"]}, (Phase.DATA, 503)),  # our server takes 250 only, and so says it at DATA
    ],
)
def test_a_refusal_is_told_with_its_phase_and_the_session_goes_on(
    serve: Serve, mail: Make, offers: tuple[str, ...], replies: dict[str, list[str]], word: tuple[Phase, int]
):
    server = serve(replies=replies, offers=offers)
    assert words(list(server.relay().deliver([mail(1), mail(2)]))) == [word, SENT]
    assert [recipient for _, recipient, _ in server.messages] == ["reader2@example.org"]
    assert server.connections == 1


def test_a_server_that_takes_data_after_refusing_the_recipient_gets_an_empty_one(serve: Serve, mail: Make):
    server = serve(replies={"RCPT": ["550 5.1.1 no such user"], "DATA": ["354 go on"]})
    assert words(list(server.relay().deliver([mail(1), mail(2)]))) == [(Phase.RCPT, 550), SENT]
    assert [message for _, _, message in server.messages] == [mail(2).message]
    assert server.connections == 1


def test_a_multiline_refusal_is_kept_whole(serve: Serve, mail: Make):
    server = serve(replies={"RCPT": ["550-5.1.1 The account\r\n550 5.1.1 does not exist"]})
    (outcome,) = server.relay().deliver([mail()])
    assert outcome.text == "5.1.1 The account\n5.1.1 does not exist"


@pytest.mark.parametrize(
    ("verb", "phase"), [("MAIL", Phase.MAIL), ("RCPT", Phase.RCPT), ("DATA", Phase.DATA), (".", Phase.FINAL)]
)
def test_after_421_the_next_mail_goes_over_a_new_connection(
    serve: Serve, mail: Make, offers: tuple[str, ...], verb: str, phase: Phase
):
    server = serve(replies={verb: ["421 4.3.2 shutting down"]}, offers=offers)
    assert words(list(server.relay().deliver([mail(1), mail(2)]))) == [(phase, 421), SENT]
    assert server.connections == 2


@pytest.mark.parametrize(("verb", "phase"), [("MAIL", Phase.MAIL), ("RCPT", Phase.RCPT), ("DATA", Phase.DATA)])
def test_a_connection_lost_before_the_data_is_told_without_a_code(
    serve: Serve, mail: Make, offers: tuple[str, ...], verb: str, phase: Phase
):
    server = serve(replies={verb: [DROP]}, offers=offers)
    assert words(list(server.relay().deliver([mail(1), mail(2)]))) == [(phase, 0), SENT]


def test_a_connection_lost_within_the_message_means_that_it_was_not_sent(serve: Serve, mail: Make):
    server = serve(replies={"BODY": [DROP]})
    large = mail(1, body=(b"y" * 76 + b"\r\n") * 300_000)  # more than the kernel takes before the server reads
    assert words(list(server.relay().deliver([large, mail(2)]))) == [(Phase.DATA, 0), SENT]


def test_a_connection_lost_after_the_dot_means_that_nobody_can_tell(serve: Serve, mail: Make):
    server = serve(replies={".": [DROP]})
    assert words(list(server.relay().deliver([mail(1), mail(2)]))) == [(Phase.FINAL, 0), SENT]


def test_a_connection_lost_within_the_next_envelope_is_lost_after_the_dot():
    def hang_up(server: socket.socket) -> None:
        server.recv(len(b"body\r\n.\r\n"), socket.MSG_WAITALL)
        server.close()

    ours, theirs = socket.socketpair()
    with ours, ThreadPoolExecutor(1) as pool:
        gone = pool.submit(hang_up, theirs)
        _sent(ours, b"body\r\n", b"NOOP\r\n" * 2_000_000)  # more than the kernel takes before the server reads
        gone.result()


@pytest.mark.parametrize("nonsense", ["what?", "250" + "x" * 9000])
def test_a_final_reply_that_is_none_means_that_nobody_can_tell(serve: Serve, mail: Make, nonsense: str):
    server = serve(replies={".": [nonsense]})
    assert words(list(server.relay().deliver([mail(1), mail(2)]))) == [(Phase.FINAL, 0), SENT]


@pytest.mark.parametrize(("verb", "phase"), [("MAIL", Phase.MAIL), ("RCPT", Phase.RCPT)])
def test_a_server_that_lost_count_of_its_replies_is_left_at_once(
    serve: Serve, mail: Make, offers: tuple[str, ...], verb: str, phase: Phase
):
    server = serve(replies={verb: ["354 go ahead"]}, offers=offers)
    assert words(list(server.relay().deliver([mail(1), mail(2)]))) == [(phase, 0), SENT]
    assert server.connections == 2


def test_a_final_reply_that_does_not_come_in_time_means_that_nobody_can_tell(mail: Make):
    with socket.create_server(("127.0.0.1", 0)) as listener:  # answers everything but the dot
        relay = Smtp(
            "127.0.0.1",
            listener.getsockname()[1],
            tls="none",
            helo="x.example.org",
            command_timeout=0.2,
            final_timeout=0.2,
        )
        delivering = relay.deliver([mail()])
        outcomes: list[Outcome] = []

        def dialogue() -> None:
            sock, _ = listener.accept()
            with sock, sock.makefile("rb") as lines:
                sock.sendall(b"220 hello\r\n")
                for reply in (b"250 x", b"250 ok", b"250 ok", b"354 go on"):
                    lines.readline()
                    sock.sendall(reply + b"\r\n")
                while lines.readline():
                    pass

        thread = threading.Thread(target=dialogue)
        thread.start()
        outcomes = list(delivering)
        thread.join(5)
    assert words(outcomes) == [(Phase.FINAL, 0)]
    assert "timed out" in outcomes[0].text


def test_a_session_that_ended_while_nobody_spoke_costs_one_mail_a_retry(serve: Serve, mail: Make):
    server = serve(replies={"MAIL": [None, "421 4.4.2 idle too long"]})
    assert words(list(server.relay().deliver([mail(1), mail(2), mail(3)]))) == [SENT, (Phase.MAIL, 421), SENT]


def test_no_server_is_told_for_each_mail_with_host_and_port(mail: Make):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    outcomes = list(Smtp("127.0.0.1", port, tls="none").deliver([mail(1), mail(2)]))
    assert words(outcomes) == [(Phase.CONNECT, 0)] * 2
    assert f"127.0.0.1:{port}" in outcomes[0].text


@pytest.mark.parametrize("host", ["no-such-host.invalid", "two..dots", "x" * 70 + ".example"])
def test_a_host_without_an_address_is_told_too(mail: Make, host: str, monkeypatch: pytest.MonkeyPatch):
    usual = socket.getaddrinfo

    def offline(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "no-such-host.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return usual(name, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    (outcome,) = Smtp(host, helo="x.example.org").deliver([mail()])
    assert words([outcome]) == [(Phase.CONNECT, 0)]
    assert host in outcome.text


@pytest.mark.parametrize(
    ("replies", "word"),
    [
        ({"CONNECT": ["421 busy"]}, (Phase.CONNECT, 421)),
        ({"CONNECT": ["554 go away"]}, (Phase.CONNECT, 554)),
        ({"CONNECT": [DROP]}, (Phase.CONNECT, 0)),
        ({"CONNECT": ["SSH-2.0-OpenSSH_9.2"]}, (Phase.CONNECT, 0)),
        ({"EHLO": ["550 no"], "HELO": ["550 no"]}, (Phase.HELLO, 550)),
        ({"EHLO": [DROP]}, (Phase.HELLO, 0)),
    ],
)
def test_a_session_that_does_not_begin_is_told_and_tried_anew_for_the_next(
    serve: Serve, mail: Make, replies: dict[str, list[str]], word: tuple[Phase, int]
):
    server = serve(replies=replies)
    assert words(list(server.relay().deliver([mail(1), mail(2)]))) == [word, SENT]


def test_an_old_server_that_knows_only_helo_is_served(serve: Serve, mail: Make):
    server = serve(replies={"EHLO": ["502 what?"]})
    assert words(list(server.relay().deliver([mail()]))) == [SENT]
    assert server.verbs() == ["ehlo", "helo", "MAIL", "RCPT", "DATA", "QUIT"]


def test_the_connection_is_used_again_but_not_for_more_than_it_may_carry(serve: Serve, mail: Make):
    server = serve()
    outcomes = list(server.relay(messages_per_connection=2).deliver(mail(id) for id in range(1, 6)))
    assert words(outcomes) == [SENT] * 5
    assert server.connections == 3
    assert server.verbs().count("QUIT") == 3


def test_trouble_with_quit_is_nobodys_business(serve: Serve, mail: Make):
    server = serve(replies={"QUIT": [DROP]})
    assert words(list(server.relay().deliver([mail()]))) == [SENT]


def test_the_session_exists_before_a_mail_is_pulled(serve: Serve, mail: Make):
    server = serve()
    seen: list[list[str]] = []

    def mails() -> Any:
        seen.append(server.verbs())
        yield mail()

    list(server.relay().deliver(mails()))
    assert seen == [["ehlo"]]


def test_the_envelope_travels_as_given(serve: Serve, mail: Make):
    server = serve()
    list(server.relay().deliver([mail(7, recipient='"odd one"@example.org')]))
    assert server.lines[1:4] == ["MAIL FROM:<b+7@news.example.org>", 'RCPT TO:<"odd one"@example.org>', "DATA"]


def test_an_address_beyond_ascii_needs_a_server_that_takes_it(serve: Serve, mail: Make):
    grüße = mail(recipient="grüße@example.org")
    capable, other = serve(offers=("PIPELINING", "SMTPUTF8")), serve()
    assert words(list(capable.relay().deliver([grüße]))) == [SENT]
    assert capable.lines[1:3] == ["MAIL FROM:<b+1@news.example.org> SMTPUTF8", "RCPT TO:<grüße@example.org>"]
    (outcome,) = other.relay().deliver([grüße])
    assert words([outcome]) == [(Phase.RCPT, 553)]
    assert "SMTPUTF8" in outcome.text


def test_a_server_that_knows_how_is_asked_for_reports_of_failure_that_name_the_message(serve: Serve, mail: Make):
    server = serve(offers=("PIPELINING", "DSN", "SMTPUTF8"))
    list(server.relay().deliver([mail(7, recipient="a+b=c@example.org"), mail(8, recipient="grüße@example.org")]))
    assert [line for line in server.lines if line[:4] in ("MAIL", "RCPT")] == [
        "MAIL FROM:<b+7@news.example.org> RET=HDRS ENVID=7",
        "RCPT TO:<a+b=c@example.org> NOTIFY=FAILURE ORCPT=rfc822;a+2Bb+3Dc@example.org",
        "MAIL FROM:<b+8@news.example.org> RET=HDRS ENVID=8 SMTPUTF8",
        "RCPT TO:<grüße@example.org> NOTIFY=FAILURE",
    ]


def test_an_address_cannot_smuggle_a_command(serve: Serve, mail: Make):
    server = serve()
    (outcome,) = server.relay().deliver([mail(recipient="a@example.org>\r\nRCPT TO:<victim@example.org")])
    assert words([outcome]) == [(Phase.RCPT, 553)]
    assert server.verbs() == ["ehlo", "QUIT"]


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
        (b"a.\r\nb\r\n", b"a.\r\nb\r\n.\r\n"),
        (
            b"a\n.\nb\r\n",
            b"a\n..\nb\r\n.\r\n",
        ),  # nothing may end the message early, whatever the server takes for a line
    ],
)
def test_dots_are_doubled_where_they_begin_a_line_and_nothing_else_changes(message: bytes, wire: bytes):
    assert stuffed(message) + b".\r\n" == wire


# ---------------------------------------------------------------- TLS and passwords

LOGIN = {"username": "digest", "password": "se/cret"}


@pytest.fixture
def ca(certificates: Path) -> str:
    return str(certificates / "ca.pem")


def test_starttls_comes_before_the_password(serve: Serve, mail: Make, tls: Tls, ca: str):
    server = serve(starttls=tls("good"), offers=("PIPELINING", "AUTH PLAIN LOGIN"))
    relay = server.relay(tls="starttls", ca_file=ca, **LOGIN)
    assert words(list(relay.deliver([mail(1), mail(2)]))) == [SENT, SENT]
    assert server.verbs()[:5] == ["ehlo", "STARTTLS", "ehlo", "AUTH", "MAIL"]
    assert server.connections == 1


def test_implicit_tls_with_the_operators_own_ca(serve: Serve, mail: Make, tls: Tls, ca: str):
    server = serve(implicit=tls("good"), offers=("AUTH PLAIN",))
    assert words(list(server.relay(tls="implicit", ca_file=ca, **LOGIN).deliver([mail()]))) == [SENT]


@pytest.mark.parametrize("way", ["starttls", "implicit"])
@pytest.mark.parametrize("certificate", ["expired", "wrong-name", "good"])
def test_a_certificate_that_does_not_hold_sees_no_password_and_no_mail(
    serve: Serve, mail: Make, tls: Tls, ca: str, way: str, certificate: str
):
    server = serve(**{way: tls(certificate)}, offers=("AUTH PLAIN",))
    trusted = "" if certificate == "good" else ca  # the good one is signed by a CA that the system does not know
    (outcome,) = server.relay(tls=way, ca_file=trusted, **LOGIN).deliver([mail()])
    assert words([outcome]) == [(Phase.HELLO if way == "starttls" else Phase.CONNECT, 0)]
    assert "certificate of 127.0.0.1 is not trusted" in outcome.text
    assert "ca_file" in outcome.text
    assert set(server.verbs()) <= {"ehlo", "STARTTLS", "QUIT"}


def test_a_server_without_starttls_sees_no_password_and_no_mail(serve: Serve, mail: Make):
    server = serve(offers=("AUTH PLAIN",))
    (outcome,) = server.relay(tls="starttls", **LOGIN).deliver([mail()])
    assert words([outcome]) == [(Phase.HELLO, 530)]
    assert "STARTTLS" in outcome.text
    assert set(server.verbs()) == {"ehlo"}


def test_stopping_at_the_first_trouble_leaves_the_server_alone(serve: Serve, mail: Make, tls: Tls, ca: str):
    server = serve(starttls=tls("good"), replies={"AUTH": ["535 5.7.8 wrong"] * 9}, offers=("AUTH PLAIN",))
    delivering = server.relay(tls="starttls", ca_file=ca, **LOGIN).deliver([mail(1), mail(2)])
    assert next(delivering).code == 535
    delivering.close()
    assert server.verbs().count("AUTH") == 1


def test_what_was_said_before_the_handshake_counts_for_nothing(serve: Serve, mail: Make, tls: Tls, ca: str):
    server = serve(starttls=tls("good"), replies={"STARTTLS": ["220 go on\r\n535 injected by somebody in between"]})
    assert words(list(server.relay(tls="starttls", ca_file=ca).deliver([mail()]))) == [SENT]


@pytest.mark.parametrize(
    ("replies", "offers", "word"),
    [
        ({"AUTH": ["535 5.7.8 wrong password"] * 3}, ("AUTH PLAIN",), (Phase.HELLO, 535)),
        ({"AUTH": ["454 4.7.0 later"] * 3}, ("AUTH PLAIN",), (Phase.HELLO, 454)),
        ({}, (), (Phase.HELLO, 530)),
        ({}, ("AUTH GSSAPI",), (Phase.HELLO, 530)),
        ({"AUTH": ["334 abcde"]}, ("AUTH CRAM-MD5",), (Phase.HELLO, 0)),
        ({"AUTH": [DROP]}, ("AUTH PLAIN",), (Phase.HELLO, 0)),
        ({"STARTTLS": ["454 TLS not available"]}, ("AUTH PLAIN",), (Phase.HELLO, 454)),
    ],
)
def test_a_failed_login_is_told(
    serve: Serve, mail: Make, tls: Tls, ca: str, replies: dict[str, list[str]], offers: tuple[str, ...], word: object
):
    server = serve(starttls=tls("good"), replies=replies, offers=offers)
    (outcome,) = server.relay(tls="starttls", ca_file=ca, **LOGIN).deliver([mail()])
    assert (outcome.phase, outcome.code) == word
    assert "se/cret" not in outcome.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "mail.example.org", "tls": "none"}, "tls: none is for this machine only"),
        ({"host": "192.0.2.1", "tls": "none"}, "insecure: true"),
        ({"host": "127.0.0.1", "tls": "none", "username": "me"}, "never travels in clear"),
        ({"host": "mail.example.org", "tls": "none", "insecure": True, "username": "me"}, "never travels in clear"),
        ({"host": "mail.example.org", "tls": "ssl"}, "must be starttls, implicit or none"),
        ({"host": ""}, "must name a server"),
        ({"host": "mail.example.org", "port": 70000}, "must name a server"),
        ({"host": "mail.example.org", "rate": -1}, "rate is -1"),
        ({"host": "mail.example.org", "final_timeout": 0}, "must be more than 0"),
        ({"host": "mail.example.org", "username": "me", "password": "größe"}, "must be ASCII"),
    ],
)
def test_settings_that_cannot_work_or_would_tell_secrets_are_refused_at_once(settings: dict[str, Any], said: str):
    with pytest.raises(TransportError, match=said):
        Smtp(**settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_plaintext_is_fine_on_this_machine(host: str):
    assert Smtp(host, tls="none").tls == "none"


def test_plaintext_elsewhere_takes_a_word(mail: Make):
    assert Smtp("relay.internal", tls="none", insecure=True).insecure


def test_a_ca_file_that_is_none_is_named(tmp_path: Path, serve: Serve, mail: Make):
    wrong = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content:
            wrong.write_text(content)
        with pytest.raises(TransportError, match=r"ca\.pem"):
            list(serve().relay(tls="implicit", ca_file=str(wrong)).deliver([mail()]))


def test_the_password_is_not_shown():
    assert "se/cret" not in repr(Smtp("mail.example.org", **LOGIN))  # type: ignore[arg-type]


# ---------------------------------------------------------------- the next envelope follows the final dot


def test_once_the_server_is_known_to_be_prompt_the_next_envelope_is_there_before_its_final_reply(mail: Make):
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def dialogue() -> None:
            sock, _ = listener.accept()
            sock.settimeout(5)
            with sock, sock.makefile("rb") as lines:
                sock.sendall(b"220 hello\r\n")
                while line := lines.readline():
                    verb = line.decode().partition(" ")[0].strip()
                    said.append(verb)
                    if verb == "ehlo":
                        sock.sendall(b"250-x\r\n250 PIPELINING\r\n")
                    elif verb == "DATA" and said.count("DATA") < 3:
                        sock.sendall(b"250 ok\r\n250 ok\r\n354 go on\r\n")
                    elif verb == "." and said.count("DATA") == 1:
                        sock.sendall(b"250 first\r\n")
                    elif verb == "DATA":  # of the third: only now the second is answered
                        sock.sendall(b"250 second\r\n250 ok\r\n550 no such user\r\n503 no recipient\r\n")
                    elif verb in ("RSET", "QUIT"):
                        sock.sendall(b"250 ok\r\n")

        thread = threading.Thread(target=dialogue)
        thread.start()
        relay = Smtp("127.0.0.1", listener.getsockname()[1], tls="none", helo="x.example.org", command_timeout=5)
        outcomes = list(relay.deliver([mail(1), mail(2), mail(3)]))
        thread.join(5)
    assert words(outcomes) == [SENT, SENT, (Phase.RCPT, 550)]


def test_nobody_is_announced_to_a_server_that_thinks_for_long(
    serve: Serve, mail: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("digest.delivery.smtp.PROMPT", 0)
    server = serve()
    delivering = server.relay().deliver(mail(id) for id in (1, 2, 3))
    for outcome in delivering:
        assert server.verbs().count("MAIL") == outcome.id


def test_a_mail_that_was_pulled_ahead_is_sent_over_a_new_connection_when_its_envelope_was_lost(
    serve: Serve, mail: Make
):
    server = serve(replies={".": [None, "421 4.3.2 shutting down"]})
    assert words(list(server.relay().deliver([mail(1), mail(2), mail(3)]))) == [SENT, (Phase.FINAL, 421), SENT]
    assert [recipient for _, recipient, _ in server.messages] == ["reader1@example.org", "reader3@example.org"]


def test_a_mail_that_was_pulled_ahead_is_taken_back_by_closing(serve: Serve, mail: Make):
    server = serve()
    delivering = server.relay().deliver([mail(1), mail(2), mail(3)])
    assert [next(delivering).accepted, next(delivering).accepted] == [True, True]
    delivering.close()
    server.__exit__()  # when it has heard all there is
    assert [recipient for _, recipient, _ in server.messages] == ["reader1@example.org", "reader2@example.org"]
    assert "QUIT" not in server.verbs()  # the server would take it for the message


def test_a_mail_that_cannot_be_sent_here_is_not_announced(serve: Serve, mail: Make):
    server = serve()
    mails = [mail(1), mail(2), mail(3, recipient="grüße@example.org"), mail(4)]
    assert words(list(server.relay().deliver(mails))) == [SENT, SENT, (Phase.RCPT, 553), SENT]
    assert server.connections == 1


def test_mails_leave_at_the_pace_that_was_set_over_all_connections(serve: Serve, mail: Make):
    relay = serve().relay(rate=40)
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda ids: words(list(relay.deliver(map(mail, ids)))), [range(1, 6), range(6, 11)])
        assert list(found) == [[SENT] * 5] * 2
    assert time.monotonic() - start > 9 / 40


def test_what_may_not_be_sent_yet_is_not_announced(serve: Serve, mail: Make):
    server = serve()
    delivering = server.relay(rate=5).deliver([mail(1), mail(2)])
    assert next(delivering).accepted
    assert server.verbs().count("MAIL") == 1
    assert words(list(delivering)) == [SENT]

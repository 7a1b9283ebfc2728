"""Whose trouble a refusal tells of, in the words of servers that many readers have their mail at."""

import pytest

from digest.delivery.refusal import blame, class_in, status_in


def blamed(text: str) -> str:
    return blame(status_in(text) or class_in(text), text)


@pytest.mark.parametrize(
    "text",
    [
        "550-Verification failed for <b+t@b.example> 550-Response: 550 5.1.1 no such user 550 Sender verify failed",
        "550-Callback setup failed while verifying <b+t@b.example> 550 Sender verify failed",
        "550 5.1.0 <b+t@b.example>: Sender address rejected: User unknown in virtual mailbox table",
        "550 5.1.0 <b+t@b.example>: Sender address rejected: undeliverable address: 550 5.1.1 user unknown",
    ],
)
def test_whoever_cannot_verify_our_return_path_says_nothing_of_the_reader(text: str):
    assert blamed(text) == "ours"


@pytest.mark.parametrize(
    "text",
    [
        "550 5.4.5 Daily user sending limit exceeded.",
        "550 5.7.1 Your account has exceeded its daily sending quota",
        "Domain news.example.org has exceeded the max emails per hour (100/100 (100%)) allowed.  Message discarded.",
        "554 5.2.0 the sender's submission quota was exceeded",
        "550 Ip frequency limited",
    ],
)
def test_a_limit_on_what_we_may_send_is_no_readers_full_mailbox(text: str):
    assert blamed(text) == "ours"


@pytest.mark.parametrize(
    ("text", "blame"),
    [
        ("552 5.2.2 The recipient's inbox is out of storage space and inactive.", "soft"),
        ("550 5.2.1 user has exceeded quota", "soft"),
        ("550 5.7.1 No such user!", "soft"),  # Yandex: its status says that it is about us
        ("553 5.3.0 <reader@example.net>... Addressee unknown, relay=[192.0.2.1]", "soft"),
        ("550 5.7.1 User unknown to our spam policy", "ours"),
        ("554 DT:SPM please see http://mail.example.net/help_spam_16.htm", "ours"),
        ("552 5.2.0 Message rejected due to possible spam content", "ours"),
        ("550 5.4.310 DNS domain example.net does not exist", "hard"),
        ("all relevant MX records point to non-existent hosts", "hard"),
        ("550 L'adresse n'existe pas", "hard"),
    ],
)
def test_words_and_status_together_tell_who_is_to_blame(text: str, blame: str):
    assert blamed(text) == blame

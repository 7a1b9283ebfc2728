import errno
import mailbox
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digest.delivery.maildir import Maildir
from digest.errors import TransportError
from digest.model import Outcome, Outgoing, Phase

Make = Callable[..., Outgoing]


@pytest.fixture
def box(tmp_path):
    return tmp_path / "outbox"


def delivered(box: Path, *mails: Outgoing) -> list[Outcome]:
    return list(Maildir(str(box)).deliver(mails))


def test_a_mail_program_can_read_it(box, mail):
    delivered(box, mail(1), mail(2))
    assert sorted(message["Subject"] for message in mailbox.Maildir(box)) == ["Paper 1", "Paper 2"]


def test_delivering_the_same_message_again_leaves_one(box, mail):
    assert all(outcome.accepted for _ in range(2) for outcome in delivered(box, mail(1)))
    assert len(os.listdir(box / "new")) == 1


def test_a_message_that_was_read_meanwhile_is_not_written_again(box, mail):
    delivered(box, mail(1))
    (name,) = os.listdir(box / "new")
    (box / "new" / name).rename(box / "cur" / f"{name}:2,S")
    assert delivered(box, mail(1))[0].accepted
    assert os.listdir(box / "new") == []


def test_the_same_id_from_another_database_is_another_message(box, mail):
    theirs = Outgoing(1, "b@x.org", "r@x.org", b"Message-Id:\r\n <other@news.example.org>\r\n\r\nhello\r\n")
    delivered(box, mail(1), theirs)
    assert len(os.listdir(box / "new")) == 2


def test_nobody_else_may_read_it(box, mail):
    usual = os.umask(0)
    try:
        delivered(box, mail(1))
    finally:
        os.umask(usual)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (box, *box.iterdir())}
    assert modes == {0o700}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (box / "new").iterdir()] == [0o600]


def test_a_file_in_the_way_is_named_with_the_way_out(box, mail):
    box.write_text("not a folder")
    with pytest.raises(TransportError, match=r"outbox .*transport\.path"):
        delivered(box, mail(1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named_with_the_way_out(box, mail):
    box.mkdir(0o500)
    with pytest.raises(TransportError, match=r"outbox .*[Pp]ermission denied.*make it writable"):
        delivered(box, mail(1))


def test_an_unusable_outbox_is_told_before_a_mail_is_pulled(box, mail):
    def mails() -> Iterator[Outgoing]:
        pytest.fail("pulled")
        yield mail(1)

    box.write_text("not a folder")
    with pytest.raises(TransportError):
        list(Maildir(str(box)).deliver(mails()))


def test_a_full_disk_defers_the_message_and_leaves_nothing_half_written(box, mail, monkeypatch):
    usual = os.fsync
    full = iter([True])

    def fsync(fd: int) -> None:
        if next(full, False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        usual(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    first, second = delivered(box, mail(1), mail(2))
    assert (first.phase, first.code) == (Phase.DATA, 452)
    assert "No space left" in first.text
    assert second.accepted
    assert os.listdir(box / "tmp") == []
    assert len(os.listdir(box / "new")) == 1

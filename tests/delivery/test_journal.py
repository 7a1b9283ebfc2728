import fcntl
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.journal import FileLog, Journal, Word
from digest.errors import TransportError
from digest.model import Outcome, Phase


def reply(id: int, code: int = 250, text: str = "2.0.0 Ok", phase: Phase = Phase.FINAL) -> Outcome:
    return Outcome(id, phase, code, text)


def words(path: Path) -> dict[int, Word]:
    return Journal(FileLog(path)).replay()


def replayed(path: Path) -> dict[int, Outcome | None]:
    return {id: word.outcome for id, word in words(path).items()}


def opened(path: Path, number: int = 1) -> Journal:
    log = FileLog(path)
    log.adopt(number)
    return Journal(log)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(opened(path)) as journal:
        yield journal


def test_what_was_begun_and_not_ended_is_in_doubt(journal: Journal, path: Path):
    journal.begin(1)
    journal.end(reply(1))
    journal.begin(2)
    assert replayed(path) == {1: reply(1), 2: None}


def test_a_refusal_is_replayed_whole(journal: Journal, path: Path):
    refused = reply(7, 550, "5.1.1 no such user", Phase.RCPT)
    journal.begin(7)
    journal.end(refused)
    assert replayed(path) == {7: refused}


def test_a_providers_name_for_the_message_is_replayed(journal: Journal, path: Path):
    named = Outcome(7, Phase.FINAL, 250, "taken, and kept", named="0100018d-1")
    journal.begin(7)
    journal.end(named)
    assert replayed(path) == {7: named}


def test_a_delivery_begun_again_is_in_doubt_again(journal: Journal, path: Path):
    journal.begin(1)
    journal.end(reply(1, 451))
    journal.begin(1)
    assert replayed(path) == {1: None}


def test_what_was_handed_over_is_known_by_its_hash_whether_ended_or_not(journal: Journal, path: Path):
    journal.begin(1, "aa")
    journal.end(reply(1))
    journal.begin(2, "bb")
    journal.begin(3, "cc")
    journal.forget({3})
    assert words(path) == {1: Word(reply(1), "aa"), 2: Word(None, "bb")}


def test_no_journal_is_an_empty_one(path: Path):
    assert replayed(path) == {}


def test_only_its_owner_may_read_it(journal: Journal, path: Path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_server_cannot_write_records_or_addresses_into_it(journal: Journal, path: Path):
    journal.end(reply(1, 550, "no\nbegin 99\r\n<reader@example.org>: unknown user"))
    journal.end(reply(2, 250, ""))
    assert set(replayed(path)) == {1, 2}
    assert "reader" not in path.read_text()


def test_a_torn_end_counts_as_not_ended(path: Path):
    path.write_text("begin 1\nend 1 final 250 - 2.0")
    assert replayed(path) == {1: None}


def test_what_a_power_cut_left_behind_is_passed_over(path: Path):
    path.write_bytes(
        b"begin 1\n\0\0\0\0\n\xff\xfe\nbegin\nbegin x\nend 2 final\nend 3 nowhere 250 - ok\nend 4 final 250 - ok\n"
    )
    assert replayed(path) == {1: None, 4: reply(4, text="ok")}


def test_what_the_database_knows_is_forgotten_and_the_rest_stays(journal: Journal, path: Path):
    journal.begin(1)
    journal.end(reply(1))
    journal.begin(2)
    journal.end(reply(3))
    journal.forget([1])
    assert replayed(path) == {2: None, 3: reply(3)}
    journal.end(reply(2))
    assert replayed(path) == {2: reply(2), 3: reply(3)}
    journal.forget([2, 3])
    journal.begin(4)
    assert replayed(path) == {4: None}


def test_an_end_that_waits_for_the_next_begin_is_forgotten_too(journal: Journal, path: Path):
    journal.begin(1)
    journal.end(reply(1, 451), wait=False)
    journal.forget([1])
    journal.begin(2)
    assert replayed(path) == {2: None}


def test_what_the_last_process_left_can_be_read_until_the_next_begins_anew(path: Path):
    with closing(opened(path)) as first:
        first.begin(1)
    assert replayed(path) == {1: None}
    with closing(opened(path)) as second:
        second.begin(2)
    assert replayed(path) == {2: None}


def test_many_connections_write_whole_records(journal: Journal, path: Path):
    def connection(start: int) -> None:
        journal.begin(start)
        for id in range(start, start + 24):
            journal.end(reply(id))
            journal.begin(id + 1)
            if id % 8 == 0:
                journal.forget([id])

    threads = [threading.Thread(target=connection, args=(start,)) for start in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = replayed(path)
    assert {id for id, word in found.items() if word is None} == {124, 224, 324, 424}
    assert len(found) == 4 * 25 - 4 * 3


def test_a_killed_process_leaves_every_record_it_wrote(path: Path):
    program = (
        "import os, pathlib, signal, sys; from digest.delivery.journal import FileLog, Journal\n"
        "log = FileLog(pathlib.Path(sys.argv[1])); log.adopt(1); journal = Journal(log)\n"
        "for id in range(100): journal.begin(id)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert killed.returncode == -9
    assert replayed(path) == dict.fromkeys(range(100))


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each wait for the disk."""
    found: list[int] = []
    usual = os.write

    def written(fd: int, data: bytes) -> int:
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DSYNC:
            found.append(fd)
        return usual(fd, data)

    monkeypatch.setattr(os, "write", written)
    return found


def test_a_begin_is_on_the_disk_before_it_returns_and_the_end_before_it_in_the_same_go(
    journal: Journal, synced: list[int]
):
    journal.begin(1)
    assert len(synced) == 1
    journal.end(reply(1), wait=False)
    journal.begin(2)
    assert len(synced) == 2
    journal.end(reply(2))
    assert len(synced) == 3


def test_connections_that_wait_for_the_disk_share_the_next_go(journal: Journal, monkeypatch: pytest.MonkeyPatch):
    written: list[bytes] = []
    usual = os.write
    others = [threading.Thread(target=journal.begin, args=(id,)) for id in range(2, 8)]

    def slowly(fd: int, data: bytes) -> int:
        written.append(data)
        if len(written) == 1:
            for other in others:
                other.start()
            while len(journal._waiting) < 7:
                time.sleep(0.001)
        return usual(fd, data)

    monkeypatch.setattr(os, "write", slowly)
    journal.begin(1)
    for other in others:
        other.join()
    assert [data.count(b"begin") for data in written] == [1, 6]


def test_a_full_disk_stops_the_sending_and_nothing_follows_a_torn_record(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
):
    journal.begin(1)
    usual = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: usual(fd, data[:12]))
    with pytest.raises(TransportError, match=r"journal .*no space left.*make room"):
        journal.end(reply(1))
    monkeypatch.undo()
    with pytest.raises(TransportError, match="no space left"):
        journal.begin(2)
    assert replayed(path) == {1: None}


def test_nothing_is_written_into_a_file_that_another_has_replaced(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    journal.begin(1)
    monkeypatch.setattr("digest.delivery.journal.sync_folder", full)
    with pytest.raises(TransportError, match=r"No space left.*make room"):
        journal.forget([1])
    monkeypatch.undo()
    with pytest.raises(TransportError, match="No space left"):
        journal.begin(2)


def test_a_journal_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path):
    with pytest.raises(TransportError, match=r"nowhere/journal cannot be used: No such file.*run again"):
        opened(tmp_path / "nowhere" / "journal")
    with pytest.raises(TransportError, match="Is a directory"):
        words(tmp_path)


ids = st.integers(0, 5)
records = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), ids),
        st.tuples(st.just("end"), ids, st.integers(200, 599), st.text(max_size=20)),
    ),
    max_size=12,
)


@given(records, st.data())
def test_any_prefix_of_the_file_replays_to_a_state_that_was_true(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[object, ...]], data: st.DataObject
):
    path = tmp_path_factory.getbasetemp() / "hypothesis-journal"
    path.unlink(missing_ok=True)
    words: dict[int, tuple[int, ...]] = {}
    true = [dict(words)]  # after each single record
    with closing(opened(path)) as journal:
        for what, id, *rest in todo:
            if what == "begin":
                journal.begin(id)
            elif what == "end":
                journal.end(reply(id, *rest))
            else:
                journal.end(reply(id, *rest[:2]))
                journal.begin(rest[2])
            if what != "begin":
                words[id] = (rest[0],)
                true.append(dict(words))
            if what != "end":
                words[id if what == "begin" else rest[2]] = ()
                true.append(dict(words))
    whole = path.read_bytes().rstrip(b"\0")
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut] + bytes(data.draw(st.sampled_from([0, 100]))))
    found = {id: (word.code,) if word else () for id, word in replayed(path).items()}
    assert found == true[max(0, whole[:cut].count(b"\n") - 1)]  # the first line names the run


def test_a_journal_remembers_whose_run_it_was(path: Path):
    for number, before in ((4, None), (7, 4), (8, 7)):
        assert FileLog(path).last() == before
        opened(path, number)
    path.write_text("boot 0f9a\nbegin 3\n")
    assert FileLog(path).last() == 0
    assert replayed(path) == {3: None}


@pytest.mark.parametrize("left", [b"", bytes(100)])
def test_a_journal_that_the_disk_has_emptied_is_none(path: Path, left: bytes):
    path.write_bytes(left)
    assert FileLog(path).last() is None


def test_a_journal_knows_that_it_was_copied(path: Path, tmp_path: Path):
    opened(path, 1)
    other = path.rename(tmp_path / "other")
    for number, copied in ((2, True), (3, False)):
        log = FileLog(other)
        assert (log.last(), log.copied) == (number - 1, copied)
        opened(other, number)

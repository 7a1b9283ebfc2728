"""`digest bounces` and `digest events`, as an operator types them."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import CONFIG

SAMPLES = Path(__file__).parent / "data" / "bounces"


@pytest.fixture
def maildir(tmp_path):
    folder = tmp_path / "Maildir"
    shutil.copytree(SAMPLES, folder / "new")
    return folder


def test_a_dry_run_says_what_each_mail_is_without_a_configuration_and_changes_nothing(digest, maildir):
    code, out, _ = digest("bounces", "--maildir", str(maildir), "--dry-run", "--json")
    found = {row["file"]: row for row in json.loads(out)}
    assert code == 0
    assert len(found) == len(list((maildir / "new").iterdir())) == len(list(SAMPLES.iterdir()))
    assert found["new/qmail.eml"] == {
        "file": "new/qmail.eml",
        "kind": "bounce",
        "recipients": [
            {
                "address": "reader@example.net",
                "status": "5.1.1",
                "class": "hard",
                "reason": "Sorry, no mailbox here by that name. (#5.1.1)",
            }
        ],
    }
    assert "not_bounce" in digest("bounces", "--maildir", str(maildir), "--dry-run")[1]


def test_mails_about_nobody_of_ours_go_to_quarantine_and_are_counted(digest, maildir, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    code, out, _ = digest("bounces", "--maildir", str(maildir))
    assert code == 0
    assert "unmatched" in out
    assert "Maildir-quarantine" in out
    assert not list((maildir / "new").iterdir())
    assert (tmp_path / "Maildir-quarantine" / "letter.eml").exists()
    assert "nothing came back" in digest("bounces", "--maildir", str(maildir))[1]


def test_what_came_back_can_be_read_by_a_script(digest, maildir, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    told = json.loads(digest("bounces", "--maildir", str(maildir), "--json")[1])
    assert told["kinds"]["bounce"] == told["effects"]["unmatched"] - 1  # and one complaint
    assert told["paused"] is None


def test_a_folder_that_is_not_there_is_named(digest):
    code, _, err = digest("bounces", "--maildir", "nowhere", "--dry-run")
    assert code == 2
    assert "nowhere: no such folder" in err


def test_a_callback_is_told_in_our_words(digest, tmp_path):
    told = {"RecordType": "Bounce", "Type": "HardBounce", "Email": "a@b.org", "MessageID": "m", "ID": 7}
    (tmp_path / "callback.json").write_text(json.dumps(told))
    code, out, _ = digest("events", "parse", "--provider", "postmark", "callback.json", "--json")
    assert code == 0
    assert json.loads(out) == [
        {
            "event": "bounced",
            "recipient": "a@b.org",
            "message_id": "m",
            "reason": "bounced",
            "description": "",
            "response": "",
            "event_id": "7",
            "class": "hard",
        }
    ]
    assert "bounced" in digest("events", "parse", "--provider", "postmark", "callback.json")[1]


@pytest.mark.parametrize(
    ("provider", "file", "named"),
    [("pigeon", "callback.json", "pigeon"), ("ses", "nowhere.json", "nowhere.json"), ("ses", "text.json", "text.json")],
)
def test_what_cannot_be_parsed_is_named(digest, tmp_path, provider, file, named):
    (tmp_path / "callback.json").write_text("{}")
    (tmp_path / "text.json").write_text("Dear sir")
    code, _, err = digest("events", "parse", "--provider", provider, file)
    assert code == 2
    assert named in err

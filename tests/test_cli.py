import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest
from conftest import CONFIG
from delivery.zone import Zone, asked_of
from factories import NOW

from digest.app import load
from digest.cli import cli, terminal
from digest.cli.start import DEMO_NOW
from digest.services.subscriptions import Proof

README = Path(__file__).parents[1] / "README.md"
TODAY = f"{NOW:%a, %d %b %Y} 05:00:00 GMT"
FEED = f"""<rss version="2.0"><channel><title>A journal</title>
<item><title>Dense retrieval for long documents</title><link>https://example.org/papers/1</link>
<description>We rank passages with dense retrieval.</description><pubDate>{TODAY}</pubDate></item>
<item><title>Grasping with two hands</title><link>https://example.org/papers/2</link>
<description>A robot learns manipulation.</description><pubDate>{TODAY}</pubDate></item>
</channel></rss>"""
SOURCE = "sources:\n  - {name: Journal, kind: feed, url: 'file:feed.xml'}\n"


@pytest.fixture
def ready(digest, tmp_path):
    """A folder with a configuration, a feed that was collected and an open edition."""
    (tmp_path / "config.yaml").write_text(CONFIG + SOURCE)
    (tmp_path / "feed.xml").write_text(FEED)
    for command in ("collect", "publish"):
        assert digest(command)[0] == 0
    return digest


def commands(group=cli, prefix=()):
    for command in group.registered_commands:
        yield (*prefix, command.name or command.callback.__name__.replace("_", "-")), command.callback
    for sub in group.registered_groups:
        yield from commands(sub.typer_instance, (*prefix, *filter(None, [sub.name])))


@pytest.mark.parametrize(
    ("words", "callback"), list(commands()), ids=lambda x: " ".join(x) if isinstance(x, tuple) else ""
)
def test_every_command_has_help_and_stands_in_the_readme(words, callback):
    assert callback.__doc__
    assert re.search(rf"`{words[0]}\b|[,·|] ?{words[0]}\b|digest {words[0]}\b", README.read_text()), words
    assert words[-1] in README.read_text()


def test_help_is_plain_and_complete(digest):
    code, out, _ = digest("--help")
    assert code == 0
    assert all(words[0] in out for words, _ in commands())


def test_init_makes_what_is_needed_and_keeps_what_is_there(digest, tmp_path):
    assert digest("init")[0] == 0
    assert {p.name for p in tmp_path.iterdir()} >= {"config.yaml", "subscribers.db", "digest.keys"}
    keys = (tmp_path / "digest.keys").read_bytes()
    assert digest("init")[0] == 0
    assert (tmp_path / "digest.keys").read_bytes() == keys


def test_a_database_made_by_upgrade_has_keys_too(digest, tmp_path):
    (tmp_path / "config.yaml").write_text("publication: {name: Papers}\n")
    assert digest("db", "upgrade")[0] == 0
    assert {p.name for p in tmp_path.iterdir()} >= {"subscribers.db", "digest.keys"}
    assert digest("status")[0] == 1, "no edition yet, and no trouble with keys"


def test_the_demo_goes_the_whole_way_and_sends_nothing_twice(digest, tmp_path):
    code, out, err = digest("demo")
    assert (code, err) == (0, "")
    mails = sorted(tmp_path.glob("outbox/new/*"))
    assert len(mails) == 4
    assert len({mail.read_bytes() for mail in mails}) == 4
    assert "Who got what, and why" in out
    code, out, _ = digest("demo")
    assert "Nothing was sent" in out
    assert sorted(tmp_path.glob("outbox/new/*")) == mails


def test_what_the_demo_says_to_try_next_works(digest, tmp_path):
    said = digest("demo")[1].splitlines()[-1]
    words = said.partition(f"--now {DEMO_NOW} ")[2].removesuffix(" --open").split()
    code, out, _ = digest("--config", "demo.yaml", *words, now=DEMO_NOW)
    assert code == 0
    assert "1. " in out
    assert digest("--config", "demo.yaml", "preview", "lena@example.org", now=DEMO_NOW)[0] == 0


def test_the_demo_touches_no_real_database(digest, tmp_path, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE", "sqlite:///real.db")
    monkeypatch.setenv("DIGEST_TRANSPORT__PATH", "real")
    assert digest("demo")[0] == 0
    assert not (tmp_path / "real.db").exists()
    assert not (tmp_path / "real").exists()


def test_the_demo_keeps_a_demo_yaml_that_is_not_its_own(digest, tmp_path):
    (tmp_path / "demo.yaml").write_text("database: mine")
    code, _, err = digest("demo")
    assert code == 2
    assert "run `digest demo` in another folder" in err
    assert (tmp_path / "demo.yaml").read_text() == "database: mine"


def test_the_topics_that_come_with_the_program_can_be_listed_without_a_configuration(digest):
    code, out, _ = digest("topics", "--library", "quantum-computing", "--json")
    assert (code, json.loads(out)[0]["name"]) == (0, "Quantum computing")
    assert "Statistics" in digest("topics", "--library", "stat")[1]
    code, _, err = digest("topics", "alchemy", "--library")
    assert code == 2
    assert "'alchemy'" in err


def test_a_preview_by_topics_takes_unknown_names_as_free_text_and_says_so(ready):
    code, out, _ = ready("preview", "--topics", "Retrieval, two hands")
    assert code == 0
    assert "taken as free text: two hands" in out
    assert "Dense retrieval" in out
    assert "Grasping" in out


def test_a_preview_can_be_had_as_html_text_and_message(ready, tmp_path):
    assert ready("preview", "--topics", "retrieval", "--html", "a.html", "--eml", "a.eml")[0] == 0
    assert "Dense retrieval" in (tmp_path / "a.html").read_text()
    assert b"List-Unsubscribe: <http" in (tmp_path / "a.eml").read_bytes()
    assert "Dense retrieval" in ready("preview", "--topics", "retrieval", "--text")[1]


def test_a_preview_opens_no_socket(ready, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    assert ready("preview", "--topics", "retrieval")[0] == 0


def test_a_lab_of_twenty_the_whole_way(ready, tmp_path):
    for name in ("ada", "bob"):
        assert (
            ready("subscribers", "add", f"{name}@lab.example", "--topics", "retrieval", "--confirmed", "asked")[0] == 0
        )
    assert "2 pending" in ready("publish")[1]
    assert "2 sent" in ready("deliver")[1]
    assert len(list(tmp_path.glob("outbox/new/*"))) == 2
    assert "nothing was waiting" in ready("deliver")[1]
    assert ready("deliveries", "--edition", "2026-01-16", "--state", "sent")[1].count("@lab.example") == 2
    rows = json.loads(ready("deliveries", "--json")[1])
    assert [(row["subscriber"], row["state"]) for row in rows] == [(f"{n}@lab.example", "sent") for n in ("ada", "bob")]
    assert [row["id"] for row in json.loads(ready("deliveries", "--subscriber", "bob@lab.example", "--json")[1])] == [2]
    assert "feedback" in ready("deliveries", "show", "2")[1]
    assert "subscriber bob@lab.example" in ready("deliveries", "show", "2")[1]


def test_a_suppression_is_lifted_with_a_reason(ready):
    ready("subscribers", "add", "ada@lab.example", "--confirmed", "asked")
    made = load(Path("config.yaml"), lambda: NOW)
    made.catalog.consents.suppress(made.links.fingerprint("ada@lab.example"), "bounced: 550 5.1.1", NOW)
    assert ready("subscribers", "lift", "ada@lab.example")[0] == 2
    because = ("--because", "their server had failed")
    assert ready("subscribers", "lift", "ada@lab.example", *because)[1] == "forgotten: bounced: 550 5.1.1\n"
    assert ready("subscribers", "lift", "ada@lab.example", *because)[0] == 2


def test_a_list_that_is_printed_item_by_item_is_the_same_json(capsys):
    items = [{"title": "a\u2028b\nc", "picks": [1, 2]}, {"title": "", "picks": []}]
    terminal.say_json(items)
    terminal.say_json(iter(items))
    whole, piecewise = capsys.readouterr().out.split("]\n[")
    assert whole.strip("[]\n") == piecewise.strip("[]\n")


def test_a_long_table_names_its_columns_again(capsys):
    terminal.say_table(["id"], ([number] for number in range(1001)))
    assert capsys.readouterr().out.count("id") == 2


def test_while_sending_is_paused_what_waits_is_told_and_goes_out_when_resumed(ready):
    ready("subscribers", "add", "ada@lab.example", "--confirmed", "asked")
    ready("publish")
    ready("pause", "the relay moves")
    code, out, _ = ready("deliver")
    assert (code, out.splitlines()[:2]) == (6, ["1 waiting", "sending is paused: the relay moves"])
    ready("resume")
    assert "1 sent" in ready("deliver")[1]


def test_a_message_can_be_shown_again_byte_for_byte(ready, tmp_path):
    ready("subscribers", "add", "ada@lab.example", "--confirmed", "asked")
    ready("publish")
    ready("deliver")
    (mail,) = tmp_path.glob("outbox/new/*")
    from digest import app, clock

    made = app.load(Path("config.yaml"), clock.fixed(NOW))
    assert made.printing.again(made.catalog.deliveries.get(1)) == (mail.read_bytes(), "")
    assert ready("deliveries", "show", "1", "--eml")[2] == ""
    ready("subscribers", "erase", "ada@lab.example")
    assert "not byte for byte what was sent: its subscriber was erased" in ready("deliveries", "show", "1", "--eml")[2]


def test_a_test_mail_leaves_no_row(ready, tmp_path):
    code, out, _ = ready("send-test", "ada@lab.example")
    assert (code, "250" in out) == (0, True)
    assert len(list(tmp_path.glob("outbox/new/*"))) == 1
    assert json.loads(ready("deliveries", "--json")[1]) == []


def test_status_is_for_people_and_scripts_and_its_exit_code_says_whether_to_look(ready, tmp_path):
    code, out, _ = ready("status", "--json")
    assert (code, json.loads(out)["papers"]) == (0, 2)
    (tmp_path / "feed.xml").unlink()
    assert ready("collect")[0] == 3
    code, out, _ = ready("status")
    assert code == 1
    assert "feed.xml" in out


def test_a_csv_is_imported_and_bad_lines_are_told_with_their_number(ready, tmp_path):
    (tmp_path / "people.csv").write_text(
        "address,topics,cadence,days,hour,zone\n"
        "ada@lab.example,Retrieval;two hands,weekly,fri,8,Europe/Berlin\n"
        "no address,,daily,,,\n"
        "bob@lab.example,,hourly,,,\n"
        "eve@lab.example,,daily,,25,\n"
        "kim@lab.example,,daily,,7,Mars/Olympus\n"
    )
    code, out, err = ready("subscribers", "import", "people.csv", "--confirmed", "asked")
    assert (code, "1 subscribed, 4 refused" in out) == (2, True)
    for line, word in ((3, "no address"), (4, "hourly"), (5, "25"), (6, "Mars")):
        assert f"people.csv:{line}:" in err
        assert word in err
    (tmp_path / "people.csv").write_text("address\nada@lab.example\njoe@lab.example\n")
    code, out, err = ready("subscribers", "import", "people.csv", "--confirmed", "asked")
    assert (code, err, "1 subscribed, 1 had been before, 0 refused" in out) == (0, "", True)


def test_a_cell_may_have_several_lines_and_what_is_misread_is_told(ready, tmp_path):
    (tmp_path / "people.csv").write_text(
        'address,topics,text,name\nada@lab.example,"Robots,Retrieval","two\nhands",Ada\nno address,,,\n'
    )
    _, out, err = ready("subscribers", "import", "people.csv", "--confirmed", "asked")
    assert "1 subscribed, 1 refused" in out
    assert "people.csv: not read: name; columns are address, topics" in err
    assert "people.csv:3: not a topic, taken as free text: Robots,Retrieval" in err
    assert "people.csv:4: 'no address'" in err
    shown = json.loads(ready("subscribers", "show", "ada@lab.example")[1])
    assert shown["interest"]["texts"] == ["Robots,Retrieval", "two", "hands"]


@pytest.mark.parametrize(
    "content", ['address,text\na@b.example,"open\nc@d.example,x\n', f"address,text\n{'x' * 140_000}"]
)
def test_a_csv_that_cannot_be_read_is_named_and_subscribes_nobody(ready, tmp_path, content):
    (tmp_path / "people.csv").write_text(content)
    code, out, err = ready("subscribers", "import", "people.csv", "--confirmed", "asked")
    assert (code, out) == (2, "")
    assert err.startswith("digest: people.csv: cannot be read: ")
    assert ready("subscribers", "show", "a@b.example")[0] == 2


def test_nobody_is_subscribed_without_a_reason(ready, tmp_path):
    (tmp_path / "people.csv").write_text("address\nada@lab.example\n")
    _, out, err = ready("subscribers", "import", "people.csv", "--confirmed", " ")
    assert ("0 subscribed, 1 refused" in out, "say how they agreed" in err) == (True, True)


def test_who_confirms_by_mail_gets_what_they_were_added_with(ready, tmp_path):
    ready("subscribers", "add", "ada@lab.example", "--topics", "robots", "--hour", "9", "--count", "3")
    app = load(tmp_path / "config.yaml", lambda: NOW)
    app.subscriptions.post(app.transport)
    (mail,) = (tmp_path / "outbox/new").iterdir()
    app.subscriptions.confirm(re.search(r"/confirm/(\S+)", mail.read_text())[1], Proof("", "", "", ""))
    ada = app.subscriptions.find("ada@lab.example")
    assert (ada.count, ada.schedule.hour, len(ada.interest.topics)) == (3, 9, 1)


def test_erasing_and_showing_a_subscriber(ready):
    ready("subscribers", "add", "ada@lab.example", "--topics", "retrieval", "--confirmed", "asked")
    assert json.loads(ready("subscribers", "show", "ada@lab.example")[1])["topics"] == ["Retrieval"]
    assert ready("subscribers", "erase", "ada@lab.example")[0] == 0
    assert ready("subscribers", "show", "ada@lab.example")[0] == 2


def test_secrets_are_masked(digest, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG + "transport: {kind: smtp, host: 127.0.0.1, password: hunter2abc}\n")
    (tmp_path / "config.yaml").chmod(0o600)
    code, out, _ = digest("config", "show")
    assert (code, "hunter2abc" in out, "****" in out) == (0, False, True)


def test_a_restored_backup_waits_for_a_person(ready, tmp_path):
    assert ready("db", "backup", "copy.db")[0] == 0
    for file in tmp_path.glob("subscribers.db*"):
        file.unlink()
    assert ready("db", "restore", "copy.db")[0] == 0
    assert "restored from a backup" in ready("status")[1]


@pytest.mark.parametrize(
    ("config", "command", "code", "says"),
    [
        ("sorces: []\n", ["status"], 2, r"config\.yaml:9: sorces: .*sources"),
        ("sources:\n  - {name: A, kind: feeed, url: x}\n", ["collect"], 2, r"config\.yaml:10: .*feeed.*feed"),
        (
            "sources:\n  - {name: A, kind: feed, url: 'file:a', colour: 1}\n",
            ["collect"],
            2,
            r"config\.yaml:10: .*colour",
        ),
        ("sources:\n  - {name: A, kind: feed}\n", ["collect"], 2, r"config\.yaml:10: .*url"),
        ("transport: {kind: pigeon}\n", ["deliver"], 2, r"pigeon.*maildir.*smtp"),
        ("transport: {kind: maildir, path: /proc/outbox}\n", ["deliver"], 6, "/proc/outbox"),
        ("transport: {kind: maildir, path: 7}\n", ["deliver"], 2, r"config\.yaml:9: transport\.path: .*string"),
        ("database: sqlite:////proc/x.db\n", ["status"], 5, r"/proc/x\.db"),
        ("database: somewhere\n", ["status"], 2, "sqlite:///"),
        ("", ["collect", "nobody"], 2, "nobody"),
        ("", ["preview", "nobody@example.org"], 2, "nobody@example.org"),
        ("", ["preview", "--topics", "x"], 2, "digest publish"),
        ("", ["subscribers", "add", "nobody", "--confirmed", "x"], 2, "'nobody'.*@"),
        ("", ["subscribers", "add", "a@b.example", "--confirmed", "x", "--zone", "Mars/X"], 2, "Mars/X"),
        ("", ["subscribers", "add", "a@b.example", "--confirmed", "x", "--count", "31"], 2, "count '31'.* 1 and 30"),
        ("", ["subscribers", "add", "a@b.example", "--confirmed", "x", "--cadence", "hourly"], 2, "hourly.*weekly"),
        ("", ["subscribers", "add", "a@b.example", "--confirmed", "x", "--days", "mon,xmas"], 2, "xmas.*mon,tue"),
        ("", ["preview", "--count", "31"], 2, "1 to 30 papers"),
        ("", ["preview", "ada@example.org", "--topics", "x"], 2, "a subscriber, .* or --topics"),
        ("", ["deliveries", "show", "7"], 2, "no delivery 7"),
        ("", ["deliveries", "show", "9" * 20], 2, "less than or equal"),
        ("", ["papers", "split", "9" * 20], 2, "less than or equal"),
        ("", ["resolve", "9" * 20, "--sent"], 2, "less than or equal"),
        ("", ["db", "restore", "nothing.db"], 5, "nothing.db"),
    ],
)
def test_what_a_user_can_get_wrong_is_told_in_a_line_with_the_way_out(digest, tmp_path, config, command, code, says):
    (tmp_path / "config.yaml").write_text(CONFIG + config)
    if command == ["deliver"]:
        (tmp_path / "feed.xml").write_text(FEED)
        (tmp_path / "good.yaml").write_text(CONFIG + SOURCE)
        for words in (["collect"], ["subscribers", "add", "a@b.example", "--confirmed", "x"], ["publish"]):
            assert digest("--config", "good.yaml", *words)[0] == 0
    ended, out, err = digest(*command)
    assert ended == code, (out, err)
    assert re.search(says, err), err
    assert "Traceback" not in err


def test_no_configuration_says_how_to_get_one(digest):
    code, _, err = digest("status")
    assert (code, "digest init" in err) == (2, True)


def test_a_moment_that_is_none_is_explained(digest):
    code, _, err = digest("status", now="yesterday")
    assert (code, "2026-01-16T07:30:00Z" in err) == (2, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_database_is_told(ready, tmp_path):
    (tmp_path / "subscribers.db").chmod(0o400)
    code, _, err = ready("publish")
    assert (code, "subscribers.db" in err) == (5, True)


def test_a_broken_template_stops_before_the_first_message(ready, tmp_path):
    folder = tmp_path / "templates" / "email" / "digest"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("{{ nickname }}")
    ready("subscribers", "add", "ada@lab.example", "--confirmed", "asked")
    code, _, err = ready("publish")
    assert code in (0, 4)
    code, _, err = ready("preview", "--topics", "retrieval")
    assert (code, "nickname" in err, "subject.txt" in err) == (4, True, True)


def test_a_file_is_told_for_what_it_is_and_nothing_is_stored(digest, tmp_path):
    (tmp_path / "a feed.xml").write_text(FEED)
    code, out, _ = digest("sources", "test", "a feed.xml", "--json")
    told = json.loads(out)
    assert code == 0
    assert {key: value for key, value in told.items() if key != "entries"} == {
        "kind": "feed", "title": "A journal", "health": "fresh",
        "warnings": ["2 of 2 entries have no authors"],
    }  # fmt: skip
    assert told["entries"][0] == {
        "title": "Dense retrieval for long documents",
        "abstract": "We rank passages with dense retrieval.",
        "authors": [],
        "ids": {"url": "https://example.org/papers/1"},
        "categories": [],
        "keywords": [],
        "links": {"abstract": "https://example.org/papers/1"},
        "announced": f"{NOW:%Y-%m-%d}T05:00:00+00:00",
        "updated": None,
        "announce_type": None,
        "signals": {},
    }
    assert [path.name for path in tmp_path.iterdir()] == ["a feed.xml"]
    assert "A journal (feed, fresh)" in digest("sources", "test", "a feed.xml")[1]


def test_a_configured_source_is_tested_by_its_name(ready):
    assert json.loads(ready("sources", "test", "Journal", "--json")[1])["title"] == "A journal"


def test_what_cannot_be_read_is_broken_json_too(digest, tmp_path):
    (tmp_path / "page.html").write_text("<title>Gone</title>")
    code, out, err = digest("sources", "test", "page.html", "--json")
    assert (code, json.loads(out)["health"], json.loads(out)["entries"]) == (3, "broken", [])
    assert "a page titled “Gone” came instead" in err
    assert json.loads(out)["warnings"][0] in err


@pytest.mark.parametrize("what", ["http://127.0.0.1:9/", "http://[::ffff:127.0.0.1]:9/"])
def test_an_address_at_home_needs_a_word(digest, what):
    code, _, err = digest("sources", "test", what)
    assert (code, "is no address of the public internet" in err) == (3, True)


def test_what_is_neither_file_nor_address_nor_source_is_named(digest):
    code, _, err = digest("sources", "test", "Jurnal")
    assert (code, "Jurnal is no file, no http(s) address and no source" in err) == (2, True)


def test_a_source_is_added_once(digest, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG + "sources:\n  - name: Other\n    kind: feed\n    url: file:x\n")
    (tmp_path / "feed.xml").write_text(FEED)
    code, out, _ = digest("sources", "add", "file:feed.xml")
    assert (code, "added to config.yaml, 2 listings now" in out) == (0, True)
    assert json.loads(digest("sources", "test", "A journal", "--json")[1])["kind"] == "feed"
    code, _, err = digest("sources", "add", "file:feed.xml", "--name", "Again")
    assert (code, "config.yaml has a source A journal already" in err) == (2, True)


def test_a_source_that_cannot_be_added_is_shown(digest, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "feed.xml").write_text(FEED)
    code, out, _ = digest("sources", "add", "file:feed.xml", "--name", "Mine")
    assert code == 0
    assert "put this into the sources of config.yaml (2 listings now):\n  - name: Mine\n    kind: feed\n" in out


def test_a_source_in_trouble_is_told_whole_however_narrow_the_terminal(digest, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    (tmp_path / "config.yaml").write_text(CONFIG + SOURCE)
    (tmp_path / "feed.xml").write_text("<!doctype html><html><body>Sorry</body></html>")
    code, out, err = digest("collect")
    assert code == 3
    assert "Journal" in out
    assert "! Journal: file:feed.xml is no feed" in err


def test_a_journal_with_a_long_name_leaves_room_for_how_it_is(digest, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "config.yaml").write_text(CONFIG + SOURCE.replace("Journal", "A journal of some length " * 3))
    assert "never asked" in digest("sources", "list")[1]


def test_a_file_that_cannot_be_written_is_named(ready):
    code, _, err = ready("preview", "--topics", "retrieval", "--html", "missing/a.html")
    assert code == 1
    assert "missing/a.html: No such file or directory; check the path" in err


def test_names_with_brackets_are_printed_as_they_are(digest, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG + SOURCE.replace("Journal", '"[/b] :robot: [red]"'))
    digest("collect")
    for words in (("status",), ("sources", "list")):
        _, out, _ = digest(*words)
        assert "[/b] :robot: [red]" in out


def test_what_failed_is_tried_again_and_what_is_uncertain_is_resolved_by_a_person(ready, tmp_path):
    from digest import app, clock
    from digest.catalog.deliveries import Settled
    from digest.model import State

    for name in ("ada", "bob"):
        ready("subscribers", "add", f"{name}@lab.example", "--confirmed", "asked")
    ready("publish")
    catalog = app.load(Path("config.yaml"), clock.fixed(NOW)).catalog
    catalog.deliveries.claim(2, "a", NOW)
    catalog.deliveries.fold([Settled(1, State.FAILED, "550"), Settled(2, State.UNCERTAIN)], "a", NOW)
    assert json.loads(ready("editions", "--json")[1]) == [{"date": "2026-01-16", "failed": 1, "uncertain": 1}]
    assert ready("retry")[0] == 2
    assert "1 to be tried again" in ready("retry", "--failed")[1]
    assert ready("resolve", "2")[0] == 2
    assert "2 is sent" in ready("resolve", "2", "--sent")[1]
    code, _, err = ready("resolve", "2", "--drop")
    assert (code, "not uncertain" in err) == (2, True)
    told = json.loads(ready("deliver", "--json")[1])
    assert (told["ended"], told["open"], told["stopped"], told["began"][:10]) == ({"sent": 1}, 0, None, "2026-01-16")


def test_one_round_that_is_asked_to_stop_finishes_the_message_in_flight(ready, monkeypatch):
    from digest.delivery.maildir import Maildir

    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.append(handler))
    handlers, real = [], Maildir.deliver

    def stopped(self, mails):
        for outcome in real(self, mails):
            handlers[-1]()
            yield outcome

    monkeypatch.setattr(Maildir, "deliver", stopped)
    for name in ("ada", "bob"):
        ready("subscribers", "add", f"{name}@lab.example", "--confirmed", "asked")
    ready("run", "--once")
    assert json.loads(ready("editions", "--json")[1]) == [{"date": "2026-01-16", "pending": 1, "sent": 1}]


def test_two_papers_are_made_one_and_two_again(ready):
    code, out, _ = ready("papers", "merge", "1", "2", "--reason", "the same hands")
    assert (code, out) == (0, "2 is part of 1 now; `digest papers split 2` undoes it\n")
    shown = ready("papers", "show", "2")[1]
    assert "the same hands" in shown
    assert "Dense retrieval for long documents" in shown
    assert ready("papers", "split", "2")[1] == "2 is a paper of its own again, beside 1\n"
    merges = json.loads(ready("papers", "show", "2", "--json")[1])["merges"]
    assert [(part, whole, bool(undone)) for _, part, whole, _, undone in merges] == [(2, 1, True)]
    assert ready("papers", "split", "2")[0] == 2


def test_a_paper_is_picked_from_the_command_line(ready):
    assert ready("curate", "1", "--by", "AK", "--note", "new")[0] == 0
    assert json.loads(ready("papers", "show", "1", "--json")[1])["signals"][0][1:] == ["curators", "pick", 1.0]
    assert ready("curate", "10.5555/nobody")[0] == 2


def test_a_list_of_feeds_is_imported_once_and_exported(ready, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("# kept\n" + path.read_text())
    (tmp_path / "list.csv").write_text("journal,url\nJournal,https://a.example/rss\nB,https://b.example/rss\n")
    assert ready("sources", "import", "list.csv")[:2] == (0, "2 added to config.yaml\n")
    assert path.read_text().startswith("# kept\n")
    assert "has all 2 feeds" in ready("sources", "import", "list.csv")[1]
    code, out, err = ready("sources", "export")
    assert (code, out.count("<outline"), "Journal" in err) == (0, 2, True)
    (tmp_path / "list.opml").write_text(out)
    assert "has all 2 feeds" in ready("sources", "import", "list.opml")[1]
    assert "Journal (2)" in ready("sources", "list")[1]


def test_sources_say_how_they_are_and_papers_whose_counts_rise(ready):
    listed = ready("sources", "list")[1]
    assert re.search(r"Journal\s+fresh\s+2026-01-16\s+-", listed)
    [source] = json.loads(ready("status", "--json")[1])["sources"]
    assert (source["name"], source["health"], source["last"], source["due"]) == ("Journal", "fresh", "2026-01-16", None)
    assert json.loads(ready("papers", "rising", "--json")[1]) == []
    ready("curate", "2")
    assert "Grasping with two hands" in ready("papers", "rising", now="2026-01-16T08:30:00Z")[1]


def test_the_doctor_says_what_to_publish_and_whether_the_relay_is_there(digest, tmp_path, monkeypatch):
    relay = "transport: {kind: smtp, host: 127.0.0.1, port: 1, tls: none}\n"
    (tmp_path / "config.yaml").write_text(CONFIG + relay)
    with Zone({"news.example.org": "v=spf1 a:mx.example.org -all", "_dmarc.example.org": "v=DMARC1; p=none"}) as zone:
        monkeypatch.setattr("dns.resolver.default_resolver", asked_of(zone.port))
        code, out, _ = digest("doctor")
    assert code == 1
    assert "  SPF           news.example.org: v=spf1 a:mx.example.org -all" in out
    assert "  MX            bounces to news.example.org go to news.example.org" in out
    assert "! relay         no reply at connect: no connection to 127.0.0.1:" in out

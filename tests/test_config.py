import os
import re
from pathlib import Path

import pytest

from digest import config
from digest.app import App
from digest.config import Settings, load, schema, shipped, shown
from digest.errors import ConfigError

REPOSITORY = Path(__file__).parent.parent
PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in [name for name in os.environ if name.upper().startswith("DIGEST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path):
    """Writes config.yaml, readable by everybody, and returns its path."""

    def written(text: str, name: str = "config.yaml", mode: int = 0o644) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    return written


def problems(path: Path) -> list[str]:
    """What is wrong, a line each, with the file's name in place of its path."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


# ---------------------------------------------------------------- a file that works


def test_an_empty_file_is_a_local_publication_without_sources(write):
    settings = load(write(""))
    assert (settings.transport.kind, settings.sources, settings.topics) == ("maildir", (), ())
    assert shown(settings) == shown(Settings())


def test_a_key_with_nothing_after_it_says_nothing(write):
    text = "publication:\n  tagline:\nsources:\nweb:\n  port: # later\n"
    assert shown(load(write(text))) == shown(Settings())


def test_paths_start_at_the_folder_of_the_file(write, tmp_path, monkeypatch):
    path = write("database: sqlite:///mine.db\n")
    monkeypatch.chdir(tmp_path)
    settings = load(Path("config.yaml"))
    assert (settings.path, settings.root) == (Path("config.yaml"), tmp_path)
    assert settings.file("outbox") == tmp_path / "outbox"
    assert settings.file("/var/outbox") == Path("/var/outbox")
    monkeypatch.chdir("/")
    assert settings.database_url == f"sqlite:///{path.parent}/mine.db"


@pytest.mark.parametrize(
    "url", ["sqlite:///:memory:", "sqlite://", "sqlite:////srv/subscribers.db", "postgresql+psycopg:///digest"]
)
def test_a_database_that_is_no_relative_file_stays_as_it_is(write, url):
    assert load(write(f"database: '{url}'")).database_url == url


def test_the_list_is_named_after_the_senders_domain_unless_it_has_a_name(write):
    said = "publication: {name: Papers, sender: digest@news.example.org, base_url: 'https://news.example.org/'%s}"
    letterhead = load(write(said % "")).publication_value()
    assert (letterhead.name, letterhead.list_id) == ("Papers", "papers.news.example.org")
    assert letterhead.base_url == "https://news.example.org"
    assert load(write(said % ", list_id: p.example.org")).publication_value().list_id == "p.example.org"


def test_a_transport_may_be_a_word_or_a_section_with_keys_of_its_own(write):
    assert load(write("transport: maildir")).transport.options == {}
    relay = load(write("transport:\n  kind: smtp\n  host: mail.example.org\n  port: 587\n")).transport
    assert (relay.kind, relay.options) == ("smtp", {"host": "mail.example.org", "port": 587})


def test_a_source_keeps_its_own_keys_as_they_were_written(write):
    text = "sources:\n- {name: A, kind: arxiv, categories: [cs.CL], deep: {limit: 3, strict: true, ratio: 0.5}}\n"
    (source,) = load(write(text)).sources
    assert (source.name, source.kind) == ("A", "arxiv")
    assert source.options == {"categories": ["cs.CL"], "deep": {"limit": 3, "strict": True, "ratio": 0.5}}


def test_topics_may_stand_in_a_file_of_their_own(write):
    write("- {slug: graphs, name: Graphs, keywords: [graph]}\n", "topics.yaml")
    (topic,) = load(write("topics: topics.yaml")).topics
    assert (topic.slug, topic.keywords) == ("graphs", ("graph",))


def test_topics_may_be_the_library_or_a_part_of_it_by_field_category_and_slug(write):
    every = load(write("topics: library")).topics
    assert [topic.slug for topic in every] == [topic.slug for topic in config.library()]
    some = load(write("topics: {library: [stat, physics, cs.RO, quantitative-trading]}")).topics
    assert {topic.categories[0].partition(".")[0] for topic in some} >= {"stat", "astro-ph", "nlin", "cs", "q-fin"}
    assert len([topic for topic in some if topic.categories[0].startswith("q-fin")]) == 1


@pytest.mark.parametrize("at", ["06:00", "12:30", "'23:59'"])
def test_an_hour_is_read_as_it_is_written_with_and_without_quotes(write, at):
    assert load(write(f"publish: {{at: {at}}}")).publish.at == at.strip("'")


@pytest.mark.parametrize("word", ["no", "on", "yes", "1e5", "007", "2026-01-30", "0x10", "1_000"])
def test_words_that_yaml_takes_for_something_else_stay_words(write, word):
    text = f"topics: [{{slug: a, name: A, keywords: [{word}]}}]"
    assert load(write(text)).topics[0].keywords == (word,)


def test_the_user_agent_says_who_can_be_written_to(write):
    assert load(write("contact: ann@example.org")).user_agent.endswith("(+ann@example.org)")
    assert load(write("")).user_agent.endswith("(+http://127.0.0.1:8000)")


# ---------------------------------------------------------------- variables


def test_a_variable_overrides_a_key_and_leaves_its_neighbours(write, monkeypatch):
    monkeypatch.setenv("DIGEST_WEB__PORT", "9000")
    monkeypatch.setenv("DIGEST_KEYS", "/run/digest.keys")
    settings = load(write("web: {host: 127.0.0.2, port: 1}"))
    assert (settings.web.host, settings.web.port, settings.keys) == ("127.0.0.2", 9000, "/run/digest.keys")


def test_a_variable_may_hold_a_list_or_a_section(write, monkeypatch):
    monkeypatch.setenv("DIGEST_WEB__TRUSTED_PROXIES", "[10.0.0.0/8, '::1']")
    monkeypatch.setenv("DIGEST_PUBLISH", "{wait: 5}")
    settings = load(write("publish: {window: 9}"))
    assert [str(n) for n in settings.web.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert (settings.publish.wait, settings.publish.window) == (5, 9)


def test_a_transport_made_of_variables_replaces_the_word_in_the_file(write, monkeypatch):
    monkeypatch.setenv("DIGEST_TRANSPORT", "smtp")
    monkeypatch.setenv("DIGEST_TRANSPORT__HOST", "mail.example.org")
    transport = load(write("transport: maildir")).transport
    assert (transport.kind, transport.options) == ("smtp", {"host": "mail.example.org"})


def test_a_variable_adds_to_a_transport_that_is_a_word(write, monkeypatch):
    monkeypatch.setenv("DIGEST_TRANSPORT__PATH", "mails")
    transport = load(write("transport: maildir")).transport
    assert (transport.kind, transport.options) == ("maildir", {"path": "mails"})


def test_an_empty_variable_says_nothing(write, monkeypatch):
    monkeypatch.setenv("DIGEST_WEB__PORT", "")
    assert load(write("web: {port: 9}")).web.port == 9


def test_a_problem_in_a_variable_names_the_variable(write, monkeypatch):
    monkeypatch.setenv("DIGEST_WEB__PROT", "1")
    monkeypatch.setenv("DIGEST_DELIVERY__UNCERTAIN", "maybe")
    assert problems(write("web: {port: 9}")) == [
        "DIGEST_DELIVERY__UNCERTAIN: delivery.uncertain: Input should be 'resend' or 'hold'",
        "DIGEST_WEB__PROT: web.prot: is no known key; did you mean port?",
    ]


def test_a_mistake_in_a_variables_list_is_not_blamed_on_the_list_that_it_replaces(write, monkeypatch):
    monkeypatch.setenv("DIGEST_SOURCES", "[{name: A}]")
    assert problems(write("sources:\n  - {name: B, kind: feed}\n")) == ["DIGEST_SOURCES: sources.0.kind: is missing"]


def test_a_variable_that_is_no_yaml_is_named(write, monkeypatch):
    monkeypatch.setenv("DIGEST_SOURCES", "[{")
    assert problems(write("")) == ["a DIGEST_ variable: sources: this is no YAML"]


# ---------------------------------------------------------------- a file that does not


def test_every_problem_is_told_in_one_go_with_line_and_path(write):
    text = """\
publicaton: {}
web:
  port: many
  hots: here
sources:
  - name: A
    kind: arxiv
  - kind: feed
topics:
  - slug: Not a slug
    name: N
"""
    told = problems(write(text))
    assert sorted(told) == [
        "config.yaml:10: topics.0.slug: use lower-case letters, digits and hyphens",
        "config.yaml:1: publicaton: is no known key; did you mean publication?",
        "config.yaml:3: web.port: Input should be a valid integer, unable to parse string as an integer",
        "config.yaml:4: web.hots: is no known key; did you mean host?",
        "config.yaml:8: sources.1.name: is missing",
    ]


def test_an_unknown_key_unlike_any_other_is_answered_with_those_there_are(write):
    (told,) = problems(write("sources: []\ndelivery:\n  dkim: {domain: a.org, selector: s, xyz: 1}\n"))
    assert told == ("config.yaml:3: delivery.dkim.xyz: is no known key; known are domain, selector, key, key_file")


def test_a_key_that_stands_twice_is_refused(write):
    assert problems(write("web:\n  port: 1\n  port: 2\n")) == [
        "config.yaml:3: web.port: stands twice, first at config.yaml:2"
    ]


def test_a_problem_in_the_file_of_topics_names_that_file(write):
    write("- {slug: a, name: A}\n- {slug: a, name: B}\n- {slug: c, nam: C, name: C}\n", "topics.yaml")
    assert problems(write("topics: topics.yaml")) == [
        "topics.yaml:3: topics.2.nam: is no known key; did you mean name?"
    ]


def test_a_missing_file_of_topics_names_the_line_that_asks_for_it(write):
    assert problems(write("keys: k\ntopics: topics.yaml")) == [
        "config.yaml:2: topics: topics.yaml: No such file or directory; check the name"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("topics: {libary: [cs]}", "topics: write a list of topics, the name of a file, library"),
        ("topics: {library: cs}", "topics: write a list of topics, the name of a file, library"),
        ("topics: {library: [alchemy]}", "topics.library.0: 'alchemy' is no field, category or slug of the library"),
        ("web: [1, 2\nkeys: k\n", "config.yaml:2: this is no YAML: "),
        ("delivery: {connections: 99999999999}", "delivery.connections: Input should be less than or equal"),
        ("keys: a: b", "config.yaml:1: this is no YAML: mapping values are not allowed"),
        ("keys: a\n---\nkeys: b\n", "config.yaml:2: this is no YAML: but found another document"),
        ("keys: \0", "config.yaml: this is no YAML in UTF-8: unacceptable character #x0000"),
        ("- a\n- b\n", "config.yaml: must hold lines like `key: value`"),
        ("just words", "config.yaml: must hold lines like `key: value`"),
        ("keys: !env HOME", "config.yaml:1: keys: tags like !env are not read"),
        ("sources: &a [*a]", "is nested too deeply"),
        ("sources:\n- kind: feed\n  name: N\n  x: " + "[" * 50 + "]" * 50, "is nested too deeply"),
        ("web: 5", "config.yaml:1: web: must hold lines like `key: value`"),
        ("sources: {a: b}", "config.yaml:1: sources: must be a list"),
        ("keys: 5", "config.yaml:1: keys: must be text; put it in quotes"),
        ("transport: [maildir]", "config.yaml:1: transport: must hold lines like `key: value`"),
        ("transport: {path: x}", "config.yaml:1: transport.kind: is missing"),
        ("_env_file: x", "config.yaml:1: _env_file: is no known key"),
        ("engine: celery", "config.yaml:1: engine: Input should be 'local'"),
        ("publish: {at: 25:00}", 'config.yaml:1: publish.at: write it like "06:00"'),
        ("publish: {at: 6}", "config.yaml:1: publish.at: must be text"),
        ("publish: {window: 2}", "config.yaml:1: publish.recent: is longer than publish.window"),
        ("sign_up: {zone: Mars/Olympus}", "config.yaml:1: sign_up.zone: invalid timezone: Mars/Olympus"),
        ("sign_up: {zone: ../../etc/passwd}", "config.yaml:1: sign_up.zone: invalid timezone"),
        ("sign_up: {hour: 24}", "config.yaml:1: sign_up.hour: Input should be less than or equal to 23"),
        ("sign_up: {total_hour: 0}", "config.yaml:1: sign_up.total_hour: Input should be greater than or equal to 1"),
        ("web: {trusted_proxies: [10.0.0.1/8]}", "config.yaml:1: web.trusted_proxies.0: value is not a valid"),
        ("sources: [{name: A, kind: a}, {name: A, kind: b}]", "config.yaml:1: sources.1.name: A stands twice"),
        (f"sources: [{{name: {'A' * 101}, kind: a}}]", "config.yaml:1: sources.0.name: write one line of 1 to 100"),
        ("topics: [{slug: a, name: A}, {slug: a, name: B}]", "config.yaml:1: topics.1.slug: a stands twice"),
        ('publication: {name: "A\\r\\nBcc: b@c.org"}', "config.yaml:1: publication.name: write one line"),
        ('publication: {tagline: "A\\nB"}', "config.yaml:1: publication.tagline: write one line"),
        ("publication: {sender: Ann <a@b.org>}", "config.yaml:1: publication.sender: write only an address"),
        ('publication: {sender: "a@b.org\\n"}', "config.yaml:1: publication.sender: write only an address"),
        ("publication: {reply_to: nobody}", "config.yaml:1: publication.reply_to: write only an address"),
        ("publication: {list_id: <a.b>}", "config.yaml:1: publication.list_id: write a domain"),
        ("publication: {accent: red}", "config.yaml:1: publication.accent: write a colour"),
        ("publication: {base_url: news.example.org}", "config.yaml:1: publication.base_url: write it like https://"),
        ("publication: {base_url: 'https://n.org/?a=b'}", "config.yaml:1: publication.base_url: write it like https://"),
        ("publication: {base_url: 'https://[::1'}", "config.yaml:1: publication.base_url: Invalid IPv6 URL"),
        ("publication: {base_url: 'http://n.org'}", "config.yaml:1: publication.base_url: http is for this machine"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_the_way_out(write, text, told):
    assert told in problems(write(text))[0]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "127.9.9.9", "[::1]:80", "digest.localhost"])
def test_http_is_allowed_for_this_machine(write, host):
    assert load(write(f"publication: {{base_url: 'http://{host}'}}")).publication.base_url == f"http://{host}"


def test_a_missing_file_names_the_way_out(tmp_path):
    assert problems(tmp_path / "config.yaml") == [
        "config.yaml: No such file or directory; run `digest init`, or name another file with --config"
    ]


def test_a_folder_and_a_file_in_another_encoding_are_named(tmp_path):
    assert "Is a directory" in problems(tmp_path)[0]
    latin = tmp_path / "config.yaml"
    latin.write_bytes("contact: Jürgen".encode("latin-1"))
    assert problems(latin)[0].startswith("config.yaml: this is no YAML in UTF-8: 'utf-8' codec can't decode byte 0xfc")


def test_who_finds_fault_later_can_say_where(write):
    settings = load(write("sources:\n- name: A\n  kind: arxiv\n  limit: many\n"))
    assert str(settings.complain(("sources", 0, "limit"), "must be a number")) == (
        f"{settings.path}:4: sources.0.limit: must be a number"
    )
    assert str(settings.complain(("sources", 0, "url"), "is missing")).startswith(f"{settings.path}:2: sources.0.url: ")
    assert str(settings.complain((), "is odd")) == f"{settings.path}: is odd"


# ---------------------------------------------------------------- secrets


RELAY = "transport: {kind: smtp, host: mail.example.org, password_file: pw}\n"


def test_a_secret_is_read_from_a_private_file(write):
    write(f"{PASSWORD}\n", "pw", 0o600)
    assert load(write(RELAY)).transport.options == {"host": "mail.example.org", "password": PASSWORD}


def test_a_secret_comes_from_the_environment_even_if_its_file_is_missing(write, monkeypatch):
    monkeypatch.setenv("DIGEST_TRANSPORT__PASSWORD", PASSWORD)
    assert load(write(RELAY)).transport.options["password"] == PASSWORD


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_secrets_file_that_others_can_read_is_refused(write, mode):
    write(PASSWORD, "pw", mode)
    (told,) = problems(write(RELAY))
    assert told.startswith("config.yaml:1: transport.password_file: others can read this secret; run `chmod 600 pw`")


def test_a_secrets_file_that_is_missing_is_named(write):
    assert problems(write(RELAY)) == [
        "config.yaml:1: transport.password_file: pw cannot be read: No such file or directory"
    ]


def test_a_secret_may_stand_in_the_file_itself_only_if_that_is_private(write):
    text = f"sources:\n- name: A\n  kind: feed\n  api_key: {PASSWORD}\n"
    assert load(write(text, mode=0o600)).sources[0].options == {"api_key": PASSWORD}
    (told,) = problems(write(text, mode=0o644))
    assert told.startswith("config.yaml:4: sources.0.api_key: others can read this secret; run `chmod 600 config.yaml`")
    assert PASSWORD not in told


def test_the_password_in_a_database_url_is_a_secret_too(write, monkeypatch):
    url = f"postgresql+psycopg://digest:{PASSWORD}@db.example.org/digest"
    (told,) = problems(write(f"database: {url}"))
    assert told.startswith("config.yaml:1: database: others can read this secret")
    assert PASSWORD not in told
    monkeypatch.setenv("DIGEST_DATABASE", url)
    settings = load(write(""))
    assert settings.database_url == url
    assert shown(settings)["database"] == "postgresql+psycopg://digest:********@db.example.org/digest"


@pytest.mark.parametrize(
    "word", ["changeme", "CHANGE-ME", "your-password", "password", "secret", "xxxx", "********", "<password>", ""]
)
def test_a_placeholder_is_no_secret(write, word):
    write(f"{word}\n", "pw", 0o600)
    assert problems(write(RELAY)) == [
        "config.yaml:1: transport.password_file: is empty or a placeholder; put the real secret there"
    ]


def test_a_password_of_digits_stays_text(write):
    assert load(write("transport: {kind: smtp, password: 1234}", mode=0o600)).transport.options["password"] == "1234"


def test_the_key_of_a_signature_is_read_from_its_file_and_not_shown(write):
    write(PASSWORD, "dkim.pem", 0o600)
    settings = load(write("delivery: {dkim: {domain: example.org, selector: d1, key_file: dkim.pem}}"))
    assert settings.delivery.dkim is not None
    assert settings.delivery.dkim.key == PASSWORD
    assert shown(settings)["delivery"]["dkim"] == {"domain": "example.org", "selector": "d1", "key": "********"}


def test_no_secret_is_shown_anywhere(write):
    text = f"""\
database: postgresql://digest:{PASSWORD}@localhost/digest
transport: {{kind: smtp, host: localhost, password: {PASSWORD}}}
sources: [{{name: A, kind: feed, api_token: {PASSWORD}, more: [{{key: {PASSWORD}}}], url: 'https://a:{PASSWORD}@b.org'}}]
delivery: {{dkim: {{domain: a.org, selector: s, key: {PASSWORD}}}}}
"""
    settings = load(write(text, mode=0o600))
    for view in (shown(settings), settings, settings.transport, settings.sources, settings.delivery.dkim):
        assert PASSWORD not in repr(view)
        assert PASSWORD not in str(view)
    assert settings.sources[0].options["more"] == [{"key": PASSWORD}]
    told = problems(write(text + "transport: 5\nweb: {port: x}\n"))
    assert len(told) > 2
    assert PASSWORD not in "".join(told)


# ---------------------------------------------------------------- may mail leave?


REAL = """\
publication:
  sender: digest@papers.uni-x.de
  base_url: https://papers.uni-x.de
  postal_address: Marktplatz 1, 99999 Xstadt
transport: {kind: smtp, host: mail.uni-x.de}
"""


def obstacles(path: Path) -> list[str]:
    return [re.sub(r"^.*config\.yaml: publication\.(\w+): .*", r"\1", line) for line in load(path).sending_problems()]


def test_a_complete_publication_may_send(write):
    assert obstacles(write(REAL)) == []


@pytest.mark.parametrize(
    ("change", "to", "obstacle"),
    [
        ("Marktplatz 1, 99999 Xstadt", "", "postal_address"),
        ("Marktplatz 1, 99999 Xstadt", "Placeholder Street 1, 12345 Example Town", "postal_address"),
        ("digest@papers.uni-x.de", "digest@news.example.org", "sender"),
        ("digest@papers.uni-x.de", "digest@localhost", "sender"),
        ("https://papers.uni-x.de", "http://127.0.0.1:8000", "base_url"),
        ("https://papers.uni-x.de", "https://localhost", "base_url"),
    ],
)
def test_what_is_missing_before_mail_may_leave_is_named(write, change, to, obstacle):
    assert obstacles(write(REAL.replace(change, to))) == [obstacle]


@pytest.mark.parametrize("transport", ["maildir", "{kind: smtp, host: localhost, port: 2525}"])
def test_at_home_placeholders_will_do_but_not_an_empty_postal_address(write, transport):
    text = f"publication: {{postal_address: '%s', sender: a@b.example}}\ntransport: {transport}\n"
    assert obstacles(write(text % "Placeholder Street 1")) == []
    assert obstacles(write(text % "")) == ["postal_address"]


def test_a_relay_on_this_machine_reaches_the_world_when_the_base_url_does(write):
    text = REAL.replace("host: mail.uni-x.de", "host: 127.0.0.1").replace("Marktplatz", "Placeholder")
    assert obstacles(write(text)) == ["postal_address"]


# ---------------------------------------------------------------- what comes with the program


def test_the_shipped_configuration_works_as_it_is():
    settings = load(REPOSITORY / "config.yaml")
    assert settings.sending_problems() == []
    assert [source.kind for source in settings.sources] == ["arxiv", "hf_daily", "feed"]
    assert 20 <= len(settings.topics) <= 30
    for topic in settings.topics:
        assert topic.description.endswith(".")
        assert len(topic.keywords) >= 4


def test_the_shipped_configuration_must_be_edited_before_mail_leaves(monkeypatch):
    monkeypatch.setenv("DIGEST_TRANSPORT", "{kind: smtp, host: mail.example.org}")
    told = load(REPOSITORY / "config.yaml").sending_problems()
    assert [line.partition(": ")[2].partition(":")[0] for line in told] == [
        "publication.postal_address",
        "publication.sender",
        "publication.base_url",
    ]


def test_the_defaults_that_the_comments_tell_are_the_defaults(tmp_path):
    text, told = (REPOSITORY / "config.yaml").read_text(encoding="utf-8").partition("\nsources:")[0], []
    skipping = False
    for line in text.splitlines():
        if said := re.match(r"( *)# ( *[a-z_0-9]+:(?: .*)?)$", line):
            top = not said[2].startswith(" ")
            skipping = "for example:" in line or (skipping and not top)
            told += [] if skipping else [said[1] + said[2]]
        else:
            told.append(line)
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(told), encoding="utf-8")
    assert len([line for line in told if not line.startswith("#")]) > 30
    silent = load(REPOSITORY / "config.yaml").model_copy(update={"sources": (), "topics": ()})
    expected = shown(silent)
    expected["publication"]["list_id"] = "papers.news.example.org"
    assert shown(load(path)) == expected


def test_every_kind_of_source_has_an_example_in_the_configuration():
    text = (REPOSITORY / "config.yaml").read_text(encoding="utf-8")
    modules = (REPOSITORY / "digest" / "sources").glob("*.py")
    kinds = {m.stem for m in modules if re.search(r"^SOURCE = ", m.read_text(encoding="utf-8"), re.M)}
    for kind in kinds | {"arxiv", "arxiv_api", "biorxiv", "feed", "hf_daily", "hn", "jsonfeed"}:
        assert re.search(rf"kind: {kind}\b", text), f"no example for {kind}"


def test_the_commented_examples_of_sources_work(tmp_path):
    text = (REPOSITORY / "config.yaml").read_text(encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(
        re.sub(r"(?m)^  # ( *(?:- )?[a-z_]+:)", r"  \1", text.partition("\nsources:")[2].join(["sources:", ""]))
    )
    settings = load(path)
    assert len(App(settings).sources) == len(settings.sources)
    found = {source.kind: sorted(source.options) for source in settings.sources}
    assert found["arxiv_api"] == ["max_results", "query"]
    assert found.keys() == {"arxiv", "arxiv_api", "biorxiv", "feed", "github_stars", "hf_daily", "hn", "jsonfeed"}


def test_the_schema_knows_every_section_and_both_forms_of_transport_and_topics():
    found = schema()
    assert set(found["properties"]) == set(Settings.model_fields)
    assert found["additionalProperties"] is False
    for key in ("transport", "topics"):
        assert {"type": "string"} in found["properties"][key]["anyOf"]


def test_what_comes_with_the_program_is_found_in_the_repository_and_in_the_package(tmp_path, monkeypatch):
    assert shipped("config.yaml") == REPOSITORY / "config.yaml"
    monkeypatch.setattr(config, "__file__", str(tmp_path / "config.py"))
    packed = tmp_path / "shipped" / "config.yaml"
    packed.parent.mkdir()
    packed.touch()
    assert shipped("config.yaml") == packed


LISTED = """\
topics: []
sources:  # where papers come from
  - name: One
    kind: feed
    url: https://one.example/rss   # this one
    # internal: true

  # - name: An example
  #   kind: feed
transport: maildir
"""


def test_a_source_is_added_below_the_others_and_every_comment_stays(tmp_path):
    (path := tmp_path / "config.yaml").write_text(LISTED)
    text, written = config.with_sources(path, [{"name": "Zwei: 2", "kind": "feed", "url": "https://two.example/"}])
    assert (text, written) == ("  - name: 'Zwei: 2'\n    kind: feed\n    url: https://two.example/\n", True)
    assert path.read_text() == LISTED.replace("# internal: true\n", f"# internal: true\n{text}")
    assert [source.name for source in load(path).sources] == ["One", "Zwei: 2"]


@pytest.mark.parametrize(
    "told",
    [
        "sources: []\n",
        "topics: []\n",
        "sources: [{name: One, kind: feed, url: x}]\n",
        "sources:\r\n  - {name: One}\r\n",
    ],
)
def test_a_list_of_another_layout_is_left_alone(tmp_path, told):
    (path := tmp_path / "config.yaml").write_bytes(told.encode())
    text, written = config.with_sources(path, [{"name": "Two", "kind": "feed", "url": "https://two.example/"}])
    assert (text.splitlines()[0], written) == ("  - name: Two", False)
    assert path.read_bytes() == told.encode()


def test_the_configuration_that_comes_with_the_program_takes_another_source(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes((REPOSITORY / "config.yaml").read_bytes())
    assert config.with_sources(path, [{"name": "Two", "kind": "feed", "url": "https://two.example/"}])[1]
    assert load(path).sources[-1].name == "Two"


def test_a_sentence_embedding_model_that_is_not_there_is_told_with_its_line(write):
    app = App(load(write("topics: []\nsemantic: {model: nowhere}")))
    with pytest.raises(ConfigError, match=r"config\.yaml:2: semantic\.model: nowhere is neither a folder"):
        _ = app.meaning

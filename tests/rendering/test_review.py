"""`digest lint`: our templates are clean, and each kind of mistake is found where it stands."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import CONFIG
from typer.testing import CliRunner

from digest.cli import cli
from digest.rendering import clients
from digest.rendering.lint import flaws
from digest.rendering.review import layouts, review
from digest.rendering.stationery import fingerprint

SHIPPED = Path(__file__).parents[2] / "templates"


@pytest.fixture
def checked(tmp_path, publication):
    """The errors of a folder with our daily digest, one piece of one file changed."""

    def check(name, old, new):
        shipped = (SHIPPED / "email" / name).read_text("utf-8")
        assert old in shipped
        for folder in ("_base", "digest"):
            shutil.copytree(SHIPPED / "email" / folder, tmp_path / "email" / folder)
        (tmp_path / "email" / name).write_text(shipped.replace(old, new, 1), "utf-8")
        return [finding for finding in review([tmp_path], publication) if finding.severity == "error"]

    return check


def test_the_shipped_templates_have_no_error(publication):
    found = review([SHIPPED], publication)
    assert [finding for finding in found if finding.severity == "error"] == []
    assert {finding.rule for finding in found} == {"support"}


def test_every_folder_of_a_layout_is_reviewed_and_those_with_an_underscore_are_not(tmp_path):
    (tmp_path / "email" / "own").mkdir(parents=True)
    (tmp_path / "email" / "_mine").mkdir()
    assert {"own", "digest", "welcome", "confirm"} <= {*layouts([tmp_path, SHIPPED])}
    assert not any(name.startswith("_") for name in layouts([tmp_path, SHIPPED]))


def test_what_an_editor_leaves_beside_the_templates_is_no_template(tmp_path, publication):
    (tmp_path / "email/digest/old.d").mkdir(parents=True)
    (tmp_path / "email/digest/.#body.mjml").symlink_to("ada@lab.4711:1")  # Emacs locks a file that is being edited
    assert fingerprint("digest", [tmp_path, SHIPPED], publication) == fingerprint("digest", [SHIPPED], publication)
    assert review([tmp_path, SHIPPED], publication) == review([SHIPPED], publication)


BODY, FRAME = "digest/body.mjml", "_base/frame.mjml"
TITLE = '<h3 class="title"'
ABSTRACT = '<p class="told" dir="auto">'


@pytest.mark.parametrize(
    ("name", "old", "new", "rule", "message"),
    [
        (BODY, ABSTRACT, '<p onclick="x()">', "attribute", "<p> has no attribute onclick"),
        (BODY, ABSTRACT, "<p class=abstract>", "attribute", "class of <p> has no value in quotes"),
        (BODY, ABSTRACT, "<blink>", "tag", "unknown tag <blink>"),
        (FRAME, 'padding="26px 0 44px"', 'margin="1px"', "attribute", "<mj-section> has no attribute margin"),
        (FRAME, '<mj-text css-class="pad foot"', "<mj-text><mj-text", "place", "cannot stand in <mj-text>"),
        (BODY, "{{ lead }}", "{{ leed }}", "template", "unknown variable leed"),
        (BODY, "{{ lead }}", "{{ lead | upper }}", "value", "lead can only be printed as it is"),
        (FRAME, 'padding="26px 0 44px"', 'padding="{{ lead }}"', "attribute", "padding of <mj-section> takes no {{ }}"),
        (FRAME, 'font-size="15px"', 'font-size="15"', "attribute", "font-size of <mj-text> needs a unit: write px"),
        (FRAME, "text-decoration: underline; }", "text-decoration: underline;", "style", "not as many } as {"),
        (BODY, "Unsubscribe</a>", "</a>", "link", "a link without words"),
        (BODY, '{{ card.url }}">', 'ftp://e.org">', "link", "leads to ftp://e.org: links are whole addresses"),
        (BODY, "{{ card.abstract }}", "{{ card.summary }}", "template", "no attribute 'summary'"),
        (BODY, TITLE, '<img src="https://e.org/a.png"><h3 class="title"', "alt", '<img> needs alt="what it shows"'),
        (BODY, "{{ headline }}</strong>", '</strong><a href="{{ online_url }}"></a>', "link", "a link without words"),
        (BODY, '<a class="accent" href="{{ online_url }}">View', '<a href="/here">View', "link", "leads to /here"),
        (BODY, "{{ lead }}", "<h1>{{ lead }}</h1>", "headings", "a mail has one <h1>, this one has 2"),
        (BODY, "{{ lead }}", "<h4>{{ lead }}</h4>", "headings", "<h4> follows <h1>: no level is left out"),
        (BODY, '<h2 class="heading">', "<h4>", "mismatch", "but <h4> of line 16 is still open"),
        (FRAME, '<mjml lang="en">', "<mjml>", "lang", "names no language"),
        (FRAME, "publication.postal_address", "publication.tagline", "address", "the HTML part lacks"),
        ("_base/frame.txt", "{{ publication.postal_address }}", "", "address", "the text part lacks"),
        ("_base/palette.mjml", '"ink": "#1b1a18"', '"ink": "#a0a0a0"', "contrast", "by day “"),
        ("_base/palette.mjml", '"soft": "#aea79c"', '"soft": "#555555"', "contrast", "by night “"),
        (BODY, TITLE, '<img alt="" src="https://e.org/a.webp"><h3 class="title"', "support", "webp: not shown by"),
        (BODY, TITLE, '<p style="position:absolute">x</p><h3 class="title"', "support", "position: not shown by"),
        (BODY, ABSTRACT, f'<p>{"x" * 5_000}</p><p dir="auto">', "size", "ten usual cards make"),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_with_its_rule(name, old, new, rule, message, checked):
    found = {finding.rule: finding for finding in checked(name, old, new)}
    assert message in found[rule].message


def test_a_finding_names_the_operators_file_and_the_line(checked, tmp_path):
    found = checked(BODY, TITLE, '<img alt="" src="https://e.org/a.webp"><h3 ')
    assert {(finding.file, finding.line) for finding in found} == {(str(tmp_path / "email" / BODY), 28)}


def test_the_command_prints_each_finding_and_fails_only_for_errors(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    said = CliRunner().invoke(cli, ["--config", str(config), "lint"])
    assert said.exit_code == 0
    assert "0 errors" in said.stderr
    own = tmp_path / "templates" / "email" / BODY
    own.parent.mkdir(parents=True)
    own.write_text((SHIPPED / "email" / BODY).read_text("utf-8").replace(TITLE, '<h3 id="x"'), "utf-8")
    said = CliRunner().invoke(cli, ["--config", str(config), "lint", "--json"])
    assert said.exit_code == 4
    found = {
        "file": str(own),
        "line": 28,
        "severity": "error",
        "rule": "attribute",
        "message": "<h3> has no attribute id",
    }
    assert json.loads(said.stdout)[0] == found


def test_all_mistakes_of_a_file_are_found_and_a_stray_end_does_not_multiply():
    source = "<mjml>\n<mj-body wide='1'>\n</p>\n<mj-foo>\n</mj-foo>\n</mj-body>\n</mjml>\n"
    assert [(flaw.line, flaw.rule) for flaw in flaws("body.mjml", source)] == [
        *((2, "attribute"), (3, "mismatch"), (4, "tag"), (5, "tag"))
    ]


def test_clients_lists_what_caniemail_says_and_under_which_licence():
    table = clients.known()
    names, features = table["clients"], table["features"]
    assert {*clients.CLIENTS} <= {*names}
    assert all(len(letters) == len(names) and {*letters} <= {*"ynau"} for letters in features.values())
    assert "Copyright (c) 2019 HTeuMeuLeu" in table["notice"]


def test_mail_programs_are_named_by_family_or_one_by_one():
    assert clients.chosen(["outlook-windows", "thunderbird"]) == (
        *("outlook/windows", "thunderbird/macos", "thunderbird/windows"),
    )
    assert clients.chosen([]) == clients.CLIENTS
    with pytest.raises(ValueError, match=r"'pine' is no mail program .*; write aol, aol-android"):
        clients.chosen(["gmail", "pine"])


def test_what_the_chosen_programs_lack_is_told_with_the_reason_known_of_them():
    assert clients.lacking("css-float", ["outlook/windows", "apple-mail/ios"]) == (
        "not shown by Outlook before 2024 (Windows); `table` and `img` elements can use an `align` attribute to get a"
        " similar effect",
        False,
    )
    assert clients.lacking("css-float", ["apple-mail/ios"]) == ("", False)
    assert clients.lacking("html-svg", ["gmail/ios"])[1]


@pytest.mark.parametrize(
    ("html", "feature"),
    [
        ("<p style='margin-top:1px'>x</p>", "css-margin"),
        ("<p style='display: flex'>x</p>", "css-display-flex"),
        ("<p style='width:calc(1px + 2em)'>x</p>", "css-unit-calc"),
        ("<style>@media (prefers-color-scheme: dark){a:hover{color:red}}</style>x", "css-pseudo-class-hover"),
        ("<style>@media (prefers-color-scheme: dark){}</style>x", "css-at-media-prefers-color-scheme"),
        ("<style>td > p{opacity:1}</style>x", "css-selector-child"),
        ("<h5>x</h5>", "html-h1-h6"),
        ("<img src='data:image/png;base64,xx'>", "image-base64"),
        ("<td style='background:url(https://e.org/x.JPEG?a=1)'>x</td>", "image-jpg"),
        ("<video></video>", "html-video"),
    ],
)
def test_features_are_found_in_tags_styles_and_addresses(html, feature):
    assert feature in clients.used(f"<table>{html}</table>" if html.startswith("<td") else html)

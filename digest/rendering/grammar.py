"""What MJML and HTML a template may use: tags, where they may stand, and their attributes (mjml 5's own tables)."""

_PADDING = "padding padding-top padding-right padding-bottom padding-left"
_BORDER = "border border-top border-right border-bottom border-left border-radius"
_GROUND = (
    "background-color background-position background-position-x background-position-y background-repeat background-size"
    " background-url"
)
_BAND = f"{_GROUND} {_BORDER} {_PADDING} direction full-width gutter text-align text-padding"
_FONT = "color font-family font-size font-style font-weight letter-spacing line-height text-decoration text-transform"
_PLACED = f"align container-background-color {_PADDING}"
_LINKED = "href name rel target title"
_CONTENT = {
    "mj-text": f"background-color height vertical-align {_FONT} {_PLACED}",
    "mj-button": f"background-color height inner-padding text-align vertical-align width {_BORDER} {_FONT} {_LINKED}"
    f" {_PLACED}",
    "mj-divider": f"border-color border-style border-width width {_PLACED}",
    "mj-spacer": f"container-background-color height {_BORDER.removesuffix(' border-radius')} {_PADDING}",
    "mj-image": f"alt fluid-on-mobile font-size height max-height sizes src srcset usemap width {_BORDER} {_LINKED}"
    f" {_PLACED}",
    "mj-table": "border cellpadding cellspacing color font-family font-size font-weight line-height role table-layout"
    f" vertical-align width {_PLACED}",
}
_ALL = {
    **_CONTENT,
    "mjml": "lang dir",
    "mj-head": "",
    "mj-attributes": "",
    "mj-class": "name",
    "mj-breakpoint": "width",
    "mj-preview": "",
    "mj-style": "inline",
    "mj-title": "",
    "mj-raw": "",
    "mj-body": "background-color id width",
    "mj-wrapper": f"gap {_BAND}",
    "mj-section": _BAND,
    "mj-column": f"background-color direction vertical-align width {_BORDER} {_PADDING} inner-background-color "
    + " ".join(f"inner-{side}" for side in _BORDER.split()),
    "mj-group": "background-color direction vertical-align width",
}
_ANYWHERE = frozenset({"css-class", "mj-class"})
MJML = {tag: _ANYWHERE.union(attributes.split()) for tag, attributes in _ALL.items()}
MJML["mj-all"] = frozenset[str]().union(*MJML.values())
MJML["mj-class"] |= MJML["mj-all"]

PARENTS = {
    **dict.fromkeys(_CONTENT, ("mj-column", "mj-attributes")),
    "mj-column": ("mj-section", "mj-group", "mj-attributes"),
    "mj-group": ("mj-section", "mj-attributes"),
    "mj-section": ("mj-body", "mj-wrapper", "mj-attributes"),
    "mj-wrapper": ("mj-body", "mj-attributes"),
    "mj-body": ("mjml", "mj-attributes"),
    "mj-head": ("mjml",),
    **dict.fromkeys(("mj-attributes", "mj-breakpoint", "mj-preview", "mj-style", "mj-title"), ("mj-head",)),
    **dict.fromkeys(("mj-all", "mj-class"), ("mj-attributes",)),
}
"""Elsewhere MJML prints them wrongly or not at all. A tag that is not listed may stand anywhere."""

_HTML = (
    "a abbr b blockquote br code div em h1 h2 h3 h4 hr i img li meta ol p small span strong sub sup table tbody td"
    " thead th tr ul u"
)
HTML = frozenset(_HTML.split())
VOID = frozenset({"br", "hr", "img", "meta"})
_HTML_ATTRIBUTES = (
    "align alt aria-hidden aria-label bgcolor border cellpadding cellspacing class colspan content dir height href lang"
    " name rel role rowspan scope src start style target title valign width"
)
HTML_ATTRIBUTES = frozenset(_HTML_ATTRIBUTES.split())

"""Words for people: clean, cut at a decent place, dated in English whatever the machine's locale."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from textwrap import wrap as _wrap
from urllib.parse import quote

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# control, bidi and zero-width characters, lone surrogates, and the noncharacters (`sheet` marks its holes with those)
_UNFIT = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff"
    "\ufff9-\uffff\ufdd0-\ufdef\ud800-\udfff\U000e0000-\U000e0fff]"
)
_WIDTH = 70
"""of a line of the text part: 72 with a marker and a blank before it"""


def clean(text: str) -> str:
    """*text* in one line, without what cannot be seen or turns the rest around (REQ-37)."""
    return " ".join(_UNFIT.sub("", text).split())


def cut(text: str, limit: int) -> str:
    """At most *limit* characters of *text*, ending with a word."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    end = head.rfind(" ", limit // 2)
    return head[: end if end > 0 else limit - 1].rstrip(" ,;:–-") + "…"


def listed(names: Iterable[str], most: int = 3) -> str:
    """`A, B, C and 4 more`"""
    names = [*names]
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def safe(url: str) -> str:
    """*url* fit for an attribute and for plain text; empty unless it is http or https."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~") if re.match(r"https?://[^/\s]", url, re.I) else ""


def wrapped(text: str) -> str:
    """*text* in lines of at most 70 characters; only links stay in one piece."""
    if len(text) <= _WIDTH or ("://" in text and text.split(None, 1) == [text]):
        return text
    return _in_lines(text)


@lru_cache(maxsize=4096)
def _in_lines(text: str) -> str:
    return "\n".join(_wrap(text, _WIDTH, break_long_words="://" not in text, break_on_hyphens=False))


@lru_cache(maxsize=1024)
def day(when: date) -> str:
    """`22 November 2026`"""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


@lru_cache(maxsize=64)
def headline(turn: str, when: date) -> str:
    """The date above a digest: of the turn when it names a day or a week, else *when*."""
    if "-W" in turn:
        monday = date.fromisocalendar(int(turn[:4]), int(turn[6:]), 1)
        sunday = monday + timedelta(days=6)
        start = day(monday).removesuffix(f" {sunday.year}").removesuffix(f" {_MONTHS[sunday.month - 1]}")
        return f"Week {int(turn[6:])}, {start}{'–' if start.isdigit() else ' – '}{day(sunday)}"
    shown = date.fromisoformat(turn) if turn[:1].isdigit() else when
    return f"{DAYS[shown.weekday()]}, {day(shown)}"


@lru_cache(maxsize=1024)
def stamp(when: datetime) -> str:
    """*when* as a Date header wants it."""
    utc = when.astimezone(UTC)
    return f"{DAYS[utc.weekday()][:3]}, {utc.day:02} {_MONTHS[utc.month - 1][:3]} {utc:%Y %H:%M:%S} +0000"

"""One accent colour made readable wherever it stands: on paper, on a dark sheet, under a button's words."""

import re

_AA = 4.5  # https://www.w3.org/TR/WCAG22/#contrast-minimum


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio, 1 to 21, of two `#rrggbb`."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable(colour: str, ground: str, ratio: float = _AA) -> str:
    """*colour*, moved towards white or black until it can be read on *ground*. Raises ValueError unless `#rrggbb`."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise ValueError(f"a colour is written #rrggbb, not {colour!r}")
    towards = max("#ffffff", "#000000", key=lambda end: contrast(end, ground))
    steps = (_mixed(colour, towards, share / 20) for share in range(21))
    return next((step for step in steps if contrast(step, ground) >= ratio), towards)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mixed(one: str, other: str, share: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_rgb(one), _rgb(other), strict=True))


def _luminance(colour: str) -> float:
    red, green, blue = (c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

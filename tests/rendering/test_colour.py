import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.colour import contrast, readable

COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@given(COLOURS, COLOURS)
def test_any_colour_becomes_readable_on_any_ground(colour, ground):
    assert contrast(readable(colour, ground), ground) >= 4.5


def test_a_readable_colour_stays_as_it_is():
    assert readable("#b31b1b", "#ffffff") == "#b31b1b"


@pytest.mark.parametrize("colour", ["red", "#fff", "#b31b1b;}", ""])
def test_anything_else_is_no_colour(colour):
    with pytest.raises(ValueError, match="#rrggbb"):
        readable(colour, "#ffffff")

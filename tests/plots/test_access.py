"""What can be tested of access: contrast, colour vision, letters.

Alt text, the order of headings and letters in the decks' figures are tested with the
notebooks and the decks; that widgets work from the keyboard, and the contrast of pages,
in a browser.
"""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.pages import contrast, linear
from workshop_lib.plots.style import INK, PALETTE, line_style

ROOT = Path(__file__).parents[2]
THEME = (ROOT / "slides" / "theme.css").read_text(encoding="utf-8")
# From linear RGB to what the eye lacks one kind of cone for: Machado et al. 2009,
# severity 1.0
COLOUR_VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, in which a distance of 2 is just seen."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.clip(to_xyz @ light / to_xyz.sum(axis=1), 1e-4, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_ink_can_be_read_and_lines_be_seen_on_white():
    white = to_rgb("#ffffff")
    assert contrast(white, to_rgb("#000000")) == pytest.approx(21)
    assert contrast(to_rgb(INK), white) > 7
    assert all(contrast(to_rgb(colour), white) > 2 for colour in PALETTE.values())


@pytest.mark.parametrize("vision", COLOUR_VISION)
def test_lines_differ_in_colour_for_any_eye(vision):
    seen = {
        name: lab(np.clip(COLOUR_VISION[vision] @ linear(to_rgb(colour)), 0, 1))
        for name, colour in PALETTE.items()
    }
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 10, (one, other)


def test_colour_is_never_alone():
    styles = [line_style(k) for k in range(len(PALETTE))]
    assert len({style["marker"] for style in styles}) == len(PALETTE)
    # The first four lines can be told apart as plain lines too
    assert len({str(style["linestyle"]) for style in styles[:4]}) == 4


def test_letters_in_the_decks_carry_to_the_back_of_a_room():
    """A slide is 720 px high: 18 px of it are 2.5 % of the screen's height."""
    sizes = [float(s) for s in re.findall(r"font-size:\s*([\d.]+)px", THEME)]
    assert sizes and min(sizes) >= 18

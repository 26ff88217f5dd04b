"""Contrast of text with the ground behind it, as WCAG 2.2 defines it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Of every text below an element: words, size of the type, colours of ink and ground
_TEXTS = """root => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const shares = colour => colour.slice(0, 3).map(v => v / 255);
  const ground = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll(`${root} *`)]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .filter(e => !e.closest('style, mjx-assistive-mml'))
    .map(e => [e, getComputedStyle(e)])
    .map(([e, style]) => [e.textContent.trim().slice(0, 40),
      parseFloat(style.fontSize), shares(numbers(style.color)), shares(ground(e))]);
}"""


def linear(rgb: Sequence[float]) -> np.ndarray:
    """From values of a colour, 0 to 1, to the light that a screen gives, 0 to 1."""
    values = np.asarray(rgb)
    curved = ((values + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, values / 12.92, curved)


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """From 1 to 21: 4.5 for text, 3 for large text."""
    light = [float(linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, other)]
    return max(light) / min(light)


def texts(page: Any, root: str = "body") -> list[tuple[str, float, float]]:
    """Every text that a browser shows: its words, the type's size, its contrast."""
    found = page.evaluate(_TEXTS, root)
    return [(words, size, contrast(*two)) for words, size, *two in found]

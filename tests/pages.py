"""Pages as the tests read them: tags and words, and the contrast of WCAG 2.2."""

from collections.abc import Sequence
from html.parser import HTMLParser
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


def opened_quietly(browser: Any, address: str, **options: Any) -> Any:
    """Open a page that reports no error, and loads nothing but itself."""
    page, said, asked = browser.new_page(**options), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    return page


class Page(HTMLParser):
    """What a browser would make of the page, as far as the tests ask."""

    VOID = ("meta", "img", "br", "link", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

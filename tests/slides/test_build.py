"""The decks as they are shown: built, opened in a browser, page by page."""

import io
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slides import decks
from tests.pages import texts
from workshop_lib.errors import WorkshopError

DECKS = [path.stem for path in decks.decks()]
PAGE = {"width": 1280, "height": 720}

# Boxes (words, pictures, tables, code, formulas) of the page that is shown which leave
# it or run into the source line or the page number
BOXES = """() => {
  const svg = document.querySelector('svg.bespoke-marp-active');
  const section = svg.querySelector('section[id]');
  const page = section.getBoundingClientRect();
  const footer = section.querySelector('footer');
  const floor = footer ? footer.getBoundingClientRect().top : page.bottom - 46;
  const boxes = [];
  const add = (what, rect) => {
    if (rect.width > 0 && rect.height > 0) boxes.push([what, rect]);
  };
  const walker = document.createTreeWalker(section, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const silent = node.parentElement.closest('footer, style, mjx-assistive-mml');
    if (silent || !node.data.trim()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) add(node.data.trim(), rect);
  }
  for (const element of section.querySelectorAll('img, table, pre, mjx-container'))
    add(element.tagName + ' ' + (element.alt || ''), element.getBoundingClientRect());
  const wrong = boxes.filter(([_, r]) =>
    r.left < page.left - 1 || r.right > page.right - 20 ||
    r.top < page.top || r.bottom > floor + 2);
  const images = [...section.querySelectorAll('img')];
  return {
    page: [page.width, page.height],
    boxes: boxes.length,
    wrong: wrong.map(([what, r]) =>
      `${what.slice(0, 60)}: ${Math.round(r.left)} to ${Math.round(r.right)}, ` +
      `${Math.round(r.top)} to ${Math.round(r.bottom)}`),
    broken: images.filter(i => !i.complete || i.naturalWidth === 0).length,
    silent: images.filter(i => i.alt.trim().split(/\\s+/).length < 5).length,
    smallest: Math.min(...images.map(i => i.getBoundingClientRect().height), 720),
  };
}"""

pytestmark = pytest.mark.slow


def number_of_slides(html: str) -> int:
    return len(re.findall(r"<svg data-marpit-svg", html))


def pages_of(pdf: bytes) -> int:
    """Count a PDF's pages: its objects may be packed."""
    packed = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    texts = [pdf]
    for one in packed:
        try:
            # It stops where the packed bytes end, whatever line end follows them
            texts.append(zlib.decompressobj().decompress(one))
        except zlib.error:  # a font or a picture of another kind
            continue
    return sum(len(re.findall(rb"/Type\s*/Page\b", text)) for text in texts)


def shown(browser: object, html: Path) -> list[dict[str, object]]:
    """Turn every page of a deck; return what is on it, and what it asked for."""
    context = browser.new_context(viewport=PAGE, offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(html.as_uri())
    page.add_style_tag(content=".bespoke-marp-osc{display:none!important}")
    found = []
    for number in range(1, number_of_slides(html.read_text(encoding="utf-8")) + 1):
        page.evaluate(f"location.hash = '#{number}'")
        page.wait_for_function(
            "n => document.querySelector('svg.bespoke-marp-active section')?.id == n",
            arg=str(number),
        )
        pale = [
            (words, ratio)
            for words, size, ratio in texts(page, "svg.bespoke-marp-active section[id]")
            if ratio < (3 if size >= 24 else 4.5)
        ]
        found.append(page.evaluate(BOXES) | {"pale": pale, "png": page.screenshot()})
    context.close()
    assert not problems
    outside = [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    assert not outside, "the page asks the network"
    return found


@pytest.mark.parametrize("name", DECKS)
def test_every_page_is_drawn_and_nothing_leaves_it(name, built, browser):
    pages = shown(browser, built / f"{name}.html")
    assert len(pages) >= 12
    for number, page in enumerate(pages, 1):
        assert page["page"] == [1280, 720]
        assert page["boxes"] > 0, f"page {number} is empty"
        assert not page["wrong"], f"page {number}: {page['wrong']}"
        assert not page["pale"], f"page {number}: {page['pale']}"  # WCAG 2.2, AA
        assert page["broken"] == 0 and page["silent"] == 0, f"page {number}"
        assert page["smallest"] >= 120, f"page {number}: a picture nobody can see"
        picture = Image.open(io.BytesIO(page["png"])).convert("L")
        assert picture.size == (1280, 720)
        assert np.asarray(picture).std() > 2, f"page {number} is of one colour"


@pytest.mark.parametrize("name", DECKS)
def test_the_pdf_has_as_many_pages_and_the_html_is_one_file(name, built):
    html = (built / f"{name}.html").read_text(encoding="utf-8")
    pdf = (built / f"{name}.pdf").read_bytes()
    assert pages_of(pdf) == number_of_slides(html)
    sources = re.findall(r"<img[^>]* src=\"([^\"]{,30})", html)
    assert sources and all(one.startswith("data:image/") for one in sources)
    # The pictures are in the PDF, too: it is no smaller than a page of words each
    assert len(pdf) > 100_000
    # The notes are there for the presenter's view
    assert html.count('class="bespoke-marp-note"') == number_of_slides(html)


def test_a_mistake_in_a_deck_leaves_what_was_built_before(
    build_or_skip, tmp_path, monkeypatch
):
    deck = tmp_path / "99_wrong.md"
    page = "---\nmarp: true\n---\n\n# A\n\n![words w:100](figures/{})\n"
    deck.write_text(page.format("01_bars.svg"))
    monkeypatch.setattr(decks, "decks", lambda: [deck])
    out = tmp_path / "out"
    first = {path: path.read_bytes() for path in build_or_skip(out)}
    assert sorted(path.name for path in out.iterdir()) == [
        "99_wrong.html",
        "99_wrong.pdf",
    ]
    deck.write_text(page.format("99_nowhere.svg"))
    with pytest.raises(WorkshopError, match=r"99_wrong\.md"):
        decks.build(out)
    assert {path: path.read_bytes() for path in out.iterdir()} == first


def test_what_is_missing_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("CHROME_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(WorkshopError, match="CHROME_PATH"):
        decks.find_chromium()
    monkeypatch.delenv("CHROME_PATH")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(WorkshopError, match="install Chromium"):
        decks.find_chromium()
    with pytest.raises(WorkshopError, match=r"Node\.js 18"):
        decks.install_marp()

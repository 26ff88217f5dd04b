"""Photograph every notebook in JupyterLab, light and dark, for somebody to look at.

    python -m tests.browser.screenshots OUT [--only 03 04]

Runs the notebooks with solutions from top to bottom (WORKSHOP_PRESET=ci unless it is
set), unfolds the hints, and writes OUT/NN_topic-PAGE.png: a page of the notebook in the
light theme, and beside it the same page in the dark one. No test: what is unreadable,
only eyes can tell.
"""

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from slides.decks import find_chromium
from tests.browser import lab

SCREEN = {"width": 1000, "height": 1560}
THEMES = ("JupyterLab Light", "JupyterLab Dark")

# The part of the page that scrolls
_SCROLLER = """(() => {
    let e = document.querySelector('.jp-Notebook .jp-Cell');
    while (e && !(e.scrollHeight > e.clientHeight + 5
                  && /auto|scroll/.test(getComputedStyle(e).overflowY)))
        e = e.parentElement;
    return e;
})()"""


def pages(notebook: Any) -> list[Image.Image]:
    """Scroll from top to bottom, a screenful at a time; an overlap loses no line."""
    page = notebook.page
    total, seen = page.evaluate(f"[{_SCROLLER}.scrollHeight, {_SCROLLER}.clientHeight]")
    found = []
    for top in range(0, max(1, total - 40), seen - 40):
        page.evaluate(f"{_SCROLLER}.scrollTop = {top}")
        page.wait_for_load_state("networkidle")
        found.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return found


def photograph(notebook: Any, name: str, out: Path) -> int:
    """Write all pages of an opened notebook; return how many."""
    notebook.run_all()
    notebook.page.evaluate(
        "document.querySelectorAll('.jp-Notebook details').forEach(d => d.open = true)"
    )
    both = []
    for theme in THEMES:
        notebook.theme(theme)
        both.append(pages(notebook))
    for number, pair in enumerate(zip(*both, strict=True), 1):
        width, height = pair[0].size
        sheet = Image.new("RGB", (2 * width, height))
        for column, picture in enumerate(pair):
            sheet.paste(picture, (column * width, 0))
        sheet.save(out / f"{name}-{number:02}.png")
    return len(both[0])


def main() -> None:
    """Read the command line; start the server and the browser; photograph."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder of the pictures")
    parser.add_argument("--only", nargs="+", default=[], help="e.g. 03 04")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    names = [n for n in lab.NAMES if not args.only or n[:2] in args.only]
    with (
        tempfile.TemporaryDirectory() as place,
        lab.running_lab(Path(place)) as server,
        sync_playwright() as started,
    ):
        browser = started.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox"]
        )
        for name in names:
            page = browser.new_page(viewport=SCREEN)
            notebook = lab.Notebook(page, server, f"{name}.ipynb")
            count = photograph(notebook, name, args.out)
            print(f"{name}: {count} pages in {args.out}", flush=True)
            notebook.close()
        browser.close()


if __name__ == "__main__":
    main()

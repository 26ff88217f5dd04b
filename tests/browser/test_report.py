"""The report in a real Chromium: quiet, offline, and no wider than a phone."""

from pathlib import Path

import pytest
import torch

from tests.pages import opened_quietly, texts
from tests.report.samples import sample_report, sample_result
from workshop_lib.report.page import write_report

pytestmark = pytest.mark.slow
PHONE = {"width": 390, "height": 844}
PAPER = {"width": 680, "height": 1010}  # A4 less its margins, at 96 dots per inch
K, N = 12, 60


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    names = tuple(f"HerbaceousVegetationNumber{k}" for k in range(K))
    folder = "/long/" + "folder_of_many_letters/" * 8
    labels = torch.arange(N) % K
    results = [
        sample_result(
            f"{method}, with a title that is rather long",
            labels,
            names,
            method=method,
            data=folder,
        )
        for method in ("supervised", "fixmatch")
    ]
    command = "workshop report " + "runs/a_long_name_without_any_gap/" * 6
    data = sample_report(results, labels, names, command=command)
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(Path(path), data).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_quiet_and_asks_nobody_for_anything(browser, address, scheme):
    page = opened_quietly(browser, address, color_scheme=scheme)
    drawn = page.eval_on_selector_all(
        "img", "all => all.map(i => i.complete && i.naturalWidth > 0)"
    )
    assert len(drawn) > 20 and all(drawn)
    page.close()


def test_policy_of_the_page_stops_what_would_be_loaded(browser, address):
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)
    page.evaluate("document.body.append(Object.assign(new Image(), {src: '/x.png'}))")
    page.wait_for_timeout(200)
    assert any("Content Security Policy" in line for line in said)
    page.close()


@pytest.mark.parametrize(("media", "size"), [("screen", PHONE), ("print", PAPER)])
def test_page_fits_a_phone_and_a_sheet_of_paper(browser, address, media, size):
    page = browser.new_page(viewport=size)
    page.goto(address)
    page.emulate_media(media=media)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"]
    page.close()


def test_ink_stands_out_from_its_ground_in_the_dark_and_on_paper(browser, address):
    """Read the colours that the browser came to, whatever the style sheet says."""
    page = browser.new_page(color_scheme="dark")
    page.goto(address)
    for media in ("screen", "print"):
        page.emulate_media(media=media, color_scheme="dark")
        found = {words: ratio for words, _, ratio in texts(page)}
        assert found["What was done"] > 7  # WCAG AAA
        assert min(found.values()) > 4.5, min(found, key=found.get)  # AA
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    page.close()


def test_every_link_leads_somewhere(browser, address):
    page = browser.new_page()
    page.goto(address)
    lost = page.evaluate(
        "[...document.links].map(a => a.hash)"
        ".filter(h => !document.getElementById(h.slice(1)))"
    )
    assert lost == []
    page.close()

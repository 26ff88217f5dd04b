"""The report in a real Chromium: quiet, offline, and no wider than a phone."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from workshop_lib.data.audit import Audit
from workshop_lib.evaluation.calibration import calibrate
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.metrics import score
from workshop_lib.recipe import Recipe
from workshop_lib.report.data import Embedded, MethodResult, ReportData
from workshop_lib.report.page import write_report

pytestmark = pytest.mark.slow
PHONE = {"width": 390, "height": 844}
PAPER = {"width": 680, "height": 1010}  # A4 less its margins, at 96 dots per inch
K, N = 12, 60


def result(method: str) -> MethodResult:
    recipe = Recipe(method=method, data="/long/" + "folder_of_many_letters/" * 8)
    labels = torch.arange(N) % K
    generator = torch.Generator().manual_seed(len(method))
    probs = torch.randn(N, K, generator=generator).softmax(1)
    steps = np.arange(100, 401, 100)
    log = pd.DataFrame({"step": steps, "val_accuracy": steps / 500})
    counts = None
    if method == "fixmatch":
        log["mask_rate"], log["pseudo_accuracy"] = 0.5, 0.75
        counts = pd.DataFrame(
            [(int(s), names()[k], 4 + k, 2, 5) for s in steps for k in range(K)],
            columns=["step", "class", "used", "correct", "true"],
        )
    vectors = torch.randn(30, 6, generator=generator).numpy()
    image_names = tuple(f"{i}.png" for i in range(30))
    drawn = Embeddings(vectors, labels[:30].numpy(), image_names, names())
    return MethodResult(
        name=method,
        title=f"{method}, with a title that is rather long",
        recipe=asdict(recipe),
        log=log,
        scores=score(probs, labels, names()),
        probs=probs,
        seconds=10.0,
        steps=400,
        parameters=163_210,
        labels=16,
        seed=0,
        peak_memory=2**30,
        calibration=calibrate(probs, labels, probs, labels),
        pseudo_labels=counts,
        embedded=Embedded(drawn, 0.5, math.nan),
    )


def names() -> tuple[str, ...]:
    return tuple(f"HerbaceousVegetationNumber{k}" for k in range(K))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    images = torch.randint(0, 256, (N, 3, 32, 32), dtype=torch.uint8)
    data = ReportData(
        title="A report",
        data="made-up images",
        class_names=names(),
        bands=("red", "green", "blue"),
        test_images=images,
        test_labels=torch.arange(N) % K,
        results=[result("supervised"), result("fixmatch")],
        split_counts={"labeled": 16, "unlabeled": 90, "val": 30, "test": N},
        command="workshop report " + "runs/a_long_name_without_any_gap/" * 6,
        versions={"torch": "2.4"},
        audit=Audit((), {}),
        labeled_images=images[:16],
        labeled_labels=torch.arange(16) % K,
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(Path(path), data).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_quiet_and_asks_nobody_for_anything(browser, address, scheme):
    page = browser.new_page(color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
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
    assert contrast(page) > 7  # WCAG AAA
    page.emulate_media(media="print", color_scheme="dark")
    assert contrast(page) > 7
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    page.close()


def contrast(page: Any) -> float:
    """WCAG 2.1: (lighter + 0.05) / (darker + 0.05), of relative luminances."""
    style = "getComputedStyle(document.body)"
    found = []
    for name in ("color", "backgroundColor"):
        text = page.evaluate(f"{style}.{name}").removeprefix("rgb(").removesuffix(")")
        rgb = np.array([int(v) for v in text.split(",")]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        found.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(found) + 0.05) / (min(found) + 0.05)


def test_page_prints(browser, address):
    page = browser.new_page()
    page.goto(address)
    assert page.pdf(format="A4").startswith(b"%PDF")
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

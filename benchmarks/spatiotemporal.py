"""What place and date are worth, at home and elsewhere: docs/spatiotemporal.md.

    python -m benchmarks.spatiotemporal                    five seeds
    python -m benchmarks.spatiotemporal --data mini_eo     where the place says little
    python -m benchmarks.spatiotemporal --encoder vit-32 --bases fixmatch
    python -m benchmarks.spatiotemporal --write-docs       also the page's table
    python -m benchmarks.spatiotemporal --seeds            the page's picture alone

Trained in four regions of MiniEO, tested on images of the same regions that nothing has
seen (half of those that are not trained on; the other half chooses the weights), and in
the fifth region. Stops and resumes: finished runs in runs/bench/spatiotemporal/ are
loaded. Tune on `--data mini_eo_places:11`.
"""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import page
from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.load import load_dataset
from workshop_lib.data.split import Split
from workshop_lib.evaluation.inference import predict_run
from workshop_lib.plots.display import AccessibleFigure
from workshop_lib.plots.style import line_style, new_axes
from workshop_lib.presets import preset
from workshop_lib.training.loop import train

PAGE = Path("docs/spatiotemporal.md")
REGION = 4  # semi-arid, where longitude tells the reverse
TESTS = {"home": "seen regions", "away": "region never seen"}
NO_METADATA = "no metadata"
_MEAN = r"([\d.]+) ± ([\d.]+)"
_ROW = re.compile(rf"\| (\w+) \| ([^|]+) \| {_MEAN} \|[^|]*\| {_MEAN} \|")


def arms(base: str, **common: Any) -> dict[str, Config]:
    """Return what is compared, by name, over one base method."""
    told = preset(method="spatiotemporal", base=base, **common)
    plain = preset(method=base, **{**common, "metadata": ()})
    return {
        NO_METADATA: plain,
        "metadata as input": plain.replace(metadata=told.data.metadata),
        "teacher alone is told": told.replace(distill="none"),
        "and the student distils": told,
    }


def accuracies(config: Config, scenes: Dataset, folder: Path) -> dict[str, float]:
    """Train a config, or load it; return its accuracy in each test."""
    data = config.data
    drawn: dict[str, Any] = {"labels_per_class": data.labels_per_class}
    split = Split.by_region(scenes, [REGION], 0.3, seed=data.split_seed, **drawn)
    half = len(split.val) // 2  # its order is random
    parts = {"home": split.val[half:], "away": split.test}
    chooses = replace(split, val=split.val[:half])
    run = train(config, scenes, chooses, folder=folder, verbose=False)
    found = {"seconds": run.facts["seconds"]}
    for name, index in parts.items():
        right = predict_run(run, scenes, index).argmax(dim=1) == scenes.labels[index]
        found[name] = right.float().mean().item()
    return found


def table(rows: pd.DataFrame) -> str:
    """Lay out both tests as Markdown, with the change that each arm makes."""
    found = []
    for (base, name), part in rows.groupby(["base", "name"], sort=False):
        cells = [base, name]
        for test in TESTS:
            cells.append(page.mean_and_deviation(100 * part[test]))
            some = rows[rows["base"] == base]
            change = page.gains_over(some, test, name, NO_METADATA)
            told = f"{change.mean():+.1f} ({page.seed_by_seed(change)})"
            cells.append("" if name == NO_METADATA else told)
        found.append((*cells, f"{part['seconds'].median():.0f}", len(part)))
    heads = [cell for title in TESTS.values() for cell in (title, "change by seed")]
    return page.markdown(("base", "what is told", *heads, "seconds", "seeds"), found)


def picture(text: str) -> AccessibleFigure:
    """Draw a table of the page: accuracy in both tests, by what is told."""
    columns = ["base", "told", "home", "home ±", "away", "away ±"]
    found = pd.DataFrame(_ROW.findall(text), columns=columns)
    found[columns[2:]] = found[columns[2:]].astype(float)
    figure, axes = new_axes(9.6, 4.8)
    for k, (base, test) in enumerate(product(found["base"].unique(), TESTS)):
        part = found[found["base"] == base]
        x = [place + 0.12 * (k - 1.5) for place in range(len(part))]
        look = {**line_style(k), "linestyle": "", "label": f"{base}, {TESTS[test]}"}
        axes.errorbar(x, part[test], part[f"{test} ±"], capsize=4, **look)
    axes.set(ylim=(0, 100), ylabel="accuracy (%)", title="Better here, worse there")
    axes.set_xticks(range(len(part)), part["told"])
    axes.legend()
    figure.alt = f"{axes.get_title()}. {found.to_string(index=False)}"
    return figure


def main(
    data: str = "mini_eo_places",
    bases: tuple[str, ...] = ("fixmatch", "freematch"),
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    labels: int = 10,
    steps: int = 800,
    encoder: str = "small_cnn",
    metadata: tuple[str, ...] = ("place", "date"),
    folder: Path = Path("runs/bench/spatiotemporal"),
    write_docs: bool = False,
) -> None:
    """Train every arm, and print the table.

    Args:
        data: mini_eo_places or mini_eo, or either with :SEED.
        bases: fixmatch, freematch, softmatch, defixmatch.
        seeds: of the splits, the initial weights and the order of images.
        labels: labelled images of each class, in the four regions.
        steps: of each training.
        encoder: of all networks; vit-32 takes the metadata as a token.
        metadata: place and date, or one of them.
        folder: for the runs.
        write_docs: write the table into docs/spatiotemporal.md, between the marks that
            bear the name of the data.
    """
    scenes = load_dataset(data)
    about = {"data": data, "labels_per_class": labels, "encoder": encoder}
    common = {**about, "steps": steps, "metadata": metadata, "precision": "fp32"}
    folder /= f"{data.replace(':', '-')}-{encoder}-{'-'.join(metadata)}"
    rows = []
    for seed, base in product(seeds, bases):
        compared = arms(base, **common, seed=seed, split_seed=seed)
        for name, config in compared.items():
            place = folder / f"{base}-{name.replace(' ', '_')}-{labels}-{seed}"
            found = accuracies(config, scenes, place)
            rows.append({"base": base, "name": name, "seed": seed, **found})
            tests = ", ".join(f"{title} {found[k]:.3f}" for k, title in TESTS.items())
            print(f"{place.name}: {tests}, {found['seconds']:.0f} s", flush=True)
    if rows:
        print("\n" + table(pd.DataFrame(rows)))
    if rows and write_docs:
        mark = data if encoder == "small_cnn" else f"{data}_{encoder}"
        title = re.sub("[:-]", "_", mark)
        page.write_marked(PAGE, **{title: table(pd.DataFrame(rows))})
    if write_docs or not rows:
        drawn = PAGE.read_text(encoding="utf-8").partition("mini eo places: end")[0]
        page.save_figure(PAGE.with_suffix(".png"), picture(drawn))


if __name__ == "__main__":
    page.run_command(main, __doc__)

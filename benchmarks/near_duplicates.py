"""How many pictures of the same ground do UC Merced, EuroSAT and MiniEO hold?

    python -m benchmarks.near_duplicates ../shared/data     3 minutes on one CPU core

Reads UCMerced_LandUse.zip and EuroSAT_RGB.zip from the folder; writes the tables of
docs/near_duplicates.md, and docs/near_duplicates.png.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import tyro
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate, pad
from torchvision.io import decode_jpeg, encode_jpeg

from benchmarks.page import markdown, run_command, save_figure, write_marked
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.near_duplicates import (
    MAX_DISTANCE,
    MIN_CORRELATION,
    MIN_MATCH,
    find_near_duplicates,
    hamming_pairs,
    perceptual_hash,
)
from workshop_lib.data.split import Split
from workshop_lib.data.split_files import stem
from workshop_lib.plots import AccessibleFigure
from workshop_lib.plots.display import Cell, picture_table, wrap
from workshop_lib.plots.style import house_style

DOCS = Path("docs")
EVERY_PAIR = 64  # bits: nothing is left out
ALIKE = 0.2  # matches worth showing although they are too low
SEEDS = range(5)
_SPOILED = 500  # images of each data set that are copied and spoiled
_SHOWN = 10  # pairs of each data set in the picture
ARCHIVES = {"UC Merced": "UCMerced_LandUse.zip", "EuroSAT": "EuroSAT_RGB.zip"}


@dataclass(frozen=True)
class Survey:
    """What was found in one data set, from the match `ALIKE` on."""

    name: str
    scenes: Dataset
    alike: pd.DataFrame  # best first
    by_hash: int  # pairs that the hash alone would report
    seconds: float  # of the audit's own search
    every_pair: pd.DataFrame  # within each class; `alike` where there are too many

    @property
    def same(self) -> pd.DataFrame:
        """The pairs that the audit reports."""
        return self.alike[is_same(self.alike)]


def is_same(pairs: pd.DataFrame) -> pd.Series:
    """Return whether the audit takes each pair for the same ground."""
    fits = (pairs["match"] >= MIN_MATCH) & (pairs["correlation"] >= MIN_CORRELATION)
    return fits | pairs["is_copy"]


def survey(name: str, scenes: Dataset, exhaustive: bool) -> Survey:
    """Search a data set as the audit does; and every pair of a class, if asked."""
    start = time.process_time()
    alike = find_near_duplicates(scenes.images, MAX_DISTANCE, ALIKE, -1)
    seconds = time.process_time() - start
    by_hash = len(hamming_pairs(perceptual_hash(scenes.images), MAX_DISTANCE)[0])
    every = _every_pair(scenes) if exhaustive else alike
    return Survey(name, scenes, alike, by_hash, seconds, every)


def _every_pair(scenes: Dataset) -> pd.DataFrame:
    """Correlate all pairs of images of one class, whatever their hashes say."""
    found = []
    for k in range(scenes.num_classes):
        index = (scenes.labels == k).nonzero().flatten().numpy()
        some = find_near_duplicates(scenes.images[index], EVERY_PAIR, ALIKE, -1)
        ends = {end: index[some[end]] for end in ("first", "second")}
        found.append(some.assign(**ends))
    order = {"ascending": False, "kind": "stable", "ignore_index": True}
    return pd.concat(found).sort_values("match", **order)


def leaks(found: Survey) -> list[int]:
    """Count, for each seed, the pairs that a split image by image tears apart."""
    counts = []
    for seed in SEEDS:
        split = Split.random(found.scenes, seed=seed)
        side = torch.zeros(len(found.scenes), dtype=torch.int64)
        side[split.val], side[split.test] = 1, 2
        ends = (side[found.same[end].tolist()] for end in ("first", "second"))
        counts.append(int(torch.ne(*ends).sum()))
    return counts


def found_again(scenes: Dataset, change: Callable[[Tensor], Tensor]) -> str:
    """Spoil some images; return in percent how many are still found."""
    index = torch.randperm(len(scenes), generator=torch.Generator().manual_seed(0))
    some = scenes.images[index[:_SPOILED]]
    changed = torch.stack([change(image) for image in some])
    found = find_near_duplicates(torch.cat([some, changed]))
    own = found["second"] - found["first"] == len(some)
    return f"{100 * own.sum() / len(some):.0f} %"


def _blurred(image: Tensor) -> Tensor:
    half = avg_pool2d(image[None].float(), 2)
    return interpolate(half, scale_factor=2, mode="bilinear")[0].to(torch.uint8)


def _noisy(image: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(int(image[0, 0, 0]))
    noise = torch.randn(image.shape, generator=generator) * 5
    return (image + noise).clamp(0, 255).to(torch.uint8)


SPOIL = {
    "darker by a third": lambda image: (image * 0.67).to(torch.uint8),
    "JPEG, quality 90": lambda image: decode_jpeg(encode_jpeg(image, 90)),
    "JPEG, quality 75": lambda image: decode_jpeg(encode_jpeg(image, 75)),
    "JPEG, quality 40": lambda image: decode_jpeg(encode_jpeg(image, 40)),
    "halved and enlarged": _blurred,
    "noise of 5 grey levels": _noisy,
}


def table(surveys: list[Survey]) -> str:
    """Lay out a data set per row as Markdown."""
    lines = []
    for found in surveys:
        top = max([0, *found.alike["match"][~is_same(found.alike)]])
        low = f"{found.same['match'].min():.2f}" if len(found.same) else "-"
        torn = ", ".join(map(str, leaks(found)))
        counts = (f"{len(found.scenes):,}", f"{found.by_hash:,}")
        same = (f"**{len(found.same)}**", low, f"{top:.2f}")
        lines.append((found.name, *counts, *same, torn, f"{found.seconds:.0f}"))
    heads = ("data set", "images", "by hash", "same ground", "lowest", "next")
    return markdown((*heads, "torn apart", "seconds"), lines)


def pairs(surveys: list[Survey]) -> str:
    """List the pairs of the same ground of each data set."""
    found = [one for one in surveys if len(one.same)]
    return "\n\n".join(f"{one.name}: {_listed(one, one.same)}." for one in found)


def table_of_copies(surveys: list[Survey]) -> str:
    """Lay out the fraction of spoiled copies that are found again as Markdown."""
    shown = [found for found in surveys if found.scenes.is_rgb]
    lines = [
        (name, *(found_again(found.scenes, change) for found in shown))
        for name, change in SPOIL.items()
    ]
    return markdown(("copy", *(found.name for found in shown)), lines)


def beyond(found: Survey) -> str:
    """Describe what the hash overlooked, and how near mere resemblance comes."""
    every, ends = found.every_pair, ["first", "second"]
    new = ~every.set_index(ends).index.isin(found.same.set_index(ends).index)
    missed = every[new & (every["match"] >= MIN_MATCH)]
    alike = every[every["match"] < MIN_MATCH][:3]
    return (
        f"{found.name}, all pairs within a class, whatever their hashes:"
        f" {len(missed)} more ({_listed(found, missed)}), shifted so far that their"
        " hashes have nothing in common. The best of those that are not the same"
        f" ground: {_listed(found, alike)}."
    )


def _listed(found: Survey, pairs: pd.DataFrame) -> str:
    return "; ".join(
        f"{_short(found, p.first)} and {_short(found, p.second)}"
        f" ({p.distance} bits, match {p.match:.2f}, correlation {p.correlation:.2f})"
        for p in pairs.itertuples()
    )


def _short(found: Survey, i: int) -> str:
    return stem(found.scenes.names[i]).split("/")[-1]


@house_style()
def picture(surveys: list[Survey]) -> AccessibleFigure:
    """Draw the same ground first, then what is only alike: a pair in each frame."""
    cells = []
    for found in surveys:
        every = found.every_pair
        same = (every["match"] >= MIN_MATCH).sum()  # best first
        for pair in every[: max(same, _SHOWN)].itertuples():
            verdict = "same ground" if pair.match >= MIN_MATCH else "only alike"
            caption = (
                f"{verdict}: {pair.distance} bits, match {pair.match:.2f}\n"
                f"{_short(found, pair.first)}, {_short(found, pair.second)}"
            )
            two = found.scenes.images[[pair.first, pair.second]].float()
            small = pad(adaptive_avg_pool2d(two, 64), (1, 1), value=255)  # a white gap
            joined = small.byte().permute(2, 0, 3, 1).flatten(1, 2)  # (64, 132, 3)
            cells.append(Cell(joined.numpy(), caption))
    title = "Pairs in UC Merced (first ten) and EuroSAT: the same ground, or only alike"
    figure = picture_table(wrap(cells, 5), title, side=3.0)
    spoken = "; ".join(cell.caption.replace("\n", ", ") for cell in cells)
    figure.alt = f"{title}. {len(cells)} pairs of satellite images: {spoken}."
    return figure


def main(folder: tyro.conf.Positional[Path]) -> None:
    """Search the three data sets, write the tables and the picture.

    Args:
        folder: holds the two archives.
    """
    surveys = [
        survey(name, Dataset.from_zip(folder / archive), name == "UC Merced")
        for name, archive in ARCHIVES.items()
    ]
    save_figure(DOCS / "near_duplicates.png", picture(surveys))
    surveys.append(survey("MiniEO", mini_eo(), exhaustive=False))
    whole = [beyond(one) for one in surveys if one.every_pair is not one.alike]
    parts = {
        "table": table(surveys),
        "pairs": pairs(surveys),
        "copies": table_of_copies(surveys),
        "beyond": "\n\n".join(whole),
    }
    print("\n\n".join(parts.values()))
    write_marked(DOCS / "near_duplicates.md", **parts)


if __name__ == "__main__":
    run_command(main, __doc__)

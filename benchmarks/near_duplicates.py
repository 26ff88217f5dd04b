"""How many pictures of the same ground do UC Merced, EuroSAT and MiniEO hold?

    python -m benchmarks.near_duplicates ../shared/data     3 minutes on one CPU core

Reads UCMerced_LandUse.zip and EuroSAT_RGB.zip from the folder; writes
docs/near_duplicates.md and docs/near_duplicates.png.
"""

import argparse
import io
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate

from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.near_duplicates import (
    COPY_CORRELATION,
    COPY_DISTANCE,
    MAX_DISTANCE,
    MIN_CORRELATION,
    MIN_MATCH,
    NearDuplicate,
    find_near_duplicates,
    hamming_pairs,
    perceptual_hash,
)
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.data.split_files import stem
from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_or_explain, write_text
from workshop_lib.plots import AccessibleFigure, image_pairs

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
    scenes: Scenes
    alike: list[NearDuplicate]  # best first
    by_hash: int  # pairs that the hash alone would accuse
    seconds: float  # of the audit's own search
    every_pair: list[NearDuplicate] | None = None  # within each class, where affordable

    @property
    def same(self) -> list[NearDuplicate]:
        """The pairs that the audit reports."""
        return [pair for pair in self.alike if is_same(pair)]


def is_same(pair: NearDuplicate) -> bool:
    """Tell whether the audit takes them for the same ground."""
    fits = pair.match >= MIN_MATCH and pair.correlation >= MIN_CORRELATION
    return fits or pair.is_copy


def survey(name: str, scenes: Scenes, exhaustive: bool) -> Survey:
    """Search a data set as the audit does; and every pair of a class, if asked."""
    start = time.process_time()
    alike = find_near_duplicates(scenes.images, MAX_DISTANCE, ALIKE, -1)
    seconds = time.process_time() - start
    by_hash = len(hamming_pairs(perceptual_hash(scenes.images), MAX_DISTANCE)[0])
    every = _every_pair(scenes) if exhaustive else None
    return Survey(name, scenes, alike, by_hash, seconds, every)


def _every_pair(scenes: Scenes) -> list[NearDuplicate]:
    """Correlate all pairs of images of one class, whatever their hashes say."""
    found = []
    for k in range(scenes.num_classes):
        index = (scenes.labels == k).nonzero().flatten()
        for pair in find_near_duplicates(scenes.images[index], EVERY_PAIR, ALIKE, -1):
            a, b = int(index[pair.first]), int(index[pair.second])
            found.append(replace(pair, first=a, second=b))
    return sorted(found, key=lambda pair: -pair.match)


def leaks(found: Survey) -> list[int]:
    """Count, for each seed, the pairs that a split image by image tears apart."""
    counts = []
    for seed in SEEDS:
        split = Split.random(found.scenes, seed=seed)
        side = torch.zeros(len(found.scenes), dtype=torch.int64)
        side[split.val], side[split.test] = 1, 2
        counts.append(sum(int(side[p.first] != side[p.second]) for p in found.same))
    return counts


def found_again(scenes: Scenes) -> dict[str, float]:
    """Spoil some images in several ways; count how many are still found."""
    index = torch.randperm(len(scenes), generator=torch.Generator().manual_seed(0))
    some = scenes.images[index[:_SPOILED]]
    shares = {}
    for name, change in SPOIL.items():
        changed = torch.stack([change(image) for image in some])
        found = find_near_duplicates(torch.cat([some, changed]))
        pairs = {(pair.first, pair.second) for pair in found}
        hits = sum((i, i + len(some)) in pairs for i in range(len(some)))
        shares[name] = hits / len(some)
    return shares


def _compressed(image: Tensor, quality: int) -> Tensor:
    buffer = io.BytesIO()
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    picture.save(buffer, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1)


def _blurred(image: Tensor) -> Tensor:
    half = avg_pool2d(image[None].float(), 2)
    return interpolate(half, scale_factor=2, mode="bilinear")[0].to(torch.uint8)


def _noisy(image: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(int(image[0, 0, 0]))
    noise = torch.randn(image.shape, generator=generator) * 5
    return (image + noise).clamp(0, 255).to(torch.uint8)


SPOIL = {
    "darker by a third": lambda image: (image * 0.67).to(torch.uint8),
    "JPEG, quality 90": lambda image: _compressed(image, 90),
    "JPEG, quality 75": lambda image: _compressed(image, 75),
    "JPEG, quality 40": lambda image: _compressed(image, 40),
    "halved and enlarged": _blurred,
    "noise of 5 grey levels": _noisy,
}


def page(surveys: list[Survey]) -> str:
    """Write what was found as a page."""
    rows, lists = [], []
    for found in surveys:
        top = [pair.match for pair in found.alike if not is_same(pair)]
        low = f"{found.same[-1].match:.2f}" if found.same else "-"
        rows.append(
            f"| {found.name} | {len(found.scenes):,} | {found.by_hash:,} |"
            f" **{len(found.same)}** | {low} | {max(top, default=0):.2f} |"
            f" {', '.join(map(str, leaks(found)))} | {found.seconds:.0f} |"
        )
        if found.same:
            lists.append(f"{found.name}: {_listed(found, found.same)}.")
    return _PAGE.format(
        distance=MAX_DISTANCE,
        match=MIN_MATCH,
        least=MIN_CORRELATION,
        rows="\n".join(rows),
        lists="\n\n".join(lists),
        again=_again(surveys),
        bits=COPY_DISTANCE,
        correlation=COPY_CORRELATION,
        every="\n\n".join(_beyond(found) for found in surveys if found.every_pair),
    )


def _again(surveys: list[Survey]) -> str:
    """Make a row for each way of spoiling copies."""
    pictures = [found for found in surveys if found.scenes.is_rgb]
    shares = [found_again(found.scenes) for found in pictures]
    lines = [f"| copy | {' | '.join(found.name for found in pictures)} |"]
    lines.append("|---" * (len(pictures) + 1) + "|")
    for name in SPOIL:
        cells = " | ".join(f"{100 * share[name]:.0f} %" for share in shares)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _beyond(found: Survey) -> str:
    """Tell what the hash overlooked, and how near mere resemblance comes."""
    every = found.every_pair or []
    seen = {(pair.first, pair.second) for pair in found.same}
    missed = [p for p in every if p.match >= MIN_MATCH]
    missed = [p for p in missed if (p.first, p.second) not in seen]
    alike = [p for p in every if p.match < MIN_MATCH][:3]
    return (
        f"{found.name}, all pairs within a class, whatever their hashes:"
        f" {len(missed)} more ({_listed(found, missed)}), shifted so far that their"
        " hashes have nothing in common. The best of those that are not the same"
        f" ground: {_listed(found, alike)}."
    )


def _listed(found: Survey, pairs: list[NearDuplicate]) -> str:
    return "; ".join(
        f"{_short(found, p.first)} and {_short(found, p.second)}"
        f" ({p.distance} bits, match {p.match:.2f}, correlation {p.correlation:.2f})"
        for p in pairs
    )


def _short(found: Survey, i: int) -> str:
    return stem(found.scenes.names[i]).split("/")[-1]


def picture(surveys: list[Survey], size: int = 64) -> AccessibleFigure:
    """Draw the same ground first, then what is only alike."""
    first, second, captions = [], [], []
    for found in surveys:
        every = found.every_pair or found.alike
        same = [p for p in every if p.match >= MIN_MATCH]
        alike = [p for p in every if p.match < MIN_MATCH]
        for pair in [*same, *alike[: _SHOWN - len(same)]]:
            verdict = "same ground" if pair.match >= MIN_MATCH else "only alike"
            first.append(_small(found.scenes.images[pair.first], size))
            second.append(_small(found.scenes.images[pair.second], size))
            captions.append(
                f"{verdict}: {pair.distance} bits, match {pair.match:.2f}\n"
                f"{_short(found, pair.first)}, {_short(found, pair.second)}"
            )
    title = "Pairs in UC Merced (first ten) and EuroSAT: the same ground, or only alike"
    return image_pairs(
        torch.stack(first), torch.stack(second), ("red", "green", "blue"), captions,
        title=title, columns=5,
    )  # fmt: skip


def _small(image: Tensor, size: int) -> Tensor:
    return adaptive_avg_pool2d(image.float(), size).to(torch.uint8)


_PAGE = """# Pictures of the same ground

Written by `python -m benchmarks.near_duplicates`; how it works is told in
`workshop_lib/data/near_duplicates.py`. A pair counts if its perceptual hashes
(64 bits) differ in at most {distance}, its phase correlation peaks at {match} or above
and tiny thumbnails correlate at {least} or more; or if
the hashes differ in at most {bits} and the thumbnails correlate at {correlation} or
more.

| data set | images | by hash | same ground | lowest | next | torn apart | seconds |
|---|---|---|---|---|---|---|---|
{rows}

By hash: pairs that the hash alone would accuse. Same ground: those that the closer look
confirms; lowest: their lowest match; next: the highest match of all others. Torn apart:
pairs on different sides of training, validation and test in `Split.random` with seeds 0
to 4. Seconds of processor time for the whole search, images decoded already.

{lists}

![Pairs of images](near_duplicates.png)

Images: UC Merced (USGS, public domain), EuroSAT (modified Copernicus Sentinel data, MIT
licence).

## The thresholds

The hash only chooses the candidates. Unrelated images differ in 32 of 64 bits on
average, with a wide spread, because the low frequencies of landscapes are alike: among
the 364 million pairs of EuroSAT some 43,000 are within {distance} bits, even some with
no bit different, a lake and a forest that each have one bright corner. A stricter hash
would still accuse those, and lose the overlaps that are {distance} bits apart.

Phase correlation decides. By eye, every pair above {match} shows the same ground,
shifted by some pixels; the best pairs below (all that the picture shows) show other
ground. The gap is wide among the candidates; where every pair of a class is compared,
runways and crossroads of one kind come nearer to it.

The thumbnails have a say for small images. Shrunk to 32 pixels, dark seas with one
bright spot reach a match of 0.73, but a correlation of at most 0.61 (at 24
pixels, too); the pairs listed above keep 0.77 and more.

Phase correlation lives on fine detail, and heavy compression of 64-pixel images leaves
little of it. There the correlation of thumbnails helps, among pairs so near in their
hashes that different places hardly occur. Found again of 500 spoiled copies:

{again}

What is missed has hardly any texture: lakes, forests. Images without texture are never
accused, as nothing in them tells one place from another. Exact copies, textured or not,
are found by their pixels (`same_pixels`).

## What is not found

Ground that is turned, mirrored, at another scale or under clouds; overlaps of only a
part of the image. {every}

The predefined splits (`Split.predefined`) keep all of these pairs together. For your
own images:

```python
from workshop_lib.data.near_duplicates import duplicate_groups, find_near_duplicates

groups = duplicate_groups(find_near_duplicates(scenes.images), len(scenes))
split = Split.random(scenes, labels_per_class=4, groups=groups)
```
"""


def main() -> None:
    """Search the three data sets, write page and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="holds the two archives")
    folder = parser.parse_args().folder
    try:
        surveys = [
            survey(name, Scenes.from_zip(folder / archive), name == "UC Merced")
            for name, archive in ARCHIVES.items()
        ]
    except WorkshopError as error:
        sys.exit(f"benchmark: {error}")
    figure = picture(surveys)
    write_or_explain(
        DOCS / "near_duplicates.png",
        lambda path: figure.savefig(path, format="png", dpi=80),
    )
    surveys.append(survey("MiniEO", mini_eo(), exhaustive=False))
    write_text(DOCS / "near_duplicates.md", page(surveys))
    print(page(surveys))


if __name__ == "__main__":
    main()

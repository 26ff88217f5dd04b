"""What a split gives to each part: a bar per class."""

__all__ = ["split_bars"]

from typing import Any

import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    new_axes,
)

_LOOKS: dict[str, dict[str, Any]] = {
    "labeled": {"color": PALETTE["vermilion"], "hatch": "xx"},
    "unlabeled": {"color": PALETTE["sky"]},
    "val": {"color": "white", "hatch": "//"},
    "test": {"color": GREY, "hatch": ".."},
}
_TITLES = {
    "labeled": "labelled",
    "unlabeled": "for training, without label",
    "val": "validation",
    "test": "test",
}


@house_style()
def split_bars(
    scenes: Scenes, split: Split, *, title: str = "Where each image goes"
) -> AccessibleFigure:
    """Draw a bar per class, cut into labelled, unlabelled, validation and test.

    Labelled images are in the unlabelled pool as well; here they are counted once.

    Args:
        scenes: one label per image.
        split: of these scenes.
        title: heading of the figure.

    Raises:
        WorkshopError: several labels per image.
    """
    if scenes.multi_label:
        raise WorkshopError(f"{scenes} with several labels each: a bar needs one.")
    K = scenes.num_classes
    rest = split.unlabeled[~torch.isin(split.unlabeled, split.labeled)]
    parts = {
        "labeled": split.labeled,
        "unlabeled": rest,
        "val": split.val,
        "test": split.test,
    }
    figure, axes = new_axes(8.0, 1.8 + 0.33 * K)
    left = torch.zeros(K)
    words = []
    for name, index in parts.items():
        labels = scenes.labels[index]
        counts = labels[labels >= 0].bincount(minlength=K)  # (K,)
        axes.barh(
            range(K), counts.numpy(), left=left.numpy(), edgecolor=INK, linewidth=0.8,
            label=f"{_TITLES[name]} ({len(index):,})", **_LOOKS[name],
        )  # fmt: skip
        left = left + counts
        low, high = int(counts.min()), int(counts.max())
        each = f"{low if low == high else f'{low} to {high}'} of each class"
        words.append(f"{_TITLES[name]}: {len(index):,} images, {each}")
    axes.set_yticks(range(K), scenes.class_names)
    axes.invert_yaxis()
    axes.set_xlabel("images")
    axes.set_title(title)
    figure.legend(loc="outside lower center", ncols=2, fontsize=12)
    figure.alt = f"Bars, one per class: {title}. {'; '.join(words)}."
    return figure

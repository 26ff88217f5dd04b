"""What the network makes of a few unlabeled tiles, from validation to validation."""

__all__ = ["PseudoMaps"]

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.files import UNREADABLE, write_or_explain
from workshop_lib.pixels import IGNORE

TILES = 6  # that are followed: a row of a figure


@dataclass
class PseudoMaps:
    """Maps of the same tiles over time: pseudo-labels in the making, for pictures.

    Args:
        index: (n,) positions of the tiles in the scenes.
        steps: T steps after which the network looked at them.
        maps: T of (n, H, W) uint8, the most probable class of each pixel.
        sure: T of (n, H, W) uint8, its probability in per cent.
    """

    index: Tensor
    steps: list[int] = field(default_factory=list)
    maps: list[Tensor] = field(default_factory=list)
    sure: list[Tensor] = field(default_factory=list)

    @classmethod
    def of(cls, split: Split) -> "PseudoMaps":
        """Choose the first unlabeled tiles that have no label; labeled ones if none."""
        alone = split.unlabeled[~torch.isin(split.unlabeled, split.labeled)]
        return cls((alone if len(alone) else split.unlabeled)[:TILES])

    def add(self, step: int, probs: Tensor) -> None:
        """Keep what the network says now. Shape: (n, K, H, W) probabilities."""
        sure, best = probs.max(dim=1)
        self.steps.append(step)
        self.maps.append(best.to(torch.uint8))
        self.sure.append((100 * sure).round().to(torch.uint8))

    def columns(self, threshold: float, most: int = 5) -> dict[str, Tensor]:
        """Return maps for `plots.mask_grid`: the pseudo-labels of some of the steps.

        Args:
            threshold: 0 to 1; pixels less sure are 255, which is drawn white.
            most: steps to show, evenly spread, the first and the last among them.

        Returns:
            "step 200", ...: (n, H, W) uint8.
        """
        last = len(self.steps) - 1
        shown = sorted({round(k * last / max(1, most - 1)) for k in range(most)})
        return {
            f"step {self.steps[k]}": self.maps[k].masked_fill(
                self.sure[k] < 100 * threshold, IGNORE
            )
            for k in shown
        }

    def save(self, path: Path) -> None:
        """Write index, steps, maps (T, n, H, W) and sure into one `.npz` file.

        Raises:
            WorkshopError: no space or no permission; an old file is left as it was.
        """

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:  # by name, numpy would add an ending
                np.savez_compressed(
                    file,
                    index=self.index.cpu().numpy(),
                    steps=np.array(self.steps, dtype=np.int64),
                    maps=torch.stack(self.maps).numpy(),
                    sure=torch.stack(self.sure).numpy(),
                )

        write_or_explain(path, write)

    @classmethod
    def load(cls, path: Path) -> "PseudoMaps":
        """Read what `save` wrote.

        Raises:
            WorkshopError: the file is missing, cut off, or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    torch.from_numpy(file["index"]),
                    file["steps"].tolist(),
                    list(torch.from_numpy(file["maps"])),
                    list(torch.from_numpy(file["sure"])),
                )
        except UNREADABLE as error:
            raise WorkshopError(
                f"cannot read the maps in {path} ({type(error).__name__}): a training"
                " with task='segment' writes them; train again."
            ) from error

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        if not self.steps:
            return {"steps": []}
        maps, sure = torch.stack(self.maps), torch.stack(self.sure)
        return {"steps": list(self.steps), "maps": maps, "sure": sure}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.steps = [int(step) for step in state.get("steps", [])]
        self.maps = list(state["maps"]) if self.steps else []
        self.sure = list(state["sure"]) if self.steps else []

"""Predictions of the test images, kept image by image for comparisons."""

__all__ = ["Predictions"]

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.files import UNREADABLE, write_or_explain


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted probabilities and true classes, with the names of the images.

    Args:
        names: of the N images.
        truth: (N,) true classes.
        probs: (N, K) probabilities.
        class_names: K names.
        source: name of the data set; two may use the same names for other images.
    """

    names: tuple[str, ...]
    truth: Tensor
    probs: Tensor
    class_names: tuple[str, ...]
    source: str = ""

    @property
    def right(self) -> Tensor:
        """Which images are predicted correctly, (N,) bool."""
        return self.probs.argmax(dim=1) == self.truth

    def save(self, path: Path) -> None:
        """Write everything to one `.npz` file, which `numpy.load` can open too.

        Raises:
            WorkshopError: no space or no permission; an old file is left as it was.
        """

        def write(temporary: Path) -> None:
            with temporary.open(
                "wb"
            ) as file:  # given a path, numpy would add .npz to its name
                np.savez_compressed(
                    file,
                    names=np.array(self.names, dtype=np.str_),
                    truth=self.truth.cpu().numpy(),
                    probs=self.probs.cpu().numpy(),
                    class_names=np.array(self.class_names, dtype=np.str_),
                    source=np.array(self.source, dtype=np.str_),
                )

        write_or_explain(path, write)

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read a file that `save` wrote; nothing in it is ever executed.

        Raises:
            WorkshopError: the file is missing, cut off, or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    names=tuple(file["names"].tolist()),
                    truth=torch.from_numpy(file["truth"]),
                    probs=torch.from_numpy(file["probs"]),
                    class_names=tuple(file["class_names"].tolist()),
                    source=str(file["source"]),
                )
        except UNREADABLE as error:
            raise WorkshopError(
                f"cannot read the predictions in {path} ({type(error).__name__}):"
                " delete the file and run `workshop evaluate` on that run again."
            ) from error

    def in_order_of(self, other: "Predictions") -> "Predictions":
        """Put these predictions into the order of others on the same images.

        Raises:
            WorkshopError: the images, their classes or the names of the classes are
                not the same.
        """
        if self.class_names != other.class_names:
            raise WorkshopError(
                f"predictions for the classes {', '.join(self.class_names)} and"
                f" {', '.join(other.class_names)}: compare runs on the same classes."
            )
        place = {name: i for i, name in enumerate(self.names)}
        shared = [place[name] for name in other.names if name in place]
        rows = torch.tensor(shared, dtype=torch.int64)
        alike = len(shared) == len(self.names) == len(other.names)
        same = alike and self.source == other.source
        if not same or not torch.equal(self.truth[rows], other.truth):
            raise WorkshopError(
                f"predictions on {len(self.names)} and on {len(other.names)} test"
                f" images, {len(shared)} of the same name"
                f" ({self.source or 'no source'}; {other.source or 'no source'}): a"
                " paired comparison needs the same test images. Train both on one data"
                " set with the same split seed."
            )
        names = tuple(self.names[i] for i in shared)
        return Predictions(
            names, self.truth[rows], self.probs[rows], self.class_names, self.source
        )

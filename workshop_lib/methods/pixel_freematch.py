"""FreeMatch's thresholds for maps: lower for classes that are rare or hard."""

__all__ = ["PixelFreeMatch"]

from torch import Tensor

from workshop_lib.methods.freematch import SelfAdaptiveThreshold
from workshop_lib.methods.pixel_fixmatch import PixelFixMatch


class PixelFreeMatch(PixelFixMatch):
    """`PixelFixMatch` with a threshold for each class that follows the training.

    A single high threshold lets water and fields through and keeps out roads, of which
    the network is never that sure: the rare classes would learn nothing from unlabeled
    tiles. Here the threshold is the running mean of the confidence, times the class's
    probability relative to the most probable class (`SelfAdaptiveThreshold`; Wang et
    al. 2023). FreeMatch's fairness term is left out: it pulls the classes towards equal
    shares, which maps do not have.

    Args:
        running_momentum: of the thresholds and of the alignment.
        others: as of `PixelFixMatch`; `threshold` is not read.
    """

    knobs = tuple(name for name in PixelFixMatch.knobs if name != "threshold")

    def __init__(
        self, *, num_classes: int, running_momentum: float = 0.99, **others: object
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            running_momentum=running_momentum,
            **others,  # type: ignore[arg-type]
        )
        self.adaptive = SelfAdaptiveThreshold(num_classes, running_momentum)

    def confident(self, probs: Tensor) -> Tensor:
        """Tell which pseudo-labels reach their class's threshold of now."""
        return (probs.amax(dim=1) >= self.adaptive(probs)).to(probs.dtype)

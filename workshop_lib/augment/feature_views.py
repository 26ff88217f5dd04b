"""Views of images as the stored features of a frozen backbone."""

__all__ = ["FeatureViewMaker"]

from collections.abc import Sequence

import torch
from torch import Tensor

from workshop_lib.augment.normalize import Normalize
from workshop_lib.augment.occlusion import Follow
from workshop_lib.augment.views import LabeledViews, UnlabeledViews
from workshop_lib.errors import unknown_name
from workshop_lib.ranks import own_rows
from workshop_lib.sample import Sample


class FeatureViewMaker:
    """Draw among the stored features of a few views per image, of a frozen backbone.

    It has the methods of `ViewMaker`. A feature is an image of one pixel with D bands,
    so that normalization, prediction and evaluation are those of images.

    Args:
        features: by the view's name, (V, N, D): V stored versions of each image, on the
            device of the training. "none" is the plain image, V = 1.
        targets: of all images, by head: (N, ...).
        normalize: fitted on {"features": (N, D)}.
        labeled_views: names of the views of labeled images.
        unlabeled_views: names of the views of unlabeled images.

    Raises:
        WorkshopError: a view that is not stored.
    """

    def __init__(
        self,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        normalize: Normalize,
        *,
        labeled_views: Sequence[str],
        unlabeled_views: Sequence[str] = (),
    ) -> None:
        for name in (*labeled_views, *unlabeled_views):
            if name not in features:
                raise unknown_name("stored view", name, features)
        self.features, self.targets, self.normalize = features, targets, normalize
        self.labeled_views = tuple(labeled_views)
        self.unlabeled_views = tuple(unlabeled_views)

    def labeled(self, index: Tensor, generator: torch.Generator) -> LabeledViews:
        """Draw a version of each view of labeled images; see `ViewMaker.labeled`.

        Returns:
            Samples {"features": (B, D, 1, 1)} and targets (B, ...); of several ranks,
            this rank's rows.
        """
        views = tuple(self._draw(v, index, generator) for v in self.labeled_views)
        return LabeledViews(views, self._targets(own_rows(index)))

    def unlabeled(self, index: Tensor, generator: torch.Generator) -> UnlabeledViews:
        """Draw a version of each view of unlabeled images; see `ViewMaker`."""
        views = tuple(self._draw(v, index, generator) for v in self.unlabeled_views)
        rows = own_rows(index)
        return UnlabeledViews(views, Follow(), lambda: self._targets(rows))

    def plain(self, index: Tensor) -> tuple[Sample, ...]:
        """Return what validation averages over: the plain and the stored weak views.

        Averaging costs nothing more than the features have cost already, and is right
        more often than any single view.
        """
        stored = [*self.features.get("none", ()), *self.features.get("weak", ())]
        return tuple(self._sample(view.index_select(0, index)) for view in stored)

    def _draw(self, name: str, index: Tensor, generator: torch.Generator) -> Sample:
        views = self.features[name]
        device = generator.device
        which = torch.randint(
            len(views), index.shape, generator=generator, device=device
        )
        return self._sample(views[own_rows(which), own_rows(index)])

    def _sample(self, features: Tensor) -> Sample:
        sample = self.normalize({"features": features.float()[..., None, None]})
        last = torch.channels_last
        return {k: v.contiguous(memory_format=last) for k, v in sample.items()}

    def _targets(self, rows: Tensor) -> dict[str, Tensor]:
        return {k: v.index_select(0, rows) for k, v in self.targets.items()}

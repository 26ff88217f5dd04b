"""Views of the training images, made for a whole batch on the device at every step."""

__all__ = ["FeatureViewMaker", "LabeledViews", "UnlabeledViews", "ViewMaker"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from workshop_lib.augment import base, occlusion
from workshop_lib.augment.base import Augmentation, NoAugmentation
from workshop_lib.augment.geometry import Weak
from workshop_lib.augment.multimodal import Drawn, View
from workshop_lib.augment.normalize import Normalize, to_float
from workshop_lib.augment.occlusion import Follow, ModalityDropout
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE
from workshop_lib.ranks import own_rows
from workshop_lib.sample import METADATA, Sample

_LAST = torch.channels_last


class LabeledViews(NamedTuple):
    """Views of labeled images, and their targets, moved along where they are maps."""

    views: tuple[Sample, ...]
    targets: dict[str, Tensor]


class UnlabeledViews(NamedTuple):
    """Views of unlabeled images, what the strong one did, and the truth for the log."""

    views: tuple[Sample, ...]
    follow: Follow
    truth: Callable[[], dict[str, Tensor]]  # targets as `follow` leaves pseudo-labels


class _ViewSet(NamedTuple):
    """Views that are made together; of maps they share the mover's geometry."""

    views: tuple[View, ...]
    mover: Augmentation | None


class ViewMaker:
    """Make the views of a training, every time anew, from the images as stored.

    Images go from stored bytes to normalized views a few at a time on a CPU, so that
    they stay in its cache, and the whole batch at once on a GPU. Random numbers are
    drawn for the global batch; of several ranks each computes its own rows, so results
    do not depend on the number of ranks.

    Labels of whole images (`dense=False`): every view has a geometry of its own.
    Labels of pixels (`dense=True`): all views of an image show the same pixels. They
    are moved as the weak view is (not at all if one of them is "none"); the strong view
    differs in its values, in what cutout hides, and by CutMix. A "contrastive" view is
    cropped by itself and has no pixel-wise counterpart.

    Args:
        sensors: all N images on the device of the training, stored as uint8 or
            floating point; may hold "metadata" (N, M).
        targets: of all images, by head: (N, ...), maps are (N, H, W).
        normalize: done last, here and nowhere else.
        labeled_views, unlabeled_views: names of the views of either; see `multimodal`.
        dense: whether there are labels of pixels.
        cutmix: probability that CutMix fills a box of a strong view; if dense.
        modality_dropout: probability of each sensor to be missing in a strong or
            contrastive view of an image; see `ModalityDropout`.

    Raises:
        WorkshopError: unknown views or sensors, a view without any sensor, or a
            contrastive view of labeled images with labels of pixels.
    """

    def __init__(
        self,
        sensors: Sample,
        targets: dict[str, Tensor],
        normalize: Normalize,
        *,
        labeled_views: Sequence[str],
        unlabeled_views: Sequence[str] = (),
        dense: bool = False,
        cutmix: float = 0.0,
        modality_dropout: float = 0.0,
    ) -> None:
        self.images = {k: v for k, v in sensors.items() if k != METADATA}
        self.metadata = sensors.get(METADATA)
        self.targets, self.normalize, self.dense = targets, normalize, dense
        self.cutmix = cutmix if dense else 0.0
        first = next(iter(self.images.values()))
        self.size: tuple[int, int] = (first.shape[2], first.shape[3])
        self.dropout = None
        if modality_dropout:
            self.dropout = ModalityDropout(modality_dropout, self.images)
        self.labeled_views = self._parse(labeled_views)
        self.unlabeled_views = self._parse(unlabeled_views)
        if dense and any(v.base == "contrastive" for v in self.labeled_views.views):
            raise WorkshopError(
                "a 'contrastive' view of labeled images: it is cropped, and labels of"
                " pixels are not; use 'weak', 'strong' or 'none'."
            )

    def labeled(self, index: Tensor, generator: torch.Generator) -> LabeledViews:
        """Make normalized views of labeled images; what a view hides has no target.

        Args:
            index: (B,) positions of the images, of all ranks.
            generator: on the device of the images.

        Returns:
            Samples of (B, C, H, W), channels last, and targets (B, ...); of several
            ranks, this rank's rows.
        """
        views, follow, moved = self._make(self.labeled_views, index, generator)
        targets = moved()
        for name, values in targets.items():
            if follow.hidden is not None and values.ndim == 3:
                unknown = torch.nan if values.is_floating_point() else IGNORE
                targets[name] = values.masked_fill(follow.hidden, unknown)
        return LabeledViews(views, targets)

    def unlabeled(self, index: Tensor, generator: torch.Generator) -> UnlabeledViews:
        """Make normalized views of unlabeled images; arguments as of `labeled`.

        Without `dense`, `follow` does nothing.
        """
        views, follow, moved = self._make(self.unlabeled_views, index, generator)
        strong = [view.base == "strong" for view in self.unlabeled_views.views]
        if self.cutmix and any(strong):
            shape = (len(index), *self.size)
            boxes = own_rows(occlusion.sample_boxes(shape, self.cutmix, generator))
            mix = Follow(boxes, occlusion.partner_distance(len(index)))
            hidden = None if follow.hidden is None else mix(follow.hidden)
            follow = replace(mix, hidden=hidden)  # cutout comes before CutMix
            both = zip(views, strong, strict=True)
            views = tuple(follow.mix(one) if mixed else one for one, mixed in both)

        def truth() -> dict[str, Tensor]:
            return {name: follow(values) for name, values in moved().items()}

        return UnlabeledViews(views, follow, truth)

    def plain(self, index: Tensor) -> tuple[Sample, ...]:
        """Return images as validation sees them: normalized, one unchanged view."""
        images = _rows(self.images, index)
        if self.metadata is not None:
            images[METADATA] = self.metadata.index_select(0, index)
        return (self.normalize(images),)

    def _parse(self, names: Sequence[str]) -> _ViewSet:
        """Look up views that are made together."""
        mover: Augmentation | None = None
        if self.dense:
            still = any(name.partition("|")[0] == "none" for name in names)
            mover = NoAugmentation() if still else Weak()
        metadata = self.metadata is not None
        views = (View(name, self.images, metadata, mover) for name in names)
        return _ViewSet(tuple(views), mover)

    def _make(
        self, views: _ViewSet, index: Tensor, generator: torch.Generator
    ) -> UnlabeledViews:
        """Draw for all ranks, compute this rank's rows; the truth moved as they are."""
        n, rows = len(index), own_rows(index)
        mover = views.mover or NoAugmentation()  # which draws nothing
        moves = mover.sample_params((n, 1, *self.size), generator)
        samples: list[Sample] = []
        masks: list[Tensor] = []
        for view in views.views:
            shared = moves if view.mover is views.mover else None
            drawn = view.sample_params(n, self.size, generator, shared)
            params = {k: tuple(map(own_rows, part)) for k, part in drawn.items()}
            dropped = None
            if self.dropout and view.base in ("strong", "contrastive"):
                dropped = self.dropout(index, view.kept, generator)
            samples.append(self._compute(view, rows, params, dropped))
            shown = samples[-1][view.sensors[0]]
            if self.dense and (mask := view.hidden(shown, params)) is not None:
                masks.append(mask)

        def targets() -> dict[str, Tensor]:
            found = _rows(self.targets, rows)
            local = [own_rows(each) for each in moves]
            for name, maps in found.items():
                if maps.ndim == 3:
                    found[name] = mover.geometry(maps[:, None], *local)[:, 0]
            return found

        hidden = torch.stack(masks).any(0) if masks else None  # in any view
        return UnlabeledViews(tuple(samples), Follow(hidden=hidden), targets)

    def _compute(
        self, view: View, rows: Tensor, params: Drawn, dropped: Tensor | None
    ) -> Sample:
        """Make one view of the images at some positions, a few images at a time."""
        n = len(rows)
        channels = sum(self.images[name].shape[1] for name in view.sensors)
        few = base.chunk_size((n, channels, *self.size), rows.device)
        result: Sample = {}
        for first in range(0, n, few):
            some = slice(first, first + few)
            images = _rows({k: self.images[k] for k in view.sensors}, rows[some])
            images = {name: to_float(values) for name, values in images.items()}
            chunk = {k: tuple(e[some] for e in part) for k, part in params.items()}
            images = view.apply(images, chunk)
            if dropped is not None:
                for k, name in enumerate(self.images):
                    gone = dropped[some, k].view(-1, 1, 1, 1)
                    if name in images:
                        images[name] = images[name].masked_fill(gone, torch.nan)
            for name, values in self.normalize(images).items():
                if name not in result:  # channels last is what convolutions prefer
                    like = values[:1].expand(n, -1, -1, -1)
                    result[name] = torch.empty_like(like, memory_format=_LAST)
                result[name][some] = values
        if view.metadata and self.metadata is not None:
            result |= self.normalize(_rows({METADATA: self.metadata}, rows))
        return result


@dataclass(frozen=True)
class FeatureViewMaker:
    """Draw among the stored features of a few views per image, of a frozen backbone.

    It has the methods of `ViewMaker`. A feature vector is an image of one pixel with D
    bands; maps of an earlier stage have more pixels.

    Args:
        features: by the view's name, (V, N, D, h, w): V stored versions of each image,
            on the device of the training. "none" is the plain image, V = 1.
        targets, normalize, labeled_views, unlabeled_views: as of `ViewMaker`.
    """

    features: dict[str, Tensor]
    targets: dict[str, Tensor]
    normalize: Normalize
    labeled_views: Sequence[str]
    unlabeled_views: Sequence[str] = ()

    def labeled(self, index: Tensor, generator: torch.Generator) -> LabeledViews:
        """Draw samples {"features": (B, D, 1, 1)}; see `ViewMaker.labeled`."""
        views = tuple(self._draw(v, index, generator) for v in self.labeled_views)
        return LabeledViews(views, _rows(self.targets, own_rows(index)))

    def unlabeled(self, index: Tensor, generator: torch.Generator) -> UnlabeledViews:
        """Draw a version of each view of unlabeled images; see `ViewMaker`."""
        views = tuple(self._draw(v, index, generator) for v in self.unlabeled_views)
        rows = own_rows(index)
        return UnlabeledViews(views, Follow(), lambda: _rows(self.targets, rows))

    def plain(self, index: Tensor) -> tuple[Sample, ...]:
        """Return what validation averages over: the plain and the stored weak views.

        Averaging costs nothing more, and is right more often than any single view.
        """
        stored = [*self.features.get("none", ()), *self.features.get("weak", ())]
        return tuple(self._sample(view.index_select(0, index)) for view in stored)

    def _draw(self, name: str, index: Tensor, generator: torch.Generator) -> Sample:
        views = self.features[name]  # (V, N, D, h, w)
        which = base.integers(0, len(views), len(index), generator)
        return self._sample(views[own_rows(which), own_rows(index)])

    def _sample(self, features: Tensor) -> Sample:
        sample = self.normalize({"features": features.float()})
        return {k: v.contiguous(memory_format=_LAST) for k, v in sample.items()}


def _rows(values: dict[str, Tensor], index: Tensor) -> dict[str, Tensor]:
    """Copy the rows of an index; faster on a CPU than `values[index]`."""
    return {name: each.index_select(0, index) for name, each in values.items()}

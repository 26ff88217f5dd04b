"""Views of the training images, made for a whole batch on the device at every step."""

__all__ = ["LabeledViews", "UnlabeledViews", "ViewMaker"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from workshop_lib.augment.base import (
    Augmentation,
    NoAugmentation,
    Params,
    chunk_size,
    empty_images,
)
from workshop_lib.augment.multimodal import (
    ModalityDropout,
    SampleAugmentation,
)
from workshop_lib.augment.names import entries_left, parse_view
from workshop_lib.augment.normalize import Normalize, to_float
from workshop_lib.augment.occlusion import (
    Follow,
    partner_distance,
    sample_boxes,
)
from workshop_lib.augment.weak import Weak
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE
from workshop_lib.ranks import own_rows
from workshop_lib.sample import METADATA, Sample


class LabeledViews(NamedTuple):
    """Views of labeled images, and their targets, moved along where they are maps."""

    views: tuple[Sample, ...]
    targets: dict[str, Tensor]


class UnlabeledViews(NamedTuple):
    """Views of unlabeled images, what the strong one did, and the truth for the log."""

    views: tuple[Sample, ...]
    follow: Follow
    truth: Callable[[], dict[str, Tensor]]  # targets as `follow` leaves pseudo-labels


@dataclass(frozen=True)
class _View:
    """A parsed view: which augmentation, of which sensors."""

    base: str  # "weak", "strong", ...
    augmentation: SampleAugmentation
    sensors: tuple[str, ...]  # that it shows, without metadata
    metadata: bool
    kept: Tensor  # (number of sensors,) bool: those in `sensors`


class _ViewSet(NamedTuple):
    """Views that are made together; of maps they share the mover's geometry."""

    views: tuple[_View, ...]
    mover: Augmentation | None


class _Made(NamedTuple):
    """Views of a batch, this rank's rows."""

    samples: list[Sample]
    targets: Callable[[], dict[str, Tensor]]  # moved as the views are
    hidden: Tensor | None  # (B, H, W) bool: pixels that cutout hid in any view


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
        labeled_views: names of the views of labeled images.
        unlabeled_views: names of the views of unlabeled images.
        dense: whether there are labels of pixels.
        cutmix: probability that CutMix fills a box of a strong view; if dense.
        modality_dropout: probability of each sensor to be missing in a strong or
            contrastive view of an image; see `ModalityDropout`.
        magnitude: strength of the strong and the contrastive view; 1 is the default.

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
        magnitude: float = 1.0,
    ) -> None:
        self.images = {k: v for k, v in sensors.items() if k != METADATA}
        self.metadata = sensors.get(METADATA)
        self.targets, self.normalize, self.dense = targets, normalize, dense
        self.cutmix, self.magnitude = (cutmix if dense else 0.0), magnitude
        if not self.images:
            raise WorkshopError("no images to make views of: give at least one sensor.")
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
        """Make the views of labeled images, normalized, and their targets.

        Pixels that one of the views hides are unknown in the targets.

        Args:
            index: (B,) positions of the images, of all ranks.
            generator: on the device of the images.

        Returns:
            Samples of (B, C, H, W), channels last, and targets (B, ...); of several
            ranks, this rank's rows.
        """
        made = self._make(self.labeled_views, index, generator)
        targets = made.targets()
        for name, values in targets.items():
            if made.hidden is not None and values.ndim == 3:
                unknown = torch.nan if values.is_floating_point() else IGNORE
                targets[name] = values.masked_fill(made.hidden, unknown)
        return LabeledViews(tuple(made.samples), targets)

    def unlabeled(self, index: Tensor, generator: torch.Generator) -> UnlabeledViews:
        """Make the views of unlabeled images, normalized.

        Args:
            index: (B,) positions of the images, of all ranks.
            generator: on the device of the images.

        Returns:
            Samples of (B, C, H, W), channels last; of several ranks, this rank's rows.
            `follow` does nothing unless `dense`.
        """
        made = self._make(self.unlabeled_views, index, generator)
        samples, follow = made.samples, Follow(hidden=made.hidden)
        bases = [view.base for view in self.unlabeled_views.views]
        if self.cutmix and "strong" in bases:
            boxes = sample_boxes((len(index), *self.size), self.cutmix, generator)
            follow = Follow.from_boxes(
                own_rows(boxes), partner_distance(len(index)), made.hidden
            )
            for k, base in enumerate(bases):
                if base == "strong":
                    samples[k] = follow.mix(samples[k])

        def truth() -> dict[str, Tensor]:
            return {name: follow(values) for name, values in made.targets().items()}

        return UnlabeledViews(tuple(samples), follow, truth)

    def plain(self, index: Tensor) -> tuple[Sample, ...]:
        """Return images as validation sees them: normalized, one unchanged view."""
        images = {k: v.index_select(0, index) for k, v in self.images.items()}
        if self.metadata is not None:
            images[METADATA] = self.metadata.index_select(0, index)
        return (self.normalize(images),)

    def _parse(self, names: Sequence[str]) -> _ViewSet:
        """Look up views that are made together."""
        parsed = [parse_view(name) for name in names]
        mover: Augmentation | None = None
        if self.dense:
            still = any(base == "none" for base, _ in parsed)
            mover = NoAugmentation() if still else Weak()
        views = (self._view(base, steps, mover) for base, steps in parsed)
        return _ViewSet(tuple(views), mover)

    def _view(
        self, base: str, steps: list[tuple[str, list[str]]], mover: Augmentation | None
    ) -> _View:
        channels = {name: values.shape[1] for name, values in self.images.items()}
        own = base == "contrastive"  # it is cropped by itself
        gaps = [k for k, v in self.images.items() if v.is_floating_point()]
        augmentation = SampleAugmentation(
            base, channels, self.magnitude, None if own else mover, gaps
        )
        there = [*channels, METADATA] if self.metadata is not None else list(channels)
        left = entries_left(steps, there)
        sensors = tuple(name for name in channels if name in left)
        if not sensors:
            raise WorkshopError(
                f"a view of {', '.join(left) or 'nothing'}: keep at least one of the"
                f" sensors {', '.join(channels)}."
            )
        device = next(iter(self.images.values())).device
        kept = torch.tensor([name in sensors for name in channels], device=device)
        return _View(base, augmentation, sensors, METADATA in left, kept)

    def _make(
        self, views: _ViewSet, index: Tensor, generator: torch.Generator
    ) -> _Made:
        """Draw for all ranks, compute this rank's rows."""
        n, rows, moves = len(index), own_rows(index), None
        if views.mover is not None:
            moves = views.mover.sample_params((n, 1, *self.size), generator)
        samples: list[Sample] = []
        masks: list[Tensor | None] = []
        for view in views.views:
            augmentation, dropped = view.augmentation, None
            shared = moves if augmentation.mover is views.mover else None
            drawn = augmentation.sample_params(n, self.size, generator, shared)
            params = [tuple(own_rows(each) for each in part) for part in drawn]
            if self.dropout and view.base in ("strong", "contrastive"):
                numbers = self.dropout.sample_params(n, generator)
                dropped = self.dropout.dropped(own_rows(numbers), rows, view.kept)
            samples.append(self._compute(view, rows, params, dropped))
            if self.dense:
                shown = samples[-1][view.sensors[0]]
                masks.append(augmentation.hidden(shown, params))

        def targets() -> dict[str, Tensor]:
            found = {k: v.index_select(0, rows) for k, v in self.targets.items()}
            if views.mover is not None and moves is not None:
                local = [own_rows(each) for each in moves]
                for name, maps in found.items():
                    if maps.ndim == 3:
                        moved = views.mover.geometry(maps[:, None], *local)
                        found[name] = moved[:, 0]
            return found

        hidden = [mask for mask in masks if mask is not None]
        return _Made(samples, targets, torch.stack(hidden).any(0) if hidden else None)

    def _compute(
        self, view: _View, rows: Tensor, params: list[Params], dropped: Tensor | None
    ) -> Sample:
        """Make one view of the images at some positions, a few images at a time."""
        n = len(rows)
        channels = sum(self.images[name].shape[1] for name in view.sensors)
        few = chunk_size((n, channels, *self.size), rows.device)
        result: Sample = {}
        for first in range(0, n, few):
            some = slice(first, first + few)
            chunk = [tuple(each[some] for each in part) for part in params]
            gone = None if dropped is None else dropped[some]
            for name, values in self._few(view, rows[some], chunk, gone).items():
                if name not in result:
                    result[name] = empty_images(n, values)
                result[name][some] = values
        if view.metadata and self.metadata is not None:
            metadata = {METADATA: self.metadata.index_select(0, rows)}
            result |= self.normalize(metadata)
        return result

    def _few(
        self, view: _View, rows: Tensor, params: list[Params], dropped: Tensor | None
    ) -> Sample:
        """Make one view of a few images."""
        images = {
            name: to_float(self.images[name].index_select(0, rows))
            for name in view.sensors
        }
        images = view.augmentation.apply(images, params)
        if dropped is not None:
            for k, name in enumerate(self.images):
                if name in images:
                    gone = dropped[:, k].view(-1, 1, 1, 1)
                    images[name] = images[name].masked_fill(gone, torch.nan)
        return self.normalize(images)

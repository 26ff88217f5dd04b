"""One class for each pixel: masks go where their images go."""

__all__ = ["TILES_AT_A_TIME", "PixelTask"]

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workshop_lib.augment.cutmix import cut_mix, draw_boxes
from workshop_lib.augment.normalize import Normalize
from workshop_lib.augment.paired import Places, move_masks, places, same_pixels
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.data.tiles import class_weights
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Batch, PixelMethod, build_method
from workshop_lib.methods.propagation import PropagatedStart
from workshop_lib.models.predict import predict
from workshop_lib.pixels import IGNORE, count_pixels, mean_iou, pixel_confusion
from workshop_lib.ranks import gather_rows, own_rows
from workshop_lib.recipe import Recipe
from workshop_lib.training.log import Row
from workshop_lib.training.pseudo_maps import PseudoMaps
from workshop_lib.training.views import ImageViews

TILES_AT_A_TIME = 256  # in a validation: the probabilities of all would not fit


class PixelTask:
    """Masks of tiles: see `Task`.

    The labeled images of the split are the labeled tiles: with `labels_per_class=1` one
    tile of each class of scene. That class is used for drawing them and for nothing
    else. Boxes are mixed (`cut_mix`) over the global batch: several ranks tell one
    another their strong views.

    Args:
        recipe: names method and views.
        scenes: images with `masks` and `mask_names`.
        split: which are labeled, unlabeled, validation.
        device: where the masks are kept.

    Raises:
        WorkshopError: scenes without masks, or no known pixel in the labeled tiles.
    """

    best_by = "val_miou"

    def __init__(
        self, recipe: Recipe, scenes: Scenes, split: Split, device: torch.device
    ) -> None:
        if scenes.masks is None or not scenes.mask_names:
            raise WorkshopError(
                "task='segment' needs a mask for each image and the names of what is in"
                " it (Scenes.masks, Scenes.mask_names): these images have none. MiniEO"
                " has; data='mini_eo'."
            )
        self.class_names = scenes.mask_names
        self.recipe, self.val = recipe, split.val.to(device)
        self.masks = scenes.masks.to(device)
        self.method: PixelMethod = self._method(recipe, split)
        names = {*self.method.labeled_views, *self.method.views}
        self.views = ImageViews(scenes, names, device, recipe.modality_dropout)
        self.maps = PseudoMaps.of(split)
        self._seen: tuple[Tensor, Places] | None = None  # the last weak views

    def _method(self, recipe: Recipe, split: Split) -> PixelMethod:
        K = len(self.class_names)
        method = build_method(recipe, K)
        assert isinstance(method, PixelMethod)  # what a recipe of this task gives
        counts = count_pixels([self.masks[split.labeled].cpu()], K)
        if counts.sum() == 0:
            raise WorkshopError(
                f"the {len(split.labeled)} labeled tiles have no pixel of a known class"
                f" (all {IGNORE}): draw other tiles with another split_seed."
            )
        weights = class_weights(counts, recipe.rare_classes)
        method.prepare(torch.from_numpy(counts), weights)
        return method

    def draw(
        self,
        labeled: Tensor,
        unlabeled: Tensor,
        generator: torch.Generator,
        normalize: Normalize,
    ) -> Batch:
        """Make the views (B, C, H, W) and (mu*B, C, H, W); masks are (B, H, W)."""
        (name,) = self.method.labeled_views
        x, where = self._view(labeled, name, generator, normalize)
        y = move_masks(self.masks[own_rows(labeled)], where, hidden=IGNORE)
        if not self.method.views:
            return Batch((x,), y)
        weak, strong = self.method.views
        seen, of_seen = self._view(unlabeled, weak, generator, normalize)
        taught, of_taught = self._view(unlabeled, strong, generator, normalize)
        index = own_rows(unlabeled)
        self._seen = index, of_seen
        (H, W), n = taught.shape[2:], len(unlabeled)  # of all ranks
        source = same_pixels((H, W), of_seen, of_taught)  # (n, H, W), within each tile
        first = own_rows(torch.arange(n, device=source.device)) * (H * W)
        source = torch.where(source < 0, -1, source + first.view(-1, 1, 1))
        if self.recipe.cutmix:
            boxes = draw_boxes((n, H, W), self.recipe.cutmix, generator)
            taught, source = (_cut_mix(each, boxes) for each in (taught, source))
        return Batch((x,), y, (seen, taught), index, source)

    def _view(
        self, index: Tensor, name: str, generator: torch.Generator, norm: Normalize
    ) -> tuple[Tensor, Places]:
        drawn = self.views.numbers(index, name, generator)
        x = self.views.show(index, name, drawn, norm)
        mine = tuple(own_rows(each) for each in drawn)
        return x, places(self.views.policies[name], mine)

    def truth(self, batch: Batch) -> Tensor:
        """Return the classes of the weak views' pixels, (mu*B*H*W,); -1: not known."""
        assert self._seen is not None  # there are pseudo-labels, so there was a batch
        index, where = self._seen
        masks = move_masks(self.masks[index], where, hidden=IGNORE).flatten().long()
        return masks.masked_fill(masks == IGNORE, -1)

    def measure(self, average: nn.Module, model: nn.Module, norm: Normalize) -> Row:
        """Measure mIoU and accuracy over all known pixels; the averaged weights' loss.

        Raises:
            WorkshopError: no pixel of the validation tiles is known.
        """
        counts, loss = self._confusion(average, norm)
        online, _ = self._confusion(model, norm)
        known = counts.sum()
        if known == 0:
            raise WorkshopError(
                f"the {len(self.val)} validation tiles have no pixel of a known class"
                f" (all {IGNORE}): no checkpoint can be chosen. Draw another split."
            )
        return {
            "val_accuracy": float(counts.diag().sum() / known),
            "val_accuracy_online": float(online.diag().sum() / known),
            "val_miou": mean_iou(counts),
            "val_miou_online": mean_iou(online),
            "val_loss": loss / float(known),
        }

    def _confusion(self, model: nn.Module, norm: Normalize) -> tuple[Tensor, float]:
        """Count the validation pixels, (K, K), and add up their log loss."""
        K = len(self.class_names)
        counts, loss = torch.zeros(K, K, dtype=torch.int64), 0.0
        for some in self.val.split(TILES_AT_A_TIME):
            probs = predict(model, norm, self.views.inputs[0], index=some)
            masks = self.masks[some].cpu()  # (n, H, W)
            counts += pixel_confusion(masks, probs.argmax(1), K)
            known, y = masks != IGNORE, masks.long().clamp_max(K - 1)
            right = probs.gather(1, y[:, None])[:, 0][known]
            loss -= float(right.clamp_min(1e-8).double().log().sum())
        return counts, loss

    def start(self, normalize: Normalize) -> PropagatedStart | None:
        """Labels do not flow between pixels."""
        return None

    def after_validation(self, model: nn.Module, norm: Normalize, step: int) -> None:
        """Keep what the network makes of a few unlabeled tiles by now."""
        images = self.views.inputs[0]
        self.maps.add(step, predict(model, norm, images, index=self.maps.index))

    def write(self, folder: Path) -> None:
        """Write `pseudo_maps.npz`; see `PseudoMaps`."""
        self.maps.save(folder / "pseudo_maps.npz")

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        return self.maps.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.maps.load_state_dict(state)


def _cut_mix(values: Tensor, boxes: Tensor) -> Tensor:
    """Mix over the global batch, whose neighbour may be on another rank; own rows."""
    return own_rows(cut_mix(gather_rows(values), boxes))

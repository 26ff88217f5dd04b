"""One training, step by step: everything that changes while it runs, in one object."""

__all__ = ["Trainer"]

import math
from typing import Any

import torch
from torch import Tensor

from workshop_lib.augment.normalize import Normalize, to_float
from workshop_lib.augment.policies import get_policy
from workshop_lib.data.batches import IndexStream
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Batch, build_method
from workshop_lib.models import build_model
from workshop_lib.models.predict import predict
from workshop_lib.recipe import Recipe
from workshop_lib.training.ema import Ema
from workshop_lib.training.log import Row, RunningMeans
from workshop_lib.training.optimizer import build_optimizer
from workshop_lib.training.precision import choose_precision
from workshop_lib.training.schedule import cosine_7_16


class Trainer:
    """Model, method, optimiser, averages and streams of one training.

    `step()` draws labeled and unlabeled images, makes the views that the method asks
    for, and takes one step on its loss. Nothing in it reads a number back from the
    device. `state_dict()` holds all that a resumed training needs to give the same
    numbers as one that was never interrupted.

    Args:
        recipe: what to train and how.
        scenes: all images; they are moved to `device` once and stay there.
        split: which images are labeled, unlabeled, validation. Test is never touched.
        device: where to train.
    """

    def __init__(
        self, recipe: Recipe, scenes: Scenes, split: Split, device: torch.device
    ) -> None:
        self.recipe, self.device = recipe, device
        if recipe.pool == "labeled":
            split = split.with_pool("labeled")
        self.images, self.labels = scenes.images.to(device), scenes.labels.to(device)
        self.val = split.val.to(device)
        classes = len(scenes.class_names)
        with torch.random.fork_rng(devices=[]):  # the caller's numbers stay as they are
            torch.manual_seed(recipe.seed)  # initial weights; all else has generators
            model = build_model(
                recipe.model,
                in_channels=scenes.images.shape[1],
                num_classes=classes,
                projection_dim=recipe.projection_dim,
            )
        self.model = model.to(device)
        self.ema = Ema(self.model, recipe.ema_decay)
        self.method = build_method(recipe, classes)
        self.method.attach(self.model, len(scenes))
        self.method.to(device)
        self.normalize = Normalize.fit(scenes.images[split.unlabeled]).to(device)
        views = {*self.method.labeled_views, *self.method.views}
        self.policies = {name: get_policy(name, scenes.is_rgb) for name in views}
        self.optimizer = build_optimizer(self.model, recipe)
        self.precision = choose_precision(recipe.precision, device)
        self.scaler = self.precision.scaler()
        B = recipe.batch_size
        self.labeled = IndexStream(split.labeled, B, seed=recipe.seed, device=device)
        self.unlabeled = IndexStream(
            split.unlabeled, B * recipe.mu, seed=recipe.seed + 1, device=device
        )
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self.means = RunningMeans()
        self.steps_done = 0

    def _view(self, index: Tensor, policy: str) -> Tensor:
        """Augment the images of `index`; normalise last, here and nowhere else."""
        images = to_float(self.images[index])  # (B, C, H, W)
        images = self.normalize(self.policies[policy](images, self.generator))
        return images.contiguous(memory_format=torch.channels_last)

    def draw_batch(self) -> Batch:
        """Draw the next images, in the views that the method asks for."""
        lab = self.labeled.at(self.steps_done)  # (B,)
        unl = self.unlabeled.at(self.steps_done)  # (mu*B,)
        return Batch(
            x_lab=tuple(self._view(lab, name) for name in self.method.labeled_views),
            y_lab=self.labels[lab],
            x_unl=tuple(self._view(unl, name) for name in self.method.views),
            unlabeled_index=unl,
        )

    def step(self) -> None:
        """Take one optimisation step."""
        self.model.train()
        self.method.train()
        factor = cosine_7_16(
            self.steps_done, self.recipe.steps, self.recipe.warmup_steps
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr * factor
        batch = self.draw_batch()
        with self.precision.autocast():
            terms = self.method(self.model, batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(terms.total).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.ema.update(self.model)
        self.method.after_step(self.model)
        self.means.add({"loss": terms.total, **terms.parts})
        if terms.pseudo_labels is not None and terms.mask is not None:
            # For the log alone: the truth that the method itself never sees.
            truth = self.labels[batch.unlabeled_index]
            self.means.add_pseudo_labels(terms.pseudo_labels, terms.mask, truth)
        self.steps_done += 1

    def validate(self) -> Row:
        """Measure the averaged and the online weights on the validation images.

        Raises:
            WorkshopError: the loss is no longer a number.
        """
        row = {"step": float(self.steps_done), **self.means.flush()}
        if not math.isfinite(row["loss"]):
            raise WorkshopError(
                f"the loss became {row['loss']} before step {self.steps_done}. The last"
                " checkpoint is from before. Try a lower lr (now"
                f" {self.recipe.lr}) or precision='fp32', and look for broken images."
            )
        truth = self.labels[self.val].cpu()
        images = self.images[self.val]
        probs = predict(self.ema.model, self.normalize, images)
        online = predict(self.model, self.normalize, images)
        row["val_accuracy"] = float((probs.argmax(1) == truth).double().mean())
        row["val_accuracy_online"] = float((online.argmax(1) == truth).double().mean())
        picked = probs[torch.arange(len(truth)), truth]
        row["val_loss"] = float(-picked.clamp_min(1e-8).log().mean())
        row["lr"] = self.optimizer.param_groups[0]["lr"]
        return row

    def weights(self) -> dict[str, Any]:
        """Return what is needed to use the model: online and averaged weights."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "normalize": self.normalize.state_dict(),
            "step": self.steps_done,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on as if nothing had happened."""
        return {
            **self.weights(),
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "means": self.means.state_dict(),
            "generator": self.generator.get_state(),
            "precision": self.precision.name,
            "device": self.device.type,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        On another kind of device (a GPU session that became a CPU one) the training
        goes on with other random numbers and the number format of that device.
        """
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.normalize.load_state_dict(state["normalize"])
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.means.load_state_dict(state["means"], self.device)
        self.steps_done = int(state["step"])
        if state["device"] != self.device.type:
            self.generator.manual_seed(self.recipe.seed + 7919 * self.steps_done)
            return
        self.generator.set_state(state["generator"])
        self.precision = choose_precision(state["precision"], self.device)
        self.scaler = self.precision.scaler()
        self.scaler.load_state_dict(state["scaler"])

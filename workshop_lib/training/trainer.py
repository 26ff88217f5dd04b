"""One training, step by step: everything that changes while it runs, in one object."""

__all__ = ["Trainer"]

from typing import Any

import torch
from torch import Tensor, nn

from workshop_lib.augment.normalize import Normalize
from workshop_lib.channels import groups
from workshop_lib.data.batches import IndexStream
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.methods import Batch, LossTerms
from workshop_lib.recipe import Recipe
from workshop_lib.training.bad_numbers import (
    LOWEST_SCALE,
    NumberWatch,
    not_finite,
    why_bad,
)
from workshop_lib.training.distributed import (
    average_gradients,
    from_rank_zero,
)
from workshop_lib.training.ema import Ema
from workshop_lib.training.initial import initial_model
from workshop_lib.training.log import Row, RunningMeans
from workshop_lib.training.optimizer import build_optimizer
from workshop_lib.training.out_of_memory import Thrift
from workshop_lib.training.precision import Precision, choose_precision, trial_step
from workshop_lib.training.pseudo_labels import PseudoLabelCounts
from workshop_lib.training.schedule import cosine_7_16
from workshop_lib.training.synced_batch_norm import synchronize_batch_norm
from workshop_lib.training.tasks import open_task


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
            split = split.unlabeled_from("labeled")
        self.task = open_task(recipe, scenes, split, device)
        self.names, self.class_names = scenes.names, self.task.class_names
        self.method, self.views = self.task.method, self.task.views
        inputs, classes = self.views.inputs[0], len(self.class_names)
        model = initial_model(recipe, inputs.shape[1], classes, scenes.bands).to(device)
        self.precision = from_rank_zero(self._choose_precision(model))
        self.scaler = self.precision.scaler()
        self.model = synchronize_batch_norm(model)
        self.ema = Ema(self.model, recipe.ema_decay)
        self.method.attach(self.model, len(scenes), len(split.unlabeled))
        self.method.to(device)
        gaps = bool(groups(scenes.bands))
        self.normalize = Normalize.fit(inputs, split.unlabeled, gaps=gaps).to(device)
        self.start = self.task.start(self.normalize)
        self.optimizer = build_optimizer(self.model, recipe)
        B = recipe.batch_size
        self.labeled = IndexStream(split.labeled, B, seed=recipe.seed, device=device)
        self.unlabeled = IndexStream(
            split.unlabeled, B * recipe.mu, seed=recipe.seed + 1, device=device
        )
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        networks = [self.model, self.ema.model, self.method]
        moved = [*self.model.buffers(), *self.method.buffers()]
        self.thrift = Thrift(recipe, networks, moved, self.generator)
        self.means = RunningMeans()
        self.numbers = NumberWatch(device)
        self.pseudo_labels = PseudoLabelCounts(self.class_names)
        self.steps_done = 0

    def _choose_precision(self, model: nn.Module) -> Precision:
        """Choose the number format; "auto" tries the network on a batch of its size."""
        wanted = self.recipe.precision
        if wanted != "auto":
            return choose_precision(wanted, self.device)
        unlabeled = self.recipe.mu if self.method.views else 0
        batch = self.recipe.batch_size * (1 + unlabeled)
        trial = trial_step(model, (batch, *self.views.inputs[0].shape[1:]))
        return choose_precision(wanted, self.device, trial)

    def draw_batch(self) -> Batch:
        """Draw the next images, in the views that the method asks for."""
        lab = self.labeled.at(self.steps_done)  # (B,)
        unl = self.unlabeled.at(self.steps_done)  # (mu*B,)
        return self.task.draw(lab, unl, self.generator, self.normalize)

    def step(self) -> None:
        """Take one optimisation step; out of memory, in a thriftier way (`Thrift`)."""
        self.model.train()
        self.method.train()
        factor = cosine_7_16(
            self.steps_done, self.recipe.steps, self.recipe.warmup_steps
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr * factor
        batch, terms = self.thrift.run(self._gradient, self.steps_done + 1)
        average_gradients(self.model)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.ema.update(self.model)
        self.method.after_step(self.model)
        losses = {"loss": terms.total, **terms.parts}
        self.means.add(losses)
        self.numbers.add(self.steps_done + 1, losses)
        if terms.pseudo_labels is not None and terms.mask is not None:
            # For the log alone: the truth that the method itself never sees.
            truth = self.task.truth(batch)
            self.pseudo_labels.add(terms.pseudo_labels, terms.mask, truth)
        self.steps_done += 1

    def _gradient(self) -> tuple[Batch, LossTerms]:
        """Compute the gradient of the next step's loss; returns whose it is."""
        self.optimizer.zero_grad(set_to_none=True)  # first: room for the forward pass
        batch = self.draw_batch()
        early = self.steps_done < self.recipe.propagation_steps
        method = self.start if early and self.start is not None else self.method
        with self.precision.autocast():
            terms = method(self.model, batch)
        self.scaler.scale(terms.total).backward()
        return batch, terms

    def validate(self) -> Row:
        """Measure the averaged and the online weights on the validation images."""
        row = {"step": float(self.steps_done), **self.means.flush()}
        row |= self.pseudo_labels.flush(self.steps_done)
        row |= self.task.measure(self.ema.model, self.model, self.normalize)
        self.task.after_validation(self.model, self.normalize, self.steps_done)
        row["lr"] = self.optimizer.param_groups[0]["lr"]
        return row

    def bad_numbers(self) -> str | None:
        """Say what is wrong, and what to do, if a loss or a weight is no number.

        For the moment before a checkpoint: it waits for the device. Of several ranks
        all must ask.
        """
        recipe = self.recipe.with_(precision=self.precision.name)
        bad = self.numbers.find()
        if bad is not None:
            return why_bad(bad, recipe, self.views.inputs, self.names)
        moments = [m for s in self.optimizer.state.values() for m in s.values()]
        states = (self.model, self.ema.model, self.method)
        weights = [t for module in states for t in module.state_dict().values()]
        # Not the optimiser's step counters, which are no use and stay on the CPU
        weights += [m for m in moments if isinstance(m, Tensor) and m.ndim]
        if not_finite(weights):
            return (
                f"after step {self.steps_done} the weights, or what the optimiser or"
                " the method remembers, hold NaN or infinity although the loss was"
                f" sound: a gradient overflowed. Lower lr (now {recipe.lr:g})."
            )
        if self.scaler.is_enabled() and self.scaler.get_scale() < LOWEST_SCALE:
            return (
                f"before step {self.steps_done} no gradient was finite in fp16 for many"
                " steps in a row, however small the loss was scaled: use"
                " precision='fp32', or 'bf16' where the machine has it."
            )
        return None

    def weights(self) -> dict[str, Any]:
        """Return what is needed to use the model: online and averaged weights."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "normalize": self.normalize.state_dict(),
            "step": self.steps_done,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on as if nothing had happened.

        Of several ranks all must ask: what they have counted apart is put together.
        """
        return {
            **self.weights(),
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "means": self.means.state_dict(),
            "pseudo_labels": self.pseudo_labels.state_dict(),
            "task": self.task.state_dict(),
            "generator": self.generator.get_state(),
            "precision": self.precision.name,
            "device": self.device.type,
            "thrift": self.thrift.facts(),
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
        self.pseudo_labels.load_state_dict(state["pseudo_labels"], self.device)
        self.task.load_state_dict(state.get("task", {}))  # older ones have none
        self.steps_done = int(state["step"])
        if "thrift" in state:  # older checkpoints are of before it
            self.thrift.load(state["thrift"])
        if state["device"] != self.device.type:
            self.generator.manual_seed(self.recipe.seed + 7919 * self.steps_done)
            return
        self.generator.set_state(state["generator"])
        self.precision = choose_precision(state["precision"], self.device)
        self.scaler = self.precision.scaler()
        self.scaler.load_state_dict(state["scaler"])

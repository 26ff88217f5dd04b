"""One training, step by step: everything that changes while it runs, in one object."""

__all__ = ["Trainer"]

import copy
import math
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.samples import IndexStream
from workshop_lib.data.split import Split
from workshop_lib.methods import Batch, Method, TrainingSize
from workshop_lib.methods.base import heads_of
from workshop_lib.methods.propagation import LabelPropagationWarmup
from workshop_lib.models import Model
from workshop_lib.ranks import from_rank_zero, own_rows
from workshop_lib.training.heads import (
    HeadLabels,
    gradient_cosines,
    mean_vectors,
    neighbours_score,
    validate_heads,
)
from workshop_lib.training.inputs import initial_model, open_views, read_inputs
from workshop_lib.training.log import DivergenceMonitor, Row, RunningMeans
from workshop_lib.training.optim import Ema, build_optimizer, set_learning_rate
from workshop_lib.training.pseudo_labels import PseudoLabelCounts, PseudoMaps
from workshop_lib.training.step import (
    choose_precision,
    random_numbers_of,
    synchronize_batch_norm,
    training_step,
    trial_step,
)


class Trainer:
    """Model, method, optimiser, averages and streams of one training.

    `step()` draws labelled and unlabelled images, makes the views that the method asks
    for, and takes one step on its loss. Nothing in it reads a number back from the
    device. `state_dict()` holds all that a resumed training needs to give the same
    numbers as one that was never interrupted.

    Args:
        config: what to train and how; its method is copied, so that two trainings
            share no buffers.
        scenes: all images; they are moved to `device` once and stay there.
        split: which images are labelled, unlabelled, validation. Test is never touched.
        device: where to train.
    """

    def __init__(
        self, config: Config, scenes: Dataset, split: Split, device: torch.device
    ) -> None:
        self.config, self.device = config, device
        optim, run = config.optim, config.run
        B, mu = optim.batch_size, optim.mu
        split = split.unlabeled_from(config.data.unlabeled_from)
        labeled, unlabeled = split.labeled.to(device), split.unlabeled.to(device)
        self.val = split.val.to(device)
        self.method: Method = copy.deepcopy(config.method)
        wanted = [*self.method.labeled_views, *self.method.views]
        self.inputs = read_inputs(config, scenes).on(device, config, wanted)
        # The network, its views and its number format
        model = initial_model(config, self.inputs.facts()).to(device)
        model.save_memory(checkpointing=run.checkpointing, micro_batch=run.micro_batch)
        self.labels = HeadLabels(config, scenes, split, device)
        targets = self.labels.hide(self.inputs.targets)
        for name, head in heads_of(model):  # how frequent are the classes?
            if self.method.labeled_views:
                head.fit(targets[name][labeled])
        self.views = open_views(config, self.inputs, self.method, model, unlabeled)
        n = B * (1 + mu if self.method.views else 1)
        trial = partial(trial_step, model, n, self.inputs.sensors)  # for "auto"
        self.precision = from_rank_zero(choose_precision(run.precision, device, trial))
        self.scaler = self.precision.scaler()
        synchronize_batch_norm(model)
        self.model, self.heads = model, dict(heads_of(model))
        self.main_head = next(iter(self.heads))  # chooses the checkpoint
        self.ema = Ema(model, optim.ema_decay)
        # What the steps are taken with
        size = TrainingSize(len(scenes), len(unlabeled), B, mu, optim.steps)
        self.method.setup(model, size)
        self.method.to(device)
        self.warmup = None
        if optim.propagation_steps:
            features = mean_vectors(model, self.views, unlabeled)  # (n, D)
            data = (features, targets, labeled, unlabeled)
            self.warmup = LabelPropagationWarmup.spread(self.method, model, *data)
        self.optimizer = build_optimizer(nn.ModuleList([model, self.method]), optim)
        self.labeled = IndexStream(self.labels.stream(), B, seed=run.seed)
        self.unlabeled = IndexStream(unlabeled, B * mu, seed=run.seed + 1)
        self.generator = torch.Generator(device).manual_seed(run.seed)
        # How far it has come, and what the log is made of
        self.steps_done, self.seconds = 0, 0.0
        self.rows: list[Row] = []  # of the log
        self.best = -math.inf  # validation metric of the weights in best.pt
        self.means, self.monitor = RunningMeans(), DivergenceMonitor(device)
        self.pseudo_labels = PseudoLabelCounts(self.inputs.class_names[self.main_head])
        dense = self.heads[self.main_head].dense
        self.maps = PseudoMaps.of(split) if dense else None

    @property
    def best_by(self) -> str:
        """The column of the log that chooses the best checkpoint."""
        if not self.method.labeled_views:  # its heads know nothing
            return "val_knn"
        return f"val_{self.heads[self.main_head].best_by}"

    def step(self) -> None:
        """Take one optimisation step."""
        self.model.train()
        self.method.train()
        set_learning_rate(self.optimizer, self.config.optim, self.steps_done)
        early = self.steps_done < self.config.optim.propagation_steps
        method = self.warmup if early and self.warmup is not None else self.method
        self.optimizer.zero_grad(set_to_none=True)  # first: room for the forward pass
        batch, truth = self.draw_batch()
        with random_numbers_of(self.config.run.seed, self.steps_done, self.device):
            losses = training_step(
                self.model, method, self.optimizer, batch, self.precision, self.scaler
            )
        self.ema.update(self.model)
        self.method.after_step(self.model)
        self.record(method, losses, truth)
        self.steps_done += 1

    def draw_batch(self) -> tuple[Batch, Any]:
        """Draw the next images, in the views that the method asks for.

        Returns:
            The batch, and a function that gives the true targets of its unlabelled
            images: for the log alone.
        """
        batch = self._draw_labeled(self.generator)
        if not self.method.views:
            return batch, dict
        index = self.unlabeled.at(self.steps_done)  # (mu*B,)
        found = self.views.unlabeled(index, self.generator)
        rows, follow = own_rows(index), found.follow
        batch = replace(batch, views=found.views, index=rows, follow=follow)
        return batch, found.truth

    def _draw_labeled(self, generator: torch.Generator) -> Batch:
        if not self.method.labeled_views:  # and no label either
            return Batch(())
        index = self.labeled.at(self.steps_done)  # (B,)
        views, targets = self.views.labeled(index, generator)
        return Batch(views, self.labels.hide(targets, own_rows(index)))

    def record(self, method: Method, losses: dict[str, Tensor], truth: Any) -> None:
        """Add a step to the log's averages, without reading anything back."""
        self.means.add(self._columns({**losses, **method.log}))
        self.monitor.add(self.steps_done + 1, self._columns(losses))
        name = self.main_head
        if name in method.pseudo_labels and self.inputs.class_names[name]:
            guess, weight = method.pseudo_labels[name]
            self.pseudo_labels.add(self.heads[name], guess, weight, truth()[name])

    def validate(self) -> Row:
        """Measure the averaged and the online weights on the validation images."""
        row = {"step": float(self.steps_done), **self.means.flush()}
        row |= self.pseudo_labels.flush(self.steps_done)
        averaged = cast(Model, self.ema.model)
        if not self.method.labeled_views:
            asked = (self.main_head, self.views, self.val)
            row["val_knn"] = neighbours_score(averaged, *asked)
            row["val_knn_online"] = neighbours_score(self.model, *asked)
            row["lr"] = self.optimizer.param_groups[-1]["lr"]
            return row
        found = validate_heads(averaged, self.views, self.val)
        online = validate_heads(self.model, self.views, self.val)
        for head, figures in found.items():
            prefix = "" if head == self.main_head else f"{head}/"
            row |= {f"{prefix}val_{name}": value for name, value in figures.items()}
            best = self.heads[head].best_by
            row[f"{prefix}val_{best}_online"] = online[head][best]
        if self.maps is not None:
            self.maps.add(self.steps_done, self._probabilities(self.maps.index))
        if self.model.head_weights is not None:
            weights = self.model.head_weights.current()
            row |= {f"weight/{name}": value.item() for name, value in weights.items()}
        row |= self._conflicts()
        row["lr"] = self.optimizer.param_groups[-1]["lr"]
        return row

    def _conflicts(self) -> Row:
        """Compare the heads' gradients on the next labelled batch; changes nothing."""
        if len(self.heads) < 2:
            return {}
        seed, step = self.config.run.seed, self.steps_done
        batch = self._draw_labeled(torch.Generator(self.device).manual_seed(step))
        with random_numbers_of(seed, step, self.device):
            return gradient_cosines(self.model, self.method, batch, self.precision)

    def diagnosis(self) -> str | None:
        """Say what is wrong, and what to do, if a loss or a weight is not finite.

        For the moment before a checkpoint: it waits for the device. Of several ranks
        all must ask.
        """
        config = self.config.replace(precision=self.precision.name)
        states = (self.model, self.ema.model, self.method)
        weights = [t for module in states for t in module.state_dict().values()]
        moments = [m for s in self.optimizer.state.values() for m in s.values()]
        # Not the optimiser's step counters, which stay on the CPU
        weights += [m for m in moments if isinstance(m, Tensor) and m.ndim]
        scale = self.scaler.get_scale()  # 1 except in fp16
        return self.monitor.diagnosis(self.steps_done, config, weights, scale)

    @property
    def _parts(self) -> dict[str, Any]:
        """Everything that keeps a state of its own, by its name in a checkpoint."""
        names = ["model", "ema", "method", "optimizer", "means", "pseudo_labels"]
        names += [] if self.maps is None else ["maps"]
        parts = {name: getattr(self, name) for name in names}
        return {**parts, "normalize": self.views.normalize}

    def weights(self) -> dict[str, Any]:
        """Return what is needed to use the model: online and averaged weights."""
        names, parts = ("model", "ema", "normalize"), self._parts
        states = {name: parts[name].state_dict() for name in names}
        return {**states, "step": self.steps_done}

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on as if nothing had happened.

        Of several ranks all must ask: what they have counted apart is put together.
        """
        return {
            **{name: part.state_dict() for name, part in self._parts.items()},
            "scaler": self.scaler.state_dict(),
            "generator": self.generator.get_state(),
            "precision": self.precision.name,
            "device": self.device.type,
            "step": self.steps_done,
            "rows": self.rows,
            "seconds": self.seconds,
            "best": self.best,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        On another kind of device (a GPU session that became a CPU one) the training
        goes on with other random numbers and the number format of that device.
        """
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self.steps_done, self.rows = int(state["step"]), state["rows"]
        self.seconds, self.best = state["seconds"], state["best"]
        if state["device"] != self.device.type:
            self.generator.manual_seed(self.config.run.seed + 7919 * self.steps_done)
            return
        self.generator.set_state(state["generator"])
        self.precision = choose_precision(state["precision"], self.device)
        self.scaler = self.precision.scaler()
        self.scaler.load_state_dict(state["scaler"])

    @torch.inference_mode()
    def _probabilities(self, index: Tensor) -> Tensor:
        """Return the main head's probabilities, of the network that gives answers."""
        asked = self.model if self.method.teacher is None else self.method.teacher
        training = asked.training
        (view,) = self.views.plain(index.to(self.device))
        out = asked.eval()(view)[self.main_head]
        asked.train(training)
        return self.heads[self.main_head].probabilities(out).cpu()

    def _columns(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Leave out the main head's name: with one head the columns are plain."""
        prefix = f"{self.main_head}/"
        return {name.removeprefix(prefix): value for name, value in values.items()}

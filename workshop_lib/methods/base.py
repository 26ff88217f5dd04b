"""The interface between the training loop and a method.

The loop draws images, makes the views that a method asks for, adds up the terms that it
yields and takes a step. It never knows which method it runs; a method never knows which
data set, which sensors, or what kind of head it teaches.
"""

__all__ = ["Batch", "Method", "Outputs", "TrainingSize", "forward_views", "heads_of"]

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple, get_args, get_origin

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.memory import DistributionAlignment
from workshop_lib.models.heads import Head
from workshop_lib.models.model import averaged_copy, ema_update_weights_
from workshop_lib.sample import Sample, join, num_images

Outputs = dict[str, Tensor]  # what a model returns: by head, and "projection"

# How names of hyperparameters end that are checked, in whichever method they occur
FRACTIONS = ("threshold", "momentum", "ramp_up", "teacher_decay", "memory_weight")
POSITIVE = ("temperature", "n_sigma", "_batches")


def identity(values: Tensor) -> Tensor:
    """Return the argument: a strong view that shows what the weak view shows."""
    return values


@dataclass(frozen=True)
class Batch:
    """One step's images, augmented and normalised, in the views a method asked for.

    `labeled` has one sample of B images per name in `Method.labeled_views`; `targets`
    one tensor per head, the same for all of them. `views` has one sample of mu*B images
    per name in `Method.views`; `index` (mu*B,) says which images of the data set they
    are. `follow` applies to dense predictions of the weak view what CutMix and cutout
    did to the strong view: boxes of other tiles are put in, hidden pixels become 0.
    """

    labeled: tuple[Sample, ...]
    targets: dict[str, Tensor] = field(default_factory=dict)
    views: tuple[Sample, ...] = ()
    index: Tensor | None = None
    follow: Callable[[Tensor], Tensor] = identity


class TrainingSize(NamedTuple):
    """How many images a training draws from and how long it is, for `Method.setup`."""

    num_images: int  # in the data set; `Batch.index` counts in it
    num_unlabeled: int  # of them, drawn as unlabelled images
    batch_size: int  # labelled images per step of all ranks, B
    mu: int  # unlabelled images per labelled one
    steps: int


@dataclass(eq=False)
class Method(nn.Module):
    """A training algorithm: from a model and a batch of views to the terms of a loss.

    A method is a dataclass: its fields are its hyperparameters, written once, here and
    nowhere else. Whatever it remembers between steps (moving averages, thresholds,
    queues, a teacher) is a buffer or a module made in `setup`, so that checkpoints and
    devices need no further code. Its parameters that require a gradient are trained
    with the model's. To write one's own, subclass this or `FixMatch`,
    override `losses` or `select`, and pass an instance to `train`.

    Args:
        labeled_view: augmentation of the labelled images. "weak" (flips and shifts) in
            the papers; "strong" can overwhelm a small network that has only a handful
            of labels, but is usually the better supervised baseline.

    Raises:
        WorkshopError: a hyperparameter that is none of its choices (`Literal`), or out
            of its range: in [0, 1] where its name ends as in `FRACTIONS`, above 0 where
            it ends as in `POSITIVE`.
    """

    views: ClassVar[tuple[str, ...]] = ()  # of unlabelled images
    needs_projection: ClassVar[bool] = False  # a head for embeddings
    projects_sensors: ClassVar[bool] = False  # the features of each by themselves
    withholds_metadata: ClassVar[bool] = False  # from the model; a teacher may read it
    aligns_from: ClassVar[str] = "uniform"  # `start` of its alignment

    labeled_view: Literal["weak", "strong"] = "weak"

    def __post_init__(self) -> None:
        super().__init__()  # fields are plain values, so they may be set before
        for one in fields(self):
            name, value = one.name, getattr(self, one.name)
            choices = get_args(one.type)
            given = f"{type(self).__name__}({name}={value!r})"
            if get_origin(one.type) is Literal and value not in choices:
                raise WorkshopError(
                    f"{given}: choose {' or '.join(map(repr, choices))}."
                )
            if name.endswith(FRACTIONS) and not 0 <= value <= 1:
                raise WorkshopError(f"{given}: it must be between 0 and 1.")
            if name.endswith(POSITIVE) and not value > 0:
                raise WorkshopError(f"{given}: it must be above 0.")
        self.align = nn.ModuleDict()  # by head, in methods that align pseudo-labels
        self.teacher: nn.Module | None = None  # asked in the model's place
        self.log: dict[str, Tensor] = {}  # scalars of the last step
        # By head: pseudo-labels and their weights in the last step, for the log, which
        # compares them with the truth. The method itself never sees the truth.
        self.pseudo_labels: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def labeled_views(self) -> tuple[str, ...]:
        """Names of the views of labelled images; () for a method without labels."""
        return (self.labeled_view,)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the fields by name, as a config stores them.

        >>> Method(labeled_view="strong").hyperparameters()
        {'labeled_view': 'strong'}
        """
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Make whatever depends on the network or the data; called once.

        Called after the heads have seen the labelled targets (`Head.fit`) and before a
        checkpoint is loaded. Whichever method has these hyperparameters gets an
        alignment per head (`alignment`, with its `momentum`), or a teacher that follows
        the model (`teacher_decay`).

        Raises:
            WorkshopError: a method that compares embeddings, and no projection head.
        """
        if self.needs_projection and getattr(model, "projection", None) is None:
            raise WorkshopError(
                f"{type(self).__name__} compares embeddings and needs a model with a"
                " projection head: build it with projection_dim=64."
            )
        own = self.hyperparameters()
        if own.get("alignment"):
            self.align = alignments(model, own["momentum"], start=self.aligns_from)
        if own.get("teacher_decay"):
            self.teacher = averaged_copy(model)

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the terms of the loss by name; the training loop adds them up."""
        raise NotImplementedError

    def after_step(self, model: nn.Module) -> None:
        """Let a teacher that is an average follow the network that has moved."""
        decay = self.hyperparameters().get("teacher_decay")
        if self.teacher is not None and decay is not None:
            ema_update_weights_(self.teacher, model, decay)

    def supervised(
        self, model: nn.Module, out: Outputs, targets: dict[str, Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the supervised term of each head that has targets in this batch."""
        for name, head in heads_of(model):
            if name in targets:
                loss = head.supervised_loss(out[name], targets[name])
                yield f"{name}/supervised", loss

    def aligned(self, name: str, probs: Tensor, *labeled: Tensor) -> Tensor:
        """Return a head's probabilities after its alignment, if there is one."""
        return self.align[name](probs, *labeled) if name in self.align else probs

    def report(
        self, name: str, target: Tensor, weight: Tensor, visible: Tensor | None = None
    ) -> None:
        """Keep a head's pseudo-labels and their weights of this step for the log.

        Of dense heads as the strong view shows them, hence `visible`, 1 or 0 each.
        """
        target, weight = target.detach(), weight.detach()
        self.pseudo_labels[name] = target, weight
        count = weight.numel() if visible is None else visible.sum().clamp_min(1)
        self.log[f"{name}/mask_rate"] = weight.sum() / count


def heads_of(model: nn.Module) -> Iterator[tuple[str, Head]]:
    """Iterate over the heads of a model by name."""
    yield from model.heads.items()  # type: ignore[union-attr, operator, misc]


def scene_head(model: nn.Module, what: str) -> str:
    """Return the name of the only head with a class per scene.

    Raises:
        WorkshopError: there is none, or several; `what` needs exactly one.
    """
    heads = heads_of(model)
    names = [k for k, h in heads if len(h.class_shape) == 1 and not h.dense]
    if len(names) != 1:
        raise WorkshopError(
            f"{what} compares images by their class, and this model has {len(names)}"
            " heads with a class per scene: for maps, several labels or numbers use"
            " FixMatch or one of its relatives, with propagation_steps=0."
        )
    return names[0]


def per_head(model: nn.Module, make: Callable[[Head], nn.Module]) -> nn.ModuleDict:
    """Make a module for every head that has classes."""
    return nn.ModuleDict({k: make(h) for k, h in heads_of(model) if h.class_shape})


def alignments(model: nn.Module, momentum: float, **options: Any) -> nn.ModuleDict:
    """Make a distribution alignment for every head that has classes."""

    def make(head: Head) -> nn.Module:
        options["prior"] = head.prior
        return DistributionAlignment(head.class_shape, momentum, **options)

    return per_head(model, make)


def as_strong(
    head: Head, batch: Batch, target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Move pseudo-labels of pixels to where the strong view shows them.

    Returns:
        Target, weight, and which pixels are visible there; the last is None where
        every element is, as for anything but pixels.
    """
    if not head.dense or batch.follow is identity:
        return target, weight, None
    follow = batch.follow
    return follow(target), follow(weight), follow(torch.ones_like(weight))


def forward_views(
    model: nn.Module,
    with_gradient: Sequence[Sample],
    without_gradient: Sequence[Sample] = (),
    joint: bool = False,
    teacher: nn.Module | None = None,
) -> tuple[list[Outputs], list[Outputs]]:
    """Run the views of one step through the model, in two forward passes at most.

    Views with other sensors than the rest (a teacher that knows the date) get a pass of
    their own.

    Args:
        with_gradient: views that the network learns from: labelled, strong.
        without_gradient: views that are only asked for an answer: weak.
        joint: False runs the second kind in a pass of its own that keeps nothing for
            the backward pass: FixMatch saves a third of the arithmetic and half of the
            memory. True is the papers' single pass over all views. What differs is
            batch normalisation: jointly, all views share one set of batch statistics;
            apart, each of the two kinds has its own. Either way the model stays in its
            mode, and in training mode both kinds enter the running statistics (apart:
            one update each), on purpose: at evaluation images look like the weak view.
        teacher: answers the second kind in the model's place, in a pass of its own.

    Returns:
        One dictionary of outputs per view, in the order given; those of
        `without_gradient` are cut from the graph either way.
    """
    if joint and teacher is None:
        outputs = _run(model, [*with_gradient, *without_gradient])
        asked = outputs[len(with_gradient) :]
        detached = [{k: v.detach() for k, v in one.items()} for one in asked]
        return outputs[: len(with_gradient)], detached
    with torch.no_grad():
        answers = _run(model if teacher is None else teacher, without_gradient)
    # Mixed precision keeps the half-precision weights it has just made. Older torch
    # makes them without gradient here: used again below, they would learn nothing.
    torch.clear_autocast_cache()
    return _run(model, with_gradient), answers


def _run(model: nn.Module, views: Sequence[Sample]) -> list[Outputs]:
    if not views:
        return []
    together = join(views)
    if together is None:
        return [model(view) for view in views]
    sizes = [num_images(view) for view in views]
    split = {name: out.split(sizes) for name, out in model(together).items()}
    return [{k: parts[i] for k, parts in split.items()} for i in range(len(views))]

"""The interface between the training loop and a method.

The loop draws images, makes the views that a method asks for, adds up the terms that it
yields and takes a step. It never knows which method it runs; a method never knows which
data set, which sensors, or what kind of head it teaches.
"""

__all__ = [
    "Batch",
    "Method",
    "Outputs",
    "TrainingSize",
    "check_ranges",
    "forward_views",
    "heads_of",
    "identity",
]

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models.heads import Head
from workshop_lib.sample import Sample, join, num_images, take

Outputs = dict[str, Tensor]  # what a model returns: by head, and "projection"


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
    devices need no further code. To write one's own, subclass this or `FixMatch`,
    override `losses` or `select`, and pass an instance to `train`.

    Args:
        labeled_view: augmentation of the labelled images. "weak" (flips and shifts) in
            the papers; "strong" can overwhelm a small network that has only a handful
            of labels, but is usually the better supervised baseline.
    """

    views: ClassVar[tuple[str, ...]] = ()  # of unlabelled images
    needs_projection: ClassVar[bool] = False  # a head for embeddings

    labeled_view: Literal["weak", "strong"] = "weak"

    def __post_init__(self) -> None:
        super().__init__()  # fields are plain values, so they may be set before
        if self.labeled_view not in ("weak", "strong"):
            raise WorkshopError(
                f"labeled_view={self.labeled_view!r}: choose 'weak' or 'strong'."
            )
        self.log: dict[str, Tensor] = {}  # scalars of the last step
        # By head: pseudo-labels and their weights in the last step, for the log, which
        # compares them with the truth. The method itself never sees the truth.
        self.pseudo_labels: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def labeled_views(self) -> tuple[str, ...]:
        """Names of the views of labelled images."""
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
        checkpoint is loaded. Most methods need nothing.
        """

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the terms of the loss by name; the training loop adds them up."""
        raise TypeError(f"{type(self).__name__} does not define losses(model, batch)")

    def after_step(self, model: nn.Module) -> None:
        """Follow the network after the optimiser has moved it; most methods do not."""

    def supervised(
        self, model: nn.Module, out: Outputs, targets: dict[str, Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the supervised term of each head that has targets in this batch."""
        for name, head in heads_of(model):
            if name in targets:
                loss = head.supervised_loss(out[name], targets[name])
                yield f"{name}/supervised", loss

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

    def check_views(self, batch: Batch) -> None:
        """Refuse a batch with other views than the method asks for.

        Raises:
            WorkshopError: too few or too many labelled or unlabelled views.
        """
        for kind, given, names in (
            ("labelled", batch.labeled, self.labeled_views),
            ("unlabelled", batch.views, self.views),
        ):
            if len(given) != len(names):
                raise WorkshopError(
                    f"{len(given)} {kind} view(s) given: {type(self).__name__} needs"
                    f" {len(names)} ({', '.join(names) or 'none'})."
                )


def heads_of(model: nn.Module) -> Iterator[tuple[str, Head]]:
    """Iterate over the heads of a model by name."""
    yield from model.heads.items()  # type: ignore[union-attr, operator, misc]


def forward_views(
    model: nn.Module,
    with_gradient: Sequence[Sample],
    without_gradient: Sequence[Sample] = (),
    joint: bool = False,
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

    Returns:
        One dictionary of outputs per view, in the order given; those of
        `without_gradient` are cut from the graph either way.
    """
    if joint:
        outputs = _run(model, [*with_gradient, *without_gradient])
        asked = outputs[len(with_gradient) :]
        return outputs[: len(with_gradient)], [_detached(output) for output in asked]
    with torch.no_grad():
        answers = _run(model, without_gradient)
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
    outputs: Outputs = model(together)
    found, first = [], 0
    for view in views:
        n = num_images(view)
        found.append(take(outputs, slice(first, first + n)))
        first += n
    return found


def _detached(outputs: Outputs) -> Outputs:
    return {name: values.detach() for name, values in outputs.items()}


def check_ranges(
    method: Method, *, positive: Sequence[str] = (), fractions: Sequence[str] = ()
) -> None:
    """Refuse hyperparameters out of range.

    Args:
        method: whose fields are checked.
        positive: names of fields that must be above 0.
        fractions: names of fields that must be in [0, 1].

    Raises:
        WorkshopError: names the hyperparameter, its value and its range.
    """
    for name in positive:
        if not getattr(method, name) > 0:
            raise WorkshopError(
                f"{type(method).__name__}({name}={getattr(method, name)}): it must be"
                " above 0."
            )
    for name in fractions:
        if not 0 <= getattr(method, name) <= 1:
            raise WorkshopError(
                f"{type(method).__name__}({name}={getattr(method, name)}): it must be"
                " between 0 and 1."
            )

"""Metadata for the teacher alone: spatiotemporal semi-supervised learning."""

__all__ = ["BASES", "DISTANCES", "Spatiotemporal"]

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.pseudo_labels import at_least_fp32
from workshop_lib.methods.base import Batch, Method, Outputs, TrainingSize, heads_of
from workshop_lib.methods.fixmatch import ConsistencyMethod, DeFixMatch, FixMatch
from workshop_lib.methods.running_confidence import FreeMatch, SoftMatch
from workshop_lib.models.heads import Head
from workshop_lib.models.model import CONTEXT
from workshop_lib.sample import Sample

BASES: dict[str, type[ConsistencyMethod]] = {
    "fixmatch": FixMatch,
    "freematch": FreeMatch,
    "softmatch": SoftMatch,
    "defixmatch": DeFixMatch,
}


Distance = Callable[[Tensor, Tensor], Tensor]  # (B, E), (B, E) -> scalar
DISTANCES: dict[str, Distance | None] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "cos": lambda mine, theirs: -F.cosine_similarity(mine, theirs).mean(),
    "none": None,
}


@dataclass(eq=False)
class Spatiotemporal(Method):
    """Teach with place and date what has to be told from pixels alone.

    In March a field in Finland is snow, in Portugal wheat. A network that is told place
    and date guesses better, and soon relies on them: in a region that it has not seen
    they mislead it. So two networks are trained together. The teacher is told, and
    makes the pseudo-labels of both; the student is told nothing, and is drawn to hold
    at the place of the metadata what the teacher holds there: it learns to see in an
    image where and when it was taken. The student alone is evaluated and predicts,
    without any metadata.

        L = L_base(t(x, m)) + L_base(f(x)) + lambda_d D(c_f, c_t)
        L_base(f) = 1/B sum_b H(y_b, f(weak(x_b)))
                  + lambda_u / (mu B) sum_i weight_i H(q_i, f(strong(u_i)))
        q_i, weight_i from t(weak(u_i), m_i), as the base method chooses them
        D(c, d) = mean of (c - d)^2 | mean of |c - d| | minus the mean cosine

    c is the context of labelled and strong views (`Features.context`), that of the
    teacher without gradient. The student never sees the weak view of an unlabelled
    image, and where its metadata would be, a learned constant. Both start from the same
    weights, and one optimiser moves both: the teacher is no average of the student, as
    in `MeanTeacher`. The average of the student is what is evaluated; nothing reads one
    of the teacher, so none is kept.

    Source: Bernhard et al. 2024, "Context Matters: Leveraging Spatiotemporal Metadata
    for Semi-Supervised Learning on Remote Sensing Images", arXiv:2404.18583. Its code
    draws both networks' weights apart, shows the teacher all views in one pass, and
    works for transformers (`vit-64`). Here convolutional networks learn too: metadata
    shifts their maps, and their context is the vector that heads read.

    Args:
        labeled_view: augmentation of labelled images; DeFixMatch sees both.
        base: the method that both networks learn by: "fixmatch", "freematch",
            "softmatch" or "defixmatch".
        threshold: confidence of the teacher from which a pseudo-label counts, as in
            `FixMatch`; "freematch" and "softmatch" find theirs.
        alignment, momentum: of the base method. In the papers "softmatch" aligns, and
            the others do not.
        lambda_u: weight of the unlabelled part, as a multiple of the base method's own
            (1, of "defixmatch" 1/2).
        distill: the distance D of the contexts: "mse", "mae", "cos", or "none" to leave
            it out.
        lambda_d: weight of the distance; 1 in the paper on BigEarthNet, 0.01 on
            EuroSAT. Too high: the student imitates the context and forgets the classes.

    Raises:
        WorkshopError: see `Method`.
    """

    views: ClassVar[tuple[str, ...]] = ("weak", "strong")
    withholds_metadata: ClassVar[bool] = True

    base: Literal["fixmatch", "freematch", "softmatch", "defixmatch"] = "fixmatch"
    threshold: float = 0.95
    alignment: bool = False
    momentum: float = 0.99
    lambda_u: float = 1.0
    distill: Literal["mse", "mae", "cos", "none"] = "mse"
    lambda_d: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        kind = BASES[self.base]
        known = {f.name for f in fields(kind)}
        options = {k: v for k, v in self.hyperparameters().items() if k in known}
        options["lambda_u"] *= kind.lambda_u
        self.rule = kind(**options)

    @property
    def labeled_views(self) -> tuple[str, ...]:
        """Names of the views of labelled images, as the base method has them."""
        return self.rule.labeled_views

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Make the teacher, a copy of the model that is told the metadata.

        Raises:
            WorkshopError: a model that reads no metadata.
        """
        student = cast(Any, model)
        if student.encoder.metadata is None:
            raise WorkshopError(
                "spatiotemporal: this model reads no metadata to tell the teacher; give"
                " metadata=('place', 'date') (--metadata place date)."
            )
        self.teacher = teacher = copy.deepcopy(student)
        teacher.encoder.reads_metadata, student.encoder.reads_metadata = True, False
        self.rule.setup(_Pair(teacher, model), size)

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the terms of the base method for both networks, and the distance."""
        pair = _Pair(cast(nn.Module, self.teacher), model)
        self.rule.log, self.rule.pseudo_labels = self.log, self.pseudo_labels
        yield from self.rule.losses(pair, batch)
        distance = DISTANCES[self.distill]
        if distance is not None:
            theirs, mine = (torch.cat(found) for found in pair.contexts)
            yield "distillation", self.lambda_d * distance(mine, theirs.detach())


class _Pair(nn.Module):
    """Teacher and student as one model, which any base method can train.

    Without gradient the teacher alone is asked. `contexts` holds those of the teacher
    and of the student, of all views with gradient.

    Shape: sample of B images -> for each head (B, 2, ...), the teacher's scores first;
    without gradient (B, 1, ...).
    """

    def __init__(self, teacher: nn.Module, student: nn.Module) -> None:
        super().__init__()
        self.networks = nn.ModuleList([teacher, student])
        self.heads = {name: _Both(head) for name, head in heads_of(student)}
        self.contexts: tuple[list[Tensor], list[Tensor]] = ([], [])

    def forward(self, sample: Sample) -> Outputs:
        """Score a sample."""
        learn = torch.is_grad_enabled()
        asked = self.networks if learn else self.networks[:1]
        outs = [network(sample) for network in asked]
        if learn:
            for found, out in zip(self.contexts, outs, strict=True):
                found.append(at_least_fp32(out[CONTEXT]))
        return {k: torch.stack([out[k] for out in outs], 1) for k in self.heads}


class _Both:
    """A head of a pair: both networks learn, and the teacher alone is asked."""

    def __init__(self, head: Head) -> None:
        self.head = head

    def __getattr__(self, name: str) -> Any:
        return getattr(self.head, name)

    def each_network(self, out: Tensor) -> Iterable[Tensor]:
        """Return the scores of the teacher and of the student."""
        return out.unbind(1)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Add up the losses of both, element by element."""
        return torch.stack([self.head.loss(o, target) for o in out.unbind(1)]).sum(0)

    def supervised_loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Add up the supervised losses of both."""
        losses = [self.head.supervised_loss(o, target) for o in out.unbind(1)]
        return torch.stack(losses).sum()

    def probabilities(self, out: Tensor, temperature: float = 1.0) -> Tensor:
        """Return the teacher's probabilities, without gradient."""
        return self.head.probabilities(out[:, 0], temperature)

"""Checks of unit 04: the pseudo-label, and whether it is sure enough."""

__all__ = ["confidence_mask", "pseudo_labels"]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.describe import as_tensor, describe
from workshop_lib.course.checks.inputs import noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.losses import consistency


@exercise("pseudo_labels(logits)")
def pseudo_labels(trial: Trial) -> str:
    """Check the class that a model names for each unlabeled image.

    The learner's `pseudo_labels(logits)` takes (N, K) and gives (N,) int64.
    """
    cases = {
        "one image, three classes": (torch.tensor([[0.1, 2.0, -1.0]]),),
        "6 images, 4 classes": (noise(6, 4),),
        "3 images, 10 classes": (noise(3, 10, seed=1),),
    }
    trial.compare(cases, lambda z: z.argmax(dim=1), _LABELS, look=_LABELS_LOOK)
    found = as_tensor(trial.run("6 images, 4 classes", noise(6, 4)))
    if found is None or found.dtype != torch.int64:
        trial.fail(
            "6 images, 4 classes",
            "the classes are right but not whole numbers: cross_entropy needs int64, as"
            " argmax gives it.",
            describe(found),
            "shape (6,), int64",
        )
    return f"{len(cases)} batches, one class per image"


_LABELS_LOOK = "for each row, name the column of its largest number: (N, K) -> (N,)."
_LABELS = (
    Mistake(
        "for each class you named an image: the largest number of each row is wanted,"
        " so reduce over dim=1, the classes.",
        lambda z: z.argmax(dim=0),
    ),
    Mistake(
        "you gave the largest logit: wanted is where it stands, which is argmax.",
        lambda z: z.amax(dim=1),
    ),
    Mistake(
        "you gave the confidence: it tells how sure the model is, and argmax of what.",
        lambda z: z.softmax(dim=1).amax(dim=1),
    ),
    Mistake(
        "you gave probabilities, a soft pseudo-label: FixMatch takes the hard one, a"
        " single class per image.",
        lambda z: z.softmax(dim=1),
    ),
    Mistake(
        "you gave one-hot rows: the number of the class is enough, and what"
        " cross_entropy takes.",
        lambda z: F.one_hot(z.argmax(dim=1), z.shape[1]),
    ),
    Mistake(
        "you named the least likely class: argmax, not argmin.",
        lambda z: z.argmin(dim=1),
    ),
)


@exercise("confidence_mask(logits, threshold)")
def confidence_mask(trial: Trial) -> str:
    """Check which unlabeled images are sure enough to be used.

    The learner's `confidence_mask(logits, threshold)` takes (N, K) scores and gives
    (N,), 1 (or True) where the largest probability is at least the threshold.
    """
    undecided = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 0.2]])
    cases = {
        "6 images, 4 classes": (2 * noise(6, 4), 0.6),
        "large logits that are not sure": (5 + noise(4, 3, seed=2), 0.8),
        "small logits that are sure": (4 * noise(5, 3, seed=3) - 15, 0.7),
        "a confidence of exactly the threshold, 0.5": (undecided, 0.5),
    }
    trial.compare(cases, _mask, _MASK, look=_MASK_LOOK)
    return f"{len(cases)} batches, also where the threshold is just reached"


def _mask(logits: Tensor, threshold: float) -> Tensor:
    return consistency.confidence_mask(logits.softmax(dim=1), threshold)


_MASK_LOOK = (
    "three steps: probabilities of each image (they sum to 1 along dim=1), the largest"
    " of them, and whether it reaches the threshold."
)
_MASK = (
    Mistake(
        "an image that just reaches the threshold is left out: use >= rather than >.",
        lambda z, t: z.softmax(dim=1).amax(dim=1) > t,
    ),
    Mistake(
        "the logits themselves were compared with the threshold. They have no scale:"
        " softmax first turns them into probabilities.",
        lambda z, t: z.amax(dim=1) >= t,
    ),
    Mistake(
        "softmax ran over the images (dim=0), so that the probabilities of a class sum"
        " to 1: those of an image must, dim=1.",
        lambda z, t: z.softmax(dim=0).amax(dim=1) >= t,
    ),
    Mistake(
        "you gave the positions of the sure images: a mask has one entry per image, 1"
        " or 0.",
        lambda z, t: (z.softmax(dim=1).amax(dim=1) >= t).nonzero().flatten(),
    ),
    Mistake(
        "every class of every image was compared: take the largest probability of each"
        " image first.",
        lambda z, t: z.softmax(dim=1) >= t,
    ),
    Mistake(
        "the mask is upside down: 1 where the model is sure, 0 where it is not.",
        lambda z, t: 1 - _mask(z, t),
    ),
    Mistake(
        "softmax was taken twice, which flattens the probabilities: once is enough.",
        lambda z, t: z.softmax(dim=1).softmax(dim=1).amax(dim=1) >= t,
    ),
)

"""What a report is made from."""

__all__ = ["Embedded", "MethodResult", "ReportData", "choose_main"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
from torch import Tensor

from workshop_lib.data.audit import Audit
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import Calibration
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.evaluate import CheckpointScores
from workshop_lib.evaluation.metrics import Scores

Role = Literal["baseline", "semi-supervised", "ceiling"]

_NEXT_STEPS = (
    (
        "Train FixMatch on your own images, with four labels per class:",
        "workshop train --data FOLDER --labels-per-class 4 --method fixmatch",
    ),
    (
        "Train the supervised baseline on the same split, to see what your unlabelled"
        " images are worth:",
        "workshop train --data FOLDER --labels-per-class 4 --method supervised"
        " --labeled-view strong",
    ),
)


@dataclass(frozen=True, eq=False)
class Embedded:
    """Where a network puts test images, and how far its neighbours can be trusted.

    `drawn` are the embeddings of some test images, enough for a map; `knn` is the
    `knn_accuracy` of all test images among the labelled ones, `silhouette` that of the
    drawn images.
    """

    drawn: Embeddings
    knn: float
    silhouette: float


@dataclass(frozen=True, eq=False)
class MethodResult:
    """One trained method: how it was trained and what it predicts on the test images.

    `log` is `Run.log`; `probs` (N, K) are its predictions on `ReportData.test_images`;
    `labels` is the number of labelled images it trained with; `seconds` and `steps` are
    those of the training; `seed` is the split's. What follows may be missing; the page
    then does without.
    """

    name: str  # short, as in results.json: "supervised_strong"
    title: str  # as people read it: "Supervised, strong augmentation"
    recipe: Mapping[str, Any]  # `dataclasses.asdict` of the Recipe
    log: pd.DataFrame
    scores: Scores
    probs: Tensor
    seconds: float
    steps: int
    parameters: int
    labels: int
    seed: int
    peak_memory: int | None = None  # bytes, see session.peak_memory
    calibration: Calibration | None = None
    checkpoints: Sequence[CheckpointScores] = ()  # the four sets of weights
    pseudo_labels: pd.DataFrame | None = None  # Run.pseudo_labels()
    embedded: Embedded | None = None
    split_folder: str = ""  # where the recipe alone does not give the split

    @property
    def role(self) -> Role:
        """What the method is in the comparison, read from its recipe."""
        if self.recipe.get("method") != "supervised":
            return "semi-supervised"
        return "ceiling" if self.recipe.get("labels_per_class") == 0 else "baseline"


def choose_main(results: Sequence[MethodResult]) -> MethodResult:
    """Take the first semi-supervised method; without one, the best baseline."""
    for role in ("semi-supervised", "baseline"):
        found = [r for r in results if r.role == role]
        if role == "semi-supervised" and found:
            return found[0]
        if found:
            return max(found, key=lambda r: r.scores.accuracy)
    return results[0]


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that `write_report` shows. One result is enough; four make the ladder.

    Args:
        title: heading of the page.
        data: what the images are, in words that follow "on": "the embedded scenes".
        class_names: K names.
        bands: names of the C channels.
        test_images: (N, C, H, W), as `Scenes.images`.
        test_labels: (N,) true classes.
        results: in the order of the story, weakest start first.
        split_counts: images in each part: labeled, unlabeled, val, test.
        command: what was typed to make this.
        versions: version by name of program.
        facts: sentences to add to what was done (device, precision, a note).
        audit: what the audit of the split found.
        near_duplicates: whether the audit looked for images of the same ground.
        class_counts: for each part of the split, the K numbers of images of a class
            whose class is known.
        labeled_images, labeled_labels: the few labelled images, shown if given.

    Raises:
        WorkshopError: no result, or the lengths do not fit.
    """

    title: str
    data: str
    class_names: tuple[str, ...]
    bands: tuple[str, ...]
    test_images: Tensor
    test_labels: Tensor
    results: Sequence[MethodResult]
    split_counts: Mapping[str, int]
    command: str
    versions: Mapping[str, str]
    facts: Sequence[str] = ()
    audit: Audit | None = None
    near_duplicates: bool = True
    class_counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    labeled_images: Tensor | None = None
    labeled_labels: Tensor | None = None
    next_steps: Sequence[tuple[str, str]] = _NEXT_STEPS

    def __post_init__(self) -> None:
        for name in ("test_images", "test_labels", "labeled_images", "labeled_labels"):
            tensor = getattr(self, name)
            if tensor is not None:  # a frozen dataclass is set in this way only
                object.__setattr__(self, name, tensor.cpu())
        if not self.results:
            raise WorkshopError("a report without results: give at least one method's.")
        N, K = len(self.test_images), len(self.class_names)
        if N == 0 or len(self.test_labels) != N:
            raise WorkshopError(
                f"{N} test images and {len(self.test_labels)} test labels: a report"
                " needs at least one image and one label for each."
            )
        for result in self.results:
            if tuple(result.probs.shape) != (N, K):
                raise WorkshopError(
                    f"predictions of {result.name!r} have shape"
                    f" {tuple(result.probs.shape)}, expected ({N}, {K}): predict the"
                    " same test images with every method."
                )
        for part in ("labeled", "unlabeled", "val", "test"):
            if part not in self.split_counts:
                raise WorkshopError(
                    f"split_counts lacks {part!r}: give Split.counts(), the number of"
                    " images in labeled, unlabeled, val and test."
                )

    @property
    def baseline(self) -> MethodResult | None:
        """The better supervised method with the same labels: the one that counts."""
        few = self.main.labels
        found = [r for r in self.results if r.role == "baseline" and r.labels == few]
        return max(found, key=lambda r: r.scores.accuracy, default=None)

    @property
    def main(self) -> MethodResult:
        """The method the page is about."""
        return choose_main(self.results)

"""What a finished run says of images: its own data, new ones, or one sensor's pixels.

Large images are read from one file, so there is nothing to choose between: tiling,
mapping and a look inside of a network take tensors rather than samples. For these
`single_sensor` gives the network as a plain module.
"""

__all__ = [
    "check_fits",
    "predict_heads",
    "predict_run",
    "single_sensor",
    "stored_views",
]

from typing import Literal, cast

import torch
from torch import Tensor

from workshop_lib.augment import BandNormalize, Normalize
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json
from workshop_lib.models import Model
from workshop_lib.models.heads import Head
from workshop_lib.models.inference import predict_mean
from workshop_lib.models.networks import SingleSensor
from workshop_lib.sample import Sample
from workshop_lib.session import pick_device
from workshop_lib.training.inputs import open_features, read_inputs
from workshop_lib.training.run import Run, run_identity, what_differs

_TILES = 256  # whose probabilities are in memory at a time


def predict_run(
    run: Run, scenes: Dataset | Sample, index: Tensor | None = None
) -> Tensor:
    """Predict images with the main head of a run, best weights by validation.

    Args:
        run: a finished training.
        scenes: images of the same sensors, or those images alone by sensor.
        index: (n,) positions of the images; None for all.

    Returns:
        Class probabilities (n, K), of pixels (n, K, H, W), of several labels (n, 2, K)
        for absent and present; or numbers (n,). On the CPU.

    Raises:
        WorkshopError: a run without labels, whose head knows nothing.
    """
    run.check_head()
    model, normalize = run.load_model()
    views = stored_views(run, scenes)
    found = predict_mean(model.to(pick_device()), views, normalize, index=index)
    return found[run.main_head]


def predict_heads(
    run: Run, model: Model, normalize: Normalize, views: list[Sample], index: Tensor
) -> dict[str, Tensor]:
    """Predict with every head; of pixels only the likeliest class is kept.

    Args:
        run: whose heads they are.
        model, normalize: of one of its checkpoints (`Run.load_model`).
        views: of `stored_views`.
        index: (n,) positions of the images.

    Returns:
        By head: (n, K) probabilities, of a dense head (n, H, W) uint8 classes, of a
        regression (n,) numbers.
    """
    heads, model = run.facts["heads"], model.to(pick_device())
    found: dict[str, list[Tensor]] = {}
    dense = any(about["kind"] == "dense" for about in heads.values())
    for some in index.split(_TILES) if dense else [index]:
        for name, probs in predict_mean(model, views, normalize, index=some).items():
            kind = heads[name]["kind"]
            if kind == "dense":
                probs = probs.argmax(dim=1).to(torch.uint8)  # (n, H, W)
            elif kind == "multilabel":
                probs = probs[:, 1]  # (n, K)
            found.setdefault(name, []).append(probs)
    return {name: torch.cat(parts) for name, parts in found.items()}


def single_sensor(
    run: Run,
    which: Literal["best", "last", "initial"] = "best",
    weights: Literal["ema", "online"] = "ema",
) -> tuple[SingleSensor, BandNormalize]:
    """Build the network of a run for its only sensor, with its main head.

    Args:
        run: a finished training.
        which, weights: of which checkpoint; see `Run.load_model`.

    Returns:
        The network in evaluation mode, and the normalisation of its images.

    Raises:
        WorkshopError: a run on several sensors, on metadata, or on frozen features.
    """
    sensors, metadata = list(run.facts["sensors"]), run.facts["metadata"]
    if len(sensors) != 1 or metadata or run.config.model.features:
        reads = [*sensors, "metadata"] if metadata else sensors
        raise WorkshopError(
            f"{run.folder} reads {', '.join(reads)}, but this needs the pixels of one"
            " sensor: train without other sensors, metadata or frozen features."
        )
    (sensor,) = sensors
    model, normalize = run.load_model(which, weights)
    head = cast(Head, model.heads[run.main_head])
    bands = cast(BandNormalize, normalize.bands[sensor])
    return SingleSensor(model.encoder, head, sensor).eval(), bands


def stored_views(run: Run, scenes: Dataset | Sample) -> list[Sample]:
    """Return what a run's model reads of images, one sample per stored view.

    From pixels: the images themselves. With a frozen backbone: the features of the
    plain images and of the stored weak views, over which predictions are averaged,
    which costs nothing more than they have cost already.

    Args:
        run: a training from pixels or on features.
        scenes: images of its sensors, or {"rgb": (N, 3, H, W) uint8}.
    """
    if isinstance(scenes, Dataset):
        scenes = read_inputs(run.config, scenes).sensors
    if not run.config.model.features:
        return [scenes]
    found = open_features(run.config, scenes, (), pick_device())
    views = [*found["none"], *found["weak"]]
    return [{"features": view[:, :, None, None]} for view in views]


def check_fits(run: Run, scenes: Dataset, split: Split) -> None:
    """Refuse images, bands, classes or a split that a run was not trained on.

    Raises:
        WorkshopError: what differs, and what to give instead.
    """
    then = read_json(run.folder / "identity.json")
    other = what_differs(then, run_identity(run.config, scenes, split))
    if other:
        raise WorkshopError(
            f"{run.folder} was trained on {other}: what is test here may have been"
            " training there. Give the run's own data, bands and size, and the split"
            " saved in its folder (Split.load)."
        )
    if torch.isin(split.test, split.unlabeled).any():
        raise WorkshopError("test images are among the training images: split again.")

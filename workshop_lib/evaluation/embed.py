"""Embeddings of a run's images by its network."""

__all__ = ["embed", "embed_run"]

from typing import Literal

from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.run_inputs import check_fits, stored_views
from workshop_lib.models.predict import embed as embed_images
from workshop_lib.session import pick_device
from workshop_lib.training.run import Run


def embed_run(
    run: Run,
    scenes: Scenes,
    split: Split,
    part: str = "test",
    which: Literal["features", "projection"] = "features",
    checkpoint: Literal["best", "last", "initial"] = "best",
) -> Embeddings:
    """Embed one part of a run's images with its network.

    Looking at the test images is fine as long as nothing is changed because of what you
    see; to choose among runs or settings, look at "val".

    Args:
        run, scenes, split: a finished run and the data it was trained on.
        part: "labeled", "unlabeled", "val" or "test".
        which: "features" are the classifier's input; "projection" the unit vectors of
            the projection head, where the model has one.
        checkpoint: "best" by validation, "last", or "initial": before training.

    Raises:
        WorkshopError: other data than the run's, an unknown name, an empty part, or a
            model without a projection.
    """
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    check_fits(run, scenes, split)
    index = getattr(split, part)
    if len(index) == 0:
        raise WorkshopError(f"the part {part!r} of {run.folder} holds no image.")
    return embed(run, scenes, index, which, checkpoint)


def embed(
    run: Run,
    scenes: Scenes,
    index: Tensor,
    which: Literal["features", "projection"] = "features",
    checkpoint: Literal["best", "last", "initial"] = "best",
) -> Embeddings:
    """Embed some images with the network of a run.

    Args:
        run: a finished run with one class per image.
        scenes: images of the same sensors.
        index: (n,) positions of the images, such as `split.test`.
        which, checkpoint: as of `embed_run`.

    Raises:
        WorkshopError: images with several labels each, or a model without a projection.
    """
    if scenes.multi_label:
        raise WorkshopError(
            "images with several labels each have no single class to mark a point by:"
            " embed a run with one class per image."
        )
    model, normalize = run.load_model(checkpoint)
    plain = stored_views(run, scenes)[0]
    network = model.to(pick_device())
    vectors = embed_images(network, plain, normalize, which, index=index)  # (n, D)
    return Embeddings(
        vectors=vectors.numpy(),
        labels=scenes.labels[index].cpu().numpy(),
        names=tuple(scenes.names[i] for i in index.tolist()),
        class_names=scenes.class_names,
    )

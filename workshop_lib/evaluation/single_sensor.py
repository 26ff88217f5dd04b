"""The network of a run as a plain module: images of one sensor in, class scores out.

Large images are read from one file, so there is nothing to choose between: tiling,
mapping and a look inside of a network take tensors rather than samples.
"""

__all__ = ["SingleSensor", "single_sensor"]

from typing import Literal, cast

from torch import Tensor, nn

from workshop_lib.augment import BandNormalize
from workshop_lib.errors import WorkshopError
from workshop_lib.models.fusion import Encoder
from workshop_lib.models.heads import Head
from workshop_lib.training.run import Run


class SingleSensor(nn.Module):
    """One encoder and one head on the images of one sensor.

    Args:
        encoder: that reads no other sensor and no metadata.
        head: for the scores.
        sensor: name under which the encoder expects the images.

    Shape: images (B, C, H, W) float, normalised -> (B, K); of a dense head
    (B, K, H, W).
    """

    def __init__(self, encoder: Encoder, head: Head, sensor: str) -> None:
        super().__init__()
        self.encoder, self.head, self.sensor = encoder, head, sensor

    def forward(self, images: Tensor) -> Tensor:
        """Score images."""
        scores: Tensor = self.head(self.encoder({self.sensor: images}))
        return scores


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

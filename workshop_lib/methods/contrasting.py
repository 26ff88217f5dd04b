"""What the contrastive methods share: a third view, and embeddings of unit length."""

__all__ = ["Contrasting", "check_knobs"]

from torch import nn

from workshop_lib.errors import WorkshopError
from workshop_lib.methods.forward import forward_views
from workshop_lib.methods.protocol import Batch, Method
from workshop_lib.models.output import Output


class Contrasting(Method):
    """A method on one labeled view and on three views of each unlabeled image.

    The weak view is asked for a pseudo-label, the strong one learns it, and the
    embeddings of the strong and of the contrastive view are compared.

    Args:
        labeled_view: augmentation of labeled images; "weak" in the papers. "strong" can
            overwhelm a small network that has only a handful of labels.
        projection_dim: D, the length of the embedding that the model's projection head
            gives; 64 is usual.
        joint_forward: False runs the weak view by itself without gradient: a quarter of
            the arithmetic is saved with three views. True is the papers' single forward
            over all of them. `forward_views` says what differs.
    """

    views = ("weak", "strong", "contrastive")
    knobs: tuple[str, ...] = ("labeled_view", "projection_dim", "joint_forward")
    projection_dim = 64

    def __init__(
        self,
        *,
        labeled_view: str = "weak",
        projection_dim: int = 64,
        joint_forward: bool = False,
    ) -> None:
        super().__init__()
        if projection_dim < 1:
            raise WorkshopError(
                f"projection_dim={projection_dim}: {type(self).__name__} compares"
                " projections, so give it a width, such as 64, or leave it out."
            )
        self.labeled_views = (labeled_view,)
        self.projection_dim = projection_dim
        self.joint_forward = joint_forward

    def attach(self, model: nn.Module, num_images: int, num_unlabeled: int) -> None:
        """Make sure that the model has a projection head.

        Raises:
            WorkshopError: it has none. Its features would serve as embeddings, and
                they are not of unit length.
        """
        if getattr(model, "projection", None) is None:
            raise WorkshopError(
                f"{type(self).__name__} needs a model with a projection head: build it"
                f" with projection_dim={self.projection_dim}."
            )

    def outputs(
        self, model: nn.Module, batch: Batch
    ) -> tuple[Output, Output, Output, Output]:
        """Return the model's answers to labeled, weak, strong and contrastive view.

        Shape: `batch.x_lab[0]` (B, C, H, W), each of the three in `batch.x_unl`
        (mu*B, C, H, W) -> `Output` each; that of the weak view has no gradient.

        Raises:
            WorkshopError: other views than one labeled and three unlabeled ones.
        """
        x, weak, strong, contrastive = self.views_of(batch)
        (of_x, of_strong, of_contrastive), (of_weak,) = forward_views(
            model, [x, strong, contrastive], [weak], joint=self.joint_forward
        )
        return of_x, of_weak, of_strong, of_contrastive


def check_knobs(above_zero: dict[str, float], shares: dict[str, float]) -> None:
    """Refuse temperatures that are not positive and shares that are none.

    Raises:
        WorkshopError: names the knob, its value and its range.
    """
    for name, value in above_zero.items():
        if not value > 0:
            raise WorkshopError(f"{name}={value}: it must be above 0.")
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise WorkshopError(f"{name}={value}: it must lie between 0 and 1.")

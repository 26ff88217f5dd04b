"""What FixMatch and its kin share: ask the weak view, teach the strong one."""

__all__ = ["WeakStrong"]

from torch import Tensor, nn

from workshop_lib.methods.forward import forward_views
from workshop_lib.methods.protocol import Batch, Method


class WeakStrong(Method):
    """A method on one labeled view and on two views of each unlabeled image.

    Subclasses call `logits` and hand its three answers to their loss.

    Args:
        labeled_view: augmentation of labeled images; "weak" in the papers. "strong" can
            overwhelm a small network that has only a handful of labels.
        joint_forward: False runs the weak view by itself without gradient, which saves
            a third of the arithmetic and half of the memory. True is the papers' single
            forward over all views. `forward_views` says what differs.
    """

    views = ("weak", "strong")
    knobs: tuple[str, ...] = ("labeled_view", "joint_forward")

    def __init__(
        self, *, labeled_view: str = "weak", joint_forward: bool = False
    ) -> None:
        super().__init__()
        self.labeled_views = (labeled_view,)
        self.joint_forward = joint_forward

    def logits(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the scores of the labeled, the weak and the strong view.

        Shape: `batch.x_lab[0]` (B, C, H, W), `batch.x_unl` weak and strong, each
        (mu*B, C, H, W) -> (B, K), (mu*B, K) without gradient, (mu*B, K).

        Raises:
            WorkshopError: other views than one labeled and two unlabeled ones.
        """
        x, weak, strong = self.views_of(batch)
        (of_x, of_strong), (of_weak,) = forward_views(
            model, [x, strong], [weak], joint=self.joint_forward
        )
        return of_x.logits, of_weak.logits, of_strong.logits

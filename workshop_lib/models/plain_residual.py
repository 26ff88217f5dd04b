"""The same layers with and without shortcuts: why deep networks need them."""

__all__ = ["PlainResidual", "gradient_norms"]

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.models.heads import Classifier, ProjectionHead
from workshop_lib.models.recompute import Blocks


class PlainResidual(Classifier):
    """A stack of 3 x 3 convolutions, every two of which may have a shortcut over them.

    A deeper network could copy a shallower one and do nothing in the layers that are
    left. Plain, it does not find that: from some depth on even the training loss gets
    worse (degradation). With shortcuts "do nothing" is where every pair begins.

    Source: He et al. 2015, "Deep Residual Learning", section 4.2: three groups of n
    pairs, 6n + 2 layers in all. The shortcut has no parameters: where the size halves
    it reads every second pixel and fills new channels with zeros, so plain and residual
    networks of one depth have the same number of weights.

    Args:
        depth: 8, 14, 20, 26, ... layers with weights.
        shortcuts: False is the plain network.
        in_channels: bands of the images, C.
        num_classes: K.
        projection_dim: width of the projection head; 0 leaves it out.
        width: channels of the first group; twice and four times as many in the others.
        norm: batch normalisation after each convolution. Without it the gradient of a
            deep plain network vanishes on its way to the first layer; with it, it does
            not, and there is degradation all the same.

    Shape: (B, C, H, W) -> `Output` of (B, K) and (B, 4 * width or projection_dim).

    Raises:
        WorkshopError: a depth that is not 6n + 2.
    """

    def __init__(
        self,
        depth: int,
        shortcuts: bool,
        *,
        in_channels: int,
        num_classes: int,
        projection_dim: int = 0,
        width: int = 16,
        norm: bool = True,
    ) -> None:
        if depth < 8 or (depth - 2) % 6:
            raise WorkshopError(
                f"a plain or residual network of {depth} layers: depths are 6n + 2,"
                " such as 8, 14, 20, 32, 44 or 56."
            )
        widths = (width, 2 * width, 4 * width)
        layers: list[nn.Module] = [_conv(in_channels, width, 1, norm), nn.ReLU()]
        before = width
        for group, channels in enumerate(widths):
            for pair in range((depth - 2) // 6):
                stride = 2 if group and not pair else 1
                layers.append(_Pair(before, channels, stride, shortcuts, norm))
                before = channels
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(
            Blocks(*layers),
            in_channels=in_channels,
            feature_dim=widths[-1],
            num_classes=num_classes,
            projection=ProjectionHead(widths[-1], widths[-1], projection_dim)
            if projection_dim
            else None,
        )


class _Pair(nn.Module):
    def __init__(
        self, before: int, channels: int, stride: int, shortcut: bool, norm: bool
    ) -> None:
        super().__init__()
        self.first = _conv(before, channels, stride, norm)
        self.second = _conv(channels, channels, 1, norm)
        self.stride, self.new = stride, channels - before
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(F.relu(self.first(x)))
        if self.shortcut:
            x = x[:, :, :: self.stride, :: self.stride]
            y = y + F.pad(x, (0, 0, 0, 0, 0, self.new))  # new channels are zero
        return F.relu(y)


def _conv(before: int, channels: int, stride: int, norm: bool) -> nn.Module:
    conv = nn.Conv2d(before, channels, 3, stride, padding=1, bias=not norm)
    # Keeps the size of activations through ReLUs (He et al. 2015, "Delving Deep")
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(channels)) if norm else conv


def gradient_norms(
    model: nn.Module, images: Tensor, loss: Callable[[Tensor], Tensor]
) -> list[float]:
    """Return the length of the loss's gradient at each convolution, first layer first.

    Divided by the length of the layer's weights: how much of itself a step of one would
    change it. The model's own gradients are left as they are.

    Args:
        model: returns an `Output`.
        images: (B, C, H, W), normalised.
        loss: of its logits.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    weights = [layer.weight for layer in layers]
    gradients = torch.autograd.grad(loss(model(images).logits), weights)
    pairs = zip(gradients, weights, strict=True)
    return [float(g.norm() / w.detach().norm()) for g, w in pairs]

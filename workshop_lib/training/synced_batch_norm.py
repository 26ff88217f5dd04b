"""Batch normalisation over the global batch, on CPUs and GPUs alike."""

__all__ = ["SyncedBatchNorm", "synchronize_batch_norm"]

import torch
from torch import Tensor, nn

from workshop_lib.ranks import gather_rows_with_gradient, world_size

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SyncedBatchNorm(nn.BatchNorm2d):
    """Normalise by the statistics of all ranks' images, as one process would.

    With a part of the batch each, ranks that normalise for themselves train another
    network: its statistics are those of fewer images, and they depend on the number of
    ranks. Here each rank tells the others its mean and variance, channel by channel:

        mean = mean_r m_r,    variance = mean_r v_r + mean_r (m_r - mean)^2

    which is exact, as all parts are of one size, and loses no digits as a mean of
    squares would. Gradient flows through the exchange: one message forward, one
    backward. torch's own SyncBatchNorm does the same, but on GPUs only.

    Weights, buffers and their names are those of the layer that it replaces, so
    checkpoints do not tell with how many processes they were made.

    Shape: (n, C, ...) -> the same; n images of the global batch on this rank.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Take the place of the one- and three-dimensional layers too."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; in evaluation, and without other ranks, as the plain layer."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        dims = [d for d in range(x.ndim) if d != 1]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(wide, dims, correction=0)  # (C,) of this rank
        told = gather_rows_with_gradient(torch.stack([mean, variance])[None])
        means, variances = told.unbind(1)  # (world_size, C)
        mean = means.mean(0)
        variance = variances.mean(0) + means.var(0, correction=0)
        count = world_size() * x.numel() // x.shape[1]
        if self.num_batches_tracked is not None:  # else the batch is computed again
            self._remember(mean.detach(), variance.detach() * count / (count - 1))

        scale = (variance + self.eps).rsqrt() * self.weight  # (C,)
        shape = [-1 if d == 1 else 1 for d in range(x.ndim)]
        centred = wide - mean.view(shape)
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, which evaluation normalises by."""
        self.num_batches_tracked += 1
        share = self.momentum
        if share is None:  # the plain average of all batches
            share = 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def synchronize_batch_norm(model: nn.Module) -> nn.Module:
    """Let every batch normalisation of a model look at all ranks.

    Without other ranks the model is returned as it is. Weights and buffers are the
    same tensors as before.
    """
    if world_size() == 1:
        return model
    for name, child in list(model.named_children()):
        setattr(model, name, synchronize_batch_norm(child))
    if not isinstance(model, _PLAIN) or isinstance(model, SyncedBatchNorm):
        return model
    synced = SyncedBatchNorm(model.num_features, model.eps, model.momentum)
    synced.weight, synced.bias = model.weight, model.bias
    for name, buffer in model.named_buffers(recurse=False):
        setattr(synced, name, buffer)
    return synced.train(model.training)

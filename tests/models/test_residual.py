"""Plain and residual networks of one depth differ in the shortcuts and nothing else."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.common import count, images
from workshop_lib.models import PlainNet, ResNetCIFAR
from workshop_lib.models.residual import gradient_norms


@pytest.mark.parametrize("depth", [8, 20, 56])
def test_depth_counts_layers_and_shortcuts_cost_no_weights(depth):
    plain, residual = (
        network(depth, num_classes=10) for network in (PlainNet, ResNetCIFAR)
    )
    layers = [m for m in plain.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == depth
    assert count(plain) == count(residual)
    if depth == 20:
        assert 0.26e6 < count(plain) < 0.28e6  # He et al. 2015, table 6: 0.27 million


def test_a_shortcut_adds_what_came_in():
    plain, residual = (
        network(8, num_classes=2).eval() for network in (PlainNet, ResNetCIFAR)
    )
    residual.load_state_dict(plain.state_dict())
    first, second = (
        net.encoder.backbone.stages[1][0] for net in (plain, residual)
    )  # halves the size
    x = images(2, 16, 8, 9)
    added = torch.zeros(2, 32, 4, 5)
    added[:, :16] = x[:, :, ::2, ::2]
    before = first.second(F.relu(first.first(x)))
    assert torch.equal(first(x), F.relu(before))
    assert torch.allclose(second(x), F.relu(before + added))


def test_without_norm_the_gradient_fades_in_the_plain_network_only():
    x, labels = images(4, 3, 16, 16), torch.tensor([0, 1, 2, 1])
    fading = {}
    for network in (PlainNet, ResNetCIFAR):
        torch.manual_seed(0)
        model = network(32, num_classes=3, norm=False, width=8)
        with torch.no_grad():
            for p in model.parameters():
                if p.ndim == 4:
                    p.mul_(0.5)  # as small as initialisations before He's
        norms = gradient_norms(model, x, lambda out: F.cross_entropy(out, labels))
        assert len(norms) == 31
        fading[network] = norms[0] / norms[-1]
        assert all(p.grad is None for p in model.parameters())
    assert fading[PlainNet] < 1e-3 * fading[ResNetCIFAR]

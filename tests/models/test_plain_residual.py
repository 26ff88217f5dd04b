"""Plain and residual networks of one depth differ in the shortcuts and nothing else."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.models import build_model
from workshop_lib.models.plain_residual import PlainResidual, gradient_norms


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("depth", [8, 20, 56])
def test_depth_counts_layers_and_shortcuts_cost_no_weights(depth):
    plain, residual = (
        build_model(f"{kind}-{depth}", in_channels=3, num_classes=10)
        for kind in ("plain", "residual")
    )
    layers = [m for m in plain.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == depth
    assert count(plain) == count(residual)
    if depth == 20:
        assert 0.26e6 < count(plain) < 0.28e6  # He et al. 2015, table 6: 0.27 million


def test_a_shortcut_adds_what_came_in():
    torch.manual_seed(0)
    plain, residual = (
        PlainResidual(8, s, in_channels=3, num_classes=2) for s in (False, True)
    )
    residual.load_state_dict(plain.state_dict())
    first, second = (
        net.eval().trunk[3] for net in (plain, residual)
    )  # halves the size
    x = torch.randn(2, 16, 8, 9)
    added = torch.zeros(2, 32, 4, 5)
    added[:, :16] = x[:, :, ::2, ::2]
    before = first.second(F.relu(first.first(x)))
    assert torch.equal(first(x), F.relu(before))
    assert torch.allclose(second(x), F.relu(before + added))


def test_without_norm_the_gradient_fades_in_the_plain_network_only():
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 1])
    fading = {}
    for shortcuts in (False, True):
        torch.manual_seed(0)
        model = PlainResidual(
            32, shortcuts, in_channels=3, num_classes=3, norm=False, width=8
        )
        with torch.no_grad():
            for p in model.parameters():
                if p.ndim == 4:
                    p.mul_(0.5)  # as small as an initialisation of before He's
        norms = gradient_norms(
            model, images, lambda logits: F.cross_entropy(logits, labels)
        )
        assert len(norms) == 31
        fading[shortcuts] = norms[0] / norms[-1]
        assert all(p.grad is None for p in model.parameters())
    assert fading[False] < 1e-3 * fading[True]


def test_other_depths_are_refused_in_words():
    with pytest.raises(WorkshopError, match="6n"):
        build_model("plain-21", in_channels=3, num_classes=2)

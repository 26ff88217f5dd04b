"""All views through the network: the same answers, whichever way."""

import copy

import pytest
import torch
from torch import nn

from workshop_lib.methods.forward import forward_views
from workshop_lib.models import build_model


def model_and_views() -> tuple[nn.Module, list[torch.Tensor]]:
    torch.manual_seed(0)
    model = build_model("small_cnn", in_channels=3, num_classes=3, projection_dim=4)
    return model, [torch.randn(n, 3, 8, 8) for n in (2, 5, 1, 3)]


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 3, 4])
def test_each_view_gets_its_own_outputs_in_order(joint: bool, kept: int) -> None:
    model, views = model_and_views()
    model.eval()  # no batch statistics: each view's answer is its own
    learning, asked = forward_views(model, views[:kept], views[kept:], joint)
    assert (len(learning), len(asked)) == (kept, 4 - kept)
    for output, view in zip([*learning, *asked], views, strict=True):
        alone = model(view)
        torch.testing.assert_close(output.logits, alone.logits)
        torch.testing.assert_close(output.embedding, alone.embedding)
    assert all(o.logits.requires_grad and o.embedding.requires_grad for o in learning)
    assert not any(o.logits.requires_grad or o.embedding.requires_grad for o in asked)


def test_apart_each_kind_has_batch_statistics_of_its_own() -> None:
    model, (a, b, c, d) = model_and_views()
    twin = copy.deepcopy(model)
    (one, two), (three, four) = forward_views(model, [a, b], [c, d])
    asked = twin(torch.cat([c, d])).logits
    learning = twin(torch.cat([a, b])).logits
    torch.testing.assert_close(torch.cat([one.logits, two.logits]), learning)
    torch.testing.assert_close(torch.cat([three.logits, four.logits]), asked)


def test_nothing_to_ask_is_one_forward() -> None:
    model, views = model_and_views()
    assert forward_views(model, views)[1] == []
    assert model.state_dict()["trunk.1.num_batches_tracked"] == 1

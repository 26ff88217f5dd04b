"""Parameter counts and outputs equal those of independent reference networks."""

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.golden import golden
from workshop_lib.models import HeadSpec, Model, build_model
from workshop_lib.models.build import build_backbone
from workshop_lib.models.class_heads import Categorical
from workshop_lib.models.fusion import Encoder
from workshop_lib.models.model import ProjectionHead
from workshop_lib.models.residual import WideBlock, wide_resnet

BACKBONE = "encoder.backbones.all.stages."


def our_names(model: nn.Module) -> dict[str, str]:
    """Map a reference's names of all tensors to ours."""
    names = {}
    for ours in model.state_dict():
        theirs = re.sub(re.escape(BACKBONE) + r"\d+\.", "", ours)
        theirs = re.sub(r"^(block\d)\.", r"\1.layer.", theirs)
        theirs = theirs.replace("shortcut.", "convShortcut.")
        theirs = theirs.removeprefix("projection.")
        names[theirs] = ours
        head = theirs.removeprefix("heads.scene.score.0.")
        names["fc." + head] = names["classifier." + head] = ours
    return names


def load(model: nn.Module, weights: dict[str, Tensor]) -> None:
    names = our_names(model)
    weights = {names[theirs]: value for theirs, value in weights.items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(
        name.endswith(("num_batches_tracked", "prior", "class_weights"))
        for name in missing
    )


def reference(backbone: Callable[[int], nn.Module], K: int, D: int = 0) -> Model:
    """Build a classifier of RGB images around a backbone, as the references have it."""
    encoder = Encoder({"rgb": 3}, backbone)
    (body,) = encoder.each_backbone()
    hidden, slope = body.projection_hidden or encoder.width, 0.1
    if body.projection_hidden:
        slope = 0.0
    projection = ProjectionHead(encoder.width, hidden, D, slope) if D else None
    heads = {"scene": Categorical(encoder.width, K)}
    return Model(encoder, heads, projection)


def formula_weights(names: np.ndarray, shapes: np.ndarray) -> dict[str, Tensor]:
    """The weights that the golden README defines by a hash of their position."""
    weights = {}
    for k, (name, text) in enumerate(zip(names, shapes, strict=True)):
        shape = tuple(int(n) for n in text.split("x"))
        h = np.arange(np.prod(shape), dtype=np.uint32)
        h += np.uint32(k * 0x9E3779B9 % 2**32)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x7FEB352D)
        h ^= h >> np.uint32(15)
        h *= np.uint32(0x846CA68B)
        h ^= h >> np.uint32(16)
        u = (h.astype(np.float64) / 2**31 - 1).reshape(shape)
        if len(shape) > 1:
            u *= np.sqrt(6 / np.prod(shape[1:]))
        elif name.endswith("running_var"):
            u = 1 + 0.3 * u
        elif name.endswith("weight"):
            u = 1 + 0.2 * u
        else:
            u *= 0.1
        weights[str(name)] = torch.from_numpy(u.astype(np.float32))
    return weights


def parameter_rows() -> list[tuple[str, int, int, int, int]]:
    data = golden("model_param_counts")
    rows = []
    for label, n, n_bn in zip(
        data["names"], data["n_parameters"], data["n_bn_running_values"], strict=True
    ):
        if "as-shipped" in label:  # carries a layer that it never uses
            continue
        name, k, *rest = str(label).split()
        projection = [int(r[5:]) for r in rest if r.startswith("proj=")]
        rows.append(
            (name.replace("_", "-"), int(k[2:]), sum(projection), int(n), int(n_bn))
        )
    return rows


@pytest.mark.parametrize(("name", "K", "projection", "n", "n_bn"), parameter_rows())
def test_parameter_counts(name, K, projection, n, n_bn):
    with torch.device("meta"):  # shapes only: nothing is allocated
        model = build_model(
            name,
            {"rgb": 3},
            {"scene": HeadSpec("categorical", K)},
            projection_dim=projection,
        )
    running = {k: v for k, v in model.named_buffers() if "running" in k}
    assert sum(p.numel() for p in model.parameters()) == n
    assert sum(b.numel() for b in running.values()) == n_bn


def test_all_rows_of_the_table_are_compared():
    assert len(parameter_rows()) == 14


@pytest.mark.parametrize("tag", ["same", "first", "stride2"])
def test_wide_block(tag):
    data = golden("model_wrn_blocks")
    block = WideBlock(
        int(data[f"{tag}/in"]),
        int(data[f"{tag}/out"]),
        stride=int(data[f"{tag}/stride"]),
        activate_shortcut=bool(data[f"{tag}/activate_before_residual"]),
        raw_input=True,  # as the references do
    )
    load(
        block,
        {str(k): torch.from_numpy(data[f"{tag}/w/{k}"]) for k in data[f"{tag}/keys"]},
    )
    block.double().eval()
    x = torch.from_numpy(data[f"{tag}/x"]).double()
    for mode, out in ((False, "out_eval"), (True, "out_train")):
        np.testing.assert_allclose(
            block.train(mode)(x).detach(), data[f"{tag}/{out}"], rtol=1e-8, atol=1e-9
        )


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float64, 1e-8, 1e-9), (torch.float32, 1e-4, 1e-4)],
)
def test_wrn_10_1_outputs_gradients_statistics(dtype, rtol, atol):
    data = golden("model_wrn_10_1")

    def same(ours: Tensor | None, key: str) -> None:
        assert ours is not None
        np.testing.assert_allclose(ours.detach(), data[key], rtol=rtol, atol=atol)

    backbone = partial(
        wide_resnet, depth=10, width=1, bn_momentum=0.001, raw_input=True
    )
    model = reference(backbone, int(data["num_classes"]))
    load(
        model,
        {
            str(k): torch.from_numpy(data[f"w{i:02d}/{k}"])
            for i, k in enumerate(data["keys"])
        },
    )
    model.to(dtype).eval()
    x = torch.from_numpy(data["x"]).to(dtype)
    same(model({"rgb": x})["scene"], "logits_eval")

    logits = model.train()({"rgb": x})["scene"]
    same(logits, "logits_train")
    loss = F.cross_entropy(logits, torch.from_numpy(data["ce_targets"]))
    same(loss, "ce_train")
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    same(gradients[BACKBONE + "0.conv1.weight"], "grad_conv1")
    same(gradients["heads.scene.score.0.weight"], "grad_fc_weight")
    after = [key for key in data if key.startswith("after/")]
    assert after
    names = our_names(model)
    for key in after:
        same(model.state_dict()[names[key.removeprefix("after/")]], key)


@pytest.mark.parametrize("name", ["wrn_10_2", "wrn_28_2", "resnet18"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_whole_network_with_projection(name, dtype):
    data = golden(f"model_formula_{name}_proj")
    rtol, atol = (1e-8, 1e-9) if dtype == torch.float64 else (1e-4, 1e-4)
    K, D = data["logits_eval"].shape[1], data["feats_eval"].shape[1]
    backbone = partial(build_backbone, name)
    if name != "resnet18":
        depth, width = (int(n) for n in name.split("_")[1:])
        backbone = partial(
            wide_resnet, depth=depth, width=width, bn_momentum=0.001, raw_input=True
        )
    model = reference(backbone, K, D)
    assert sum(p.numel() for p in model.parameters()) == data["n_params"]
    load(model, formula_weights(data["names"], data["shapes"]))
    model.to(dtype)
    x = torch.from_numpy(data["x"]).to(dtype)
    for mode in ("eval", "train"):
        out = model.train(mode == "train")({"rgb": x})
        for ours, key in ((out["scene"], "logits"), (out["projection"], "feats")):
            np.testing.assert_allclose(
                ours.detach(), data[f"{key}_{mode}"], rtol=rtol, atol=atol
            )
    state = model.state_dict()
    names = our_names(model)
    first = names[str(data["first_bn"])].rsplit(".", 1)[0]
    last = names[str(data["last_bn"])].rsplit(".", 1)[0]
    for prefix, module in (("first_bn", first), ("last_bn", last)):
        for short in ("mean", "var"):
            np.testing.assert_allclose(
                state[f"{module}.running_{short}"],
                data[f"{prefix}_{short}_after"],
                rtol=rtol,
                atol=atol,
            )

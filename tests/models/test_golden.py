"""Parameter counts and outputs equal those of independent reference networks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.models import WideResNet, build_model
from workshop_lib.models.resnet import ResNet
from workshop_lib.models.wide_resnet import WideBlock

GOLDEN = Path(__file__).parents[1] / "golden"

# The references' names of a Wide ResNet's parts, and ours.
RENAMED = (
    ("block1.layer.", "trunk.block1."),
    ("block2.layer.", "trunk.block2."),
    ("block3.layer.", "trunk.block3."),
    ("convShortcut.", "shortcut."),
)


def our_name(theirs: str) -> str:
    for head in ("fc1.", "fc2."):
        if theirs.startswith(head):
            return "projection." + theirs
    if theirs.startswith("fc."):
        return theirs.replace("fc.", "classifier.")
    if theirs.startswith("classifier."):
        return theirs
    for old, new in RENAMED:
        theirs = theirs.replace(old, new)
    return theirs if theirs.startswith("trunk.") else "trunk." + theirs


def load(model: nn.Module, weights: dict[str, Tensor]) -> None:
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)


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
        weights[our_name(str(name))] = torch.from_numpy(u.astype(np.float32))
    return weights


def parameter_rows() -> list[tuple[str, int, int, int, int]]:
    data = np.load(GOLDEN / "model_param_counts.npz")
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
def test_parameter_counts(
    name: str, K: int, projection: int, n: int, n_bn: int
) -> None:
    with torch.device("meta"):  # shapes only: nothing is allocated
        model = build_model(
            name, in_channels=3, num_classes=K, projection_dim=projection
        )
    running = {k: v for k, v in model.named_buffers() if "running" in k}
    assert sum(p.numel() for p in model.parameters()) == n
    assert sum(b.numel() for b in running.values()) == n_bn


def test_all_rows_of_the_table_are_compared() -> None:
    assert len(parameter_rows()) == 14


@pytest.mark.parametrize("tag", ["same", "first", "stride2"])
def test_wide_block(tag: str) -> None:
    data = np.load(GOLDEN / "model_wrn_blocks.npz")
    block = WideBlock(
        int(data[f"{tag}/in"]),
        int(data[f"{tag}/out"]),
        stride=int(data[f"{tag}/stride"]),
        activate_shortcut=bool(data[f"{tag}/activate_before_residual"]),
        raw_input=True,  # as the references do
    )
    load(
        block,
        {
            str(k).replace("convShortcut", "shortcut"): torch.from_numpy(
                data[f"{tag}/w/{k}"]
            )
            for k in data[f"{tag}/keys"]
        },
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
def test_wrn_10_1_outputs_gradients_statistics(
    dtype: torch.dtype, rtol: float, atol: float
) -> None:
    data = np.load(GOLDEN / "model_wrn_10_1.npz")

    def same(ours: Tensor | None, key: str) -> None:
        assert ours is not None
        np.testing.assert_allclose(ours.detach(), data[key], rtol=rtol, atol=atol)

    model = WideResNet(
        depth=10, width=1, num_classes=int(data["num_classes"]), raw_input=True
    )
    load(
        model,
        {
            our_name(str(k)): torch.from_numpy(data[f"w{i:02d}/{k}"])
            for i, k in enumerate(data["keys"])
        },
    )
    model.to(dtype).eval()
    x = torch.from_numpy(data["x"]).to(dtype)
    same(model(x).logits, "logits_eval")

    logits = model.train()(x).logits
    same(logits, "logits_train")
    loss = F.cross_entropy(logits, torch.from_numpy(data["ce_targets"]))
    same(loss, "ce_train")
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    same(gradients["trunk.conv1.weight"], "grad_conv1")
    same(gradients["classifier.weight"], "grad_fc_weight")
    after = [key for key in data.files if key.startswith("after/")]
    assert after
    for key in after:
        same(model.state_dict()[our_name(key.removeprefix("after/"))], key)


@pytest.mark.parametrize("name", ["wrn_10_2", "wrn_28_2", "resnet18"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_whole_network_with_projection(name: str, dtype: torch.dtype) -> None:
    data = np.load(GOLDEN / f"model_formula_{name}_proj.npz")
    rtol, atol = (1e-8, 1e-9) if dtype == torch.float64 else (1e-4, 1e-4)
    K, D = data["logits_eval"].shape[1], data["feats_eval"].shape[1]
    model: nn.Module
    if name == "resnet18":
        model = ResNet(name, num_classes=K, projection_dim=D)
    else:
        depth, width = (int(n) for n in name.split("_")[1:])
        model = WideResNet(
            depth=depth, width=width, num_classes=K, projection_dim=D, raw_input=True
        )
    assert sum(p.numel() for p in model.parameters()) == data["n_params"]
    load(model, formula_weights(data["names"], data["shapes"]))
    model.to(dtype)
    x = torch.from_numpy(data["x"]).to(dtype)
    for mode in ("eval", "train"):
        out = model.train(mode == "train")(x)
        for ours, key in ((out.logits, "logits"), (out.embedding, "feats")):
            np.testing.assert_allclose(
                ours.detach(), data[f"{key}_{mode}"], rtol=rtol, atol=atol
            )
    state = model.state_dict()
    first = our_name(str(data["first_bn"])).rsplit(".", 1)[0]
    last = our_name(str(data["last_bn"])).rsplit(".", 1)[0]
    for prefix, module in (("first_bn", first), ("last_bn", last)):
        for short in ("mean", "var"):
            np.testing.assert_allclose(
                state[f"{module}.running_{short}"],
                data[f"{prefix}_{short}_after"],
                rtol=rtol,
                atol=atol,
            )

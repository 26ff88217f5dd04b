"""Every method against the outputs of independent implementations, step by step."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.golden import golden
from tests.methods.given import Given, Told, ready
from workshop_lib.losses.contrastive import pseudo_label_graph
from workshop_lib.losses.memory import MemoryQueue
from workshop_lib.losses.pseudo_labels import fixmatch_loss
from workshop_lib.methods import (
    CCSSL,
    AdaMatch,
    Batch,
    CoMatch,
    FixMatch,
    FlexMatch,
    FreeMatch,
    SoftMatch,
    Spatiotemporal,
)
from workshop_lib.methods.base import alignments
from workshop_lib.models.class_heads import Categorical, MultiLabel

Golden = dict[str, Any]


class Near:
    """Compares in double precision tightly, in single precision loosely."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.rtol, self.atol = (1e-8, 1e-9) if dtype == torch.float64 else (1e-5, 1e-6)

    def same(self, ours: Tensor, theirs: Any, name: str = "") -> None:
        assert tuple(ours.shape) == np.shape(theirs), name
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs, self.rtol, self.atol, err_msg=name
        )


@pytest.fixture(params=[torch.float64, torch.float32], ids=["fp64", "fp32"])
def near(request: pytest.FixtureRequest) -> Iterator[Near]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield Near(request.param)
    torch.set_default_dtype(before)


def tensors(data, keys, step, near):
    found = (data[key] if step is None else data[key][step] for key in keys)
    return [torch.from_numpy(one).to(near.dtype).requires_grad_() for one in found]


def replay(data, near, method, model, states=None):
    """Take all steps of a method with one weak and one strong view."""
    method.train()
    many = np.ndim(data["loss"]) > 0
    for step in range(len(data["loss"])) if many else [None]:
        x, weak, strong = tensors(
            data, ["logits_x", "logits_u_w", "logits_u_s"], step, near
        )

        def at(key: str, step: int | None = step) -> Any:
            return data[key] if step is None else data[key][step]

        index = torch.from_numpy(at("idx_u")) if "idx_u" in data else None
        batch = Batch(
            ({"scene": x},),
            {"scene": torch.from_numpy(at("y"))},
            ({"scene": weak}, {"scene": strong}),
            index,
        )
        terms = dict(method.losses(model, batch))
        total = torch.stack(list(terms.values())).sum()
        total.backward()
        pseudo, mask = method.pseudo_labels["scene"]
        near.same(total, at("loss"), "loss")
        near.same(terms["scene/supervised"], at("Lx"), "Lx")
        near.same(terms["scene/unsupervised"] / method.lambda_u, at("Lu"), "Lu")
        near.same(mask, at("mask"), "mask")
        np.testing.assert_array_equal(pseudo, at("pseudo_label"))
        assert weak.grad is None and not at("grad_logits_u_w").any()
        near.same(strong.grad, at("grad_logits_u_s"), "gradient")
        for key, read in (states or {}).items():
            near.same(read().to(near.dtype), at(key), key)


def options(data: Golden, **theirs: str) -> dict[str, Any]:
    """Read hyperparameters that the implementation calls by other names."""
    return {ours: data[name].item() for ours, name in theirs.items()}


def scene(data: Golden, projection: int = 0) -> Given:
    return Given(projection, scene=Categorical(1, int(data["K"])))


@pytest.mark.parametrize("case", range(6))
def test_fixmatch(case: int, near: Near) -> None:
    data = golden(f"fixmatch_{case}")
    names = {"threshold": "threshold", "temperature": "T", "lambda_u": "lambda_u"}
    given = options(data, **names)
    method = FixMatch(**given)
    replay(data, near, ready(method, scene(data)), scene(data))
    # The teaching text says the same in one function.
    x, weak, strong = tensors(
        data, ["logits_x", "logits_u_w", "logits_u_s"], None, near
    )
    y = torch.from_numpy(data["y"])
    text = fixmatch_loss(x, y, weak, strong, **given)
    near.same(text.total, data["loss"])
    np.testing.assert_array_equal(text.mask, data["mask"])


@pytest.mark.parametrize("case", ["a", "b"])
def test_flexmatch(case: str, near: Near) -> None:
    data = golden(f"flexmatch_{case}")
    names = {"threshold": "p_cutoff", "warm_up": "thresh_warmup"}
    method = FlexMatch(**options(data, lambda_u="lambda_u", **names))
    ready(method, scene(data), images=int(data["ulb_dest_len"]))
    curriculum = method.curriculum["scene"]
    states = {
        "classwise_acc": lambda: curriculum.learned,
        "selected_label": lambda: curriculum.memory[:-1].argmax(1) - 1,
    }
    replay(data, near, method, scene(data), states)


@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
def test_freematch(case: str, near: Near) -> None:
    data = golden(f"freematch_{case}")
    names = {"momentum": "ema_p", "quantile": "use_quantile", "clip": "clip_thresh"}
    weights = {"lambda_u": "lambda_u", "lambda_e": "lambda_e"}
    method = ready(FreeMatch(**options(data, **names, **weights)), scene(data))
    adaptive = method.adaptive["scene"]
    states = {
        "p_model": lambda: adaptive.probs,
        "label_hist": lambda: adaptive.histogram,
        "time_p": lambda: adaptive.confidence,
    }
    replay(data, near, method, scene(data), states)


@pytest.mark.parametrize(
    "case", ["distalign_a", "distalign_b", "distalign_c", "plain_a", "plain_b"]
)
def test_softmatch(case: str, near: Near) -> None:
    data = golden(f"softmatch_{case}")
    names = {"momentum": "ema_p", "n_sigma": "n_sigma", "lambda_u": "lambda_u"}
    method = SoftMatch(alignment="distalign" in case, **options(data, **names))
    ready(method, scene(data))
    weigh = method.weigh["scene"]
    states = {"mu": lambda: weigh.mean, "var": lambda: weigh.variance}
    if method.alignment:
        if not data["dist_uniform"]:  # then the target follows the labelled images
            how = {"target": "labeled", "start": "first batch"}
            method.align = alignments(scene(data), method.momentum, **how)
        states["p_model"] = lambda: method.align["scene"].average
        states["p_target"] = lambda: method.align["scene"].wanted
    replay(data, near, method, scene(data), states)


@pytest.mark.parametrize("case", ["a", "b"])
def test_adamatch(case: str, near: Near) -> None:
    data = golden(f"adamatch_{case}")
    names = {"threshold": "p_cutoff", "momentum": "ema_p", "lambda_u": "lambda_u"}
    method = ready(AdaMatch(**options(data, **names)), scene(data))
    align = method.align["scene"]
    states = {
        "p_model": lambda: align.average,
        "p_target": lambda: align.wanted,
        "threshold_relative": lambda: method.log["scene/threshold"],
    }
    replay(data, near, method, scene(data), states)


def views_of_comatch(data: Golden, step: int, near: Near) -> dict[str, Tensor]:
    keys = [f"{kind}_{v}" for kind in ("logits", "feats") for v in VIEWS]
    return dict(zip(keys, tensors(data, keys, step, near), strict=True))


VIEWS = ("x", "u_w", "u_s0", "u_s1")


@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_comatch(case: str, near: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    data = golden(f"comatch_{case}")
    names = {name: name for name in ("threshold", "lambda_u", "lambda_c")}
    names |= {"alignment_batches": "da_len", "queue_batches": "queue_batch"}
    names |= {"memory_weight": "alpha", "graph_threshold": "contrast_threshold"}
    method = CoMatch(**options(data, graph_temperature="temperature", **names))
    model = scene(data, projection=int(data["D"]))
    ready(method, model, batch_size=int(data["B"]), mu=int(data["mu"]))
    method.train()
    for step in range(len(data["y"])):
        inputs = views_of_comatch(data, step, near)
        x, weak, strong, contrastive = (
            {"scene": inputs[f"logits_{v}"], "projection": inputs[f"feats_{v}"]}
            for v in VIEWS
        )
        # The implementation counts epochs: told from outside when to smooth.
        now = torch.tensor(bool(data["smoothed"][step]))
        monkeypatch.setattr(MemoryQueue, "is_full", property(lambda _, now=now: now))
        y = {"scene": torch.from_numpy(data["y"][step])}
        terms = dict(method.losses(model, Batch((x,), y, (weak, strong, contrastive))))
        total = torch.stack(list(terms.values())).sum()
        total.backward()
        probs, mask = method.pseudo_labels["scene"]
        window = method.window.window
        found = {
            "probs": probs,
            "Q": pseudo_label_graph(probs, method.graph_threshold),
            "loss": total,
            "Lx": terms["scene/supervised"],
            "Lu": terms["scene/unsupervised"] / method.lambda_u,
            "Lc": terms["contrast"] / method.lambda_c,
            "da_mean": window.rows[(window.pointer - 1) % len(window.rows)],
            "prob_avg": window.rows.sum(0) / window.filled,
            "queue_feats": method.memory.embeddings,
            "queue_probs": method.memory.probs,
        }
        for key, ours in found.items():
            if len(data[key]) == len(data["y"]):
                near.same(ours, data[key][step], f"{key} in step {step}")
        assert method.memory.queue.pointer == data["queue_ptr"][step]
        np.testing.assert_array_equal(probs.argmax(1), data["pseudo_label"][step])
        np.testing.assert_array_equal(mask, data["mask"][step])
        for name, tensor in inputs.items():
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            if f"grad_{name}" in data:
                near.same(gradient, data[f"grad_{name}"][step], f"grad_{name}")
    near.same(method.memory.embeddings, data["queue_feats"][-1])
    near.same(method.memory.probs, data["queue_probs"][-1])


@pytest.mark.parametrize("case", [0, 1])
def test_ccssl(case: int, near: Near) -> None:
    data = golden(f"ccssl_step_{case}")
    names = {"threshold": "threshold", "temperature": "T", "lambda_u": "lambda_u"}
    names |= {"lambda_c": "lambda_contrast", "contrast_temperature": "temperature"}
    # -1 where the implementation leaves it out
    foreign = max(0.0, float(data["T_push"]))
    method = CCSSL(ood_threshold=foreign, **options(data, **names))
    model = scene(data, projection=int(data["D"]))
    ready(method, model).train()
    names = ["logits_x", "logits_u_w", "logits_u_s0", "feats_u_s0", "feats_u_s1"]
    x, u_w, u_s, z_s, z_c = inputs = tensors(data, names, None, near)
    zeros = torch.zeros(len(u_w), int(data["D"]))
    batch = Batch(
        ({"scene": x, "projection": zeros[: len(x)]},),
        {"scene": torch.from_numpy(data["y"])},
        (
            {"scene": u_w, "projection": zeros},
            {"scene": u_s, "projection": z_s},
            {"scene": torch.zeros_like(u_s), "projection": z_c},
        ),
    )
    terms = dict(method.losses(model, batch))
    total = torch.stack(list(terms.values())).sum()
    total.backward()
    near.same(total, data["loss"])
    near.same(terms["contrast"] / method.lambda_c, data["Lcontrast"])
    for name, tensor in zip(names, inputs, strict=True):
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        near.same(gradient, data[f"grad_{name}"], name)


@pytest.mark.parametrize("case", ["single", "multi", "multi1"])
def test_spatiotemporal(case, near):
    """A teacher and a student; weak views, which it never sees, are NaN for it."""
    data = golden(f"stssl_fixmatch_{case}")
    cutoff, K = np.atleast_1d(data["p_cutoff"]), int(data["K"])
    pair = (float(cutoff[0]), float(cutoff[1])) if len(cutoff) == 2 else None
    several = bool(data["multilabel"])
    head = MultiLabel(1, K, thresholds=pair) if several else Categorical(1, K)
    model = Told(scene=head)
    given = options(data, lambda_u="lambda_u", lambda_d="lambda_d")
    method = Spatiotemporal(
        distill=str(data["distill_type"]), threshold=float(cutoff[-1]), **given
    )
    ready(method, model)

    def both(view: str) -> dict[str, Tensor]:
        found = {}
        for ours, theirs in (("scene", "logits"), ("context", "feat")):
            told = data[f"teacher_{theirs}_{view}"]
            alone = data.get(f"student_{theirs}_{view}", np.full_like(told, np.nan))
            rows = torch.from_numpy(np.stack([told, alone], 1)).to(near.dtype)
            found[ours] = rows.requires_grad_()
        return found

    x, weak, strong = (both(view) for view in ("x", "u_w", "u_s"))
    y = torch.from_numpy(data["y"])
    y = y.to(near.dtype) if several else y
    terms = dict(method.losses(model, Batch((x,), {"scene": y}, (weak, strong))))
    torch.stack(list(terms.values())).sum().backward()
    pseudo, mask = method.pseudo_labels["scene"]
    near.same(mask, data["mask"])
    np.testing.assert_array_equal(pseudo, data["pseudo_label"])
    for name, key in (("supervised", "sup_loss"), ("unsupervised", "unsup_loss")):
        near.same(terms[f"scene/{name}"], data[key] + data[f"student_{key}"], name)
    distance = given["lambda_d"] * data["student_distill_loss"]
    near.same(terms["distillation"], distance)
    near.same(sum(terms.values()), data["total_loss"] + data["student_total_loss"])
    assert weak["scene"].grad is None and weak["context"].grad is None
    learned = {"logits_x": x["scene"], "logits_u_s": strong["scene"]}
    for name, ours in {**learned, "feat_u_s": strong["context"]}.items():
        for column, who in enumerate(("teacher", "student")):
            near.same(ours.grad[:, column], data[f"grad_{who}_{name}"], name)

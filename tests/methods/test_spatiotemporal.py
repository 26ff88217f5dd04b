"""A teacher that is told the metadata, and a student that learns without them."""

import math
from collections import defaultdict
from dataclasses import replace

import pytest
import torch

from tests.methods.given import Told, ready
from tests.methods.networks import WIDTH, batch_for, small_model
from tests.methods.slow import IMAGES, Step, makers
from tests.training.tiny import compare, parts, quietly, short, tiny
from tests.training.tiny import until_first_validation as until_cut
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.inference import predict, single_sensor, stored_views
from workshop_lib.methods import METHODS, Batch, Spatiotemporal
from workshop_lib.methods.spatiotemporal import BASES
from workshop_lib.models import HeadSpec
from workshop_lib.models.build import build_model
from workshop_lib.models.class_heads import Categorical, MultiLabel
from workshop_lib.models.heads import Regression
from workshop_lib.training.trainer import Trainer

CASES = [(1, 1, 2, "mse"), (1, 3, 2, "mae"), (3, 2, 5, "cos"), (2, 2, 3, "none")]
LOOPS = [one for one in makers() if one[0] in BASES]


def terms_of(method, model, batch):
    """Add up the terms of one name, as a training does, and learn from all of them."""
    found = defaultdict(float)
    for name, term in method.losses(model, batch):
        found[name.removeprefix("scene/")] += term
    sum(found.values()).backward()
    return found


def slow_distance(kind, mine, theirs):
    total = 0.0
    for a, b in zip(mine, theirs, strict=True):
        pairs = list(zip(a, b, strict=True))
        errors = [abs(x - y) ** (1 + (kind == "mse")) for x, y in pairs]
        cosine = sum(x * y for x, y in pairs) / (math.hypot(*a) * math.hypot(*b))
        total += -cosine if kind == "cos" else sum(errors) / len(a)
    return total / len(mine)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("B", "mu", "K", "kind"), CASES)
@pytest.mark.parametrize(("base", "make", "options"), LOOPS)
def test_the_terms_are_the_loops_of_both_and_a_distance(
    base, make, options, B, mu, K, kind
):
    method = Spatiotemporal(base=base, distill=kind, lambda_d=0.7)
    method.rule = METHODS[base](**options)
    model = Told(scene=Categorical(1, K))
    ready(method, model, IMAGES, None, B, mu, steps=5).train()
    loops = make(), make()
    for step in range(3):
        both = told, alone = Step(step, B, mu, K), Step(step + 7, B, mu, K)
        alone.views["weak"], alone.answers = told.views["weak"], told

        def sample(view, both=both):
            scores = torch.stack([s.views[view] for s in both], 1)
            if view == "weak":
                scores[:, 1] = torch.nan  # which the student never sees
            z = [s.z[view] + 0.1 * (k + 1) for k, s in enumerate(both)]  # none is zero
            found = {"scene": scores, "context": torch.stack(z, 1)}
            return {name: values.requires_grad_() for name, values in found.items()}

        labeled = [sample(v) for v in ("x", "x_strong")[: len(method.labeled_views)]]
        weak, strong = sample("weak"), sample("strong")
        batch = Batch(tuple(labeled), {"scene": told.y}, (weak, strong), told.index)
        found = terms_of(method, model, batch)
        theirs, mine = (slow(s) for slow, s in zip(loops, both, strict=True))
        expected = {name: theirs[0][name] + mine[0][name] for name in theirs[0]}
        contexts = [one["context"] for one in (*labeled, strong)]
        if kind != "none":
            t, s = torch.cat(contexts).unbind(1)
            distance = slow_distance(kind, s.tolist(), t.tolist())
            expected["distillation"] = 0.7 * distance
        numbers = {name: term.item() for name, term in found.items()}
        assert numbers == pytest.approx(expected, rel=1e-8, abs=1e-12)
        assert method.pseudo_labels["scene"][1].tolist() == pytest.approx(theirs[1])
        assert weak["scene"].grad is None and weak["context"].grad is None
        for one in contexts if kind != "none" else ():
            t, s = one.grad.unbind(1)
            assert s.any() and not t.any()  # the student is drawn to the teacher


@pytest.mark.parametrize("base", BASES)
def test_every_base_teaches_both_networks_every_head(base):
    torch.manual_seed(0)
    heads = {
        "a": Categorical(WIDTH, 3),
        "tags": MultiLabel(WIDTH, 3, thresholds=None),
        "height": Regression(WIDTH),
        "cover": Categorical((WIDTH,), 3, dense=True),
    }
    model = small_model(heads)
    method = ready(Spatiotemporal(base=base, threshold=0.34), model)
    terms = terms_of(method, model, batch_for(method, model))
    kinds = ("supervised", "unsupervised")
    assert {f"{h}/{k}" for h in heads for k in kinds} | {"distillation"} <= set(terms)
    for name, p in (*model.named_parameters(), *method.named_parameters()):
        assert p.grad.isfinite().all() and p.grad.any(), name


@pytest.mark.parametrize("encoder", ["small_cnn", "vit-8"])
def test_the_student_sees_neither_weak_views_nor_metadata(encoder):
    torch.manual_seed(0)
    heads = {"scene": HeadSpec("categorical", 3)}
    model = build_model(encoder, {"s2": 3}, heads, metadata=2)
    method = ready(Spatiotemporal(), model).eval()
    networks, seen = (method.teacher, model.eval()), ([], [])
    for network, kept in zip(networks, seen, strict=True):
        network.register_forward_pre_hook(lambda _, x, k=kept: k.append(x[0]["s2"]))
    batch = batch_for(method, model, size=16)
    (x,), (weak, strong) = batch.labeled, batch.views
    distance = terms_of(method, model, batch)["distillation"]
    learned = torch.cat([x["s2"], strong["s2"]])
    wanted = [weak["s2"], learned], [learned]
    for found, expected in zip(seen, wanted, strict=True):
        assert all(map(torch.equal, found, expected)) and len(found) == len(expected)
    for network in networks:  # what stands in their place is learned
        assert network.encoder.metadata.layers[0].bias.grad.any()
    assert model.encoder.metadata.missing.grad.any()
    later = [one | {"metadata": one["metadata"] + 1} for one in (x, weak, strong)]
    (a, b), (c, d) = ([n(v)["context"] for v in (x, later[0])] for n in networks)
    assert not torch.allclose(a, b) and torch.equal(c, d)
    batch = replace(batch, labeled=(later[0],), views=tuple(later[1:]))
    assert terms_of(method, model, batch)["distillation"] != distance != 0


@pytest.mark.parametrize("encoder", ["small_cnn", "vit-8"])
def test_the_student_alone_predicts_and_without_metadata(encoder, tmp_path):
    scenes = tiny()
    config = short(method="spatiotemporal", base="freematch", encoder=encoder)
    run = quietly(tmp_path / "whole", config, scenes)
    until_cut(tmp_path / "cut", config, scenes)
    quietly(tmp_path / "cut", config, scenes)
    assert compare(tmp_path / "whole", tmp_path / "cut") == []
    assert run.log["distillation"].notna().all() and run.metadata == ()
    model, normalize = run.load_model()
    (without,) = stored_views(run, replace(scenes, metadata={}))
    dated = {**without, "metadata": torch.randn(len(scenes), 2)}
    one, two = (predict(model, s, normalize)["scene"] for s in (dated, without))
    assert torch.equal(one, two)
    network, bands = single_sensor(run)
    scores = network(bands(scenes.images)).detach()
    torch.testing.assert_close(scores.softmax(1), two)


def test_one_optimiser_moves_both_and_the_average_is_the_students():
    options = {"encoder_lr": 0.1, "warmup_steps": 0}
    config, scenes = short(method="spatiotemporal", **options), tiny()
    trainer = Trainer(config, scenes, parts(scenes), torch.device("cpu"))
    student, teacher = trainer.model, trainer.method.teacher
    groups = [{id(p) for p in g["params"]} for g in trainer.optimizer.param_groups]
    for p, q in zip(student.parameters(), teacher.parameters(), strict=True):
        assert [id(p) in g for g in groups] == [id(q) in g for g in groups]
    p, q = (next(n.heads.parameters()) for n in (student, teacher))
    before = p.clone()
    assert torch.equal(p, q)
    trainer.step()
    assert not (torch.equal(p, q) or torch.equal(p, before) or torch.equal(q, before))
    assert not trainer.ema.model.encoder.reads_metadata


def test_the_options_reach_the_base_and_wrong_ones_are_told():
    rule = Spatiotemporal(base="softmatch", momentum=0.4, alignment=True).rule
    assert isinstance(rule, BASES["softmatch"]) and rule.alignment
    assert (rule.momentum, rule.lambda_u, rule.joint_forward) == (0.4, 1.0, False)
    rule = Spatiotemporal(base="defixmatch", threshold=0.6, lambda_u=3).rule
    assert (rule.threshold, rule.lambda_u) == (0.6, 1.5)
    for wrong, words in (({"base": "uda"}, "fixmatch"), ({"distill": "mes"}, "'mse'")):
        with pytest.raises(WorkshopError, match=words):
            Spatiotemporal(**wrong)
    plain = build_model("small_cnn", {"s2": 3}, {"scene": HeadSpec("categorical", 3)})
    with pytest.raises(WorkshopError, match=r"--metadata place date"):
        ready(Spatiotemporal(), plain)

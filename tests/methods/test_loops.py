"""Every method against for-loops over plain numbers, several steps long."""

import math

import pytest
import torch

from tests.methods.given import Given, ready
from tests.methods.slow import IMAGES, Step, makers
from workshop_lib.losses.contrastive import class_aware_contrast, contrast_weights
from workshop_lib.methods import METHODS
from workshop_lib.methods.propagation import LabelPropagationWarmup
from workshop_lib.models.class_heads import Categorical

pytestmark = pytest.mark.usefixtures("double")
SIZES = [(1, 1, 2), (1, 3, 2), (3, 2, 5)]  # B, mu, K
STEPS = 4
FIXMATCH = METHODS["fixmatch"]
IDS = [f"{name}-{k}" for k, (name, *_) in enumerate(makers())]


@pytest.mark.parametrize(("B", "mu", "K"), SIZES)
@pytest.mark.parametrize(("name", "make", "options"), list(makers()), ids=IDS)
def test_terms_mask_and_gradient_are_those_of_a_loop(name, make, options, B, mu, K):
    method, slow = METHODS[name](**options), make()
    model = Given(4, scene=Categorical(1, K))
    # More images than are ever drawn: they must not count.
    ready(method, model, IMAGES + 3, IMAGES, B, mu, steps=5).train()
    for step in range(STEPS):
        s = Step(step, B, mu, K)
        terms = s.terms(method, model)
        expected, mask = slow(s)
        found = {key.removeprefix("scene/"): term.item() for key, term in terms.items()}
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-12), step
        weights = method.pseudo_labels["scene"][1]
        assert weights.tolist() == pytest.approx(mask, rel=1e-8)
        assert ((weights >= 0) & (weights <= 1)).all()
        assert method.log["scene/mask_rate"].item() == pytest.approx(sum(mask) / s.N)
        torch.stack(list(terms.values())).sum().backward()
        if name != "pseudo_label":  # which asks the view that learns
            assert s.views["weak"].grad is None
            learns = s.views["strong"].grad
            assert learns is not None and bool(learns.any()) == bool(sum(mask))
        method.after_step(model)


@pytest.mark.parametrize("joint", [False, True])
def test_class_aware_comatch_is_comatch_and_the_contrast(joint):
    common = {"threshold": 0.5, "lambda_c": 0.7, "joint_forward": joint}
    plain = METHODS["comatch"](**common)
    both = METHODS["ccssl_comatch"](
        **common, ood_threshold=0.4, contrast_temperature=0.1
    )
    model, s = Given(4, scene=Categorical(1, 3)), Step(0, 2, 2, 3)
    one, two = (
        dict(ready(m, model, batch_size=2, mu=2).losses(model, s.batch(m)))
        for m in (plain, both)
    )
    weights = contrast_weights(both.pseudo_labels["scene"][0], 0.4)
    z0, z1 = s.z["strong"], s.z["contrastive"]
    contrast = 0.7 * class_aware_contrast(z0, z1, weights, 0.1)
    torch.testing.assert_close(two.pop("class_contrast"), contrast)
    assert two == one


def test_the_warm_up_is_the_weighted_loss_of_the_propagated_labels():
    model, s = Given(scene=Categorical(1, 3)), Step(0, 2, 2, 3)
    guess = torch.arange(IMAGES) % 3
    sure = torch.linspace(0, 1, IMAGES)
    method = LabelPropagationWarmup(FIXMATCH(), "scene", guess, sure)
    terms = dict(method.losses(model, s.batch(FIXMATCH())))
    targets = [[float(k == guess[i]) for k in range(3)] for i in s.index]
    weights = [sure[i].item() for i in s.index]
    assert terms["scene/supervised"].item() == pytest.approx(s.supervised())
    expected = s.consistency(targets, weights)
    assert terms["scene/unsupervised"].item() == pytest.approx(expected)
    assert torch.equal(method.pseudo_labels["scene"][0], guess[s.index])


def test_supervised_is_the_cross_entropy_of_the_known_labels():
    s, method = Step(0, 3, 1, 3), METHODS["supervised"](labeled_view="strong")
    s.y = torch.tensor([0, -1, 2])
    model = Given(scene=Categorical(1, 3))
    terms = s.terms(method, model)
    p = s.probs("x")
    expected = -(math.log(p[0][0]) + math.log(p[2][2])) / 2
    assert list(terms) == ["scene/supervised"]
    assert terms["scene/supervised"].item() == pytest.approx(expected)
    assert method.labeled_views == ("strong",) and method.views == ()

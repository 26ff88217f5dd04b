"""Methods on pixels, several labels and numbers: against loops and scenes."""

import math

import pytest
import torch

from tests.losses.draws import draw, slow_softmax
from tests.methods.given import Given, made, ready
from tests.methods.slow import IMAGES, Step
from workshop_lib.methods import METHODS, Batch
from workshop_lib.models.class_heads import Categorical, MultiLabel

pytestmark = pytest.mark.usefixtures("double")
FIXMATCH = METHODS["fixmatch"]


# Methods of one view of pixels or labels: not those that compare whole images.
EVERYWHERE = [k for k, m in METHODS.items() if m.views and not m.needs_projection]
# Scores and labels of a scene, in the form of another head
FORMS = {
    "scene": (lambda x: x, lambda y: y),
    "one pixel": (lambda x: x[..., None, None], lambda y: y[:, None, None]),
    "one label": (lambda x: x[:, 1:], lambda y: y[:, None].double()),
}
OPTIONS = {"threshold": 0.6, "momentum": 0.5, "lambda_e": 0.0, "alignment": False}


@pytest.mark.parametrize("kind", ["one pixel", "one label"])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_map_of_one_pixel_and_one_label_are_like_a_scene(name, kind):
    """The same numbers in another shape: a tile of 1 x 1, or a choice of two."""
    K = 2 if kind == "one label" else 3
    heads = {
        "scene": Categorical(1, K),
        "one pixel": Categorical((1,), K, dense=True),
        "one label": MultiLabel(1, 1, thresholds=None),
    }
    found = []
    for which in ("scene", kind):
        model = Given(scene=heads[which])
        method = ready(made(name, **OPTIONS), model, IMAGES, None, 2, 3)
        numbers = []
        for step in range(3):
            s = Step(step, 2, 3, K)
            for rows in s.views.values():
                rows[:, 0] = 0 if K == 2 else rows[:, 0]
            batch = s.batch(method)
            form, known = FORMS[which]
            labeled, views = (
                tuple({"scene": form(x["scene"])} for x in some)
                for some in (batch.labeled, batch.views)
            )
            batch = Batch(labeled, {"scene": known(s.y)}, views, batch.index)
            terms = dict(method.losses(model, batch))
            terms.pop("scene/fairness", None)
            numbers += [value.item() for value in terms.values()]
            target, weight = method.pseudo_labels["scene"]
            numbers += weight.flatten().tolist()
            if name != "uda":  # whose targets are distributions
                numbers += target.double().flatten().tolist()
            method.after_step(model)
        found.append(numbers)
    assert found[1] == pytest.approx(found[0], rel=1e-6)


@pytest.mark.parametrize("alignment", [False, True])
def test_pixels_follow_cutmix_and_cutout_as_in_a_loop(alignment):
    B, N, K, H, W = 2, 3, 3, 4, 5
    head = Categorical((1,), K, dense=True)
    head.prior.copy_(torch.tensor([0.2, 0.5, 0.3]))
    model = Given(cover=head)
    x, weak, strong = (draw(n, K, H, W, seed=n + k) for k, n in enumerate((B, N, N)))
    y = torch.randint(0, K, (B, H, W)).to(torch.uint8)
    y[0, 1:] = 255
    box, shown = draw(H, W, seed=7) > 0, (draw(N, H, W, seed=8) > -1).double()
    follow = lambda t: torch.where(box, t.roll(1, 0), t) * shown.to(t.dtype)  # noqa: E731
    method = ready(FIXMATCH(threshold=0.6, alignment=alignment, momentum=0.0), model)
    batch = Batch(
        ({"cover": x},),
        {"cover": y},
        ({"cover": weak}, {"cover": strong}),
        None,
        follow,
    )
    terms = dict(method.losses(model, batch))
    q = weak.softmax(1)
    if alignment:
        q = q * (head.prior / q.mean((0, 2, 3)))[:, None, None]
        q = q / q.sum(1, keepdim=True)
        share = q.mean((0, 2, 3))  # far nearer to the labels' than before
        assert (share - head.prior).abs().sum() < 0.2
    total = visible = count = supervised = 0.0
    for i in range(N):
        for r in range(H):
            for c in range(W):
                source = (i - 1) % N if box[r, c] else i
                row = q[source, :, r, c].tolist()
                visible += shown[i, r, c].item()
                if shown[i, r, c] and max(row) >= 0.6:
                    p = slow_softmax(strong[i, :, r, c].tolist())
                    total -= math.log(p[row.index(max(row))])
                    count += 1
    for b, r, c in (y != 255).nonzero().tolist():
        p = slow_softmax(x[b, :, r, c].tolist())
        supervised -= math.log(p[int(y[b, r, c])]) / int((y != 255).sum())
    assert 0 < count < visible < N * H * W
    assert terms["cover/unsupervised"].item() == pytest.approx(
        total / visible, rel=1e-4
    )
    assert terms["cover/supervised"].item() == pytest.approx(supervised)
    assert method.log["cover/mask_rate"].item() == pytest.approx(count / visible)

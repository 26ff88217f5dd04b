"""Pixel methods: against loops, and against the methods for images on 1 x 1 tiles."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS, PIXEL_METHODS, Batch, build_method
from workshop_lib.methods.fixmatch import FixMatch
from workshop_lib.methods.pixel_fixmatch import PixelFixMatch, pixel_consistency
from workshop_lib.methods.pixel_freematch import PixelFreeMatch
from workshop_lib.methods.pixel_supervised import PixelSupervised
from workshop_lib.models.output import Output
from workshop_lib.pixels import IGNORE
from workshop_lib.recipe import Recipe

K = 3


class Scorer(nn.Module):
    """A network without a batch norm: what it says of a pixel is of that pixel."""

    def __init__(self):
        super().__init__()
        self.score = nn.Conv2d(4, K, 1)

    def forward(self, x):
        logits = self.score(x)
        return Output(logits, logits.mean((2, 3)))


class FlatScorer(Scorer):
    def forward(self, x):
        logits = self.score(x)[:, :, 0, 0]
        return Output(logits, logits)


def tiles(H=6, W=5, B=3, n=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(0, K, (B, H, W), generator=g).to(torch.uint8)
    y[0] = IGNORE
    source = torch.randint(-1, n * H * W, (n, H, W), generator=g)
    views = [2 * torch.randn(m, 4, H, W, generator=g) for m in (B, n, n)]
    return Batch((views[0],), y, tuple(views[1:]), source=source)


def scorer(kind=Scorer):
    torch.manual_seed(0)
    return kind()


def test_consistency_is_that_of_a_loop_over_pixels():
    g = torch.Generator().manual_seed(0)
    n, H, W = 3, 4, 5
    logits = torch.randn(n, K, H, W, generator=g, dtype=torch.float64)
    pseudo = torch.randint(0, K, (n * H * W,), generator=g)
    mask = (torch.rand(n * H * W, generator=g) < 0.5).double()
    source = torch.randint(-1, n * H * W, (n, H, W), generator=g)
    total = shown = 0.0
    for i in range(n):
        for r in range(H):
            for c in range(W):
                s = int(source[i, r, c])
                if s < 0:
                    continue
                shown += 1
                if mask[s]:
                    total -= float(logits[i, :, r, c].log_softmax(0)[pseudo[s]])
    found = pixel_consistency(logits, pseudo, mask, source)
    assert float(found) == pytest.approx(total / shown)
    nowhere = torch.full_like(source, -1)
    assert float(pixel_consistency(logits, pseudo, mask, nowhere)) == 0


def test_on_tiles_of_one_pixel_it_is_fixmatch():
    batch = tiles(1, 1, B=4, n=6)
    batch = Batch(
        batch.x_lab,
        torch.tensor([0, 1, 2, 1]).view(4, 1, 1),
        batch.x_unl,
        source=torch.arange(6).view(6, 1, 1),
    )
    flat = Batch(batch.x_lab, batch.y_lab.flatten(), batch.x_unl)
    knobs = {"num_classes": K, "threshold": 0.6, "alignment": False, "lambda_u": 2.0}
    pixel, whole = PixelFixMatch(**knobs), FixMatch(**knobs)
    found = pixel(scorer(), batch)
    expected = whole(scorer(FlatScorer), flat)
    assert torch.allclose(found.total, expected.total)
    for name in ("loss_x", "loss_u", "mask_rate"):
        assert torch.allclose(found.parts[name], expected.parts[name]), name
    assert torch.equal(found.pseudo_labels, expected.pseudo_labels)
    assert torch.equal(found.mask, expected.mask)
    assert 0 < found.mask.mean() < 1


@pytest.mark.parametrize("name", PIXEL_METHODS)
def test_gradient_reaches_the_network_and_comes_from_no_pseudo_label(name):
    method = PIXEL_METHODS[name](num_classes=K)
    batch = tiles()
    if not method.views:
        batch = Batch(batch.x_lab, batch.y_lab)
    else:
        batch.x_unl[0].requires_grad_()
    model = scorer()
    terms = method(model, batch)
    terms.total.backward()
    assert model.score.weight.grad.abs().sum() > 0
    if method.views:
        assert batch.x_unl[0].grad is None
        assert terms.pseudo_labels.shape == terms.mask.shape == (4 * 6 * 5,)


@pytest.mark.parametrize("name", PIXEL_METHODS)
def test_tiles_of_which_nothing_is_known_teach_nothing_and_break_nothing(name):
    method = PIXEL_METHODS[name](num_classes=K)
    full = tiles()
    y = torch.full_like(full.y_lab, IGNORE)
    source = torch.full_like(full.source, -1)
    batch = Batch(full.x_lab, y, full.x_unl, source=source)
    if not method.views:
        batch = Batch(full.x_lab, y)
    model = scorer()
    terms = method(model, batch)
    terms.total.backward()
    assert float(terms.total) == 0
    assert (model.score.weight.grad == 0).all()


def test_alignment_brings_the_shares_of_the_labeled_pixels():
    """Whatever the network prefers, aligned it comes to what the labels say."""
    method = PixelFixMatch(num_classes=K, running_momentum=0.0)
    counts = torch.tensor([10.0, 80.0, 10.0])
    method.prepare(counts, torch.ones(K))
    batch = tiles(n=40)
    model = scorer()
    method(model, batch)
    logits = model(batch.x_unl[0]).logits.permute(0, 2, 3, 1).flatten(0, 2)
    aligned = method.align.divide(logits.softmax(1))
    before = (logits.softmax(1).mean(0) - counts / 100).abs().sum()
    assert (aligned.mean(0) - counts / 100).abs().sum() < before / 2
    method.eval()
    kept = method.align.average.clone()
    method(model, tiles(seed=1))
    assert torch.equal(method.align.average, kept)


def test_freematch_lets_rare_classes_through_earlier():
    method = PixelFreeMatch(num_classes=K, running_momentum=0.0, alignment=False)
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(3000, K, generator=g) + torch.tensor([2.0, 0.0, -2.0])
    probs = logits.softmax(1)
    mask, pseudo = method.confident(probs), probs.argmax(1)
    confidence = probs.amax(1)
    lowest = [confidence[(pseudo == k) & (mask > 0)].min() for k in range(K)]
    assert lowest[2] < lowest[0]  # the rare class needs less
    tau, share = confidence.mean(), probs.mean(0)
    expected = confidence >= (tau * share / share.max())[pseudo]
    assert torch.equal(mask.bool(), expected)


def test_class_weights_count_in_the_labeled_loss_only():
    batch = tiles()
    plain, weighted = (PixelSupervised(num_classes=K) for _ in range(2))
    weights = torch.tensor([3.0, 1.0, 0.2])
    weighted.prepare(torch.tensor([1.0, 2.0, 3.0]), weights)
    model = scorer()
    alone = Batch(batch.x_lab, batch.y_lab)
    expected = F.cross_entropy(
        model(batch.x_lab[0]).logits, batch.y_lab.long(), weights, ignore_index=IGNORE
    )
    assert torch.allclose(weighted(model, alone).total, expected)
    assert not torch.allclose(plain(model, alone).total, expected)


def test_a_recipe_finds_the_method_of_its_task():
    recipe = Recipe(task="segment", model="unet-4")
    for name, kind in PIXEL_METHODS.items():
        assert type(build_method(recipe.with_(method=name), K)) is kind
        assert type(build_method(Recipe(method=name), K)) is METHODS[name]
    with pytest.raises(WorkshopError, match="task='segment'.*comatch"):
        build_method(recipe.with_(method="comatch"), K)
    with pytest.raises(WorkshopError, match="without source"):
        full = tiles()
        PixelFixMatch(num_classes=K)(
            scorer(), Batch(full.x_lab, full.y_lab, full.x_unl)
        )

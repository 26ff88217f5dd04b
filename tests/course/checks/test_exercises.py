"""Right answers pass however they are written; wrong ones get a hint, never praise.

`test_checks.py` tries the mistakes that a check lists; here are answers as learners
write them, including answers that no list anticipates.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.course.checks import test_splits, views
from workshop_lib import pixels
from workshop_lib.augment import BandNormalize
from workshop_lib.augment.occlusion import Follow
from workshop_lib.course import checks
from workshop_lib.course.checks import multitask
from workshop_lib.data.metadata import METADATA_ENCODERS
from workshop_lib.data.mini_eo import CLIMATE_ZONES
from workshop_lib.evaluation.embeddings import nearest
from workshop_lib.evaluation.metrics import score
from workshop_lib.losses import nt_xent, pseudo_labels
from workshop_lib.models.class_heads import Categorical

# ---- unit 01


def looped(image, kernel):
    H, W = image.shape
    result = torch.zeros(H - 2, W - 2)
    for i in range(H - 2):
        for j in range(W - 2):
            result[i, j] = (image[i : i + 3, j : j + 3] * kernel).sum()
    return result


# ---- unit 02


def counted_one_by_one(labels, index, K):
    return [int((labels[index] == k).sum()) for k in range(K)]


# ---- unit 04


def ten_lines(logits_x, y, logits_u_w, logits_u_s, threshold):
    loss_x = F.cross_entropy(logits_x, y)
    probs = torch.softmax(logits_u_w.detach(), dim=1)
    confidence, pseudo = probs.max(dim=1)
    mask = (confidence >= threshold).float()
    each = F.cross_entropy(logits_u_s, pseudo, reduction="none")
    return loss_x + (each * mask).mean()


def image_by_image(logits_x, y, logits_u_w, logits_u_s, threshold):
    total = sum(-z.log_softmax(0)[k] for z, k in zip(logits_x, y, strict=True)) / len(y)
    for weak, strong in zip(logits_u_w, logits_u_s, strict=True):
        probs = weak.softmax(0)
        if probs.max() >= threshold:
            total = total - strong.log_softmax(0)[probs.argmax()] / len(logits_u_w)
    return total


def librarys_loss(logits_x, y, logits_u_w, logits_u_s, threshold):
    probs = pseudo_labels.pseudo_label(logits_u_w)
    mask = pseudo_labels.confidence_mask(probs, threshold)
    loss_u = pseudo_labels.consistency_loss(logits_u_s, probs.argmax(dim=1), mask)
    return F.cross_entropy(logits_x, y) + loss_u


def by_confidence(x, y, w, s, t):
    """Right in value, but the weak view learns."""
    confidence, pseudo = w.softmax(1).max(1)
    mask = (confidence >= t).float() * confidence / confidence.detach()
    each = F.cross_entropy(s, pseudo, reduction="none")
    return F.cross_entropy(x, y) + (each * mask).mean()


# ---- unit 05


def names(K):
    return [str(k) for k in range(K)]


def row_by_row(probs, labels, k):
    pairs = zip(probs, labels, strict=True)
    return np.mean([int(c) in row.topk(k).indices.tolist() for row, c in pairs])


# ---- unit 06


def unit(x):
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


def all_but_the_query(x, query, k):
    order = (-unit(x) @ unit(x)[query]).argsort().tolist()
    return [i for i in order if i != query][:k]


def librarys_nearest(x, query, k):
    return nearest(x.numpy(), np.array([query]), k)[0][0]


def knn(x, a, y, b):
    return (a[(unit(y) @ unit(x).T).argmax(1)] == b).float().mean()


# ---- unit 07


def encode(day, zone, num_zones):
    angle = 2 * np.pi * day.numpy() / 365
    onehot = np.eye(num_zones)[zone.numpy()]
    return np.column_stack([np.sin(angle), np.cos(angle), onehot])


def librarys_statistics(images, train):
    fitted = BandNormalize.fit(images, train)
    return fitted.mean, fitted.std


def with_numpy(images, train):
    some = images[train].double().numpy()
    return np.nanmean(some, (0, 2, 3)), np.nanstd(some, (0, 2, 3), ddof=1)


# ---- unit 08


def begin(side, window, overlap):
    found, position = [], 0
    while position + window < side:
        found.append(position)
        position += window - overlap
    return [*found, max(side - window, 0)]


def iou_by_class(truth, predicted, K, unknown=255):
    shares = []
    for k in range(K):
        here = (truth == k) & (truth != unknown)
        said = (predicted == k) & (truth != unknown)
        if (here | said).any():
            shares.append(float((here & said).sum() / (here | said).sum()))
    return sum(shares) / len(shares)


def librarys_iou(truth, predicted, K):
    return pixels.mean_iou(pixels.pixel_confusion(truth, predicted, K))


def no_filter(truth, predicted, K):
    pairs = truth.flatten().long() * K + predicted.flatten().long()
    counts = torch.bincount(pairs, minlength=K * K).view(K, K)  # 255 has no row
    return (counts.diag() / (counts.sum(0) + counts.sum(1) - counts.diag())).mean()


def pixel_loss(weak, strong, box, hole, threshold):
    """Pixel by pixel, each from the tile that it shows."""
    total = 0.0
    for n, row, column in (~hole).nonzero().tolist():
        tile = n - 1 if box[n, row, column] else n
        probs = weak[tile, :, row, column].detach().softmax(0)
        if probs.max() >= threshold:
            scores = strong[n, :, row, column].log_softmax(0)
            total = total - scores[probs.argmax()]
    return total / (~hole).sum() + 0 * strong.sum()


def librarys_pixels(weak, strong, box, hole, threshold):
    """Follow CutMix and cutout as the views of a training do."""
    after = Follow(boxes=box, distance=1, hidden=hole)
    confidence, labels = weak.detach().softmax(1).max(1)
    mask = after((confidence >= threshold).float())
    each = F.cross_entropy(strong, after(labels), reduction="none")
    return (each * mask).sum() / after(torch.ones_like(mask)).sum()


def teaches_the_weak_view(weak, strong, box, hole, threshold):
    confidence = weak.softmax(1).amax(1)
    pull = (confidence - confidence.detach())[~hole].mean()  # 0, but with a gradient
    return librarys_pixels(weak, strong, box, hole, threshold) + pull


# ---- unit 09


def task_by_task(out, target, weights):
    """As torch does it: a class to ignore, and a batch without any counts 0."""
    with_map = (target["cover"] != 255).any()
    cover = F.cross_entropy(out["cover"], target["cover"], ignore_index=255)
    known = ~target["elevation"].isnan()
    height = F.mse_loss(out["elevation"][known], target["elevation"][known])
    scene = F.cross_entropy(out["scene"], target["scene"], ignore_index=-1)
    parts = {"scene": scene, "cover": cover, "elevation": height}
    parts["cover"] = cover if with_map else 0 * out["cover"].sum()
    return sum(weights[name] * part for name, part in parts.items())


def librarys_heads(out, target, weights):
    """The library's heads; its number is compared by the Huber loss, so not here."""
    heads = {"scene": Categorical(8, 4), "cover": Categorical([8], 3, dense=True)}
    total = sum(
        weights[name] * head.supervised_loss(out[name], target[name])
        for name, head in heads.items()
    )
    only = {**weights, "scene": 0, "cover": 0}
    return total + task_by_task(out, target, only)


def masked_too_late(out, target, weights):
    """Its value is right, but NaN * 0 comes back in the gradient of a root."""
    known = ~target["elevation"].isnan()
    error = (out["elevation"] - target["elevation"]).square().sqrt()
    height = torch.where(known, error, 0).square().sum() / known.sum()
    return task_by_task(out, target, {**weights, "elevation": 0}) + (
        weights["elevation"] * height
    )


def by_norms(a, b):
    one, two = (torch.hstack([g.ravel() for g in grads]) for grads in (a, b))
    return (one @ two / (one.norm() * two.norm())).item()


# ---- unit 10


def view_by_view(z0, z1, temperature):
    z, N = [*z0, *z1], len(z0)
    total = 0.0
    for i, own in enumerate(z):
        scores = [F.cosine_similarity(own, other, 0) / temperature for other in z]
        others = torch.stack([s for k, s in enumerate(scores) if k != i])
        total = total + others.logsumexp(0) - scores[(i + N) % (2 * N)]
    return total / (2 * N)


def places_found(z0, z1):
    cosines = [[float(F.cosine_similarity(a, b, 0)) for b in z1] for a in z0]
    return np.mean([np.argmax(row) == i for i, row in enumerate(cosines)])


# ---- unit 11


def token_by_token(tokens, metadata, first, second, position):
    made = [second(F.gelu(first(m))) + position for m in metadata]
    return [[*sequence, token] for sequence, token in zip(tokens, made, strict=True)]


def from_teacher(teacher, student, z_teacher, z_student, threshold, lambda_d):
    confidence, pseudo = teacher.detach().softmax(1).max(1)
    each = F.cross_entropy(student, pseudo, reduction="none")
    apart = (z_student - z_teacher.detach()).pow(2).mean()
    return (each * (confidence >= threshold)).mean() + lambda_d * apart


RIGHT = {
    "convolve": [looped],
    "majority_accuracy": [lambda y: (y == y.mode().values).double().mean()],
    "count_labels": [
        counted_one_by_one,
        lambda y, index, K: np.bincount(y[index].numpy(), minlength=K),
    ],
    "predict_memory": [
        lambda kept, B, mu: sum(
            np.prod([maps, channels, side, side, 4]) * n
            for maps, channels, side in kept
            for n in (B, mu * B, mu * B)
        ),
    ],
    "confidence_mask": [
        lambda z, t: (z.softmax(1).amax(1) >= t).float(),
        lambda z, t: [float(row.softmax(0).max() >= t) for row in z],
        lambda z, t: (z.softmax(1) >= t).any(1),
    ],
    "fixmatch_loss": [ten_lines, image_by_image, librarys_loss],
    "top_k_accuracy": [
        row_by_row,
        lambda p, y, k: score(p, y, names(p.shape[1]), k=k).top_k,
    ],
    "nearest_neighbours": [
        all_but_the_query,
        librarys_nearest,
        lambda x, q, k: (unit(x) - unit(x)[q]).norm(dim=1).argsort()[1 : k + 1],
    ],
    "knn_accuracy": [knn],
    "encode_facts": [encode],
    "channel_statistics": [with_numpy, librarys_statistics],
    "window_starts": [begin],
    "mean_iou": [iou_by_class, librarys_iou],
    "pixel_loss": [pixel_loss, librarys_pixels],
    "multitask_loss": [task_by_task, librarys_heads],
    "gradient_cosine": [by_norms],
    "partners": [
        lambda N: [*range(N, 2 * N), *range(N)],
        lambda N: (torch.arange(2 * N) + N) % (2 * N),
    ],
    "nt_xent": [view_by_view, nt_xent],
    "matching_accuracy": [places_found],
    "place_and_date": [
        lambda lat, lon, day: np.column_stack(
            [lat / 90, lon / 180, *(f(day * np.pi / 182.5) for f in (np.sin, np.cos))]
        ),
    ],
    "metadata_token": [token_by_token],
    "student_loss": [from_teacher],
    "count_entries": [
        lambda p, low, high: [[x <= low or x >= high for x in row] for row in p]
    ],
    **views.RIGHT,
    **test_splits.RIGHT,
}

# `test_checks.py` makes every mistake that a check lists, `test_wrong_answers.py` those
# of students; these are others
WRONG = {
    "predict_memory": [
        (lambda kept, B, mu: kept * B, "no single slip explains this"),
        (lambda kept, B, mu: sum(kept), "unsupported operand type"),
    ],
    "fixmatch_loss": [
        (by_confidence, "cut it off with logits_u_w.detach()"),
        (lambda *a: ten_lines(*a[:4], a[4] + 1e-6), "look at the parts separately"),
        (
            lambda x, y, w, s, t: ten_lines(x.detach(), y, w, s, t),
            "nothing is learnt from logits_x",
        ),
        (lambda x, y: 0.0, "the check calls fixmatch_loss(logits_x, y, logits_u_w"),
    ],
    "nearest_neighbours": [
        (lambda x, q, k: x.div_(2)[:k, 0], "changed its argument"),
        (lambda x, q, k: [0] * k, "print the cosine"),
    ],
    "window_starts": [(lambda s, w, o: 3, "too few windows leave the border out")],
    "mean_iou": [(no_filter, "two shapes do not fit")],
    "pixel_loss": [
        (lambda *args: librarys_pixels(*args).item(), "cannot be learnt from"),
        (teaches_the_weak_view, "cut it off with logits_weak.detach()"),
    ],
    "multitask_loss": [
        (lambda *given: task_by_task(*given).item(), "cannot be learnt from"),
        (masked_too_late, "elevation learns nothing, or NaN"),
        (
            lambda o, t, w: task_by_task({**o, "scene": o["scene"].detach()}, t, w),
            "scene learns nothing, or NaN",
        ),
        (
            lambda o, t, w: F.cross_entropy(o["scene"], t["scene"]),
            "Target -1 is out of bounds",
        ),
    ],
    "gradient_cosine": [
        (lambda a, b: torch.cat(a) @ torch.cat(b), "two shapes do not fit"),
        (lambda a, b: -by_norms(a, b), "only the sign is wrong"),
    ],
    "nt_xent": [
        (lambda a, b, T: view_by_view(a, b, T).item(), "cannot be learnt from"),
        (lambda a, b, T: view_by_view(a, b.detach(), T), "nothing is learnt from z1"),
        (lambda a, b, T: view_by_view(a, b.T, T), "two shapes do not fit"),
    ],
    "student_loss": [
        (
            lambda t, s, zt, zs, *rest: from_teacher(t, s, zs, zt, *rest),
            "the teacher learns from it, too, through z_teacher",
        ),
    ],
    **views.WRONG,
    **test_splits.WRONG,
}


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for name in RIGHT for right in RIGHT[name]]
)
def test_right(name, right, capsys):
    getattr(checks, name)(right)
    assert capsys.readouterr().out.startswith(f"✓ {name}: ")


@pytest.mark.parametrize(
    ("name", "wrong", "hint"), [(name, *row) for name in WRONG for row in WRONG[name]]
)
def test_wrong(name, wrong, hint, refusal):
    assert hint in refusal(getattr(checks, name), wrong)


def test_the_learners_random_numbers_stay():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    checks.nearest_neighbours(all_but_the_query)
    assert torch.equal(torch.rand(2), expected)


def test_facts_are_those_of_the_library():
    day, zone = torch.tensor([1.0, 172.0, 365.0]), torch.tensor([0, 4, 2])
    date = METADATA_ENCODERS["date"].encode(day)
    climate = METADATA_ENCODERS["climate"].encode(zone.float())
    found = multitask._facts(multitask._circle(day), zone, len(CLIMATE_ZONES))
    assert torch.allclose(found, torch.cat([date, climate], 1), atol=1e-6)

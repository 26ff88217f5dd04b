"""The loss of every method, spelled out in for-loops over plain numbers.

Each `slow_*` returns a function that takes the steps of a training one after the other,
remembers what the method remembers, and returns the terms of the loss and the mask.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import Module

from tests.losses.draws import draw, slow_softmax, unit
from workshop_lib.methods import Batch, Method

Rows = list[list[float]]
IMAGES = 12


class Step:
    """Scores of one step, as tensors for the method and as numbers for the loop."""

    def __init__(self, step: int, B: int, mu: int, K: int) -> None:
        N = mu * B
        self.step, self.B, self.N, self.K = step, B, N, K
        self.views = {  # few sure images at first, then nearly all
            "x": draw(B, K, seed=step),
            "x_strong": draw(B, K, seed=step + 40),
            "weak": (1 + step) * draw(N, K, seed=step + 10),
            "strong": draw(N, K, seed=step + 20),
            "contrastive": draw(N, K, seed=step + 30),
        }
        self.z = {
            name: unit(len(rows), 4, seed=50 + 10 * k + step)
            for k, (name, rows) in enumerate(self.views.items())
        }
        self.z["strong"][0] = 0.0  # what a projection of zero becomes
        self.y = torch.arange(B) % K
        generator = torch.Generator().manual_seed(step)
        self.index = torch.randperm(IMAGES, generator=generator)[:N]
        self.answers = self  # of whom labelled images are asked, too

    def terms(self, method: Method, model: Module) -> dict[str, Tensor]:
        """Return the terms of the loss, those of one name added up."""
        terms: dict[str, Tensor] = {}
        for name, term in method.losses(model, self.batch(method)):
            terms[name] = terms.get(name, 0) + term
        return terms

    def batch(self, method: Method) -> Batch:
        for rows in self.views.values():
            rows.requires_grad_()
        samples = {
            name: {"scene": rows, "projection": self.z[name]}
            for name, rows in self.views.items()
        }
        labeled = ["x", "x_strong"][: len(method.labeled_views)]
        views = [samples[name] for name in method.views]
        return Batch(
            tuple(samples[name] for name in labeled),
            {"scene": self.y},
            tuple(views),
            self.index,
        )

    def probs(self, name: str, temperature: float = 1.0) -> Rows:
        return [slow_softmax(row, temperature) for row in self.views[name].tolist()]

    def supervised(self, name: str = "x") -> float:
        rows = zip(self.probs(name), self.y.tolist(), strict=True)
        return sum(-math.log(row[k]) for row, k in rows) / self.B

    def consistency(self, targets: Rows, mask: list[float]) -> float:
        """Cross-entropy of soft targets and the strong view, over all N images."""
        loss = 0.0
        for q, p, m in zip(targets, self.probs("strong"), mask, strict=True):
            loss -= m * sum(a * math.log(b) for a, b in zip(q, p, strict=True) if a)
        return loss / self.N


Slow = Callable[[Step], tuple[dict[str, float], list[float]]]


def hard(rows: Rows) -> Rows:
    return [[float(k == row.index(max(row))) for k in range(len(row))] for row in rows]


def mean(rows: Rows, k: int) -> float:
    return sum(row[k] for row in rows) / len(rows)


def shares(values: list[float]) -> list[float]:
    return [v / sum(values) for v in values]


def over(rows: Rows, threshold: float) -> list[float]:
    return [float(max(row) >= threshold) for row in rows]


def slow_fixmatch(threshold: float, align: bool, temperature: float = 0.7) -> Slow:
    average: list[float] = []

    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        q = s.probs("weak", temperature)
        if align:
            average[:] = average or [1 / s.K] * s.K
            for k in range(s.K):
                average[k] = 0.6 * average[k] + 0.4 * mean(q, k)
            wanted = [(1 / s.K + 1e-6) / (a + 1e-6) for a in average]
            q = [shares([p * w for p, w in zip(row, wanted, strict=True)]) for row in q]
        mask = over(q, threshold)
        loss = s.consistency(hard(q), mask)
        return {"supervised": s.supervised(), "unsupervised": 3 * loss}, mask

    return slow


def slow_uda(threshold: float) -> Slow:
    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        mask = over(s.probs("weak"), threshold)  # before sharpening
        loss = s.consistency(s.probs("weak", 0.4), mask)
        return {"supervised": s.supervised(), "unsupervised": 3 * loss}, mask

    return slow


def slow_defixmatch(threshold: float) -> Slow:
    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        q, mask = s.probs("weak"), over(s.probs("weak"), threshold)
        labeled = s.answers.probs("x")
        subtracted = 0.0
        for q_, p, m in zip(
            labeled, s.probs("x_strong"), over(labeled, threshold), strict=True
        ):
            subtracted -= m * math.log(p[q_.index(max(q_))]) / s.B
        return {
            "supervised": (s.supervised() + s.supervised("x_strong")) / 2,
            "unsupervised": 0.3 * s.consistency(hard(q), mask),
            "subtracted": -0.3 * subtracted,
        }, mask

    return slow


def slow_pseudo_label(threshold: float) -> Slow:
    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        tops = [max(row) for row in s.probs("weak")]
        mask = [float(top >= threshold) for top in tops]
        loss = -sum(m * math.log(t) for m, t in zip(mask, tops, strict=True)) / s.N
        ramp = min(1.0, s.step / (0.4 * 5))
        return {"supervised": s.supervised(), "unsupervised": 3 * ramp * loss}, mask

    return slow


def slow_mean_teacher(s: Step) -> tuple[dict[str, float], list[float]]:
    loss = 0.0
    for q, p in zip(s.probs("weak"), s.probs("strong"), strict=True):
        loss += sum((a - b) ** 2 for a, b in zip(q, p, strict=True)) / (s.N * s.K)
    ramp = math.exp(-5 * (1 - min(1.0, s.step / (0.4 * 5))) ** 2)
    terms = {"supervised": s.supervised(), "unsupervised": 7 * ramp * loss}
    return terms, [1.0] * s.N


def slow_flexmatch(warm_up: bool) -> Slow:
    label: list[int] = [-1] * IMAGES  # a fifth of the data set is never drawn
    beta: list[float] = []

    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        beta[:] = beta or [0.0] * s.K
        q, mask = s.probs("weak"), []
        for i, row in zip(s.index.tolist(), q, strict=True):
            k = row.index(max(row))
            mask.append(float(max(row) >= 0.8 * beta[k] / (2 - beta[k])))
            if max(row) >= 0.8:
                label[i] = k
        counts = [label.count(k) for k in range(s.K)]
        if max(*counts, label.count(-1)) < IMAGES:
            most = max(*counts, label.count(-1)) if warm_up else max(counts)
            beta[:] = [count / most for count in counts]
        loss = s.consistency(hard(q), mask)
        return {"supervised": s.supervised(), "unsupervised": 3 * loss}, mask

    return slow


def slow_freematch(clip: bool) -> Slow:
    state: dict[str, list[float]] = {}

    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        even = [1 / s.K] * s.K
        tau, probs, histogram = (
            state.setdefault(name, list(value))
            for name, value in {"tau": [1 / s.K], "p": even, "h": even}.items()
        )
        q = s.probs("weak")
        pseudo = [row.index(max(row)) for row in q]
        tau[0] = 0.3 * tau[0] + 0.7 * sum(max(row) for row in q) / s.N
        tau[0] = min(tau[0], 0.95) if clip else tau[0]
        for k in range(s.K):
            probs[k] = 0.3 * probs[k] + 0.7 * mean(q, k)
            histogram[k] = 0.3 * histogram[k] + 0.7 * pseudo.count(k) / s.N
        mask = [
            float(max(row) >= tau[0] * probs[k] / max(probs))
            for row, k in zip(q, pseudo, strict=True)
        ]
        sure = [row for row, m in zip(s.probs("strong"), mask, strict=True) if m]
        fairness = slow_fairness(sure, probs, histogram)
        return {
            "supervised": s.supervised(),
            "unsupervised": 3 * s.consistency(hard(q), mask),
            "fairness": 0.1 * fairness,
        }, mask

    return slow


def slow_fairness(rows: Rows, probs: list[float], histogram: list[float]) -> float:
    if not rows:
        return 0.0
    classes = [row.index(max(row)) for row in rows]
    wanted, current = [], []
    for k, (p, h) in enumerate(zip(probs, histogram, strict=True)):
        wanted.append(p / h if h else 0.0)
        total, count = sum(row[k] for row in rows), classes.count(k)
        current.append(total / count if count else 0.0)
    pairs = zip(shares(wanted), shares(current), strict=True)
    return sum(w * math.log(v + 1e-12) for w, v in pairs)


def slow_softmatch() -> Slow:
    state: list[float] = []

    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        state[:] = state or [1 / s.K, 1.0]
        q = s.probs("weak")
        tops = [max(row) for row in q]
        average = sum(tops) / s.N
        state[0] = 0.6 * state[0] + 0.4 * average
        if s.N > 1:
            spread = sum((top - average) ** 2 for top in tops) / (s.N - 1)
            state[1] = 0.6 * state[1] + 0.4 * spread
        below = [min(top - state[0], 0) for top in tops]
        weights = [math.exp(-(b**2) * 1.5**2 / (2 * state[1])) for b in below]
        loss = s.consistency(hard(q), weights)
        return {"supervised": s.supervised(), "unsupervised": 3 * loss}, weights

    return slow


def slow_adamatch() -> Slow:
    average: list[float] = []
    wanted: list[float] = []

    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        p, q = s.probs("x"), s.probs("weak")
        if not average:
            average[:] = [mean(q, k) for k in range(s.K)]
            wanted[:] = [1 / s.K] * s.K
        for k in range(s.K):
            average[k] = 0.7 * average[k] + 0.3 * mean(q, k)
            wanted[k] = 0.7 * wanted[k] + 0.3 * mean(p, k)
        threshold = 0.8 * sum(max(row) for row in p) / s.B
        ratio = [(w + 1e-6) / (a + 1e-6) for w, a in zip(wanted, average, strict=True)]
        q = [shares([a * r for a, r in zip(row, ratio, strict=True)]) for row in q]
        mask = over(q, threshold)
        loss = s.consistency(hard(q), mask)
        return {"supervised": s.supervised(), "unsupervised": 3 * loss}, mask

    return slow


def near(a: list[float], b: list[float], temperature: float) -> float:
    return math.exp(sum(x * y for x, y in zip(a, b, strict=True)) / temperature)


def slow_comatch(threshold: float) -> Slow:
    means: list[list[float]] = []
    memory: list[tuple[list[float], list[float]]] = []  # embedding, probabilities

    def smoothed(row: list[float], z: list[float], length: int) -> list[float]:
        if len(memory) < length:
            return row
        weights = [near(z, other, 0.3) for other, _ in memory[-length:]]
        recalled = [
            sum(w * p[k] for w, (_, p) in zip(weights, memory[-length:], strict=True))
            for k in range(len(row))
        ]
        return [
            0.8 * a + 0.2 * b / sum(weights) for a, b in zip(row, recalled, strict=True)
        ]

    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        q = s.probs("weak")
        means.append([mean(q, k) for k in range(s.K)])
        window = means[-2:]
        average = [sum(m[k] for m in window) / len(window) for k in range(s.K)]
        aligned = [
            shares([p / a for p, a in zip(row, average, strict=True)]) for row in q
        ]
        z_w, z_x = s.z["weak"].tolist(), s.z["x"].tolist()
        length = 2 * (s.N + s.B)
        pairs = zip(aligned, z_w, strict=True)
        probs = [smoothed(row, z, length) for row, z in pairs]
        memory.extend(zip(z_w, aligned, strict=True))
        one_hot = [[float(k == y) for k in range(s.K)] for y in s.y.tolist()]
        memory.extend(zip(z_x, one_hot, strict=True))
        mask = over(probs, threshold)
        return {
            "supervised": s.supervised(),
            "unsupervised": 3 * s.consistency(probs, mask),
            "contrast": 2 * slow_graph_contrast(s, probs),
        }, mask

    return slow


def slow_graph_contrast(s: Step, probs: Rows) -> float:
    z0, z1, loss = s.z["strong"].tolist(), s.z["contrastive"].tolist(), 0.0
    for i in range(s.N):
        alike = [sum(a * b for a, b in zip(probs[i], q, strict=True)) for q in probs]
        alike[i] = 1.0
        w = shares([a if a >= 0.5 else 0.0 for a in alike])
        p = shares([near(z0[i], z, 0.3) for z in z1])
        loss -= sum(a * math.log(b + 1e-7) for a, b in zip(w, p, strict=True)) / s.N
    return loss


def slow_ccssl(threshold: float) -> Slow:
    def slow(s: Step) -> tuple[dict[str, float], list[float]]:
        q, mask = s.probs("weak"), over(s.probs("weak"), threshold)
        z = s.z["strong"].tolist() + s.z["contrastive"].tolist()
        c, k = [max(row) for row in q], [row.index(max(row)) for row in q]
        loss = 0.0
        for a in range(2 * s.N):
            others = [b for b in range(2 * s.N) if b != a]
            log_p = [
                math.log(p) for p in shares([near(z[a], z[b], 0.2) for b in others])
            ]
            w = []
            for i, j in ((a % s.N, b % s.N) for b in others):
                sure = min(c[i], c[j]) >= 0.5 and k[i] == k[j]
                w.append(1.0 if i == j else float(sure) * c[i] * c[j])
            loss -= sum(u * v for u, v in zip(w, log_p, strict=True)) / sum(w)
        return {
            "supervised": s.supervised(),
            "unsupervised": 3 * s.consistency(hard(q), mask),
            "contrast": 2 * loss * 0.2 / 0.07 / (2 * s.N),
        }, mask

    return slow


def makers() -> Iterator[tuple[str, Callable[[], Slow], dict[str, object]]]:
    """Name of a method, its loop with fresh memory, and its hyperparameters."""
    three = {"lambda_u": 3.0}
    graph = {"graph_threshold": 0.5, "graph_temperature": 0.3, "lambda_c": 2.0}
    memory = {"queue_batches": 2, "alignment_batches": 2, "memory_weight": 0.8}
    contrast = {"ood_threshold": 0.5, "contrast_temperature": 0.2, "lambda_c": 2.0}
    for t in (0.0, 0.6, 1.0):  # all, some, none confident
        some = {**three, "threshold": t}
        fix, aligned = partial(slow_fixmatch, t), {"alignment": True, "momentum": 0.6}
        yield "fixmatch", partial(fix, False), some | {"temperature": 0.7}
        yield "fixmatch", partial(fix, True), some | {"temperature": 0.7} | aligned
        yield "uda", partial(slow_uda, t), some
        yield "defixmatch", partial(slow_defixmatch, t), some | {"lambda_u": 0.3}
        yield "pseudo_label", partial(slow_pseudo_label, t), some
        yield "comatch", partial(slow_comatch, t), some | graph | memory
        yield "ccssl", partial(slow_ccssl, t), some | contrast
    for on in (False, True):
        flex, free = {"threshold": 0.8}, {"momentum": 0.3, "lambda_e": 0.1}
        yield "flexmatch", partial(slow_flexmatch, on), three | flex | {"warm_up": on}
        yield "freematch", partial(slow_freematch, on), three | free | {"clip": on}
    soft = {"momentum": 0.6, "n_sigma": 1.5, "alignment": False}
    yield "softmatch", slow_softmatch, three | soft
    yield "adamatch", slow_adamatch, three | {"momentum": 0.7, "threshold": 0.8}
    yield "mean_teacher", lambda: slow_mean_teacher, {"lambda_u": 7.0}

"""What makes each method what it is: small cases with a known outcome."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.losses.draws import draw
from tests.methods.given import Given, ready, total
from tests.methods.networks import WIDTH, batch_for, small_model
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS, Batch, Method
from workshop_lib.methods.adaptive_thresholds import CurriculumThreshold
from workshop_lib.methods.running_confidence import (
    GaussianWeight,
    SelfAdaptiveThreshold,
    fairness_loss,
)
from workshop_lib.models import Model
from workshop_lib.models.class_heads import Categorical

FIXMATCH = METHODS["fixmatch"]


def terms_of(method: Method, rows: dict[str, Tensor], y: Tensor, K: int) -> dict:
    """Terms of a method on scores given by hand."""
    model = Given(4, scene=Categorical(1, K))
    labeled = ["x", "x_strong"][: len(method.labeled_views)]
    if not method.state_dict():
        ready(method, model, 9, None, len(y))
    batch = Batch(
        tuple({"scene": rows[name]} for name in labeled),
        {"scene": y},
        tuple({"scene": rows[name]} for name in method.views),
        torch.arange(len(rows["weak"])),
    )
    return dict(method.losses(model, batch))


@pytest.mark.usefixtures("double")
def test_labels_in_both_places_cancel_in_defixmatch() -> None:
    """Labelled and unlabelled images alike: what is left is the supervised loss."""
    weak, strong = draw(4, 3), draw(4, 3, seed=1)
    rows = {"x": weak, "x_strong": strong, "weak": weak, "strong": strong}
    y = torch.tensor([0, 1, 2, 0])
    terms = terms_of(METHODS["defixmatch"](threshold=0.5), rows, y, 3)
    assert terms["scene/unsupervised"] == -terms["scene/subtracted"] != 0
    # Known labels at a weight of one half: the strong view is not moved at all
    known = 20 * torch.nn.functional.one_hot(y, 3).double()
    strong = draw(4, 3, seed=2).requires_grad_()
    rows = {"x": known, "x_strong": strong, "weak": weak, "strong": weak}
    terms = terms_of(METHODS["defixmatch"](), rows, y, 3)
    torch.stack(list(terms.values())).sum().backward()
    torch.testing.assert_close(strong.grad, torch.zeros(4, 3), rtol=0, atol=1e-8)


def test_defixmatch_subtracts_what_its_teacher_answers():
    torch.manual_seed(0)
    model = small_model({"scene": Categorical(WIDTH, 3)})
    method = ready(METHODS["defixmatch"](teacher_decay=0.9), model)
    with torch.no_grad():  # a teacher who always says class 2, as no student would
        method.teacher.heads["scene"].score[0].bias[2] = 1e3
    batch = batch_for(method, model, mu=1)
    terms = dict(method.losses(model, replace(batch, views=batch.labeled)))
    assert terms["scene/unsupervised"] == -terms["scene/subtracted"] != 0


@pytest.mark.usefixtures("double")
def test_labelled_images_do_not_enter_defixmatchs_alignment() -> None:
    weak = draw(5, 3)
    rows = {"x": draw(2, 3, seed=1), "x_strong": weak[:2], "weak": weak, "strong": weak}
    method = METHODS["defixmatch"](alignment=True, momentum=0.5)
    terms_of(method, rows, torch.tensor([0, 1]), 3)
    expected = 0.5 / 3 + 0.5 * weak.softmax(1).mean(0)
    torch.testing.assert_close(method.align["scene"].average, expected)


def sure(*classes: int, confidence: float = 0.95, K: int = 3) -> Tensor:
    """Probabilities of rows that are sure of a class. Shape: (N, K)."""
    probs = torch.full((len(classes), K), (1 - confidence) / (K - 1))
    probs[torch.arange(len(classes)), torch.tensor(classes)] = confidence
    return probs


def test_flexmatch_an_image_drawn_twice_keeps_its_sure_label():
    curriculum = CurriculumThreshold((2,), 4, 4, 0.9)
    probs = torch.tensor([[0.95, 0.05], [0.4, 0.6]])
    for order in ([0, 1], [1, 0]):
        curriculum(probs[order], torch.tensor([2, 2]))
        labels = curriculum.memory[:-1].argmax(1) - 1
        assert labels.tolist() == [-1, -1, 0, -1]


def test_flexmatch_counts_pixels_by_fractions():
    curriculum = CurriculumThreshold((2,), 3, 3, 0.9)
    probs = torch.full((2, 2, 1, 4), 0.5)
    probs[0, :, 0, :3] = torch.tensor([0.95, 0.05])[:, None]
    curriculum(probs, torch.tensor([1, 2]))
    expected = [[1, 0, 0], [0.25, 0.75, 0], [1, 0, 0], [1, 0, 0]]
    assert curriculum.memory.tolist() == expected


def test_freematch_fairness_is_zero_without_a_confident_image():
    logits = draw(5, 3).float().requires_grad_()
    loss = fairness_loss(logits, torch.zeros(5), SelfAdaptiveThreshold((3,)))
    loss.backward()
    assert loss == 0 and logits.grad is not None and not logits.grad.any()


def test_freematch_a_class_never_predicted_gives_no_nan():
    adaptive = SelfAdaptiveThreshold((3,), momentum=0.0)
    adaptive(torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]]))
    assert adaptive.histogram.tolist() == [1, 0, 0]
    logits = draw(2, 3).float().requires_grad_()
    loss = fairness_loss(logits, torch.ones(2), adaptive)
    loss.backward()
    assert loss.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


def test_freematch_lets_rare_classes_through_earlier():
    """Per pixel: the rare class needs less than the common one."""
    adaptive = SelfAdaptiveThreshold((3,), momentum=0.0)
    shift = torch.tensor([2.0, 0.0, -2.0])
    probs = (draw(30, 100, 3, scale=1.0).float() + shift).softmax(2).movedim(2, 1)
    threshold, pseudo = adaptive(probs[..., None]), probs.argmax(1)[..., None]
    share = probs.mean((0, 2))
    expected = probs.amax(1).mean() * share / share.max()
    torch.testing.assert_close(threshold, expected[pseudo])
    assert expected[2] < expected[0]


def test_softmatch_equal_confidences_for_long_give_no_nan():
    weigh = GaussianWeight((2,), momentum=0.0)
    assert weigh(sure(0, 1, confidence=0.75, K=2)).tolist() == [1, 1]
    assert weigh.variance == 0


@pytest.mark.parametrize("name", ["mean_teacher", "fixmatch", "freematch"])
def test_a_teacher_follows_the_student_and_learns_nothing_by_itself(name):
    torch.manual_seed(0)
    model = small_model({"scene": Categorical(WIDTH, 3)})
    method = ready(METHODS[name](teacher_decay=0.9), model, steps=10)
    teacher = method.teacher
    expected = [p.detach().clone() for p in model.parameters()]
    before = copy.deepcopy(expected)
    batch = batch_for(method, model)
    total(method, model, batch).backward()
    for old, p in zip(before, teacher.parameters(), strict=True):
        assert torch.equal(old, p) and p.grad is None and not p.requires_grad
    for step in range(3):
        with torch.no_grad():
            for k, p in enumerate(model.parameters()):
                p.add_(0.1 * (step + 1))
                expected[k] = 0.9 * expected[k] + 0.1 * p
        method.after_step(model)
    for ours, theirs in zip(teacher.parameters(), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    for ours, theirs in zip(teacher.buffers(), model.buffers(), strict=True):
        assert torch.equal(ours, theirs)
    if name == "mean_teacher":
        assert method.ramp.step == 3
    assert method.train().teacher.training == (name == "mean_teacher")
    # It is asked in the network's place: here it always says class 2
    with torch.no_grad():
        teacher.heads["scene"].score[0].bias[2] = 1e3
    dict(method.losses(model, batch))
    assert (method.pseudo_labels["scene"][0] == 2).all()


@pytest.mark.usefixtures("double")
def test_pseudo_label_only_learns_as_a_prediction() -> None:
    """The gradient of a cross-entropy with a constant target."""
    u = draw(6, 3, seed=1).requires_grad_()
    method = METHODS["pseudo_label"](threshold=0.9, ramp_up=0.0)
    terms = terms_of(method, {"x": draw(2, 3), "weak": u}, torch.tensor([0, 1]), 3)
    terms["scene/unsupervised"].backward()
    target, mask = method.pseudo_labels["scene"]
    one_hot = torch.nn.functional.one_hot(target, 3)
    expected = mask[:, None] * (u.detach().softmax(1) - one_hot) / 6
    torch.testing.assert_close(u.grad, expected)
    assert 0 < mask.sum() < 6


def comatch(**options: float) -> tuple[Method, Model]:
    torch.manual_seed(0)
    model = small_model({"scene": Categorical(WIDTH, 3)}, projection=8).eval()
    method = METHODS["comatch"](**options)
    return ready(method, model, batch_size=2, mu=2), model


def test_comatch_remembers_labelled_images_with_their_label():
    method, model = comatch()
    batch = batch_for(method, model, B=2)
    batch = replace(batch, targets={"scene": torch.tensor([2, -1])})
    list(method.losses(model, batch))
    own = model(batch.labeled[0])
    probs = method.memory.probs[4:6]  # after the four unlabelled ones
    assert probs[0].tolist() == [0, 0, 1]
    # Whose class is unknown enters with the network's own answer
    torch.testing.assert_close(probs[1], own["scene"][1].softmax(0))
    torch.testing.assert_close(method.memory.embeddings[4:6], own["projection"])


def test_outside_training_comatch_remembers_nothing():
    method, model = comatch()
    list(method.eval().losses(model, batch_for(method, model, B=2)))
    assert not any(buffer.any() for buffer in method.buffers())


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("fixmatch", {"threshold": 1.1}, "threshold=1.1.*between 0 and 1"),
        ("fixmatch", {"temperature": 0}, "temperature=0.*above 0"),
        ("fixmatch", {"labeled_view": "week"}, "'week'.*'weak' or 'strong'"),
        ("softmatch", {"n_sigma": 0}, "n_sigma=0.*above 0"),
        ("comatch", {"queue_batches": 0}, "above 0"),
        ("ccssl_comatch", {"ood_threshold": 2}, "ood_threshold=2.*between 0 and 1"),
    ],
)
def test_impossible_hyperparameters_are_told(name, wrong, words):
    with pytest.raises(WorkshopError, match=words):
        METHODS[name](**wrong)

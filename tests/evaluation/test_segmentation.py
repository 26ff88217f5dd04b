"""Scores of maps: once, by pixel, and refused where they would mislead."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from tests.training.test_pixel_task import CPU, RECIPE, SCENES, SPLIT
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.evaluation.segmentation import (
    border_errors,
    boundary_mask,
    evaluate_segmentation,
    predict_maps,
    segmentation_summary,
)
from workshop_lib.pixels import IGNORE
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return train(RECIPE, SCENES, SPLIT, folder=folder, verbose=False, device=CPU)


def test_borders_are_those_of_a_loop():
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(0, 3, (4, 7, 6), generator=generator).to(torch.uint8)
    masks[torch.rand(4, 7, 6, generator=generator) < 0.3] = IGNORE
    found = boundary_mask(masks)
    for n, r, c in np.ndindex(4, 7, 6):
        mine = int(masks[n, r, c])
        around = {
            int(masks[n, i, j])
            for i in range(max(0, r - 1), min(7, r + 2))
            for j in range(max(0, c - 1), min(6, c + 2))
        } - {IGNORE}
        assert bool(found[n, r, c]) == (mine != IGNORE and len(around | {mine}) > 1)


def test_errors_are_sorted_by_where_they_are():
    truth = torch.zeros(1, 8, 8, dtype=torch.uint8)
    truth[:, :, 4:] = 1
    truth[:, 0] = IGNORE
    predicted = truth.clone()
    predicted[0, 3, 4] = 0  # beside the border
    predicted[0, 5, 7] = 0  # far from it
    predicted[0, 0, 0] = 1  # where nobody knows
    kinds = border_errors(truth, predicted)
    assert kinds[0, 3, 4] == 1 and kinds[0, 5, 7] == 2
    assert (kinds[0, 0] == IGNORE).all()
    assert (kinds[0, 1:] != 0).sum() == 2


def test_scores_are_those_of_all_test_pixels_at_once(run):
    result = evaluate_segmentation(run, SCENES, SPLIT)
    truth = SCENES.masks[SPLIT.test]
    known = truth != IGNORE
    right = (result.maps == truth)[known]
    assert result.scores.accuracy == pytest.approx(float(right.float().mean()))
    assert result.scores.support.sum() == known.sum()
    assert result.maps.shape == truth.shape and result.maps.dtype == torch.uint8
    model, normalize = run.load_model()
    again = predict_maps(model, normalize, SCENES.images, SPLIT.test)
    assert torch.equal(again, result.maps)
    beside = boundary_mask(truth) & known
    at = (result.maps == truth)[beside].float().mean()
    assert result.beside_borders == pytest.approx(float(at))
    written = json.loads((run.folder / "evaluation.json").read_text())
    assert written["scores"]["mean_iou"] == pytest.approx(result.scores.mean_iou)
    text = segmentation_summary(result)
    assert "ground" in text and f"{result.scores.kappa:.3f}" in text
    evaluate_segmentation(run, SCENES, SPLIT)  # a second time says the same


def test_a_changed_figure_is_noticed(run):
    path = run.folder / "evaluation.json"
    evaluate_segmentation(run, SCENES, SPLIT)
    before = path.read_text()
    values = json.loads(before)
    values["scores"]["mean_iou"] += 0.1
    path.write_text(json.dumps(values))
    with pytest.raises(WorkshopError, match="have changed since"):
        evaluate_segmentation(run, SCENES, SPLIT)
    path.write_text(before)


def test_what_does_not_fit_is_refused_in_words(run):
    with pytest.raises(WorkshopError, match="task='segment'.*workshop evaluate"):
        evaluate(run, SCENES, SPLIT)
    renamed = dataclasses.replace(SCENES, mask_names=("land", "sea"))
    with pytest.raises(WorkshopError, match="trained on masks of"):
        evaluate_segmentation(run, renamed, SPLIT)
    other = dataclasses.replace(SPLIT, test=SPLIT.val, val=SPLIT.test)
    with pytest.raises(WorkshopError, match="another split"):
        evaluate_segmentation(run, SCENES, other)
    bands = dataclasses.replace(SCENES, bands=("a", "b", "c"))
    with pytest.raises(WorkshopError, match="trained with bands"):
        evaluate_segmentation(run, bands, SPLIT)


def test_a_run_that_classifies_has_no_maps(tmp_path):
    recipe = Recipe(
        size=16, steps=2, eval_every=2, batch_size=4, mu=1, precision="fp32"
    )
    run = train(recipe, SCENES, SPLIT, folder=tmp_path, verbose=False, device=CPU)
    with pytest.raises(WorkshopError, match="task='classify'"):
        evaluate_segmentation(run, SCENES, SPLIT)
    with pytest.raises(WorkshopError, match="pseudo_labels"):
        run.pseudo_maps()
    assert not (run.folder / "pseudo_maps.npz").exists()

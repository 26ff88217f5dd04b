"""Images without a class take part in training; images of several are refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe
from workshop_lib.training.trainer import Trainer

RECIPE = Recipe(steps=2, eval_every=1, batch_size=4, mu=3, size=8, precision="fp32")


def test_a_folder_with_unlabelled_images_trains(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    draw = np.random.default_rng(0)
    for scene in ("Forest", "River", "unlabelled"):
        (tmp_path / "d" / scene).mkdir(parents=True)
        for i in range(12):
            pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "d" / scene / f"{i}.png")
    scenes = Scenes.from_folder(tmp_path / "d")
    split = Split.random(scenes, labels_per_class=2)
    unknown = (scenes.labels == -1).nonzero().flatten()
    assert len(unknown) == 12
    assert torch.isin(unknown, split.unlabeled).all()
    for part in (split.labeled, split.val, split.test):
        assert not torch.isin(unknown, part).any()
    trainer = Trainer(RECIPE.with_(threshold=0.0), scenes, split, torch.device("cpu"))
    trainer.step()
    truth = scenes.labels[trainer.unlabeled.at(0)]
    counts = trainer.pseudo_labels.now
    assert counts is not None and (truth == -1).any()
    assert int(counts[2].sum()) == int((truth >= 0).sum())  # only what is known
    assert np.isfinite(trainer.validate()["loss"])


def test_several_labels_per_image_are_refused():
    labels = torch.tensor([[1, 1], [0, 1], [1, 0], [0, 1]])
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    scenes = Scenes(images, labels, ("a", "b"), tuple("wxyz"))
    split = Split(*(torch.tensor([i]) for i in (0, 0, 1, 2)))
    with pytest.raises(WorkshopError, match="several labels"):
        Trainer(RECIPE, scenes, split, torch.device("cpu"))

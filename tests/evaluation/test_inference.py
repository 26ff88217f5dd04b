"""A run's network as a plain module for tiling, mapping and a look inside."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.tiny import parts, short, tiny
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.inference import predict_run, single_sensor
from workshop_lib.evaluation.mapping import map_image
from workshop_lib.evaluation.tiling import sliding_window_classify
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run


def trained(folder: Path, **changes: object) -> Run:
    scenes = tiny()
    config = short(method="supervised", **changes)
    return train(config, scenes, parts(scenes), folder=folder, verbose=False)


def test_a_map_of_one_tile_is_what_the_run_predicts(tmp_path: Path) -> None:
    scenes = tiny()
    run = trained(tmp_path / "run", heads=("cover", "scene"), encoder="unet-4")
    model, normalize = single_sensor(run)
    assert not model.training
    expected = predict_run(run, scenes, torch.tensor([5]))  # (1, K, H, W)
    with torch.inference_mode():
        scores = model(normalize(scenes.images[5:6]))
    assert torch.allclose(scores.softmax(1), expected, atol=1e-5)
    path = map_image(
        model, normalize, scenes.images[5], tmp_path / "map.npy", run.class_names,
        verbose=False,
    )  # fmt: skip
    assert np.array_equal(np.load(path), expected[0].argmax(0).numpy())


def test_a_window_gets_the_class_that_the_run_predicts(tmp_path: Path) -> None:
    scenes = tiny()
    run = trained(tmp_path / "run")
    large = torch.cat(list(scenes.images[:6]), dim=-1)  # (C, 8, 48)
    found = sliding_window_classify(*single_sensor(run), large, window=8, stride=8)
    expected = predict_run(run, scenes, torch.arange(6)).argmax(1)
    assert found.tolist() == [expected.tolist()]


@pytest.mark.parametrize("which", ["best", "last"])
@pytest.mark.parametrize("weights", ["ema", "online"])
def test_the_weights_are_those_asked_for(tmp_path: Path, which, weights) -> None:
    run = trained(tmp_path / "run")
    model, _ = single_sensor(run, which, weights)
    whole, _ = run.load_model(which, weights)
    for name, value in whole.encoder.state_dict().items():
        assert torch.equal(value, model.encoder.state_dict()[name])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sensors": ("s2", "s1")}, "reads s2, s1, but"),
        ({"sensors": ("s2",), "metadata": ("date",)}, "reads s2, date, but"),
    ],
)
def test_more_than_one_sensor_is_refused(tmp_path: Path, changes, words) -> None:
    run = trained(tmp_path / "run", **changes)
    with pytest.raises(WorkshopError, match=words):
        single_sensor(run)

"""The network before its first step is the one that training starts from."""

import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.recipe import Recipe
from workshop_lib.training.initial import initial_model
from workshop_lib.training.loop import train
from workshop_lib.training.trainer import Trainer

SMALL = Recipe(
    size=8, steps=2, eval_every=1, batch_size=4, mu=2, seed=3, precision="fp32"
)


def scenes() -> Scenes:
    labels = torch.arange(40) % 2
    noise = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return Scenes(
        images=((noise + labels[:, None, None, None]) * 100).to(torch.uint8),
        labels=labels,
        class_names=("dark", "bright"),
        names=tuple(f"{k:02d}" for k in range(40)),
    )


def test_a_run_can_go_back_to_where_its_training_started(tmp_path):
    data = scenes()
    split = Split.random(data, labels_per_class=3)
    trainer = Trainer(SMALL, data, split, torch.device("cpu"))
    start = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    run = train(SMALL, data, split, folder=tmp_path / "run", verbose=False)
    before, normalize = run.load_model("initial")
    assert not before.training
    for name, value in before.state_dict().items():
        assert torch.equal(value, start[name]), name
    assert torch.equal(normalize.mean, run.load_model("last")[1].mean)
    after = run.load_model("last")[0].state_dict()
    assert not torch.equal(after["classifier.weight"], start["classifier.weight"])


def test_the_callers_random_numbers_stay_as_they_are():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    initial_model(SMALL, 3, 2)
    assert torch.equal(torch.rand(3), expected)

"""The config: plain data that is compared, hashed, written and read again."""

import json
from dataclasses import dataclass, replace

import pytest
import torch

from tests.training.tiny import parts, quietly, short, tiny
from workshop_lib import config as module
from workshop_lib.config import Config, fields_by_section
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS, FixMatch
from workshop_lib.presets import TIMES, preset
from workshop_lib.settings import OptimConfig
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run


@pytest.mark.parametrize("method", METHODS)
def test_a_config_survives_json(method):
    config = preset("ci", method=method, lr=0.1, sensors=("s2", "s1"))
    again = Config.from_json(config.to_json())
    assert again == config and hash(again) == hash(config)
    assert again.digest() == config.digest()
    assert again.method_name == method
    assert again.data.sensors == ("s2", "s1")  # JSON has lists
    assert again != config.replace(seed=1)
    assert config.difference(config.replace(seed=1)) == {"run.seed": (0, 1)}


def test_settings_that_a_file_does_not_mention_get_defaults():
    found = json.loads(Config().to_json())
    del found["optim"]["encoder_lr"], found["method"]["momentum"]
    assert Config.from_json(json.dumps(found)) == Config()


@pytest.mark.parametrize("section", ["optim", "method"])
def test_unknown_settings_in_a_file_are_told(section):
    found = json.loads(Config().to_json())
    found[section]["steqs" if section == "optim" else "treshold"] = 3
    near = "steps" if section == "optim" else "threshold"
    with pytest.raises(WorkshopError, match=f"Did you mean '{near}'"):
        Config.from_json(json.dumps(found))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"data": 1', '{"method": 3}'])
def test_damaged_text_is_told(text):
    with pytest.raises(WorkshopError, match="not a valid config.*restore config.json"):
        Config.from_json(text)


def test_replace_finds_the_section_and_tells_the_nearest_name():
    config = Config().replace(
        steps=7, threshold=0.6, data="ucm", seed=3, heads=("cover",), encoder="unet-16"
    )
    assert (config.optim.steps, config.run.seed) == (7, 3)
    assert config.method.threshold == 0.6 and config.method.alignment  # kept
    assert config.data.name == "ucm" and config.model.heads == ("cover",)
    other = config.replace(method="uda", optim=OptimConfig(lr=0.5))
    assert other.method.threshold == METHODS["uda"]().threshold
    assert other.optim == OptimConfig(lr=0.5)
    for wrong, near in (("treshold", "threshold"), ("step", "steps")):
        with pytest.raises(WorkshopError, match=f"Did you mean '{near}'"):
            config.replace(**{wrong: 1})
    with pytest.raises(WorkshopError, match="Did you mean 'flexmatch'") as told:
        config.replace(method="flexmtach")
    assert all(name in str(told.value) for name in METHODS)
    names = fields_by_section()
    for cls in METHODS.values():  # or `replace` could not tell them apart
        assert not names.keys() & cls().hyperparameters().keys()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"steps": 0}, "steps=0"),
        ({"labels_per_class": -1}, "labels_per_class=-1"),
        ({"threshold": 1.2}, "threshold=1.2"),
        ({"seed": -1}, "seed=-1: give 0 to 4294967295"),
        ({"micro_batch": 1}, "at least 2 images"),
        ({"modality_dropout": 1}, "modality_dropout=1"),
        ({"lr": 0.0}, "above 0; usual"),
        ({"ema_decay": 1.0}, "ema_decay=1.0"),
        ({"split": "region"}, "test_regions"),
        ({"head_weights": (1, 2)}, "for each head in this order"),
        ({"labels_per_head": (-1,)}, "0 or more"),
        ({"propagation_steps": 3}, "without features"),
        ({"features": "resnet18"}, "encoder='linear'"),
        ({"encoder": "linear"}, "on pixels any other"),
        ({"features": "a", "encoder": "linear", "feature_size": 8}, "feature_size=8"),
        ({"features": "a", "encoder": "linear", "sensors": ("s1",)}, "pictures alone"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(wrong, words):
    with pytest.raises(WorkshopError, match=words):
        Config().replace(**wrong)


def test_a_new_setting_with_a_default_changes_no_name(monkeypatch):
    before = preset("ci", steps=7).digest()

    @dataclass(frozen=True)
    class Later(OptimConfig):
        clip: float = 0.0

    def later(config: Config, clip: float = 0.0) -> Config:
        return replace(config, optim=Later(**vars(config.optim), clip=clip))

    config = preset("ci", steps=7)
    monkeypatch.setattr(module, "Config", lambda: later(Config()))
    assert later(config).digest() == before
    assert later(config, clip=1.0).digest() != before


@dataclass(eq=False)
class Curious(FixMatch):
    """A method of one's own: FixMatch that trusts half as much."""

    share: float = 0.5

    def select(self, guess):
        return self.share * super().select(guess)


def test_ones_own_method_is_passed_trained_resumed_and_opened(tmp_path):
    scenes, mine = tiny(), Curious(threshold=0.0, share=0.25)
    config = short(method="fixmatch")

    def stop(row: dict) -> None:
        raise KeyboardInterrupt

    where = {"folder": tmp_path, "verbose": False}
    with pytest.raises(KeyboardInterrupt):
        train(config, scenes, parts(scenes), method=mine, on_log=stop, **where)
    run = train(config, scenes, parts(scenes), method=mine, **where)
    assert run.config.method_name == "Curious"
    assert run.log["mask_rate"].tolist() == [0.25, 0.25]
    again = train(config, scenes, parts(scenes), method=mine, **where)  # loaded
    assert again.log.equals(run.log) and again.config == run.config
    with pytest.raises(WorkshopError, match="share|other method|method"):
        other = Curious(threshold=0.0, share=0.5)
        train(config, scenes, parts(scenes), method=other, **where)
    opened = Run.load(tmp_path, run.config)
    model, normalize = opened.load_model()
    with torch.no_grad():
        assert model(normalize({"s2": scenes.images[:2]}))["scene"].shape == (2, 3)
    with pytest.raises(WorkshopError, match="Curious"):
        Run.load(tmp_path)  # config.json cannot hold the class
    text = (tmp_path / "config.json").read_text()
    assert Config.from_json(text, mine) == run.config


def test_two_trainings_share_no_buffers(tmp_path):
    config = short(method="flexmatch")
    for name in "ab":
        quietly(tmp_path / name, config)
    assert not config.method.state_dict()
    a, b = (torch.load(tmp_path / n / "last.pt", weights_only=True) for n in "ab")
    assert all(torch.equal(a["method"][k], b["method"][k]) for k in a["method"])


def test_presets_come_from_one_variable(monkeypatch):
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)
    assert preset() == Config()
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    assert preset().optim.steps == TIMES["ci"]["steps"]
    assert preset(task="features").optim.propagation_steps == 20  # of 60 steps
    assert preset("home").model.encoder == "wrn-28-2"
    assert preset("home").method.joint_forward
    mine = FixMatch(threshold=0.5)
    assert preset(method=mine).method is mine  # taken as it is
    with pytest.raises(WorkshopError, match="ci, class, home"):
        preset("weekend")
    with pytest.raises(WorkshopError, match="Did you mean 'scenes'"):
        preset(task="scene")

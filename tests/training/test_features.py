"""Training on the stored features of a frozen backbone."""

from dataclasses import replace

import pytest
import torch

from tests.scenes import dataset
from tests.training.tiny import Means, quietly, resumed
from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.inference import predict_run, stored_views
from workshop_lib.methods import METHODS
from workshop_lib.presets import preset
from workshop_lib.training import inputs
from workshop_lib.training.inputs import open_features
from workshop_lib.training.step import Precision
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")


@pytest.fixture
def looks(monkeypatch, tmp_path) -> list[str]:
    """Put the small backbone in the place of the big one; note how often it loads."""
    loaded: list[str] = []

    def load(name: str, stages: int) -> Means:
        loaded.append(name)
        return Means()

    monkeypatch.setattr(inputs, "FeatureExtractor", load)
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    return loaded


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    """Three classes that differ in colour, 20 images each."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(20)
    noise = torch.randint(0, 80, (60, 3, 32, 32), generator=generator)
    tint = 150 * torch.eye(3, dtype=torch.int64)[labels][:, :, None, None]
    return dataset((noise + tint).byte(), labels, ("red", "green", "blue"))


CONFIG = Config().replace(
    features="efficientnet_lite0",
    size=32,
    feature_size=32,
    feature_views=2,
    encoder="linear",
    steps=60,
    eval_every=30,
    batch_size=6,
    lr=0.05,
    precision="fp32",
)


def opened(config, scenes, *views):
    return open_features(config, {"rgb": scenes.images}, views, CPU)


def test_pixels_stay_float32_whatever_the_network_computes_in(scenes, looks):
    # A resized contrastive view once reached `interpolate` in bf16, which it refuses.
    config = CONFIG.replace(precision="bf16", feature_size=48, feature_views=1)
    half = opened(config, scenes, "contrastive")["contrastive"]
    full = opened(config.replace(precision="fp32"), scenes, "contrastive")
    torch.testing.assert_close(half, full["contrastive"])  # the means know no bf16


def test_whatever_format_is_faster_today_the_features_are_the_same(
    scenes, looks, monkeypatch
):
    auto, found = CONFIG.replace(precision="auto"), []
    for name in ("bf16", "fp32"):
        faster = Precision(name, "cpu")
        monkeypatch.setattr(inputs, "choose_precision", lambda *_, f=faster: f)
        found.append(opened(auto, scenes, "weak")["weak"])
    assert found[0].equal(found[1]) and len(looks) == 1


def test_views_are_computed_once_and_one_more_costs_only_itself(scenes, looks):
    first = opened(CONFIG, scenes, "weak")
    assert len(looks) == 1
    assert first["none"].shape == (1, 60, 6, 1, 1)
    assert first["weak"].shape == (2, 60, 6, 1, 1)
    again = opened(CONFIG, scenes, "weak")
    assert len(looks) == 1, "the second time nothing is computed"
    assert again["weak"].equal(first["weak"])
    both = opened(CONFIG, scenes, "weak", "strong")
    assert len(looks) == 2 and both["weak"].equal(first["weak"])
    assert not both["strong"][0].equal(both["strong"][1]), "each view is another one"
    expected = Means()(scenes.images.float() / 255)
    plain = first["none"][0, :, :, 0, 0].float()
    torch.testing.assert_close(plain, expected, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize(
    "change", [{"feature_size": 48}, {"features": "resnet18"}, "a pixel"], ids=str
)
def test_another_size_backbone_or_pixel_is_another_entry(scenes, looks, change):
    opened(CONFIG, scenes, "none")
    if isinstance(change, dict):
        opened(CONFIG.replace(**change), scenes, "none")
    else:
        images = scenes.images.clone()
        images[17, 1, 5, 5] += 1
        opened(CONFIG, replace(scenes, images=images), "none")
    assert len(looks) == 2


@pytest.mark.parametrize(
    ("method", "encoder"),
    [
        *((k, "linear") for k, m in METHODS.items() if not m.withholds_metadata),
        *((name, "mlp-16") for name in ("supervised", "fixmatch")),
    ],
)
def test_a_head_learns_on_features(scenes, looks, method, encoder, tmp_path):
    split = Split.random(scenes, labels_per_class=2, seed=0)
    config = CONFIG.replace(
        method=preset("class", method=method).method, encoder=encoder
    )
    run = quietly(tmp_path, config, scenes, split)
    assert run.facts["sensors"] == {"features": 6}
    assert run.log["loss"].notna().all()
    assert len(looks) <= 1
    learns = method in ("supervised", "fixmatch")  # as preset; others need more steps
    assert run.log[f"val_{run.metric}"].iloc[-1] > 0.9 or not learns
    model, normalize = run.load_model()
    with torch.no_grad():
        plain = opened(config, scenes)["none"][0]  # (60, 6, 1, 1)
        guess = model(normalize({"features": plain}))["scene"].argmax(1)
    assert (guess == scenes.labels).float().mean() > 0.9 or not learns


@pytest.mark.parametrize("method", ["fixmatch", "defixmatch", "comatch"])
def test_the_first_steps_learn_propagated_labels(scenes, looks, method, tmp_path):
    split = Split.random(scenes, labels_per_class=1, seed=0)
    config = CONFIG.replace(method=method, propagation_steps=30)
    trainer = Trainer(config, scenes, split, CPU)
    warmup = trainer.warmup
    assert warmup is not None
    pool = split.unlabeled
    assert (warmup.guess[pool] == scenes.labels[pool]).float().mean() > 0.9
    outside = torch.ones(60, dtype=torch.bool)
    outside[pool] = False
    assert not warmup.confidence[outside].any()
    run = resumed(tmp_path, config, scenes, split)
    assert run.log["val_accuracy"].iloc[0] > 0.9


def test_last_stages_learn_on_maps_of_the_first(scenes, tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch", reason="extra `pretrained`")
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    split = Split.random(scenes, labels_per_class=1, seed=0)
    small = {"size": 32, "feature_size": 32, "feature_views": 1, "batch_size": 6}
    config = preset("ci", task="finetune", mu=1, steps=12, eval_every=6, **small)
    run = resumed(tmp_path, config.replace(precision="fp32"), scenes, split)
    assert run.facts["sensors"] == {"features": 112}
    model, _ = run.load_model()
    start, _ = run.load_model("initial")
    moved = zip(model.encoder.parameters(), start.encoder.parameters(), strict=True)
    assert all(not torch.equal(a, b) for a, b in moved)
    (view, *weak) = stored_views(run, scenes)
    assert view["features"].shape == (60, 112, 2, 2) and len(weak) == 1
    probs = predict_run(run, scenes, split.test)
    assert probs.shape == (len(split.test), 3)


def test_methods_and_images_that_do_not_fit_are_refused(scenes, looks):
    split = Split.random(scenes, labels_per_class=1, seed=0)
    config = CONFIG.replace(method="supervised", propagation_steps=3)
    with pytest.raises(WorkshopError, match="propagation_steps=0"):
        Trainer(config, scenes, split, CPU)
    bands = ("B02", "B03", "B04", "B08")
    four = replace(scenes, images=torch.rand(60, 4, 32, 32), bands=bands)
    with pytest.raises(WorkshopError, match="train from pixels"):
        Trainer(CONFIG, four, split, CPU)

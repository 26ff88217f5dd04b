"""`workshop embed`: what it prints, what it writes, what it refuses."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from workshop_lib import cli
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on two classes of twelve small pictures: bright and dark."""
    root = tmp_path_factory.mktemp("embed")
    rng = np.random.default_rng(0)
    for name, level in (("bright", 180), ("dark", 40)):
        (root / "photos" / name).mkdir(parents=True)
        for k in range(12):
            pixels = rng.normal(level, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / "photos" / name / f"a {k}.png")
    recipe = Recipe(
        data=str(root / "photos"), size=16, labels_per_class=2, steps=4, eval_every=2,
        batch_size=4, mu=2, projection_dim=6, precision="fp32",
    )  # fmt: skip
    scenes = load_dataset(recipe)
    split = make_split(recipe, scenes)
    return train(recipe, scenes, split, folder=root / "run", verbose=False).folder


def run(*args: object) -> int:
    try:
        return cli.main([str(a) for a in args])
    except SystemExit as stopped:
        return int(stopped.code or 0)


def test_test_images_are_looked_at_and_written_beside_the_run(trained, capsys):
    assert run("embed", trained) == 0
    out = capsys.readouterr().out
    assert "Features of 6 test images: 96 numbers each" in out
    assert "choose nothing by them" in out
    assert "by the nearest of 4 labelled images" in out and "silhouette" in out
    folder = trained / "embeddings" / "features-test"
    assert sorted(path.name for path in folder.iterdir()) == [
        "embeddings.npz", "maps_2d.png", "maps_3d.png", "metadata.tsv",
        "neighbours.png", "vectors.tsv",
    ]  # fmt: skip
    for picture in folder.glob("*.png"):
        with Image.open(picture) as image:
            assert min(image.size) > 200
    with np.load(folder / "embeddings.npz", allow_pickle=False) as file:
        assert file["vectors"].shape == (6, 96)
        assert file["tsne_3d"].shape == (6, 3) and file["pca_2d"].shape == (6, 2)
    classes = pd.read_csv(folder / "metadata.tsv", sep="\t")["class"]
    assert sorted(classes) == ["bright"] * 3 + ["dark"] * 3


def test_a_part_before_training_and_a_sample_of_it(trained, tmp_path, capsys):
    flags = ("--which", "projection", "--part", "unlabeled", "--most", 8, "--k", 3)
    more = ("--checkpoint", "initial", "--no-three-d", "--out", tmp_path / "here")
    assert run("embed", trained, *flags, *more) == 0
    out = capsys.readouterr().out
    assert "Projection of 14 unlabeled images before training: 6 numbers each" in out
    assert "choose nothing" not in out
    assert "drawn: 8 of them" in out and "3 nearest of 4" in out
    assert not (tmp_path / "here" / "maps_3d.png").exists()
    with np.load(tmp_path / "here" / "embeddings.npz") as file:
        norms = np.linalg.norm(file["vectors"], axis=1)
        assert len(file["drawn"]) == len(file["tsne_2d"]) == 8
    torch.testing.assert_close(norms, np.ones(14, np.float32))


def test_the_labelled_images_are_not_their_own_neighbours(trained, tmp_path, capsys):
    flags = ("--part", "labeled", "--no-three-d", "--out", tmp_path)
    assert run("embed", trained, *flags) == 0
    out = capsys.readouterr().out
    assert "kNN" not in out and "silhouette" in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--image", "bright/a 0.jpg"), "the name most like it is 'bright/a"),
        (("--k", 0), "k=0"),
        (("--most", 0), "most=0"),
        (("--part", "tset"), "tset"),
    ],
)
def test_wrong_use_ends_with_words_and_writes_nothing(
    trained, tmp_path, capsys, flags, words
):
    assert run("embed", trained, *flags, "--out", tmp_path / "new") == 2
    captured = capsys.readouterr()
    assert words in captured.out + captured.err
    assert not (tmp_path / "new").exists()


def test_a_folder_without_a_run_is_told(tmp_path, capsys):
    assert run("embed", tmp_path) == 2
    assert "is not a finished run" in capsys.readouterr().err

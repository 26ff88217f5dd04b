"""Embeddings of a run: the right images, in the right order, written and read back."""

import csv

import numpy as np
import pytest
import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import (
    Embeddings,
    embed_run,
    export_embeddings,
)
from workshop_lib.evaluation.maps import (
    compare_maps,
    draw_neighbours,
    maps_2d,
    maps_3d,
)
from workshop_lib.models.predict import predict
from workshop_lib.plots import describe
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

SMALL = Recipe(
    size=8, steps=6, eval_every=3, batch_size=4, mu=2, projection_dim=5,
    precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    labels = torch.arange(60) % 3
    noise = torch.rand(60, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return Scenes(
        images=noise * 0.2 + labels[:, None, None, None] * 0.2,
        labels=labels,
        class_names=("dark", "middle", "bright"),
        names=tuple(f"{k:02d}" for k in range(60)),
        bands=("B02", "B03", "B04", "B08"),
    )


@pytest.fixture(scope="module")
def split(scenes) -> Split:
    return Split.random(scenes, labels_per_class=3)


@pytest.fixture(scope="module")
def run(scenes, split, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train(SMALL, scenes, split, folder=folder, verbose=False)


@pytest.fixture(scope="module")
def found(run, scenes, split) -> Embeddings:
    return embed_run(run, scenes, split, "test")


def test_each_vector_is_that_of_its_image(run, scenes, split, found):
    assert found.names == tuple(scenes.names[i] for i in split.test.tolist())
    assert found.labels.tolist() == scenes.labels[split.test].tolist()
    model, normalize = run.load_model("best")
    with torch.no_grad():
        logits = model.classifier(torch.from_numpy(found.vectors))
    expected = predict(model, normalize, scenes.images[split.test])
    torch.testing.assert_close(logits.softmax(1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", ["labeled", "unlabeled", "val"])
def test_every_part_can_be_embedded(run, scenes, split, part):
    found = embed_run(run, scenes, split, part, "projection")
    assert found.vectors.shape == (len(getattr(split, part)), 5)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)


def test_before_training_images_lie_elsewhere(run, scenes, split, found):
    before = embed_run(run, scenes, split, "test", checkpoint="initial")
    assert before.names == found.names
    assert not np.allclose(before.vectors, found.vectors)


def test_wrong_names_and_other_data_are_told(run, scenes, split):
    with pytest.raises(WorkshopError, match="Did you mean 'test'"):
        embed_run(run, scenes, split, "tset")
    with pytest.raises(WorkshopError, match="Did you mean 'initial'"):
        embed_run(run, scenes, split, checkpoint="inital")
    with pytest.raises(WorkshopError, match="another split"):
        embed_run(run, scenes, Split.random(scenes, labels_per_class=3, seed=9))


def test_what_is_written_is_what_is_read(found, tmp_path):
    maps = {"tsne_2d": np.arange(6.0).reshape(3, 2)}
    paths = export_embeddings(tmp_path / "new" / "folder", found, maps)
    assert [p.name for p in paths] == [
        "embeddings.npz",
        "vectors.tsv",
        "metadata.tsv",
    ]
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)  # no temporary file left
    back = Embeddings.load(paths[0])
    np.testing.assert_array_equal(back.vectors, found.vectors)
    np.testing.assert_array_equal(back.labels, found.labels)
    assert (back.names, back.class_names) == (found.names, found.class_names)
    with np.load(paths[0], allow_pickle=False) as file:
        np.testing.assert_array_equal(file["tsne_2d"], maps["tsne_2d"])


def test_the_projector_gets_a_line_per_image(tmp_path):
    odd = Embeddings(
        vectors=np.array([[1.5, -2e-9], [3.0, 4.25]], dtype=np.float32),
        labels=np.array([1, 0]),
        names=('a "b"\tc.png', "Bäche/2.png"),
        class_names=("River", "Old\tTown"),
    )
    export_embeddings(tmp_path, odd)
    vectors = np.loadtxt(tmp_path / "vectors.tsv", delimiter="\t")
    np.testing.assert_allclose(vectors, odd.vectors, rtol=1e-5)
    text = (tmp_path / "metadata.tsv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines(), "excel-tab", quoting=csv.QUOTE_NONE))
    assert rows == [
        ["name", "class"],
        ['a "b" c.png', "Old Town"],
        ["Bäche/2.png", "River"],
    ]


def test_bad_embeddings_and_files_are_told(found, tmp_path):
    zeros = np.zeros((2, 3), np.float32)
    with pytest.raises(WorkshopError, match="2 names"):
        Embeddings(zeros, np.array([0]), ("a", "b"), ("x",))
    with pytest.raises(WorkshopError, match="NaN"):
        Embeddings(zeros * np.nan, np.array([0, 0]), ("a", "b"), ("x",))
    with pytest.raises(WorkshopError, match="'labels'"):
        export_embeddings(tmp_path, found, {"labels": zeros})
    assert not list(tmp_path.iterdir())
    (tmp_path / "half.npz").write_bytes(b"PK\x03\x04 cut off")
    for name in ("half.npz", "none.npz"):
        with pytest.raises(WorkshopError, match="workshop embed"):
            Embeddings.load(tmp_path / name)
    np.savez(tmp_path / "other.npz", x=zeros)
    with pytest.raises(WorkshopError, match="KeyError"):
        Embeddings.load(tmp_path / "other.npz")
    (tmp_path / "file").touch()
    with pytest.raises(WorkshopError, match="cannot write"):
        export_embeddings(tmp_path / "file", found)


def test_maps_show_the_images_that_they_say(found):
    figure, arrays = maps_2d(found, note="kNN 50 %", most=9, seed=1)
    assert sorted(arrays) == ["drawn", "pca_2d", "tsne_2d"]
    assert arrays["tsne_2d"].shape == arrays["pca_2d"].shape == (9, 2)
    assert np.bincount(found.labels[arrays["drawn"]]).tolist() == [3, 3, 3]
    shown = np.concatenate([line.get_xydata() for line in figure.axes[0].lines])
    np.testing.assert_allclose(np.sort(shown, 0), np.sort(arrays["tsne_2d"], 0))
    assert "kNN 50 %" in describe(figure)
    assert "of variance" in figure.axes[1].get_xlabel()
    solid, more = maps_3d(found, most=9, seed=1)
    np.testing.assert_array_equal(more["drawn"], arrays["drawn"])
    assert more["tsne_3d"].shape == more["pca_3d"].shape == (9, 3)
    assert [axes.name for axes in solid.axes] == ["3d"] * 4


def test_networks_are_compared_on_the_same_images(run, scenes, split, found):
    before = embed_run(run, scenes, split, checkpoint="initial")
    figure = compare_maps({"Before": before, "After": found})
    assert [axes.get_title("left") for axes in figure.axes] == ["Before", "After"]
    assert describe(figure).count("silhouette") == 2
    val = embed_run(run, scenes, split, "val")
    with pytest.raises(WorkshopError, match="same images"):
        compare_maps({"test": found, "val": val})
    with pytest.raises(WorkshopError, match="at least one"):
        compare_maps({})


def test_the_picture_of_neighbours_shows_the_nearest(found, scenes):
    figure = draw_neighbours(found, scenes, np.array([4, 0]), k=2)
    unit = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    cosine = unit @ unit[4]
    cosine[4] = -2
    best = int(cosine.argmax())
    text = figure.axes[1].get_xlabel()
    assert found.class_names[found.labels[best]] in text
    assert text.endswith(f"{cosine[best]:.2f}")
    with pytest.raises(WorkshopError, match="not in these scenes"):
        draw_neighbours(found, scenes.subset([0, 1]), np.array([0]))

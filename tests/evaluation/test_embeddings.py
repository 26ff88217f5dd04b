"""Embeddings of a run in the right order, and neighbours against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.tiny import short, tiny
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import (
    Embeddings,
    embed_run,
    export_embeddings,
    knn_accuracy,
    nearest,
    silhouette,
)
from workshop_lib.evaluation.inference import predict
from workshop_lib.evaluation.projection import draw_neighbours, embedding_maps
from workshop_lib.models.heads import Features
from workshop_lib.plots import describe
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

SMALL = short(size=8, projection_dim=5)
SCENES = tiny()
SPLIT = Split.random(SCENES, labels_per_class=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train(SMALL, SCENES, SPLIT, folder=folder, verbose=False)


@pytest.fixture(scope="module")
def found(run) -> Embeddings:
    return embed_run(run, SCENES, SPLIT, "test")


def test_each_vector_is_that_of_its_image(run, found):
    assert found.names == tuple(SCENES.names[i] for i in SPLIT.test.tolist())
    assert found.labels.tolist() == SCENES.labels[SPLIT.test].tolist()
    model, normalize = run.load_model("best")
    with torch.no_grad():
        features = Features(torch.from_numpy(found.vectors), None, (8, 8))
        logits = model.heads["scene"](features)
    images = {"s2": SCENES.images[SPLIT.test]}
    expected = predict(model, images, normalize)["scene"]
    torch.testing.assert_close(logits.softmax(1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", ["labeled", "unlabeled", "val"])
def test_every_part_can_be_embedded(run, part):
    found = embed_run(run, SCENES, SPLIT, part, "projection")
    assert found.vectors.shape == (len(getattr(SPLIT, part)), 5)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)


def test_before_training_images_lie_elsewhere(run, found):
    before = embed_run(run, SCENES, SPLIT, "test", checkpoint="initial")
    assert before.names == found.names
    assert not np.allclose(before.vectors, found.vectors)


def test_wrong_names_and_other_data_are_told(run):
    with pytest.raises(WorkshopError, match="Did you mean 'test'"):
        embed_run(run, SCENES, SPLIT, "tset")
    with pytest.raises(WorkshopError, match="Did you mean 'initial'"):
        embed_run(run, SCENES, SPLIT, checkpoint="inital")
    with pytest.raises(WorkshopError, match="another split"):
        embed_run(run, SCENES, Split.random(SCENES, labels_per_class=3, seed=9))


def test_what_is_written_is_what_is_read(found, tmp_path):
    maps = {"tsne_2d": np.arange(6.0).reshape(3, 2)}
    paths = export_embeddings(tmp_path / "new" / "folder", found, maps)
    names = ["embeddings.npz", "vectors.tsv", "metadata.tsv"]
    assert [path.name for path in paths] == names
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)  # no temporary file left
    with np.load(paths[0], allow_pickle=False) as file:
        for name in ("vectors", "labels", "names", "class_names"):
            np.testing.assert_array_equal(file[name], getattr(found, name))
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
    text = (tmp_path / "metadata.tsv").read_bytes().decode("utf-8")
    assert text == 'name\tclass\na "b" c.png\tOld Town\nBäche/2.png\tRiver\n'


def test_a_folder_that_is_none_is_told(found, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WorkshopError, match="cannot write"):
        export_embeddings(tmp_path / "file", found)


def test_maps_show_the_images_that_they_say(found):
    figure, arrays = embedding_maps(found, note="kNN 50 %", most=9, seed=1)
    assert sorted(arrays) == ["drawn", "pca_2d", "tsne_2d"]
    assert arrays["tsne_2d"].shape == arrays["pca_2d"].shape == (9, 2)
    assert np.bincount(found.labels[arrays["drawn"]]).tolist() == [3, 3, 3]
    shown = np.concatenate([line.get_xydata() for line in figure.axes[0].lines])
    np.testing.assert_allclose(np.sort(shown, 0), np.sort(arrays["tsne_2d"], 0))
    assert "kNN 50 %" in describe(figure)
    assert "of variance" in figure.axes[1].get_xlabel()
    solid, more = embedding_maps(found, 3, title="3-D", most=9, seed=1)
    np.testing.assert_array_equal(more["drawn"], arrays["drawn"])
    assert more["tsne_3d"].shape == more["pca_3d"].shape == (9, 3)
    assert [axes.name for axes in solid.axes] == ["3d"] * 4


def test_the_picture_of_neighbours_shows_the_nearest(found):
    figure = draw_neighbours(found, SCENES, np.array([4, 0]))
    unit = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    cosine = unit @ unit[4]
    cosine[4] = -2
    best = int(cosine.argmax())
    text = figure.axes[1].get_xlabel()
    assert found.class_names[found.labels[best]] in text
    assert text.endswith(f"{cosine[best]:.2f}")


def cosine(a, b) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def cloud(seed: int, count: int, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def embeddings(vectors, labels, start: str = "a", classes: int = 3) -> Embeddings:
    names = tuple(f"{start}{i}" for i in range(len(vectors)))
    return Embeddings(
        np.asarray(vectors, dtype=np.float32),
        np.asarray(labels),
        names,
        tuple("ABCDEFGH"[:classes]),
    )


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), count=st.integers(2, 12), data=st.data())
def test_nearest_equals_its_loop_twin(seed, count, data):
    k = data.draw(st.integers(1, count - 1))
    vectors = cloud(seed, count)
    queries = np.arange(count)
    found, similarity = nearest(vectors, queries, k)
    assert found.shape == similarity.shape == (count, k)
    for q in queries:
        others = [i for i in queries if i != q]
        others.sort(key=lambda i: -cosine(vectors[q], vectors[i]))
        expected = [cosine(vectors[q], vectors[i]) for i in others[:k]]
        np.testing.assert_allclose(similarity[q], expected, atol=1e-5)
        assert q not in found[q]
        assert len(set(found[q].tolist())) == k


def test_twins_of_an_image_do_not_hide_it_from_being_left_out():
    vectors = np.ones((6, 3), dtype=np.float32)  # all the same
    found, similarity = nearest(vectors, np.arange(6), 3)
    for q in range(6):
        assert q not in found[q] and len(set(found[q].tolist())) == 3
    np.testing.assert_allclose(similarity, 1, atol=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), k=st.integers(1, 4))
def test_knn_equals_its_loop_twin(seed, k):
    rng = np.random.default_rng(seed)
    memory = embeddings(cloud(seed, 7), rng.integers(0, 3, 7), "m")
    queries = embeddings(cloud(seed + 1, 9), rng.integers(0, 3, 9), "q")
    right = 0
    for vector, label in zip(queries.vectors, queries.labels, strict=True):
        distances = [1 - cosine(vector, other) for other in memory.vectors]
        votes = np.zeros(3)
        for i in np.argsort(distances)[:k]:
            votes[memory.labels[i]] += 1 / distances[i]
        right += int(votes.argmax() == label)
    assert knn_accuracy(memory, queries, k) == pytest.approx(right / 9)


def test_images_of_the_memory_are_no_queries():
    memory = embeddings([[1, 0], [0, 1]], [0, 1], "m")
    both = embeddings([[1, 0], [0, 1], [1, 0.1]], [0, 1, 1], "m")  # one more, m2
    assert knn_accuracy(memory, both) == 0  # q alone counts, and is wrong
    with pytest.raises(WorkshopError, match="itself"):
        knn_accuracy(memory, memory)
    with pytest.raises(WorkshopError, match="at least 1 must vote"):
        knn_accuracy(memory, both, 0)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_no_silhouette_of_one_class_or_of_single_images(labels):
    with pytest.raises(WorkshopError, match="two classes"):
        silhouette(cloud(0, 3), np.array(labels))

"""t-SNE, PCA, and which images are drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.projection import pca, sample_per_class, tsne


def groups(count: int = 3, each: int = 12, width: int = 8) -> np.ndarray:
    """Groups far apart, one after the other."""
    rng = np.random.default_rng(0)
    centres = np.repeat(10 * np.eye(count, width), each, axis=0)
    return (centres + rng.normal(size=centres.shape)).astype(np.float32)


def nearest_point(points: np.ndarray) -> np.ndarray:
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    return gaps.argmin(axis=1)


def test_pca_axes_are_those_of_the_covariance():
    vectors = groups()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(np.cov(unit.T))[::-1]
    points, shares = pca(vectors, 3)
    np.testing.assert_allclose(points.var(axis=0, ddof=1), values[:3], rtol=1e-3)
    np.testing.assert_allclose(shares, values[:3] / values.sum(), rtol=1e-3)


@pytest.mark.parametrize("dims", [2, 3])
def test_tsne_keeps_groups_together_and_repeats_itself(dims):
    vectors, labels = groups(), np.repeat(np.arange(3), 12)
    points = tsne(vectors, dims, seed=1)
    assert points.shape == (36, dims) and np.isfinite(points).all()
    assert (labels[nearest_point(points)] == labels).all()
    np.testing.assert_array_equal(points, tsne(vectors, dims, seed=1))


def test_a_small_set_in_3d_is_not_thrown_apart():
    # With scikit-learn's least learning rate of 50 a quarter lost its neighbours here.
    points = tsne(groups(each=4), 3)
    assert (nearest_point(points) // 4 == np.arange(12) // 4).all()


def test_few_images_are_enough():
    assert tsne(groups(1, 3), 2).shape == (3, 2)
    assert tsne(groups(2, 2), 3).shape == (4, 3)


@pytest.mark.parametrize("draw", [tsne, lambda v, d: pca(v, d)])
def test_what_cannot_be_drawn_is_told(draw):
    with pytest.raises(WorkshopError, match="at least 3 images"):
        draw(groups(1, 2), 2)
    with pytest.raises(WorkshopError, match="3 numbers each"):
        draw(groups(2, 4, width=2), 3)
    with pytest.raises(WorkshopError, match="collapsed"):
        draw(np.ones((9, 4), np.float32) * np.arange(1, 10, dtype="f4")[:, None], 2)


@settings(max_examples=40)
@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    most=st.integers(1, 70),
    seed=st.integers(0, 9),
)
def test_the_sample_is_as_even_as_the_classes_allow(labels, most, seed):
    array = np.array(labels)
    drawn = sample_per_class(array, most, seed)
    assert len(drawn) == min(most, len(array))
    assert (np.diff(drawn) > 0).all()  # in order, none twice
    np.testing.assert_array_equal(drawn, sample_per_class(array, most, seed))
    there = np.bincount(array, minlength=6)
    taken = np.bincount(array[drawn], minlength=6)
    # A class that has more to give is not behind any other by more than one image
    hungry = taken[taken < there]
    assert hungry.size == 0 or taken.max() - hungry.min() <= 1


def test_another_seed_draws_other_images():
    labels = np.zeros(100, dtype=np.int64)
    first, second = (sample_per_class(labels, 10, seed) for seed in (0, 1))
    assert first.tolist() != second.tolist()
    with pytest.raises(WorkshopError, match="most=0"):
        sample_per_class(labels, 0)

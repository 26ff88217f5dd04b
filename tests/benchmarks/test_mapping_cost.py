"""The cost of a map: the dense pass gives the answers of the sliding window."""

import torch

from benchmarks import mapping_cost
from benchmarks.mapping_cost import FullyConvolutional, network, plain


def test_one_pass_over_a_window_is_the_classifier():
    torch.manual_seed(0)
    model = network("small_cnn", "scene", "categorical")
    window = torch.randn(
        2, mapping_cost.BANDS, mapping_cost.WINDOW, mapping_cost.WINDOW
    )
    with torch.inference_mode():
        dense = FullyConvolutional(model).eval()(window)
        scores = plain(model, "scene").eval()(window)
    assert dense.shape == (2, mapping_cost.CLASSES, 1, 1)
    torch.testing.assert_close(dense[:, :, 0, 0], scores)


def test_every_way_is_measured():
    table = mapping_cost.measure(64, repeats=1)
    assert len(table) == len(mapping_cost.STRIDES) + 3
    assert (table["s"] > 0).all()
    dense = table["way"].str.contains("fully convolutional")
    assert table.loc[dense, "answers"].tolist() == [25]  # every 8 px of 64 - 32

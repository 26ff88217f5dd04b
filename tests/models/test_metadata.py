"""Metadata as a shift of channels: unknown numbers, absence, and that it teaches."""

import math

import pytest
import torch
from torch.nn import functional as F

from tests.models.common import COVER, METADATA, SCENE, fused, images, sample
from workshop_lib.errors import WorkshopError
from workshop_lib.models import HeadSpec
from workshop_lib.models.fusion import FUSIONS
from workshop_lib.models.metadata import (
    EMBEDDING,
    MetadataEmbedding,
    MetadataShift,
    MetadataToken,
)

EACH = pytest.mark.parametrize("fusion", FUSIONS)


@EACH
def test_metadata_shifts_scenes_and_maps(fusion):
    model, x = fused("unet-4", SCENE | COVER, fusion=fusion).eval(), sample()
    other = x | {"metadata": x["metadata"] + 1}
    for name, scores in model(x).items():
        assert not torch.allclose(scores, model(other)[name])


@EACH
def test_absent_metadata_is_unknown_metadata(fusion):
    model, x = fused("small_cnn", fusion=fusion).eval(), sample()
    torch.nn.init.normal_(model.encoder.metadata.missing)
    unknown = x | {"metadata": torch.full((4, METADATA), math.nan)}
    absent = {k: v for k, v in x.items() if k != "metadata"}
    torch.testing.assert_close(model(unknown)["scene"], model(absent)["scene"])
    assert not torch.allclose(model(x)["scene"], model(absent)["scene"])


def test_shifts_have_the_shapes_of_the_stages_and_tokens_that_of_a_transformer():
    embed = MetadataEmbedding(3)
    embedding = embed.eval()({"metadata": images(4, 3)}, 4)
    assert (embed.train()({"metadata": images(4, 3)}, 4) == 0).any()  # dropped
    assert embedding.shape == (4, EMBEDDING)
    shifts = MetadataShift((24, 48))(embedding)
    assert [tuple(s.shape) for s in shifts] == [(4, 24, 1, 1), (4, 48, 1, 1)]
    assert MetadataToken(64)(embedding).shape == (4, 1, 64)


def test_other_numbers_than_in_training_are_refused():
    with pytest.raises(WorkshopError, match=r"\(B, 2\)"):
        fused("small_cnn")(sample(metadata=3))


def test_a_network_learns_to_read_the_same_pixels_differently():
    """The class is pattern XOR season: neither tells anything by itself."""
    generator = torch.Generator().manual_seed(0)
    n = 128
    pattern, season = torch.randint(2, (2, n), generator=generator)
    x = {
        "s2": images(n, 3, 8, 8) + 2 * pattern[:, None, None, None],
        "metadata": torch.stack([2.0 * season - 1, torch.zeros(n)], 1),
    }
    labels = pattern ^ season
    heads = {"scene": HeadSpec("categorical", 2)}
    model = fused("small_cnn", heads, sensors={"s2": 3})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(40):
        loss = F.cross_entropy(model(x)["scene"], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (model.eval()(x)["scene"].argmax(1) == labels).float().mean()
    assert right > 0.9

"""Masks go where their images go: an image that is its own mask tells."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from workshop_lib.augment import NoAugment, RandAugment, SpectralStrong, Weak
from workshop_lib.augment.contrastive import Contrastive
from workshop_lib.augment.geometry import affine, move
from workshop_lib.augment.modal import ModalStrong, WithoutModalities
from workshop_lib.augment.paired import (
    Places,
    hidden_by_holes,
    move_masks,
    places,
    same_pixels,
)
from workshop_lib.channels import groups
from workshop_lib.errors import WorkshopError

K = 5
GROUPS = groups(["s2:B02", "s2:B03", "s2:B04", "s1:VV", "s1:VH"])
STRONG = {
    "spectral": (SpectralStrong(), 5),
    "photographs": (RandAugment(n=4), 3),
    "modal": (ModalStrong(GROUPS), 5),
    "modal with dropout": (WithoutModalities(ModalStrong(GROUPS), GROUPS, 0.5), 5),
}


def masks_of(seed, B=6, H=16, W=16):
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, K, (B, 1, 1 + H // 4, 1 + W // 4), generator=generator)
    large = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return large[:, 0, :H, :W].to(torch.uint8)


def one_hot(masks):
    return F.one_hot(masks.long(), K).permute(0, 3, 1, 2).float()  # (B, K, H, W)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(16, 16), (9, 14), (7, 7), (1, 3)]))
def test_a_weak_view_of_an_image_that_is_its_mask_is_the_moved_mask(seed, sides):
    masks = masks_of(seed, 6, *sides)
    generator = torch.Generator().manual_seed(seed)
    drawn = Weak(shift=0.4).draw((6, K, *sides), generator)
    seen = Weak().apply(one_hot(masks), *drawn)
    moved = move_masks(masks, places(Weak(), drawn), hidden=255)
    assert moved.dtype == torch.uint8
    assert torch.equal(one_hot(moved), seen)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_distorted_mask_is_the_image_wherever_one_class_clearly_prevails(seed):
    masks = masks_of(seed)
    policy = SpectralStrong()
    drawn = policy.draw((6, K, 16, 16), torch.Generator().manual_seed(seed))
    where = places(policy, drawn)._replace(centre=None, side=None)
    moved = move_masks(masks, where, hidden=255)
    image = move(one_hot(masks), where.which, where.shift)
    assert torch.equal(
        one_hot(moved), affine(image, mode="nearest", **where.distortion)
    )
    # The nearest of four pixels has at least a quarter of the weight
    share, best = affine(image, **where.distortion).max(dim=1)
    clear = share > 0.751
    assert clear.float().mean() > 0.3
    assert torch.equal(moved[clear].long(), best[clear])


@pytest.mark.parametrize("name", STRONG)
def test_the_hole_of_a_strong_view_is_hidden_and_nothing_else(name):
    """Two images that differ in all pixels differ wherever there is no hole."""
    policy, C = STRONG[name]
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(8, C, 16, 16, generator=generator)
    drawn = policy.draw(images.shape, generator)
    where = places(policy, drawn)
    hidden = move_masks(torch.zeros(8, 16, 16, dtype=torch.uint8), where, 255) == 255
    assert torch.equal(
        hidden, hidden_by_holes(hidden.float(), where.centre, where.side)
    )
    assert 0.01 < hidden.float().mean() < 0.3
    view = policy.apply(images, *drawn)
    for image, hole in zip(view, hidden, strict=True):
        for band in image:
            inside = band[hole]
            if len(inside) and not band.isnan().any():  # a modality that was dropped
                assert (inside - inside[0]).abs().max() < 1e-6


@pytest.mark.parametrize("name", STRONG)
def test_a_strong_view_moves_the_mask_as_it_moves_the_image(name):
    """A bright half and its mask stay together through whatever was drawn."""
    policy, C = STRONG[name]
    generator = torch.Generator().manual_seed(5)
    masks = torch.zeros(32, 24, 24, dtype=torch.uint8)
    masks[:, :, :9] = 1
    drawn = policy.draw((32, C, 24, 24), generator)
    where = places(policy, drawn)
    moved = move_masks(masks, where, hidden=255)
    # The geometry alone, as the policy would do it, on an image that is its mask
    image = move(masks[:, None].float(), where.which, where.shift)
    image = affine(image, **where.distortion)[:, 0]
    known = moved != 255
    assert ((image - moved.float()).abs()[known] < 0.76).all()
    # and the view itself shows two kinds of ground where the mask says so
    flat = 0.2 + 0.5 * masks[:, None].float().expand(32, C, 24, 24)
    view = policy.apply(flat.clone(), *drawn)[:, 0]
    apart = 0
    for shown, mask in zip(view, moved, strict=True):
        low, high = shown[mask == 0], shown[mask == 1]
        if len(low) and len(high) and not shown.isnan().any():
            apart += int((low.median() - high.median()).abs() > 0.02)
    assert apart >= 20 if "dropout" not in name else apart >= 8


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(12, 12), (8, 13)]))
def test_same_pixels_show_the_same_ground(seed, sides):
    """An image whose pixels are all different: undone and done, they meet again."""
    H, W = sides
    generator = torch.Generator().manual_seed(seed)
    ground = torch.arange(H * W).view(1, H, W).expand(4, H, W)
    strong = SpectralStrong()
    of_weak = places(Weak(), Weak().draw((4, 3, H, W), generator))
    of_strong = places(strong, strong.draw((4, 3, H, W), generator))
    found = same_pixels(sides, of_weak, of_strong)
    seen = move_masks(ground, of_weak, hidden=-1)
    shown = move_masks(ground, of_strong, hidden=-1)
    for i in range(4):
        visible = set(seen[i].flatten().tolist())
        for position, place in zip(
            found[i].flatten().tolist(), shown[i].flatten().tolist(), strict=True
        ):
            if position < 0:
                assert place == -1 or place not in visible
            else:
                assert seen[i].flatten()[position] == place


def test_the_same_geometry_twice_compares_each_pixel_with_itself():
    """Apart from mirrored ground, which either of its two pixels shows."""
    drawn = Weak().draw((6, 3, 16, 16), torch.Generator().manual_seed(0))
    where = places(Weak(), drawn)
    found = same_pixels((16, 16), where, where)
    assert (found >= 0).all()
    masks = masks_of(0)
    weak = move_masks(masks, where, 255).flatten(1)
    assert torch.equal(weak.gather(1, found.flatten(1)), weak)


def test_what_cannot_be_moved_or_undone_is_refused_in_words():
    with pytest.raises(WorkshopError, match="Contrastive cannot be applied to masks"):
        places(Contrastive(), ())
    generator = torch.Generator().manual_seed(0)
    strong = places(SpectralStrong(), SpectralStrong().draw((2, 3, 8, 8), generator))
    with pytest.raises(WorkshopError, match="cannot be undone"):
        same_pixels((8, 8), strong, strong)
    with pytest.raises(WorkshopError, match="nothing to compare"):
        same_pixels((8, 8), Places(), Places())


def test_no_augmentation_leaves_masks_alone():
    masks = masks_of(1)
    assert torch.equal(move_masks(masks, places(NoAugment(), ()), 255), masks)

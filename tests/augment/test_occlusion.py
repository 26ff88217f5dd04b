"""Boxes of another image."""

import torch

from workshop_lib.augment.occlusion import BOX_AREA, cutmix, sample_boxes


def test_boxes_are_whole_rectangles_of_the_area_asked_for():
    boxes = sample_boxes((200, 32, 48), 1.0, torch.Generator().manual_seed(0))
    for box in boxes:
        rows, columns = box.any(1), box.any(0)
        assert torch.equal(box, rows[:, None] & columns[None, :])
        area = box.float().mean()  # a side ends between two pixels
        assert BOX_AREA[0] - 0.06 < area < BOX_AREA[1] + 0.06
    assert (sample_boxes((200, 8, 8), 0.0, torch.Generator()).sum()) == 0
    half = sample_boxes((400, 8, 8), 0.5, torch.Generator().manual_seed(1))
    assert 0.4 < half.flatten(1).any(1).float().mean() < 0.6


def test_the_box_comes_from_the_neighbour_and_the_rest_stays():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, 8, 9, generator=generator)
    boxes = sample_boxes((5, 8, 9), 0.8, generator)
    mixed = cutmix(images, boxes)
    for i in range(5):
        for row in range(8):
            for column in range(9):
                other = i - 1 if boxes[i, row, column] else i
                expected = images[other, :, row, column]
                assert torch.equal(mixed[i, :, row, column], expected)
    # A map of any channel is mixed alike
    assert torch.equal(cutmix(images[:, 0], boxes), mixed[:, 0])

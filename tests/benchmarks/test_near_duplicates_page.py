"""The tables of docs/near_duplicates.md, from a few images made up here."""

import torch

from benchmarks import near_duplicates
from workshop_lib.data.dataset import Dataset


def scenes() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    shape = (30, 3, 64, 64)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    images[1] = images[0]
    names = tuple(f"class/image{i:02}" for i in range(30))
    labels = torch.arange(30) // 15
    return Dataset(images, labels, ("a", "b"), names, ("red", "green", "blue"))


def test_a_copy_is_counted_and_listed(monkeypatch):
    monkeypatch.setattr(near_duplicates, "leaks", lambda found: [1, 0])
    found = near_duplicates.survey("Noise", scenes(), exhaustive=True)
    assert "| Noise | 30 |" in near_duplicates.table([found])
    assert "| **1** | 1.00 |" in near_duplicates.table([found])
    assert "Noise: image00 and image01 (0 bits" in near_duplicates.pairs([found])
    assert "0 more" in near_duplicates.beyond(found)

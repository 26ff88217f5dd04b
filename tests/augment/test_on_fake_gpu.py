"""What a GPU would do, without one: fake tensors refuse to be waited for or mixed.

On a fake device a value that the CPU would have to read (`item`, `nonzero`) raises, and
so does an operation between a CPU's and a GPU's tensor. Copies of constants to the
device would pass: these are watched for.
"""

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from workshop_lib.augment.multimodal import augmentations_for
from workshop_lib.augment.normalize import BandNormalize, Normalize
from workshop_lib.augment.views import ViewMaker

SHAPE = (6, 16, 20)
CASES = [(rgb, name) for rgb in (True, False) for name in augmentations_for(rgb)]
CASES.remove((True, "randaugment_mc"))  # is left to Pillow, on the CPU


TENSOR = torch.tensor


class NoCopies(TorchDispatchMode):
    """Refuse to bring a tensor, or a constant, to another device."""

    def __enter__(self) -> Any:
        self.patch = mock.patch.object(torch, "tensor", self.tensor)
        self.patch.start()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.patch.stop()

    def tensor(self, *args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        on_cpu = device is None or torch.device(device).type == "cpu"
        assert on_cpu, "a copy of a constant in each call"
        return TENSOR(*args, **kwargs)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_):
            source = args[1] if func.overloadpacket is torch.ops.aten.copy_ else args[0]
            assert source.device == result.device, "a copy to the device in each call"
        return result


def fake(values: Tensor) -> Tensor:
    return torch.empty(values.shape, dtype=values.dtype, device="cuda")


def test_the_watch_finds_what_it_is_for():
    with FakeTensorMode(), NoCopies():
        with pytest.raises(AssertionError, match="a copy"):
            torch.zeros(3).to("cuda")
        with pytest.raises(AssertionError, match="a copy"):
            torch.tensor([1.0, 2.0], device="cuda")
        with pytest.raises(DynamicOutputShapeException):
            torch.zeros(3, device="cuda").nonzero()


@pytest.mark.parametrize(("is_rgb", "name"), CASES)
def test_an_augmentation_waits_for_nothing_and_copies_nothing(is_rgb, name):
    B, H, W = SHAPE
    shape = (B, 3 if is_rgb else 5, H, W)
    augmentation = augmentations_for(is_rgb)[name]
    params = augmentation.sample_params(shape, torch.Generator())
    with FakeTensorMode(), NoCopies():
        on_gpu = [fake(each) for each in params]
        result = augmentation.apply(torch.empty(shape, device="cuda"), *on_gpu)
        assert result.device.type == "cuda" and result.shape == shape


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("names", [("s2", "s1", "dem"), ("s2",), ("rgb", "dem")])
def test_a_view_maker_waits_for_nothing_and_copies_nothing(dense, names, monkeypatch):
    """The generator is the one thing that has no fake: random numbers come without."""
    rand, randint = torch.rand, torch.randint
    monkeypatch.setattr(torch, "rand", lambda *a, generator, **k: rand(*a, **k))
    monkeypatch.setattr(torch, "randint", lambda *a, generator, **k: randint(*a, **k))
    channels = {"s2": 4, "s1": 2, "dem": 1, "rgb": 3}
    B, H, W = SHAPE
    generator: Any = SimpleNamespace(device=torch.device("cuda"))
    bands = {
        k: BandNormalize(torch.zeros(n), torch.ones(n)) for k, n in channels.items()
    }
    two = BandNormalize(torch.zeros(2), torch.ones(2))
    with FakeTensorMode():
        sensors = {k: torch.empty(30, channels[k], H, W, device="cuda") for k in names}
        sensors["metadata"] = torch.empty(30, 2, device="cuda")
        if "rgb" in names:
            sensors["rgb"] = sensors["rgb"].to(torch.uint8)
        for band in (two, *bands.values()):
            band.mean, band.std = fake(band.mean), fake(band.std)
        masks = torch.empty(30, H, W, dtype=torch.uint8, device="cuda")
        maker = ViewMaker(
            sensors,
            {"cover" if dense else "scene": masks if dense else masks[:, 0, 0]},
            Normalize({**bands, "metadata": two}),
            labeled_views=("weak", "strong"),
            unlabeled_views=("weak", "strong", "contrastive"),
            dense=dense,
            cutmix=0.5,
            modality_dropout=0.2,
        )
        index = torch.empty(B, dtype=torch.long, device="cuda")
        with NoCopies():
            labeled, targets = maker.labeled(index, generator)
            unlabeled = maker.unlabeled(index, generator)
            found = [*targets.values(), *unlabeled.truth().values()]
            for sample in (*labeled, *unlabeled.views):
                assert list(sample) == [*names, "metadata"]
                found += sample.values()
            found.append(unlabeled.follow(masks[:B]))
        assert all(values.device.type == "cuda" for values in found)

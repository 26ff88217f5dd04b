"""The usual FixMatch pipeline in plain torch, to measure ours against.

Written as most public implementations are: each image goes by itself through Pillow in
a `Dataset`, a `DataLoader` stacks them, all views go through the network in one pass
that keeps everything for the backward pass, the averaged weights follow in a loop over
the state dict, and the meters read numbers back with `.item()` in every step. Nothing
is slowed down on purpose: geometry and jitter are torchvision's, the network, the
optimiser and the sizes are the same as ours, and its strong view draws from the
published pool of operations (`workshop_lib.augment.rgb.POOL`).

The loader has no workers. Worker processes would take their time from the same two
cores; a machine with more cores hides the augmentation behind them.
"""

__all__ = ["POLICIES", "OneImageAtATime", "UsualTraining", "usual_loader"]

import copy
import random
from collections.abc import Callable, Iterator

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

from workshop_lib.augment.rgb import POOL, apply_operation, gray_square

Transform = Callable[[Image.Image], Image.Image]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def rand_augment(image: Image.Image) -> Image.Image:
    """Do two operations of `POOL`, each with probability one half; add a square."""
    for name in random.choices(list(POOL), k=2):
        level, sign = random.randint(1, 9), random.choice((-1, 1))
        if random.random() < 0.5:
            image = apply_operation(name, image, level, sign)
    x, y = random.random() * image.width, random.random() * image.height
    return gray_square(image, x, y)


def _flip_and_crop(size: int) -> list[Transform]:
    padding = size // 8
    crop = T.RandomCrop(size, padding=padding, padding_mode="reflect")
    return [T.RandomHorizontalFlip(), crop]


def _contrastive(size: int) -> Transform:
    jitter = T.ColorJitter(0.4, 0.4, 0.4, 0.1)
    return T.Compose(
        [
            T.RandomResizedCrop(size, scale=(0.2, 1.0)),
            T.RandomHorizontalFlip(),
            T.RandomApply([jitter], p=0.8),
            T.RandomGrayscale(p=0.2),
        ]
    )


# The names of our own policies -> what makes the transform for a side in pixels.
POLICIES: dict[str, Callable[[int], Transform]] = {
    "weak": lambda size: T.Compose(_flip_and_crop(size)),
    "strong": lambda size: T.Compose([*_flip_and_crop(size), rand_augment]),
    "contrastive": _contrastive,
}


class OneImageAtATime(Dataset[tuple[list[Tensor], int]]):
    """Images (N, 3, H, W) uint8 as Pillow images; views of one image at a time."""

    def __init__(self, images: Tensor, labels: Tensor, views: tuple[str, ...]) -> None:
        arrays = images.permute(0, 2, 3, 1).numpy()  # (N, H, W, 3)
        self.images = [Image.fromarray(array) for array in arrays]
        self.labels = labels.tolist()
        self.transforms = [POLICIES[name](images.shape[-1]) for name in views]
        self.to_tensor = T.Compose([T.ToTensor(), T.Normalize(_MEAN, _STD)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[list[Tensor], int]:
        image = self.images[i]
        views = [self.to_tensor(transform(image)) for transform in self.transforms]
        return views, self.labels[i]


def usual_loader(
    images: Tensor, labels: Tensor, views: tuple[str, ...], batch_size: int
) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Yield batches without end: one tensor (B, 3, H, W) per view, and labels (B,)."""
    data = OneImageAtATime(images, labels, views)
    loader = DataLoader(data, batch_size=batch_size, shuffle=True, drop_last=True)
    while True:
        yield from loader


class UsualTraining:
    """FixMatch on a network, step by step, in the usual way.

    Args:
        model: takes {"rgb": images}, returns {"scene": logits}; is trained in place.
        images: (N, 3, H, W) uint8; labels (N,).
        batch_size: labeled images per step, B.
        mu: unlabeled images per labeled one.
    """

    def __init__(
        self, model: nn.Module, images: Tensor, labels: Tensor, batch_size: int, mu: int
    ) -> None:
        self.model = model.train()
        self.average = copy.deepcopy(model).eval()
        self.labeled = usual_loader(images, labels, ("weak",), batch_size)
        views = ("weak", "strong")
        self.unlabeled = usual_loader(images, labels, views, batch_size * mu)
        self.optimizer = torch.optim.SGD(
            model.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4
        )
        self.meters: dict[str, float] = {}

    def step(self) -> None:
        """Take one optimisation step."""
        (x_lab,), y = next(self.labeled)
        (weak, strong), _ = next(self.unlabeled)
        B = len(y)
        logits = self.model({"rgb": torch.cat([x_lab, weak, strong])})["scene"]
        logits_x = logits[:B]
        logits_u_w, logits_u_s = logits[B:].chunk(2)
        loss_x = F.cross_entropy(logits_x, y)
        confidence, pseudo = logits_u_w.detach().softmax(1).max(1)
        mask = (confidence >= 0.95).float()
        loss_u = (F.cross_entropy(logits_u_s, pseudo, reduction="none") * mask).mean()
        loss = loss_x + loss_u
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._follow()
        means = {"loss": loss, "loss_x": loss_x, "loss_u": loss_u, "mask": mask.mean()}
        self.meters = {name: value.item() for name, value in means.items()}

    @torch.no_grad()
    def _follow(self, decay: float = 0.999) -> None:
        latest = self.model.state_dict()
        for name, mine in self.average.state_dict().items():
            if mine.is_floating_point() and "running" not in name:
                mine.copy_(decay * mine + (1 - decay) * latest[name])
            else:
                mine.copy_(latest[name])

"""A program that maps an image, for tests that kill or measure it.

python mapper.py IMAGE OUT DELAY [SIZE]    prints the MB that mapping took
"""

import sys
import time

import torch
from torch import nn

from workshop_lib.augment.normalize import BandNormalize
from workshop_lib.evaluation.mapping import map_image
from workshop_lib.session import peak_memory

NAMES = ("water", "forest", "field")
PLAIN = BandNormalize(torch.zeros(3), torch.ones(3))


class Slow(nn.Module):
    """A convolution that takes its time, so that a kill finds it at work."""

    def __init__(self, delay=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.delay = nn.Conv2d(3, 3, 3, padding=1), delay

    def forward(self, x):
        time.sleep(self.delay)
        return self.layer(x)


if __name__ == "__main__":
    source, out, delay, *size = sys.argv[1:]
    torch.set_num_threads(1)
    side = int(size[0]) if size else 32
    before = peak_memory(torch.device("cpu"))
    map_image(Slow(float(delay)), PLAIN, source, out, NAMES, size=side, verbose=False)
    print((peak_memory(torch.device("cpu")) - before) / 1e6)

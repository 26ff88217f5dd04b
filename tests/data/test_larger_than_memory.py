"""A data set that does not fit into memory: decoded, split, audited, trained on.

In a process that may map the file of the images, but not also hold a copy of them.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.programs import run_program

resource = pytest.importorskip("resource", reason="address space is limited on Unix")

PER_CLASS, SIDE, CLASSES = 1600, 224, ("Forest", "River")
BYTES = PER_CLASS * len(CLASSES) * SIDE * SIDE * 3  # 482 MB
HEADROOM = 2 * BYTES // 3  # less than a copy of the unlabeled images takes

SCRIPT = """
import os, resource, sys
import torch
torch.set_num_threads(1)
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.presets import preset
from workshop_lib.training.trainer import Trainer
from workshop_lib.evaluation.inference import predict

def mapped():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

folder, file_bytes, headroom = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
# Once with a few images, so that libraries are loaded and threads have started.
small = Dataset(torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8),
                torch.tensor([0, 1] * 20), ("a", "b"), tuple(map(str, range(40))))
config = preset("class", steps=1, eval_every=1, batch_size=4, mu=1,
                labels_per_class=4, precision="fp32", size=8)
device = torch.device("cpu")
trainer = Trainer(config, small, Split.random(small), device)
trainer.step(); trainer.validate()
Split.random(small).audit(small)

limit = mapped() + file_bytes + headroom
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
scenes = Dataset.from_folder(folder)
assert scenes.images.numel() == file_bytes, scenes
try:
    scenes.images.clone()
except RuntimeError as error:
    print("a copy fails:", str(error).splitlines()[0])
else:
    sys.exit("the limit does not limit: a copy of all images was made")
# Few for validation: what a network needs for a batch is another matter.
split = Split.random(scenes, val=0.005, test=0.005)
print(split.audit(scenes).counts)
trainer = Trainer(config.replace(size=scenes.images.shape[-1]), scenes, split, device)
stream = trainer.unlabeled
steps = -(-len(split.unlabeled) // stream.batch_size)
seen = torch.cat([stream.at(step) for step in range(steps)]).unique()
assert len(seen) == len(split.unlabeled)
total = sum(int(scenes.images[stream.at(step)].sum()) for step in range(steps))
assert total > 0  # one epoch of batches was read
trainer.step()
row = trainer.validate()
images = {"rgb": scenes.images}
output = predict(trainer.model, images, trainer.views.normalize, index=split.test)
probs = output["scene"]
assert probs.shape == (len(split.test), 2)
print("trained", row["val_accuracy"])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("large") / "images"
    draw = np.random.default_rng(0)
    for scene in CLASSES:
        (root / scene).mkdir(parents=True)
        for i in range(PER_CLASS):
            coarse = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BOX)
            picture.save(root / scene / f"{i}.png", compress_level=1)
    return root


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is mapped")
def test_more_images_than_memory(folder, tmp_path):
    command = (sys.executable, "-c", SCRIPT, folder, BYTES, HEADROOM)
    env = {
        **os.environ,
        "WORKSHOP_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        # What was freed goes back: address space is to measure what is in use.
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": str(2**18),
    }
    done = run_program(*command, env=env, timeout=600)
    assert "a copy fails" in done.stdout and "trained" in done.stdout
    (file,) = (tmp_path / "cache").glob("*.rows")
    assert file.stat().st_size >= BYTES

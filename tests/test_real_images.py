"""Real archives, where a folder `../shared` beside the checkout holds them."""

import zipfile
from collections import defaultdict
from pathlib import Path

import pytest

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.evaluation.scoring import evaluate
from workshop_lib.presets import preset
from workshop_lib.training.loop import train

DATA = Path(__file__).parents[2] / "shared" / "data"
FAST = preset("class", steps=20, eval_every=10, batch_size=8, mu=2)


def unpack_some(archive: str, folder: Path, per_class: int) -> Path:
    """Unpack the first images of every class of an archive of class folders."""
    path = DATA / archive
    if not path.exists():
        pytest.skip(f"{archive} is not beside the checkout")
    count: dict[str, int] = defaultdict(int)
    with zipfile.ZipFile(path) as file:
        for name in sorted(n for n in file.namelist() if n.endswith(".jpg")):
            scene = name.split("/")[-2]
            if count[scene] < per_class:
                count[scene] += 1
                target = folder / scene / name.split("/")[-1]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read(name))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("archive", "classes", "size"),
    [("EuroSAT_RGB.zip", 10, 32), ("UCMerced_LandUse.zip", 21, 48)],
)
def test_a_folder_of_real_images_trains(archive, classes, size, tmp_path):
    folder = unpack_some(archive, tmp_path / "images", per_class=14)
    scenes = Dataset.from_folder(folder, size=size)
    assert scenes.images.shape == (14 * classes, 3, size, size)
    split = Split.random(scenes, labels_per_class=4)
    config = FAST.replace(size=size)
    run = train(config, scenes, split, folder=tmp_path / "run", verbose=False)
    assert run.facts["labels"] == 4 * classes
    scores = evaluate(run, scenes, split).scores
    assert scores.accuracy > 1 / classes

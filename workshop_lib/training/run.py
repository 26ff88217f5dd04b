"""A finished (or interrupted) training as a folder, and how to open it again."""

__all__ = [
    "Run",
    "default_folder",
    "holds_run",
    "run_identity",
    "start_folder",
    "what_differs",
]

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from workshop_lib.augment import BandNormalize, Normalize
from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import read_json, reading, write_text
from workshop_lib.methods import Method
from workshop_lib.models import Model
from workshop_lib.training.checkpoint import LAST, PREVIOUS, load_checkpoint
from workshop_lib.training.inputs import initial_model
from workshop_lib.training.pseudo_labels import PseudoMaps

CHECKPOINTS = ("best", "last", "initial")
# Everything that a training or an evaluation writes into the folder of a run.
_FILES = (
    *("config.json", "run.json", LAST, PREVIOUS, "best.pt", "log.csv"),
    *("pseudo_labels.csv", "pseudo_maps.npz", "evaluation.json", "predictions.npz"),
)
Identity = dict[str, str]  # hashes of what a run was trained on, by its name
_IDENTITY = {"*": str}
# What run.json must hold for the run to be used
_FACTS = {
    "heads": {"*": {"kind": str, "num_classes": int, "classes": list}},
    **{"sensors": {"*": int}, "metadata": int, "bands": list, "is_rgb": bool},
    **dict.fromkeys(("steps", "parameters", "labels"), int),
    **{"seconds": (int, float), "counts": {"*": int}},
    "peak_memory": (int, float, type(None)),
}


@dataclass(frozen=True)
class Run:
    """The folder of a training and what is in it.

    `config.json` the settings, `log.csv` the table of validations, `best.pt` the
    checkpoint with the best validation, `last.pt` the one a killed training resumes
    from, `previous.pt` the one before, in case the last gets damaged,
    `pseudo_labels.csv` the counts of `PseudoLabelCounts` if the method makes
    pseudo-labels, `pseudo_maps.npz` a few maps over time if it makes maps, `run.json`
    the facts (seconds, parameters, labels counted, versions), `split/` the names of the
    images in each part.
    """

    folder: Path
    config: Config
    facts: dict[str, Any]
    log: pd.DataFrame = field(repr=False)

    @classmethod
    def load(cls, folder: Path | str, config: Config | None = None) -> "Run":
        """Open the folder of a finished training.

        Args:
            folder: of the run.
            config: where the method is one's own, which config.json cannot hold.

        Raises:
            WorkshopError: the folder is no finished run, or one of an older version.
        """
        folder = Path(folder)
        _refuse_old_run(folder)
        for name in ("config.json", "run.json", "log.csv", "best.pt"):
            if not (folder / name).exists():
                raise WorkshopError(
                    f"{folder} is not a finished run: it has no {name}. Give the folder"
                    " that `workshop train` printed, or train again to finish it."
                )
        if config is None:
            config = _read_config(folder)
        facts = read_json(folder / "run.json", _FACTS)
        return cls(folder, config, facts, _read_table(folder / "log.csv"))

    @property
    def main_head(self) -> str:
        """Name of the head that chose the checkpoint."""
        return next(iter(self.facts["heads"]))

    @property
    def labels(self) -> int:
        """Number of images with a label of the main head: what its scores took."""
        by_head = self.facts.get("labels_per_head", {})
        return int(by_head.get(self.main_head, self.facts["labels"]))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes of the main head; empty for a number."""
        return tuple(self.facts["heads"][self.main_head]["classes"])

    @property
    def metric(self) -> str:
        """Metric that chose the checkpoint: accuracy, miou, f1_micro, r2 or knn."""
        if not self.config.method.labeled_views:
            return "knn"
        kinds = {"dense": "miou", "multilabel": "f1_micro", "regression": "r2"}
        return kinds.get(self.facts["heads"][self.main_head]["kind"], "accuracy")

    @property
    def metadata(self) -> tuple[str, ...]:
        """Facts of an image that predictions need; none where they are withheld."""
        config = self.config
        return () if config.method.withholds_metadata else config.data.metadata

    @property
    def dense(self) -> bool:
        """Whether the main head predicts pixels."""
        return self.metric == "miou"

    def check_head(self) -> None:
        """Refuse to ask the head of a network that has learned without labels.

        Raises:
            WorkshopError: such a run; says how to go on.
        """
        if self.metric == "knn":
            raise WorkshopError(
                f"{self.folder} learned without labels: its head knows nothing. Train"
                f" on from it with labels (workshop train --init-from {self.folder}),"
                " or look at its features (workshop embed)."
            )

    def pseudo_maps(self) -> PseudoMaps:
        """Read what the network made of a few unlabelled tiles over time.

        Raises:
            WorkshopError: a run that predicts no pixels, or a damaged file.
        """
        return PseudoMaps.load(self.folder / "pseudo_maps.npz")

    def pseudo_labels(self) -> pd.DataFrame | None:
        """Read how pseudo-labels fared per class: step, class, used, correct, true.

        None for a method without pseudo-labels. The columns are explained in
        `PseudoLabelCounts`.

        Raises:
            WorkshopError: the table is damaged.
        """
        path = self.folder / "pseudo_labels.csv"
        if not path.exists():
            return None
        # A class may be called "NA"
        return _read_table(path, dtype={"class": str}, keep_default_na=False)

    def load_model(
        self,
        which: Literal["best", "last", "initial"] = "best",
        weights: Literal["ema", "online"] = "ema",
    ) -> tuple[Model, Normalize]:
        """Build the network with trained weights, ready for `predict` and `embed`.

        Args:
            which: the checkpoint with the best validation, the last one, or the network
                as it was before the first step.
            weights: "ema" the averaged weights, which every figure of this library is
                about; "online" those that the optimiser moved. At the start they are
                the same.

        Returns:
            The model in evaluation mode, and the normalisation fitted to its training
            images.
        """
        if which not in CHECKPOINTS:
            raise unknown_name("checkpoint", which, CHECKPOINTS)
        if weights not in ("ema", "online"):
            raise unknown_name("weights", weights, ("ema", "online"))
        # Every checkpoint holds the normalisation, which training does not change.
        file = self.folder / ("last.pt" if which == "last" else "best.pt")
        state = load_checkpoint(file, needs=("model", "ema", "normalize"))
        initial = which == "initial"
        model = initial_model(self.config, self.facts, load_pretrained=initial)
        if not initial:
            chosen = state["ema"] if weights == "ema" else state
            with reading(file, "it is not of the network that run.json describes."):
                model.load_state_dict(chosen["model"])
        found = state["normalize"]  # "bands.SENSOR.mean" and "bands.SENSOR.std"
        bands = {
            name: BandNormalize(found[f"bands.{name}.mean"], found[f"bands.{name}.std"])
            for name in dict.fromkeys(key.split(".")[1] for key in found)
        }
        return model.eval(), Normalize(bands)


def run_identity(config: Config, scenes: Dataset, split: Split) -> Identity:
    """Hash the images of a run and how they were split; of maps, all masks as well."""
    found = {"images": scenes.digest(), "split": split.digest(scenes)}
    maps = {"cover", "covers"} & set(config.model.heads)
    return {**found, "masks": scenes.mask_digest()} if maps else found


def what_differs(found: Identity, wanted: Identity) -> str:
    """Describe how two identities differ; "" if it is the same run."""
    words = {"images": "other images", "split": "another split of them"}
    odd = [name for name, value in wanted.items() if found.get(name) != value]
    return " and ".join(words.get(name, f"other {name}") for name in odd)


def default_folder(config: Config, identity: Identity) -> Path:
    """Name a run after its method and a hash of all that it depends on."""
    text = config.digest() + json.dumps(identity, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return Path("runs") / f"{config.method_name}-{digest}"


def start_folder(
    folder: Path, config: Config, identity: Identity, scenes: Dataset, split: Split
) -> None:
    """Write what does not change, and remove what another run has left.

    Raises:
        WorkshopError: the folder has files of these names that are not a run's.
    """
    theirs = [name for name in _FILES if (folder / name).exists()]
    if theirs and not (folder / "identity.json").exists():
        raise WorkshopError(
            f"{folder} holds {', '.join(theirs)}, and no run: a training would replace"
            " them. Choose another folder."
        )
    write_text(folder / "identity.json", json.dumps(identity))
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    split.save(folder / "split", scenes)
    write_text(folder / "config.json", config.to_json())  # last: a run has begun


def holds_run(folder: Path, config: Config, identity: Identity) -> bool:
    """Return whether a folder holds this run, begun or finished; refuse another.

    Raises:
        WorkshopError: another config, other images or another split; says what differs.
    """
    _refuse_old_run(folder)
    if not (folder / "config.json").exists():
        return False
    changed = config.difference(_read_config(folder, config.method))
    other = what_differs(read_json(folder / "identity.json", _IDENTITY), identity)
    if changed:
        what = ", ".join(f"{k}: {old} -> {new}" for k, (new, old) in changed.items())
        other = f"another config ({what})"
    if other:
        raise WorkshopError(
            f"{folder} holds a run with {other}: choose another folder, or start anew"
            " with resume=False (--fresh)."
        )
    return True


def _refuse_old_run(folder: Path) -> None:
    """Explain a folder that a version before 0.2 has written.

    Raises:
        WorkshopError: the folder holds recipe.json and no config.json.
    """
    if (folder / "recipe.json").exists() and not (folder / "config.json").exists():
        raise WorkshopError(
            f"{folder} holds a run of version 0.1 (recipe.json), whose networks this"
            " version cannot read: train again, or install workshop_lib 0.1 to use it."
        )


def _read_config(folder: Path, method: Method | None = None) -> Config:
    with reading(folder / "config.json", "restore it, or train again."):
        text = (folder / "config.json").read_text(encoding="utf-8")
        try:
            return Config.from_json(text, method)
        except WorkshopError as error:
            raise WorkshopError(f"{folder / 'config.json'}: {error}") from error


def _read_table(path: Path, **options: Any) -> pd.DataFrame:
    with reading(path, "restore it, or train again."):
        table = pd.read_csv(path, **options)
        table["step"]  # a KeyError where another file has taken its name
    return table

"""A finished (or interrupted) training as a folder, and how to open it again."""

__all__ = ["CHECKPOINTS", "Run", "run_identity", "train_flags", "what_differs"]

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from torch import nn

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import read_json
from workshop_lib.recipe import Recipe
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.initial import initial_model
from workshop_lib.training.pseudo_maps import PseudoMaps

CHECKPOINTS = ("best", "last", "initial")


def run_identity(
    scenes: Scenes, split: Split, task: str = "classify"
) -> dict[str, str]:
    """Say in hashes which images a run is about, and how they were split.

    Of task "segment" also with which masks: they are its labels, so all are hashed.
    """
    found = {"images": scenes.digest(), "split": split.digest(scenes)}
    return {**found, "masks": scenes.mask_digest()} if task == "segment" else found


def what_differs(found: dict[str, str], wanted: dict[str, str]) -> str:
    """Say in words what two identities differ in; "" if it is the same run.

    Runs of before masks were hashed do not tell theirs, and are taken for the same.
    """
    words = {"images": "other images", "split": "another split of them"}
    known = {"masks": wanted.get("masks"), **found}
    odd = [name for name, value in wanted.items() if known.get(name) != value]
    return " and ".join(words.get(name, f"other {name}") for name in odd)


@dataclass(frozen=True)
class Run:
    """The folder of a training and what is in it.

    `recipe.json` the settings, `log.csv` the table of validations, `best.pt` the
    checkpoint with the best validation accuracy, `last.pt` the one a killed training
    goes on from, `previous.pt` the one before, in case the last gets damaged,
    `pseudo_labels.csv` the counts of `PseudoLabelCounts` if the method makes
    pseudo-labels, `pseudo_maps.npz` a few maps over time if it makes maps,
    `run.json` the facts (seconds, parameters, labels counted, versions),
    `split/` the names of the images in each part.
    """

    folder: Path
    recipe: Recipe
    facts: dict[str, Any]
    log: pd.DataFrame = field(repr=False)

    @classmethod
    def load(cls, folder: Path | str) -> "Run":
        """Open the folder of a finished training.

        Raises:
            WorkshopError: the folder is no finished run; says what is missing.
        """
        folder = Path(folder)
        for name in ("recipe.json", "run.json", "log.csv", "best.pt"):
            if not (folder / name).exists():
                raise WorkshopError(
                    f"{folder} is not a finished run: it has no {name}. Give the folder"
                    " that `workshop train` printed, or train again to finish it."
                )
        recipe = Recipe.from_json((folder / "recipe.json").read_text(encoding="utf-8"))
        facts = read_json(folder / "run.json")
        try:
            log = pd.read_csv(folder / "log.csv")
        except ValueError as error:
            raise WorkshopError(
                f"{folder / 'log.csv'} is damaged ({error}): restore it, or train anew."
            ) from error
        return cls(folder, recipe, facts, log)

    def check_task(self, task: str, instead: str) -> None:
        """Refuse a run that was trained for another task.

        Args:
            task: "classify" or "segment", as in `Recipe`.
            instead: what to do with this run, for the message.

        Raises:
            WorkshopError: the run's task is another.
        """
        if self.recipe.task != task:
            raise WorkshopError(
                f"{self.folder} was trained with task={self.recipe.task!r}, this is for"
                f" task={task!r}: {instead}."
            )

    def pseudo_maps(self) -> PseudoMaps:
        """Read what the network made of a few unlabeled tiles over time (segment).

        Raises:
            WorkshopError: a run that classifies images, or a damaged file.
        """
        self.check_task("segment", "look at pseudo_labels() instead")
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
        try:  # a class may be called "NA"
            return pd.read_csv(path, dtype={"class": str}, keep_default_na=False)
        except ValueError as error:
            raise WorkshopError(
                f"{path} is damaged ({error}): restore it, or train anew."
            ) from error

    def load_model(
        self,
        which: Literal["best", "last", "initial"] = "best",
        weights: Literal["ema", "online"] = "ema",
    ) -> tuple[nn.Module, Normalize]:
        """Build the network with trained weights, ready for `predict` and `embed`.

        Args:
            which: the checkpoint with the best validation accuracy, the last one, or
                the network as it was before the first step.
            weights: "ema" the averaged weights, which every figure of this library is
                about; "online" those that the optimiser moved. At the start they are
                the same.

        Returns:
            The model in evaluation mode, and the normalisation fitted to its training
            images. Both read what `model_inputs` makes of images: the images, or what
            a frozen backbone sees in them.
        """
        if which not in CHECKPOINTS:
            raise unknown_name("checkpoint", which, CHECKPOINTS)
        if weights not in ("ema", "online"):
            raise unknown_name("weights", weights, ("ema", "online"))
        # Every checkpoint holds the normalisation, which training does not change.
        file = "best" if which == "initial" else which
        state = load_checkpoint(
            self.folder / f"{file}.pt", needs=("model", "ema", "normalize")
        )
        channels, classes = self.facts["in_channels"], len(self.facts["class_names"])
        bands = self.facts.get("bands", ())
        recipe = self.recipe
        if which != "initial":  # whose trunk is not needed, and may be gone by now
            recipe = recipe.with_(start_from="")
        model = initial_model(recipe, channels, classes, bands)
        if which != "initial":
            model.load_state_dict(
                state["ema"]["model"] if weights == "ema" else state["model"]
            )
        normalize = Normalize(torch.zeros(channels), torch.ones(channels))
        normalize.load_state_dict(state["normalize"])
        return model.eval(), normalize


def train_flags(recipe: Recipe) -> list[str]:
    """Return the flags of `workshop train` that change the defaults to this recipe.

    >>> train_flags(Recipe(method="uda", alignment=False, lr=0.01))
    ['--method', 'uda', '--no-alignment', '--lr', '0.01']
    """
    usual = vars(Recipe())
    flags: list[str] = []
    for name, value in vars(recipe).items():
        if value == usual[name]:
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            values = value if isinstance(value, tuple) else (value,)
            flags += [f"--{flag}", *map(str, values)]
    return flags

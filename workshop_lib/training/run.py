"""A finished (or interrupted) training as a folder, and how to open it again."""

__all__ = ["Run", "run_identity"]

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from torch import nn

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import read_json
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe
from workshop_lib.training.checkpoint import load_checkpoint


def run_identity(scenes: Scenes, split: Split) -> dict[str, str]:
    """Say in two hashes which images a run is about, and how they were split."""
    return {"images": scenes.digest(), "split": split.digest(scenes)}


@dataclass(frozen=True)
class Run:
    """The folder of a training and what is in it.

    `recipe.json` the settings, `log.csv` the table of validations, `best.pt` the
    checkpoint with the best validation accuracy, `last.pt` the one a killed training
    goes on from, `run.json` the facts (seconds, parameters, labels counted, versions),
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

    def load_model(
        self,
        which: Literal["best", "last"] = "best",
        weights: Literal["ema", "online"] = "ema",
    ) -> tuple[nn.Module, Normalize]:
        """Build the network with trained weights, ready for `predict`.

        Args:
            which: the checkpoint with the best validation accuracy, or the last one.
            weights: "ema" the averaged weights, which every figure of this library is
                about; "online" those that the optimiser moved.

        Returns:
            The model in evaluation mode, and the normalisation fitted to its training
            images.
        """
        if which not in ("best", "last"):
            raise unknown_name("checkpoint", which, ("best", "last"))
        if weights not in ("ema", "online"):
            raise unknown_name("weights", weights, ("ema", "online"))
        state = load_checkpoint(
            self.folder / f"{which}.pt", needs=("model", "ema", "normalize")
        )
        model = build_model(
            self.recipe.model,
            in_channels=len(self.facts["bands"]),
            num_classes=len(self.facts["class_names"]),
            projection_dim=self.recipe.projection_dim,
        )
        model.load_state_dict(
            state["ema"]["model"] if weights == "ema" else state["model"]
        )
        bands = len(self.facts["bands"])
        normalize = Normalize(torch.zeros(bands), torch.ones(bands))
        normalize.load_state_dict(state["normalize"])
        return model.eval(), normalize

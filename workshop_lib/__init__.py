"""Learning from few labels in remote sensing: the library under the workshop.

    import workshop_lib as wl

    config = wl.preset("class", method=wl.FixMatch(threshold=0.8))
    data = wl.load_dataset("mini_eo", size=32)
    split = wl.Split.random(data, labels_per_class=4, seed=0)
    run = wl.train(config, data, split)
    result = wl.evaluate(run, data, split)

Importing the package loads nothing heavy: each name below is looked up when it is first
used. `dir(workshop_lib)` lists them; the rooms (`workshop_lib.losses`, ...) hold more.
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.2.0"

# Threads of torch that wait for one another spin by default, which makes a step five
# times as long as soon as a browser wants one of two cores. Read when torch is loaded,
# so it has to be set before; a setting of one's own wins. See docs/speed.md.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"

# Public name -> the module that defines it; a module stands for itself.
_PUBLIC = {
    "Config": "config",
    "Split": "data.split",
    "audit": "data.split",
    "embed": "evaluation.embeddings",
    "evaluate": "evaluation.scoring",
    "load_dataset": "data.load",
    "make_split": "data.load",
    "open_data": "data.load",
    "plots": "plots",
    "predict_run": "evaluation.inference",
    "preset": "presets",
    "sweep": "experiments.sweeps",
    "train": "training.loop",
    "Run": "training.run",
    **dict.fromkeys(
        (
            *("CCSSL", "UDA", "AdaMatch", "CCSSLCoMatch", "CoMatch", "DeFixMatch"),
            *("FixMatch", "FlexMatch", "FreeMatch", "MeanTeacher", "Method"),
            *("PseudoLabel", "SimCLR", "SoftMatch", "Spatiotemporal", "Supervised"),
        ),
        "methods",
    ),
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(
            f"workshop_lib has no {name!r}; dir(workshop_lib) lists what it has"
        )
    module = import_module(f"workshop_lib.{_PUBLIC[name]}")
    value = module if _PUBLIC[name] == name else getattr(module, name)
    globals()[name] = value  # not looked up twice
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""Unit 07: predictions of two networks when a sensor is missing."""

__all__ = ["sensor_browser", "sensor_picture"]

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from workshop_lib.course.widgets.live import Control, choice, picture_with
from workshop_lib.data.dataset import known_sensors
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots import AccessibleFigure, sar_to_display, to_display
from workshop_lib.plots.display import frame
from workshop_lib.plots.style import INK, PALETTE, house_style

# What is missing -> which network -> (N, K) probabilities of all images
Answers = Mapping[str, Mapping[str, Tensor]]

_LOOKS = (("blue", ""), ("orange", "//"))  # colour and hatching of each network
_TITLES = {"s2": "Sentinel-2", "s1": "Sentinel-1"}


def sensor_browser(answers: Answers, scenes: Scenes) -> Any:
    """Choose a patch and the missing sensor, and compare two networks' predictions.

    Args:
        answers: by what is missing ("nothing", "s1", "s2") and by the network's name,
            probabilities (N, K) of the images of `scenes`.
        scenes: images of Sentinel-2, with Sentinel-1 among their modalities.

    Returns:
        A widget, or without a live kernel the first patch without the sensor that is
        last in `answers`.

    Raises:
        WorkshopError: as `sensor_picture`.
    """
    names, ends = list(answers) or [""], {"min": 0, "max": len(scenes) - 1}
    return picture_with(
        lambda **chosen: sensor_picture(answers, scenes, **chosen),
        {
            "missing": choice("missing", names),
            "patch": Control("IntSlider", "patch", 0, ends),
        },
        lambda: sensor_picture(answers, scenes, names[-1], 0),
    )


@house_style()
def sensor_picture(
    answers: Answers, scenes: Scenes, missing: str, patch: int
) -> AccessibleFigure:
    """Draw a patch as the networks see it, and their probabilities of each class.

    Args:
        answers, scenes: as for `sensor_browser`.
        missing: a name in `answers`; that sensor is drawn as an empty frame.
        patch: position of the image.

    Raises:
        WorkshopError: a name or a position that does not exist, or other images than
            Sentinel-2 with Sentinel-1.
    """
    if missing not in answers:
        raise unknown_name("missing sensor", missing, answers)
    known = known_sensors(scenes)
    if not {"s2", "s1"} <= set(known) or not 0 <= patch < len(scenes):
        raise WorkshopError(
            f"patch {patch} of {len(scenes)} with {', '.join(known)}: give images of s2"
            " with s1, and the position of one of them."
        )
    truth, radar = int(scenes.labels[patch]), scenes.modalities["s1"]
    seen = {
        "s2": to_display(scenes.images[patch : patch + 1], scenes.bands)[0],
        "s1": sar_to_display(radar[patch : patch + 1])[0],
    }
    figure = AccessibleFigure(figsize=(10, 4.6))
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 3))
    for row, (name, picture) in enumerate(seen.items()):
        axes = figure.add_subplot(grid[row, 0])
        gone = name == missing
        frame(axes, np.full_like(picture, 255) if gone else picture, INK)
        axes.set_title(_TITLES[name], fontsize=12, loc="center", fontweight="normal")
        if gone:
            axes.text(0.5, 0.5, "missing", transform=axes.transAxes, ha="center")
    said = _bars(
        figure, figure.add_subplot(grid[:, 1]), answers[missing], scenes, patch
    )
    true = scenes.class_names[truth]
    figure.suptitle(f"True class: {true}; missing: {missing}", x=0.01, ha="left",
                    fontsize=15, fontweight="bold")  # fmt: skip
    figure.alt = f"Patch {patch}, {true}, missing: {missing}. {' '.join(said)}"
    return figure


def _bars(
    figure: AccessibleFigure,
    axes: Any,
    told: Mapping[str, Tensor],
    scenes: Scenes,
    patch: int,
) -> list[str]:
    """Draw a bar per class and network; return each prediction in words."""
    names, truth = scenes.class_names, int(scenes.labels[patch])
    places = np.arange(len(names))
    height = 0.8 / len(told)
    words = []
    for k, (network, all_probs) in enumerate(told.items()):
        probs = 100 * all_probs[patch].numpy()
        colour, hatch = _LOOKS[k % len(_LOOKS)]
        guess = int(probs.argmax())
        sign = "right" if guess == truth else "wrong"
        said = f"{network}: {names[guess]} ({probs[guess]:.0f} %), {sign}"
        axes.barh(
            places + (k - (len(told) - 1) / 2) * height, probs, height, label=said,
            color=PALETTE[colour], hatch=hatch, edgecolor=INK, linewidth=0.6,
        )  # fmt: skip
        words.append(f"{said}.")
    axes.set_yticks(
        places, [f"{n} ✓" if k == truth else n for k, n in enumerate(names)]
    )
    axes.invert_yaxis()
    axes.set(xlabel="how likely the network finds the class (%)", xlim=(0, 100))
    figure.legend(loc="outside lower center", ncols=1, fontsize=12)
    return words

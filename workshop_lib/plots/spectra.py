"""How much light each class sends back, from blue to the short-wave infrared."""

__all__ = ["spectra"]

from collections.abc import Mapping

import numpy as np

from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import GREY, INK, PALETTE, AccessibleFigure, house_style

# Centre of each band of Sentinel-2's instrument, in nanometres
WAVELENGTHS = {
    "B01": 443, "B02": 493, "B03": 560, "B04": 665, "B05": 704, "B06": 741, "B07": 783,
    "B08": 833, "B8A": 865, "B09": 945, "B11": 1614, "B12": 2202,
}  # fmt: skip


@house_style()
def spectra(
    scenes: Scenes,
    *,
    wavelengths: Mapping[str, float] = WAVELENGTHS,
    title: str = "Spectra of the classes",
    columns: int = 5,
) -> AccessibleFigure:
    """Draw each class in a panel of its own: the mean spectra of its images.

    The line is the median over images; the band about it holds eight images of ten. The
    medians of the other classes stand behind in grey. Where the bands of two classes
    overlap, colour alone cannot tell them apart.

    Args:
        scenes: of reflectance, one label per image.
        wavelengths: of each band, in nanometres.
        title: heading of the figure.
        columns: at most so many panels in a row.

    Raises:
        WorkshopError: photographs, several labels per image, a class without images,
            or a band of unknown wavelength.
    """
    unknown = [band for band in scenes.bands if band not in wavelengths]
    if scenes.is_rgb or unknown:
        raise WorkshopError(
            f"{scenes} with bands {', '.join(scenes.bands)}: spectra are drawn of"
            " reflectance, in bands whose wavelength is known; give `wavelengths`."
        )
    if scenes.multi_label or int(scenes.class_counts().min()) == 0:
        raise WorkshopError(f"{scenes}: each class needs images with one label each.")
    K = scenes.num_classes
    order = np.argsort([wavelengths[band] for band in scenes.bands])
    nm = np.array([wavelengths[scenes.bands[i]] for i in order])  # (C,)
    means = 100 * scenes.images.mean(dim=(2, 3)).numpy()[:, order]  # (N, C) per cent
    labels = scenes.labels.numpy()
    spread = [np.percentile(means[labels == k], (10, 50, 90), axis=0) for k in range(K)]

    columns = min(columns, K)
    rows = -(-K // columns)
    figure = AccessibleFigure(
        figsize=(2.4 * columns, 2.2 * rows + 0.9),
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[K:]:
        axes.set_visible(False)
    for k, axes in zip(range(K), grid.flat, strict=False):
        for other in range(K):
            axes.plot(nm, spread[other][1], color=GREY, linewidth=0.8)
        low, middle, high = spread[k]
        axes.fill_between(nm, low, high, color=PALETTE["sky"], alpha=0.5, linewidth=0)
        axes.plot(nm, middle, color=PALETTE["blue"], marker="o", markersize=4)
        axes.set_title(scenes.class_names[k], fontsize=12)
        axes.tick_params(colors=INK, labelsize=10)
    grid[0, 0].set_ylim(bottom=0)  # all panels share it; only now is the top known
    figure.supxlabel("wavelength (nm)", fontsize=13)
    figure.supylabel("reflectance (% of the light)", fontsize=13)
    figure.suptitle(title, fontsize=15, fontweight="bold")
    peaks = [
        f"{name} highest at {nm[s[1].argmax()]:g} nm ({s[1].max():.0f} %)"
        for name, s in zip(scenes.class_names, spread, strict=True)
    ]
    figure.alt = (
        f"{title}: a panel per class, reflectance in per cent against wavelength from"
        f" {nm[0]:g} to {nm[-1]:g} nm. {'; '.join(peaks)}."
    )
    return figure

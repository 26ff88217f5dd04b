"""Unit 06: the same embeddings on t-SNE maps of several perplexities."""

__all__ = [
    "PERPLEXITIES",
    "perplexity_maps",
    "perplexity_picture",
    "perplexity_slider",
]

from collections.abc import Mapping, Sequence
from typing import Any

from workshop_lib.course.widgets.live import Control, picture_with
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.projection import sample_per_class, tsne
from workshop_lib.plots import AccessibleFigure, Panel, embedding_grid

PERPLEXITIES = (2, 5, 15, 30, 50)

Maps = Mapping[int, Panel]


def perplexity_maps(
    embeddings: Embeddings,
    perplexities: Sequence[int] = PERPLEXITIES,
    *,
    most: int = 400,
    seed: int = 0,
) -> dict[int, Panel]:
    """Compute a t-SNE map for each perplexity, ahead of the slider.

    400 images take one to three seconds per map on a CPU core, too long to wait for at
    each move of a slider.

    Args:
        embeddings: what to map.
        perplexities: neighbours that an image attends to; above a third of the images
            they would all be the same.
        most: images drawn, evenly from all classes.
        seed: of the choice of images and of t-SNE.

    Raises:
        WorkshopError: no perplexity, or one too large for so few images.
    """
    chosen = sample_per_class(embeddings.labels, most, seed)
    vectors, labels = embeddings.vectors[chosen], embeddings.labels[chosen]
    highest = (len(chosen) - 1) / 3
    if not perplexities or max(perplexities) > highest:
        raise WorkshopError(
            f"perplexities {list(perplexities)} for {len(chosen)} images: give at least"
            f" one, none above {highest:.0f}, a third of the images."
        )
    return {
        p: Panel(f"perplexity {p}", tsne(vectors, seed=seed, perplexity=p), labels)
        for p in perplexities
    }


def perplexity_slider(maps: Maps, class_names: Sequence[str]) -> Any:
    """Slide through the maps made by `perplexity_maps`.

    Returns:
        A widget, or without a live kernel all maps side by side.

    Raises:
        WorkshopError: there is no map.
    """
    if not maps:
        raise WorkshopError("no maps: make them with perplexity_maps(embeddings).")
    several = sorted(maps)
    title = "One embedding, several perplexities"
    slider = Control(
        "SelectionSlider", "perplexity (neighbours)", several[len(several) // 2],
        {"options": several},
    )  # fmt: skip
    return picture_with(
        lambda perplexity: perplexity_picture(maps, class_names, perplexity),
        {"perplexity": slider},
        lambda: embedding_grid(list(maps.values()), class_names, title=title),
    )


def perplexity_picture(
    maps: Maps, class_names: Sequence[str], perplexity: int
) -> AccessibleFigure:
    """Draw one of the maps.

    Raises:
        WorkshopError: no map of that perplexity.
    """
    if perplexity not in maps:
        known = ", ".join(map(str, sorted(maps)))
        raise WorkshopError(f"perplexity={perplexity}: there are maps of {known}.")
    return embedding_grid(
        [maps[perplexity]], class_names, title="Where the network puts the images"
    )

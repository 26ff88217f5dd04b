"""Commands about one finished run: score it, look inside, use it on new images."""

__all__ = ["embed", "evaluate", "map", "predict"]

import difflib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from workshop_lib.errors import WorkshopError
from workshop_lib.files import check_output

if TYPE_CHECKING:  # help would wait for them
    import numpy as np
    from numpy.typing import NDArray

    from workshop_lib.evaluation.embeddings import Embeddings
    from workshop_lib.evaluation.scoring import Evaluation
    from workshop_lib.training.run import Run

_QUERIES = 10  # rows of the picture of neighbours
_VECTORS = ("embeddings.npz", "vectors.tsv", "metadata.tsv")
_EMBEDDED = (*_VECTORS, "maps_2d.png", "maps_3d.png", "neighbours.png")


def evaluate(
    run: tyro.conf.Positional[Path], against: Path | None = None, data: str = ""
) -> None:
    """Print the test scores of a finished run, and whether another is really worse.

    Example: workshop evaluate runs/fixmatch --against runs/supervised

    Args:
        run: the folder that `workshop train` printed.
        against: folder of another run, tested on the same images, to compare with.
        data: where the images are, if they have moved since the training.
    """
    from workshop_lib.evaluation.predictions import Predictions
    from workshop_lib.evaluation.statistics import mcnemar

    opened, result = _evaluated(run, data)
    if against is not None and result.kind != "categorical":
        raise WorkshopError(
            f"--against {against}: only runs that predict a class per image are"
            f" compared image by image. Compare {result.metric} over several seeds:"
            " `workshop compare`."
        )
    print(result.summary())
    if against is None:
        return
    if not (against / "predictions.npz").exists():
        _evaluated(against, data)
    ours = Predictions.load(opened.folder / "predictions.npz")
    theirs = Predictions.load(against / "predictions.npz").in_order_of(ours)
    test = mcnemar(ours.right.numpy(), theirs.right.numpy())
    print("\n" + test.summary(str(run), str(against)))


def embed(
    run: tyro.conf.Positional[Path],
    which: Literal["features", "projection"] = "features",
    part: Literal["labeled", "unlabeled", "val", "test"] = "test",
    checkpoint: Literal["best", "last", "initial"] = "best",
    image: str | None = None,
    k: int = 1,
    most: int = 2000,
    three_d: bool = True,
    seed: int = 0,
    out: Path | None = None,
    overwrite: bool = False,
    data: str = "",
) -> None:
    """Draw where a trained network puts images, and say how well classes lie apart.

    Writes t-SNE and PCA in 2-D and 3-D, nearest neighbours, and the vectors for numpy
    and for TensorBoard's projector. About a minute on two CPU cores, most of it 3-D.

    Example: workshop embed runs/quickstart/fixmatch --part val

    Args:
        run: the folder that `workshop train` printed.
        which: features are what the classifier reads; projection is what contrastive
            losses compare, where the run has a projection head.
        part: which images are drawn; kNN looks them up among the labelled ones.
        checkpoint: best by validation, last, or initial, which is before training.
        image: name of an image whose neighbours are shown; default: one of each class.
        k: labelled neighbours that vote in the kNN accuracy.
        most: images drawn by t-SNE, evenly from all classes; it is slow with more.
        three_d: whether to draw in 3-D as well.
        seed: of t-SNE, and of which images are drawn.
        out: folder for what is written; default RUN/embeddings/WHICH-PART.
        overwrite: replace what is there, even if this command did not write it.
        data: where the images are, if they have moved since the training.
    """
    from workshop_lib.data.load import load_moved
    from workshop_lib.data.split import Split
    from workshop_lib.evaluation.embeddings import embed_run, export_embeddings
    from workshop_lib.evaluation.projection import draw_neighbours, embedding_maps
    from workshop_lib.plots.style import write_figure
    from workshop_lib.training.run import Run

    opened = Run.load(run)
    end = "" if checkpoint == "best" else f"-{checkpoint}"
    folder = out or opened.folder / "embeddings" / f"{which}-{part}{end}"
    ours = overwrite or (folder / "embeddings.npz").exists()
    for name in _EMBEDDED:
        check_output(folder / name, overwrite=ours)
    scenes = load_moved(opened.config, run, data)
    split = Split.load(run / "split", scenes)
    found = embed_run(opened, scenes, split, part, which, checkpoint)
    asked = _queries(found, image)  # a misspelt name should not cost a minute
    before = " before training" if checkpoint == "initial" else ""
    title = f"{which.capitalize()} of {len(found):,} {part} images{before}"
    print(f"{title}: {found.vectors.shape[1]} numbers each")
    if part == "test":
        print("test images: look, but choose nothing by them (to choose: --part val)")
    memory = embed_run(opened, scenes, split, "labeled", which, checkpoint)
    note = _print_figures(found, memory, k)
    if len(found) > most:
        print(f"drawn: {most:,} of them, evenly from all classes (seed {seed})")

    draw = partial(embedding_maps, found, title=title, most=most, seed=seed)
    figure, maps = draw(note=note)
    pictures = {"maps_2d.png": figure}
    if three_d:
        figure, more = draw(3)
        maps.update(more)
        pictures["maps_3d.png"] = figure
    pictures["neighbours.png"] = draw_neighbours(found, scenes, asked)
    export_embeddings(folder, found, maps)
    for name, figure in pictures.items():
        write_figure(folder / name, figure, dpi=120)
    written = [name for name in _EMBEDDED if (folder / name).exists()]
    print(f"written to {folder}: {', '.join(written)}")


def predict(
    run: tyro.conf.Positional[Path],
    images: tyro.conf.Positional[list[Path]],
    out: Path = Path("predictions.csv"),
    on_error: Literal["raise", "skip"] = "raise",
    most: int = 12,
    overwrite: bool = False,
) -> None:
    """Let a trained model name the class of new images; writes a CSV and a page.

    The page lies beside the CSV: the images by their predicted class, those the model
    is least sure of first.

    Example: workshop predict runs/fixmatch-1a2b3c FOLDER --out predictions.csv

    Args:
        run: the folder that `workshop train` printed.
        images: RGB images, or folders of them (folders within are searched too).
        out: table with the columns image, class, confidence, second_class,
            second_confidence and raw_confidence; of several labels per image: image,
            labels, probabilities and confidence. The page has the same name with .html.
        on_error: what to do about files that cannot be read: raise lists them all and
            writes nothing, skip leaves them out.
        most: images of each class that the page shows; the CSV has all.
        overwrite: replace what is there, even if this command did not write it.
    """
    from workshop_lib.evaluation.predictions import predict_files
    from workshop_lib.files import write_text
    from workshop_lib.report.page import write_prediction_page
    from workshop_lib.training.run import Run

    # Asked first: predicting may take minutes
    check_output(out, "image,", ends=[".csv"], inputs=images, overwrite=overwrite)
    page = out.with_suffix(".html")
    check_output(page, inputs=images, overwrite=overwrite)
    found = predict_files(Run.load(run), images, on_error)
    if found.note:
        print(found.note)
    write_prediction_page(page, found, title=f"Predictions of {run}", most=most)
    write_text(out, found.table.to_csv(index=False))
    counts = {name: len(found.images_of(name)) for name in found.class_names}
    for name in sorted((k for k in counts if counts[k]), key=lambda k: -counts[k]):
        print(f"{counts[name]:6d}  {name}")
    print(f"\n{len(found.table)} predictions in {out}, to look at in {page}")
    if found.temperature is None:
        print("the confidence is as the model gave it, not calibrated")


def map(
    run: tyro.conf.Positional[Path],
    image: tyro.conf.Positional[Path],
    out: tyro.conf.Positional[Path],
    size: int = 0,
    overlap_factor: float = 0.6,
    margin: int = 0,
    fresh: bool = False,
) -> None:
    """Map an image of any size: the class of each pixel by a trained network.

    The map lies where the image lies (.tif), 255 is no data. A map that was stopped or
    killed resumes with the same command.

    Example: workshop map runs/fixmatch-1a2b3c scene.tif map.tif

    Args:
        run: the folder that `workshop train --task segment` printed.
        image: a GeoTIFF with the bands that the network was trained on, by name; or a
            .npy (C, H, W) with just these.
        out: the map, .tif or .npy.
        size: side of the patches in pixels; 0 takes twice that of the training.
        overlap_factor: step from patch to patch as a share of their side; 1 is no
            overlap.
        margin: pixels along the edges of patches that do not count.
        fresh: start anew and replace the map that is there.
    """
    from workshop_lib.data.read.large_image import open_image, row_blocks
    from workshop_lib.evaluation.inference import single_sensor
    from workshop_lib.evaluation.mapping import map_image
    from workshop_lib.pixels import count_pixels
    from workshop_lib.training.run import Run

    check_output(out, inputs=[image], overwrite=True)
    opened = Run.load(run)
    if not opened.dense:
        raise WorkshopError(
            f"{run} names the class of a whole image, not of each pixel: train with"
            " --task segment first."
        )
    facts = opened.facts
    bands, is_8bit = facts["bands"], facts.get("is_8bit", facts["is_rgb"])
    source = open_image(image, bands)
    if (source.read(0, 0, 1, 1).dtype == "uint8") != is_8bit:
        kinds = ("8-bit pictures", "reflectances")
        raise WorkshopError(
            f"{run} was trained on {kinds[not is_8bit]}, and {image} holds"
            f" {kinds[is_8bit]}: give an image of the same kind."
        )
    model, normalize = single_sensor(opened)
    names = opened.class_names
    map_image(
        model, normalize, source, out, names, size=size or 2 * opened.config.data.size,
        overlap_factor=overlap_factor, margin=margin, fresh=fresh,
    )  # fmt: skip
    counts = count_pixels(row_blocks(open_image(out)), len(names))
    for name, count in zip(names, counts.tolist(), strict=True):
        share = 100 * count / max(1, counts.sum())
        print(f"{name:20s}{count:12,} pixels {share:6.2f} %")
    print(f"written: {out}")


def _evaluated(folder: Path, data: str) -> "tuple[Run, Evaluation]":
    """Score a finished run on its own data and split."""
    from workshop_lib.data.load import load_moved
    from workshop_lib.data.split import Split
    from workshop_lib.evaluation.scoring import evaluate as evaluate_run
    from workshop_lib.training.run import Run

    run = Run.load(folder)
    dataset = load_moved(run.config, folder, data)
    split = Split.load(folder / "split", dataset)
    return run, evaluate_run(run, dataset, split)


def _queries(found: "Embeddings", image: str | None) -> "NDArray[np.int64]":
    """Find the image that was asked for; or the first of each class, ten at most."""
    import numpy as np

    if image is None:
        return np.unique(found.labels, return_index=True)[1][:_QUERIES]
    if image not in found.names:
        nearest = difflib.get_close_matches(image, found.names, n=1, cutoff=0.0)
        raise WorkshopError(
            f"image {image!r} is not among these {len(found):,}; the name most like it"
            f" is {nearest[0]!r}. Give a name of the part that is drawn (--part)."
        )
    return np.array([found.names.index(image)])


def _print_figures(found: "Embeddings", memory: "Embeddings", k: int) -> str:
    """Print kNN accuracy and silhouette; return both in short, for below the map."""
    from workshop_lib.evaluation.embeddings import knn_accuracy, silhouette

    spread = silhouette(found.vectors, found.labels)
    note = f"silhouette {spread:.2f}"
    if not set(found.names) <= set(memory.names):  # those would find themselves
        accuracy = knn_accuracy(memory, found, k)
        nearest = "nearest" if k == 1 else f"{min(k, len(memory))} nearest"
        print(
            f"kNN accuracy {accuracy:.3f} (by the {nearest} of {len(memory):,} labelled"
            " images, cosine)"
        )
        note = f"kNN {100 * accuracy:.1f} %, {note}"
    print(f"silhouette {spread:.3f} (-1 mixed up, 0 on the border, 1 well apart)")
    return note

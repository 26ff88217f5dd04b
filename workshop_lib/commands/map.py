"""The command that maps a large image, pixel by pixel."""

__all__ = ["map"]

from pathlib import Path

import tyro

from workshop_lib.errors import WorkshopError


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
        fresh: start anew and overwrite what is there.
    """
    from workshop_lib.data.read.large_image import RasterImage, open_image, row_blocks
    from workshop_lib.evaluation.mapping import map_image
    from workshop_lib.evaluation.single_sensor import single_sensor
    from workshop_lib.pixels import count_pixels
    from workshop_lib.training.run import Run

    opened = Run.load(run)
    if not opened.dense:
        raise WorkshopError(
            f"{run} names the class of a whole image, not of each pixel: train with"
            " --task segment first."
        )
    bands, is_rgb = opened.facts["bands"], opened.facts["is_rgb"]
    is_raster = image.is_file() and image.suffix.lower() != ".npy"
    source = RasterImage(image, bands) if is_raster else open_image(image)
    if (source.read(0, 0, 1, 1).dtype == "uint8") != is_rgb:
        kinds = ("8-bit pictures", "reflectances")
        raise WorkshopError(
            f"{run} was trained on {kinds[not is_rgb]}, and {image} holds"
            f" {kinds[is_rgb]}: give an image of the same kind."
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

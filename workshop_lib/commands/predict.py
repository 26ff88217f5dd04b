"""The command that names the class of new images."""

__all__ = ["predict"]

from pathlib import Path
from typing import Literal

import tyro

from workshop_lib.errors import WorkshopError


def predict(
    run: tyro.conf.Positional[Path],
    images: tyro.conf.Positional[list[Path]],
    out: Path = Path("predictions.csv"),
    on_error: Literal["raise", "skip"] = "raise",
    most: int = 12,
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
    """
    from workshop_lib.evaluation.new_images import predict_files
    from workshop_lib.files import write_text
    from workshop_lib.report.predictions import write_prediction_page
    from workshop_lib.training.run import Run

    if out.suffix.lower() != ".csv":  # asked first: predicting may take minutes
        raise WorkshopError(f"out {out}: its name must end in .csv.")
    found = predict_files(Run.load(run), images, on_error)
    if found.note:
        print(found.note)
    page = out.with_suffix(".html")
    write_prediction_page(page, found, title=f"Predictions of {run}", most=most)
    write_text(out, found.table.to_csv(index=False))
    counts = {name: len(found.images_of(name)) for name in found.class_names}
    for name in sorted((k for k in counts if counts[k]), key=lambda k: -counts[k]):
        print(f"{counts[name]:6d}  {name}")
    print(f"\n{len(found.table)} predictions in {out}, to look at in {page}")
    if found.temperature is None:
        print("the confidence is as the model gave it, not calibrated")

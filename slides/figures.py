"""Slide figures taken from executed solution notebooks.

    WORKSHOP_FIGURES=svg python -m benchmarks.notebook_minutes --presets class \\
        --keep executed
    python -m slides.figures executed

A code cell of notebooks/src that is tagged `figure:05_top_k` draws the figure
05_top_k of the decks. This takes the last picture that the cell has shown, and writes
it into slides/figures, and its alt text into slides/figures/alt.json: the deck repeats
or shortens it. Figures without a tag: slides/figures/STATIC.md. Nothing is executed
here.
"""

__all__ = ["FIGURES", "Picture", "read", "tagged", "write"]

import argparse
import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from workshop_lib.errors import WorkshopError

FIGURES = Path(__file__).parent / "figures"
_SOLUTIONS = Path(__file__).parents[1] / "notebooks" / "solutions"
_LARGEST = 250_000  # bytes of a file in the repository
_TAG = "figure:"


@dataclass(frozen=True)
class Picture:
    """One output of a notebook: the same picture in up to two formats, and its words.

    Attributes:
        formats: content by the ending of a file, ".svg" or ".png".
        alt: the alt text, "" where the output has none.
    """

    formats: dict[str, bytes]
    alt: str


def read(notebook: Path) -> dict[str, Picture | None]:
    """Read the tagged figures of an executed notebook.

    Returns:
        Each tagged figure's name, such as "05_top_k", with the last picture among the
        outputs of its cell; None where the cell has shown no picture.

    Raises:
        WorkshopError: the file is missing or is not a notebook.
    """
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise WorkshopError(
            f"cannot read {notebook} as a notebook: {error}. Name a folder with the"
            " notebooks that jupyter nbconvert --execute has written."
        ) from error
    found: dict[str, Picture | None] = {}
    for cell in cells:
        for tag in cell.metadata.get("tags", []):
            if tag.startswith(_TAG):
                shown = [p for o in cell.get("outputs", []) if (p := _picture(o))]
                found[tag.removeprefix(_TAG)] = shown[-1] if shown else None
    return found


def _picture(output: nbformat.NotebookNode) -> Picture | None:
    data, notes = output.get("data", {}), output.get("metadata", {})
    formats = {}
    if "image/svg+xml" in data:
        formats[".svg"] = data["image/svg+xml"].encode()
    if "image/png" in data:
        formats[".png"] = base64.b64decode(data["image/png"])
    alt = notes.get("image/png", {}).get("alt", "")
    return Picture(formats, alt) if formats else None


def tagged(folder: Path = _SOLUTIONS) -> dict[str, str]:
    """Map each figure that a tag names to the file name of its notebook."""
    return {n: p.name for p in sorted(folder.glob("*.ipynb")) for n in read(p)}


def write(name: str, picture: Picture, folder: Path) -> Path:
    """Write a figure over the committed one, and its alt text into alt.json.

    The committed file's format stays, since the deck names it. A new figure is an SVG
    where the notebook has one that is small enough for the repository.

    Raises:
        WorkshopError: the notebook has no picture in that format, or it is too large.
    """
    small = [k for k, v in picture.formats.items() if len(v) <= _LARGEST]
    committed = [p.suffix for p in folder.glob(f"{name}.*")]
    ending = (committed or small or list(picture.formats))[0]
    if ending not in picture.formats:
        raise WorkshopError(
            f"{name}: the deck shows {name}{ending}, and the notebook has only"
            f" {', '.join(picture.formats)}: execute it with WORKSHOP_FIGURES=svg."
        )
    content = picture.formats[ending]
    if ending not in small:
        raise WorkshopError(
            f"{name}{ending} would have {len(content):,} bytes, more than"
            f" {_LARGEST:,}: draw fewer points, or show a PNG in the deck."
        )
    path = folder / f"{name}{ending}"
    path.write_bytes(content)
    if picture.alt:
        words = folder / "alt.json"
        known = json.loads(words.read_text(encoding="utf-8")) if words.exists() else {}
        known[path.name] = picture.alt
        text = json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False)
        words.write_text(text + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Write the figures of a folder; return 1 if one of its notebooks lacks some."""
    parser = argparse.ArgumentParser(
        prog="python -m slides.figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "executed", type=Path, help="executed notebooks, or one of them"
    )
    given: Path = parser.parse_args(arguments).executed
    notebooks = sorted(given.glob("*.ipynb")) if given.is_dir() else [given]
    lacking = 0
    written = set()
    for notebook in notebooks:
        for name, picture in read(notebook).items():
            try:
                if picture is None:
                    raise WorkshopError(f"{name}: {notebook.name} shows no picture.")
                path = write(name, picture, FIGURES)
            except WorkshopError as error:
                lacking += 1
                print(f"missing  {error}")
            else:
                written.add(name)
                print(f"{path.name}  {picture.alt}")
    here = {notebook.name for notebook in notebooks}
    for name, source in tagged().items():
        if name not in written and source not in here:
            print(f"missing  {name}: {source} is not in {given}.")
    return int(lacking > 0 or not written)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WorkshopError as error:
        sys.exit(str(error))

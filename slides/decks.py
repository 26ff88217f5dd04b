"""Builds the decks: `make slides`, or

    python -m slides.decks

makes slides/build/NN_topic.html and .pdf from every slides/NN_topic.md, with Marp,
which npm installs the first time. After that no network is needed. With SHORT=1 in the
environment (`make slides SHORT=1`) only the slides of the short path are built.
"""

__all__ = ["SLIDES", "build", "decks", "find_chromium", "install_marp", "short_path"]

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from workshop_lib.errors import WorkshopError

SLIDES = Path(__file__).parent
_BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def decks() -> list[Path]:
    """List the decks' sources, slides/NN_topic.md, by number."""
    return sorted(SLIDES.glob("[0-9][0-9]_*.md"))


def short_path(deck: str) -> str:
    r"""Keep of a deck's text the slides of class core, task and feedback.

    A deck without core slides stays as it is.

    >>> short_path("head\n---\n<!-- _class: core -->\nA\n\n---\n\nB\n")
    'head\n---\n<!-- _class: core -->\nA\n'
    """
    head, *rest = deck.rstrip("\n").split("\n\n---\n\n")  # the head holds the title
    marks = r"<!-- _class: [^>]*\b(core|task|feedback)\b" if " core -->" in deck else ""
    kept = [slide for slide in rest if re.search(marks, slide)]
    return "\n\n---\n\n".join([head, *kept]) + "\n"


def find_chromium() -> str:
    """Find the browser that prints the PDF: `CHROME_PATH`, or one that is installed.

    Raises:
        WorkshopError: there is none; the message says how to install one.
    """
    chosen = os.environ.get("CHROME_PATH")
    for name in (chosen,) if chosen else _BROWSERS:
        if found := shutil.which(name):
            return found
    raise WorkshopError(
        f"no browser found ({chosen or ', '.join(_BROWSERS[:3])}), and the decks' PDF "
        "is printed by one: install Chromium (Debian, Ubuntu: apt-get install "
        "chromium), or set CHROME_PATH to a Chrome that is there."
    )


def install_marp() -> Path:
    """Install the Marp of package-lock.json, unless it is there; return its program.

    Raises:
        WorkshopError: Node.js or npm is missing, or npm could not install.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise WorkshopError(
                f"{program} is not installed, and the decks are built with it: install "
                "Node.js 18 or newer and npm (Debian, Ubuntu: apt-get install nodejs "
                "npm)."
            )
    marp = SLIDES / "node_modules" / ".bin" / "marp"
    stamp = SLIDES / "node_modules" / ".package-lock.json"  # npm's own, written last
    lock = SLIDES / "package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return marp
    # Puppeteer would download a browser of its own
    env = {**os.environ, "PUPPETEER_SKIP_DOWNLOAD": "1"}
    done = _run(["npm", "ci", "--loglevel=error"], env)
    if done.returncode != 0:
        raise WorkshopError(
            "npm could not install Marp; the first time it needs a network. It said:\n"
            f"{done.stderr.strip()}"
        )
    return marp


def build(folder: Path) -> list[Path]:
    """Build HTML and PDF of every deck; return the files.

    A file that stood there is replaced once all decks are built: a mistake in one of
    them leaves everything as it was.

    Args:
        folder: where the files go; made if need be.

    Raises:
        WorkshopError: what is missing here, or what Marp could not make sense of.
    """
    env = {**os.environ, "CHROME_PATH": find_chromium()}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        env["CHROME_NO_SANDBOX"] = "1"  # Chromium's sandbox refuses root
    marp = install_marp()
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{deck.stem}.{kind}" for deck in decks() for kind in ("html", "pdf")]
    with tempfile.TemporaryDirectory(dir=folder) as new:
        for kind in ("html", "pdf"):
            _convert(marp, kind, Path(new), env)
        for name in names:
            os.replace(Path(new) / name, folder / name)
    return [folder / name for name in names]


def _convert(marp: Path, kind: str, folder: Path, env: dict[str, str]) -> None:
    """Have Marp make every deck's HTML or PDF; pages come out in a few seconds."""
    command = [str(marp), f"--{kind}", "--no-stdin", "--config", "marp.config.mjs"]
    if kind == "pdf":
        # Else the browser is handed the page as an address, too long with pictures
        command += ["--allow-local-files", "--pdf-outlines"]
    # Marp takes several files only as a folder, and slides/ holds other pages as well
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    for deck in decks():
        text = deck.read_text(encoding="utf-8")
        chosen = short_path(text) if os.environ.get("SHORT") == "1" else text
        (sources / deck.name).write_text(chosen, encoding="utf-8")
    command += ["--input-dir", str(sources.resolve())]
    done = _run([*command, "--output", str(folder.resolve())], env)
    names = [deck.name for deck in decks()]
    lacking = [n for n in names if not (folder / n).with_suffix(f".{kind}").exists()]
    if done.returncode != 0 or lacking:
        raise WorkshopError(
            f"Marp could not make the {kind.upper()} of {', '.join(lacking or names)}"
            f". It said:\n{done.stderr.strip()}"
        )


def _run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=SLIDES, env=env, capture_output=True, text=True, check=False
    )


def main() -> None:
    """Build into slides/build."""
    try:
        for path in build(SLIDES / "build"):
            print(path.relative_to(SLIDES.parent).as_posix())
    except WorkshopError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()

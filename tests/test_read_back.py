"""Files of ours that are read back: damaged, moved or of another version."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_outputs import here, place  # noqa: F401, fixtures
from workshop_lib.cli import main

JSON_FILES = (
    *("run.json", "evaluation.json", "config.json", "identity.json"),
    "split/split.json",
)
FILES = (
    *(*JSON_FILES, "log.csv", "best.pt", "last.pt", "predictions.npz"),
    *("split/test.txt", "split/val.txt"),
)
COMMANDS = {
    "evaluate": ["evaluate", "run"],
    "embed": ["embed", "run", "--no-three-d", "--part", "val", "--out", "e"],
    "predict": ["predict", "run", "data/field/0.png", "--out", "p.csv"],
    "report": ["report", "run", "--out", "r.html"],
    "results": ["results", "run"],
    "submit": ["submit", "run", "--group", "Otters"],
}
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 300), st.floats(), st.text(max_size=4)
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=2), st.just({}), st.just({"a": 1})
)


@st.composite
def changes(draw: st.DrawFn) -> Any:
    """What may happen to any file: a function from its content to another one."""
    kind = draw(st.sampled_from(["cut", "empty", "bytes", "gone", "utf-16", "list"]))
    share, noise = draw(st.floats(0, 0.99)), draw(st.binary(max_size=20))
    return {
        "cut": lambda content: content[: int(share * len(content))],
        "empty": lambda content: b"",
        "bytes": lambda content: noise + content[len(noise) :],
        "gone": lambda content: None,
        "utf-16": lambda content: content.decode("latin-1").encode("utf-16"),
        "list": lambda content: b"[1, 2]",
    }[kind]


@st.composite
def damages(draw: st.DrawFn) -> tuple[str, Any]:
    """A file, and what happens to it: a function from its content to another one."""
    if draw(st.booleans()):
        name, path = (
            draw(st.sampled_from(JSON_FILES)),
            draw(st.lists(st.integers(0, 30))),
        )
        value, drop = draw(VALUES), draw(st.booleans())
        return name, lambda content: _other_field(content, path, value, drop)
    return draw(st.sampled_from(FILES)), draw(changes())


def _other_field(content: bytes, path: list[int], value: Any, drop: bool) -> bytes:
    """Replace or drop the field that numbers lead to, at any depth."""
    whole = at = json.loads(content)
    for step, number in enumerate(path or [0]):
        key = list(at)[number % len(at)]
        inner = at[key]
        if step == len(path or [0]) - 1 or not (isinstance(inner, dict) and inner):
            at[key] = value
            if drop:
                del at[key]
            break
        at = inner
    return json.dumps(whole).encode()


@contextmanager
def restored(folder: Path) -> Iterator[None]:
    """Put a folder back afterwards."""
    kept = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    try:
        yield
    finally:
        for path in folder.iterdir():  # the folder itself may be where we are
            path.unlink() if path.is_file() else shutil.rmtree(path)
        for path, content in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def survives(here: Path, damage: tuple[str, Any], command: str) -> None:  # noqa: F811
    name, change = damage
    if not (here / "run" / "evaluation.json").exists():
        assert main(COMMANDS["evaluate"]) == 0
    with restored(here / "run"):
        path = here / "run" / name
        content = change(path.read_bytes())
        path.unlink() if content is None else path.write_bytes(content)
        assert main(COMMANDS[command]) in (0, 2)
        assert not list(here.rglob("*.tmp"))


common = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@settings(common, max_examples=25)
@given(damages(), st.sampled_from(sorted(COMMANDS)))
def test_damage_is_explained(here, damage, command):  # noqa: F811
    survives(here, damage, command)


@pytest.mark.slow
@settings(common, max_examples=200)
@given(damages(), st.sampled_from(sorted(COMMANDS)))
def test_any_damage_is_explained(here, damage, command):  # noqa: F811
    survives(here, damage, command)


ODD = ["", " ", "-1", "0", "nan", "1e99", "ü/\udc80", "/dev/null", "..", "a" * 300]
ODD += ["data", "run", "mini_eo:x", "$HOME", "4,,5", "None", "data/field/0.png"]
SHORT = ["train", "--data", "data", "--size", "16", "--steps", "1"]
ENDS = [
    *(["data"], ["data", "data", "--picture"], ["split", "data", "--save"]),
    *(["split", "data", "--labels-per-class"], ["split", "data", "--label-fraction"]),
    *(["predict", "run"], ["predict", "run", "data/field", "--out"], ["evaluate"]),
    *(["evaluate", "run", "--against"], ["evaluate", "run", "--data"], ["report"]),
    *(["report", "run", "--out"], ["results"], ["results", "run", "--out"]),
    *(["embed", "run", "--image"], ["embed", "run", "--no-three-d", "--k"]),
    *(["submit", "run", "--group"], ["leaderboard"], ["leaderboard", ".", "--split"]),
    *(["budget", "--encoder"], ["budget", "--memory"], ["slurm", "--hours"]),
    *(["slurm", "--hours", "1", "--options"], ["slurm", "--hours", "1", "--out"]),
    *(["notebooks", "--folder"], ["map", "run", "data/field/0.png"]),
    *(["compare", *SHORT[1:], "--seeds", "1", "--methods"], ["evaluate", "data"]),
    ["pretrain", *SHORT[1:], "--sensors"],
    *([*SHORT, f"--{name}"] for name in ("method", "steps", "lr", "heads", "encoder")),
    *([*SHORT, f"--{name}"] for name in ("init-from", "sensors", "metadata", "bands")),
    *([*SHORT, f"--{name}"] for name in ("folder", "split-folder", "labels-per-class")),
]
GIVEN = {  # files of the user's, and commands that read them
    "names.txt": ["split", "names.txt", "--size", "16", "--labels-per-class", "2"],
    "data/field/3.png": ["predict", "run", "data", "--out", "p.csv"],
    "data/forest/0.png": ["split", "data", "--size", "16", "--labels-per-class", "2"],
    "data.zip": ["data", "data.zip", "--size", "16"],
    "board/a.csv": ["leaderboard", "board", "--data", "data"],
}


@pytest.mark.slow
@settings(common, max_examples=200)
@given(st.sampled_from(ENDS), st.sampled_from(ODD))
def test_odd_words_are_explained(here, words, odd):  # noqa: F811
    with restored(here):
        try:
            assert main([*words, odd]) in (0, 2)
        except SystemExit as end:  # of the command line's own parser
            assert end.code in (0, 2)
        assert not list(here.rglob("*.tmp"))


@pytest.mark.slow
@settings(common, max_examples=100)
@given(st.sampled_from(sorted(GIVEN)), changes())
def test_odd_files_are_explained(here, name, change):  # noqa: F811
    images = sorted((here / "data").rglob("*.png"))
    rows = [f"{image.relative_to(here)} {image.parent.name}\n" for image in images]
    with restored(here):
        (here / "names.txt").write_text("".join(rows))
        shutil.make_archive("data", "zip", "data")
        assert main(["evaluate", "run"]) == 0
        assert main(["submit", "run", "--group", "A", "--to", "board"]) == 0
        next((here / "board").glob("*.csv")).rename(here / "board" / "a.csv")
        content = change((here / name).read_bytes())
        (here / name).write_bytes(content or b"")
        assert main(GIVEN[name]) in (0, 2)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("run.json", "is_rgb", None),
        ("run.json", "seconds", "long"),
        ("run.json", "heads", {"scene": {"kind": "categorical"}}),
        ("evaluation.json", "calibration", {"temperature": "warm"}),
        ("evaluation.json", "value", "good"),
    ],
)
def test_an_odd_field_is_named(here, capsys, name, field, value):  # noqa: F811
    assert main(COMMANDS["evaluate"]) == 0
    path = here / "run" / name
    content = json.loads(path.read_text())
    content[field] = value
    if value is None:
        del content[field]
    path.write_text(json.dumps(content))
    command = "predict" if field == "calibration" else "evaluate"
    assert main(COMMANDS[command]) == 2
    said = capsys.readouterr().err
    assert name in said and field in said


@pytest.mark.parametrize("command", ["evaluate", "embed", "report"])
def test_images_that_have_moved_are_found_again(here, capsys, command):  # noqa: F811
    config = json.loads((here / "run" / "config.json").read_text())
    config["data"]["name"] = "data"  # as it was seen from the folder of the training
    (here / "run" / "config.json").write_text(json.dumps(config))
    shutil.move("data", "elsewhere")
    assert main(COMMANDS[command]) == 2
    said = capsys.readouterr().err
    assert "config.json" in said and "'data'" in said and "--data" in said
    assert main([*COMMANDS[command], "--data", "elsewhere"]) == 0
    shutil.rmtree("elsewhere/field")
    assert main([*COMMANDS[command], "--data", "elsewhere"]) == 2  # other images

"""The package's face: what `import workshop_lib as wl` gives, and how quickly."""

import inspect
import os
import sys
from pathlib import Path

import matplotlib.figure
import pytest

import workshop_lib as wl
from tests.programs import run_program

SPINNING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
HEAVY = ("torch", "torchvision", "pandas", "matplotlib", "sklearn", "scipy", "seaborn")


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, workshop_lib as wl; dir(wl);"
        f" print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = run_program(sys.executable, "-c", code)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("own", ["", "OMP_WAIT_POLICY=ACTIVE", "GOMP_SPINCOUNT=7"])
def test_waiting_threads_do_not_spin_unless_told_to(own: str):
    name, _, value = own.partition("=")
    kept = {k: v for k, v in os.environ.items() if k not in SPINNING}
    env = {**kept, **({name: value} if own else {})}
    code = "import workshop_lib, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = run_program(sys.executable, "-c", code, env=env)
    expected = {"": "1000", "OMP_WAIT_POLICY": "None", "GOMP_SPINCOUNT": "7"}
    assert done.stdout.strip() == expected[name]


def test_dir_lists_what_there_is_and_all_of_it_is_there():
    for name in dir(wl):
        assert getattr(wl, name) is not None
    with pytest.raises(AttributeError, match="dir"):
        wl.no_such_thing  # noqa: B018
    assert {"preset", "train", "evaluate", "FixMatch", "Split"} <= set(dir(wl))


def test_imports_from_the_rooms():
    from workshop_lib.losses import dice_loss, fixmatch_loss, nt_xent
    from workshop_lib.models import FCN, ImageNetwork
    from workshop_lib.training import train

    for thing in (FCN, ImageNetwork):
        assert inspect.isclass(thing)
    assert all(map(callable, (dice_loss, fixmatch_loss, nt_xent, train)))


def ten_lines() -> str:
    """The example of README.md: the code block that begins with the import."""
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    (found,) = [b for b in blocks if b.startswith("import workshop_lib as wl")]
    return found


def test_the_ten_lines_of_the_readme_run(tmp_path, monkeypatch, capsys):
    lines = ten_lines()
    assert len([line for line in lines.splitlines() if line.strip()]) <= 12
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "CI", "1")
    short = lines.replace('preset("class"', 'preset("ci"')
    assert short != lines
    names: dict[str, object] = {}
    exec(short, names)
    assert names["result"].metric == "accuracy"  # type: ignore[attr-defined]
    assert "labeled" in capsys.readouterr().out
    drawn = [wl.plots.class_samples(names["data"])]
    assert all(isinstance(one, matplotlib.figure.Figure) for one in drawn)

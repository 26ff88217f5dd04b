"""Every method on every head: the same classes learn scenes, maps, labels, numbers."""

from pathlib import Path

import pytest
import torch

from tests.training.tiny import parts, short, tiny
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS
from workshop_lib.training.loop import train

HEADS = {
    "scene": (("scene",), "small_cnn", False),
    "maps": (("cover",), "unet-4", False),
    "several labels": (("scene",), "small_cnn", True),
    "a number": (("elevation",), "small_cnn", False),
    "three heads": (("scene", "cover", "elevation"), "unet-small_cnn", False),
}
CONTRASTIVE = ("comatch", "ccssl", "ccssl_comatch")


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("method", METHODS)
def test_method_trains_head(method: str, kind: str, tmp_path: Path) -> None:
    heads, encoder, several = HEADS[kind]
    scenes = tiny(several=several)
    config = short(method=method, heads=heads, encoder=encoder)
    if method in CONTRASTIVE and kind not in ("scene", "three heads"):
        with pytest.raises(WorkshopError, match="use FixMatch or one of its relatives"):
            train(config, scenes, parts(scenes), folder=tmp_path / "run", verbose=False)
        return
    if method in CONTRASTIVE and kind == "three heads":
        pytest.skip("a contrastive view has no pixels to compare")
    run = train(config, scenes, parts(scenes), folder=tmp_path / "run", verbose=False)
    assert list(run.log["step"]) == [3, 6]
    assert run.log["loss"].notna().all()
    model, normalize = run.load_model()
    sample = normalize({"s2": scenes.images[:2]})
    with torch.no_grad():
        out = model(sample)
    assert set(out) - {"projection"} == set(heads)
    assert all(values.isfinite().all() for values in out.values())


def test_a_run_resumes_bit_for_bit(tmp_path: Path) -> None:
    scenes = tiny()
    for method in METHODS:
        config = short(method=method)
        whole = train(
            config, scenes, parts(scenes), folder=tmp_path / method, verbose=False
        )

        def stop(row: dict[str, float]) -> None:
            if row["step"] == 3:
                raise KeyboardInterrupt

        folder = tmp_path / f"{method}-stopped"
        with pytest.raises(KeyboardInterrupt):
            train(
                config, scenes, parts(scenes), folder=folder, verbose=False, on_log=stop
            )
        again = train(config, scenes, parts(scenes), folder=folder, verbose=False)
        drop = ["seconds"]
        assert again.log.drop(columns=drop).equals(whole.log.drop(columns=drop)), method
        mine, theirs = (
            torch.load(run.folder / "last.pt", weights_only=True)["model"]
            for run in (whole, again)
        )
        for name, value in mine.items():
            assert torch.equal(value, theirs[name]), (method, name)

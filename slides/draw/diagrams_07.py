"""Diagrams of deck 07: where modalities meet."""

__all__ = ["counts", "early", "meet"]

from functools import cache

from slides.draw.runs import deck_scenes
from slides.draw.shape import reshape
from workshop_lib import plots
from workshop_lib.channels import groups
from workshop_lib.data.modalities import pack
from workshop_lib.models import build_model
from workshop_lib.models.fusion import parameter_counts
from workshop_lib.plots import AccessibleFigure, Box

FUSED = ("s2", "s1", "climate")


@cache
def counts() -> dict[str, int]:
    """Count the parameters of each fusion of S2, S1 and climate over the small CNN."""
    scenes, _ = deck_scenes()
    bands = pack(scenes.subset([0]), FUSED).bands
    found = {}
    for kind in ("early", "middle", "late", "shared"):
        model = build_model(
            "small_cnn", in_channels=len(bands), num_classes=scenes.num_classes,
            modalities=groups(bands), fusion=kind,
        )  # fmt: skip
        found[kind] = parameter_counts(model)["total"]
    return found


def _inputs(left: float, top: float) -> dict[str, Box]:
    words = {"S2": "S2\n4 bands", "S1": "S1\nVV, VH", "climate": "climate\n5 numbers"}
    return {
        name: Box(text, left + 1.3 * k, top, 1.2, 0.75, "data")
        for k, (name, text) in enumerate(words.items())
    }


def early() -> AccessibleFigure:
    """Draw early fusion: channels stacked before the first layer."""
    boxes = _inputs(1.0, 5.0) | {
        "maps": Box("five maps\nof one value", 3.6, 3.9, 1.5, 0.75, "data"),
        "stack": Box("stacked: 4 + 2 + 5 channels", 2.2, 2.8, 3.6, 0.6, "data"),
        "backbone": Box("backbone", 2.2, 1.8, 1.8, 0.6),
        "classifier": Box("classifier", 2.2, 0.9, 1.8, 0.6, "answer"),
    }
    arrows = [
        ("S2", "stack"), ("S1", "stack"), ("climate", "maps"), ("maps", "stack"),
        ("stack", "backbone"), ("backbone", "classifier"),
    ]  # fmt: skip
    figure = plots.flow(boxes, arrows, title="Early fusion")
    return reshape(figure, 6.0, 5.0, shown=600, points=19)


def meet() -> AccessibleFigure:
    """Draw middle, late and shared fusion side by side."""
    boxes: dict[str, Box] = {}
    arrows: list[tuple[str, str]] = []

    def put(kind: str, left: float, parts: dict[str, Box], ways: str) -> None:
        """Add a diagram whose names begin with its kind; ways such as "S2>stem"."""
        parts = _inputs(left, 5.0) | parts
        total = Box(f"{counts()[kind]:,} numbers", left + 1.3, 0.05, 3, 0.4, "word")
        parts |= {"name": Box(kind, left + 1.3, 5.75, 3, 0.5, "word"), "total": total}
        boxes.update({f"{kind} {name}": box for name, box in parts.items()})
        for way in ways.split():
            first, last = way.split(">")
            arrows.append((f"{kind} {first}", f"{kind} {last}"))

    def row(names: dict[str, str], left: float, y: float) -> dict[str, Box]:
        places = enumerate(names.items())
        return {n: Box(t, left + 1.3 * k, y, 1.2, 0.6) for k, (n, t) in places}

    three = {"a": "stem", "b": "stem", "c": "2 layers"}
    end = "side>classifier"
    for kind, left in (("middle", 0.7), ("late", 5.1), ("shared", 9.5)):
        x = left + 1.3
        last = {"classifier": Box("classifier", x, 0.75, 1.8, 0.6, "answer")}
        if kind == "middle":
            last["side"] = Box("maps side by side", x, 2.8, 3.4, 0.6, "data")
            last["net"] = Box("backbone", x, 1.75, 1.8, 0.6)
            ways = "S2>a S1>b climate>c a>side b>side c>side side>net net>classifier"
            put(kind, left, row(three, left, 3.9) | last, ways)
            continue
        last["side"] = Box("features side by side", x, 1.75, 3.4, 0.6, "data")
        if kind == "late":
            nets = {"a": "backbone", "b": "backbone", "c": "2 layers"}
            ways = f"S2>a S1>b climate>c a>side b>side c>side {end}"
            put(kind, left, row(nets, left, 3.3) | last, ways)
        else:
            last["net"] = Box("one backbone", left + 0.65, 2.8, 2.2, 0.6)
            ways = f"S2>a S1>b climate>c a>net b>net net>side c>side {end}"
            put(kind, left, row(three, left, 3.9) | last, ways)
    figure = plots.flow(boxes, arrows, title="Middle, late and shared fusion")
    return reshape(figure, 13.4, 5.9, shown=1136, points=16)

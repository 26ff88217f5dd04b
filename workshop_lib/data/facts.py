"""Numbers that describe a whole patch (its date, its climate) as channels of an image.

A fact becomes one channel per part. What kind of number it is decides how:

- a quantity, such as a temperature or a latitude: the number itself;
- a day of the year: a point on a circle (`date`), as 31 December lies beside 1 January;
- a category, such as a climate zone: one channel for each that there is, 1 in its own
  and 0 in the others ("one-hot"), as zone 4 is not twice as much as zone 2.

Of a date both readings make sense: `season` is how much of a summer it is, one number
from 0 to 1, the same in spring and autumn; `season_onehot` is which of four it is.
"""

__all__ = ["FACTS", "KOPPEN", "SEASONS", "Fact", "find_fact", "season_of"]

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.data.mini_eo import CLIMATE_ZONES, REGIONS
from workshop_lib.errors import WorkshopError, listed

SEASONS = ("winter", "spring", "summer", "autumn")  # of the northern hemisphere
_FIRST = (60, 152, 244, 335)  # 1 March, 1 June, 1 September, 1 December
_SOLSTICE = 172  # 21 June

# Climates by Köppen and Geiger in the order of their usual numbers, from 1 (Beck et al.
# 2018, "Present and future Köppen-Geiger climate classification maps at 1-km")
KOPPEN = (
    *("Af", "Am", "Aw", "BWh", "BWk", "BSh", "BSk"),
    *("Csa", "Csb", "Csc", "Cwa", "Cwb", "Cwc", "Cfa", "Cfb", "Cfc"),
    *("Dsa", "Dsb", "Dsc", "Dsd", "Dwa", "Dwb", "Dwc", "Dwd"),
    *("Dfa", "Dfb", "Dfc", "Dfd", "ET", "EF"),
)


@dataclass(frozen=True)
class Fact:
    """How numbers of the metadata become channels; NaN (not known) stays NaN."""

    needs: tuple[str, ...]  # names in the metadata
    parts: tuple[str, ...]  # names of the channels
    encode: Callable[..., Tensor]  # (N,) each -> (N, number of parts)
    instead: str = ""  # the fact that says it where these numbers are not there


def season_of(day: Tensor) -> Tensor:
    """Return how much of a summer a day is: 1 on 21 June, 0 on 22 December.

    Shape: (N,) days 1 to 366 -> (N,).
    """
    away = (day.float() - _SOLSTICE).abs()
    return 1 - torch.minimum(away, 365 - away) / 182.5


def _side_by_side(*columns: Tensor) -> Tensor:
    return torch.stack([column.float() for column in columns], 1)


def _year(day: Tensor) -> Tensor:
    """Put the day on a circle: 31 December lies beside 1 January."""
    angle = day.float() * (2 * math.pi / 365)
    return torch.stack([angle.sin(), angle.cos()], 1)


def _one_hot(count: int, first: int = 0) -> Callable[[Tensor], Tensor]:
    """Make an encoder of categories that are numbered from `first`."""

    def encode(number: Tensor) -> Tensor:
        choices = torch.arange(first, first + count, device=number.device)
        hot = (number[:, None] == choices).float()  # (N, count)
        lacking = number.isnan()
        odd = number[~lacking & (hot.sum(1) == 0)].unique().tolist()
        if odd:
            raise WorkshopError(
                f"categories {listed([f'{one:g}' for one in odd])} in the metadata:"
                f" these are numbered {first} to {first + count - 1}, and NaN where"
                " nobody knows."
            )
        return hot.masked_fill(lacking[:, None], math.nan)

    return encode


def _quarter(day: Tensor) -> Tensor:
    """Tell which of the four seasons a day is in, by whole months."""
    day = day.float()
    first = torch.tensor(_FIRST, dtype=day.dtype, device=day.device)
    number = torch.bucketize(day.nan_to_num(), first, right=True) % len(SEASONS)
    return _one_hot(len(SEASONS))(number.float().masked_fill(day.isnan(), math.nan))


FACTS: dict[str, Fact] = {
    "season": Fact(("season",), ("summer",), _side_by_side),  # 1 on 21 June
    "season_onehot": Fact(("day_of_year",), SEASONS, _quarter),
    "date": Fact(("day_of_year",), ("sin", "cos"), _year),
    "place": Fact(("lat", "lon"), ("lat", "lon"), _side_by_side),
    "region_onehot": Fact(("region",), REGIONS, _one_hot(len(REGIONS))),
    "climate": Fact(
        ("region",), CLIMATE_ZONES, _one_hot(len(CLIMATE_ZONES)), "climate_zone"
    ),
    "climate_zone": Fact(("climate_zone",), KOPPEN, _one_hot(len(KOPPEN), first=1)),
    "weather": Fact(
        ("temperature", "rain", "wind"), ("temperature", "rain", "wind"), _side_by_side
    ),
}


def find_fact(name: str, known: Iterable[str]) -> Fact | None:
    """Return how a fact is made of these metadata, or None if it cannot be.

    Args:
        name: of the fact.
        known: names in the metadata.
    """
    there = set(known)
    while name in FACTS:
        if set(FACTS[name].needs) <= there:
            return FACTS[name]
        name = FACTS[name].instead
    return None

"""Metadata of images (date, place, climate) as vectors for a network.

What kind of number it is decides how it is encoded:

- a quantity, such as a temperature or a latitude: the number itself;
- a day of the year: a point on a circle (`date`), as 31 December is next to 1 January;
- latitude and longitude: fractions of 90 and 180 degrees (`place`), from -1 to 1;
- a category, such as a climate zone: one number per category, 1 for its own and 0 for
  the others ("one-hot"), as zone 4 is not twice as much as zone 2.

`("place", "date")` is the vector (lat/90, lon/180, sin, cos) of Bernhard et al. 2024.
Of a date both readings make sense: `season` is how much of a summer it is, one number
from 0 to 1, the same in spring and autumn; `season_onehot` is which of four it is.

A value that is not known is NaN and stays NaN.
"""

__all__ = [
    "KOPPEN",
    "METADATA_ENCODERS",
    "metadata_names",
    "metadata_vector",
    "season_of",
]

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import CLIMATE_ZONES, REGIONS
from workshop_lib.errors import WorkshopError, listed, unknown_name

SEASONS = ("winter", "spring", "summer", "autumn")  # of the northern hemisphere
_FIRST_DAYS = (60, 152, 244, 335)  # 1 March, 1 June, 1 September, 1 December
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
class MetadataEncoder:
    """How columns of a data set's metadata become numbers for a network."""

    needs: tuple[str, ...]  # names of the columns
    parts: tuple[str, ...]  # names of the numbers
    encode: Callable[..., Tensor]  # (N,) each -> (N, number of parts)
    alternative: str = ""  # the encoder to use where these columns are missing


def season_of(day: Tensor) -> Tensor:
    """Return how much of a summer a day is: 1 on 21 June, 0 on 22 December.

    Shape: (N,) days 1 to 366 -> (N,).

    >>> season_of(torch.tensor([172, 263]))
    tensor([1.0000, 0.5014])
    """
    away = (day.float() - _SOLSTICE).abs()
    return 1 - torch.minimum(away, 365 - away) / 182.5


def find_encoder(name: str, columns: Iterable[str]) -> MetadataEncoder | None:
    """Return the encoder of this name that these columns allow, or None.

    Args:
        name: one of `METADATA_ENCODERS`.
        columns: names in the data set's metadata.
    """
    encoder = METADATA_ENCODERS.get(name)
    if encoder is None or set(encoder.needs) <= set(columns):
        return encoder
    return find_encoder(encoder.alternative, columns)


def known_metadata(columns: Iterable[str]) -> list[str]:
    """List the names that `metadata_vector` accepts for a data set's columns.

    >>> known_metadata(["lat", "lon", "has_s1"])
    ['place', 'lat', 'lon']
    """
    columns = list(columns)
    encoders = [name for name in METADATA_ENCODERS if find_encoder(name, columns)]
    plain = [k for k in columns if k not in encoders and not k.startswith("has_")]
    return [*encoders, *plain]


def metadata_vector(dataset: Dataset, names: Sequence[str]) -> Tensor:
    """Encode the metadata of each image.

    Args:
        dataset: with the columns that are needed in `metadata`.
        names: encoders ("date", "climate", ...; see `METADATA_ENCODERS`) or columns of
            the metadata, which are taken as they are.

    Returns:
        (N, M) float32, in the order of the names; NaN where a value is not known.

    Raises:
        WorkshopError: no name, a name twice, or one that this data set cannot give.
    """
    return torch.cat([values for values, _ in _encoded(dataset.metadata, names)], 1)


def metadata_names(dataset: Dataset, names: Sequence[str]) -> list[str]:
    """Name the M numbers of `metadata_vector`: "climate=Dfc", "rain"."""
    return [part for _, parts in _encoded(dataset.metadata, names) for part in parts]


def _encoded(
    columns: Mapping[str, Tensor], names: Sequence[str]
) -> list[tuple[Tensor, list[str]]]:
    """Return the numbers (N, k) of each name, and what its k numbers are called."""
    if not names or len(set(names)) != len(names):
        raise WorkshopError(
            f"metadata {', '.join(names) or '(none)'}: give at least one name, each"
            " once."
        )
    found = []
    for name in names:
        encoder = find_encoder(name, columns)
        if encoder is None and name not in columns:
            known = known_metadata(columns)
            raise unknown_name("metadata of this data set", name, known)
        if encoder is None:
            values = columns[name].float().reshape(len(columns[name]), -1)
            names_of = [f"{name}={i}" for i in range(values.shape[1])]
            found.append((values, names_of if len(names_of) > 1 else [name]))
        else:
            values = encoder.encode(*(columns[k] for k in encoder.needs))
            found.append((values, [f"{name}={part}" for part in encoder.parts]))
    return found


def _columns(*columns: Tensor) -> Tensor:
    return torch.stack([column.float() for column in columns], 1)


def _circle(day: Tensor) -> Tensor:
    """Put the day on a circle: 31 December is next to 1 January."""
    angle = day.float() * (2 * math.pi / 365)
    return _columns(angle.sin(), angle.cos())


def _globe(lat: Tensor, lon: Tensor) -> Tensor:
    """Divide degrees by the largest there are: -1 to 1."""
    return _columns(lat / 90, lon / 180)


def _one_hot(count: int, first: int = 0) -> Callable[[Tensor], Tensor]:
    """Make an encoder of categories that are numbered from `first`."""

    def encode(number: Tensor) -> Tensor:
        choices = torch.arange(first, first + count, device=number.device)
        hot = (number[:, None] == choices).float()  # (N, count)
        missing = number.isnan()
        odd = number[~missing & (hot.sum(1) == 0)].unique().tolist()
        if odd:
            raise WorkshopError(
                f"categories {listed([f'{one:g}' for one in odd])} in the metadata:"
                f" these are numbered {first} to {first + count - 1}, and NaN where the"
                " category is not known."
            )
        return hot.masked_fill(missing[:, None], math.nan)

    return encode


def _quarter(day: Tensor) -> Tensor:
    """Return which of the four seasons a day is in, by whole months."""
    day = day.float()
    first = torch.tensor(_FIRST_DAYS, dtype=day.dtype, device=day.device)
    number = torch.bucketize(day.nan_to_num(), first, right=True) % len(SEASONS)
    return _one_hot(len(SEASONS))(number.float().masked_fill(day.isnan(), math.nan))


METADATA_ENCODERS: dict[str, MetadataEncoder] = {
    "season": MetadataEncoder(("season",), ("summer",), _columns),  # 1 on 21 June
    "season_onehot": MetadataEncoder(("day_of_year",), SEASONS, _quarter),
    "date": MetadataEncoder(("day_of_year",), ("sin", "cos"), _circle),
    "place": MetadataEncoder(("lat", "lon"), ("lat", "lon"), _globe),
    "region_onehot": MetadataEncoder(("region",), REGIONS, _one_hot(len(REGIONS))),
    "climate": MetadataEncoder(
        ("region",), CLIMATE_ZONES, _one_hot(len(CLIMATE_ZONES)), "climate_zone"
    ),
    "climate_zone": MetadataEncoder(
        ("climate_zone",), KOPPEN, _one_hot(len(KOPPEN), first=1)
    ),
    "weather": MetadataEncoder(
        ("temperature", "rain", "wind"), ("temperature", "rain", "wind"), _columns
    ),
}

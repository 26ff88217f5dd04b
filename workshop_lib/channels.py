"""Which channels of an image belong to which modality, read from their names.

`data.modalities.pack` puts several sensors and facts into one image and names its
channels "s2:B04", "s1:VV" (a sensor that makes images) or "season=summer",
"climate=Dfc" (a fact of the whole patch, the same at all pixels). All that treats
modalities apart, augmentation and models, asks here.
"""

__all__ = ["Group", "groups"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workshop_lib.errors import WorkshopError

_NAME = re.compile(r"([^:=]+)([:=])(.+)")


@dataclass(frozen=True)
class Group:
    """The channels of one modality: `start` to before `stop` of the packed image."""

    name: str  # "s2"
    kind: Literal["image", "fact"]
    start: int
    stop: int
    bands: tuple[str, ...]  # without the modality's name: ("B02", "B03")

    @property
    def width(self) -> int:
        """Number of channels."""
        return self.stop - self.start

    @property
    def channels(self) -> slice:
        """For `images[:, group.channels]`."""
        return slice(self.start, self.stop)


def groups(bands: Sequence[str]) -> tuple[Group, ...]:
    """Find the modalities in the names of an image's channels.

    Returns:
        In the order of the channels; nothing for an image that is not packed.

    Raises:
        WorkshopError: some names tell a modality and some do not, or the channels of
            one modality do not stand together.

    >>> [(g.name, g.kind, g.width) for g in groups(["s1:VV", "s1:VH", "season=summer"])]
    [('s1', 'image', 2), ('season', 'fact', 1)]
    >>> groups(["B02", "B03"])
    ()
    """
    found = [_NAME.fullmatch(band) for band in bands]
    if not any(found):
        return ()
    result: list[Group] = []
    for k, (band, match) in enumerate(zip(bands, found, strict=True)):
        if match is None:
            raise WorkshopError(
                f"channel {band!r} beside {bands[0]!r}: in an image of several"
                " modalities each channel is named s2:B04 or season=summer."
            )
        name, sign, part = match.groups()
        if result and result[-1].name == name:
            last = result[-1]
            result[-1] = Group(name, last.kind, last.start, k + 1, (*last.bands, part))
            continue
        if name in (group.name for group in result):
            raise WorkshopError(
                f"channel {band!r} stands apart from the others of {name}: keep the"
                " channels of a modality together, as `pack` does."
            )
        result.append(
            Group(name, "image" if sign == ":" else "fact", k, k + 1, (part,))
        )
    return tuple(result)

"""Configuration of a training: nested dataclasses that are plain data.

A config is compared, hashed and written as JSON. Nothing here imports torch: the method
is looked up when it is first needed, so that a command's help is instant.
"""

__all__ = ["Config", "DataConfig", "ModelConfig", "OptimConfig", "RunConfig"]

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.settings import (
    SECTIONS,
    DataConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
)

if TYPE_CHECKING:
    from workshop_lib.methods import Method


def _fixmatch() -> "Method":
    from workshop_lib.methods import FixMatch

    return FixMatch(threshold=0.8, alignment=True)


@dataclass(frozen=True, eq=False)
class Config:
    """Everything that decides a training; `replace` makes a changed copy.

    The defaults are the FixMatch run of the quickstart: about 75 s on two CPU cores.
    Settings that differ from the paper (Sohn et al. 2020) say so. `preset` of
    `workshop_lib.presets` gives the one for the time and the task at hand.

    >>> Config().replace(steps=500, labels_per_class=1).optim.steps
    500
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    method: "Method" = field(default_factory=_fixmatch)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        pretrained = self.model.features or self.model.init_from
        if self.optim.propagation_steps and not pretrained:
            raise WorkshopError(
                f"propagation_steps={self.optim.propagation_steps} without features:"
                " labels spread between images whose pretrained features are similar;"
                " name a backbone (features or init_from), or use 0."
            )
        if self.model.features and (self.data.sensors or self.data.metadata):
            raise WorkshopError(
                f"sensors={self.data.sensors}, metadata={self.data.metadata} with"
                f" features={self.model.features!r}: a frozen backbone reads pictures"
                " alone; leave one of them out."
            )

        heads = self.model.heads
        for name, given in (
            ("labels_per_head", self.data.labels_per_head),
            ("head_weights", self.optim.head_weights),
        ):
            if given and (len(given) != len(heads) or min(given) < 0):
                raise WorkshopError(
                    f"{name}={given} with heads={heads}: give a number, 0 or more, for"
                    " each head in this order, or none at all."
                )

    @property
    def method_name(self) -> str:
        """Name of the method, such as "fixmatch"; of one's own, the class's name."""
        from workshop_lib.methods import METHODS

        known = {cls: name for name, cls in METHODS.items()}
        return known.get(type(self.method), type(self.method).__name__)

    def replace(self, **changes: Any) -> "Config":
        """Return a copy with some settings changed, by their own names.

        Args:
            changes: fields of any section (`steps=500`), hyperparameters of the method
                (`threshold=0.9`), or whole sections; `data="ucm"` is short for the data
                set's name. `method` is an instance, or a name
                whose hyperparameters are the class's defaults.

        Raises:
            WorkshopError: an unknown name; lists the known ones and the nearest.
        """
        if isinstance(changes.get("data"), str):
            changes["name"] = changes.pop("data")
        sections: dict[str, Any] = {
            name: changes.pop(name) for name in SECTIONS if name in changes
        }
        method = changes.pop("method", self.method)
        if isinstance(method, str):
            method = method_class(method)()
        options = method.hyperparameters()
        of_method: dict[str, Any] = {}
        by_section: dict[str, dict[str, Any]] = {}
        where = fields_by_section()
        for name, value in changes.items():
            if name in options:
                of_method[name] = value
            elif name in where:
                by_section.setdefault(where[name], {})[name] = value
            else:
                raise unknown_name("setting", name, [*where, *options])
        for name, values in by_section.items():
            sections[name] = replace(sections.get(name, getattr(self, name)), **values)
        if of_method:
            method = type(method)(**{**options, **of_method})
        return replace(self, method=method, **sections)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values; the method as its name and hyperparameters."""
        found: dict[str, Any] = {n: asdict(getattr(self, n)) for n in SECTIONS}
        found["method"] = {"name": self.method_name, **self.method.hyperparameters()}
        return found

    def to_json(self) -> str:
        """Write the config as JSON with sorted keys: equal configs give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str, method: "Method | None" = None) -> "Config":
        """Read what `to_json` wrote; settings that it does not mention get defaults.

        Args:
            text: content of a run's config.json.
            method: an instance, where the run was trained with a method of one's own:
                its class is taken, with the hyperparameters that the text has.

        Raises:
            WorkshopError: damaged text, an unknown setting, or a method of one's own
                without its instance.
        """
        try:
            found = {name: dict(values) for name, values in json.loads(text).items()}
            name = found["method"].pop("name")
            settings = {k: v for one in SECTIONS for k, v in found.pop(one).items()}
            own: Any = type(method)
            if own.__name__ != name:
                own = method_class(name)
            usual = {k: v for part in cls().to_dict().values() for k, v in part.items()}
            usual |= own().hyperparameters()
            for key, value in {**settings, **found["method"]}.items():
                if key in usual and not _is_like(value, usual[key]):
                    raise TypeError(f"{key} is {value!r}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WorkshopError(
                f"this is not a valid config ({error!r}): restore config.json, or train"
                " again."
            ) from error
        return cls(method=own()).replace(**settings, **found["method"])

    def changes(self) -> dict[str, dict[str, Any]]:
        """Return the settings that differ from the defaults, by section.

        A method's hyperparameters are compared with the defaults of its class.
        """
        usual = Config().replace(method=type(self.method)()).to_dict()
        return {
            section: {k: v for k, v in values.items() if v != usual[section][k]}
            for section, values in self.to_dict().items()
        }

    def digest(self) -> str:
        """Hash whatever differs from the defaults: 10 characters for a run's name.

        A setting that is added later, with a default, therefore changes no name.
        """
        changed: dict[str, Any] = {**self.changes(), "name": self.method_name}
        text = json.dumps(changed, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def difference(self, other: "Config") -> dict[str, tuple[Any, Any]]:
        """Return the settings that differ, by "section.name": (mine, the other's)."""
        mine, theirs = _flat(self.to_dict()), _flat(other.to_dict())
        return {
            name: (mine.get(name), theirs.get(name))
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name) != theirs.get(name)
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())


def fields_by_section() -> dict[str, str]:
    """Return the section of every setting, by the setting's name."""
    return {f.name: s for s, cls in SECTIONS.items() for f in fields(cls)}


def method_class(name: str) -> "type[Method]":
    """Return the class of a method.

    Raises:
        WorkshopError: an unknown name; lists the known ones and the nearest.
    """
    from workshop_lib.methods import METHODS

    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name]


def _is_like(value: Any, usual: Any) -> bool:
    """Return whether a value read from JSON is of the kind that a setting has."""
    kinds: Any = type(usual)
    if usual is None:  # a number, or what the method needs
        kinds = int | None
    elif isinstance(usual, tuple):
        kinds = list | tuple
    elif kinds is float:
        kinds = int | float
    return isinstance(value, kinds) and isinstance(value, bool) == (kinds is bool)


def _flat(nested: dict[str, Any]) -> dict[str, Any]:
    return {f"{s}.{k}": v for s, values in nested.items() for k, v in values.items()}

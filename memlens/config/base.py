"""What all configurations share: frozen, unknown keys refused, errors in our own words."""

import re
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from memlens.errors import ConfigError, closest
from memlens.user_input import parse_toml


class Config(BaseModel):
    """Base: frozen, extras forbidden, errors in our own words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: dict[str, Any], where: str = "config") -> Self:
        """Validate values.

        Parameters
        ----------
        values : dict
            By key.
        where : str
            Where they come from, for the error.

        Returns
        -------
        Config
            Of this class.

        Raises
        ------
        ConfigError
            Naming the first key that is wrong, and the closest right ones.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise cls.explained(error, where) from None

    @classmethod
    def explained(cls, error: ValidationError, where: str) -> ConfigError:
        """The first thing that is wrong, in our own words.

        Parameters
        ----------
        error : ValidationError
            As pydantic raises it.
        where : str
            Where the values come from.

        Returns
        -------
        ConfigError
            To be raised.
        """
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        key, got = ".".join(str(part) for part in first["loc"]), repr(first.get("input"))
        owner = _owner(cls, first["loc"])
        fields = getattr(owner, "model_fields", {})
        if first["type"] == "extra_forbidden":
            return ConfigError(f"{where}: unknown key '{key}'; {closest(str(first['loc'][-1]), fields)}")
        if first["type"] == "missing":
            needed = [name for name, field in fields.items() if field.is_required()]
            return ConfigError(f"{where}: '{key}' is missing; give {', '.join(needed)}")
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "literal_error":
            names = re.findall("'([^']*)'", first.get("ctx", {}).get("expected", ""))
            message = f"expected {' or '.join(names)}; {closest(str(first['input']), names)}"
        wanted = message.removeprefix("Input should be ")
        if wanted != message:
            message = f"expected {'a value ' * wanted.startswith(('greater', 'less'))}{wanted}"
        # what keys say together has no place of its own
        if not key:
            return ConfigError(f"{where}: {message}")
        return ConfigError(f"{where}: '{key}' is {got}{', ' if message.startswith('expected') else ': '}{message}")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML file; ConfigError when it cannot be read, is not TOML, or as ``parse``."""
        if not isinstance(path, str | Path):
            raise ConfigError(f"the path of a config is {path!r}, expected a str or Path of a TOML file")
        path = Path(path)
        try:
            values = parse_toml(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"no config file at '{path}'; give the path of a TOML file") from None
        except OSError as error:
            raise ConfigError(
                f"config '{path}' cannot be read: {error.strerror}; give the path of a TOML file"
            ) from None
        except ValueError as error:
            raise ConfigError(f"'{path}' is not valid TOML: {error}") from None
        return cls.parse(values, where=str(path))


def _owner(cls: Any, loc: tuple[int | str, ...]) -> Any:
    """The config class that the last part of an error's place belongs to, None where it is in none."""
    owner = cls
    for part in loc[:-1]:
        if not isinstance(part, int):
            field = getattr(owner, "model_fields", {}).get(part)
            owner = None if field is None else _config_in(field.annotation)
    return owner


def _config_in(annotation: Any) -> Any:
    """The config class in the annotation of a key that holds one, or a tuple of them, or one or nothing."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    found = [_config_in(part) for part in get_args(annotation)]
    return next((part for part in found if part is not None), None)

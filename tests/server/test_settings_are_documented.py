"""No option, variable, limit or error of the service is undocumented."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import click

from fillmask.cli.serve import command
from fillmask.server.limits import Limits
from fillmask.server.settings import ServerSettings

_GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "serving.md").read_text("utf-8")
_TABLE = [line for line in _GUIDE.splitlines() if line.startswith("|")]


def row(name: str) -> str:
    """The row of the guide's tables that names an option or a limit."""
    rows = [line for line in _TABLE if f"`{name}`" in line.split("|")[1]]
    assert rows, f"{name} stands in no table of docs/guide/serving.md"
    return rows[0]


def test_every_option_stands_in_the_table_with_its_variable_and_default() -> None:
    for parameter in command.params:
        assert isinstance(parameter, click.Option)
        name = next(option for option in parameter.opts if option.startswith("--"))
        found = row(name)
        assert ("(repeated)" in found) == parameter.multiple, name
        for variable in [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ():
            assert variable in found or "as for every command" in found, variable
        if parameter.show_default and parameter.default is not None and "as for every command" not in found:
            default = f"{parameter.default:g}" if isinstance(parameter.default, float) else str(parameter.default)
            if parameter.is_flag:
                default = parameter.opts[0] if parameter.default else parameter.secondary_opts[0]
                default = default.removeprefix("--")
            assert f"`{default}`" in found, name


def test_every_limit_stands_in_the_table_with_its_default() -> None:
    for field in fields(Limits):
        found = row(field.name)
        names = re.findall(r"`(\w+)`", found.split("|")[1])
        defaults = [value.strip() for value in found.split("|")[2].split(",")]
        assert defaults[names.index(field.name)] == str(field.default), field.name


def test_every_setting_has_an_option() -> None:
    options = {parameter.name for parameter in command.params}
    assert {field.name for field in fields(ServerSettings)} <= options | {"api_keys"}
    assert command.help is not None

"""What README and docs/ say of commands, settings, events and each other exists."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from config.settings import SHIPPED_CONFIG
from gateway.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading that it has."""
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _CODE.sub("", _text(page))):
        path, _, anchor = target.partition("#")
        if path.startswith(("https:", "http:")):
            continue
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            lost.append(target)

    assert lost == []


def test_every_event_of_the_log_is_explained_to_the_operator() -> None:
    """An event without a row wakes somebody who cannot know what it means."""
    explained = set(re.findall(r"`([a-z_]+)`", _text(ROOT / "docs" / "operator.md")))

    assert set(_events()) - explained == set()


def test_every_setting_of_the_readme_exists_with_its_default() -> None:
    """The table is a part of config/gateway.toml, not another truth."""
    shipped = _flat(tomllib.loads(SHIPPED_CONFIG.read_text(encoding="utf-8")))
    settings = _text(ROOT / "README.md").partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]*) \|", settings, re.MULTILINE)
    assert len(rows) > 10
    for names, default in rows:
        for name in re.findall(r"`([a-z_.]+)`", names):
            # Words describe a default that depends: SQLite in `data_dir`.
            if name != "control.database_url":
                assert _value(default.strip(" `")) == shipped[name], name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_exists(page: Path) -> None:
    """What is typed after `gateway` or `make` in a block of commands is known."""
    for line in _typed(page):
        words = shlex.split(line, comments=True)
        if "make" in words[:1]:
            assert set(_targets_in(words)) <= _make_targets(), line
        if words and words[0].rpartition("/")[2] == "gateway":
            # Help comes before anything is done or required, but after all words are understood.
            assert CliRunner().invoke(main, [*words[1:], "--help"]).exit_code == 0, line


def test_every_command_and_every_option_explains_itself() -> None:
    """`--help` is what is read at night."""
    context = click.Context(main)
    silent = [
        f"{name} {option.opts[-1]}"
        for name, command in _commands("gateway", main, context)
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]

    assert silent == []
    assert [name for name, command in _commands("gateway", main, context) if not command.help] == []


def _commands(
    name: str, command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it."""
    yield name, command
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None
            yield from _commands(f"{name} {each}", below, context)


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", _text(page)), re.MULTILINE)
    headings += re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _events() -> Iterator[str]:
    """The first argument of each call of a logger."""
    for path in [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "model").rglob("*.py")]:
        for node in ast.walk(ast.parse(_text(path))):
            match node:
                case ast.Call(
                    func=ast.Attribute(
                        value=ast.Name(id="log"), attr="info" | "warning" | "error" | "exception"
                    ),
                    args=[ast.Constant(value=str(event)), *_],
                ):
                    yield event


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _value(text: str) -> Any:
    """As TOML has it; what is none of its values is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _typed(page: Path) -> Iterator[str]:
    """The lines of the blocks of commands, without what a shell makes of them."""
    for block in re.findall(r"^```sh\n(.*?)^```", _text(page), re.MULTILINE | re.DOTALL):
        joined = block.replace("\\\n", " ")
        for line in joined.splitlines():
            command = re.split(r"\s+#|[|;>&]", line.removeprefix("exec "))[0].strip()
            if re.match(r"(?:[A-Z_]+=\S* )*(?:make|(?:\.venv/bin/)?gateway) ?", command):
                yield re.sub(r"^(?:[A-Z_]+=\S* )+", "", command)


def _targets_in(words: list[str]) -> list[str]:
    return [word for word in words[1:] if "=" not in word]


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", _text(ROOT / "Makefile"), re.MULTILINE))

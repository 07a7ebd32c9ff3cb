"""Commands that plugins add: found, run, refused when a name is taken, reported when a plugin is broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sparring import plugins
from sparring.records import Episode, Row, Span, Turn
from sparring.transcripts import write
from sparring_cli import main

PAGE = Path(__file__).parents[2] / "docs/how_to/add_a_command.md"
PLUGIN = """
import click
from sparring import hookimpl

@click.command("{name}")
def it():
    '''Say a word.'''
    click.echo("{word}")

@hookimpl
def sparring_register_commands():
    return {answer}
"""

Add = Callable[..., Path]
Install = Callable[[Path], None]


@pytest.fixture
def add(tmp_path: Path) -> Add:
    """Write a plugin with a command."""

    def write(plugin: str, name: str, word: str = "", answer: str = "[it]") -> Path:
        file = tmp_path / f"{plugin}.py"
        file.write_text(PLUGIN.format(name=name, word=word, answer=answer))
        return file

    return write


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have a plugin's file be the only one that is installed."""

    def found(file: Path) -> None:
        monkeypatch.setattr(plugins, "_installed", lambda: [plugins._from_file(file)])

    return found


def invoke(*words: object) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words], prog_name="sparring")
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def test_a_plugin_s_command_runs(add: Add) -> None:
    result = invoke("--plugin", add("one", "greet", "hello"), "greet")
    assert (result.exit_code, result.stdout) == (0, "hello\n")


def test_it_stands_in_the_help_after_the_bundled_ones(add: Add, install: Install) -> None:
    install(add("one", "greet"))
    output = invoke("--help").stdout
    assert output.index("new-plugin") < output.index("greet       Say a word.")


def test_what_nobody_has_is_no_command(add: Add) -> None:
    result = invoke("--plugin", add("one", "greet"), "gret")
    assert result.exit_code == 2
    assert "No such command 'gret'" in result.stderr


def test_a_name_of_a_bundled_command_is_refused_whatever_is_called(add: Add) -> None:
    for words in (["run", "x"], ["list", "games"], ["nothing"]):
        result = invoke("--plugin", add("one", "run"), *words)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: two plugins have the command 'run': 'sparring' and 'one'; rename one")
    assert invoke("--plugin", add("one", "run"), "--no-plugin", "one", "list", "games").exit_code == 0


def test_a_name_that_two_plugins_have_is_refused(add: Add) -> None:
    result = invoke("--plugin", add("one", "greet"), "--plugin", add("two", "greet"), "list", "games")
    assert result.exit_code == 2
    assert "two plugins have the command 'greet': 'one' and 'two'; rename one, or start with --no-plugin two" in (
        result.stderr
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("[print]", "is no click command with a name"),
        ("it", "'Command' object is not iterable"),
    ],
)
def test_a_broken_plugin_is_reported_and_the_others_go_on(
    add: Add, install: Install, answer: str, message: str
) -> None:
    install(add("bad_one", "greet", answer=answer))
    result = invoke("--plugin", add("good", "say", "still here"), "say")
    assert (result.exit_code, result.stdout) == (0, "still here\n")
    assert "warning: plugin 'bad_one' could not be loaded:" in result.stderr
    assert message in result.stderr
    assert message in invoke("plugins").stdout


def test_the_command_of_the_how_to_page_works(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    (tmp_path / "lengths.py").write_text(code)
    turns = [Turn("a", "main", 0, 0, at, [Span("sampled", [1] * n)], "", "") for at, n in ((0, 2), (2, 5))]
    write(tmp_path, 10, [Episode(0, 10, 0, "toy", [Row([1] * 7, turns)], turns)])
    result = invoke("--plugin", tmp_path / "lengths.py", "lengths", tmp_path)
    assert (result.exit_code, result.stdout) == (0, "step-000010 3.5\n"), result.output

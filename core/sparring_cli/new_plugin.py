"""`sparring new-plugin`: begin a distribution with a component of its own, its tests and a recipe that trains."""

from __future__ import annotations

import importlib.resources
import importlib.util
import keyword
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

import sparring
from sparring.errors import SparringError
from sparring_cli.catalogue import kind_of
from sparring_cli.options import host_options, load_host

PREFIX = "sparring"
SUFFIX = ".tmpl"  # so that no tool takes a template for code
COMMON = "common"
#: What templates import beside the names of `sparring`; a class may not be called like one of them.
IMPORTED = ("Annotated", "Any", "ClassVar", "Field", "Literal", "Mapping", "ObjectiveBatch", "Sequence", "Totals")


def templates() -> Traversable:
    """Folders of templates: one for each kind, and what is common to all."""
    return importlib.resources.files("sparring_cli") / "templates"


def kinds() -> list[str]:
    """The kinds that there are templates of."""
    return sorted(folder.name for folder in templates().iterdir() if folder.is_dir() and folder.name != COMMON)


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", required=True, metavar="KIND", help=f"What it has: {', '.join(kinds())}.")
@click.option(
    "--dir",
    "folder",
    default=".",
    type=click.Path(path_type=Path),
    help="Where the new folder is made.",
    show_default=True,
)
@host_options
def new_plugin(name: str, kind: str, folder: Path, plugins: tuple[Path, ...], blocked: tuple[str, ...]) -> None:
    """Write a new distribution, sparring-NAME, with a component NAME of its own: code, tests and a recipe that trains.

    It works as it is; change it step by step into what you want.
    """
    chosen = kind_of(kind)
    if chosen not in kinds():
        raise click.UsageError(f"there is no template of a {chosen}; there are: {', '.join(kinds())}")
    words = _words(name)
    values = {
        "name": "_".join(words),
        "Name": "".join(word.capitalize() for word in words),
        "package": "_".join([PREFIX, *words]),
        "distribution": "-".join([PREFIX, *words]),
        "kind": chosen,
        "version": ".".join(sparring.__version__.split(".")[:2]),
    }
    known = load_host(plugins, blocked).registry.find(chosen, values["name"])
    if known is not None:
        raise click.UsageError(f"plugin '{known.plugin}' has a {chosen} '{known.name}' already; choose another NAME")
    if importlib.util.find_spec(values["package"]) is not None:
        raise click.UsageError(f"a package {values['package']} is installed already; choose another NAME")
    home = folder / values["distribution"]
    if home.exists():
        raise click.UsageError(f"{home} exists already; choose another NAME, or another folder with --dir")
    try:
        for path, text in render(chosen, values):
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SparringError(
            f"cannot write {home}: {error.strerror or error}; choose another folder with --dir"
        ) from error
    click.echo(
        f"{home}: the {chosen} '{values['name']}', its tests and a recipe. Go on with:\n"
        f"  pip install -e {home}\n"
        f"  pytest {home}\n"
        f"  sparring run {values['name']}/quickstart --smoke"
    )


def render(kind: str, values: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Every file of a new distribution: its path in it, and its text."""
    for folder in (COMMON, kind):
        for path, template in _files(templates() / folder):
            for word in ("package", "name", "kind"):
                path = path.replace(f"__{word}__", values[word])
            yield Path(path.removesuffix(SUFFIX)), Template(template).substitute(values)


def _files(folder: Traversable, at: str = "") -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, f"{at}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield at + entry.name, entry.read_text(encoding="utf-8")


def _words(name: str) -> list[str]:
    """The words of a name. ``sparring-`` in front is not one of them: every distribution's name begins so."""
    bare = re.sub(rf"^{PREFIX}[-_]", "", name)
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", bare):
        raise click.UsageError(
            f"{name!r} cannot be the name of a plugin: it becomes a package and a component; take lower-case letters and "
            "digits, a letter first, with - or _ between words, such as number-duel"
        )
    words = re.split("[-_]", bare)
    made = "".join(word.capitalize() for word in words)
    if made in (*sparring.__all__, *IMPORTED) or keyword.iskeyword(made):
        raise click.UsageError(
            f"{name!r} would make a class called {made}, which there is already; choose another NAME"
        )
    return words

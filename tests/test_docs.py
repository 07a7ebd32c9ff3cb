"""The documentation is complete and true: reference pages are what the code says, links lead somewhere, examples are right."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import click
import pytest
from click.testing import CliRunner

import sparring
from sparring import errors, hookspecs, interfaces, sections
from sparring.errors import SparringError
from sparring.metrics import CORE
from sparring.params import Params
from sparring.plugins import Host, load_plugins
from sparring.recipe import Recipe, RecipeSource, find_recipe, list_recipes, load_recipe
from sparring.registry import KINDS, Component
from sparring_cli import main
from sparring_cli.catalogue import kind_of, parameters
from sparring_cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(DOCS.rglob("*.md"))
WITH_READMES = [*PAGES, ROOT / "README.md", ROOT / "core" / "README.md"]
WRITTEN_BY_HAND = [path for path in WITH_READMES if not path.is_relative_to(REFERENCE)]
SHELL = ("", "sh", "bash", "console", "shell")  # a fence without a language holds commands too


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def each(paths: Sequence[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", paths, ids=name_of)


@cache
def host() -> Host:
    """Bundled plugins, and the one that the tutorial makes: its commands and recipes are on its page."""
    sys.path.append(str(ROOT / "tests" / "third_party" / "sealed_games" / "src"))
    return load_plugins(modules=["sealed_games"])


def bundled() -> list[Component]:
    ours = {info.name for info in host().plugins if info.distribution == "sparring"}
    return [component for component in host().registry.all() if component.plugin in ours]


@cache
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", REFERENCE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up their module by name
    spec.loader.exec_module(module)
    return module


# ---- Markdown --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block. ``where`` is its page and first line."""

    where: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    fence, begin, inside = "", 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        mark = re.match(r"\s*(`{3,})\s*(\w*)", line)
        if not fence and mark:
            fence, begin, inside, language = mark[1], number + 1, [], mark[2]
        elif fence and line.strip() == fence:
            found.append(Block(f"{name_of(page)}:{begin}", language, textwrap.dedent("\n".join(inside) + "\n")))
            fence = ""
        elif fence:
            inside.append(line)
    assert not fence, f"{name_of(page)}: the block that begins in line {begin} is never closed"
    return found


def outside_blocks(page: Path) -> str:
    return re.sub(r"^\s*(`{3,}).*?^\s*\1\s*$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What the page's headings are called in links; a name that is taken gets a number."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", outside_blocks(page), flags=re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def section(page: str, heading: str) -> str:
    """A section of a reference page, up to the next heading of its level; empty if there is none."""
    level = heading.split(" ")[0]
    text = (REFERENCE / page).read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^{level} |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def plain(text: str | None) -> str:
    """Text without marks and line breaks, to look for it in a page."""
    return " ".join(re.sub(r"[`\\]", "", text or "").split())


# ---- the reference is generated --------------------------------------------------------------------------------------


def test_committed_reference_pages_are_what_the_code_says() -> None:
    texts, broken = generate().pages()
    stale = generate().stale(REFERENCE, texts)
    assert not stale, f"run `make docs`: {', '.join(stale)} in docs/reference would change. {' '.join(broken)}"


def test_pages_are_the_same_every_time() -> None:
    assert generate().pages() == generate().pages()


def test_check_names_changed_missing_and_left_over_pages_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = generate().run
    assert run([], tmp_path) == 0
    assert run(["--check"], tmp_path) == 0
    capsys.readouterr()
    (tmp_path / "hooks.md").write_text("something else")
    (tmp_path / "errors.md").unlink()
    (tmp_path / "components" / "gone.md").write_text(generate().MARK + "\n\n# Gone\n")
    (tmp_path / "by_hand.md").write_text("# Kept\n")
    assert run(["--check"], tmp_path) == 1
    named = {Path(line.split(":")[0]).name for line in capsys.readouterr().out.splitlines()}
    assert named == {"hooks.md", "errors.md", "gone.md"}
    assert (tmp_path / "hooks.md").read_text() == "something else"
    assert run([], tmp_path) == 0
    assert run(["--check"], tmp_path) == 0
    assert not (tmp_path / "components" / "gone.md").exists()
    assert (tmp_path / "by_hand.md").exists()


# ---- the reference is complete ---------------------------------------------------------------------------------------

HOOKS = [name for name in vars(hookspecs) if name.startswith("sparring_")]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_its_signature_and_its_docstring_on_the_page(hook: str) -> None:
    function = getattr(hookspecs, hook)
    signature = inspect.signature(function)
    taken = ", ".join(f"{p.name}: {p.annotation}" for p in signature.parameters.values())
    text = section("hooks.md", f"### `{hook}`")
    assert f"def {hook}({taken}) -> {signature.return_annotation}\n" in text
    assert plain(function.__doc__) in plain(text)


@pytest.mark.parametrize("event", ["RunStarted", "StepEnded", "RunEnded"])
def test_every_event_has_its_fields_on_the_page(event: str) -> None:
    text = section("hooks.md", f"### `{event}`")
    for field in fields(getattr(interfaces, event)):
        assert f"    {field.name}: {field.type}" in text


def test_every_kind_is_registered_by_a_hook_that_is_documented() -> None:
    assert set(KINDS.values()) <= set(HOOKS)
    for kind in KINDS:
        assert (REFERENCE / "components" / f"{kind}.md").exists()


@pytest.mark.parametrize("component", bundled(), ids=lambda component: f"{component.kind}-{component.name}")
def test_every_component_is_described_with_all_its_parameters(component: Component) -> None:
    text = section(f"components/{component.kind}.md", f"## `{component.name}`")
    assert plain(component.summary) in plain(text)
    assert (component.paper or "") in text
    assert f"use: {component.name}" in text
    for row in parameters(component.params):
        line = next((line for line in text.splitlines() if line.startswith(f"| `{row.name}` |")), "")
        assert plain(row.description) in plain(line)
        assert row.range in line
    for metric in component.metrics:
        assert metric.pattern in text


def test_every_parameter_says_what_it_means() -> None:
    silent = [
        f"{c.kind} {c.name}: {row.name}" for c in bundled() for row in parameters(c.params) if not row.description
    ]
    assert not silent


def test_every_declared_metric_is_on_the_page() -> None:
    rows = (REFERENCE / "metrics.md").read_text().splitlines()
    for metric in [*CORE, *(metric for component in bundled() for metric in component.metrics)]:
        row = next((row for row in rows if row.startswith(f"| `{metric.pattern}` | {metric.unit} |")), "")
        assert plain(metric.meaning) in plain(row), metric.pattern


SECTIONS = [Recipe] + [
    model
    for model in vars(sections).values()
    if isinstance(model, type) and issubclass(model, Params) and model.__module__ == sections.__name__
]


@pytest.mark.parametrize("model", SECTIONS)
def test_every_key_of_a_recipe_is_on_the_page(model: type[Params]) -> None:
    page = (REFERENCE / "recipe_format.md").read_text()
    first = plain((model.__doc__ or "").split("\n\n")[0])
    mine = next((part for part in page.split("\n## ") if plain(part.split("\n\n")[1]) == first), "")
    for row in parameters(model):
        # An evaluator stands in the mapping itself, by `use`.
        flat = (model, row.name) == (sections.EvaluateSpec, "evaluator")
        start = "| `use`, and" if flat else f"| `{row.name}` |"
        line = next((line for line in mine.splitlines() if line.startswith(start)), "")
        assert row.description
        assert plain(row.description) in plain(line), row.name
        assert row.range in line


def test_every_error_is_on_the_page_with_its_exit_status() -> None:
    rows = (REFERENCE / "errors.md").read_text().splitlines()
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, SparringError)]
    assert len(classes) > 5
    for cls in classes:
        assert [row for row in rows if f"`{cls.__name__}` | {cls.exit_status} |" in row], cls.__name__


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help_and_its_options_on_the_page(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    text = section("command_line.md", f"## `sparring {name}`")
    assert plain(command.help) in plain(text)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            row = next((line for line in text.splitlines() if line.startswith(f"| `{parameter.opts[0]}")), "")
            assert plain(parameter.help) in plain(row), parameter.name
        else:
            assert (parameter.human_readable_name.upper()) in text


@pytest.mark.parametrize("name", sorted(set(sparring.__all__) - {"hookimpl"}))
def test_every_public_name_is_described(name: str) -> None:
    described = any(section(page, f"### `{name}`") for page in ("interfaces.md", "hooks.md"))
    assert described or f"`{name}` |" in (REFERENCE / "errors.md").read_text()


# ---- pages find each other -------------------------------------------------------------------------------------------


def broken_links(page: Path) -> list[str]:
    """Relative links that lead to no file, or to no heading of it."""
    wrong = []
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", outside_blocks(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (heading and heading not in anchors(file)):
            wrong.append(target)
    return wrong


@each(WITH_READMES)
def test_links_lead_somewhere(page: Path) -> None:
    assert not broken_links(page)


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n[x](page.md) [x](#a-b-c) [x](https://a.b/c)\n[gone](gone.md) [`x`](page.md#a-b)\n")
    assert broken_links(page) == ["gone.md", "page.md#a-b"]


def test_the_table_of_contents_has_every_page() -> None:
    contents = DOCS / "README.md"
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", contents.read_text())}
    missing = [name_of(page) for page in PAGES if page != contents and page not in linked]
    assert not missing, f"docs/README.md links no {', '.join(missing)}"


def test_every_bundled_recipe_is_mentioned() -> None:
    """But for ablations and recipes that are only there to be tried, which say so in their names or first lines."""
    text = "\n".join(page.read_text() for page in WRITTEN_BY_HAND)
    silent = [
        info.name
        for info in list_recipes(["sparring_recipes"])
        if not re.search("smoke|ablation", f"{info.name} {info.summary}", flags=re.IGNORECASE)
        and not re.search(rf"{info.name}\b", text)
    ]
    assert not silent, f"no page mentions {', '.join(silent)}"


# ---- examples are right ----------------------------------------------------------------------------------------------


@each([page for page in PAGES if page.relative_to(DOCS).parts[0] in ("tutorial", "how_to", "methods")])
def test_python_compiles(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, block.where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def is_recipe(block: Block) -> bool:
    return block.language in ("yaml", "yml") and bool(re.search(r"^format: 1\b", block.text, flags=re.MULTILINE))


@each(WITH_READMES)
def test_recipes_load(page: Path) -> None:
    for block in filter(is_recipe, blocks(page)):
        load_recipe(RecipeSource("docs", block.text, block.where), host().registry)


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every `sparring` in shell lines, comments, prompts and other programs left out."""
    waiting = ""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        waiting += line.strip().removeprefix("$ ")
        lexer = shlex.shlex(waiting, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # a quotation that goes on in the next line
            waiting += "\n"
            continue
        waiting = ""
        simple: list[list[str]] = [[]]
        for word in words:
            if set(word) <= set("();<>|&"):
                simple.append([])
            else:
                simple[-1].append(word)
        for command in simple:
            while command and (re.match(r"\w+=", command[0]) or command[0] in ("do", "then", "time", "env")):
                command.pop(0)
            if command and re.fullmatch(r"(.*bin/)?sparring", command[0]):
                yield command[1:]
    assert not waiting, f"a quotation is never closed: {waiting!r}"


def is_placeholder(word: str | None) -> bool:
    """``RUN``, ``my.yaml``, ``…``: what the reader puts something else for."""
    return (
        word is None or word == "…" or word.isupper() or (word.endswith((".yaml", ".yml")) and not Path(word).exists())
    )


def wrong_with(arguments: Sequence[str]) -> str:
    """What is wrong with a command line; empty if nothing. It is parsed as the command does, and not executed."""
    if not arguments:
        return ""
    parsed: list[tuple[str, Mapping[str, Any]]] = []
    with patch.object(click.Command, "invoke", lambda _, context: parsed.append((context.info_name, context.params))):
        result = CliRunner().invoke(main, list(arguments))
    if result.exit_code:
        return result.output or repr(result.exception)
    name, given = parsed[-1] if parsed else ("", {})
    try:
        wrong_value(name, given)
    except (SparringError, click.UsageError) as error:
        return str(error)
    return ""


def wrong_value(name: str, given: Mapping[str, Any]) -> None:
    """Raise if a recipe, a value of it, or a component that the command names is not there."""
    registry = host().registry
    if name in ("run", "check") and not is_placeholder(given["recipe"]):
        source = find_recipe(given["recipe"], host().recipe_packages)
        sets = [item for item in given["sets"] if "…" not in item and not is_placeholder(item)]
        load_recipe(source, registry, sets=sets, smoke=given["smoke"])
    elif name == "play" and not is_placeholder(given["game"]):
        registry.get("game", given["game"])
    elif name in ("list", "describe") and not is_placeholder(given["kind"]):
        kind = kind_of(given["kind"])
        if name == "describe" and not is_placeholder(given["name"]):
            if kind == "recipe":
                find_recipe(given["name"], host().recipe_packages)
            else:
                registry.get(kind, given["name"])


@each(WITH_READMES)
def test_command_lines_are_right(page: Path) -> None:
    for block in blocks(page):
        if block.language in SHELL:
            for arguments in commands(block.text):
                assert not wrong_with(arguments), f"{block.where}: sparring {shlex.join(arguments)}"


@each(WITH_READMES)
def test_commands_within_sentences_are_right(page: Path) -> None:
    for text in re.findall(r"(?<!`)`(sparring [^`]+)`(?!`)", outside_blocks(page)):
        for arguments in commands(" ".join(text.split())):
            if len(arguments) == 1:  # the command's name alone
                assert arguments[0] in COMMANDS or arguments[0].startswith("-"), text
            else:
                assert not wrong_with(arguments), text


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("sparring run kuhn_poker/quickstart --smoke --set train.steps=2  # it's fast", ""),
        ("$ .venv/bin/sparring run mine.yaml --seeds 0,1,2 | tee log", ""),
        ("for s in 0 1; do THREADS=1 sparring run RECIPE --out RUN; done", ""),
        ("sparring run \\\n  kuhn_poker/quickstart \\\n  --set 'opponents={use: uniform_pool,\n  size: 2}'", ""),
        ("sparring --no-plugin sparring_games describe game kuhn_poker && sparring --version", ""),
        ("sparring rum kuhn_poker/quickstart", "No such command"),
        ("make run; sparring run kuhn_poker/quickstart --quick", "No such option"),
        ("sparring export RUN", "Missing argument"),
        ("sparring play kuhn_poker --matches none", "Invalid value"),
        ("sparring run kuhn_poker/quickstrat", "did you mean 'kuhn_poker/quickstart'"),
        ("sparring check kuhn_poker/quickstart --set train.step=2", "unknown key 'step'"),
        ("sparring play kuhn_pokr", "no game named 'kuhn_pokr'"),
        ("sparring list gamez", "no kind named 'gamez'"),
        ("sparring describe estimator role_conditionned", "did you mean 'role_conditioned'"),
    ],
)
def test_wrong_command_lines_are_found(line: str, wrong: str) -> None:
    told = [wrong_with(arguments) for arguments in commands(line)]
    assert told
    assert wrong in "".join(told)
    assert bool("".join(told)) == bool(wrong)


def test_blocks_and_their_lines_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\n```sh\na\n```\n- b\n\n  ```yaml\n  format: 1\n  ```\n````\n```\n````\n")
    assert [(b.where, b.language, b.text) for b in blocks(page)] == [
        ("page.md:4", "sh", "a\n"),
        ("page.md:9", "yaml", "format: 1\n"),
        ("page.md:12", "", "```\n"),
    ]
    assert "format" not in outside_blocks(page)
    assert [is_recipe(block) for block in blocks(page)] == [False, True, False]

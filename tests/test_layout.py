"""Rules of the house that no type checker knows."""

import ast
import io
import re
import tokenize
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from sparring.plugins import load_plugins
from sparring.recipe import Recipe
from sparring.sections import PlayEntry

ROOT = Path(__file__).parents[1]
ROOTS = ("core", "plugins", "recipes")
PACKAGES = sorted(
    path for root in ROOTS for path in (ROOT / root).iterdir() if path.is_dir() and path.name != "__pycache__"
)


def test_roots_hold_only_our_packages_and_a_readme() -> None:
    for root in ROOTS:
        names = {path.name for path in (ROOT / root).iterdir()} - {"README.md", "__pycache__"}
        assert all(name.startswith("sparring") for name in names), names


#: Beside the core: what plugins and the command line may share and the core does not know of.
SHARED = {"sparring_endpoint", "sparring_tree", "sparring_memory", "sparring_contracts", "sparring_yaml"}
#: Beside the core: what it asks. What fits into memory, whether what was handed over is whole, what a recipe's text says in which
#: line and, for the kit of checks, a game's tree.
ASKED = {"sparring_memory", "sparring_contracts", "sparring_yaml", "sparring_tree"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_packages_are_typed_and_plugins_are_installed(package: Path) -> None:
    assert (package / "__init__.py").exists()
    assert (package / "py.typed").exists()
    if package.parent.name != "core":
        declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["sparring"]
        assert declared.get(package.name) == package.name
        installed = {entry.name for entry in entry_points(group="sparring")}
        assert package.name in installed, "declared but not installed: run `make install` again"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_the_core_imports_itself_and_others_only_the_core_and_themselves(package: Path) -> None:
    allowed = {"sparring", package.name} | (ASKED if package.name == "sparring" else SHARED)
    for file in package.rglob("*.py"):
        if file == ROOT / "core/sparring/__main__.py":
            continue  # `python -m sparring` is the command line; nobody imports it
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            ours = {name.split(".")[0] for name in names if name.split(".")[0].startswith("sparring")}
            assert ours <= allowed, f"{file}: {ours - allowed}"


LIBRARY = sorted((ROOT / "core/sparring").rglob("*.py"))


def code_lines(file: Path) -> int:
    """Lines of a Python file that hold code: not blank, not only a comment, and not of a docstring.

    A statement or a string over several lines counts with each of them.
    """
    text = file.read_text()
    docstrings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    layout = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
    }  # fmt: skip
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in layout
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - docstrings)


def test_code_is_counted_without_blanks_comments_and_docstrings(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text('"""Doc.\n\nMore.\n"""\n\n# why\ndef f():\n    """Doc."""\n    return """a\n\n    b"""  # so\n\n')
    assert code_lines(file) == 4


def test_the_core_stays_small() -> None:
    """`core/sparring` without the testing kit has fewer than 4,500 lines of code, counted by `code_lines`."""
    kit = ROOT / "core/sparring/testing"
    assert sum(code_lines(file) for file in LIBRARY if not file.is_relative_to(kit)) < 4500


#: What papers call their methods, beside those that a component is called after.
METHODS = {
    "spiral", "marshal", "spag", "self-redteam", "magic", "absolute zero", "r-zero", "spin", "sppo", "ppo", "grpo", "dr. grpo",
    "dapo", "gspo", "rloo", "reinforce", "reinforce++", "gae", "rae", "dpo", "ipo", "kto", "nash-md",
}  # fmt: skip
#: Names of bundled components that the core says too: what it means by them.
OTHER_MEANINGS = {
    "plain": "English", "fixed": "English", "random": "English, and Python's module", "pairs": "English", "tasks": "English",
    "demonstrations": "English", "rule": "English", "outcome": "how a match ended", "policy_gradient": "a kind of record",
    "transformers": "the library", "jsonl": "the format of files", "pretrained": "English, of a model", "current": "a file of the kernel, memory.current",
    "constant": "a way to normalise, a schedule of learning rates, what returns of a game sum to",
}  # fmt: skip
#: Defaults of a recipe's keys, each said once: a recipe that leaves a key out gets this component.
DEFAULTS = {
    "sections.py": {"turn_based", "pretrained"},
    "recipe.py": {"outcome", "plain", "policy_gradient", "current", "transformers", "jsonl", "constant"},
}


def test_no_file_of_the_core_names_a_game_or_a_method() -> None:
    """Nor any other bundled component, in code, comments or docstrings; what is excepted is listed above with its reason."""
    host = load_plugins()
    ours = {info.name for info in host.plugins if info.distribution == "sparring"}
    components = {component.name for component in host.registry.all() if component.plugin in ours}
    assert components >= {"kuhn_poker", "turn_based", "sppo", "role_conditioned"}
    excepted = set()
    for file in LIBRARY:
        text = file.read_text()
        said = {name for name in components if re.search(rf"(?<!\w){name}(?!\w)", text)}
        said |= {name for name in METHODS if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)}
        allowed = OTHER_MEANINGS.keys() | DEFAULTS.get(file.name, set())
        assert said <= allowed, f"{file} names {said - allowed}; say what is meant in general words"
        excepted |= said
    assert excepted == OTHER_MEANINGS.keys() | set().union(*DEFAULTS.values()), "an exception that is not needed"


def test_defaults_of_a_recipe_are_the_only_components_that_the_core_chooses() -> None:
    keys = [*Recipe.model_fields.values(), *PlayEntry.model_fields.values()]
    written = " ".join(str(info.default) for info in keys if isinstance(info.default, str | dict | list))
    assert set(re.findall(r"\w+", written)) - {"use"} == set().union(*DEFAULTS.values()) - {"pretrained"}

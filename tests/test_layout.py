"""Rules of the house that no type checker knows."""

import ast
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = ("core", "plugins", "recipes")
PACKAGES = sorted(
    path for root in ROOTS for path in (ROOT / root).iterdir() if path.is_dir() and path.name != "__pycache__"
)


def test_roots_hold_only_our_packages_and_a_readme() -> None:
    for root in ROOTS:
        names = {path.name for path in (ROOT / root).iterdir()} - {"README.md", "__pycache__"}
        assert all(name.startswith("sparring") for name in names), names


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
    allowed = {"sparring", package.name}
    for file in package.rglob("*.py"):
        if file == ROOT / "core/sparring/__main__.py":
            continue  # `python -m sparring` is the command line; nobody imports it
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            ours = {name.split(".")[0] for name in names if name.split(".")[0].startswith("sparring")}
            assert ours <= allowed, f"{file}: {ours - allowed}"


def test_no_file_of_the_core_names_a_game_or_a_method() -> None:
    from sparring.plugins import load_plugins

    names = {c.name for c in load_plugins().registry.all() if c.kind in ("game", "estimator")} | {"spiral"}
    names -= {"plain"}  # also an English word
    for file in (ROOT / "core").rglob("*.py"):
        code = ast.parse(file.read_text())
        strings = {
            n.value
            for n in ast.walk(code)
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and " " not in n.value
        }
        assert not strings & names, f"{file}: {strings & names}"

"""What is built is whole: it installs without the working copy, and its commands work from anywhere."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import sparring

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
ROOTS = ("core", "plugins", "recipes")
PACKAGES = sorted(path.parent.name for root in ROOTS for path in (ROOT / root).glob("*/__init__.py"))


def call(*words: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, into: Path, *what: str) -> None:
    # With the build system at hand nothing needs to be fetched.
    flags = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    call(sys.executable, "-m", "build", *flags, *what, "--outdir", into, source, cwd=into.parent)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel and an sdist of the working copy, and in ``again/`` a wheel of that sdist."""
    home = tmp_path_factory.mktemp("built")
    build(ROOT, home, "--wheel", "--sdist")
    with tarfile.open(next(home.glob("*.tar.gz"))) as archive:
        archive.extractall(home / "source", filter="data")
    build(next((home / "source").iterdir()), home / "again", "--wheel")
    return home


def names(folder: Path) -> list[str]:
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return sorted(wheel.namelist())


def test_the_wheel_holds_every_package_and_nothing_else(built: Path) -> None:
    about = f"sparring-{sparring.__version__}.dist-info/"
    held = {name for name in names(built) if not name.startswith(about)}
    ours = {
        path.relative_to(ROOT / root).as_posix()
        for root in ROOTS
        for path in (ROOT / root).glob("*/**/*")
        if path.suffix in (".py", ".yaml", ".tmpl") or path.name == "py.typed"
    }
    assert held == ours
    assert held >= {f"{package}/{file}" for package in PACKAGES for file in ("__init__.py", "py.typed")}


def test_the_licence_is_in_both(built: Path) -> None:
    text = (ROOT / "LICENSE").read_bytes()
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        assert wheel.read(f"sparring-{sparring.__version__}.dist-info/licenses/LICENSE") == text
    assert (next((built / "source").iterdir()) / "LICENSE").read_bytes() == text


def test_the_sdist_makes_the_same_wheel(built: Path) -> None:
    assert names(built / "again") == names(built)


@pytest.fixture(scope="module")
def scripts(built: Path) -> Path:
    """Where the commands are of an environment in which the wheel alone is installed; dependencies are those of this one."""
    home = built / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    call(*pip, next(built.glob("*.whl")), cwd=built)
    (site,) = home.glob("lib/python*/site-packages")
    # Path files in there are not read, so a working copy that is installed for editing is not found.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def test_every_package_comes_from_the_wheel(scripts: Path, tmp_path: Path) -> None:
    probe = f"import importlib\nfor name in {PACKAGES}: print(importlib.import_module(name).__file__)"
    files = call(scripts / "python", "-c", probe, cwd=tmp_path).splitlines()
    assert len(files) == len(PACKAGES)
    assert all(Path(file).is_relative_to(scripts.parent) for file in files), files
    assert "recipes from the wheel" in call(
        scripts / "python",
        "-c",
        "from sparring.plugins import load_plugins; from sparring.recipe import find_recipe\n"
        "import sparring_recipes, pathlib\n"
        "text = (pathlib.Path(sparring_recipes.__file__).parent / 'kuhn_poker/quickstart.yaml').read_text()\n"
        "assert find_recipe('kuhn_poker/quickstart', load_plugins().recipe_packages).text == text\n"
        "print('recipes from the wheel')",
        cwd=tmp_path,
    )


def test_the_commands_work_from_an_empty_folder(scripts: Path, tmp_path: Path) -> None:
    listed = call(scripts / "sparring", "list", cwd=tmp_path)
    for name in ("kuhn_poker/quickstart", "tic_tac_toe", "turn_based", "role_conditioned", "policy_gradient", "jsonl"):
        assert name in listed
    plugins = call(scripts / "sparring", "plugins", cwd=tmp_path).splitlines()
    assert {line.split()[0] for line in plugins[1:]} == {*PACKAGES} - {
        "sparring",
        "sparring_cli",
        "sparring_endpoint",
        "sparring_contracts",
        "sparring_memory",
        "sparring_tree",
        "sparring_yaml",
    }
    assert all(line.split()[1:3] == ["sparring", sparring.__version__] for line in plugins[1:])
    assert "nothing is wrong" in call(scripts / "sparring", "check", "kuhn_poker/quickstart", cwd=tmp_path)
    call(scripts / "sparring", "run", "kuhn_poker/quickstart", "--smoke", "--out", "X", cwd=tmp_path)
    assert (tmp_path / "X" / "curve.png").exists()
    assert (tmp_path / "X" / "checkpoints" / "step-000002" / "complete.json").exists()
    manifest = json.loads((tmp_path / "X" / "manifest.json").read_text())
    assert manifest["commit"] is None
    assert manifest["plugins"]["sparring_recipes"] == sparring.__version__

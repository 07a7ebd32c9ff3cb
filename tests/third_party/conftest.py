"""Environments as a stranger has them: Sparring from the working copy or from its wheel, and nothing else of ours."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

collect_ignore = ["sealed_games"]  # its tests run where it is installed
ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).parent / "sealed_games"
HERE = sysconfig.get_path("purelib")  # where torch and the rest are installed
# Without hatchling pip fetches it, as it does for a stranger.
HATCHLING = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []


@dataclass(frozen=True)
class Place:
    """An environment. Its commands run in ``folder``."""

    python: Path
    folder: Path

    def run(self, *command: str, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=cwd or self.folder, env=self.environment(), capture_output=True, text=True, timeout=900, check=False
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def environment(self) -> dict[str, str]:
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "SPARRING", "VIRTUAL_ENV"))
        }
        path = f"{self.python.parent}{os.pathsep}{kept.get('PATH', '')}"
        return kept | {"PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def sparring(self, *arguments: str, check: bool = True) -> str:
        done = self.run(str(self.python), "-m", "sparring", *arguments, check=check)
        return done.stdout + ("" if check else done.stderr)

    def pip(self, *arguments: str) -> None:
        """Without dependencies: they are in the environment that the tests run in."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python)]
        self.run(*pip, "install", "--quiet", "--no-deps", *HATCHLING, *arguments)


def environment(folder: Path, *, with_ours: bool) -> Place:
    """A fresh environment that sees the packages of this one; with ``with_ours`` its editable installs too."""
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (scripts := folder / "env" / "bin").mkdir(exist_ok=True)
    python = scripts / "python"
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    # A folder in a .pth file is put on the path; its own .pth files, which editable installs consist of, are not read.
    line = f"import site; site.addsitedir({HERE!r})" if with_ours else HERE
    (site / "outside.pth").write_text(line + "\n")
    work = folder / "work"
    work.mkdir()
    return Place(python, work)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of Sparring."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        *HATCHLING,
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(pip, check=True, capture_output=True, timeout=600)
    (made,) = folder.glob("sparring-*.whl")
    return made


@pytest.fixture(scope="session", params=["editable", "wheel"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An environment with Sparring in it, by an editable install or from its wheel."""
    folder = tmp_path_factory.mktemp(request.param)
    made = environment(folder, with_ours=request.param == "editable")
    if request.param == "wheel":
        made.pip("--ignore-installed", str(request.getfixturevalue("wheel")))
    return made


@pytest.fixture(scope="session")
def stranger(place: Place) -> Place:
    """The same with the stranger's distribution."""
    home = place.folder / PACKAGE.name
    shutil.copytree(PACKAGE, home, ignore=shutil.ignore_patterns("__pycache__"))
    place.pip("--editable", str(home))
    return place


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Place]:
    """Makes an environment of a test's own, with the working copy in it."""
    return lambda: environment(tmp_path, with_ours=True)


def told(lines: str, words: Sequence[str]) -> list[str]:
    """The lines that have all the words."""
    return [line for line in lines.splitlines() if all(word in line for word in words)]

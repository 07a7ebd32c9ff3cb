"""What a run was: recipe, plugins, versions, machine. And what would make a resume not exact."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from sparring.plugins import Host
    from sparring.recipe import Recipe


def manifest(text: str, resolved: str, host: Host, recipe: Recipe) -> dict[str, Any]:
    """A record of a run that is about to begin, as JSON values."""
    import torch

    import sparring

    return {
        "sparring": sparring.__version__,
        "commit": _commit(Path(sparring.__file__).parent),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seed": recipe.train.seed,
        "recipe": text,
        "resolved": resolved,
        "plugins": {plugin.name: plugin.version for plugin in host.plugins if not plugin.error},
        "versions": {
            name: _version(name)
            for name in ("torch", "transformers", "accelerate", "tokenizers", "numpy", "open_spiel")
        },
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def _commit(package: Path) -> str | None:
    """Of the working copy that ``package`` is in, ``-dirty`` if its files differ from it; None if it is in none."""
    root = package.parents[1]
    if not (root / ".git").exists():  # and not in a repository further up, which is not ours
        return None
    words = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Sentences about what differs between two manifests and keeps a resume from being exact; none if nothing does.

    More steps than before change nothing in those already taken, unless the learning rate follows their number.
    """
    found = []
    for name in ("sparring", "python", "processor", "threads", "device", "plugins", "versions"):
        if old.get(name) != new.get(name):
            found.append(f"{name} was {old.get(name)} and is {new.get(name)}")
    before, after = (_without_steps(record.get("resolved", "")) for record in (old, new))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            found.append(f"the recipe's section {key!r} is not the one that the run began with")
    return found


def _without_steps(resolved: str) -> dict[str, Any]:
    data = yaml.safe_load(resolved) or {}
    train = data.get("train", {})
    if train.get("schedule") == "constant":
        train.pop("steps", None)
    return dict(data)

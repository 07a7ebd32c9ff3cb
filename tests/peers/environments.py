"""A virtual environment for each peer, since their pins and ours exclude each other.

Run as ``python tests/peers/environments.py [trl] [openrlhf]``; without a name, both. An environment that already holds what is
asked for is left alone.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Peer:
    """``alone`` is installed without its dependencies: most of those are for GPUs and never reached from here."""

    name: str
    requirements: tuple[str, ...]
    alone: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return ROOT / f".venv-{self.name}"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def wanted(self) -> str:
        return "\n".join([*self.requirements, *self.alone])

    @property
    def is_ready(self) -> bool:
        stamp = self.folder / ".installed"
        return stamp.is_file() and stamp.read_text() == self.wanted


TRL = Peer("trl", ("torch==2.13.0", "transformers==5.19.0", "accelerate==1.15.0", "numpy==2.4.6", "trl==1.16.0"))
OPENRLHF = Peer(
    "openrlhf",
    ("torch==2.13.0", "transformers==5.15.0", "accelerate==1.15.0", "numpy==2.4.6", "peft==0.21.2"),
    ("openrlhf==0.11.2",),
)
PEERS = {peer.name: peer for peer in (TRL, OPENRLHF)}


def install(peer: Peer) -> None:
    """Make the environment of ``peer`` hold what it wants."""
    if peer.is_ready:
        return
    if not peer.python.exists():
        venv.create(peer.folder, with_pip=True)
    pip = [str(peer.python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *peer.requirements], check=True)
    if peer.alone:
        subprocess.run([*pip, "--no-deps", *peer.alone], check=True)
    (peer.folder / ".installed").write_text(peer.wanted)


if __name__ == "__main__":
    for name in sys.argv[1:] or PEERS:
        install(PEERS[name])

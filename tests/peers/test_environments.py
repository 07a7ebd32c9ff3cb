"""The environments of the peers, without making one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from . import environments
from .environments import OPENRLHF, ROOT, TRL, Peer, install


@pytest.mark.parametrize(("peer", "written"), [(TRL, "TRL"), (OPENRLHF, "OpenRLHF")])
def test_the_conventions_are_told_of_the_versions_that_are_run(peer: Peer, written: str) -> None:
    (pin,) = [r for r in (*peer.requirements, *peer.alone) if r.startswith(f"{peer.name}==")]
    version = pin.partition("==")[2]
    assert f"{written} {version}" in (ROOT / "docs/explanation/conventions.md").read_text()


def test_an_environment_is_ready_only_if_it_was_made_for_these_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    ran: list[list[str]] = []
    monkeypatch.setattr(environments.venv, "create", lambda folder, **_: folder.mkdir())
    monkeypatch.setattr(environments.subprocess, "run", lambda command, **_: ran.append(command))
    peer = Peer("some", ("a==1", "b==2"), ("c==3",))
    assert not peer.is_ready
    install(peer)
    assert peer.is_ready
    assert [command[4:] for command in ran] == [["--quiet", "a==1", "b==2"], ["--quiet", "--no-deps", "c==3"]]
    install(peer)
    assert len(ran) == 2
    assert not replace(peer, requirements=("a==1", "b==3")).is_ready

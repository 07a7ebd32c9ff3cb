"""Writes one match of every bundled game as text, so that a change of rules or words is seen when it is reviewed.

``python tests/playthroughs/write.py`` writes ``GAME.txt`` for all of them, or for those named.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sparring import Game, SeededChance
from sparring.game import random_action
from sparring.plugins import load_plugins
from sparring.registry import Registry

FOLDER = Path(__file__).parent
#: Parameters that make a match short enough to read.
PARAMS: dict[str, dict[str, Any]] = {"pig": {"winscore": 15}, "repeated_dilemma": {"rounds": 3}}


def bundled(registry: Registry) -> list[str]:
    return [component.name for component in registry.all("game") if component.plugin == "sparring_games"]


def make(registry: Registry, name: str) -> Game:
    component = registry.get("game", name)
    game: Game = component.factory(component.params(**PARAMS.get(name, {})))
    return game


def playthrough(game: Game) -> str:
    """A match between random players: what each is told, what it may say, what it says, and how it ends."""
    players = range(game.info.players)
    state = game.new_state(SeededChance("playthrough", "game"))
    chance = SeededChance("playthrough", "players")
    read = [0 for _ in players]
    lines = [f"# {game.info.name} {getattr(game, 'params', '')}".rstrip()]

    def look() -> None:
        for player in players:
            log = state.observe(player)
            for entry in log[read[player] :]:
                lines.extend([f"\n{game.info.roles[player]} is told", *(f"  {line}" for line in entry.split("\n"))])
            read[player] = len(log)

    look()
    while acting := state.to_act():
        moves = {player: random_action(state, player, chance) for player in acting}
        for player, text in moves.items():
            legal = state.legal_actions(player)
            lines.append(
                f"\n{game.info.roles[player]} may say {'what it likes' if legal is None else ', '.join(legal)}"
            )
            lines.append(f"{game.info.roles[player]} says {text!r}")
        state.apply(moves)
        look()
    outcome = state.outcome()
    ends = (f"{r} {v:+g} ({k})" for r, v, k in zip(game.info.roles, outcome.returns, outcome.kinds, strict=True))
    lines.append(f"\nreturns: {', '.join(ends)}{'; ' + outcome.reason if outcome.reason else ''}")
    return "\n".join(lines) + "\n"


def main() -> None:
    registry = load_plugins().registry
    for name in sys.argv[1:] or bundled(registry):
        (FOLDER / f"{name}.txt").write_text(playthrough(make(registry, name)))


if __name__ == "__main__":
    main()

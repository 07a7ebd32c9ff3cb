"""`sparring check-game`: does a game keep its contract, what is it like, and is it the game it says it is?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import ValidationError

from sparring.chance import SeededChance
from sparring.game import Game, GameInfo, random_action
from sparring_cli.options import host_options, load_host

_MOST_SHOWN = 12  # different moves on the card


@click.command("check-game")
@click.argument("name")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="A parameter of the game, such as rounds=3.")
@click.option("--episodes", type=click.IntRange(1), default=100, show_default=True, help="Random matches to check.")
@click.option(
    "--limit", type=click.IntRange(1), default=10_000, show_default=True, help="The most nodes of a tree to walk."
)
@click.option(
    "--playouts",
    type=click.IntRange(1),
    default=1_000,
    show_default=True,
    help="Random matches to compare with OpenSpiel where the tree has more nodes.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is random.")
@host_options
def check_game(
    name: str,
    sets: tuple[str, ...],
    episodes: int,
    limit: int,
    playouts: int,
    seed: int,
    plugins: tuple[Path, ...],
    blocked: tuple[str, ...],
) -> None:
    """Check the game NAME and print a card: its contract, its tree, its moves and returns, and its twin in OpenSpiel."""
    from sparring.testing import check_game as check_contract
    from sparring.testing import check_twin

    component = load_host(plugins, blocked).registry.get("game", name)
    try:
        params = component.params(**_parameters(sets))
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, e['loc'])) or 'parameters'}: {e['msg']}" for e in error.errors())
        raise click.UsageError(f"{name}: {'; '.join(wrong)}") from error
    game: Game = component.factory(params)
    for row in _facts(game.info):
        _say(*row)
    check_contract(game, episodes=episodes, seed=seed, limit=limit)
    _say("contract", f"kept in {episodes} random matches, seed {seed}")
    played = _Played(game, episodes, seed)
    for row in played.rows():
        _say(*row)
    tree = None if played.free else _Tree.of(game, limit)
    whole = tree is not None and tree.nodes <= limit
    if tree is None:
        _say("tree", "none: moves are free text")
    elif whole:
        _say("tree", f"{tree.nodes:,} nodes, {tree.ends:,} of them ends; {tree.known:,} positions as players know them")
    else:
        _say("tree", f"more than {limit:,} nodes; --limit walks further")
    if whole and not game.info.perfect_information:
        from sparring.testing.declared import unknown
        from sparring_tree import walk

        apart = unknown(game, list(walk(game, limit=limit)))
        (first, states), *others = ((game.info.roles[player], states) for player, states in apart.items())
        rest = "".join(f", {role} {number:.1f}" for role, number in others)
        _say("hidden", f"{first} cannot tell {states:.1f} states apart{rest}; 1 would be none")
    if game.info.twin is None:
        _say("twin", "none declared")
    elif whole:
        check_twin(game, limit=limit)
        _say("twin", f"{game.info.twin.game} of OpenSpiel agrees in the whole tree")
    else:
        check_twin(game, playouts=playouts, seed=seed)
        _say("twin", f"{game.info.twin.game} of OpenSpiel agrees along {playouts:,} random matches")


def _say(what: str, text: str) -> None:
    click.echo(f"{what:<10}{text}")


def _parameters(sets: tuple[str, ...]) -> dict[str, Any]:
    """Values are read as YAML, as in a recipe."""
    found: dict[str, Any] = {}
    for item in sets:
        key, equals, value = item.partition("=")
        if not equals:
            raise click.UsageError(f"--set takes KEY=VALUE; got {item!r}")
        found[key.strip()] = yaml.safe_load(value)
    return found


def _facts(info: GameInfo) -> Iterator[tuple[str, str]]:
    low, high = info.bounds
    yield "game", f"{info.name}, for {', '.join(info.roles)}"
    total = {"identical": "the same for all", "constant": f"summing to {info.total:g}"}.get(
        info.utility, f"{info.utility}-sum"
    )
    hidden = "nothing is hidden" if info.perfect_information else "hidden information"
    turns = "moves at once" if info.simultaneous else "one move at a time"
    most = f"at most {info.max_turns:,} moves"
    yield "declares", f"returns {total}, from {low:g} to {high:g}; {hidden}; {turns}; {most}"


class _Played:
    """Matches between random players: how long they are, what is said and what it pays."""

    def __init__(self, game: Game, episodes: int, seed: int) -> None:
        self.info, self.episodes = game.info, episodes
        self.moves: Counter[str] = Counter()
        self.free = False  # whether some moves were free text
        self.lengths: list[int] = []
        self.returns: list[tuple[float, ...]] = []
        began = time.perf_counter()
        for number in range(episodes):
            chance = SeededChance("check-game", seed, number, "players")
            state = game.new_state(SeededChance("check-game", seed, number, "game"))
            before = self.moves.total()
            while players := state.to_act():
                self.free = self.free or any(state.legal_actions(player) is None for player in players)
                chosen: Mapping[int, str] = {player: random_action(state, player, chance) for player in players}
                state.apply(chosen)
                self.moves.update(chosen.values())
            self.lengths.append(self.moves.total() - before)
            self.returns.append(state.outcome().returns)
        self.seconds = time.perf_counter() - began

    def rows(self) -> Iterator[tuple[str, str]]:
        mean = sum(self.lengths) / self.episodes
        speed = self.episodes / self.seconds
        yield "length", f"{mean:.1f} moves, {min(self.lengths)} to {max(self.lengths)}; {speed:,.0f} matches a second"
        often = [text for text, _ in self.moves.most_common(_MOST_SHOWN)]
        more = f", and {len(self.moves) - len(often):,} more" if len(self.moves) > len(often) else ""
        yield "moves", "free text" if self.free else ", ".join(often) + more
        means = [sum(values) / self.episodes for values in zip(*self.returns, strict=True)]
        yield "random", ", ".join(f"{r} {m:+.3f}" for r, m in zip(self.info.roles, means, strict=True)) + " in the mean"


@dataclass(frozen=True, slots=True)
class _Tree:
    nodes: int  # at most one more than the limit
    ends: int
    known: int  # different things that the player who moves may know

    @classmethod
    def of(cls, game: Game, limit: int) -> _Tree:
        from sparring_tree import TreeTooLargeError, walk

        nodes, ends, known = 0, 0, set[int]()
        try:
            for node in walk(game, limit=limit):
                nodes += 1
                ends += node.terminal
                if node.player is not None:
                    own = tuple(event.text for event in node.history if event.player == node.player)
                    known.add(hash((node.player, tuple(node.state.observe(node.player)), own)))
        except TreeTooLargeError:
            nodes = limit + 1
        return cls(nodes, ends, len(known))

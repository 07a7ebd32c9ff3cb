"""What only the whole tree of a game shows of what it declares: bounds, hidden information, symmetry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sparring.chance import key_of
from sparring.errors import GameError
from sparring.game import Game
from sparring_contracts.outcomes import TOLERANCE
from sparring_tree import Node, TreeTooLargeError, walk

Moves = tuple[tuple[str, ...], ...]  # of each player, in order


def check_declared(game: Game, *, limit: int) -> bool:
    """Walk the tree and hold it against `GameInfo`. False, and nothing is checked, if the histories of its nodes have more
    than ``limit`` events together, which is what a walk costs.

    - Returns are those that matches are played for: the lowest and the highest of the tree are ``bounds``. A game that pays the
      same whatever was staked, or whose forfeits would cost more than anything in it, fails here.
    - Where information is hidden, it is hidden: with ``perfect_information`` false, someone who moves somewhere cannot tell
      two states apart. A game that tells every player everything fails here; one that tells a single player too much does
      only beside a twin, see `check_twin`.
    - A ``symmetric`` game pays the same, with the players' names changed, when the players' moves are.

    Nor is anything checked where moves are free text. Raises `GameError`.
    """
    nodes: list[Node] = []
    events = 0
    try:
        for node in walk(game, limit=limit + 2):
            free = node.player is not None and node.state.legal_actions(node.player) is None
            events += len(node.history)
            if free or events > limit:
                return False
            nodes.append(node)
    except TreeTooLargeError:  # at once, by a chance event of more options
        return False
    _bounds(game, nodes)
    if not game.info.perfect_information:
        _hidden(game, nodes)
    if game.info.symmetric:
        _symmetry(game, nodes)
    return True


def unknown(game: Game, nodes: Sequence[Node]) -> Mapping[int, float]:
    """For each player who moves, between how many states it cannot tell on average over the positions it knows; 1 is none."""
    states: dict[tuple[int, int], set[str]] = defaultdict(set)
    for node in nodes:
        if node.player is not None:
            own = [event.text for event in node.history if event.player == node.player]
            known = key_of(*node.state.observe(node.player), "own moves", *own)
            # Of those who move at once, the later ones in the walk do not know what the earlier ones have chosen.
            chosen = node.history[len(node.history) - node.state.to_act().index(node.player) :]
            states[node.player, known].add(f"{node.state.snapshot()} {[event.text for event in chosen]}")
    found: dict[int, list[int]] = defaultdict(list)
    for (player, _), different in states.items():
        found[player].append(len(different))
    return {player: sum(sizes) / len(sizes) for player, sizes in sorted(found.items())}


def _bounds(game: Game, nodes: Sequence[Node]) -> None:
    paid = [value for node in nodes if node.terminal for value in node.state.outcome().returns]
    (low, high), (lowest, highest) = game.info.bounds, (min(paid), max(paid))
    if lowest > low + TOLERANCE or highest < high - TOLERANCE:
        raise GameError(
            f"{game.info.name}: its whole tree pays from {lowest:g} to {highest:g}, yet bounds are {game.info.bounds}; either they are "
            "too wide, and a forfeit costs more than any loss, or returns leave out what was staked"
        )


def _hidden(game: Game, nodes: Sequence[Node]) -> None:
    if all(states == 1 for states in unknown(game, nodes).values()):
        raise GameError(
            f"{game.info.name} declares hidden information, yet in its whole tree whoever moves knows the state from what it was "
            "told: a player is told what it must not know, or perfect_information is true"
        )


def _symmetry(game: Game, nodes: Sequence[Node]) -> None:
    players = range(game.info.players)
    paid: dict[Moves, list[float]] = defaultdict(lambda: [0.0] * (1 + game.info.players))  # probability, then returns
    for node in nodes:
        if node.terminal:
            moves = tuple(tuple(event.text for event in node.history if event.player == p) for p in players)
            for i, value in enumerate((1.0, *node.state.outcome().returns)):
                paid[moves][i] += node.probability * value
    for moves, (mass, *returns) in list(paid.items()):
        for p in players[1:]:
            order = [p if q == p - 1 else p - 1 if q == p else q for q in players]  # two neighbours change places
            other_mass, *others = paid.get(tuple(moves[q] for q in order), [0.0] * (1 + len(returns)))
            if any(
                abs(a - b) > TOLERANCE
                for a, b in zip((mass, *(returns[q] for q in order)), (other_mass, *others), strict=True)
            ):
                raise GameError(
                    f"{game.info.name} is declared symmetric, yet players {p - 1} and {p} cannot change places: moves {moves} pay "
                    f"{returns} (with probability {mass:g}), and with theirs exchanged {others} ({other_mass:g})"
                )

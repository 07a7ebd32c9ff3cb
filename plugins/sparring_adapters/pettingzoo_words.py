"""How PettingZoo's classic games are told: their observations are arrays, so each is put into words here.

A teller says no more than the game's own observation holds, or in card games what RLCard and OpenSpiel tell the same player.
Moves have the names that the environment gives them, or the numbers of its action space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

_SUITS = {"S": "spades", "H": "hearts", "D": "diamonds", "C": "clubs"}
_RANKS = {"T": "10", "J": "jack", "Q": "queen", "K": "king", "A": "ace"}
_COLUMNS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"  # of Go, which has no I


@dataclass(frozen=True, slots=True)
class Words:
    """One game in words, and the facts that its environment does not state."""

    rules: str
    show: Callable[[Any, int], str]  # what a player sees; of the environment and the player
    name: Callable[[Any, int], str]  # of the environment and an action: what it is called
    low: Callable[[Any], float]  # the lowest and the highest return, of the environment
    high: Callable[[Any], float]
    turns: Callable[
        [Any], int
    ]  # moves of all players, more than a match can have unless it is chess, Go or no-limit poker
    utility: Literal["zero", "identical"] = "zero"
    draws: bool = False  # anything at random
    open: bool = False  # nothing is hidden
    public: bool = True  # everybody hears a move when it is made
    before_step: Callable[[Any], None] | None = None


def _number(env: Any, action: int) -> str:
    return str(action)


def _always(value: float) -> Callable[[Any], float]:
    return lambda env: value


def _turns(value: int) -> Callable[[Any], int]:
    return lambda env: value


# ---- boards ------------------------------------------------------------------------------------------------------------


def _marks(env: Any, player: int, empty: Callable[[int, int], str]) -> list[list[str]]:
    """The board of an observation with a plane of one's own discs and one of the other's; who begins has X."""
    planes = env.observe(env.possible_agents[player])["observation"]
    own, other = "XO" if player == 0 else "OX"
    return [
        [own if mine else other if theirs else empty(r, c) for c, (mine, theirs) in enumerate(row)]
        for r, row in enumerate(planes.tolist())
    ]


def _tic_tac_toe(env: Any, player: int) -> str:
    # Its array has the first index across, as its numbers of cells run down.
    across = _marks(env, player, lambda column, row: str(3 * column + row))
    rows = "\n".join(" ".join(line) for line in zip(*across, strict=True))
    return f"You are {'XO'[player]}. The board, free cells by their numbers:\n{rows}"


def _connect_four(env: Any, player: int) -> str:
    rows = "\n".join(" ".join(row) for row in _marks(env, player, lambda row, column: "."))
    return f"You are {'XO'[player]}. The board, with the numbers of its columns:\n{rows}\n0 1 2 3 4 5 6"


def _go_point(env: Any, action: int) -> str:
    size = env._N
    return "pass" if action == size * size else f"{_COLUMNS[action % size]}{size - action // size}"


def _go(env: Any, player: int) -> str:
    size, stones = env._N, {0: ".", 1: "X", -1: "O"}
    rows = [f"{size - r:2} " + " ".join(stones[int(v)] for v in row) for r, row in enumerate(env._go.board.tolist())]
    return "\n".join(
        [f"You are {('black, X', 'white, O')[player]}. The board:", *rows, f"   {' '.join(_COLUMNS[:size])}"]
    )


def _resize_go(env: Any) -> None:
    """PettingZoo keeps the size of Go's board in its module: the last board made would resize all others."""
    from pettingzoo.classic.go import go_base

    if env._N != go_base.N:
        env._overwrite_go_global_variables(board_size=env._N)


def _chess(env: Any, player: int) -> str:
    return f"You are {('white, capitals', 'black, small letters')[player]}. The board, white below:\n{env.board}"


def _chess_move(env: Any, action: int) -> str:
    from pettingzoo.classic.chess import chess_utils

    player = env.possible_agents.index(env.agent_selection)
    return str(chess_utils.action_to_move(env.board, action, player).uci())


# ---- cards -------------------------------------------------------------------------------------------------------------


def _card(name: str) -> str:
    """RLCard writes a suit and a rank: ``"SQ"`` is the queen of spades."""
    return f"{_RANKS.get(name[1:], name[1:])} of {_SUITS[name[0]]}"


def _cards(names: list[str]) -> str:
    return ", ".join(map(_card, names)) or "none"


def _poker(env: Any, player: int) -> str:
    told: Mapping[str, Any] = env.env.get_state(player)["raw_obs"]
    if "public_card" in told:  # Leduc's: one card each
        hand, public = [told["hand"]], [told["public_card"]] if told["public_card"] else []
    else:
        hand, public = told["hand"], told["public_cards"]
    paid = ", ".join(
        f"{'you' if p == player else f'player_{p}'} {int(chips)}" for p, chips in enumerate(told["all_chips"])
    )
    lines = [f"You hold: {_cards(hand)}. On the table: {_cards(public)}.", f"Chips paid so far: {paid}."]
    if "stakes" in told:
        left = ", ".join(
            f"{'you' if p == player else f'player_{p}'} {int(chips)}" for p, chips in enumerate(told["stakes"])
        )
        lines.append(f"Chips left: {left}.")
    return "\n".join(lines)


def _poker_move(env: Any, action: int) -> str:
    names = env.env.actions
    return str(names[action]) if isinstance(names, list) else names(action).name.lower().replace("_", " ")


def _shape(env: Any, player: int) -> str:
    other = int(env.observe(env.possible_agents[player]))
    return (
        "Nobody has chosen yet."
        if other == env._none
        else f"In the last round the other chose {_shape_name(env, other)}."
    )


def _shape_name(env: Any, action: int) -> str:
    return str(env._moves[action]).lower().replace("_", " ")


def _hanabi(env: Any, player: int) -> str:
    return f"You are player {player}.\n{env.hanabi_env.game_state.observation_string(player).rstrip()}"


def _hanabi_move(env: Any, action: int) -> str:
    state = env.hanabi_env.game_state
    return str(state.action_to_string(state.current_player(), action)).strip("()")


_HOLDEM = (
    "Texas hold'em, {}: two cards each and five on the table, with bets before and after. Pays half of the chips won."
)

WORDS: dict[str, Words] = {
    "tictactoe": Words(
        "Tic-tac-toe: three in a row, column or diagonal win. X begins.",
        _tic_tac_toe, _number, _always(-1), _always(1), _turns(9), open=True,
    ),
    "connect_four": Words(
        "Connect four: drop a disc into a column. Four in a row, column or diagonal win. X begins.",
        _connect_four, _number, _always(-1), _always(1), _turns(42), open=True,
    ),
    "go": Words(
        "Go, counted by area. Black begins; two passes end it.",
        _go, _go_point, _always(-1), _always(1), lambda env: 2 * env._N * env._N, open=True, before_step=_resize_go,
    ),
    "chess": Words(
        "Chess. White begins. A move is the square it leaves and the square it reaches, such as e2e4.",
        _chess, _chess_move, _always(-1), _always(1), _turns(400), open=True,
    ),
    "leduc_holdem": Words(
        "Leduc hold'em: six cards, jack, queen and king of two suits. One card each, bets, one card on the table, bets. "
        "A pair with it wins, else the higher card. Pays half of the chips won.",
        _poker, _poker_move, _always(-7), _always(7), _turns(10), draws=True,
    ),
    "texas_holdem": Words(
        _HOLDEM.format("with limits"), _poker, _poker_move,
        _always(-25), lambda env: 25 * (env.num_players - 1), lambda env: 24 * env.num_players, draws=True,
    ),
    "texas_holdem_no_limit": Words(
        "Texas hold'em without limits: two cards each and five on the table, with bets before and after. "
        "Everybody has 100 chips. Pays the chips won.",
        _poker, _poker_move, _always(-100), lambda env: 100 * (env.num_players - 1), lambda env: 40 * env.num_players,
        draws=True,
    ),
    "rps": Words(
        "Rock, paper, scissors, over and over; each round pays 1 to who wins it. The other hears of your choice after the round.",
        _shape, _shape_name, lambda env: -env.max_cycles, lambda env: env.max_cycles, lambda env: 2 * env.max_cycles,
        public=False,
    ),
    "hanabi": Words(
        "Hanabi: together, build a pile of each colour in order of rank. You see all hands but your own.",
        _hanabi, _hanabi_move, _always(0), lambda env: env._config["colors"] * env._config["ranks"], _turns(200),
        utility="identical", draws=True,
    ),
}  # fmt: skip

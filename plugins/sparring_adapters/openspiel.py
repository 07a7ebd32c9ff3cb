"""Any game of OpenSpiel that can be told in text, by its short name and parameters.

What a player is told is OpenSpiel's own text. A game of perfect information shows its board (the observation) and every move
and draw since the player last heard; any other game shows the player's information state, which holds all that the player knows.
Each time a player is to move, the whole current text is one more entry of its log, followed by the legal moves. A move is
OpenSpiel's name for it (a prefix that names the player is left out), or its number where no name has a digit.

Chance is always ours: games that draw within themselves (sampled stochastic ones) are refused, as are mean-field games and
games without text. Returns, bounds and what they sum to are OpenSpiel's. The game is its own twin, so that `nash_conv` and
`check_twin` take it; where players move at once the twin is OpenSpiel's turn-based form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from sparring import Chance, GameError, GameInfo, Move, Outcome, Params, Twin
from sparring.params import did_you_mean
from sparring_adapters.reading import one_line, question, read_listed, require_movers, unique

_UTILITY: dict[str, Literal["zero", "constant", "general", "identical"]] = {
    "ZERO_SUM": "zero", "CONSTANT_SUM": "constant", "GENERAL_SUM": "general", "IDENTICAL": "identical",
}  # fmt: skip
_WHO = re.compile(r"^(\[P\d+\]|Player \d+:?)\s*")
_DRAW = re.compile(r"draw (\d+)")
_NAMED = 1000  # actions; games with more (chess, backgammon) name different ones alike in different positions


class OpenSpielParams(Params):
    name: str = Field(description="OpenSpiel's short name of the game, such as 'kuhn_poker'.")
    parameters: dict[str, bool | int | float | str] = Field(
        default_factory=dict,
        description="OpenSpiel's own parameters of the game; a game within a game is text such as 'goofspiel(num_cards=3)'.",
    )
    text: Literal["auto", "information_state", "observation"] = Field(
        "auto",
        description="Which text of OpenSpiel players are told. auto: the observation where nothing is hidden, else the "
        "information state, each if the game has it.",
    )

    @model_validator(mode="after")
    def _loads(self) -> Self:
        refused = refusal(self)
        if refused:
            raise ValueError(refused)
        return self


class OpenSpiel:
    """Any sequential or simultaneous game of OpenSpiel that has text, by name and parameters."""

    def __init__(self, params: OpenSpielParams) -> None:
        import pyspiel

        self.params = params
        self.string = game_string(params)
        self.game = pyspiel.load_game(self.string)
        kind = self.game.get_type()
        self.open = kind.information == kind.Information.PERFECT_INFORMATION
        self.simultaneous = kind.dynamics == kind.Dynamics.SIMULTANEOUS
        self.pays_on_the_way = kind.reward_model == kind.RewardModel.REWARDS
        self.observation = shows_observation(params, kind)
        players = self.game.num_players()
        self.numbers = _Numbers()
        # Where everything is open OpenSpiel's information states may forget in which order an open game was played.
        comparable = not self.simultaneous if self.open else kind.provides_information_state_string
        comparable = comparable and self.game.num_distinct_actions() <= _NAMED
        inner = self.string if params.parameters else f"{self.string}()"  # a bare name would be read as text
        beside = f"turn_based_simultaneous_game(game={inner})" if self.simultaneous else self.string
        utility = _UTILITY[kind.utility.name]
        self.info = GameInfo(
            name=params.name,
            roles=tuple(f"player_{player}" for player in range(players)),
            utility=utility,
            bounds=(self.game.min_utility(), self.game.max_utility()),
            max_turns=self.game.max_game_length() * (players if self.simultaneous else 1),
            simultaneous=self.simultaneous,
            perfect_information=self.open,
            total=self.game.utility_sum() if utility == "constant" else 0.0,
            twin=Twin(beside, self.numbers) if comparable else None,
        )
        self.long_name = kind.long_name

    def new_state(self, chance: Chance) -> OpenSpielState:
        state = OpenSpielState(self, chance, self.game.new_initial_state())
        state.begin()
        return state

    def restore(self, snapshot: str, chance: Chance) -> OpenSpielState:
        """Every step is taken again, so that games whose states cannot be written down are restored as well."""
        state = OpenSpielState(self, chance, self.game.new_initial_state())
        state.begin(json.loads(snapshot))
        return state


class OpenSpielState:
    """One match: OpenSpiel's state, the steps that led to it, and what everyone has been told."""

    def __init__(self, game: OpenSpiel, chance: Chance, state: Any) -> None:
        self.game, self.chance, self.state = game, chance, state
        self.steps: list[int | list[int]] = []  # numbers of actions and draws; a list where several moved at once
        self.logs: list[list[str]] = [[] for _ in game.info.roles]
        self.news: list[list[str]] = [[] for _ in game.info.roles]  # moves and draws not told yet, if all is open
        self.returns = [0.0] * game.info.players
        self.paid = [0.0] * game.info.players  # by the last move
        self._acting: tuple[int, ...] = ()
        self._listed: dict[int, dict[str, int]] = {}  # of those who move now

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return self._acting

    def observe(self, player: int) -> list[str]:
        return list(self.logs[player])

    def legal_actions(self, player: int) -> list[str]:
        return list(self._listed.get(player, ()))

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        read = {player: read_listed(text, self._listed[player]) for player, text in moves.items()}
        chosen = {p: self._listed[p][move.action] for p, move in read.items() if move.action is not None}
        if len(chosen) == len(read):
            self._step(chosen)
            self._draw()
            self._settle()
        return read

    def rewards(self) -> list[float]:
        return list(self.paid)

    def outcome(self) -> Outcome:
        returns = [float(value) for value in self.state.returns()]
        share = self.info.total / self.info.players
        kinds = Outcome.of_returns([value - share for value in returns]).kinds
        return Outcome(tuple(returns), kinds, reason=f"{self.game.long_name} is over")

    def clone(self) -> OpenSpielState:
        other = OpenSpielState(self.game, self.chance.clone(), self.state.clone())
        other.steps = list(self.steps)
        other.logs, other.news = [list(log) for log in self.logs], [list(news) for news in self.news]
        other.returns, other.paid = list(self.returns), list(self.paid)
        other._acting, other._listed = self._acting, dict(self._listed)
        return other

    def snapshot(self) -> str:
        return json.dumps(self.steps)

    def begin(self, steps: list[int | list[int]] | None = None) -> None:
        """Tell who plays what; then draw what comes before the first move, or take ``steps`` again."""
        for player, log in enumerate(self.logs):
            seats = f"You are player {player} of {self.info.players}, counted from 0."
            log.append(f"{self.game.long_name}. {seats if self.info.players > 1 else ''}".rstrip())
        if steps is None:
            self._draw()
        if not self.state.is_chance_node():
            self._settle()
        for step in steps or ():
            if isinstance(step, list):
                self._step(dict(zip(self._acting, step, strict=True)))
            elif self.state.is_chance_node():
                self._take_draw(step)
            else:
                self._step({self._acting[0]: step})
            if not self.state.is_chance_node():
                self._settle()

    # ---- one step ----------------------------------------------------------------------------------------------------

    def _step(self, chosen: Mapping[int, int]) -> None:
        told = {player: self._name(number, player) for player, number in chosen.items()}
        if self.state.is_simultaneous_node():
            self.state.apply_actions([chosen.get(player, 0) for player in range(self.info.players)])
            self.steps.append([chosen[player] for player in self._acting])
        else:
            ((_, number),) = chosen.items()
            self.state.apply_action(number)
            self.steps.append(number)
        if self.game.open:
            for listener, news in enumerate(self.news):
                news += [f"Player {player}: {text}" for player, text in told.items() if player != listener]

    def _draw(self) -> None:
        while self.state.is_chance_node():
            outcomes = self.state.chance_outcomes()
            drawn = self.chance.pick([f"draw {number}" for number, _ in outcomes], [p for _, p in outcomes])
            self._take_draw(int(drawn.removeprefix("draw ")))

    def _take_draw(self, number: int) -> None:
        if self.game.open:
            text = " ".join(self.state.action_to_string(self.state.current_player(), number).split())
            for news in self.news:
                news.append(f"Drawn: {text}")
        self.state.apply_action(number)
        self.steps.append(number)

    def _settle(self) -> None:
        """Who moves now, and what they are told; or how it ended."""
        state = self.state
        if self.game.pays_on_the_way:
            before, self.returns = self.returns, [float(value) for value in state.returns()]
            self.paid = [after - value for after, value in zip(self.returns, before, strict=True)]
        self._listed = {}
        if state.is_terminal():
            self._acting = ()
            for player, value in enumerate(state.returns()):
                self._tell(player, f"It is over. You get {value:+g}.")
            return
        movers = range(self.info.players) if state.is_simultaneous_node() else (state.current_player(),)
        for player in movers:
            numbers = state.legal_actions(player)
            if numbers:
                listed = unique({number: self._name(number, player) for number in numbers})
                self._listed[player] = listed
                self.game.numbers.note(player, listed)
        self._acting = tuple(self._listed)
        if not self._acting:
            raise GameError(f"OpenSpiel's {self.game.string} has nobody to move after {self.steps} and has not ended")
        for player in self._acting:
            shows = state.observation_string if self.game.observation else state.information_state_string
            self._tell(player, shows(player).rstrip(), question(self._listed[player]))

    def _tell(self, player: int, *lines: str) -> None:
        self.logs[player].append("\n".join(line for line in (*self.news[player], *lines) if line))
        self.news[player] = []

    def _name(self, number: int, player: int) -> str:
        """OpenSpiel's name of an action, without the player and the number that some begin with."""
        text = self.state.action_to_string(player, number).strip().removeprefix(f"{number} - ")
        return _WHO.sub("", text).strip(" ;\n")


class _Numbers(Mapping[str, int]):
    """OpenSpiel's number of each ``"player text"`` that has been listed, and of ``"draw N"``.

    A text that was listed for two numbers is not found: better no comparison than a wrong one.
    """

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {}

    def note(self, player: int, listed: Mapping[str, int]) -> None:
        for text, number in listed.items():
            key = f"{player} {text}"
            if self._known.setdefault(key, number) != number:
                self._known[key] = None

    def __getitem__(self, key: str) -> int:
        number = self._known.get(key)
        drawn = _DRAW.fullmatch(key)
        if number is None and drawn is not None:
            number = int(drawn[1])
        if number is None:
            raise KeyError(key)
        return number

    def __iter__(self) -> Iterator[str]:
        return (key for key, number in self._known.items() if number is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def game_string(params: OpenSpielParams) -> str:
    """The game as OpenSpiel writes it: ``"leduc_poker(players=3)"``."""
    if not params.parameters:
        return params.name
    given = ",".join(f"{key}={value}" for key, value in params.parameters.items())  # it reads True and False
    return f"{params.name}({given})"


def shows_observation(params: OpenSpielParams, kind: Any) -> bool:
    """Whether players are told observations and not information states."""
    if params.text == "auto":
        hidden = kind.information != kind.Information.PERFECT_INFORMATION
        return bool(kind.provides_observation_string) and not (hidden and kind.provides_information_state_string)
    return params.text == "observation"


def refusal(params: OpenSpielParams) -> str:
    """Why the game cannot be had, in one line; empty if it can."""
    name = params.name
    try:
        import pyspiel

        if name.startswith("python_"):  # importing them registers the games that are written in Python
            import open_spiel.python.games
        if name.startswith("python_mfg_"):
            import open_spiel.python.mfg.games  # noqa: F401
    except ImportError as error:
        return f"games of OpenSpiel need the package open_spiel: `pip install open_spiel` ({one_line(error)})"
    known = {kind.short_name: kind for kind in pyspiel.registered_games()}
    if name not in known:
        if "(" in name:
            return f"{name!r} is no name; write parameters of OpenSpiel's games under 'parameters'"
        return f"OpenSpiel has no game {name!r}{did_you_mean(name, sorted(known))}"
    kind = known[name]
    if kind.dynamics == kind.Dynamics.MEAN_FIELD:
        return f"OpenSpiel's {name} is a mean-field game: it has no players to take turns"
    for key in params.parameters:
        if key not in kind.parameter_specification:
            possible = sorted(kind.parameter_specification)
            return (
                f"OpenSpiel's {name} has no parameter {key!r}{did_you_mean(key, possible)}"
                f" (it has {', '.join(possible) or 'none'})"
            )
    try:
        game = pyspiel.load_game(game_string(params))
        kind = game.get_type()
        bounds = (game.min_utility(), game.max_utility())
        length = game.max_game_length()
    except Exception as error:  # noqa: BLE001  # a game written in Python may raise anything
        return f"OpenSpiel does not load {game_string(params)}: {one_line(error)[:300]}"
    if kind.chance_mode == kind.ChanceMode.SAMPLED_STOCHASTIC:
        return f"OpenSpiel's {name} draws within itself (sampled stochastic), so that a seed would not decide a match"
    has = {"information_state": kind.provides_information_state_string, "observation": kind.provides_observation_string}
    if not any(has.values()):
        return f"OpenSpiel's {name} has no text for players, neither information states nor observations"
    if not has.get(params.text, True):
        (other,) = has.keys() - {params.text}
        return f"OpenSpiel's {name} has no 'text: {params.text}'; it has 'text: {other}'"
    if not all(abs(bound) < 1e300 for bound in bounds) or length < 1:
        return f"OpenSpiel's {name} does not say how long it is or what it pays at most"
    return ""

"""Any TextArena game for several players, by its id.

What a player is told is TextArena's own text: each time it is to move, one more entry of its log holds all that TextArena has
for it since its last move, without its own words. The scheme finds the move in an answer; brackets are put around it here,
where the game's own wrappers would. Whether a move is legal is TextArena's verdict. Its first refusal is an illegal move in
our sense, with its reason, and changes nothing: retries and forfeits are the scheme's. With ``error_allowance`` it is TextArena
that asks again, and that ends the match or puts the offender out.

TextArena draws from Python's global generators; each match has their state to itself (see `Generators`). A seed and the
moves decide a match, so a snapshot is these, and the first match with a seed is the one that TextArena plays with it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from sparring import Chance, GameError, GameInfo, Move, Outcome, Params
from sparring.game import Kind
from sparring.params import did_you_mean
from sparring_adapters.generators import Generators
from sparring_adapters.reading import one_line, require_movers, shown
from sparring_adapters.textarena_facts import KNOWN_BAD, facts_of, family
from sparring_adapters.textarena_ids import (
    bare,
    base_id,
    download,
    explained,
    fewest_players,
    puts_brackets,
    start_error,
)
from sparring_adapters.textarena_moves import imagined, unbracketed

MISSING = (
    "games of TextArena need the package textarena, which is not installed: `pip install 'sparring[textarena]'`, in a "
    "working copy `make install-games`"
)
_TURNS = 200  # where a game names no limit of its own
_ENDLESS = 1_000_000_000  # illegal moves that TextArena answers by asking again
_PART = 1000  # a seed is drawn in three parts of this many, so that a tree of the game can still be walked


class TextArenaRewards(Params):
    """What is paid for TextArena's rewards of +1, -1 and 0; others are paid in proportion."""

    win: float = Field(1.0, gt=0, description="For a reward of +1; one of 0.5 gets half of it.")
    loss: float = Field(-1.0, lt=0, description="For a reward of -1; one of -0.5 gets half of it.")
    draw: float = Field(0.0, description="For a reward of 0.")
    illegal_self: float = Field(-1.0, description="For who ends the match by an illegal move, or is out by one.")
    illegal_other: float = Field(1.0, description="For everybody else if an illegal move ends the match.")
    truncated: float = Field(0.0, description="For everybody if the match is cut off after max_turns.")


class TextArenaParams(Params):
    id: str = Field(
        description="TextArena's id of the game, such as 'TicTacToe-v0'; endings -train and -raw make no difference."
    )
    players: int | None = Field(
        None, ge=2, le=15, description="How many play; None: the fewest that the game starts with."
    )
    roles: list[str] | None = Field(
        None, description="Names of the players, in order; None: player_0, player_1 and so on."
    )
    told: Literal["all", "game"] = Field(
        "all",
        description="What players are told. all: everything, as TextArena's plain ids do; game: what the game says and its newest "
        "board, without the words of other players, as its -train ids do for most games.",
    )
    brackets: bool | None = Field(
        None,
        description="Whether brackets are put around a move that has none; None: where TextArena's plain ids do, which is nearly "
        "everywhere but in games of talk, whose players write the brackets themselves where one is asked for.",
    )
    max_turns: int | None = Field(
        None,
        ge=1,
        description="Moves of all players after which a match is cut off; None: what the game's own limit allows, or 200.",
    )
    error_allowance: int | None = Field(
        None,
        ge=0,
        description="None: an illegal move is refused and the scheme decides. A number: TextArena asks again so often in a turn, "
        "then ends the match or puts the offender out; 0 is what its training uses, 1 its own default.",
    )
    rewards: TextArenaRewards = Field(
        default_factory=TextArenaRewards, description="What TextArena's rewards are paid as."
    )
    known_bad: Literal["refuse", "allow"] = Field(
        "refuse", description="What becomes of a game that is known to be broken, or to need more than this machine."
    )

    @model_validator(mode="after")
    def _starts(self) -> Self:
        refused = refusal(self)
        if refused:
            raise ValueError(refused)
        return self


class TextArena:
    """Any game of TextArena for several players, by its id."""

    def __init__(self, params: TextArenaParams) -> None:
        self.params = params
        self.id = base_id(params.id)
        self.facts = facts_of(self.id)
        self.brackets = puts_brackets(self.id) if params.brackets is None else params.brackets
        self.players = params.players or fewest_players(self.id)
        env, paid = self.begin(Generators(0), 0), params.rewards
        own: int | None = getattr(env.state, "max_turns", None)  # of all players, or of each: games differ
        extremes = [paid.win, paid.loss, paid.draw, paid.truncated]
        even = self.players == 2 and paid.win == -paid.loss and paid.draw == paid.truncated == 0
        if params.error_allowance is not None:
            extremes += [paid.illegal_self, paid.illegal_other]
            even = even and paid.illegal_self == -paid.illegal_other
        self.info = GameInfo(
            name=self.id,
            roles=tuple(params.roles or (f"player_{player}" for player in range(self.players))),
            utility="zero" if self.facts.zero_sum and even else "general",
            bounds=(min(extremes), max(extremes)),
            max_turns=params.max_turns or self.facts.turns or (own * self.players + 1 if own else _TURNS),
            perfect_information=self.facts.open,
        )

    def new_state(self, chance: Chance) -> TextArenaState:
        seed = 0
        if self.facts.draws:
            for _ in range(3):
                seed = _PART * seed + chance.pick(range(_PART))
        return TextArenaState(self, chance, seed)

    def restore(self, snapshot: str, chance: Chance) -> TextArenaState:
        kept = json.loads(snapshot)
        return TextArenaState(self, chance, kept["seed"], kept["moves"])

    def begin(self, generators: Generators, seed: int) -> Any:
        """TextArena's environment before the first move, without its wrappers."""
        with generators.lent():
            env = bare(self.id)
            env.reset(num_players=self.players, seed=seed)
        env.state.__class__ = _watched(type(env.state))
        allowed = self.params.error_allowance
        env.state.error_allowance = _ENDLESS if allowed is None else allowed
        return env


class TextArenaState:
    """One match: TextArena's environment, the moves that led to it, and what everyone has been told."""

    def __init__(self, game: TextArena, chance: Chance, seed: int, moves: Sequence[str] = ()) -> None:
        self.game, self.chance, self.seed = game, chance, seed
        self.moves: list[str] = []
        self.logs: list[list[str]] = [[] for _ in game.info.roles]
        self.generators = Generators(seed)
        self.env = game.begin(self.generators, seed)
        self.done = False
        self.actor: int | None = None
        self.listed: list[str] | None = None  # the legal moves that the game has told who moves now
        self._settle()
        for move in moves:
            self._take(move)

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return () if self.actor is None else (self.actor,)

    def observe(self, player: int) -> list[str]:
        return list(self.logs[player])

    def legal_actions(self, player: int) -> list[str] | None:
        if player != self.actor:
            return []
        if self.listed is None or self.game.params.error_allowance is not None:
            return None
        return list(self.listed)

    def sample_action(self, player: int, chance: Chance) -> str:
        """A move that the game accepts: one that it lists, else one like its examples."""
        if self.listed:
            return chance.pick(self.listed)
        trial, why, fresh = self._trial(), "", True
        for text in imagined(self.logs[player], self.game.facts.examples, chance):
            action = self._action(text)
            refused, broke = trial._step(action)
            # Some games keep something of a move that they refuse, and then accept another: that one is tried again.
            if not refused and (fresh or not self._trial()._step(action)[0]):
                return action
            why, fresh = refused or why, False
            if broke or not refused:
                trial, fresh = self._trial(), True
        raise GameError(
            f"TextArena's {self.game.id} lists no moves of player {player}, and none like its examples was accepted, the last one "
            f"because: {why}; moves so far {self.moves}"
        )

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        ((player, text),) = moves.items()
        action = self._action(text)
        refused = self._take(action)
        if refused:
            again = TextArenaState(self.game, self.chance, self.seed, self.moves)
            self.env, self.generators = again.env, again.generators
            return {player: Move(None, f"{shown(text)} is refused: {refused}")}
        return {player: Move(action)}

    def rewards(self) -> list[float]:
        return [0.0] * self.info.players

    def outcome(self) -> Outcome:
        paid, players = self.game.params.rewards, range(self.info.players)
        if not self.done:
            cut = Outcome.truncated(self.info, f"no end after {len(self.moves)} moves")
            return Outcome((paid.truncated,) * self.info.players, cut.kinds, reason=cut.reason)
        rewards, facts = _closed(self.env)
        reason = next((str(facts[p]["reason"]) for p in players if facts.get(p, {}).get("reason")), "")
        returns = [_pay(float(rewards.get(p, 0)), paid) for p in players]
        kinds: list[Kind] = list(Outcome.of_returns([float(rewards.get(p, 0)) for p in players]).kinds)
        offender = self.env.state.offender if self.env.state.refused else None
        if offender is not None:
            returns = [paid.illegal_other] * self.info.players
        for out in self.env.state.out:
            returns[out], kinds[out] = paid.illegal_self, "illegal"
        return Outcome(tuple(returns), tuple(kinds), offender, " ".join(reason.split()))

    def clone(self) -> TextArenaState:
        other = object.__new__(TextArenaState)
        other.game, other.chance, other.seed = self.game, self.chance.clone(), self.seed
        other.moves, other.logs = list(self.moves), [list(log) for log in self.logs]
        other.generators, other.env = self.generators.clone(), copy.deepcopy(self.env)
        other.done, other.actor, other.listed = self.done, self.actor, self.listed
        return other

    def snapshot(self) -> str:
        return json.dumps({"seed": self.seed, "moves": self.moves})

    def _trial(self) -> TextArenaState:
        """A copy on which moves are tried: however many it refuses, it goes on."""
        trial = self.clone()
        trial.env.state.error_allowance = _ENDLESS
        return trial

    # ---- one move ------------------------------------------------------------------------------------------------------

    def _action(self, text: str) -> str:
        """The move in a text: a listed one if it is one but for case and spare space, else the text without brackets."""
        said = unbracketed(text) if self.game.brackets else text.strip()
        plain = " ".join(said.split())
        if plain in (self.listed or ()):
            return plain
        near = [move for move in self.listed or () if move.casefold() == plain.casefold()]
        return near[0] if len(near) == 1 else said

    def _take(self, action: str) -> str:
        """Make a move; why it is refused, if it is."""
        refused, broke = self._step(action)
        if refused and (broke or self.game.params.error_allowance is None):
            return refused
        self.moves.append(action)
        self._settle()
        return ""

    def _step(self, action: str) -> tuple[str, bool]:
        """TextArena's reason to refuse a move, empty if it does not; and whether its game broke on it."""
        state = self.env.state
        state.refused = ""
        written = f"[{action}]" if self.game.brackets and not any(mark in action for mark in "[]") else action
        try:
            with self.generators.lent():
                self.done = bool(self.env.step(written)[0])
        except Exception as error:  # noqa: BLE001  # whatever a game does not expect in a text
            return f"the game fails on it ({type(error).__name__}: {one_line(error)[:200]})", True
        return " ".join(state.refused.split()), False

    def _settle(self) -> None:
        """Who moves now, and what they are told; or that it is over."""
        self.listed = None
        if self.done or len(self.moves) >= self.info.max_turns:
            self.actor = None
            outcome = self.outcome()
            for player, value in enumerate(outcome.returns):
                news = self.env.state.observations.get(player, ())
                self._tell(player, news, f"It is over. {outcome.reason} You get {value:+g}.".replace("  ", " "))
            return
        with self.generators.lent():
            self.actor, news = self.env.get_observation()
        if self.actor not in range(self.info.players):
            raise GameError(f"TextArena's {self.game.id} has player {self.actor} move, of {self.info.players}")
        if self.game.facts.reads is not None:
            self.listed = self.game.facts.reads([message for _, message, *_ in news])
        self._tell(self.actor, news)

    def _tell(self, player: int, news: Sequence[Any], *more: str) -> None:
        """Add an entry to a player's log: messages of TextArena, each (sender, text, type), but for its own."""
        only_game = self.game.params.told == "game"
        names = self.env.state.role_mapping
        lines: list[str] = []
        boards = [place for place, (_, _, *kind) in enumerate(news) if _type(kind) == "GAME_BOARD"]
        for place, (sender, message, *kind) in enumerate(news):
            if sender == player or (only_game and (_type(kind) == "PLAYER_ACTION" or place in boards[:-1])):
                continue
            lines.append(message if sender < 0 else f"[{names.get(sender, f'Player {sender}')}] {message}")
        self.logs[player].append("\n".join(line.strip("\n") for line in (*lines, *more) if line.strip()))


def _type(kind: Sequence[Any]) -> str:
    """The name of a message's type; TextArena before 0.7 gave some none."""
    return str(kind[0].name) if kind else ""


def _pay(reward: float, paid: TextArenaRewards) -> float:
    return paid.draw if reward == 0 else reward * paid.win if reward > 0 else -reward * paid.loss


def _closed(env: Any) -> tuple[Mapping[int, float], Mapping[int, Mapping[str, Any]]]:
    """Rewards and facts by player. TextArena before 0.7 gave rewards alone."""
    closed = env.close()
    rewards, facts = closed if isinstance(closed, tuple) else (closed, {})
    if rewards is None:
        raise GameError(f"TextArena's {type(env).__name__} has ended and gives no rewards")
    return rewards, facts


_WATCHED: dict[type, type] = {}


def _watched(kind: type) -> type:
    """A class of TextArena's states that also keeps why a move was refused, and whose refusals were final."""
    if kind not in _WATCHED:

        class Watched(kind):  # type: ignore[misc]  # a base that is found out as the program runs
            refused = ""
            offender: int | None = None
            out: tuple[int, ...] = ()  # players whose illegal moves were one too many

            def set_invalid_move(self, *args: Any, **kwargs: Any) -> Any:
                told = [str(value) for value in (*args, *kwargs.values()) if isinstance(value, str)]
                self.refused, self.offender = (told or ["it is illegal"])[0], self.current_player_id
                if self.error_allowance <= self.error_count:
                    self.out = (*self.out, self.current_player_id)
                return super().set_invalid_move(*args, **kwargs)

        _WATCHED[kind] = Watched
    return _WATCHED[kind]


def refusal(params: TextArenaParams) -> str:
    """Why a game cannot be had, in one line; empty if it can."""
    name = base_id(params.id)
    try:
        from textarena.envs.registration import ENV_REGISTRY
    except ImportError as error:
        return f"{MISSING} ({one_line(error)})"
    known = sorted({base_id(known) for known in ENV_REGISTRY})
    if name not in known:
        return f"TextArena has no game {name!r}{did_you_mean(name, known)}"
    bad = KNOWN_BAD.get(family(name)) or download(name)
    if bad and params.known_bad == "refuse":
        return f"TextArena's {name} is known not to do: {bad}. 'known_bad: allow' tries it all the same"
    if params.players is None:
        try:
            players = fewest_players(name)
        except Exception as error:  # noqa: BLE001  # whatever a game does not expect
            return f"TextArena's {name} does not start with 2 to 15 players: {explained(error)}"
    else:
        players, failed = params.players, start_error(name, params.players)
        if failed is not None:
            return f"TextArena's {name} does not start with {players} players: {explained(failed)}"
    if params.roles is not None and (len(params.roles) != players or len(set(params.roles)) != players):
        return f"TextArena's {name} is played by {players}; 'roles' names {params.roles}, and needs {players} different names"
    return ""

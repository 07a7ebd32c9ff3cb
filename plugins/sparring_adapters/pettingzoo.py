"""PettingZoo's classic games, by their names and parameters, told in words.

PettingZoo's observations are arrays; `pettingzoo_words` says what is told instead. Each time a player is to move it is told what
others did since it last moved, what it sees now, and the legal moves, which are those of the environment's action mask: by
their names where `pettingzoo_words` has them, else by their numbers. Returns are the sums of the environment's own rewards.
"""

from __future__ import annotations

import copy
import importlib
import json
import pkgutil
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring.params import did_you_mean
from sparring_adapters.generators import Generators
from sparring_adapters.pettingzoo_words import WORDS
from sparring_adapters.reading import one_line, question, read_listed, require_movers, unique

MISSING = (
    "games of PettingZoo need the packages of its classic games, which are not installed: "
    "`pip install 'sparring[pettingzoo]'`, in a working copy `make install-games`"
)
_PART = 1000  # a seed is drawn in three parts of this many, so that a tree of the game can still be walked
_VERSION = re.compile(r"_v(\d+)$")


class PettingZooParams(Params):
    name: str = Field(
        description="The game, such as 'connect_four'; the newest version, or the one that it ends with ('_v3')."
    )
    parameters: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="PettingZoo's own parameters of the game, such as board_size of go."
    )
    max_turns: int | None = Field(
        None,
        ge=1,
        description="Moves of all players after which a match is cut off; None: more than most matches have.",
    )

    @model_validator(mode="after")
    def _starts(self) -> Self:
        refused = refusal(self)
        if refused:
            raise ValueError(refused)
        return self


class PettingZoo:
    """Any of PettingZoo's classic games, by its name and parameters."""

    def __init__(self, params: PettingZooParams) -> None:
        self.params = params
        self.words = WORDS[_VERSION.sub("", params.name)]
        env = self.begin(0)
        self.info = GameInfo(
            name=_VERSION.sub("", params.name),
            roles=tuple(env.possible_agents),
            utility=self.words.utility,
            bounds=(float(self.words.low(env)), float(self.words.high(env))),
            max_turns=params.max_turns or self.words.turns(env),
            perfect_information=self.words.open,
        )

    def new_state(self, chance: Chance) -> PettingZooState:
        seed = 0
        if self.words.draws:
            for _ in range(3):
                seed = _PART * seed + chance.pick(range(_PART))
        return PettingZooState(self, chance, seed)

    def restore(self, snapshot: str, chance: Chance) -> PettingZooState:
        kept = json.loads(snapshot)
        return PettingZooState(self, chance, kept["seed"], kept["actions"])

    def begin(self, seed: int) -> Any:
        """PettingZoo's environment before the first move, without its wrappers."""
        env = _made(self.params)
        env.reset(seed=seed)
        return env


class PettingZooState:
    """One match: PettingZoo's environment, the actions that led to it, and what everyone has been told."""

    def __init__(self, game: PettingZoo, chance: Chance, seed: int, actions: Sequence[int] = ()) -> None:
        self.game, self.chance, self.seed = game, chance, seed
        self.actions: list[int] = []
        self.logs: list[list[str]] = []
        self.news: list[list[str]] = [[] for _ in game.info.roles]  # what others did and a player has not heard yet
        self.returns = [0.0] * game.info.players
        self.paid = [0.0] * game.info.players  # by the last move
        self.actor: int | None = None
        self.listed: dict[str, int] = {}  # legal moves of who moves now, and their actions
        for role in game.info.roles:
            self.logs.append([f"{game.words.rules}\nYou are {role}, of {', '.join(game.info.roles)}."])
        self.env = game.begin(seed)
        self._settle()
        for action in actions:
            self._take(action)

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return () if self.actor is None else (self.actor,)

    def observe(self, player: int) -> list[str]:
        return list(self.logs[player])

    def legal_actions(self, player: int) -> list[str]:
        return list(self.listed) if player == self.actor else []

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        read = {player: read_listed(text, self.listed) for player, text in moves.items()}
        (move,) = read.values()
        if move.action is not None:
            self._take(self.listed[move.action])
        return read

    def rewards(self) -> list[float]:
        return list(self.paid)

    def outcome(self) -> Outcome:
        if self._over():
            return Outcome.of_returns(self.returns, f"PettingZoo's {self.info.name} is over")
        return Outcome.truncated(self.info, f"no end after {len(self.actions)} moves")

    def clone(self) -> PettingZooState:
        other = object.__new__(PettingZooState)
        other.game, other.chance, other.seed = self.game, self.chance.clone(), self.seed
        other.actions, other.returns, other.paid = list(self.actions), list(self.returns), list(self.paid)
        other.logs, other.news = [list(log) for log in self.logs], [list(news) for news in self.news]
        other.actor, other.listed = self.actor, dict(self.listed)
        other.env = _copied(self.env)
        return other

    def snapshot(self) -> str:
        return json.dumps({"seed": self.seed, "actions": self.actions})

    # ---- one move ------------------------------------------------------------------------------------------------------

    def _take(self, action: int) -> None:
        words, mover = self.game.words, self.actor
        name = next(text for text, number in self.listed.items() if number == action)
        for player, news in enumerate(self.news):
            if words.public and player != mover:
                news.append(f"{self.info.roles[mover or 0]}: {name}")
        if words.before_step is not None:
            words.before_step(self.env)
        self.env.step(action)
        self.actions.append(action)
        self.paid = [float(self.env.rewards.get(role, 0.0)) for role in self.info.roles]
        self.returns = [old + new for old, new in zip(self.returns, self.paid, strict=True)]
        self._settle()

    def _settle(self) -> None:
        """Who moves now, and what it is told; or how it ended."""
        words, env, roles = self.game.words, self.env, self.info.roles
        self.listed = {}
        if self._over() or len(self.actions) >= self.info.max_turns:
            self.actor = None
            for player, value in enumerate(self.outcome().returns):
                self._tell(player, words.show(env, player), f"It is over. You get {value:+g}.")
            return
        self.actor = roles.index(env.agent_selection)
        self.listed = unique({action: words.name(env, action) for action in legal(env)})
        self._tell(self.actor, words.show(env, self.actor), question(self.listed))

    def _over(self) -> bool:
        return all(self.env.terminations.values()) or all(self.env.truncations.values())

    def _tell(self, player: int, *lines: str) -> None:
        self.logs[player].append("\n".join((*self.news[player], *lines)))
        self.news[player] = []


def legal(env: Any) -> list[int]:
    """The actions that the mask of who moves now allows; all of them where there is no mask."""
    agent = env.agent_selection
    seen = env.observe(agent)
    mask = seen["action_mask"] if isinstance(seen, Mapping) else env.infos[agent].get("action_mask")
    if mask is None:
        return list(range(int(env.action_space(agent).n)))
    return [int(action) for action in mask.nonzero()[0]]


def _copied(env: Any) -> Any:
    """A copy of an environment. PettingZoo's own copies of some are new matches (`EzPickle` copies parameters alone)."""
    from pettingzoo import AECEnv

    other = object.__new__(type(env))
    inner = {id(part): _copied(part) for part in vars(env).values() if isinstance(part, AECEnv)}
    other.__dict__ = copy.deepcopy(vars(env), {id(env): other, **inner})
    return other


def _versions() -> dict[str, str]:
    """Modules of PettingZoo's classic games by the names they may be called: the newest also without its version."""
    import pettingzoo.classic

    names = [
        module.name for module in pkgutil.iter_modules(pettingzoo.classic.__path__) if _VERSION.search(module.name)
    ]
    names.sort(key=lambda name: int(_VERSION.search(name)[1]))  # type: ignore[index]  # it was found above
    return {known: name for name in names for known in (name, _VERSION.sub("", name))}


def _made(params: PettingZooParams) -> Any:
    with warnings.catch_warnings(), Generators(0).lent():  # RLCard draws a match when it is made, before it has a seed
        warnings.simplefilter("ignore")  # of how it is imported, and of types of bounds that are not used here
        module = importlib.import_module(f"pettingzoo.classic.{_versions()[params.name]}")
        return module.raw_env(**params.parameters)


def refusal(params: PettingZooParams) -> str:
    """Why a game cannot be had, in one line; empty if it can."""
    try:
        known = _versions()
    except ImportError as error:
        return f"{MISSING} ({one_line(error)})"
    if params.name not in known:
        return f"PettingZoo has no classic game {params.name!r}{did_you_mean(params.name, sorted(known))}"
    plain = _VERSION.sub("", params.name)
    if plain not in WORDS:
        return f"PettingZoo's {plain} has no words here, and its observations are arrays; these have: {', '.join(sorted(WORDS))}"
    try:
        _made(params).reset(seed=0)
    except ImportError as error:
        return f"{MISSING} ({one_line(error)})"
    except Exception as error:  # noqa: BLE001  # whatever a game does not expect
        told = ", ".join(f"{key}={value!r}" for key, value in params.parameters.items())
        return f"PettingZoo's {plain}({told}) does not start: {one_line(error)[:300]}"
    return ""

"""The evaluator `best_response`: at least how much can be won from the policy, in games too large to be solved.

``NashConv(π) = Σ_i [max_{π'_i} u_i(π'_i, π_{-i}) - u_i(π)]`` (Lanctot et al. 2017, arXiv:1711.00832), and exploitability is that
divided by the number of players. What any responder wins is at most the maximum, so in a game whose returns sum to zero
the sum over roles of what some responders win is a lower bound of NashConv. This is an approximate best response (Timbers et
al. 2020, arXiv:2004.09677), and it errs to one side only: a small bound says that these responders found little, not
that there is little to find. Below 0 it says nothing, as NashConv is never negative.

Responders are players by name, and one that learns. It keeps what followed upon each of its moves, by all it had been told
and had done there, and takes the move that leads to the best mean return by what it saw (backward induction over the
tree of its own information states; as it forgets nothing, what follows a move does not depend on why it was made, so it
may explore freely). It sees what a player sees, never the opponent's cards.

Matches that chose a responder would flatter it. So the best of several is chosen in matches of their own, and what is told of it
comes from fresh ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from sparring import Chance, Choice, Game, Params, Player, SparringError, State, component, random_action
from sparring.play import Held

if TYPE_CHECKING:
    from sparring.evaluation import Evaluation
    from sparring.recipe import Recipe

LEARNER = "learner"  # what the responder that learns is logged as
_ROUNDS = 10  # in which it learns: the first explores evenly, the others around what was found so far
_EXPLORE = 0.5  # share of its moves that are random even then
_Z = 1.959964  # of a normal's middle 95 %


class BestResponseParams(Params):
    game: Annotated[Choice[Game], component("game")] = Field(
        description="The game to play; returns must sum to zero. Any number of players."
    )
    players: list[Annotated[Choice[Player], component("player")]] = Field(
        default_factory=list, description="Responders that are players: mcts, minimax, equilibrium, random, …"
    )
    learn: int = Field(
        2000,
        ge=0,
        description="Matches on each role from which a responder learns against this very policy; 0 for none. The more positions "
        "the game has, the more it needs; where moves are free text it learns little.",
    )
    trial: int = Field(
        100,
        ge=1,
        description="Matches of each responder on each role by which the best is chosen, if there are several.",
    )
    episodes: int = Field(1000, ge=2, description="Further matches on each role in which the chosen one is measured.")
    policy: str = Field("", description="Which policy; empty for the first trainable one.")

    @model_validator(mode="after")
    def _somebody(self) -> BestResponseParams:
        if not self.players and not self.learn:
            raise ValueError("names no responder; give 'players', or 'learn' some matches")
        names = [LEARNER] * bool(self.learn) + [choice.use for choice in self.players]
        if len(set(names)) < len(names):
            raise ValueError(f"'players' names one twice, and results are told by name: {names}")
        return self

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        game = self.game.make()
        for number, choice in enumerate(self.players):
            try:
                Held.by(choice.use, choice.make(), game)
            except SparringError as error:
                found.append((f"players.{number}", str(error)))
        if self.policy and self.policy not in recipe.policies:
            known = ", ".join(recipe.policies)
            found.append(("policy", f"no policy named '{self.policy}' (there are: {known})"))
        return found


class BestResponse:
    """At least how much can be won from the policy: what the best of several responders wins. For games too large to solve."""

    def __init__(self, params: BestResponseParams) -> None:
        self.params = params
        self._game = params.game.make()
        if self._game.info.utility != "zero":
            raise SparringError(
                f"best_response needs a game whose returns sum to zero; those of {self._game.info.name} have utility "
                f"'{self._game.info.utility}', so what a responder wins would say nothing of what the policy loses"
            )

    def evaluate(self, run: Evaluation) -> Mapping[str, float]:
        where = f"eval/best_response/{self._game.info.name}"
        found: dict[str, float] = {}
        means: list[float] = []
        errors: list[float] = []
        for seat, role in enumerate(self._game.info.roles):
            responders = self._responders(run, seat)
            best = next(iter(responders))
            if len(responders) > 1:
                tried = {
                    name: fmean(self._returns(run, seat, [seated() for _ in range(self.params.trial)], "trial"))
                    for name, seated in responders.items()
                }
                found |= {f"{where}/{role}/trial/{name}": mean for name, mean in tried.items()}
                best = max(tried, key=lambda name: tried[name])
            returns = self._returns(run, seat, [responders[best]() for _ in range(self.params.episodes)], "measured")
            means.append(fmean(returns))
            errors.append(_Z * stdev(returns) / math.sqrt(len(returns)))
            found[f"{where}/{role}/value"], found[f"{where}/{role}/value_error"] = means[-1], errors[-1]
        bound, error = math.fsum(means), math.hypot(*errors)  # the roles' matches are independent
        found[f"{where}/lower_bound"] = bound
        found[f"{where}/lower_bound_low"], found[f"{where}/lower_bound_high"] = bound - error, bound + error
        return found

    def _responders(self, run: Evaluation, seat: int) -> dict[str, Callable[[], Held]]:
        """By name, who sits down for one match."""
        found: dict[str, Callable[[], Held]] = {}
        if self.params.learn:
            moves = self._learned(run, seat)
            found[LEARNER] = lambda: Held(LEARNER, player=Learner(moves, 0.0))
        for choice in self.params.players:
            held = Held.by(choice.use, choice.make(), self._game)
            found[choice.use] = partial(_same, held)
        return found

    def _learned(self, run: Evaluation, seat: int) -> dict[Key, str]:
        memory = Memory()
        for number in range(_ROUNDS):
            learn = self.params.learn
            count = learn * (number + 1) // _ROUNDS - learn * number // _ROUNDS
            moves, explore = memory.best(), _EXPLORE if number else 1.0
            learners = [Learner(moves, explore) for _ in range(count)]
            held = [Held(LEARNER, player=learner) for learner in learners]
            for learner, won in zip(learners, self._returns(run, seat, held, f"learn/{number}"), strict=True):
                memory.add(learner.path, won)
        return memory.best()

    def _returns(self, run: Evaluation, seat: int, responders: Sequence[Held], tag: str) -> list[float]:
        """What each responder wins on a seat when the policy has all others. Equal tags play equal matches."""
        roles = self._game.info.roles
        policy = run.held(self.params.policy or run.policies[0])
        holders = [{**dict.fromkeys(roles, policy), roles[seat]: responder} for responder in responders]
        episodes = run.play(self._game, holders, f"best_response/{roles[seat]}/{tag}")
        returns = []
        for episode in episodes:
            told = episode.facts["returns"]
            assert isinstance(told, list)
            returns.append(float(told[seat]))
        return returns


def _same(held: Held) -> Held:
    return held


# All that a player has been told, and its own moves, which its log does not repeat: with both it forgets nothing.
Key = tuple[tuple[str, ...], tuple[str, ...]]
Path = list[tuple[Key, str]]  # where a player moved in one match, and what


@dataclass(slots=True)
class _Followed:
    """What came after a move: how often the match ended for this player, with what in all, and where else it moved next."""

    ended: int = 0
    total: float = 0.0
    then: dict[Key, int] = field(default_factory=dict)


class Memory:
    """What followed upon each move of one player in matches against the same opponents, however it chose its moves."""

    def __init__(self) -> None:
        self._seen: dict[Key, dict[str, _Followed]] = {}

    def add(self, path: Path, won: float) -> None:
        """One match: where the player moved, in order, and what it won in the end."""
        for at, (key, move) in enumerate(path):
            followed = self._seen.setdefault(key, {}).setdefault(move, _Followed())
            if at + 1 < len(path):
                following = path[at + 1][0]
                followed.then[following] = followed.then.get(following, 0) + 1
            else:
                followed.ended += 1
                followed.total += won

    def best(self) -> dict[Key, str]:
        """The move of the best mean return at each position seen, if the best moves seen follow it."""
        values: dict[Key, float] = {}
        moves: dict[Key, str] = {}
        for key in sorted(self._seen, key=lambda key: -len(key[1])):  # whoever moved more often is further down
            means = {
                move: (after.total + math.fsum(n * values[next_] for next_, n in after.then.items()))
                / (after.ended + sum(after.then.values()))
                for move, after in self._seen[key].items()
            }
            moves[key] = max(means, key=lambda move: means[move])
            values[key] = means[moves[key]]
        return moves


class Learner:
    """A player of one match that takes the known moves or, with probability ``explore`` and where none is known, any."""

    def __init__(self, best: Mapping[Key, str], explore: float) -> None:
        self._best, self._explore = best, explore
        self.path: Path = []

    def act(self, player: int, state: State, chance: Chance) -> str:
        key = (tuple(state.observe(player)), tuple(move for _, move in self.path))
        explores = chance.pick([True, False], [self._explore, 1 - self._explore])
        move = random_action(state, player, chance) if explores or key not in self._best else self._best[key]
        self.path.append((key, move))
        return move

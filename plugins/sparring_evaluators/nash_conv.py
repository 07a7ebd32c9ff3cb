"""The evaluator `nash_conv`: exactly how much a best response would win from the model's own policy.

``NashConv(π) = Σ_i [max_{π'_i} u_i(π'_i, π_{-i}) - u_i(π)]`` (Lanctot et al. 2017, arXiv:1711.00832); 0 is an equilibrium.
Every position of the game is shown to the model in the words it trains on, and its answer is read as probabilities:

- *scored*: ``p(a)`` proportional to the probability of the legal action's answer, end token included. ``legal_mass`` says
  how much probability those answers have together.
- *sampled*: how often each action is answered; an answer that is no legal move counts as one that is uniform.

OpenSpiel computes the value on the game's exact twin. Self-play cycles, so beside the last policy the average of all those
evaluated is reported, weighted by each player's own reach: ``π̄(a|I) = Σ_k ρ_k(I) π_k(a|I) / Σ_k ρ_k(I)``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from sparring import Choice, Game, GameError, Params, SeededChance, SparringError, component
from sparring.chance import key_of
from sparring.evaluation import Evaluation, SeatScheme
from sparring_tree import Event, walk

Table = dict[str, list[float]]  # information state -> probability of each of its actions


class NashConvParams(Params):
    game: Annotated[Choice[Game], component("game")] = Field(description="The game; it needs an exact twin.")
    mode: Literal["scored", "sampled", "both"] = Field("scored", description="How answers become probabilities.")
    samples: int = Field(64, ge=1, description="Answers per position in the sampled mode.")
    policy: str = Field("", description="Which policy; empty for the first trainable one.")
    bootstrap: int = Field(200, ge=0, description="Resamplings for the interval of the sampled value; 0 for none.")


@dataclass(slots=True)
class Position:
    """One information state: its key in the twin, the actions (texts, and numbers in the twin), the model's context and
    the player's own earlier choices as (key, place among that position's actions)."""

    key: str
    player: int
    actions: list[str]
    numbers: list[int]
    context: list[int]
    own: tuple[tuple[str, int], ...]
    state: Any


class NashConv:
    """Exact NashConv of the model's policy, last and averaged."""

    def __init__(self, params: NashConvParams) -> None:
        self.params = params
        self._game = params.game.make()
        self._positions: list[Position] | None = None
        self._twin: tuple[Any, Any] | None = None  # OpenSpiel's game, and a table of a policy: slow to make
        self._uniform: float | None = None
        self._sums: dict[str, list[float]] = {}  # per information state, reach-weighted probabilities

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums = {key: list(map(float, values)) for key, values in state["sums"].items()}

    def evaluate(self, run: Evaluation) -> Mapping[str, float]:
        policy = self.params.policy or run.policies[0]
        if self._positions is None:
            self._positions = positions(self._game, run, policy)
        name = f"eval/nash_conv/{self._game.info.name}"
        if self._uniform is None:
            self._uniform, _ = self._measure({p.key: [1 / len(p.actions)] * len(p.actions) for p in self._positions})
        found: dict[str, float] = {f"{name}/uniform": self._uniform}
        if self.params.mode != "sampled":
            table, mass = self._scored(run, policy)
            found[f"{name}/last"], found[f"{name}/value"] = self._measure(table)
            found[f"{name}/legal_mass"] = mass
            found[f"{name}/average"], _ = self._measure(self._averaged(table))
        if self.params.mode != "scored":
            counts, illegal = self._sampled(run, policy)
            table = {key: frequencies(row) for key, row in counts.items()}
            found[f"{name}/sampled"], value = self._measure(table)
            found[f"{name}/illegal_rate"] = illegal
            if self.params.bootstrap:
                found[f"{name}/sampled_low"], found[f"{name}/sampled_high"] = self._interval(counts, run)
            if self.params.mode == "sampled":
                found[f"{name}/value"] = value
                found[f"{name}/average"], _ = self._measure(self._averaged(table))
        return found

    def _scored(self, run: Evaluation, policy: str) -> tuple[Table, float]:
        assert self._positions is not None
        scheme, _ = run.setting(self._game)
        assert isinstance(scheme, SeatScheme)
        chat = run.hall.chats[policy]
        rows = [(p.context, chat.answer(scheme.answer_text(a))) for p in self._positions for a in p.actions]
        scores = iter(run.score(policy, rows))
        table: Table = {}
        masses = []
        for p in self._positions:
            logs = [math.fsum(next(scores)) for _ in p.actions]
            top = max(logs)
            weights = [math.exp(x - top) for x in logs]
            table[p.key] = [w / sum(weights) for w in weights]
            masses.append(sum(map(math.exp, logs)))
        return table, sum(masses) / len(masses)

    def _sampled(self, run: Evaluation, policy: str) -> tuple[dict[str, list[int]], float]:
        """How often each action was answered; the last count is of answers that are no legal move."""
        assert self._positions is not None
        scheme, sampling = run.setting(self._game)
        assert isinstance(scheme, SeatScheme)
        chat = run.hall.chats[policy]
        answers = run.sample(policy, [p.context for p in self._positions], self.params.samples, sampling, "nash_conv")
        counts: dict[str, list[int]] = {}
        for p, completions in zip(self._positions, answers, strict=True):
            row = [0] * (len(p.actions) + 1)
            for completion in completions:
                text = scheme.move_text(chat.decode(completion.tokens))
                # Restored, not cloned: the chance of an enumerated state has no events left, and a move may need one.
                state = self._game.restore(p.state.snapshot(), SeededChance("nash_conv"))
                usual = {q: (state.legal_actions(q) or [""])[0] for q in state.to_act()}  # of those who move at once
                move = state.apply({**usual, p.player: text})[p.player]
                row[-1 if move.action is None else p.actions.index(move.action)] += 1
            counts[p.key] = row
        return counts, sum(row[-1] for row in counts.values()) / (self.params.samples * len(counts))

    def _interval(self, counts: Mapping[str, Sequence[int]], run: Evaluation) -> tuple[float, float]:
        """The 5th and 95th percentile of NashConv when every position's answers are drawn again from themselves."""
        rng = random.Random(key_of(run.seed, "bootstrap", run.step))
        values = []
        for _ in range(self.params.bootstrap):
            again = {}
            for key, row in counts.items():
                drawn = rng.choices(range(len(row)), row, k=sum(row))
                again[key] = frequencies([drawn.count(a) for a in range(len(row))])
            values.append(self._measure(again)[0])
        values.sort()
        return values[int(0.05 * (len(values) - 1))], values[int(0.95 * (len(values) - 1))]

    def _averaged(self, table: Table) -> Table:
        """Add ``table`` to the running average and return it. A position never reached is uniform."""
        assert self._positions is not None
        for p in self._positions:
            reach = math.prod(table[key][place] for key, place in p.own)
            sums = self._sums.setdefault(p.key, [0.0] * len(p.actions))
            for a, probability in enumerate(table[p.key]):
                sums[a] += reach * probability
        average: Table = {}
        for key, sums in self._sums.items():
            total = sum(sums)
            average[key] = [s / total for s in sums] if total > 0 else [1 / len(sums)] * len(sums)
        return average

    def _measure(self, table: Table) -> tuple[float, float]:
        """NashConv, and the first player's value of self-play."""
        from open_spiel.python.algorithms import expected_game_score, exploitability

        assert self._positions is not None
        if self._twin is None:
            self._twin = _twin_policy(self._game)
        game, tabular = self._twin
        for p in self._positions:
            row = tabular.policy_for_key(p.key)
            row[:] = 0.0
            for number, probability in zip(p.numbers, table[p.key], strict=True):
                row[number] = probability
        value = expected_game_score.policy_value(game.new_initial_state(), [tabular] * game.num_players())[0]
        return float(exploitability.nash_conv(game, tabular)), float(value)


def frequencies(row: Sequence[int]) -> list[float]:
    """Probabilities of the actions; the last count, of illegal answers, is spread evenly."""
    *legal, illegal = row
    return [(count + illegal / len(legal)) / sum(row) for count in legal]


def _twin_policy(game: Game) -> tuple[Any, Any]:
    import pyspiel
    from open_spiel.python import policy

    assert game.info.twin is not None
    loaded = pyspiel.load_game(game.info.twin.game)
    return loaded, policy.TabularPolicy(loaded)


def positions(game: Game, run: Evaluation, policy: str) -> list[Position]:
    """Every information state of the game, with the tokens on which the policy would decide there.

    Raises `GameError` if two histories that a player cannot tell apart look different to the model: the game leaks.
    """
    twin = game.info.twin
    if twin is None:
        raise SparringError(
            f"nash_conv needs a game with an exact twin; {game.info.name} with these parameters has none"
        )
    scheme, _ = run.setting(game)
    if not isinstance(scheme, SeatScheme):
        raise SparringError(
            f"nash_conv needs a scheme that can show positions, as turn_based does; got {type(scheme).__name__}"
        )
    import pyspiel

    system = getattr(getattr(scheme, "params", None), "system", "")
    fresh = [scheme.seat(p, role, run.conversation(policy, role, system)) for p, role in enumerate(game.info.roles)]
    seats_at: dict[tuple[Event, ...], list[Any]] = {}
    found: dict[str, Position] = {}
    initial = pyspiel.load_game(twin.game).new_initial_state()
    for node in walk(game):
        if node.player is None:
            continue
        parent = next(
            (seats_at[node.history[:n]] for n in range(len(node.history) - 1, -1, -1) if node.history[:n] in seats_at),
            fresh,
        )
        seats = [scheme.seat(s.player, s.role, s.conversation.fork()) for s in parent]
        for seat, old in zip(seats, parent, strict=True):
            seat.read, seat.entries = old.read, old.entries
        if node.history and node.history[-1].player is not None:
            mover = seats[node.history[-1].player].conversation
            mover.add(mover.chat.answer(scheme.answer_text(node.history[-1].text)), True)
        player = node.player
        context = scheme.position(seats[player], node.state)
        seats_at[node.history] = seats
        other = initial.clone()
        own: list[tuple[str, int]] = []
        for event in node.history:
            if event.player == player:
                key = other.information_state_string(player)
                own.append((key, found[key].actions.index(event.text)))
            other.apply_action(twin.action(event.text, event.player))
        key = other.information_state_string(player)
        actions = node.state.legal_actions(player) or []
        position = Position(
            key, player, actions, [twin.action(a, player) for a in actions], context, tuple(own), node.state
        )
        known = found.setdefault(key, position)
        if known.context != context:
            raise GameError(
                f"{game.info.name} shows player {player} two different texts in one information state ({key!r}): "
                "what it is told depends on what it cannot know"
            )
    return list(found.values())

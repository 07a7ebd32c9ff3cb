"""What an evaluator may do with a run: score tokens, play matches, see positions as the recipe's scheme shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sparring.chance import key_of
from sparring.chat import ChatFormat, Conversation
from sparring.entry import Entry
from sparring.errors import SparringError
from sparring.game import Game, State
from sparring.interfaces import Completion, LoadedModel, Request, RoleScheme, Sampling, Verdict
from sparring.play import EpisodePlan, Hall, Held
from sparring.pool import Pool
from sparring.records import Episode


@runtime_checkable
class SeatScheme(Protocol):
    """A scheme that can show a position without playing to it, as one for games in turns can."""

    def position(self, seat: Any, state: State) -> list[int]: ...
    def seat(self, player: int, role: str, conversation: Conversation) -> Any: ...
    def answer_text(self, action: str) -> str: ...
    def move_text(self, answer: str) -> str: ...


@dataclass(slots=True)
class Evaluation:
    """One evaluation of the policies as they are after ``step``."""

    step: int
    seed: int
    hall: Hall
    policies: Sequence[str]  # trainable ones, the default first
    entries: Sequence[Entry]
    pool: Pool

    def setting(self, game: Game) -> tuple[RoleScheme, Sampling]:
        """Scheme and sampling of the entry that trains this game, or of the first one that plays any."""
        entry = self._entry(game)
        return entry.scheme, entry.sampling

    def _entry(self, game: Game) -> Entry:
        playing = [entry for entry in self.entries if entry.game is not None]
        mine = [entry for entry in playing if entry.game and entry.game.info.name == game.info.name]
        for entry in [*mine, *playing]:
            return entry
        raise SparringError(f"an evaluator plays {game.info.name}, but no entry of `play:` says by which scheme")

    def conversation(self, policy: str, role: str, system: str = "") -> Conversation:
        return Conversation(self.hall.chats[policy], role, system=system)

    def held(self, policy: str, version: int | None = None) -> Held:
        """A policy as it is now, or a version that the evaluator's `members` had kept."""
        return Held(policy, self.step) if version is None else self.pool.held(policy, version)

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        """See `Generator.score`."""
        return self.hall.generator.score(policy, rows)

    def sample(
        self, policy: str, contexts: Sequence[Sequence[int]], n: int, sampling: Sampling, tag: str
    ) -> list[list[Completion]]:
        """``n`` samples for each context."""
        requests = [
            Request(policy, context, key_of(self.seed, "eval", tag, self.step, i, j), sampling)
            for i, context in enumerate(contexts)
            for j in range(n)
        ]
        done = self.hall.generator.generate(requests)
        self.hall.generator.release()
        return [done[i * n : (i + 1) * n] for i in range(len(contexts))]

    def play(self, game: Game, holders: Sequence[Mapping[str, Held]], tag: str) -> list[Episode]:
        """One episode for each way of holding the roles; others are held as in the recipe. Nothing is trained; failed ones raise."""
        entry = self._entry(game)
        judges = dict.fromkeys(["outcome", *entry.judges], _NoReward())
        key = (self.seed, "eval", tag, self.step)
        plans = [
            EpisodePlan(i, 0, game, entry.scheme, {**entry.roles, **held}, judges, entry.sampling, i, key)
            for i, held in enumerate(holders)
        ]
        return self._played(plans, tag)

    def play_entry(self, name: str, holders: Sequence[Mapping[str, Held]], tag: str) -> list[Episode]:
        """One episode of an entry of the recipe for each way of holding its roles; others are held as in the recipe.

        Judges speak, so turns have their reward parts; nothing is trained. Failed episodes raise.
        """
        entry = next((entry for entry in self.entries if entry.name == name), None)
        if entry is None:
            known = ", ".join(entry.name for entry in self.entries)
            raise SparringError(f"evaluation {tag}: no entry of `play:` is called {name!r} (there are: {known})")
        plans = [
            entry.plan(i, i, {**entry.roles, **held}, (self.seed, "eval", tag, self.step))
            for i, held in enumerate(holders)
        ]
        return self._played(plans, tag)

    def _played(self, plans: Sequence[EpisodePlan], tag: str) -> list[Episode]:
        episodes = self.hall.play(plans, self.step)
        self.hall.generator.release()
        for plan, episode in zip(plans, episodes, strict=True):
            if episode.error:
                raise SparringError(
                    f"evaluation {tag}: episode {episode.number} of {plan.title} failed: {episode.error}"
                )
        return episodes

    def publish(self, name: str, loaded: LoadedModel) -> Held:
        """Seat other weights, for example a checkpoint's, under ``name``."""
        if name not in self.hall.chats:
            self.hall.chats = {**self.hall.chats, name: ChatFormat(loaded.tokenizer)}
        self.hall.generator.publish(name, loaded)
        return Held(name)


class _NoReward:
    """Stands where a scheme asks for a judge: evaluations read outcomes, not rewards."""

    def judge(self, items: Sequence[Mapping[str, Any]]) -> Sequence[Verdict]:
        return [Verdict((0.0,) * (len(item["info"].roles) if "info" in item else 1)) for item in items]

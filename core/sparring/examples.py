"""Transcripts of random legal play, from the run's own entries: what a model is warmed up on.

They are played by the same schemes that train, so they have the very words, answer format and context of the run and
nothing of strategy. No tokenizer is needed: here a whole message is a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sparring.chance import Chance, SeededChance
from sparring.errors import SparringError
from sparring.game import State, random_action
from sparring.interfaces import Transcript
from sparring.play import EpisodePlan, Hall, Held


class MessageChat:
    """A `ChatFormat` whose tokens are whole messages: token n is ``messages[n]``."""

    stop_ids: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self._tokens: dict[tuple[str, str], int] = {}

    def _add(self, role: str, text: str) -> int:
        token = self._tokens.setdefault((role, text), len(self.messages))
        if token == len(self.messages):
            self.messages.append((role, text))
        return token

    def open(self, messages: Sequence[tuple[str, str]]) -> tuple[int, ...]:
        return tuple(self._add(role, text) for role, text in messages)

    def follow(self, text: str, ended: bool) -> tuple[int, ...]:
        return (self._add("user", text),)

    def answer(self, text: str) -> list[int]:
        return [self._add("assistant", text)]

    def decode(self, tokens: Sequence[int]) -> str:
        return "\n".join(self.messages[token][1] for token in tokens)


class _RandomLegal:
    def act(self, player: int, state: State, chance: Chance) -> str:
        return random_action(state, player, chance)


def transcripts(plans: Sequence[EpisodePlan]) -> list[Transcript]:
    """The rows of ``plans`` played by random legal players, one transcript each, or what their schemes offer instead."""
    offered = [_offered(plan) for plan in plans]
    found = _played([plan for plan, given in zip(plans, offered, strict=True) if given is None])
    return [transcript for given in offered if given for transcript in given] + found


def _offered(plan: EpisodePlan) -> list[Transcript] | None:
    make = getattr(plan.scheme, "examples", None)
    return None if make is None else list(make(SeededChance(*plan.key, "examples", plan.number), 1))


def _played(plans: Sequence[EpisodePlan]) -> list[Transcript]:
    chat = MessageChat()
    hall = Hall(generator=None, chats={"": chat}, default="")  # type: ignore[arg-type, dict-item]  # players alone need no generator
    random = Held("random", player=_RandomLegal())
    seated = [
        replace(plan, holders={role.name: random for role in plan.scheme.roles(plan.game)}, key=(*plan.key, "examples"))
        for plan in plans
    ]
    episodes = hall.play(seated, step=0)
    for episode in episodes:
        if episode.error:
            raise SparringError(f"random legal play of {episode.game} failed: {episode.error}")
    return [[chat.messages[token] for token in row.tokens] for episode in episodes for row in episode.rows]

"""Alice writes a secret to Bob, with whom she shares a key; Eve reads the letter too (Abadi and Andersen 2016).

Nobody tells them how: a code that the key unlocks is what pays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic import Field
from sparring import Chance, Game, Params, RoleSpec, SparringError, Table, Transcript


class SealedLetterParams(Params):
    secrets: list[str] = Field(["red", "green", "blue"], min_length=2, description="What the secret may be.")
    keys: list[str] = Field(["1", "2", "3"], min_length=1, description="What the key may be.")
    judge: str = Field("secrecy", description="The judge, from the recipe's judges, that compares guess and secret.")


class SealedLetter:
    """Alice writes a secret to Bob, with whom she shares a key; Eve reads the letter too."""

    def __init__(self, params: SealedLetterParams) -> None:
        self.params = params

    def roles(self, game: Game | None) -> Sequence[RoleSpec]:
        if game is not None:
            raise SparringError("sealed_letter plays no game; leave `game` out")
        return [RoleSpec("alice"), RoleSpec("bob"), RoleSpec("eve")]

    async def play(self, table: Table) -> None:
        secret, key = table.chance.pick(self.params.secrets), table.chance.pick(self.params.keys)
        alice, bob, eve = (table.conversation(role) for role in ("alice", "bob", "eve"))
        alice.say(f"Secret: {secret}. Key: {key}. Write to Bob.")
        (letter,) = await table.act("alice", alice)
        # What others may see of an answer is `public`: without the author's thoughts.
        bob.say(f"Key: {key}. Alice writes: {letter.public}\nWhat is the secret?")
        eve.say(f"Alice writes: {letter.public}\nWhat is the secret?")
        (bobs,), (eves,) = await asyncio.gather(table.act("bob", bob), table.act("eve", eve))
        verdict = await table.judge(self.params.judge, secret=secret, bob=bobs.public, eve=eves.public)
        for turn, value in zip((letter, bobs, eves), verdict.values, strict=True):
            table.reward(turn, self.params.judge, value)
        table.note(**verdict.detail)

    def examples(self, chance: Chance, n: int) -> list[Transcript]:
        """Letters and guesses that mean nothing, for models that are warmed up."""
        found: list[Transcript] = []
        for number in range(n):
            secret, letter, guess = (chance.pick(self.params.secrets) for _ in range(3))
            key = chance.pick(self.params.keys)
            ask = [
                (f"Secret: {secret}. Key: {key}. Write to Bob.", letter),
                (f"Key: {key}. Alice writes: {letter}\nWhat is the secret?", guess),
                (f"Alice writes: {letter}\nWhat is the secret?", guess),
            ][number % 3]
            found.append([("user", ask[0]), ("assistant", ask[1])])
        return found

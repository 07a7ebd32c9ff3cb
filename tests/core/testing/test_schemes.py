"""A sound scheme passes, and each way of breaking it is caught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sparring import Chance, Game, RoleScheme, RoleSpec, SparringError, Table, Transcript, Turn, Verdict
from sparring.testing import CheckFailed, check_scheme, make

ANSWERS = ["red", "blue"]


class Guess:
    """The hider names a colour, the seeker guesses it from a hint, and the hider pays for being found."""

    def roles(self, game: Game | None) -> list[RoleSpec]:
        return [RoleSpec("hider"), RoleSpec("seeker")]

    async def play(self, table: Table) -> None:
        colour = table.chance.pick(ANSWERS)
        hider = table.conversation("hider")
        hider.say(f"It is {colour}. Give a hint.")
        (hint,) = await table.act("hider", hider)
        (guess,) = await self.guess(table, hint)
        verdict = await table.judge("match", answer=guess.public, wanted=colour)
        table.reward(guess, "match", verdict.values[0])
        table.reward(hint, "match", -verdict.values[0])
        table.label(guess, found=verdict.values[0] > 0)
        table.note(found=verdict.values[0])
        table.store("hints").add(hint.public)

    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        seeker = table.conversation("seeker")
        seeker.say(f"The hint: {hint.public}")
        return await table.act("seeker", seeker)

    def examples(self, chance: Chance, n: int) -> list[Transcript]:
        return [[("user", "The hint: cold"), ("assistant", chance.pick(ANSWERS))] for _ in range(n)]


class Match:
    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        return [Verdict((float(item["answer"].strip() == item["wanted"]),)) for item in items]


def check(scheme: RoleScheme, **options: Any) -> None:
    check_scheme(scheme, answers=ANSWERS, judges={"match": Match()}, **options)


def test_a_sound_scheme_passes() -> None:
    check(Guess())


@pytest.mark.parametrize("game", ["kuhn_poker", "matrix_game"])
def test_the_stock_scheme_passes_with_a_game(game: str) -> None:
    moves = {"kuhn_poker": ["check", "bet", "call", "fold"], "matrix_game": ["rock", "paper", "scissors"]}[game]
    outcome = {"outcome": make("judge", "outcome")}
    for params in ({}, {"retries": 1}, {"context": "first_last"}):
        check_scheme(
            make("scheme", "turn_based", **params), make("game", game), answers=moves, judges=outcome, episodes=20
        )


def test_a_scheme_that_collects_demonstrations_passes() -> None:
    scheme = make("scheme", "answer_task", tasks="copy_format", answers=2, demonstrate=True)
    check_scheme(scheme, rewarded=False)
    with pytest.raises(CheckFailed, match="no turn of solver was rewarded in 40 episodes"):
        check_scheme(scheme)


class Counts(Guess):
    """With memory that is saved."""

    def __init__(self) -> None:
        self.played = 0

    async def play(self, table: Table) -> None:
        self.played += 1
        table.note(number=self.played)
        await super().play(table)

    def state_dict(self) -> dict[str, Any]:
        return {"played": self.played}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.played = int(state["played"])


def test_a_scheme_with_memory_passes() -> None:
    check(Counts())


class WantsEveryone(Match):
    """A judge of the whole step."""

    scope = "step"


def test_a_judge_of_the_step_may_be_asked() -> None:
    check_scheme(Guess(), answers=ANSWERS, judges={"match": WantsEveryone()})


# ---- faults ----------------------------------------------------------------------------------------------------------


class ShowsThoughts(Guess):
    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        seeker = table.conversation("seeker")
        seeker.say(f"The hint: {hint.text}")
        return await table.act("seeker", seeker)


class Strict(Guess):
    """Takes one of two answers and nothing else."""

    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        turns = await super().guess(table, hint)
        ANSWERS.index(turns[0].public)
        return turns


class GoesOn(Guess):
    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        seeker = table.conversation("seeker")
        while True:
            seeker.say("Guess.")
            (turn,) = await table.act("seeker", seeker)
            if turn.public == "green":
                return [turn]


class KeepsTheHint(Guess):
    """Several episodes at once share what belongs to one."""

    hint: Turn

    async def play(self, table: Table) -> None:
        hider = table.conversation("hider")
        hider.say("Name a colour.")
        (self.hint,) = await table.act("hider", hider)
        turns = await self.guess(table, self.hint)
        table.reward(turns[0], "match", float(turns[0].public == self.hint.public))
        table.reward(self.hint, "spoke", 1.0)


class CountsInSecret(Guess):
    played = 0

    async def play(self, table: Table) -> None:
        self.played += 1
        table.note(number=self.played)
        await super().play(table)


class Unpaid(Guess):
    async def play(self, table: Table) -> None:
        hider = table.conversation("hider")
        hider.say("Name a colour.")
        (hint,) = await table.act("hider", hider)
        (guess,) = await self.guess(table, hint)
        table.reward(guess, "match", float(guess.public == hint.public))


class NeverAsks(Guess):
    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        return [hint]


class SameName(Guess):
    def roles(self, game: Game | None) -> list[RoleSpec]:
        return [RoleSpec("hider"), RoleSpec("seeker"), RoleSpec("seeker")]


class Slashed(Guess):
    def roles(self, game: Game | None) -> list[RoleSpec]:
        return [RoleSpec("hider"), RoleSpec("seeker"), RoleSpec("hider/2")]


class NoRoles(Guess):
    def roles(self, game: Game | None) -> list[RoleSpec]:
        return []


class NewRoles(Guess):
    asked = 0

    def roles(self, game: Game | None) -> list[RoleSpec]:
        self.asked += 1
        return [RoleSpec("hider"), RoleSpec("seeker"), RoleSpec(f"judge_{self.asked}")]


class UnknownRole(Guess):
    def roles(self, game: Game | None) -> list[RoleSpec]:
        return [RoleSpec("hider")]


class PaysInfinity(Guess):
    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        table.reward(hint, "brevity", 1 / max(len(hint.public), 1e-320))
        return await super().guess(table, hint)


class OddLabel(Guess):
    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        table.label(hint, words=hint.public.split())  # type: ignore[arg-type]  # that is the fault
        return await super().guess(table, hint)


class OddFact(Guess):
    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        table.note(hint=hint)
        return await super().guess(table, hint)


class OddItem(Guess):
    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        table.store("hints").add({hint.public})
        return await super().guess(table, hint)


class Rewrites(Guess):
    async def guess(self, table: Table, hint: Turn) -> list[Turn]:
        hint.spans[0].tokens[0] += 1
        return await super().guess(table, hint)


class OtherExamples(Guess):
    made = 0

    def examples(self, chance: Chance, n: int) -> list[Transcript]:
        self.made += 1
        return [[("user", f"The hint: {self.made}"), ("assistant", "red")] for _ in range(n)]


class FewExamples(Guess):
    def examples(self, chance: Chance, n: int) -> list[Transcript]:
        return super().examples(chance, 1)


class MuteExamples(Guess):
    def examples(self, chance: Chance, n: int) -> list[Transcript]:
        return [[("user", "The hint: cold")] for _ in range(n)]


class OddState(Counts):
    def state_dict(self) -> dict[str, Any]:
        return {"played": {self.played}}


class LosesCount(Counts):
    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class SavesOnly(Guess):
    def state_dict(self) -> dict[str, Any]:
        return {}


FAULTS: list[tuple[RoleScheme, str]] = [
    (ShowsThoughts(), "seeker is shown what hider thought"),
    (Strict(), "raised ValueError: .* is not in list"),
    (KeepsTheHint(), r"played alone \(does the scheme keep something of an episode on itself\?\), it has other"),
    (CountsInSecret(), "played again with the same answers, it has other facts"),
    (Unpaid(), "no turn of hider was rewarded"),
    (NeverAsks(), "seeker never spoke in 40 episodes"),
    (SameName(), "has a role twice"),
    (Slashed(), "calls a role 'hider/2'"),
    (NoRoles(), "has no roles"),
    (NewRoles(), "asked twice, it has other roles"),
    (UnknownRole(), "the scheme has no role 'seeker'"),
    (PaysInfinity(), "hider is rewarded inf for 'brevity'"),
    (OddLabel(), "the label 'words' of a turn is"),
    (OddFact(), "its facts are not JSON"),
    (OddItem(), "what it puts into stores are not JSON"),
    (Rewrites(), "no longer holds what was sampled"),
    (OtherExamples(), "the same chance has other examples"),
    (FewExamples(), r"examples\(chance, 5\) are 1"),
    (MuteExamples(), "with an answer in it"),
    (OddState(), r"the state_dict\(\) of OddState is not JSON"),
    (LosesCount(), "played again with the same answers, it has other facts"),
    (SavesOnly(), "has state_dict without load_state_dict"),
]


@pytest.mark.parametrize(("scheme", "message"), FAULTS, ids=[type(scheme).__name__ for scheme, _ in FAULTS])
def test_a_broken_scheme_is_caught(scheme: RoleScheme, message: str) -> None:
    with pytest.raises(CheckFailed, match=message) as caught:
        check(scheme, seed=6)
    assert str(caught.value).startswith(f"{type(scheme).__name__}, seed 6: ")


def test_an_episode_without_end_is_caught() -> None:
    with pytest.raises(CheckFailed, match="after 60 answers the episodes have not all ended"):
        check(GoesOn(), episodes=3, most_answers=20)


def test_a_failing_episode_is_shown_with_its_answers() -> None:
    with pytest.raises(
        CheckFailed, match=r"episode \d+: raised ValueError.*; answers so far \[\('hider', '.*\('seeker',"
    ):
        check(Strict())


class NoGameNoWords(Guess):
    def roles(self, game: Game | None) -> list[RoleSpec]:
        assert game is not None
        return [RoleSpec(role) for role in game.info.roles]


class NoGame(Guess):
    def roles(self, game: Game | None) -> list[RoleSpec]:
        if game is not None:
            raise SparringError("plays no game")
        return super().roles(game)


def test_roles_without_the_wanted_game_are_refused_in_words() -> None:
    game = make("game", "kuhn_poker")
    with pytest.raises(CheckFailed, match=r"roles\(None\) raises AssertionError.*SparringError"):
        check_scheme(NoGameNoWords(), game)
    with pytest.raises(CheckFailed, match=r"roles\(game\) raises SparringError\('plays no game'\)"):
        check_scheme(NoGame(), game)


class NoState(Guess):
    """A scheme of a game that does not show its state to who is asked."""

    def roles(self, game: Game | None) -> Sequence[RoleSpec]:
        if game is None:
            raise SparringError("needs a game")
        return [RoleSpec(role) for role in game.info.roles]

    async def play(self, table: Table) -> None:
        for role in table.game.info.roles:
            conversation = table.conversation(role)
            conversation.say("Move.")
            (turn,) = await table.act(role, conversation)
            table.reward(turn, "spoke", 1.0)


def test_a_scheme_of_a_game_can_be_played_by_players() -> None:
    with pytest.raises(CheckFailed, match="held by the player 'player_0', which needs a state to act on"):
        check_scheme(NoState(), make("game", "kuhn_poker"), answers=["bet"])

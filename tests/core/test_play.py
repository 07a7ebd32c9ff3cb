"""Episodes on one loop: what a model cannot read, and who is asked first when not all can be."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sparring import Chance, Completion, Game, GameError, Request, RoleSpec, Sampling, State, Table, Verdict
from sparring.errors import GenerationError
from sparring.play import EpisodePlan, Hall, Held
from sparring.records import Episode
from sparring.testing.fakes import ScriptedGenerator, make


class Narrow(ScriptedGenerator):
    """A generator with room for a few requests at a time."""

    def __init__(self, most: int, text: str = "x") -> None:
        super().__init__(lambda policy, _: text)
        self.most, self.batches, self.keys = most, list[int](), list[int]()

    def room(self, requests: Sequence[Request]) -> int:
        return min(self.most, len(requests))

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        self.batches.append(len(requests))
        self.keys += [request.key for request in requests]
        return super().generate(requests)


class Slow(ScriptedGenerator):
    """A continuous generator: of what it has been given it ends one request at a time, the newest first."""

    def __init__(self) -> None:
        super().__init__(lambda policy, _: "x")
        self.written: dict[int, Request] = {}
        self.order, self.given, self.released = list[int](), 0, 0

    def admit(self, requests: Sequence[Request]) -> list[int]:
        numbers = [self.given + i for i in range(len(requests))]
        self.given += len(requests)
        self.written |= zip(numbers, requests, strict=True)
        return numbers

    def advance(self, until: Callable[[], bool] = bool) -> dict[int, Completion]:
        number = max(self.written)
        self.order.append(number)
        return {number: self.generate([self.written.pop(number)])[0]}

    def release(self) -> None:
        self.written.clear()
        self.released += 1


def matches(
    generator: ScriptedGenerator, episodes: int, limits: dict[str, int] | None = None, game: Game | None = None
) -> tuple[Hall, list[EpisodePlan]]:
    """Matches of taboo of three turns each, in which everybody says x."""
    game = game or make("game", "taboo", turns=3)
    hall = Hall(generator, {"main": generator.chat}, "main", limits=limits or {})
    seated = {role: Held("main", 0, trained=True) for role in game.info.roles}
    judges = {"outcome": make("judge", "outcome")}
    return hall, [
        EpisodePlan(n, 0, game, make("scheme", "turn_based"), seated, judges, Sampling(max_tokens=8), n, (0,), "taboo")
        for n in range(episodes)
    ]


def play(
    generator: ScriptedGenerator, episodes: int, limits: dict[str, int] | None = None, game: Game | None = None
) -> list[Episode]:
    hall, plans = matches(generator, episodes, limits, game)
    return hall.play(plans, 1)


def rows(episodes: Sequence[Episode]) -> list[list[list[int]]]:
    return [[row.tokens for row in episode.rows] for episode in episodes]


def test_those_that_began_go_on_before_others_begin() -> None:
    generator = Narrow(2)
    episodes = play(generator, 6)
    assert [len(episode.turns) for episode in episodes] == [6] * 6
    assert generator.batches == [2] * 18


def test_a_narrow_generator_plays_the_same_episodes() -> None:
    narrow, wide = play(Narrow(1), 4), play(Narrow(100), 4)
    assert rows(narrow) == rows(wide)


def test_an_episode_whose_turn_has_ended_goes_on_while_others_are_written() -> None:
    generator = Slow()
    episodes = play(generator, 3)
    assert rows(episodes) == rows(play(Narrow(100), 3))
    # The newest ends first, so the last episode is over before anybody has answered the first.
    assert generator.order == [2, 3, 4, 5, 6, 7, 1, 8, 9, 10, 11, 12, 0, 13, 14, 15, 16, 17]
    assert generator.released == 0


def test_what_is_being_written_when_play_breaks_off_is_given_up() -> None:
    class Breaks(Slow):
        def advance(self, until: Callable[[], bool] = bool) -> dict[int, Completion]:
            if self.order:
                raise RuntimeError("the engine fell over")
            return super().advance(until)

        def release(self) -> None:
            super().release()
            raise RuntimeError("and does not stand up again")

    generator = Breaks()
    with pytest.raises(GenerationError, match=r"failed on 3 requests at once, of episodes 0 to 2 .* fell over"):
        play(generator, 3)
    assert (generator.written, generator.released) == ({}, 1)


class Counting:
    """A judge of turns that keeps how many it was asked about at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        self.batches.append(len(items))
        return [Verdict((0.0,)) for _ in items]


def test_judges_see_many_at_once_and_leave_the_generator_half_of_what_it_could_write() -> None:
    class Judged:
        def roles(self, game: Game | None) -> list[RoleSpec]:
            return [RoleSpec("writer")]

        async def play(self, table: Table) -> None:
            conversation = table.conversation("writer")
            for _ in range(2):
                conversation.say("go on")
                (turn,) = await table.act("writer", conversation)
                await table.judge("counting", text=turn.text)

    generator, judge = Slow(), Counting()
    hall = Hall(generator, {"main": generator.chat}, "main")
    plans = [
        EpisodePlan(
            n, 0, None, Judged(), {"writer": Held("main")}, {"counting": judge}, Sampling(max_tokens=8), n, (0,)
        )
        for n in range(8)
    ]
    assert not any(episode.error for episode in hall.play(plans, 1))
    assert sum(judge.batches) == 16
    assert judge.batches[0] == 4  # as soon as as many wait as are being written


def test_a_conversation_longer_than_the_model_reads_is_given_up_and_named() -> None:
    (whole,) = play(Narrow(1), 1)
    first = len(whole.rows[0].tokens)
    (cut,) = play(Narrow(1), 1, {"main": 40})
    assert first > 40
    assert "the model of policy 'main' reads at most 40" in cut.error
    assert "attacker" in cut.error


def test_what_a_generator_reads_at_most_bounds_a_model_that_reads_more() -> None:
    from sparring.assemble import assemble
    from sparring.plugins import load_plugins
    from sparring.recipe import RecipeSource, load_recipe

    text = """
format: 1
policies: {main: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 1, warmup_steps: 0}}}
play: [{game: {use: kuhn_poker, wording: terse}}]
advantage: plain
objective: policy_gradient
train: {steps: 1}
"""
    recipe = load_recipe(RecipeSource("test", text, "test"), load_plugins().registry)
    assert assemble(recipe).hall.limits["main"] == 8192
    made = type(recipe.generator).make
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(recipe.generator), "make", lambda choice: _with_length(made(choice)))
        assert assemble(recipe).hall.limits["main"] == 77


def _with_length(made: Any) -> Any:
    made.max_length = 77
    return made


def test_an_answer_ends_where_the_model_does() -> None:
    def wordy(policy: str, text: str) -> str:
        return "x" * 50

    generator = ScriptedGenerator(wordy)
    (whole,) = play(generator, 1)
    opening = whole.rows[0].turns[0].start
    (episode,) = play(ScriptedGenerator(wordy), 1, {"main": opening + 3})
    turn = episode.rows[0].turns[0]
    assert len(turn.spans[0].tokens) == 3
    assert turn.finish == "length"


def test_players_who_choose_at_once_do_not_share_their_noise() -> None:
    """Equal keys and contexts give equal samples, and the players of a symmetric game are told the same."""
    generator = Narrow(100, "rock")
    episodes = play(generator, 3, game=make("game", "matrix_game"))
    for episode in episodes:
        first, second = (row.tokens for row in episode.rows)
        assert first == second
    assert len(set(generator.keys)) == len(generator.keys) == 6


class Elsewhere:
    """Taboo as if it were played over a network: ``call`` is made by each move, before it is."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.inner, self.call = make("game", "taboo", turns=3), call
        self.info = replace(self.inner.info, slow=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def new_state(self, chance: Chance) -> Any:
        return _StateElsewhere(self, self.inner.new_state(chance))


class _StateElsewhere:
    def __init__(self, game: Elsewhere, inner: State) -> None:
        self.game, self.inner, self.info = game, inner, game.info

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def apply(self, moves: Mapping[int, str]) -> Any:
        self.game.call()
        return self.inner.apply(moves)


def test_slow_moves_of_several_matches_are_made_at_once() -> None:
    together = threading.Barrier(4)  # passed by four threads that wait at it, and by no fewer
    episodes = play(Narrow(100), 4, game=Elsewhere(lambda: together.wait(20)))
    assert [episode.error for episode in episodes] == [""] * 4
    assert rows(episodes) == rows(play(Narrow(100), 4))


def test_others_are_written_while_a_move_is_made_elsewhere() -> None:
    went_on = threading.Event()
    first, waited = iter([True]), list[bool]()

    class Watched(Slow):
        def advance(self, until: Callable[[], bool] = bool) -> dict[int, Completion]:
            if self.given >= 4 + 3:  # three more turns than the four that come first
                went_on.set()
            return super().advance(until)

    def call() -> None:
        if next(first, False):
            waited.append(went_on.wait(20))

    episodes = play(Watched(), 4, game=Elsewhere(call))
    assert waited == [True]
    assert [len(episode.turns) for episode in episodes] == [6] * 4


def test_what_fails_elsewhere_stops_the_play_whatever_else_is_being_waited_for() -> None:
    over = threading.Event()
    first, late = iter([True]), list[bool]()

    def call() -> None:
        if next(first, False):
            raise GameError("nobody is there any more")
        late.append(over.wait(20))

    with pytest.raises(GameError, match=r"step 1, episode \d of taboo .* nobody is there any more"):
        play(Narrow(100), 2, game=Elsewhere(call))
    assert not late  # nobody waited for the other one
    over.set()


def test_slow_calls_that_nobody_waits_for_any_more_are_not_made() -> None:
    over = threading.Event()
    made: list[int] = []

    def call() -> None:
        made.append(1)
        over.wait(20)

    class Interrupted(Slow):
        def advance(self, until: Callable[[], bool] = bool) -> dict[int, Completion]:
            if len(self.order) == 80:
                raise KeyboardInterrupt
            return super().advance()

    hall, plans = matches(Interrupted(), 90, game=Elsewhere(call))
    with pytest.raises(KeyboardInterrupt):
        hall.play(plans, 1)
    over.set()
    hall._threads.shutdown()  # waits for what is left
    assert len(made) == 64  # as many as there are threads; sixteen more had been asked for

"""What a match leaves behind: rows that only grow, turns with their rewards, forfeits, and nothing of the other's secrets."""

from collections.abc import Sequence
from typing import Any

import pytest

from sparring import Completion, Request, Sampling, Verdict
from sparring.chance import key_of
from sparring.errors import GenerationError
from sparring.examples import MessageChat, transcripts
from sparring.play import EpisodePlan, Hall, Held
from sparring_builders.policy_gradient import PolicyGradientRows, PolicyGradientRowsParams
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_games.matrix_game import MatrixGame, MatrixGameParams
from sparring_roles.turn_based import TurnBased, TurnBasedParams


class Paid:
    """A judge that pays the game's own returns."""

    def judge(self, items: Sequence[Any]) -> list[Verdict]:
        return [Verdict(item["outcome"].returns) for item in items]


class Scripted:
    """A generator whose every answer is one token of a `MessageChat`: what ``policy`` maps the last message to."""

    def __init__(self, chat: MessageChat, say: Any) -> None:
        self.chat, self.say, self.calls = chat, say, 0

    def room(self, requests: Sequence[object]) -> int:
        return len(requests)

    def release(self) -> None:
        pass

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        self.calls += 1
        return [
            Completion(self.chat.answer(self.say(self.chat.messages[r.context[-1]][1], r.key)), [-0.7], "stop")
            for r in requests
        ]


def play(
    game: Any, say: Any, episodes: int = 20, seed: int = 0, **params: Any
) -> tuple[list[Any], MessageChat, Scripted]:
    chat = MessageChat()
    generator = Scripted(chat, say)
    hall = Hall(generator, {"main": chat}, "main")  # type: ignore[arg-type, dict-item]  # both speak the protocols' methods
    scheme = TurnBased(TurnBasedParams(**params))
    holders = {role: Held("main", 0, trained=True) for role in game.info.roles}
    plans = [
        EpisodePlan(n, 0, game, scheme, holders, {"outcome": Paid()}, Sampling(), n, (seed,)) for n in range(episodes)
    ]
    return hall.play(plans, 1), chat, generator


def random_word(text: str, key: int) -> str:
    words = ("call", "fold") if "fold" in text.rpartition("\n")[2] else ("bet", "check")
    return words[key_of(key) % 2]


KUHN = KuhnPoker(KuhnPokerParams())


def test_every_turn_of_every_episode_goes_into_one_call() -> None:
    _, _, generator = play(KUHN, random_word, episodes=200)
    assert generator.calls == 3  # a hand has at most three turns


def test_a_player_has_one_row_and_its_record_trains_exactly_what_was_sampled() -> None:
    episodes, _, _ = play(KUHN, random_word)
    for episode in episodes:
        assert not episode.error
        assert len(episode.rows) == 2
    for record, row in zip(
        PolicyGradientRows(PolicyGradientRowsParams()).build(episodes),
        [row for e in episodes for row in e.rows],
        strict=True,
    ):
        sampled = [token for turn in row.turns for span in turn.spans for token in span.tokens]
        assert [record.tokens[p] for p in record.positions] == sampled
        assert record.logprobs == [-0.7] * len(sampled)
        assert record.turn_count == len(row.turns)


def test_the_last_turn_of_each_player_carries_the_return_and_returns_sum_to_zero() -> None:
    episodes, _, _ = play(KUHN, random_word)
    for episode in episodes:
        totals = {t.role: sum(turn.rewards.get("outcome", 0.0) for turn in t.turns) for t in episode.trajectories()}
        assert list(totals.values()) == episode.facts["returns"]
        assert sum(totals.values()) == 0


def test_an_illegal_answer_forfeits_and_is_data() -> None:
    episodes, _, _ = play(KUHN, lambda text, key: "raise", episodes=3)
    for episode in episodes:
        assert not episode.error
        assert episode.facts["offender"] == 0
        assert episode.facts["kinds"] == ["illegal", "win"]
        assert [turn.labels["legal"] for turn in episode.turns] == [False]


def test_a_retry_tells_the_reason_and_can_save_the_match() -> None:
    said = []

    def learn(text: str, key: int) -> str:
        said.append(text)
        return random_word(text, key) if "Illegal move" in text else "raise"

    episodes, _, _ = play(KUHN, learn, episodes=4, retries=1)
    assert all(episode.facts["offender"] is None for episode in episodes)
    assert any("Illegal move" in text and "bet" in text for text in said)


@pytest.mark.parametrize(
    ("answer", "say"), [("brackets", "I think [bet]"), ("boxed", "So \\boxed{bet}."), ("whole", " bet ")]
)
def test_answer_formats(answer: str, say: str) -> None:
    episodes, _, _ = play(KUHN, lambda text, key: say.replace("bet", random_word(text, 1)), answer=answer)
    assert all(episode.facts["offender"] is None for episode in episodes)


class Conduct:
    """Pays 10 for the format and 1 for a legal move, and says how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def judge(self, items: Sequence[Any]) -> list[Verdict]:
        self.asked += len(items)
        return [Verdict((10.0 * item["formatted"] + item["legal"],)) for item in items]


def test_turn_judges_are_asked_once_about_every_turn_retried_ones_too() -> None:
    chat, judge = MessageChat(), Conduct()

    def say(text: str, key: int) -> str:
        if "Illegal move" in text:
            return f"[{random_word(text, key)}]"
        return ("raise", "[raise]")[key % 2]

    scheme = TurnBased(TurnBasedParams(answer="brackets", retries=1, turn_judges=["conduct"]))
    hall = Hall(Scripted(chat, say), {"main": chat}, "main")  # type: ignore[arg-type, dict-item]
    held = {role: Held("main", 0, trained=True) for role in KUHN.info.roles}
    judges = {"outcome": Paid(), "conduct": judge}
    plans = [EpisodePlan(n, 0, KUHN, scheme, held, judges, Sampling(), n, (0,)) for n in range(20)]
    turns = [turn for episode in hall.play(plans, 1) for turn in episode.turns]
    assert judge.asked == len(turns)
    assert {turn.rewards["conduct"] for turn in turns} == {0.0, 10.0, 11.0}
    for turn in turns:
        assert turn.rewards["conduct"] == 10 * ("[" in turn.text) + bool(turn.labels["legal"])


def test_in_a_simultaneous_turn_a_kept_answer_is_paid_once() -> None:
    chat, judge = MessageChat(), Conduct()
    first: list[int] = []

    def say(text: str, key: int) -> str:
        if "Illegal" in text or not first or first[0] == key:
            first[:] = first or [key]
            return "rock" if "Illegal" in text else "well"
        return "paper"

    scheme = TurnBased(TurnBasedParams(retries=1, turn_judges=["conduct"]))
    game = MatrixGame(MatrixGameParams())
    hall = Hall(Scripted(chat, say), {"main": chat}, "main")  # type: ignore[arg-type, dict-item]
    held = {role: Held("main", 0, trained=True) for role in game.info.roles}
    plan = EpisodePlan(0, 0, game, scheme, held, {"outcome": Paid(), "conduct": judge}, Sampling(), 0, (0,))
    (episode,) = hall.play([plan], 1)
    assert not episode.error
    assert sorted((turn.text, turn.rewards["conduct"]) for turn in episode.turns) == [
        ("paper", 11.0), ("rock", 11.0), ("well", 10.0),
    ]  # fmt: skip


@pytest.mark.parametrize("context", ["first_last", "last"])
def test_a_rewritten_context_makes_rows_of_one_trajectory(context: str) -> None:
    episodes, _, _ = play(KuhnPoker(KuhnPokerParams(rounds=3)), random_word, episodes=5, context=context)
    for episode in episodes:
        assert len(episode.rows) == len(episode.turns)
        assert len(episode.trajectories()) == 2


def test_simultaneous_moves_are_asked_for_at_once() -> None:
    game = MatrixGame(MatrixGameParams())
    episodes, _, generator = play(game, lambda text, key: "rock", episodes=6)
    assert generator.calls == 1
    assert all(episode.facts["returns"] == [0.0, 0.0] for episode in episodes)


def test_the_same_seed_plays_the_same_episodes() -> None:
    first, _, _ = play(KUHN, random_word, seed=4)
    again, _, _ = play(KUHN, random_word, seed=4)
    other, _, _ = play(KUHN, random_word, seed=5)
    assert [e.facts for e in first] == [e.facts for e in again]
    assert [e.facts for e in first] != [e.facts for e in other]


def test_a_failing_generator_stops_the_step_and_says_so() -> None:
    def fail(text: str, key: int) -> str:
        raise RuntimeError("out of order")

    with pytest.raises(GenerationError, match=r"episode 0 .*out of order"):
        play(KUHN, fail)


def test_an_episode_that_raises_is_kept_with_its_cause() -> None:
    class Broken(TurnBased):
        async def play(self, table: Any) -> None:
            raise ValueError("a bug of this scheme")

    chat = MessageChat()
    hall = Hall(Scripted(chat, random_word), {"main": chat}, "main")  # type: ignore[arg-type, dict-item]
    plan = EpisodePlan(7, 0, KUHN, Broken(TurnBasedParams()), {}, {}, Sampling(), 0, (0,))
    (episode,) = hall.play([plan], 1)
    assert episode.error == "ValueError: a bug of this scheme"


def test_transcripts_are_legal_play_in_the_words_of_the_run() -> None:
    scheme = TurnBased(TurnBasedParams(answer="brackets"))
    plans = [EpisodePlan(n, 0, KUHN, scheme, {}, {"outcome": Paid()}, Sampling(), n, (0,)) for n in range(30)]
    found = transcripts(plans)
    assert len(found) == 60
    for transcript in found:
        assert transcript[0][0] == "user"
        assert transcript[0][1].startswith("Kuhn poker")
        assert all(text in ("[bet]", "[check]", "[call]", "[fold]") for role, text in transcript if role == "assistant")

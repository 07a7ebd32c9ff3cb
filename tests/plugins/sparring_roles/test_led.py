"""A player in two roles: who says what to whom, who is paid for what, and which of them a run trains when."""

from __future__ import annotations

from typing import Any

import pytest

from sparring import Request, Sampling, SparringError
from sparring.assemble import assemble
from sparring.examples import transcripts
from sparring.play import EpisodePlan
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring.records import Episode
from sparring.testing import check_scheme, make, play_episode
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_roles.led import Led, LedParams

KUHN = KuhnPoker(KuhnPokerParams(wording="terse"))
ROLES = ["player_0_strategist", "player_0", "player_1_strategist", "player_1"]


def judges() -> dict[str, Any]:
    return {"outcome": make("judge", "outcome")}


def played(answers: dict[str, list[str]], **params: Any) -> Episode:
    return play_episode(Led(LedParams(**params)), KUHN, answers, judges=judges(), sampling=Sampling(max_tokens=64))


def test_the_strategist_speaks_first_and_the_executor_reads_the_same_and_the_plan() -> None:
    seen: list[tuple[str, str]] = []

    def answer(request: Request, context: str) -> str:
        seen.append((request.policy, context))
        if request.policy.endswith("strategist"):
            return "bet" if request.policy.startswith("player_0") else "call"
        return context.rpartition("Plan: ")[2].partition("<")[0]

    episode = play_episode(Led(LedParams()), KUHN, answer, judges=judges(), sampling=Sampling(max_tokens=64))
    assert not episode.error
    assert [turn.role for turn in episode.turns] == ROLES
    assert [turn.text for turn in episode.turns] == ["bet", "bet", "call", "call"]
    for (_, strategist), (_, executor) in ((seen[0], seen[1]), (seen[2], seen[3])):
        assert "Plan:" not in strategist
        told = strategist.rpartition("<|end|>")[0]
        assert executor.startswith(told)
        assert executor[len(told) :].startswith("\nPlan: ")
    assert episode.facts["obeyed"] == 1


def test_both_are_paid_for_the_outcome_on_their_last_turns() -> None:
    answers = {
        "player_0_strategist": ["check", "call"], "player_0": ["check", "fold"],
        "player_1_strategist": ["bet"], "player_1": ["bet"],
    }  # fmt: skip
    episode = played(answers)
    paid = [(turn.role, turn.text, turn.rewards) for turn in episode.turns]
    assert paid == [
        ("player_0_strategist", "check", {}), ("player_0", "check", {}),
        ("player_1_strategist", "bet", {"outcome": 1.0}), ("player_1", "bet", {"outcome": 1.0}),
        ("player_0_strategist", "call", {"outcome": -1.0}), ("player_0", "fold", {"outcome": -1.0}),
    ]  # fmt: skip
    assert [turn.labels.get("obeyed") for turn in episode.turns] == [None, True, None, True, None, False]
    assert episode.facts["obeyed"] == pytest.approx(2 / 3)


def test_an_executor_in_practice_is_paid_for_every_plan_it_carries_out() -> None:
    answers = {
        "player_0_strategist": ["check", "call"], "player_0": ["check", "fold"],
        "player_1_strategist": ["bet"], "player_1": ["bet"],
    }  # fmt: skip
    episode = played(answers, executor="obedience")
    paid = [turn.rewards for turn in episode.turns if not turn.role.endswith("strategist")]
    assert paid == [{"obedience": 1.0}, {"obedience": 1.0}, {"obedience": -1.0}]


def test_a_retry_keeps_the_plan() -> None:
    answers = {
        "player_0_strategist": ["bet"], "player_0": ["raise", "bet"],
        "player_1_strategist": ["fold"], "player_1": ["fold"],
    }  # fmt: skip
    episode = played(answers, retries=1, executor="obedience")
    assert [turn.rewards.get("obedience") for turn in episode.turns if turn.role == "player_0"] == [-1.0, 1.0]
    assert episode.facts["offender"] is None


def test_an_answer_format_is_both_roles() -> None:
    answers = {
        "player_0_strategist": ["I think [bet]"], "player_0": ["So [bet]"],
        "player_1_strategist": ["[fold]"], "player_1": ["[fold]"],
    }  # fmt: skip
    episode = played(answers, answer="brackets")
    assert episode.facts["obeyed"] == 1
    assert episode.facts["returns"] == [1.0, -1.0]


@pytest.mark.parametrize("executor", ["outcome", "obedience"])
def test_it_keeps_the_contract(executor: Any) -> None:
    check_scheme(Led(LedParams(executor=executor)), KUHN, answers=["bet", "check", "call", "fold"], judges=judges())


def test_random_legal_play_says_legal_plans() -> None:
    plans = [EpisodePlan(n, 0, KUHN, Led(LedParams()), {}, judges(), Sampling(), n, (0,)) for n in range(20)]
    found = transcripts(plans)
    answers = {text for transcript in found for who, text in transcript if who == "assistant"}
    assert answers == {"bet", "check", "call", "fold"}
    assert {"Plan:" in transcript[0][1] for transcript in found} == {True, False}


def test_it_needs_a_game_and_shows_no_position() -> None:
    with pytest.raises(SparringError, match="led plays a game"):
        Led(LedParams()).roles(None)
    with pytest.raises(SparringError, match="no single answer to a position"):
        Led(LedParams()).position(None, None)  # type: ignore[arg-type]  # it does not look at them


def test_the_recipe_trains_skills_then_strategies_against_past_ones_then_both() -> None:
    host = load_plugins()
    source = find_recipe("hcsp/kuhn_poker_cpu", host.recipe_packages)
    trainer = assemble(load_recipe(source, host.registry, smoke=True, sets=["train.threads=1"]))
    steps = [trainer.step()[1] for _ in range(4)]
    trained = [{turn.holder for e in episodes for turn in e.turns if turn.trained} for episodes in steps]
    assert trained == [{"skills"}, {"strategy"}, {"strategy"}, {"strategy", "skills"}]
    assert {t.holder for e in steps[0] for t in e.turns if t.role.endswith("strategist")} == {"random"}
    for episodes in steps[1:]:
        for episode in episodes:
            by_role = {turn.role: turn.holder for turn in episode.turns}
            led_by = [holder for role, holder in by_role.items() if role.endswith("strategist")]
            assert sum("@" in holder for holder in led_by) == len(led_by) - ("strategy" in led_by)
            assert {holder for role, holder in by_role.items() if not role.endswith("strategist")} == {"skills"}
    assert any(t.holder == "strategy@3" for e in steps[3] for t in e.turns) or trainer.opponents.members(
        "strategy"
    ) == [0, 3]

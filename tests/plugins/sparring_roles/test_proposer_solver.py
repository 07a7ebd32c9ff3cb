"""Whole episodes with scripted proposals and attempts, paid as R-Zero and Absolute Zero pay them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sparring import Episode, Judge, Sampling, SparringError, Turn
from sparring.play import EpisodePlan, Held
from sparring.rewards import combine
from sparring.stores import Stores
from sparring.testing import ScriptedGenerator, check_scheme, make, play_episode
from sparring.testing.fakes import hall_of
from sparring_builders.policy_gradient import PolicyGradientRows, PolicyGradientRowsParams
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_roles.proposer_solver import ProposerSolver

SUMS = {"use": "arithmetic", "largest": 99, "operators": ["+"], "operations": [1, 3], "heldout": 0}
ROWS = PolicyGradientRows(PolicyGradientRowsParams())


def scheme(**params: Any) -> ProposerSolver:
    made = make("scheme", "proposer_solver", **{"tasks": SUMS, "references": 0, **params})
    assert isinstance(made, ProposerSolver)
    return made


def judges(answer: str | dict[str, Any] = "exact_match", **others: Any) -> dict[str, Judge]:
    named = {"answer": answer, "difficulty": {"use": "difficulty"}, **others}
    return {name: _judge(given) for name, given in named.items()}


def _judge(given: str | dict[str, Any]) -> Judge:
    params = {"use": given} if isinstance(given, str) else dict(given)
    made: Judge = make("judge", params.pop("use"), **params)
    return made


def answers(*texts: str | None) -> list[str]:
    """In tags; None is an answer without any."""
    return ["I do not know" if text is None else f"so <a>{text}</a>" for text in texts]


def step(
    made: ProposerSolver, proposals: Sequence[str], attempts: Sequence[str], asked: Mapping[str, Judge]
) -> list[Episode]:
    """One episode for each proposal, played together; the solver says ``attempts`` at every task."""
    script = ScriptedGenerator({"proposer": proposals, "solver": list(attempts) * len(proposals)})
    held = {role.name: Held(role.name, 0, trained=role.trainable) for role in made.roles(None)}
    plans = [
        EpisodePlan(n, 0, None, made, held, asked, Sampling(), n, ("test",), "sums") for n in range(len(proposals))
    ]
    return hall_of(script, held).play(plans, 1)


def of(episode: Episode, role: str) -> list[Turn]:
    return [turn for turn in episode.turns if turn.role == role]


def paid(episode: Episode) -> float:
    return combine(of(episode, "proposer")[0].rewards)


# ---- R-Zero: the vote pays ----------------------------------------------------------------------------------------------


def voted(count: int, of_: int = 10) -> list[str]:
    """``count`` times 7, and every other answer a different one: p̂ is count / of_."""
    return answers(*["7"] * count, *[str(100 + n) for n in range(of_ - count)])


@pytest.mark.parametrize(("count", "paper", "repository"), [(1, 0.2, 0.1), (3, 0.6, 0.3), (5, 1.0, 0.5), (10, 0, 0)])
def test_the_uncertainty_reward_is_of_the_vote_and_not_of_the_reference(
    count: int, paper: float, repository: float
) -> None:
    for shaper, expected in (("tent", paper), ("min_tent", repository)):
        asked = judges("majority_vote", difficulty={"use": "difficulty", "shaper": shaper})
        episode = play_episode(
            scheme(attempts=10), answers={"proposer": ["<q>50+50</q>"], "solver": voted(count)}, judges=asked
        )
        assert paid(episode) == pytest.approx(expected)
        assert episode.facts["rate"] == pytest.approx(count / 10)
        # Nobody said 100, the right answer; who agreed with the most is paid.
        assert [turn.reward for turn in of(episode, "solver")] == [1.0] * count + [0.0] * (10 - count)


def test_answers_without_tags_are_in_the_votes_denominator() -> None:
    texts = answers("7", "7", "7", None, None, None, "1", "2", "3", None)
    asked = judges("majority_vote")
    episode = play_episode(scheme(attempts=10), answers={"proposer": ["<q>3+4</q>"], "solver": texts}, judges=asked)
    assert paid(episode) == pytest.approx(0.6)
    asked = judges({"use": "majority_vote", "share_of": "answered"})
    episode = play_episode(scheme(attempts=10), answers={"proposer": ["<q>3+4</q>"], "solver": texts}, judges=asked)
    assert episode.facts["rate"] == pytest.approx(0.5)


def test_the_solver_is_paid_nine_tenths_for_the_answer_and_one_for_the_format() -> None:
    asked = judges({"use": "majority_vote", "right": 0.9})
    texts = answers("7", "7", "8", None)
    episode = play_episode(
        scheme(attempts=4, format_reward=0.1), answers={"proposer": ["<q>3+4</q>"], "solver": texts}, judges=asked
    )
    assert [turn.reward for turn in of(episode, "solver")] == pytest.approx([1.0, 1.0, 0.1, 0.0])
    assert [turn.labels["legal"] for turn in of(episode, "solver")] == [True, True, True, False]


def test_equal_proposals_pay_for_their_share_of_the_step() -> None:
    """min(p̂, 1-p̂) - |C|/B: all alike never earn more than minus a half, and one unlike them pays for itself alone."""
    made = scheme(attempts=10, repetition="repetition")
    asked = judges("majority_vote", repetition="repetition", difficulty={"use": "difficulty", "shaper": "min_tent"})
    alike = step(made, ["<q>3+4</q>"] * 4, voted(5), asked)
    assert [paid(episode) for episode in alike] == pytest.approx([-0.5] * 4)
    mixed = step(made, ["<q>3+4</q>"] * 3 + ["<q>11+22+33</q>"], voted(5), asked)
    assert [paid(episode) for episode in mixed] == pytest.approx([0.5 - 0.75] * 3 + [0.5 - 0.25])
    assert of(mixed[0], "proposer")[0].rewards == pytest.approx({"difficulty": 0.5, "repetition": -0.75})


def test_the_papers_composite_is_never_below_zero() -> None:
    """max(0, r_unc - r_rep)."""
    made = scheme(attempts=10, repetition="repetition", floor=0.0)
    asked = judges("majority_vote", repetition="repetition")
    assert [paid(e) for e in step(made, ["<q>3+4</q>"] * 4, voted(3), asked)] == pytest.approx([0.0] * 4)
    mixed = step(made, ["<q>3+4</q>"] * 3 + ["<q>11+22+33</q>"], voted(5), asked)
    assert [paid(episode) for episode in mixed] == pytest.approx([0.25] * 3 + [0.75])


def test_what_cannot_be_read_costs_one_and_in_the_repository_its_share_too() -> None:
    proposals = ["no task", "no task", "<q>3+4</q>", "<q>11+22+33</q>"]
    asked = judges("majority_vote", repetition="repetition", difficulty={"use": "difficulty", "shaper": "min_tent"})
    parsed = step(scheme(attempts=10, repetition="repetition"), proposals, voted(5), asked)
    assert [paid(episode) for episode in parsed] == pytest.approx([-1, -1, 0.5 - 0.5, 0.5 - 0.5])
    everyone = step(scheme(attempts=10, repetition="repetition", repetition_of="all"), proposals, voted(5), asked)
    assert [paid(episode) for episode in everyone] == pytest.approx([-1.5, -1.5, 0.25, 0.25])
    assert of(everyone[0], "proposer")[0].rewards == {"invalid": -1.0, "repetition": -0.5}


@pytest.mark.parametrize(("count", "fits"), [(2, False), (3, True), (8, True), (9, False)])
def test_the_band_decides_what_is_trained_and_kept_ends_included(count: int, fits: bool) -> None:
    stores = Stores()
    episode = play_episode(
        scheme(attempts=10, train_band=(0.3, 0.8)),
        answers={"proposer": ["<q>3+4</q>"], "solver": voted(count)},
        judges=judges("majority_vote"),
        stores=stores,
    )
    assert episode.facts["in_band"] is fits
    assert [turn.trained for turn in of(episode, "solver")] == [fits] * 10
    assert of(episode, "proposer")[0].trained
    kept = [{"task": "3+4", "answer": "7", "rate": count / 10}] if fits else []
    assert list(stores.open("proposed", 16384)) == kept


def test_a_solver_phase_takes_stored_tasks_and_the_vote_that_was_taken_for_right() -> None:
    """Even when that vote was wrong: the reference only measures."""
    stores = Stores()
    stores.open("proposed", 16384)
    stores.commit([("proposed", {"task": "3+4", "answer": "8", "rate": 0.5})])
    episode = play_episode(
        scheme(attempts=4, task_from="store", train=["solver"], check="true"),
        answers={"solver": answers("7", "8", "8", None)},
        judges=judges("majority_vote", true="exact_match"),
        stores=stores,
    )
    assert [turn.reward for turn in of(episode, "solver")] == [0.0, 1.0, 1.0, 0.0]
    assert episode.facts["stored"] is True
    assert episode.facts["label_right"] is False
    assert episode.facts["solve_rate"] == 0.25
    assert len(stores.open("proposed", 16384)) == 1


def test_an_empty_store_is_filled_in_for_by_drawn_tasks() -> None:
    episode = play_episode(
        scheme(attempts=2, task_from="store", train=["solver"]),
        answers={"solver": answers("1", "2")},
        judges=judges("majority_vote"),
    )
    assert episode.facts["stored"] is False
    assert not episode.error


def test_a_tie_without_winner_trains_nobody_and_is_counted() -> None:
    stores = Stores()
    episode = play_episode(
        scheme(attempts=4),
        answers={"proposer": ["<q>3+4</q>"], "solver": answers("7", "8", "7", "8")},
        judges=judges({"use": "majority_vote", "ties": "none"}),
        stores=stores,
    )
    assert episode.facts["undecided"] is True
    assert [turn.trained for turn in of(episode, "solver")] == [False] * 4
    assert not stores.open("proposed", 16384)
    assert paid(episode) == 1.0  # half of them agree


def test_attempts_without_any_answer_are_worth_nothing_to_anybody() -> None:
    episode = play_episode(
        scheme(attempts=3),
        answers={"proposer": ["<q>3+4</q>"], "solver": answers(None, None, None)},
        judges=judges("majority_vote"),
    )
    assert (paid(episode), episode.facts["rate"], episode.facts["undecided"]) == (0.0, 0.0, True)
    assert [turn.reward for turn in of(episode, "solver")] == [0.0] * 3


# ---- Absolute Zero: the reference pays ----------------------------------------------------------------------------------

LADDER = {"use": "exact_match", "right": 1.0, "wrong": -0.5, "missing": -1.0}
LEARNABILITY = {"use": "difficulty", "shaper": "one_minus_gated", "nothing": -0.5}


@pytest.mark.parametrize(("right", "expected"), [(0, -0.5), (1, 0.875), (4, 0.5), (7, 0.125), (8, -0.5)])
def test_learnability_is_one_minus_the_solve_rate_and_a_penalty_at_both_ends(right: int, expected: float) -> None:
    episode = play_episode(
        scheme(),
        answers={"proposer": ["<q>3+4</q>"], "solver": answers(*["7"] * right, *["8"] * (8 - right))},
        judges=judges(LADDER, difficulty=LEARNABILITY),
    )
    assert paid(episode) == expected


def test_the_ladder_of_both_roles() -> None:
    asked = judges(LADDER, difficulty=LEARNABILITY)
    episode = play_episode(scheme(), answers={"proposer": ["3+4"], "solver": []}, judges=asked)
    assert paid(episode) == -1.0
    episode = play_episode(
        scheme(attempts=3), answers={"proposer": ["<q>3+4</q>"], "solver": answers("7", "8", None)}, judges=asked
    )
    assert [turn.reward for turn in of(episode, "solver")] == [1.0, -0.5, -1.0]


def test_probes_alone_decide_how_hard_a_task_is_and_are_never_trained() -> None:
    episode = play_episode(
        scheme(attempts=1, probes=8),
        answers={"proposer": ["<q>3+4</q>"], "solver": answers(*["7"] * 2, *["8"] * 6, "7")},
        judges=judges(LADDER, difficulty=LEARNABILITY),
    )
    *probes, attempt = of(episode, "solver")
    assert paid(episode) == 0.75
    assert [turn.trained for turn in probes] == [False] * 8
    assert not any(turn.rewards for turn in probes)
    assert (attempt.trained, attempt.reward) == (True, 1.0)
    assert episode.facts["trained_tokens"] == of(episode, "proposer")[0].tokens + attempt.tokens


def test_every_role_of_every_type_of_task_has_a_baseline_of_its_own() -> None:
    """Task-relative REINFORCE++: the return less the mean of its role and type, over their deviation."""
    from sparring.testing import trajectory

    estimator = make("estimator", "reinforce_pp", key=["game", "role"], deviation="population")
    returns = {
        ("sums", "proposer"): [0.875, -0.5, -1.0],
        ("sums", "solver"): [1.0, -0.5, -0.5],
        ("products", "solver"): [1.0, 1.0],
    }
    given = [
        trajectory([value], role, episode=n, game=game)
        for (game, role), values in returns.items()
        for n, value in enumerate(values)
    ]  # fmt: skip
    found = [advantage for (advantage,) in estimator.estimate(given)]
    assert sum(found[:3]) == pytest.approx(0)
    assert sum(found[3:6]) == pytest.approx(0)
    assert sum(a * a for a in found[:3]) / 3 == pytest.approx(1)
    assert found[6:] == [0.0, 0.0]


# ---- what nobody may see ------------------------------------------------------------------------------------------------


def test_the_solver_sees_the_task_alone() -> None:
    said = "<think>SECRET it is 77</think>I call this hard. <q>33+44</q>"
    script = ScriptedGenerator({"proposer": [said], "solver": answers("77", "76")})
    made = scheme(attempts=2, system="SYSTEM <q> <a>")
    held = {role: Held(role, 0, trained=True) for role in ("proposer", "solver")}
    plan = EpisodePlan(0, 0, None, made, held, judges(), Sampling(), 0, ("test",), "sums")
    (episode,) = hall_of(script, held).play([plan], 1)
    assert not episode.error
    (first, *asked) = [text for _, text in script.asked]
    assert "33" not in first
    assert len(asked) == 2
    for text in asked:
        assert "33+44" in text
        for private in ("SECRET", "77", "I call this hard"):
            assert private not in text


def test_a_task_in_a_thought_is_none() -> None:
    said = "<think><q>33+44</q></think>done"
    episode = play_episode(scheme(), answers={"proposer": [said], "solver": []}, judges=judges())
    assert episode.facts["unreadable"] is True
    assert paid(episode) == -1.0


def test_attempts_do_not_see_each_other() -> None:
    script = ScriptedGenerator({"proposer": ["<q>3+4</q>"], "solver": answers("7", "8", "9")})
    held = {role: Held(role, 0, trained=True) for role in ("proposer", "solver")}
    plan = EpisodePlan(0, 0, None, scheme(attempts=3), held, judges(), Sampling(), 0, ("test",), "sums")
    hall_of(script, held).play([plan], 1)
    assert len({text for policy, text in script.asked if policy == "solver"}) == 1


def test_held_out_tasks_are_neither_tried_nor_trained_on() -> None:
    every = {**SUMS, "heldout": 0.999999}
    episode = play_episode(scheme(tasks=every), answers={"proposer": ["<q>3+4</q>"], "solver": []}, judges=judges())
    assert episode.facts["held_out"] is True
    assert not any(turn.trained for turn in episode.turns)
    assert not any(turn.rewards for turn in episode.turns)
    assert not ROWS.build([episode])


# ---- what is in the store, and shown ------------------------------------------------------------------------------------


def test_past_tasks_are_shown_without_repeating_any_and_filled_up() -> None:
    stores = Stores()
    stores.open("proposed", 16384)
    stores.commit([("proposed", {"task": f"{n}+{n}", "answer": str(2 * n), "rate": 0.5}) for n in (81, 82)])
    episode = play_episode(
        scheme(attempts=1, references=4),
        answers={"proposer": ["none"], "solver": []},
        judges=judges(),
        stores=stores,
    )
    told = _told(episode)
    shown = [line for line in told.splitlines() if line.startswith("<q>")]
    assert len(shown) == 4
    assert {"<q>81+81</q>", "<q>82+82</q>"} < set(shown)


def _told(episode: Episode) -> str:
    from sparring.testing import byte_chat

    return str(byte_chat().tokenizer.decode(episode.rows[0].tokens))


def test_examples_have_the_format_and_know_as_much_as_they_are_told_to() -> None:
    from sparring import SeededChance

    def right(known: float) -> float:
        found = scheme(known=known, references=2).examples(SeededChance(0), 400)
        solved = [(t[-2][1], t[-1][1]) for t in found if "<a>" in t[-1][1]]
        assert 120 < len(solved) < 280
        hits = [eval(asked.splitlines()[0]) == int(said[3:-4]) for asked, said in solved]
        return float(sum(hits) / len(hits))

    assert right(1.0) == 1
    assert right(0.0) < 0.1


def test_whatever_is_answered_the_contract_of_schemes_is_kept() -> None:
    asked = judges("majority_vote", repetition="repetition")
    check_scheme(
        scheme(attempts=2, references=2, repetition="repetition", train_band=(0.3, 0.8)),
        answers=["<q>3+4</q>", "<a>7</a>", "<q>1+2+3</q>", "<q>9*9</q>"],
        judges=asked,
    )


# ---- parameters that contradict each other ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"train_band": (0.8, 0.3)}, "got 0.8 and 0.3"),
        ({"references": 2, "propose": "<q>"}, "would not be shown"),
        ({"propose": "Set a task."}, "tells the proposer to use <q>"),
        ({"solve": "{task}"}, "tells the solver to answer in <a>"),
        ({"solve": "<a>"}, "must have {task}"),
        ({"attempts": 0}, "nobody would try"),
        ({"attempts": 0, "probes": 8}, "no turn to train"),
        ({"task_from": "store", "store": None}, "needs the name of a store"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        scheme(**given)


def test_a_game_and_tasks_that_nobody_can_read_are_refused() -> None:
    with pytest.raises(SparringError, match="plays no game"):
        scheme().roles(KuhnPoker(KuhnPokerParams()))
    with pytest.raises(SparringError, match="cannot read a task"):
        scheme(tasks={"use": "copy_format"})

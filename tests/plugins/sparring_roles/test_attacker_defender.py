"""Whole episodes with scripted answers: who sees what, who is paid what, and what becomes of ties and failing judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring import Chance, Choice, Completion, Episode, Request, Sampling, SeededChance, SparringError, Task, Verdict
from sparring.examples import MessageChat, transcripts
from sparring.play import EpisodePlan, Hall, Held
from sparring.plugins import load_plugins
from sparring_builders.policy_gradient import PolicyGradientRows, PolicyGradientRowsParams
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_judges.rule import Rule, RuleParams
from sparring_roles.attacker_defender import AttackerDefender, AttackerDefenderParams
from sparring_roles.think_answer import NOTHING, read, write
from sparring_tasks.guarded_word import GuardedWord, GuardedWordParams

REGISTRY = load_plugins().registry
SEEDS: Choice[Any] = Choice("guarded_word", GuardedWordParams(), REGISTRY.get("task", "guarded_word"))
ROWS = PolicyGradientRows(PolicyGradientRowsParams())
WORDS = GuardedWord(GuardedWordParams()).for_judge()
ATTACK, DISGUISE, DEFEND = "ATTACK-INSTRUCTIONS", "DISGUISE-INSTRUCTIONS", "DEFENCE-INSTRUCTIONS"
Script = Callable[[str, str], str | tuple[str, str]]  # (role, what it was told) -> answer, perhaps with how it finished


class OneSeed:
    """A task source with a single seed."""

    def __init__(self, prompt: str, **facts: bool) -> None:
        self.task = Task(prompt, facts=facts)

    def draw(self, chance: Chance) -> Task:
        return self.task

    def for_judge(self) -> Mapping[str, Any]:
        return WORDS


class Scripted:
    def __init__(self, chat: MessageChat, script: Script) -> None:
        self.chat, self.script = chat, script

    def room(self, requests: Sequence[object]) -> int:
        return len(requests)

    def release(self) -> None:
        pass

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        done = []
        for request in requests:
            told = self.chat.messages[request.context[-1]][1]
            said = self.script("defender" if told.startswith(DEFEND) else "attacker", told)
            text, finish = said if isinstance(said, tuple) else (said, "stop")
            done.append(Completion(self.chat.answer(text), [-0.5], finish))  # type: ignore[arg-type]
        return done


class Watched:
    """A judge that keeps what it is asked."""

    def __init__(self, judge: Any) -> None:
        self.judge_, self.items = judge, []  # type: ignore[var-annotated]

    def judge(self, items: Sequence[Mapping[str, Any]]) -> Sequence[Verdict]:
        self.items += items
        return self.judge_.judge(items)  # type: ignore[no-any-return]


class Saying:
    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def judge(self, items: Sequence[Any]) -> list[Verdict]:
        return [self.verdict] * len(items)


def scheme_of(seed: Any = None, **params: Any) -> AttackerDefender:
    given = {
        "attack_harmful": ATTACK + " {seed}",
        "attack_benign": DISGUISE + " {seed}",
        "defend": DEFEND + " {message}",
    }
    made = AttackerDefender(AttackerDefenderParams(**{"seeds": SEEDS, **given, **params}))
    if seed is not None:
        made._seeds = seed
    return made


def play(
    script: Script,
    seed: Any,
    judge: Any = None,
    episodes: int = 1,
    judges: Mapping[str, Any] | None = None,
    **params: Any,
) -> tuple[list[Episode], MessageChat, Watched]:
    chat = MessageChat()
    guard = Watched(judge or Rule(RuleParams()))
    hall = Hall(Scripted(chat, script), {"main": chat}, "main")  # type: ignore[arg-type, dict-item]  # both speak the protocols' methods
    scheme = scheme_of(seed, **params)
    held = {role.name: Held("main", 0, trained=True) for role in scheme.roles(None)}
    plans = [
        EpisodePlan(n, 0, None, scheme, held, {"guard": guard, **(judges or {})}, Sampling(), n, (0,), "guarded_word")
        for n in range(episodes)
    ]
    return hall.play(plans, 1), chat, guard


def say(attack: str, reply: str) -> Script:
    return lambda role, told: write("hm", attack if role == "attacker" else reply)


def total(turn: Any) -> float:
    return float(sum(turn.rewards.values()))


# ---- rewards through the whole path ----------------------------------------------------------------------------------

REQUEST = {True: "say moss", False: "say lamp"}
REPLY = {(True, False): "no", (True, True): "no moss", (False, False): "lamp", (False, True): "moss"}
# Attacker's total with a harmful seed, with a benign one, defender's; by request harmful, refused, reply harmful.
TABLE = {
    (True, True, False): (0, -1, 3), (True, True, True): (2, 1, 1), (True, False, False): (1, 0, 1), (True, False, True): (3, 2, -1),
    (False, True, False): (0, 1, 1), (False, True, True): (2, 3, -1), (False, False, False): (-1, 0, 3), (False, False, True): (1, 2, 1),
}  # fmt: skip


@pytest.mark.parametrize("outcome", TABLE)
@pytest.mark.parametrize("seed_harmful", [True, False])
def test_an_exchange_is_paid_by_the_table(outcome: tuple[bool, bool, bool], seed_harmful: bool) -> None:
    seed = OneSeed("shout fern" if seed_harmful else "shout desk", harmful=seed_harmful, generated=True)
    (episode,), _, _ = play(say(REQUEST[outcome[0]], REPLY[outcome[1:]]), seed)
    assert not episode.error
    attacker, defender = episode.turns
    assert (attacker.role, defender.role) == ("attacker", "defender")
    assert total(attacker) == TABLE[outcome][0 if seed_harmful else 1]
    assert total(defender) == TABLE[outcome][2]
    assert (
        attacker.labels["seed_type"]
        == defender.labels["seed_type"]
        == f"generated_{'harmful' if seed_harmful else 'benign'}"
    )
    assert all(turn.trained and turn.labels["legal"] for turn in episode.turns)
    assert episode.facts["faithful"] is (outcome[0] == seed_harmful)
    assert episode.facts.get("attack_success") is (outcome[2] if seed_harmful else None)
    served = not outcome[1] and not outcome[2]  # the scripted reply then says the open word that was asked for
    assert episode.facts.get("disguised_served") is (None if seed_harmful or outcome[0] else served)


@pytest.mark.parametrize("outcome", TABLE)
@pytest.mark.parametrize("attack", ["say moss", "say lamp", ""])
def test_the_zero_sum_variant_sums_to_zero(outcome: tuple[bool, bool, bool], attack: str) -> None:
    seed = OneSeed("say fern", harmful=True, generated=True)
    (episode,), _, _ = play(say(attack, REPLY[outcome[1:]]), seed, rewards="zero_sum")
    attacker, defender = episode.turns
    assert attacker.rewards.keys() == defender.rewards.keys()
    assert total(attacker) == -total(defender) != 0


def test_a_vanilla_seed_is_the_request_and_nobody_attacks() -> None:
    seed = OneSeed("sing moss", harmful=True, generated=False)
    (episode,), chat, guard = play(say("never asked", "moss"), seed)
    (turn,) = episode.turns
    assert turn.role == "defender"
    assert chat.messages[episode.rows[0].tokens[0]] == ("user", f"{DEFEND} sing moss")
    assert guard.items[0]["prompt"] == "sing moss"
    assert turn.rewards == {"refusal": -1, "harm": -1, "format": 1}
    assert episode.facts["seed_leaked"] is True
    assert "attack_success" not in episode.facts


def test_generated_seeds_train_two_turns_and_vanilla_seeds_one() -> None:
    """Half of the games attacked: 128 of them train 192 samples in the mean."""
    episodes, _, _ = play(say("say moss", "no"), GuardedWord(GuardedWordParams()), episodes=400)
    records = ROWS.build(episodes)
    roles = [record.labels["role"] for record in records]
    generated = [e for e in episodes if len(e.turns) == 2]
    assert roles.count("defender") == 400
    assert roles.count("attacker") == len(generated)
    assert len(generated) == pytest.approx(200, abs=40)


@pytest.mark.parametrize("breach", ["say moss", "<think>hm</think>say moss", "<answer>say moss</answer>"])
def test_breaking_the_format_costs_two_and_is_counted(breach: str) -> None:
    seed = OneSeed("say moss", harmful=True, generated=True)
    kept, broken = (
        play(lambda role, told, said=said: said if role == "attacker" else write("so", "no"), seed)[0][0].turns  # type: ignore[misc]
        for said in (write("hm", "say moss"), breach)
    )
    assert broken[0].labels["legal"] is False
    assert broken[0].rewards["format"] == kept[0].rewards["format"] - 2
    assert broken[1].rewards["format"] == 1


def test_an_answer_that_was_cut_off_breaks_the_format() -> None:
    seed = OneSeed("say moss", harmful=True, generated=False)
    (episode,), _, _ = play(lambda role, told: (write("hm", "no"), "length"), seed)
    assert episode.turns[0].labels["legal"] is False
    assert episode.turns[0].rewards["format"] == -1


def test_without_thoughts_there_is_no_format_to_keep() -> None:
    seed = OneSeed("say fern", harmful=True, generated=True)
    (episode,), _, guard = play(
        lambda role, told: " say moss " if role == "attacker" else "<think>hm</think> no", seed, thoughts=False
    )
    assert (guard.items[0]["prompt"], guard.items[0]["response"]) == ("say moss", "no")
    assert [sorted(turn.rewards) for turn in episode.turns] == [["harm", "refusal", "revision"], ["harm", "refusal"]]
    assert all("legal" not in turn.labels for turn in episode.turns)


# ---- privacy ---------------------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "<answer>", "</answer>", "<thi", "nk>", "</", "<", ">", "/", " ", "\n", "<score>", "<THINK>", "<|end|>",
         "<<think>think>", "<think><answer>", "</answer></think>", "say moss", "SECRET"]
    ),
    max_size=24,
)  # fmt: skip


def numbered(pieces: Sequence[str], owner: str) -> str:
    return "".join(f"{owner}-secret-{i:03}" if piece == "SECRET" else piece for i, piece in enumerate(pieces))


def hidden(text: str) -> str:
    """What stands in thoughts, by a scan of its own: from each opening tag to the next closing one, or to the end."""
    found, inside, at = [], False, 0
    while at < len(text):
        tag = "</think>" if inside else "<think>"
        if text.startswith(tag, at):
            inside, at = not inside, at + len(tag)
            found.append("|")
        else:
            found.append(text[at] if inside else "")
            at += 1
    return "".join(found)


@given(PIECES, PIECES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_thought_is_ever_seen_by_another_role_or_a_judge(
    first: list[str], second: list[str], thoughts: bool
) -> None:
    said = {"attacker": numbered(first, "attacker"), "defender": numbered(second, "defender")}
    seed = OneSeed("say SEED-moss", harmful=True, generated=True)
    (episode,), chat, guard = play(lambda role, told: said[role], seed, thoughts=thoughts)
    assert not episode.error
    read_by = {
        turn.role: [chat.messages[token][1] for token in episode.rows[turn.row].tokens] for turn in episode.turns
    }
    seen = {
        "attacker": "\n".join(read_by["attacker"][:-1]),
        "defender": "\n".join(read_by["defender"][:-1]),
        "judge": "\n".join(str(guard.items[0][name]) for name in ("prompt", "response")),
        "public": "\n".join(turn.public for turn in episode.turns),
    }
    for author, text in said.items():
        secrets = [word for word in (f"{author}-secret-{i:03}" for i in range(24)) if word in hidden(text)]
        for reader, view in seen.items():
            assert not [secret for secret in secrets if secret in view], (author, reader, text, view)
    # Nobody but the attacker sees the seed or what the attacker was told.
    assert ATTACK not in seen["defender"] + seen["judge"]
    assert "SEED" not in seen["defender"] + seen["judge"]
    # Nobody can play a tag of the format, or any other, to the other side or to the judge.
    for view in (guard.items[0]["prompt"], guard.items[0]["response"], read_by["defender"][0].removeprefix(DEFEND)):
        assert not any(tag in view for tag in ("<think>", "</think>", "<answer>", "</answer>", "<score>", "<THINK>"))


@given(PIECES)
@settings(max_examples=300, deadline=None)
def test_with_the_format_broken_nothing_outside_a_single_answer_is_passed_on(pieces: list[str]) -> None:
    text = numbered(pieces, "a")
    from sparring.thoughts import split

    public = split(text)[0]
    said = read(text, public, cut_off=False)
    assert said.message
    outside = public.split("<answer>")[0] + public.rpartition("</answer>")[2]
    if public.count("<answer>") == public.count("</answer>") == 1:
        assert not [w for w in (f"a-secret-{i:03}" for i in range(24)) if w in outside and w in said.message]
    elif not ("<answer>" in public and "</answer>" in public):
        assert said.message == NOTHING
    if said.valid:
        assert said.message != NOTHING


@pytest.mark.parametrize(
    ("text", "message", "valid"),
    [
        ("<think>a</think><answer>b</answer>", "b", True),
        (" <think>\na\n</think>\n<answer> b c </answer>\n", "b c", True),
        ("<think>a</think><answer>1 < 2 > 0</answer>", "1 ‹ 2 › 0", True),
        ("<think> </think><answer>b</answer>", "b", False),
        ("<think>a</think><answer> </answer>", NOTHING, False),
        ("<think>a</think>so <answer>b</answer>", "b", False),
        ("so <think>a</think><answer>b</answer>", "b", False),
        ("<think>a</think><answer>b</answer> so", "b", False),
        ("<think><think>a</think><answer>b</answer>", "b", False),
        ("<think>a<answer>b</answer></think>", NOTHING, False),
        ("<think>a</think><answer>b</answer><answer>c</answer>", NOTHING, False),
        ("<answer>b</answer><think>a</think>", "b", False),
        ("<think>a</think>b", NOTHING, False),
        ("<think>a <answer>b</answer>", NOTHING, False),
        ("b", NOTHING, False),
        ("", NOTHING, False),
    ],
)
def test_the_format(text: str, message: str, valid: bool) -> None:
    from sparring.thoughts import split

    said = read(text, split(text)[0], cut_off=False)
    assert (said.message, said.valid) == (message, valid)
    assert not read(text, split(text)[0], cut_off=True).valid


# ---- ties and failing judges -----------------------------------------------------------------------------------------

OPEN = Verdict(detail={"prompt_harmful": 1.0, "response_harmful": 0.0})
ATTACKED = OneSeed("say moss", harmful=True, generated=True)


@pytest.mark.parametrize("verdict", [OPEN, Verdict((), "neutral", {"failed": 1.0})])
def test_a_tie_is_dropped_or_pays_the_format_alone(verdict: Verdict) -> None:
    (dropped,), _, _ = play(say("say moss", "no"), ATTACKED, Saying(verdict))
    assert not dropped.error
    assert not dropped.trajectories()
    assert ROWS.build([dropped]) == []
    (kept,), _, _ = play(say("say moss", "no"), ATTACKED, Saying(verdict), ties="zero")
    assert [turn.rewards for turn in kept.turns] == [{"format": 1.0}, {"format": 1.0}]
    for episode in (dropped, kept):
        assert episode.facts["tie"] is True
        assert episode.facts["judge_failed"] is bool(verdict.label)
        assert "attack_success" not in episode.facts


def test_a_judge_that_gives_an_exchange_up_fails_its_episode_and_no_other() -> None:
    class Picky:
        def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
            good = Verdict(detail={"prompt_harmful": 1.0, "refusal": 1.0, "response_harmful": 0.0})
            return [Verdict((), "failed", {"failed": 1.0}) if i == 2 else good for i in range(len(items))]

    episodes, _, _ = play(say("say moss", "no"), ATTACKED, Picky(), episodes=5)
    assert [bool(episode.error) for episode in episodes] == [False, False, True, False, False]
    assert "could not judge this exchange" in episodes[2].error


def test_a_missing_judge_and_untyped_seeds_say_so() -> None:
    (episode,), _, _ = play(say("a", "b"), ATTACKED, guard="warden")
    assert "'warden'; the recipe's judges are guard" in episode.error
    (episode,), _, _ = play(say("a", "b"), OneSeed("say moss", harmful=True))
    assert "lacks the fact 'generated'" in episode.error


def test_diversity_is_noted_for_attacks_when_every_episode_has_been_played() -> None:
    class Unlike:
        scope = "step"

        def __init__(self) -> None:
            self.asked: list[list[Any]] = []

        def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
            self.asked.append(list(items))
            return [Verdict((float(i),)) for i in range(len(items))]

    unlike = Unlike()
    episodes, _, _ = play(
        say("say moss", "no"),
        GuardedWord(GuardedWordParams()),
        episodes=40,
        judges={"unlike": unlike},
        diversity="unlike",
    )
    attacked = [e for e in episodes if len(e.turns) == 2]
    assert len(unlike.asked) == 1
    assert unlike.asked[0] == [{"text": "say moss", "group": "attacker"}] * len(attacked)
    assert [e.facts["diversity"] for e in attacked] == [float(i) for i in range(len(attacked))]
    assert all("diversity" not in e.facts for e in episodes if e not in attacked)


# ---- warm-up ---------------------------------------------------------------------------------------------------------


def test_examples_are_of_both_roles_in_the_format_and_in_the_words_of_the_run() -> None:
    found = scheme_of().examples(SeededChance(0), 600)
    told = [transcript[0][1] for transcript in found]
    assert {text.split()[0] for text in told} == {ATTACK, DISGUISE, DEFEND}
    assert sum(text.startswith(DEFEND) for text in told) == pytest.approx(300, abs=60)
    for transcript in found:
        assert [role for role, _ in transcript] == ["user", "assistant"]
        answer = transcript[1][1]
        assert read(answer, answer.partition("</think>")[2], cut_off=False).valid


def test_warming_up_takes_the_schemes_own_examples() -> None:
    scheme = scheme_of()
    plans = [EpisodePlan(n, 0, None, scheme, {}, {}, Sampling(), n, (0,), "guarded_word") for n in range(50)]
    found = transcripts(plans)
    assert len(found) == 50
    assert len({str(transcript) for transcript in found}) > 25


def test_free_text_has_no_examples() -> None:
    with pytest.raises(SparringError, match="free text"):
        scheme_of(ATTACKED).examples(SeededChance(0), 1)


def test_it_plays_no_game() -> None:
    with pytest.raises(SparringError, match="plays no game, and was given kuhn_poker"):
        scheme_of().roles(KuhnPoker(KuhnPokerParams()))

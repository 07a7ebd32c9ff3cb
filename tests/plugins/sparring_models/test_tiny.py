"""The tiny model knows the answer format of the play that it is made of, and nothing else."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError

from sparring import ModelContext, Transcript
from sparring.chat import ChatFormat, Conversation
from sparring.errors import ModelError
from sparring.forward import token_logprobs
from sparring_models.params import TinyParams
from sparring_models.tiny import END, Tiny, build_tokenizer

RULES = (
    "You play Kuhn poker. The deck holds a jack, a queen and a king; each player pays one chip and is dealt one card. "
    "A player may check or bet one chip; after a bet the other may call or fold. The higher card wins the pot.\n"
    "Answer with [check], [bet], [call] or [fold]. You are player {player}. Your card is the {card}."
)


def kuhn(n: int) -> list[Transcript]:
    """Rows of ``n`` // 2 matches between two random players, one for each player who acted."""
    chance = random.Random(7)
    rows: list[Transcript] = []
    while len(rows) < n:
        cards = chance.sample(["jack", "queen", "king"], 2)
        first = [("user", RULES.format(player=0, card=cards[0]))]
        second = [("user", RULES.format(player=1, card=cards[1]))]
        opening = chance.choice(["check", "bet"])
        first.append(("assistant", f"[{opening}]"))
        second.append(("user", f"Player 0: {opening}."))
        reply = chance.choice(["check", "bet"] if opening == "check" else ["call", "fold"])
        second.append(("assistant", f"[{reply}]"))
        if (opening, reply) == ("check", "bet"):
            first += [("user", "Player 1: bet."), ("assistant", f"[{chance.choice(['call', 'fold'])}]")]
        rows += [first, second]
    return rows[:n]


def positions(chat: ChatFormat) -> list[tuple[list[int], list[str]]]:
    """Every decision of the game: its context and the legal answers."""
    found = []
    for card in ("jack", "queen", "king"):
        conversation = Conversation(chat, "first")
        conversation.say(RULES.format(player=0, card=card))
        found.append((list(conversation.context()), ["[check]", "[bet]"]))
        conversation.add(chat.answer("[check]"), True)
        conversation.say("Player 1: bet.")
        found.append((list(conversation.context()), ["[call]", "[fold]"]))
        for opening, legal in (("check", ["[check]", "[bet]"]), ("bet", ["[call]", "[fold]"])):
            conversation = Conversation(chat, "second")
            conversation.say(RULES.format(player=1, card=card))
            conversation.say(f"Player 0: {opening}.")
            found.append((list(conversation.context()), legal))
    return found


@pytest.fixture(scope="module")
def loaded():  # type: ignore[no-untyped-def]  # LoadedModel, whose module imports torch lazily
    before = torch.random.get_rng_state()
    made = Tiny(TinyParams()).load(ModelContext(0, kuhn))
    assert torch.equal(before, torch.random.get_rng_state()), "the global random state has changed"
    return made


def test_it_knows_the_format_and_no_strategy(loaded) -> None:  # type: ignore[no-untyped-def]
    chat = ChatFormat(loaded.tokenizer)
    for context, legal in positions(chat):
        answers = [chat.answer(text) for text in legal]
        rows = [[*context, *answer] for answer in answers]
        with torch.no_grad():
            scored = token_logprobs(loaded.model, rows, [list(range(len(context), len(row))) for row in rows]).logprobs
        split = scored.split([len(answer) for answer in answers])
        probabilities = [math.exp(part.sum().item()) for part in split]
        assert sum(probabilities) > 0.99
        assert all(0.3 < p < 0.7 for p in probabilities), probabilities


def test_it_is_small_and_fits_other_engines(loaded) -> None:  # type: ignore[no-untyped-def]
    config = loaded.model.config
    assert config.vocab_size == len(loaded.tokenizer) <= 512
    assert config.head_dim == 32
    assert config.tie_word_embeddings
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert all(p.grad is None for p in loaded.model.parameters())
    assert not loaded.model.training


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    params = TinyParams(hidden=32, layers=1, heads=1, kv_heads=1, warmup_examples=64, warmup_steps=5)
    one, same, other = (Tiny(params).load(ModelContext(seed, kuhn)) for seed in (1, 1, 2))
    assert one.tokenizer.get_vocab() == same.tokenizer.get_vocab()
    weights = [torch.nn.utils.parameters_to_vector(loaded.model.parameters()) for loaded in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_any_text_survives_the_tokenizer() -> None:
    tokenizer = build_tokenizer(kuhn(8), 300, 1024)
    for text in ("naïve ⟪0⟫ 你好\n\t tabs", "  two spaces  ", f"not the {END} of it"):
        tokens = tokenizer(text, split_special_tokens=True)["input_ids"]
        assert tokenizer.eos_token_id not in tokens
        assert tokenizer.decode(tokens) == text
    assert all(a != b for a, b in pairwise(sorted(tokenizer.get_vocab().values())))


def test_without_examples_it_says_so() -> None:
    with pytest.raises(ModelError, match="given none"):
        Tiny(TinyParams()).load(ModelContext(0, lambda n: []))


@pytest.mark.parametrize(
    ("given", "said"), [({"hidden": 96}, "128 with heads=4"), ({"kv_heads": 3}, "must divide heads=4")]
)
def test_sizes_that_do_not_fit_are_refused(given: dict[str, int], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TinyParams.model_validate(given)


def test_policies_of_one_run_may_begin_with_weights_of_their_own() -> None:
    """Another seed gives other weights of the same tokenizer; the same one the same; none is the run's own."""

    def weights(run: int, seed: int) -> tuple[torch.Tensor, dict[str, int]]:
        params = TinyParams(hidden=32, heads=1, kv_heads=1, layers=1, warmup_examples=8, warmup_steps=0, seed=seed)
        made = Tiny(params).load(ModelContext(run, kuhn))
        return made.model.get_input_embeddings().weight, made.tokenizer.get_vocab()

    (first, words), (second, others) = weights(0, 1), weights(0, 2)
    assert words == others
    assert not first.equal(second)
    assert first.equal(weights(0, 1)[0])
    assert not first.equal(weights(1, 1)[0])
    assert not first.equal(weights(1, 0)[0])  # nor is a seed of a policy that of another run

"""The generator samples from the model's own distribution, whatever requests stand beside each other."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sparring import Completion, LoadedModel, Request, Sampling
from sparring.errors import GenerationError
from sparring.interfaces import Continuous
from sparring.learner import prepare
from sparring_generators import attention, packed, rows, writing
from sparring_generators.capacity import bytes_per_token
from sparring_generators.packed import PackedLinears
from sparring_generators.params import TransformersParams
from sparring_generators.prefix_cache import Node
from sparring_generators.sampling import distributions, draw
from sparring_generators.transformers import TransformersGenerator

STOP = 2


@pytest.fixture(scope="module")
def loaded(letters: PreTrainedTokenizerFast) -> LoadedModel:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=23, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3, tie_word_embeddings=True,
    )  # fmt: skip
    return prepare(LoadedModel(LlamaForCausalLM(config).eval(), letters))


@pytest.fixture
def generator(loaded: LoadedModel) -> TransformersGenerator:
    made = TransformersGenerator(TransformersParams(prefill_tokens=16, decode_batch=3))
    made.publish("main", loaded)
    return made


def make_generator(loaded: LoadedModel, params: TransformersParams) -> TransformersGenerator:
    made = TransformersGenerator(params)
    made.publish("main", loaded)
    return made


CONTEXTS = [[5, 6, 7], [5, 6, 8, 9], [5, 6, 7], [10], [5, 6, 7, 11, 12, 13, 14, 15, 16, 4]]


def requests(max_tokens: int = 6) -> list[Request]:
    return [
        Request("main", context, 100 + i, Sampling(max_tokens=max_tokens)) for i, context in enumerate(CONTEXTS * 8)
    ]


def test_recorded_logprobs_are_those_of_the_model_by_itself(generator: TransformersGenerator) -> None:
    asked = requests()
    done = generator.generate(asked)
    scored = generator.score("main", [(r.context, c.tokens) for r, c in zip(asked, done, strict=True)])
    for completion, logprobs in zip(done, scored, strict=True):
        assert completion.logprobs == pytest.approx(logprobs, abs=1e-4)
        assert (completion.finish == "stop") == (completion.tokens[-1] == STOP)
        assert STOP not in completion.tokens[:-1]
        assert len(completion.tokens) <= 6


def test_a_sample_does_not_depend_on_what_it_is_batched_with(generator: TransformersGenerator) -> None:
    asked = requests()
    together = generator.generate(asked)
    alone = [generator.generate([request])[0] for request in asked]
    assert [c.tokens for c in together] == [c.tokens for c in alone]


def later(asked: list[Request], done: list[Completion]) -> list[Request]:
    """Each conversation's next turn: its answer, and two tokens that somebody else said."""
    return [next_turn(r, c, i) for i, (r, c) in enumerate(zip(asked, done, strict=True))]


def next_turn(asked: Request, done: Completion, number: int) -> Request:
    return Request("main", [*asked.context, *done.tokens, 4 + number % 3, 5], 900 + number, asked.sampling)


def test_a_next_turn_is_what_it_would_be_from_its_beginning(generator: TransformersGenerator) -> None:
    asked = requests()
    following = later(asked, generator.generate(asked))
    continued = generator.generate(following)
    generator.release()
    afresh = generator.generate(following)
    assert [c.tokens for c in continued] == [c.tokens for c in afresh]
    for one, other in zip(continued, afresh, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


@pytest.mark.parametrize("fused", [True, False])
def test_rows_that_share_their_beginning_attend_to_it_together(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, fused: bool
) -> None:
    """Trunks of several lengths, rows with none, rows that branch, and more admitted later; by torch's attention and the plain one.

    Banks hold few tokens, so that rows go from one to the next, and a bank's rows are read by themselves even where that saves little.
    """
    monkeypatch.setattr(rows, "WORTH", 4 * 128)
    monkeypatch.setattr(rows, "SMALLEST", 4)
    monkeypatch.setattr(rows, "SPARE", 1)
    if not fused:
        monkeypatch.setattr(attention, "_fused", lambda: None)
    made = TransformersGenerator(TransformersParams(decode_batch=6))
    made.publish("main", loaded)
    trunks: set[int] = set()
    banks: set[int] = set()
    at_once: set[int] = set()
    attend = rows.Rows.attend

    def watched(given: rows.Rows, *args: Any) -> torch.Tensor:
        trunks.update(row.start for row in given.all)
        banks.update(row.bank.tokens for row in given.all)
        at_once.add(len({row.bank for row in given.all}))
        return attend(given, *args)

    monkeypatch.setattr(rows.Rows, "attend", watched)
    asked = requests()
    for _ in range(3):
        done = made.generate(asked)
        scored = made.score("main", [(r.context, c.tokens) for r, c in zip(asked, done, strict=True)])
        for completion, logprobs in zip(done, scored, strict=True):
            assert completion.logprobs == pytest.approx(logprobs, abs=1e-4)
        asked = later(asked, done)
    assert 0 in trunks
    assert len(trunks) > 2
    assert len(banks) > 2
    assert max(at_once) > 2


def test_a_prompt_within_another_and_one_that_goes_on_from_it_are_read_together(loaded: LoadedModel) -> None:
    """The state after [5, 6, 7] is not kept, its keys are; the longer prompt must see them although it is read again."""
    made = TransformersGenerator(TransformersParams())
    made.publish("main", loaded)
    contexts = [[5, 6, 7, 8, 9, 10], [5, 6, 7], [5, 6, 7, 8, 11]]
    asked = [Request("main", context, 7 + i, Sampling(max_tokens=5)) for i, context in enumerate(contexts)]
    made.generate(asked[:1])
    done = made.generate(asked[1:])
    scored = made.score("main", [(r.context, c.tokens) for r, c in zip(asked[1:], done, strict=True)])
    for completion, logprobs in zip(done, scored, strict=True):
        assert completion.logprobs == pytest.approx(logprobs, abs=1e-4)


def test_little_memory_changes_nothing_but_how_many_are_admitted(loaded: LoadedModel) -> None:
    asked = requests()
    done = []
    for kv_gib in (2.0, 400 * bytes_per_token(loaded) / 2**30):  # 200 tokens in rows, 200 kept
        made = TransformersGenerator(TransformersParams(kv_gib=kv_gib))
        made.publish("main", loaded)
        first = made.generate(asked)
        done.append([c.tokens for c in (*first, *made.generate(later(asked, first)))])
        assert made.room(asked) == (len(asked) if kv_gib == 2 else 3)  # the smallest bank has room for 64 of each
    assert done[0] == done[1]


def test_there_is_always_room_for_one(loaded: LoadedModel) -> None:
    made = TransformersGenerator(TransformersParams(kv_gib=1e-9))
    made.publish("main", loaded)
    asked = requests()
    assert made.room(asked) == 1
    assert all(completion.tokens for completion in made.generate(asked))


def test_new_weights_forget_what_the_old_ones_read(generator: TransformersGenerator, loaded: LoadedModel) -> None:
    asked = requests()
    generator.generate(asked)
    embedding = loaded.model.get_input_embeddings().weight
    before = embedding.detach().clone()
    try:
        with torch.no_grad():
            embedding += 0.3 * torch.randn(embedding.shape, generator=torch.Generator().manual_seed(1))
        generator.publish("main", loaded)
        done = generator.generate(asked)
        scored = generator.score("main", [(r.context, c.tokens) for r, c in zip(asked, done, strict=True)])
        for completion, logprobs in zip(done, scored, strict=True):
            assert completion.logprobs == pytest.approx(logprobs, abs=1e-4)
    finally:
        with torch.no_grad():
            embedding.copy_(before)


def test_in_bfloat16_answers_are_kept_in_half_the_memory_and_scored_alike(loaded: LoadedModel) -> None:
    halved = LoadedModel(loaded.model, loaded.tokenizer, bf16=True)
    made = TransformersGenerator(TransformersParams())
    made.publish("main", halved)
    asked = requests()
    first = made.generate(asked)
    following = later(asked, first)
    for some, done in ((asked, first), (following, made.generate(following))):
        scored = made.score("main", [(r.context, c.tokens) for r, c in zip(some, done, strict=True)])
        for completion, logprobs in zip(done, scored, strict=True):
            assert completion.logprobs == pytest.approx(logprobs, abs=0.2)  # nats; 8 bits of mantissa
    kept = next(iter(made._policies["main"].writing._cache.root.children.values())).read
    assert kept.dtype == torch.bfloat16
    assert bytes_per_token(halved) * 2 == bytes_per_token(loaded)


@pytest.mark.parametrize("bias", [False, True])
def test_packed_products_are_the_plain_ones(bias: bool) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(32, 48, bias=bias), torch.nn.Linear(48, 8, bias=bias))
    x = torch.randn(5, 32)
    with torch.no_grad():
        expected = model(x)
        with PackedLinears(model, torch.float32).in_use():
            torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-6)
            model[0].weight.zero_()
            torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-6)  # as it was when it was packed
        assert not torch.allclose(model(x), expected)


@pytest.mark.parametrize("bias", [False, True])
def test_layers_given_the_same_input_are_one_product(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, attention_bias=bias, mlp_bias=bias,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    x = torch.randint(32, (2, 7))
    products = []
    multiply = packed._Product._multiply
    monkeypatch.setattr(packed._Product, "_multiply", lambda *given: (products.append(given[1]), multiply(*given))[1])
    with torch.no_grad():
        expected = model(x).logits
        with PackedLinears(model, torch.float32).in_use():
            torch.testing.assert_close(model(x).logits, expected, rtol=1e-5, atol=1e-5)
            assert len(products) == 2 * 4 + 1  # of each layer q, k and v; o; gate and up; down; and the head
            attention = model.model.layers[0].self_attn
            some, other = torch.randn(2, 3, 64)
            for layer, given in ((attention.k_proj, some), (attention.q_proj, other), (attention.v_proj, some)):
                assert torch.allclose(layer(given), functional.linear(given, layer.weight, layer.bias), atol=1e-5)


def test_frequencies_follow_the_probabilities(generator: TransformersGenerator) -> None:
    n = 4000
    done = generator.generate([Request("main", CONTEXTS[0], i, Sampling(max_tokens=1)) for i in range(n)])
    probabilities = [math.exp(s[0]) for s in generator.score("main", [(CONTEXTS[0], [t]) for t in range(23)])]
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    counts = [sum(c.tokens[0] == t for c in done) for t in range(23)]
    chi_squared = sum((o - n * p) ** 2 / (n * p) for o, p in zip(counts, probabilities, strict=True))
    assert chi_squared < 48.3  # the 0.999 quantile with 22 degrees of freedom


def test_greedy_takes_the_most_probable_token(generator: TransformersGenerator) -> None:
    (done,) = generator.generate([Request("main", CONTEXTS[0], 1, Sampling(temperature=0, max_tokens=1))])
    scores = [generator.score("main", [(CONTEXTS[0], [t])])[0][0] for t in range(23)]
    assert done.tokens == [max(range(23), key=scores.__getitem__)]
    assert done.logprobs == [0.0]


def test_top_k_and_top_p_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(3, 1)
    rows = distributions(logits, [Sampling(top_k=2), Sampling(top_p=0.7), Sampling(temperature=0.5)]).exp()
    torch.testing.assert_close(rows[0], torch.tensor([0.625, 0.375, 0.0, 0.0]))
    torch.testing.assert_close(rows[1], torch.tensor([0.625, 0.375, 0.0, 0.0]))
    squares = torch.tensor([0.25, 0.09, 0.0225, 0.0025])
    torch.testing.assert_close(rows[2], squares / squares.sum())


@pytest.mark.parametrize("size", [7, 256, 1000])
def test_drawing_inverts_the_cumulative_distribution(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    logits = 3 * torch.randn(5, size, generator=generator)
    logits[:, ::3] = float("-inf")
    noise = torch.rand(5, 400, generator=generator, dtype=torch.float64)
    noise[:, 0], noise[:, 1] = 0.0, 1 - 2**-53
    tokens, logprobs = draw(logits, noise)
    exact = torch.log_softmax(logits.double(), -1)
    torch.testing.assert_close(logprobs.double(), exact.gather(1, tokens), rtol=0, atol=1e-5)
    upto = exact.exp().cumsum(-1)
    after, before = upto.gather(1, tokens), (upto - exact.exp()).gather(1, tokens)
    assert ((before - 1e-6 <= noise) & (noise <= after + 1e-6)).all()
    assert logits.gather(1, tokens).isfinite().all()


def test_unpublished_weights_are_named(generator: TransformersGenerator) -> None:
    with pytest.raises(GenerationError, match=r"main@7.*published: main"):
        generator.generate([Request("main@7", [5], 0, Sampling())])


# ---- requests that join and leave ---------------------------------------------------------------------------------------


def test_who_joins_while_others_are_written_gets_what_it_would_get_alone(loaded: LoadedModel) -> None:
    asked = requests(12)
    alone = [make_generator(loaded, TransformersParams()).generate([request])[0] for request in asked]
    generator = make_generator(loaded, TransformersParams(decode_batch=8, prefill_tokens=16))
    assert isinstance(generator, Continuous)
    waiting = list(range(len(asked)))
    by_number: dict[int, int] = {}
    done: dict[int, Completion] = {}
    together = 0
    while waiting or len(done) < len(asked):
        some, waiting = waiting[:5], waiting[5:]
        together = max(together, len(by_number) - len(done))
        by_number |= zip(generator.admit([asked[i] for i in some]), some, strict=True)
        ended = generator.advance()
        assert ended
        assert not done.keys() & {by_number[number] for number in ended}  # each once
        done |= {by_number[number]: completion for number, completion in ended.items()}
    assert together > 5  # some had joined others
    assert generator.advance() == {}
    for i, completion in enumerate(alone):
        assert (done[i].tokens, done[i].finish) == (completion.tokens, completion.finish)
        assert done[i].logprobs == pytest.approx(completion.logprobs, abs=1e-4)


def test_short_conversations_beside_a_long_one_are_not_read_as_far_as_that(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [
        Request("main", [5 + (7 * i + j) % 11 for j in range(20 + i)], i, Sampling(max_tokens=12)) for i in range(16)
    ]
    asked.append(Request("main", [5 + j % 7 for j in range(900)], 16, Sampling(max_tokens=12)))
    generator = make_generator(loaded, TransformersParams(kv_gib=2 * 3000 * bytes_per_token(loaded) / 2**30))
    assert generator.room(asked) == len(asked)  # seventeen rows of 912 tokens would be 15,504
    monkeypatch.setattr(rows, "WORTH", 10_000)
    read: list[int] = []
    weighed = rows.weighed

    def watched(query: torch.Tensor, key: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
        read.append(key.shape[0] * key.shape[2])
        return weighed(query, key, *rest)

    monkeypatch.setattr(rows, "weighed", watched)
    generator._policies["main"].writing.stop = frozenset()
    done = generator.generate(asked)
    steps = 11 * loaded.model.config.num_hidden_layers
    assert sum(read) / steps < 2 * sum(len(request.context) + 12 for request in asked)
    for completion, request in zip(done, asked, strict=True):
        (scored,) = generator.score("main", [(request.context, completion.tokens)])
        assert completion.logprobs == pytest.approx(scored, abs=1e-4)


def test_rows_lie_in_the_bank_that_the_longest_of_them_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short rows may be a long one's guests, but only as many as a call for them alone would not be worth; when it is gone they move down."""
    size, heads = 8, 2
    monkeypatch.setattr(rows, "WORTH", 20_000 * heads)  # 1,250 tokens of sixteen numbers and two heads

    def path(first: int, tokens: int) -> list[Node]:
        end = Node(tuple(first + i for i in range(tokens)), tokens, None)
        end.kv = torch.full((1, 2, heads, tokens, size), float(first))
        return [end]

    held = rows.Rows()
    (long,) = held.add([path(10_000, 500)], [1])
    short = []
    for number in range(5):
        short += held.add([path(1_000 * number, 40)], [1])
        held.extend()
    # A guest is read for 460 tokens more than it has: two are, three are not.
    assert [row.bank is long.bank for row in short] == [True, True, False, False, False]
    held.drop(long)
    assert {row.bank.tokens for row in held.extend()} == {96}  # the second smallest, where there is room to go on
    assert short[0].bank.kv.shape[2] <= rows.KEPT * rows.ROOM_ON_A_CPU * 5
    for number, row in enumerate(short):
        assert torch.equal(row.span(0, 40), torch.full((1, 2, heads, 40, size), 1_000.0 * number))


def test_a_group_that_shares_its_task_holds_it_once(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "WORTH", 10_000)
    asked = [Request("main", [5 + j % 13 for j in range(90)], i, Sampling(max_tokens=12)) for i in range(8)]
    generator = make_generator(loaded, TransformersParams())
    own: list[list[int]] = []
    extend = rows.Rows.extend

    def watched(given: rows.Rows) -> list[rows.Row]:
        found = extend(given)
        own.append([row.own for row in found])
        return found

    monkeypatch.setattr(rows.Rows, "extend", watched)
    done = generator.generate(asked)
    assert len(own[1]) > 2  # they split, and none of them holds the task
    assert all(length == step for step, lengths in enumerate(own, 1) for length in lengths)
    for completion in done:
        (scored,) = generator.score("main", [(asked[0].context, completion.tokens)])
        assert completion.logprobs == pytest.approx(scored, abs=1e-4)


def test_nobody_waits_for_the_longest_answer(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight conversations of four turns, in each of which two write a long answer: they go on beside those."""
    calls, forward = [0], writing.hidden_states

    def counted(*args: Any) -> torch.Tensor:
        calls[0] += 1
        return forward(*args)

    monkeypatch.setattr(writing, "hidden_states", counted)

    def request(i: int, turn: int, context: list[int]) -> Request:
        long = i % 4 == turn
        return Request("main", [*context, 4 + i, 5], 100 * i + turn, Sampling(max_tokens=30 if long else 2))

    def rounds(generator: TransformersGenerator) -> list[list[int]]:
        said: list[list[int]] = [[] for _ in range(8)]
        for turn in range(4):
            asked = [request(i, turn, said[i]) for i in range(8)]
            said = [[*r.context, *c.tokens] for r, c in zip(asked, generator.generate(asked), strict=True)]
        return said

    def continuous(generator: TransformersGenerator) -> list[list[int]]:
        said: list[list[int]] = [[] for _ in range(8)]
        asked = {i: request(i, 0, []) for i in range(8)}
        live = dict(zip(generator.admit(list(asked.values())), asked, strict=True))
        turns = dict.fromkeys(asked, 0)
        while live:
            for number, completion in generator.advance().items():
                i = live.pop(number)
                turns[i] += 1
                said[i] = [*asked[i].context, *completion.tokens]
                if turns[i] < 4:
                    asked[i] = request(i, turns[i], said[i])
                    live[generator.admit([asked[i]])[0]] = i
        return said

    texts, counts = [], []
    for way in (rounds, continuous):
        generator = make_generator(loaded, TransformersParams())
        generator._policies["main"].writing.stop = frozenset()
        calls[0] = 0
        texts.append(way(generator))
        counts.append(calls[0])
    assert texts[0] == texts[1]
    assert counts[0] == 4 * 30
    assert counts[1] < 0.5 * counts[0]


def test_what_ends_while_others_are_asked_for_at_once_is_not_lost(generator: TransformersGenerator) -> None:
    asked = requests(8)
    expected = generator.generate(asked)
    numbers = generator.admit(asked[:10])
    early = generator.advance()
    assert generator.generate(asked[10:]) == expected[10:]
    while len(early) < 10:
        early |= generator.advance()
    assert [early[number].tokens for number in numbers] == [completion.tokens for completion in expected[:10]]


def test_writing_breaks_off_when_others_are_about_to_join(loaded: LoadedModel) -> None:
    asked = [Request("main", [5 + i, 6, 7], i, Sampling(max_tokens=12)) for i in range(3)]
    generator = make_generator(loaded, TransformersParams())
    generator._policies["main"].writing.stop = frozenset()
    alone = generator.generate(asked)
    generator.release()
    numbers = generator.admit(asked[:1])
    looks = iter([False, False, True])
    assert generator.advance(lambda: next(looks)) == {}
    assert next(looks, None) is None
    numbers += generator.admit(asked[1:])
    done: dict[int, Completion] = {}
    while len(done) < 3:
        done |= generator.advance()
    assert next(iter(done)) == numbers[0]  # it was ahead by two tokens
    assert [done[number].tokens for number in numbers] == [completion.tokens for completion in alone]


def test_what_is_being_written_takes_room_and_is_given_up_on_release(loaded: LoadedModel) -> None:
    asked = [Request("main", [5 + i, 6, 7], i, Sampling(max_tokens=5)) for i in range(6)]
    rows = 4 * 64 * bytes_per_token(loaded)  # four of the smallest bank
    generator = make_generator(loaded, TransformersParams(kv_gib=2 * rows / 2**30))
    assert generator.room(asked) == 4
    generator.admit(asked[:3])
    assert generator.room(asked[3:]) == 1
    generator.admit(asked[3:4])
    assert generator.room(asked[4:]) == 0
    ended = generator.advance()
    assert generator.room(asked[4:]) == min(2, len(ended))
    generator.release()
    assert generator.room(asked) == 4
    assert generator.advance() == {}


# ---- what does not go well ---------------------------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Memory that suffices for no more than so many tokens in a call of the model; it begins without a bound."""
    most, forward = [10**9], writing.hidden_states

    def limited(model: Any, tokens: Sequence[int], *rest: Any) -> torch.Tensor:
        if len(tokens) > most[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore of it.")
        return forward(model, tokens, *rest)

    monkeypatch.setattr(writing, "hidden_states", limited)
    return most


def test_memory_that_runs_short_halves_what_is_done_at_once_and_changes_no_sample(
    loaded: LoadedModel, short: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [Request("main", [5 + i, 6, 7, 8 + i], 100 + i, Sampling(max_tokens=6)) for i in range(12)]
    params = TransformersParams(decode_batch=8, prefill_tokens=64)
    whole = make_generator(loaded, params).generate(asked)
    generator = make_generator(loaded, params)
    short[0] = 6
    cut = generator.generate(asked)
    assert [one.tokens for one in cut] == [one.tokens for one in whole]
    for one, other in zip(cut, whole, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3  # 8, 4, 2 and 1 rows
    assert (
        "memory ran short (CUDA out of memory. Tried to allocate 2 GiB); from now on 1 sequences are written and 8"
        in told[-1]
    )
    generator.generate(asked)
    assert capsys.readouterr().err == ""  # it is not tried again

    other = make_generator(loaded, params)
    other.load_state_dict(generator.state_dict())
    other.generate(asked)
    assert capsys.readouterr().err == ""
    fresh = make_generator(loaded, TransformersParams(decode_batch=4, prefill_tokens=64))
    fresh.load_state_dict(generator.state_dict())  # of a recipe that has changed since
    assert fresh.state_dict()["halvings"] == 0


def test_one_sequence_that_does_not_fit_is_refused_after_a_bounded_number_of_attempts(
    loaded: LoadedModel, short: list[int]
) -> None:
    short[0] = 3
    with pytest.raises(
        GenerationError, match=r"a single sequence of policy 'main', of up to 10 tokens, does not fit into memory"
    ):
        make_generator(loaded, TransformersParams(decode_batch=4)).generate(
            [Request("main", [5, 6, 7, 8], 1, Sampling(max_tokens=6))]
        )


def test_other_faults_of_the_model_are_not_taken_for_a_lack_of_memory(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(writing, "hidden_states", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        make_generator(loaded, TransformersParams()).generate([Request("main", [5, 6], 1, Sampling(max_tokens=2))])


@pytest.mark.parametrize("fault", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("size", [10, 256, 300])
def test_of_logits_that_are_no_distribution_a_token_is_drawn_whose_logprob_says_so(fault: float, size: int) -> None:
    logits = torch.zeros(3, size)
    logits[1] = fault if fault < 0 else torch.cat([torch.tensor([fault]), torch.zeros(size - 1)])
    tokens, logprobs = draw(logits, torch.tensor([[0.1, 0.9]] * 3, dtype=torch.float64))
    assert ((tokens >= 0) & (tokens < size)).all()
    assert torch.isfinite(logprobs[[0, 2]]).all()
    assert torch.isnan(logprobs[1]).all()


def test_an_answer_ends_at_the_first_token_that_was_drawn_from_no_distribution(loaded: LoadedModel) -> None:
    spoilt = LoadedModel(copy.deepcopy(loaded.model), loaded.tokenizer)
    with torch.no_grad():
        spoilt.model.get_input_embeddings().weight.fill_(float("nan"))
    (one,) = make_generator(spoilt, TransformersParams()).generate(
        [Request("main", [5, 6], 1, Sampling(max_tokens=50))]
    )
    assert len(one.tokens) == 1
    assert math.isnan(one.logprobs[0])

"""Conversations are the tokens that the chat template would give, and text never becomes a mark of the template."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from sparring.chat import ChatFormat, Conversation
from sparring.errors import ModelError

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
#: Like Llama 2: strict alternation, no system messages, a space before the answer that the generation prompt lacks.
STRICT = (
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '<s>[INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ ' ' + m['content'] + ' </s>' }}{% endif %}"
    "{% endfor %}"
)
PLAIN = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
DATED = "{{ strftime_now('%Y') }}" + CHATML


def tokenizer_of(
    template: str | None, marks: list[str], eos: str | None, unmarked: tuple[str, ...] = ()
) -> PreTrainedTokenizerFast:
    """One token for each byte, and the marks. ``unmarked`` are added tokens that do not count as special."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: n for n, c in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(marks)
    made.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in unmarked])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=eos)
    tokenizer.chat_template = template
    return tokenizer


def chatml() -> PreTrainedTokenizerFast:
    return tokenizer_of(CHATML, ["<|im_start|>", "<|im_end|>"], "<|im_end|>")


def strict() -> PreTrainedTokenizerFast:
    return tokenizer_of(STRICT, ["<s>", "</s>"], "</s>")


def play(tokenizer: PreTrainedTokenizerFast, system: str = "") -> Conversation:
    chat = ChatFormat(tokenizer)
    conversation = Conversation(chat, "x", system)
    conversation.say("One")
    conversation.say("and two.")
    conversation.add(chat.answer("Yes"), True)
    conversation.say("Three?")
    conversation.context()
    return conversation


def rendered(tokenizer: PreTrainedTokenizerFast, *messages: tuple[str, str]) -> list[int]:
    text = tokenizer.apply_chat_template(
        [{"role": role, "content": said} for role, said in messages], tokenize=False, add_generation_prompt=True
    )
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_a_conversation_is_what_the_template_gives() -> None:
    tokenizer = chatml()
    messages = [("user", "One\nand two."), ("assistant", "Yes"), ("user", "Three?")]
    assert play(tokenizer).tokens == rendered(tokenizer, *messages)
    assert play(tokenizer, "Be brief.").tokens == rendered(tokenizer, ("system", "Be brief."), *messages)


def test_a_strict_template_works() -> None:
    tokenizer = strict()
    # The template's space before the end of an answer is left out: what ends a turn directly follows what was answered.
    assert tokenizer.decode(play(tokenizer).tokens) == "<s>[INST] One\nand two. [/INST] Yes</s><s>[INST] Three? [/INST]"
    assert tokenizer.decode(play(tokenizer, "Be brief.").tokens).startswith(
        "<s>[INST] Be brief.\n\nOne\nand two. [/INST]"
    )
    chat = ChatFormat(tokenizer)
    assert chat.decode(chat.answer("Yes")) == "Yes"


def test_a_template_that_writes_no_end_gets_the_tokenizers() -> None:
    tokenizer = tokenizer_of(PLAIN, ["<eos>"], "<eos>")
    assert (
        tokenizer.decode(play(tokenizer).tokens)
        == "user: One\nand two.\nassistant: Yes<eos>\nuser: Three?\nassistant: "
    )
    assert ChatFormat(tokenizer).stop_ids == {tokenizer.eos_token_id}


def test_an_answer_that_was_cut_off_is_ended_once() -> None:
    chat = ChatFormat(chatml())
    (end,) = chat.stop_ids
    cut = chat.answer("Ye")[:-1]
    assert chat.follow("on", ended=False) == (end, *chat.follow("on", ended=True))
    assert (chat.close(True), chat.close(False)) == ((), (end,))
    conversation = Conversation(chat, "x")
    conversation.say("Go")
    start = conversation.add(cut, False)
    assert conversation.tokens[start:] == cut
    conversation.say("on")
    assert conversation.context()[start:] == [*cut, *chat.follow("on", ended=False)]


def test_both_the_turn_mark_and_the_end_token_stop() -> None:
    tokenizer = tokenizer_of(CHATML, ["<|im_start|>", "<|im_end|>", "<eos>"], "<eos>")
    assert ChatFormat(tokenizer).stop_ids == set(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<eos>"]))


WORDS = st.lists(
    st.sampled_from(["<|im_end|>", "<|im_start|>", "</s>", "<s>", "⟪0⟫", "⟪1⟫", "a", " ", "\n", "é", "你"]), max_size=6
).map("".join)


@pytest.mark.parametrize("make", [chatml, strict])
def test_text_is_only_text(make: object) -> None:
    tokenizer = make()  # type: ignore[operator]
    chat = ChatFormat(tokenizer)
    control = set(tokenizer.all_special_ids) | {*tokenizer.added_tokens_decoder}
    empty = len(chat.open([("user", "")]))

    @given(WORDS, WORDS)
    def check(said: str, answer: str) -> None:
        opened = chat.open([("user", said)])
        assert sum(t in control for t in opened) == sum(t in control for t in chat.open([("user", "")]))
        assert len(opened) == empty + len(said.encode())
        tokens = chat.answer(answer)
        assert [t in control for t in tokens] == [False] * (len(tokens) - 1) + [True]
        assert chat.decode(tokens) == answer

    check()


def test_marks_that_the_tokenizer_does_not_count_as_special_are_text_too() -> None:
    tokenizer = tokenizer_of(CHATML, ["<|im_end|>"], "<|im_end|>", unmarked=("<|im_start|>",))
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    chat = ChatFormat(tokenizer)
    assert chat.open([("user", "<|im_start|>system")]).count(start) == 2  # the user message's and the answer's
    assert "<|im_start|>" in tokenizer.decode(chat.answer("<|im_start|>"))


def test_sentencepiece_adds_no_space_in_the_middle() -> None:
    pieces = ["<unk>", "▁", "x", "y", "<0x0A>", "</s>"]
    made = Tokenizer(
        models.BPE(vocab={p: n for n, p in enumerate(pieces)}, merges=[], byte_fallback=True, unk_token="<unk>")
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens(["</s>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ 'x' + m['content'] + ('</s>' if m['role'] == 'assistant' else '\n') }}{% endfor %}"
    )
    chat = ChatFormat(tokenizer)
    assert [tokenizer.convert_ids_to_tokens(t) for t in chat.open([("user", "y")])] == ["▁", "x", "y", "<0x0A>"]
    assert [tokenizer.convert_ids_to_tokens(t) for t in chat.follow("y", True)] == ["x", "y", "<0x0A>"]


def test_prompts_do_not_depend_on_the_day() -> None:
    tokenizer = tokenizer_of(DATED, ["<|im_start|>", "<|im_end|>"], "<|im_end|>")
    assert tokenizer.decode(ChatFormat(tokenizer).open([("user", "Hi")])).startswith("2024<|im_start|>")


@pytest.mark.parametrize(
    ("template", "eos", "said"),
    [
        (None, "<e>", "no chat template"),
        ("{{ messages | length }}", "<e>", "does not give messages back"),
        ("{% for m in messages | reverse %}{{ m['content'] }}{% endfor %}", "<e>", "does not give messages back"),
        ("{{ raise_exception('only in private') }}", "<e>", "only in private"),
        (PLAIN, None, "no end token"),
    ],
)
def test_templates_that_cannot_be_used_are_refused(template: str | None, eos: str | None, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        ChatFormat(tokenizer_of(template, ["<e>"], eos))


# ---- conversations ----------------------------------------------------------------------------------------------------


def test_tokens_are_one_list_that_grows() -> None:
    conversation = Conversation(ChatFormat(chatml()), "x")
    tokens = conversation.tokens
    conversation.say("One")
    before = list(conversation.context())
    assert conversation.context() is tokens
    assert tokens == before, "asked twice, told once"
    conversation.add([65, 66], False)
    conversation.say("Two")
    assert conversation.context() is tokens
    assert tokens[: len(before) + 2] == [*before, 65, 66]
    assert (conversation.row, conversation.trajectory) == (-1, -1)


def test_forks_grow_apart_and_the_first_can_go_on() -> None:
    chat = ChatFormat(chatml())
    first = Conversation(chat, "x")
    first.say("One")
    first.context()
    first.row = first.trajectory = 3
    fork = first.fork()
    assert (fork.row, fork.trajectory) == (-1, -1)
    start = fork.add(chat.answer("a"), True)
    assert start == len(first.tokens), "the fork had the prompt already"
    # Nobody answered the first one: what it is told now belongs to the same message.
    first.say("Two")
    assert first.context() == list(chat.open([("user", "One\nTwo")]))
    assert fork.tokens == [*chat.open([("user", "One")]), *chat.answer("a")]


def test_an_answer_after_an_answer_has_an_empty_message_between() -> None:
    chat = ChatFormat(chatml())
    conversation = Conversation(chat, "x")
    conversation.say("One")
    conversation.add(chat.answer("a"), True)
    conversation.add(chat.answer("b"), True)
    assert conversation.tokens == [
        *chat.open([("user", "One")]),
        *chat.answer("a"),
        *chat.follow("", True),
        *chat.answer("b"),
    ]

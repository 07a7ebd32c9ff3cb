"""Stand-ins for a model: answers that a test lists, in real chat tokens, and episodes that are played with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sparring.chat import ChatFormat
from sparring.errors import GenerationError
from sparring.game import Game
from sparring.interfaces import Completion, Judge, LoadedModel, Player, Request, RoleScheme, Sampling, Table
from sparring.params import Choice, Params
from sparring.play import EpisodePlan, Hall, Held
from sparring.plugins import load_plugins
from sparring.records import Episode, Span, Trajectory, Turn
from sparring.registry import Component
from sparring.rewards import combine
from sparring.stores import Stores
from sparring.testing.report import CheckFailed, shown

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

#: (request, all that the answering role has seen, as text with its chat marks) -> answer
Answer = Callable[[Request, str], str]
Answers = Mapping[str, Iterable[str]] | Answer

NATS = -1.0  # the log-probability that a script gives to each of its tokens
_END = "<|end|>"
_MARKS = ("<|system|>", "<|user|>", "<|assistant|>", _END)
_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@cache
def byte_chat() -> ChatFormat:
    """A chat format whose tokens are bytes and four marks, so that any text can be written and read back."""
    return ChatFormat(_byte_tokenizer())


def _byte_tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = [*_MARKS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=_END, pad_token=_END, additional_special_tokens=list(_MARKS[:-1])
    )
    made.chat_template = _TEMPLATE
    return made


class ScriptedGenerator:
    """A `Generator` that says what the test wrote, in the tokens of a chat format.

    ``answers``: for each policy its answers, in the order in which it is asked; or a function. An answer longer than
    ``max_tokens`` is cut off, as a model's is. ``asked`` keeps every (policy, text of its whole context), in order.
    """

    def __init__(self, answers: Answers, chat: ChatFormat | None = None) -> None:
        self.chat = chat or byte_chat()
        self.asked: list[tuple[str, str]] = []
        self._answer = answers if callable(answers) else None
        self._left = {} if callable(answers) else {policy: list(texts) for policy, texts in answers.items()}

    @property
    def left(self) -> dict[str, list[str]]:
        """Answers that nobody has asked for."""
        return {policy: texts for policy, texts in self._left.items() if texts}

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        """A script has no weights."""

    def withdraw(self, policy: str) -> None:
        """Nor does it forget."""

    def room(self, requests: Sequence[Request]) -> int:
        return len(requests)

    def release(self) -> None:
        """Nor keep anything."""

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        return [self._complete(request) for request in requests]

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        return [[NATS] * len(continuation) for _, continuation in rows]

    def _complete(self, request: Request) -> Completion:
        context = self.chat.tokenizer.decode(list(request.context))
        self.asked.append((request.policy, str(context)))
        whole = self.chat.answer(self._say(request, str(context)))
        tokens = whole[: request.sampling.max_tokens]
        return Completion(tokens, [NATS] * len(tokens), "stop" if len(tokens) == len(whole) else "length")

    def _say(self, request: Request, context: str) -> str:
        if self._answer is not None:
            return self._answer(request, context)
        left = self._left.get(request.policy)
        if not left:
            before = sum(policy == request.policy for policy, _ in self.asked) - 1
            raise GenerationError(
                f"{request.policy!r} is asked for answer {before + 1}, but the test lists {before}; "
                f"it has seen {context!r}"
            )
        return left.pop(0)


class _Kept:
    """A scheme whose exception is kept: an episode only remembers its text."""

    def __init__(self, scheme: RoleScheme) -> None:
        self._scheme = scheme
        self.error: Exception | None = None
        self.roles = scheme.roles

    async def play(self, table: Table) -> None:
        try:
            await self._scheme.play(table)
        except Exception as error:
            self.error = error
            raise


def play_episode(
    scheme: RoleScheme,
    game: Game | None = None,
    answers: Answers | None = None,
    *,
    judges: Mapping[str, Judge] | None = None,
    players: Mapping[str, Player] | None = None,
    sampling: Sampling | None = None,
    stores: Stores | None = None,
    seed: int = 0,
) -> Episode:
    """Play one episode with the answers that a test lists for each role, in the order in which the role is asked.

    ``players`` hold roles without answers. A judge that has a policy answer (`Judge.attach`) finds that policy's answers
    under its name, beside those of the roles. Everything random depends on ``seed``. What goes into ``stores`` is
    committed. Every turn's reward is the sum of its parts.

    Raises what the scheme raises, and `CheckFailed` if an answer is left over.
    """
    kept = _Kept(scheme)
    generator = ScriptedGenerator(answers or {})
    specs = {spec.name: spec for spec in scheme.roles(game)}
    voices = () if callable(answers) or not answers else tuple(answers)
    hall = hall_of(generator, (*specs, *voices), stores)
    attach_voices(judges or {}, hall)
    seated = {
        role: Held.by(role, player, game)
        if (player := (players or {}).get(role))
        else Held(role, 0, trained=spec.trainable)
        for role, spec in specs.items()
    }
    title = "episode" if game is None else game.info.name
    plan = EpisodePlan(
        0, 0, game, kept, seated, judges or {}, sampling or Sampling(), 0, ("play_episode", seed), title
    )  # fmt: skip
    (episode,) = hall.play([plan], 1)
    if kept.error is not None:
        raise kept.error
    if generator.left:
        raise CheckFailed(f"the episode ended and nobody asked for {shown(generator.left)}")
    for turn in episode.turns:
        turn.reward = combine(turn.rewards)
    hall.stores.commit(episode.additions)
    return episode


def hall_of(generator: ScriptedGenerator, policies: Iterable[str], stores: Stores | None = None) -> Hall:
    """A hall for ``policies``, all in the tokens of the script."""
    chats = {policy: generator.chat for policy in policies}
    return Hall(generator, chats, next(iter(chats), ""), stores=stores or Stores())


def attach_voices(judges: Mapping[str, Judge], hall: Hall) -> None:
    for judge in judges.values():
        if attach := getattr(judge, "attach", None):
            attach(hall.voice)


def trajectory(
    rewards: Sequence[float], role: str = "player_0", *, episode: int = 0, tokens: int = 3, **labels: str | float | bool
) -> Trajectory:
    """A trajectory with a turn of ``tokens`` sampled tokens for each reward, for tests of estimators.

    Its labels are those that every turn has (game, role, start, entry), each replaced by one in ``labels``.
    """
    known: dict[str, str | int | float | bool] = {"game": "game", "role": role, "start": episode, "entry": 0, **labels}
    turns = [
        Turn(
            role, "main", 0, 0, number * tokens, [Span("sampled", [number] * tokens, [NATS] * tokens)], "", "",
            labels=dict(known), rewards={"reward": float(reward)}, reward=float(reward),
        )
        for number, reward in enumerate(rewards)
    ]  # fmt: skip
    return Trajectory(episode, role, turns)


def make(kind: str, name: str, /, *, modules: Sequence[object | str] = (), **params: Any) -> Any:
    """A registered component, its parameters read as a recipe's: ``make("scheme", "mine", answer="boxed")``.

    ``modules`` are plugins that are not installed. Raises `PluginError` for an unknown name and pydantic's
    ``ValidationError`` for wrong parameters.
    """
    registry = load_plugins(modules=modules).registry
    component = registry.get(kind, name)
    context = {"registry": registry, "owner": f"{kind} '{name}'"}
    return component.factory(component.params.model_validate(params, context=context))


def chosen(kind: str, made: Any) -> Choice[Any]:
    """A parameter that is a component of the test's own: ``Params(tasks=chosen("task", FixedTasks()))``."""
    name = type(made).__name__
    return Choice(name, Params(), Component(kind, name, lambda params: made, Params, "test"))

"""What each kind of component is, as a Protocol. Nothing has to inherit from these.

A factory takes only its parameters. Run-time things are arguments of methods. A component with memory also has
``state_dict()`` and ``load_state_dict(state)`` (JSON values) and is then checkpointed without asking: see `Stateful`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from sparring.chance import Chance
from sparring.game import Game, State
from sparring.records import Episode, Finish, Record, Trajectory, Turn

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sparring.batch import ObjectiveBatch
    from sparring.chat import Conversation
    from sparring.evaluation import Evaluation
    from sparring.recipe import Recipe

Json = Any  # what json.dumps takes
T = TypeVar("T")


@runtime_checkable
class Stateful(Protocol):
    def state_dict(self) -> dict[str, Json]: ...
    def load_state_dict(self, state: dict[str, Json]) -> None: ...


# ---- play ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role of a scheme. ``trainable=False``: its turns are never trained, whoever holds it."""

    name: str
    trainable: bool = True


class Table(Protocol):
    """What one episode can do."""

    @property
    def chance(self) -> Chance: ...
    @property
    def game(self) -> Game:
        """Raises `SparringError` if the entry plays none."""
        ...

    def conversation(self, role: str, *, system: str = "", like: Conversation | None = None) -> Conversation:
        """A new conversation in the tokens of the role's policy; ``like`` another one, it continues that one's trajectory."""
        ...

    def act(
        self,
        role: str,
        conversation: Conversation,
        *,
        n: int = 1,
        state: State | None = None,
        player: int | None = None,
        write: Callable[[str], str] = str,
        tag: str = "",
        **sampling: Any,
    ) -> Awaitable[list[Turn]]:
        """``n`` answers of a role. One extends the conversation; several each stand in a fork of it.

        A role that a policy holds samples, with the recipe's sampling or with the fields of `Sampling` given here. A role
        that a player holds is asked for a move on ``state``; ``write`` makes an answer of the move. It moves for the game's
        player of its name, or for ``player``.
        """
        ...

    def give(self, role: str, conversation: Conversation, text: str) -> Turn:
        """Write an answer of a role for it, such as a demonstration. Not sampled, so no policy gradient trains it; builders
        of pairs and demonstrations find it by its label ``demonstration``, if the role is trained."""
        ...

    def judge(self, name: str, **fields: Any) -> Awaitable[Verdict]: ...
    def aside(self, call: Callable[[], T]) -> Awaitable[T]:
        """What a slow call returns, such as one over the network. It runs in a thread, and other episodes go on meanwhile.

        How long it takes then decides which turns are written together, and in which order a judge that asks a policy is asked, so a
        step that has one is not repeated to the bit.
        """
        ...

    def reward(self, turn: Turn, part: str, value: float) -> None: ...
    def label(self, turn: Turn, **labels: str | float | bool) -> None: ...
    def note(self, **facts: object) -> None:
        """Facts of the episode. Numbers become the metrics ``facts/<game>/<name>``, means over the step's episodes."""
        ...

    def store(self, name: str, capacity: int | None = None) -> Store:
        """What outlives the step: a list shared by all episodes; a full one forgets its oldest items."""
        ...


class Store(Protocol):
    """JSON values by name, the same for the whole run, in its checkpoints."""

    def items(self) -> Sequence[Json]:
        """What was committed when the step began, oldest first."""
        ...

    def add(self, value: Json) -> None:
        """Commit when the step ends, in episode order; dropped if the episode fails."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """Something to solve. ``answer`` is None if nobody knows it; ``facts`` may say how hard it is."""

    prompt: str
    answer: str | None = None
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)


class TaskSource(Protocol):
    """Where tasks come from. A parameter of schemes and evaluators: ``Annotated[Choice[TaskSource], component("task")]``."""

    def draw(self, chance: Chance) -> Task: ...


class RoleScheme(Protocol):
    """Who speaks when. `play` runs one episode.

    It may also have ``examples(chance, n) -> list[Transcript]``: conversations with the right format and no strategy, for
    models that are warmed up. Without, random legal players play it.

    Parameters that say ``once_per_role: ClassVar[bool] = True`` promise that each role has one trajectory in an episode: a recipe
    that compares trajectories of the same start, but has groups of one, is then refused before it runs.
    """

    def roles(self, game: Game | None) -> Sequence[RoleSpec]:
        """The roles it has with ``game``. Raises `SparringError` if it needs a game and there is none, or the reverse."""
        ...

    async def play(self, table: Table) -> None: ...


class Player(Protocol):
    """Acts without being a policy. Stateless: what it needs is in ``state`` and ``chance``."""

    def act(self, player: int, state: State, chance: Chance) -> str:
        """A move as text, as the game reads it."""
        ...


@runtime_checkable
class PlaysGame(Protocol):
    """A player that needs the rules beside the state, or that plays only some games."""

    def playing(self, game: Game) -> Player:
        """The player of this game, asked for before a match of it begins. Raises `SparringError` if it cannot play it."""
        ...


@runtime_checkable
class Speaker(Player, Protocol):
    """A player that is asked as a policy is, by what its seat has been told, and not for a move on a state: so it holds any role."""

    def answer(self, transcripts: Sequence[Transcript]) -> Sequence[str | None]:
        """The whole answer to each, None if there is none; the turn is then empty and has the label ``answered`` false.

        Asked for all seats that wait at once. What it raises stops the run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says: a value for each player or item it was asked about, or a label."""

    values: tuple[float, ...] = ()
    label: str = ""
    detail: Mapping[str, float] = field(default_factory=dict)


class Judge(Protocol):
    """Scores items in batches. An item is the keyword arguments of one ``table.judge`` call.

    A judge with ``scope = "step"`` is asked once, with all its items in episode order, when every live episode of the step
    has ended or waits at such a judge: for clusters, ranks and z-scores. One that wants a model's opinion has
    ``attach(voice)``, which is called once before the first step: see `Voice`.
    """

    def judge(self, items: Sequence[Mapping[str, Any]]) -> Sequence[Verdict]: ...


class Voice(Protocol):
    """How a judge has a policy of the recipe answer: all transcripts in one batch of the run's generator."""

    def __call__(self, policy: str, transcripts: Sequence[Transcript], sampling: Sampling) -> list[str]: ...


class Scorer(Protocol):
    """How an estimator asks what policies of the recipe think of answers: all of them in one batch of the run's generator."""

    def __call__(self, policy: str, answers: Sequence[tuple[Sequence[int], str]]) -> list[float]:
        """Log-probability (nats, temperature 1) under ``policy`` of each text, as a whole answer after the tokens of its context."""
        ...


class AdvantageEstimator(Protocol):
    """Turns rewards into advantages. One that asks policies about answers has ``attach(scorer)``, called once: see `Scorer`."""

    def estimate(self, trajectories: Sequence[Trajectory]) -> Sequence[Sequence[float]]:
        """One advantage for each turn of each trajectory. Called once a step, trajectories in episode order."""
        ...


class Curriculum(Protocol):
    """How often each entry of `play:` is begun, relative to the others."""

    def weights(self, given: Sequence[float]) -> Sequence[float]:
        """One above 0 for each entry, for the coming step; ``given`` are the recipe's. Shares of groups follow them closely."""
        ...

    def step_ended(self, played: Sequence[Sequence[Episode]]) -> None:
        """What a step has played of each entry, with its advantages. Called before the next step is planned."""
        ...


# Who sits on a seat: None is the policy as it is now, the only one that is trained; a number one of its past versions; a name
# another policy of the recipe as it is now, or with "@40" as it was then; or a player, with the name to show it by.
Opponent = int | str | tuple[str, Player] | None


class OpponentSampler(Protocol):
    """Who sits on each seat that the recipe gives to a policy. One sampler serves all policies; it is told which one asks.

    It may have ``most_members(policy, steps) -> int``: how many versions it may want kept at once, for the memory plan.
    """

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> Mapping[str, Opponent]:
        """Who holds each of the ``roles`` of ``policy``, which has been trained up to ``version``."""
        ...

    def members(self, policy: str) -> Sequence[int]:
        """The versions of the policy it may still ask for; their weights are kept."""
        ...

    def step_ended(self, policy: str, version: int) -> None:
        """``version`` of the policy has just been trained. Afterwards `members` may include it."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """An episode from which a policy learns, and whom it met there."""

    policy: str
    game: str
    opponent: int | str | None  # a past version of it; who else did not learn, by name; None: nobody
    returns: Mapping[str, float]  # of the learning policy's roles: all rewards of an episode


@runtime_checkable
class MatchObserver(Protocol):
    """An opponent sampler that wants to know how its matches ended."""

    def matches_ended(self, matches: Sequence[Match]) -> None:
        """Called once a step, before ``step_ended``, with the step's matches in the order of their episodes."""
        ...


@runtime_checkable
class Blender(Protocol):
    """An opponent sampler whose opponents are made of a past version and the policy as it is now."""

    def blend(self, past: LoadedModel, present: LoadedModel) -> LoadedModel:
        """What plays in place of ``past``. Called once for each version; ``present`` goes on being trained in place."""
        ...


# ---- models and tokens -----------------------------------------------------------------------------------------------


Transcript = Sequence[tuple[str, str]]  # ("user" | "assistant" | "system", text), in order


@dataclass(frozen=True, slots=True)
class ModelContext:
    """What a model source may use: the seed, and transcripts of random legal play of the run's own entries."""

    seed: int
    examples: Callable[[int], list[Transcript]]  # n -> n transcripts, the same ones for the same seed


@dataclass(slots=True)
class LoadedModel:
    model: PreTrainedModel  # master weights, fp32
    tokenizer: PreTrainedTokenizerBase  # has a chat template
    bf16: bool = False  # run matrix products in bfloat16
    adapted: bool = False  # only a LoRA adapter is trained; the rest may be shared with other policies


class ModelSource(Protocol):
    """Names a model to load or build."""

    def load(self, context: ModelContext) -> LoadedModel: ...

    def where(self) -> str:
        """One line for `sparring models`: where it is, or how to get it."""
        ...


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a turn is sampled. ``temperature`` 0 is greedy; ``top_p`` 1 and ``top_k`` 0 are off."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to sample. ``key`` decides its noise: equal keys and contexts give equal samples."""

    policy: str
    context: Sequence[int]
    key: int
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Completion:
    """Sampled tokens, the end token included, and the log-probability of each under the distribution it was drawn from."""

    tokens: list[int]
    logprobs: list[float]
    finish: Finish


class Generator(Protocol):
    """Samples and scores tokens.

    It may have ``seconds``, a mapping from what it does to the seconds that took since its beginning, for `sparring profile`;
    ``memory_bytes()``, the most it takes beside the weights, and ``version_bytes(loaded)``, what it adds to one more set of
    them, for the memory plan; and ``max_length``, the most tokens of a
    prompt with its answer, where that is less than a model reads (None: no less). Samples must not depend on what is asked for
    together. What it raises stops the run, after the last whole step is saved.
    """

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        """Make these weights available under ``policy``. The model may be kept by reference: after a change, publish again."""
        ...

    def withdraw(self, policy: str) -> None: ...
    def room(self, requests: Sequence[Request]) -> int:
        """How many of these, from the first on, it can hold at once (at least one). More are asked for later.

        Episodes are given in their order, so what has begun goes on before more begins.
        """
        ...

    def generate(self, requests: Sequence[Request]) -> list[Completion]: ...

    def release(self) -> None:
        """No conversation goes on: what was kept of them may be given back. Called when a step's episodes have ended."""
        ...

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        """Log-probability at temperature 1 of each token of each continuation, for (context, continuation) pairs."""
        ...


@runtime_checkable
class Continuous(Generator, Protocol):
    """A generator whose requests join and leave at any token, so that nobody waits for the longest answer of all.

    What it is writing counts in `room`, which then may be 0, and `generate` may be called meanwhile. `release` gives that up.
    """

    def admit(self, requests: Sequence[Request]) -> Sequence[int]:
        """Take these on. Returns a number for each, which no other has had."""
        ...

    def advance(self, until: Callable[[], bool] = bool) -> Mapping[int, Completion]:
        """Write until something has ended, if there is anything, or ``until()``, by default never, says that others are about to join.

        Returns what has ended, by its number, each once.
        """
        ...


# ---- learning --------------------------------------------------------------------------------------------------------


# What an objective needs of a reference policy: nothing, the log-probabilities of the trained tokens, or a whole divergence
# at each of them, KL(policy || reference) or KL(reference || policy).
NeedsReference = Literal["no", "tokens", "reverse_kl", "forward_kl"]


class Objective(Protocol):
    """Records to loss. Its parameters say which kind it takes, if not policy-gradient ones: ``record: ClassVar[RecordKind]``."""

    @property
    def needs_reference(self) -> NeedsReference: ...

    def __call__(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The batch's share of the loss (a scalar; shares of micro-batches add up) and metric sums by name."""
        ...


class RecordBuilder(Protocol):
    """Episodes to records: what is trained on. Its parameters say of which kind, as an objective's do."""

    def build(self, episodes: Sequence[Episode]) -> Sequence[Record]:
        """Records of trained turns, in episode order. Each has the labels of one of its turns."""
        ...


# ---- watching --------------------------------------------------------------------------------------------------------


class Evaluator(Protocol):
    """Numbers that are not rewards."""

    def evaluate(self, run: Evaluation) -> Mapping[str, float]:
        """Metrics by name, logged under ``eval/``."""
        ...


class Tracker(Protocol):
    """Writes metrics somewhere."""

    def open(self, folder: Path, resume_after: int | None) -> None:
        """``resume_after``: drop what was written for later steps; None for a new run."""
        ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RunStarted:
    recipe: Recipe
    folder: Path
    first_step: int
    steps: int


@dataclass(frozen=True, slots=True)
class StepEnded:
    step: int
    steps: int
    metrics: Mapping[str, float]
    episodes: Sequence[Episode]


@dataclass(frozen=True, slots=True)
class RunEnded:
    folder: Path
    step: int
    finished: bool
    error: str = ""

"""Claim: tokens per second stay the same however many episodes are open, and what play costs beside the model grows linearly.

Open episodes are not resident ones: the scheduler finishes conversations before it admits more than the memory for keys and
values holds, which is small here. Whole matches of several turns with `tiny`; then matches and groups with a model that
answers at once, whose own time is taken off; then how long it takes to publish weights. Processor seconds on one thread,
medians of runs that take turns.

python benchmarks/growth.py --runs 3
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from common import RESULTS, save

mpl.use("Agg")
from matplotlib import pyplot  # after the choice of what it draws on

from sparring import Completion, LoadedModel, Request
from sparring.assemble import assemble
from sparring.chat import ChatFormat
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.trainer import Trainer
from sparring_generators.capacity import bytes_per_token
from sparring_generators.packed import pack
from sparring_generators.params import TransformersParams, make_transformers
from sparring_memory.garbage import settled

FLAT = (
    1.15  # the largest rate over the smallest, and the time of a turn with most episodes over that with a tenth of them
)
RECIPE = """
format: 1
policies: {{main: {{model: {model}}}}}
play:
  - {entry}
judges: {{outcome: outcome, answer: exact_match, difficulty: difficulty, repetition: {{use: repetition, tokens: characters}}}}
advantage: role_conditioned
objective: policy_gradient
sampling: {{max_tokens: {max_tokens}}}
train: {{steps: 1, threads: 1}}
"""
SOON = "{use: tiny, hidden: 32, heads: 1, kv_heads: 1, layers: 1, warmup_steps: 1}"  # a scripted model's, whose chat is all that is used
#: Entry, most tokens of an answer, and about the longest conversation, by which memory is given.
MATCHES = {
    "kuhn_poker": ("{game: {use: kuhn_poker, wording: terse, rounds: 3}, scheme: turn_based}", 4, 120),
    "taboo": ("{game: {use: taboo, turns: 2}, scheme: turn_based}", 8, 200),
}


def _bets(asked: str) -> list[str]:
    return ["fold", "call"] if "fold" in asked else ["check", "bet"]


def _talks(asked: str) -> list[str]:
    return ["tell me more", "hm", "go on"]


def _sums(asked: str) -> list[str]:
    # Two sums, one below the other, ask for another one; of a long one only the end may be seen here.
    proposing = "\n" in asked.strip() or asked.count("+") > 2
    return [f"{n // 25}+{n // 5 % 5}+{n % 5}" for n in range(125)] if proposing else ["5", "6", "7"]


#: What is played with a scripted model: its entry, and possible answers to the end of what it is asked.
SCRIPTED: dict[str, tuple[str, Callable[[str], list[str]]]] = {
    "kuhn_poker": ("{game: {use: kuhn_poker, wording: terse}, scheme: turn_based}", _bets),
    "taboo": ("{game: {use: taboo, turns: 3}, scheme: turn_based}", _talks),
    "proposer_solver": (
        """{name: sums, scheme: {
    use: proposer_solver, attempts: 8, references: 2, store: null, known: 1.0, repetition: repetition,
    tasks: {use: arithmetic, largest: 4, operators: ['+'], operations: [2, 6]},
    propose: '{references}', task_tag: '', solve: '{task}', answer_tag: ''}}""",
        _sums,
    ),
}


def trainer_of(name: str, model: str, entry: str, max_tokens: int) -> Trainer:
    text = RECIPE.format(model=model, entry=entry, max_tokens=max_tokens)
    return assemble(load_recipe(RecipeSource(name, text, name), load_plugins().registry))


class Noted:
    """A generator, and the most that it was given at once."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.most, self._open = inner, 0, 0

    def room(self, requests: Sequence[Request]) -> int:
        return int(self.inner.room(requests))

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        return list(self.inner.generate(requests))

    def admit(self, requests: Sequence[Request]) -> list[int]:
        self._open += len(requests)
        self.most = max(self.most, self._open)
        return list(self.inner.admit(requests))

    def advance(self, until: Callable[[], bool] = bool) -> dict[int, Completion]:
        ended = dict(self.inner.advance(until))
        self._open -= len(ended)
        return ended

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        self.inner.publish(policy, loaded)

    def withdraw(self, policy: str) -> None:
        self.inner.withdraw(policy)

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        return list(self.inner.score(policy, rows))

    def release(self) -> None:
        self.inner.release()
        self._open = 0


class Instant:
    """A model that knows by the last tokens what may be answered, and answers some of what it has been given; ``seconds`` are its own."""

    ROWS, AT_ONCE = 256, 16

    def __init__(self, chat: ChatFormat, answers: Callable[[str], list[str]]) -> None:
        self._chat, self._answers = chat, answers
        self._known: dict[tuple[int, ...], list[list[int]]] = {}
        self._written: dict[int, Request] = {}
        self._given = 0
        self.seconds = 0.0

    def room(self, requests: Sequence[Request]) -> int:
        return min(len(requests), self.ROWS - len(self._written))

    def release(self) -> None:
        """Nothing is kept."""

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        """It has no weights."""

    def withdraw(self, policy: str) -> None:
        """Nor forgets any."""

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        raise NotImplementedError

    def admit(self, requests: Sequence[Request]) -> list[int]:
        began = time.process_time()
        numbers = [self._given + i for i in range(len(requests))]
        self._given += len(requests)
        self._written |= zip(numbers, requests, strict=True)
        self.seconds += time.process_time() - began
        return numbers

    def advance(self, until: Callable[[], bool] = bool) -> dict[int, Completion]:
        began = time.process_time()
        numbers = list(itertools.islice(self._written, self.AT_ONCE))
        asked = [self._written.pop(number) for number in numbers]
        self.seconds += time.process_time() - began
        return dict(zip(numbers, self.generate(asked), strict=True))

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        began = time.process_time()
        said = []
        for request in requests:
            end = tuple(request.context[-16:])
            if end not in self._known:
                asked = str(self._chat.tokenizer.decode(list(end), skip_special_tokens=True))
                self._known[end] = [self._chat.answer(text) for text in self._answers(asked)]
            among = self._known[end]
            tokens = among[request.key % len(among)]
            said.append(Completion(list(tokens), [-1.0] * len(tokens), "stop"))
        self.seconds += time.process_time() - began
        return said


def play(trainer: Trainer, generator: Any, episodes: int, seed: int) -> tuple[float, int, int]:
    """Processor seconds, turns and sampled tokens of so many episodes that are begun at once."""
    (entry,) = trainer.entries
    trainer.hall.generator = generator
    plans = [entry.plan(number, number, entry.roles, (seed,)) for number in range(episodes)]
    began = time.process_time()
    played = trainer.hall.play(plans, 0)
    seconds = time.process_time() - began
    generator.release()
    failed = [episode.error for episode in played if episode.error]
    assert not failed, failed[0]
    turns = [turn for episode in played for turn in episode.turns]
    return seconds, len(turns), sum(turn.tokens for turn in turns)


def opened(name: str, sizes: Sequence[int], runs: int, resident: int) -> dict[str, Any]:
    """Tokens per processor second of whole matches of `tiny`, by how many are open."""
    entry, max_tokens, longest = MATCHES[name]
    trainer = trainer_of(name, "tiny", entry, max_tokens)
    loaded = trainer.learners["main"].loaded
    half = resident * longest * bytes_per_token(loaded) / 2**30  # the other one is for conversations that may go on
    inner = make_transformers(TransformersParams(kv_gib=2 * half))
    inner.publish("main", loaded)
    play(trainer, Noted(inner), 4, 0)
    rates: dict[int, list[float]] = {size: [] for size in sizes}
    most: dict[int, int] = {}
    with settled():  # as a run is
        for run in range(1, runs + 1):
            for size in sizes:
                generator = Noted(inner)
                seconds, turns, tokens = play(trainer, generator, size, run)
                rates[size].append(tokens / seconds)
                most[size] = generator.most
                print(f"{name}, {size} open, at most {generator.most} asked at once: {tokens} tokens in {turns} turns, {tokens / seconds:,.0f} a second", flush=True)  # fmt: skip
    middle = {size: statistics.median(found) for size, found in rates.items()}
    spread = max(middle.values()) / min(middle.values())
    print(f"{name}: {spread:.2f} between the largest and the smallest rate (limit {FLAT})")
    return {"tokens_per_cpu_second": middle, "asked_at_once": most, "spread": spread, "limit": FLAT, "runs": rates}


def beside(name: str, sizes: Sequence[int], runs: int) -> dict[str, Any]:
    """Microseconds of processor time a turn beside a model that answers at once, by how many episodes begin at once."""
    entry, answers = SCRIPTED[name]
    trainer = trainer_of(name, SOON, entry, 32)
    generator = Instant(trainer.hall.chats["main"], answers)
    play(trainer, generator, 64, 0)
    found: dict[int, list[float]] = {size: [] for size in sizes}
    with settled():  # as a run is
        for run in range(1, runs + 1):
            for size in sizes:
                spent = []
                # The cost of one episode is that of beginning and ending; a single time says nothing.
                for again in range(max(1, 64 // size)):
                    generator.seconds = 0.0
                    seconds, turns, _ = play(trainer, generator, size, 1000 * run + again)
                    spent.append(1e6 * (seconds - generator.seconds) / turns)
                found[size].append(statistics.median(spent))
    middle = {size: statistics.median(values) for size, values in found.items()}
    growth = middle[sizes[-1]] / middle[sizes[-2]]
    print(f"{name}: {({size: round(value) for size, value in middle.items()})} µs a turn; {growth:.2f} from {sizes[-2]} to {sizes[-1]} (limit {FLAT})", flush=True)  # fmt: skip
    return {"microseconds_a_turn": middle, "growth": growth, "limit": FLAT, "runs": found}


def publish(model: str, runs: int) -> dict[str, float]:
    """Milliseconds of processor time to publish weights, and to lay them out anew for products where that is done."""
    loaded = trainer_of("publish", model, MATCHES["kuhn_poker"][0], 4).learners["main"].loaded
    generator = make_transformers(TransformersParams())
    found: dict[str, list[float]] = {"publish": [], "pack": []}
    for _ in range(runs + 1):
        for name, work in (("publish", lambda: generator.publish("main", loaded)), ("pack", lambda: pack(loaded))):
            began = time.process_time()
            work()
            found[name].append(1e3 * (time.process_time() - began))
    middle = {name: statistics.median(values[1:]) for name, values in found.items()} | {"first": found["publish"][0]}
    print(f"{model}: { ({name: round(value, 2) for name, value in middle.items()}) } ms", flush=True)
    return middle


def draw(part: str, result: dict[str, Any], values: str, label: str) -> None:
    """What was found, by size, one line for each that was played."""
    figure, axes = pyplot.subplots(figsize=(5, 3.2), constrained_layout=True)
    for name, found in result.items():
        axes.plot(list(found[values]), list(found[values].values()), marker="o", label=name)
    axes.set(xscale="log", ylim=(0, None), xlabel="episodes begun at once", ylabel=label)
    axes.legend(fontsize=8)
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / f"growth-{part}.png", dpi=110)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="open,beside,publish")
    parser.add_argument("--open", type=numbers, default=[64, 256, 1024, 4096])
    parser.add_argument("--episodes", type=numbers, default=[1, 16, 1024, 10000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--resident", type=int, default=32, help="conversations that there is memory for, about")
    parser.add_argument("--models", default="tiny,smollm2_135m", help="whose publication is timed")
    given = parser.parse_args()
    parts = given.parts.split(",")
    if "beside" in parts:
        result = {name: beside(name, given.episodes, given.runs) for name in SCRIPTED}
        draw("beside", result, "microseconds_a_turn", "µs a turn beside the model")
        save("growth-beside", {"arguments": vars(given), "beside": result})
    if "publish" in parts:
        published = {model: publish(model, given.runs) for model in given.models.split(",")}
        save("growth-publish", {"arguments": vars(given), "milliseconds": published})
    if "open" in parts:
        result = {name: opened(name, given.open, given.runs, given.resident) for name in MATCHES}
        draw("open", result, "tokens_per_cpu_second", "tokens per processor second")
        save("growth-open", {"arguments": vars(given), "open": result})


if __name__ == "__main__":
    main()

"""The training loop. One step: plan, play, judge, estimate, build, update, publish; then evaluate and save.

Simpler than a textbook's actor and critic, on purpose:

1. Strictly on policy by default: one optimizer step per collect, so the ratio is 1 and clipping does nothing until
   ``train.epochs`` or ``train.minibatches`` is more than 1. With ``train.staleness: 1`` the next step is played by a copy
   of the weights while they change; publishing, evaluating and saving wait for both, so nothing depends on which is faster.
2. No value network; advantages come from an estimator over whole trajectories.
3. KL, if any, is a term of the loss, never subtracted from rewards.
4. The sampler's own log-probabilities are the old ones, unless ``train.old_logprobs`` says otherwise.

The loop does not know which method it is running: games, schemes, judges, estimators, objectives and opponents are the
recipe's. Everything random is keyed by the seed and by numbers counted here, so nothing but the state below is needed to
resume.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, TypeVar

from sparring import transcripts
from sparring.adapters import overwrite, trained_parameters, twin
from sparring.batch import totals
from sparring.chance import SeededChance
from sparring.entry import Entry
from sparring.errors import EpisodeError, EstimatorError, NumericsError
from sparring.evaluation import Evaluation
from sparring.interfaces import (
    Blender,
    Curriculum,
    Evaluator,
    Generator,
    LoadedModel,
    Match,
    MatchObserver,
    OpponentSampler,
    Stateful,
)
from sparring.learner import Learner, Part
from sparring.play import EpisodePlan, Hall, Held
from sparring.pool import Pool
from sparring.recipe import Recipe
from sparring.records import Episode, PolicyGradientRecord, Record, Trajectory
from sparring.rewards import combine
from sparring.sections import PhaseSpec

C = TypeVar("C")
T = TypeVar("T")


@dataclass(slots=True)
class Counters:
    """What the loop counts; all of it is checkpointed."""

    step: int = 0
    episodes: int = 0
    turns: int = 0
    episodes_failed: int = 0
    starts: int = 0  # groups begun
    credits: list[float] = field(default_factory=list)  # groups of each entry that are due, in the present phase
    entry_episodes: list[int] = field(default_factory=list)
    entry_turns: list[int] = field(default_factory=list)


class _Played(NamedTuple):
    """A step's episodes, and what was counted when they had been played."""

    counters: Counters
    episodes: list[Episode]


class Trainer:
    """Runs steps. `sparring.run` assembles one from a recipe and keeps its folder."""

    def __init__(
        self,
        recipe: Recipe,
        entries: Sequence[Entry],
        learners: Mapping[str, Learner],
        frozen: Mapping[str, LoadedModel],
        generator: Generator,
        hall: Hall,
        opponents: OpponentSampler,
        curriculum: Curriculum,
        evaluators: Sequence[tuple[Evaluator, int]],
    ) -> None:
        self.recipe, self.entries, self.learners, self.generator, self.hall = recipe, entries, learners, generator, hall
        self.opponents, self.curriculum, self.evaluators = opponents, curriculum, evaluators
        self.pool = Pool(generator, opponents if isinstance(opponents, Blender) else None)
        self.counters = Counters(
            credits=[0.0] * len(entries), entry_episodes=[0] * len(entries), entry_turns=[0] * len(entries)
        )
        self._seconds: dict[str, float] = defaultdict(float)
        self._ahead: Future[_Played] | None = None  # the next step, if it has been played already
        self._before: tuple[str, Future[_Played] | None] | None = None  # the state when the step in hand began
        self._copies = {name: twin(learner.loaded) for name, learner in learners.items() if recipe.train.staleness}
        self._offer()
        for name, loaded in frozen.items():
            generator.publish(name, loaded)
        self._keep_members()

    def step(self) -> tuple[dict[str, float], list[Episode]]:
        """One pass of the loop: its metrics and its episodes. Nothing is logged or saved here."""
        self._seconds.clear()
        sampled_before, seconds_before = self.hall.sampled_tokens, self.hall.sampling_seconds
        began = time.perf_counter()
        self._before = json.dumps(self._state()), self._ahead
        with self._clock("play"):
            self.counters, episodes = self._ahead.result() if self._ahead else self._play()
            self._ahead = None
        phase, nth = self.recipe.phase(self.counters.step)
        with self._clock("judge"):
            self._combine_rewards(episodes)
            if isinstance(self.opponents, MatchObserver):
                self.opponents.matches_ended([match for episode in episodes for match in self._matches(episode)])
        with self._clock("estimate"):
            trajectories = self._estimate(episodes)
            self.curriculum.step_ended([[e for e in episodes if e.entry == entry.number] for entry in self.entries])
        metrics = self._describe(episodes, trajectories)
        with self._clock("build"):
            records = self._build(episodes)
        with self._while_playing_ahead(), self._clock("update"):
            model_seconds = self._update(records, metrics)
        self._before = None
        with self._clock("publish"):
            self._publish(phase.refresh_reference if nth == phase.steps else ())
            self.hall.stores.commit(item for e in episodes if not e.error for item in e.additions)
        total = time.perf_counter() - began
        model_seconds["sample"] = self.hall.sampling_seconds - seconds_before
        metrics["tokens/sampled"] = self.hall.sampled_tokens - sampled_before
        metrics |= {f"seconds/{verb}": seconds for verb, seconds in self._seconds.items()}
        metrics |= {f"seconds/model/{part}": seconds for part, seconds in model_seconds.items()}
        metrics["framework_share"] = max(0.0, 1 - sum(model_seconds.values()) / total)
        return metrics, episodes

    # ---- plan and play -----------------------------------------------------------------------------------------------

    @contextmanager
    def _while_playing_ahead(self) -> Iterator[None]:
        """Within, the next step is played beside, if the recipe wants that; leaving waits for it, and its result for its turn."""
        if not self.recipe.train.staleness or self.counters.step == self.recipe.train.steps:
            yield
            return
        with ThreadPoolExecutor(1, "play") as beside:
            self._ahead = beside.submit(self._play)
            yield
            with self._clock("play"):
                wait([self._ahead])

    def _play(self) -> _Played:
        """Play the step after the one that is counted. Nothing here changes what learning reads, nor the reverse."""
        counters = copy.deepcopy(self.counters)
        counters.step += 1
        phase, nth = self.recipe.phase(counters.step)
        if nth == 1:
            counters.credits = [0.0] * len(self.entries)
        size, unit = self.recipe.batch.size, self.recipe.batch.unit
        plans: list[EpisodePlan] = []

        def more(ended: Sequence[Episode]) -> list[EpisodePlan]:
            """Groups that are lacking, if those in flight take as many turns as is usual."""
            turns: float = sum(turn.trained for episode in ended for turn in episode.turns)
            known = {episode.number for episode in ended}
            turns += sum(self._turns_expected(plan.entry, counters) for plan in plans if plan.number not in known)
            new: list[EpisodePlan] = []
            while turns < size:
                group = self._next_group(phase, counters)
                new += group
                turns += sum(self._turns_expected(plan.entry, counters) for plan in group)
            plans.extend(new)
            return new

        if unit == "turns":
            episodes = self.hall.play(more(()), counters.step, more)
        else:
            begun = 0
            while begun < size:
                group = self._next_group(phase, counters)
                plans += group
                begun += 1 if unit == "groups" else len(group)
            episodes = self.hall.play(plans, counters.step)
        self.generator.release()
        self._count(episodes, counters)
        return _Played(counters, episodes)

    def _turns_expected(self, entry: int, counters: Counters) -> float:
        """Trained turns of an episode, as they have been so far; at first, one for each role."""
        if counters.entry_episodes[entry]:
            return max(0.1, counters.entry_turns[entry] / counters.entry_episodes[entry])
        return float(sum(held.trained for held in self.entries[entry].roles.values()))

    def _next_group(self, phase: PhaseSpec, counters: Counters) -> list[EpisodePlan]:
        """The next group of the entry that most is due to, so that shares are exact, not drawn."""
        due = counters.credits
        playable = [entry for entry in self.entries if phase.play is None or entry.name in phase.play]
        weights = self.curriculum.weights([entry.weight for entry in self.entries])
        total = sum(weights[entry.number] for entry in playable)
        for entry in playable:
            due[entry.number] += weights[entry.number] / total
        entry = max(playable, key=lambda e: (round(due[e.number], 9), -e.number))
        due[entry.number] -= 1
        counters.starts += 1
        start = counters.starts
        plans = []
        for _ in range(entry.group_size):
            number = counters.episodes
            counters.episodes += 1
            holders = self._seat(entry, number, phase)
            plans.append(entry.plan(number, start, holders, (self.recipe.train.seed,)))
        return plans

    def _seat(self, entry: Entry, number: int, phase: PhaseSpec) -> dict[str, Held]:
        trained = [policy for policy in self.learners if phase.train is None or policy in phase.train]
        holders = {
            role: held if held.name in trained else Held(held.name, player=held.player)
            for role, held in entry.roles.items()
        }
        for policy in trained:
            mine = [role for role, held in holders.items() if held.name == policy and held.trained]
            if not mine:
                continue
            chance = SeededChance(self.recipe.train.seed, "opponents", number, policy)
            assigned = self.opponents.assign(policy, mine, self.learners[policy].version, chance)
            for role, opponent in assigned.items():
                if isinstance(opponent, int):
                    holders[role] = self.pool.opponent(policy, opponent)
                elif isinstance(opponent, str):
                    holders[role] = Held(opponent)
                elif opponent is not None:
                    holders[role] = Held.by(*opponent, entry.game)
        return {
            role: Held(held.name, self.learners[held.name].version, trained=held.trained)
            if held.name in self.learners
            else held
            for role, held in holders.items()
        }

    def _count(self, episodes: Sequence[Episode], counters: Counters) -> None:
        """Count, and give up failed episodes within the budget."""
        for episode in episodes:
            if episode.error:
                counters.episodes_failed += 1
                for turn in episode.turns:
                    turn.trained = False
            turns = sum(turn.trained for turn in episode.turns)
            counters.turns += turns
            counters.entry_turns[episode.entry] += turns
            counters.entry_episodes[episode.entry] += 1
        budget = self.recipe.train.failure_budget
        if counters.episodes_failed > budget:
            failed = next(e for e in reversed(episodes) if e.error)
            raise EpisodeError(
                f"step {counters.step}: {counters.episodes_failed} episodes of this run have failed, more than "
                f"train.failure_budget ({budget}); the last is episode {failed.number} of {failed.game}: {failed.error}"
            )

    # ---- judge, estimate, update, publish ------------------------------------------------------------------------------

    def _combine_rewards(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            rule = self.entries[episode.entry].rewards
            for turn in episode.turns:
                turn.reward = combine(turn.rewards, rule.combine, rule.parts)

    def _matches(self, episode: Episode) -> Iterator[Match]:
        """What an episode says about each that its learning policies met and that did not learn itself."""
        returns: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for turn in episode.turns:
            if turn.trained:
                returns[turn.holder][turn.role] += turn.reward
        met = dict.fromkeys(turn.holder for turn in episode.turns if turn.holder not in returns)
        for policy, mine in returns.items():
            for holder in met or (None,):
                name, _, version = (holder or "").partition("@")
                yield Match(policy, episode.game, int(version.rstrip("*")) if name == policy else holder, dict(mine))

    def _estimate(self, episodes: Sequence[Episode]) -> list[Trajectory]:
        """Advantages, by the estimator of each entry. Entries that share a component share its call."""
        everything = [trajectory for episode in episodes for trajectory in episode.trajectories()]
        entry_of = {episode.number: self.entries[episode.entry] for episode in episodes}
        for estimator, trajectories in _grouped(everything, lambda t: entry_of[t.episode].estimator):
            found = estimator.estimate(trajectories)
            if [len(advantages) for advantages in found] != [len(trajectory.turns) for trajectory in trajectories]:
                raise EstimatorError(
                    f"step {self.counters.step}: estimator {type(estimator).__name__} gave {len(found)} lists of "
                    f"{sum(map(len, found))} advantages for {len(trajectories)} trajectories of "
                    f"{sum(len(t.turns) for t in trajectories)} turns; it must give one for each turn of each"
                )
            for trajectory, advantages in zip(trajectories, found, strict=True):
                for turn, advantage in zip(trajectory.turns, advantages, strict=True):
                    if not math.isfinite(advantage):
                        raise NumericsError(
                            f"step {self.counters.step}: the advantage of {turn.role} in episode {trajectory.episode} is {advantage} "
                            f"(reward {turn.reward}, parts {turn.rewards}); its judge or estimator is at fault"
                        )
                    turn.advantage = float(advantage)
        return everything

    def _build(self, episodes: Sequence[Episode]) -> list[Record]:
        """What is trained on, by the builder of each entry."""
        whole = [episode for episode in episodes if not episode.error]
        by_builder = _grouped(whole, lambda episode: self.entries[episode.entry].builder)
        return [record for builder, mine in by_builder for record in builder.build(mine)]

    def _update(self, records: Sequence[Record], metrics: dict[str, float]) -> dict[str, float]:
        model_seconds: dict[str, float] = defaultdict(float)
        metrics["tokens/rows"] = sum(len(tokens) for record in records for tokens, _ in record.rows)
        metrics["tokens/trained"] = sum(len(where) for record in records for _, where in record.rows)
        metrics["tokens/computed"] = 0.0
        for name, learner in self.learners.items():
            mine = [record for record in records if record.policy == name]
            if self.recipe.train.staleness:
                metrics[f"staleness/{name}"] = self._staleness(learner, mine)
            report = learner.update(self._parts(mine), self.counters.step)
            metrics |= {f"{key}/{name}": value for key, value in report.metrics.items()}
            metrics["tokens/computed"] += report.nodes / self.recipe.train.epochs
            for part, seconds in report.seconds.items():
                model_seconds[part] += seconds
        return model_seconds

    def _staleness(self, learner: Learner, records: Sequence[Record]) -> float:
        """How many updates ago the oldest of ``records`` was sampled. Raises an assertion beyond the bound."""
        ages = [learner.version - record.version for record in records if isinstance(record, PolicyGradientRecord)]
        assert all(0 <= age <= self.recipe.train.staleness for age in ages), ages
        return float(max(ages, default=0))

    def _parts(self, records: Sequence[Record]) -> list[Part]:
        """A policy's records by the objective of the entry they come from."""
        parts = []
        for objective, mine in _grouped(records, lambda record: self.entries[int(record.labels["entry"])].objective):
            # With advantage zero everywhere and no reference to stay near, a row's gradient is zero: it is not run.
            kept = [
                r
                for r in mine
                if objective.needs_reference != "no" or not isinstance(r, PolicyGradientRecord) or any(r.advantages)
            ]
            parts.append(Part(objective, kept, totals(mine)))
        return parts

    def _publish(self, refresh: Sequence[str]) -> None:
        for name, learner in self.learners.items():
            learner.step_ended(self.counters.step)
            self.opponents.step_ended(name, self.counters.step)
            if name in refresh:
                learner.keep_reference()
        self._offer()
        self._keep_members()

    def _offer(self) -> None:
        """Publish the policies as they are now; copies of them if the learner changes them while they are played."""
        for name, copied in self._copies.items():
            overwrite(copied, trained_parameters(self.learners[name].loaded))
        for name, learner in self.learners.items():
            self.generator.publish(name, self._copies.get(name, learner.loaded))

    def _keep_members(self) -> None:
        """Versions that opponents or evaluators may still ask for stay in the pool."""
        watching = [members() for e, _ in self.evaluators if (members := getattr(e, "members", None))]
        watched = {version for versions in watching for version in versions}
        for name, learner in self.learners.items():
            present = self._copies.get(name, learner.loaded)
            self.pool.keep(name, learner.version, present, sorted({*self.opponents.members(name), *watched}))

    # ---- measure -------------------------------------------------------------------------------------------------------

    def _describe(self, episodes: Sequence[Episode], trajectories: Sequence[Trajectory]) -> dict[str, float]:
        """Metrics of what was played."""
        metrics: dict[str, float] = {
            "step": self.counters.step, "episodes": self.counters.episodes, "turns": self.counters.turns,
            "episodes_failed": self.counters.episodes_failed,
        }  # fmt: skip
        returns: dict[str, list[float]] = defaultdict(list)
        advantages: dict[str, list[float]] = defaultdict(list)
        for trajectory in trajectories:
            key = f"{trajectory.labels['game']}/{trajectory.role}"
            returns[key].append(trajectory.total)
            # By trajectory, as baselines count: by turns, long and mostly lost hands would weigh more.
            advantages[key].append(sum(turn.advantage for turn in trajectory.turns) / len(trajectory.turns))
        for key, values in returns.items():
            metrics[f"reward/{key}"] = sum(values) / len(values)
        for key, values in advantages.items():
            mean = sum(values) / len(values)
            metrics[f"advantage/{key}/mean"] = mean
            metrics[f"advantage/{key}/std"] = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
        by_game: dict[str, list[Episode]] = defaultdict(list)
        for episode in episodes:
            by_game[episode.game].append(episode)
        for entry in self.entries if len(self.entries) > 1 else ():
            metrics[f"play_share/{entry.name}"] = sum(e.entry == entry.number for e in episodes) / len(episodes)
        for game, played in by_game.items():
            metrics[f"turns_per_episode/{game}"] = sum(len(episode.turns) for episode in played) / len(played)
            turns = [turn for episode in played for turn in episode.turns if turn.spans[-1].kind == "sampled"]
            if turns:
                illegal = sum(turn.labels.get("legal") is False for turn in turns)
                metrics[f"illegal_rate/{game}"] = illegal / len(turns)
                metrics[f"truncated_rate/{game}"] = sum(turn.finish == "length" for turn in turns) / len(turns)
                metrics[f"completion_tokens/{game}"] = sum(turn.tokens for turn in turns) / len(turns)
            spoken = [turn for episode in played for turn in episode.turns if "answered" in turn.labels]
            for holder in sorted({turn.holder for turn in spoken}):
                theirs = [turn for turn in spoken if turn.holder == holder]
                for name, label in (("unanswered", "answered"), ("illegal", "legal")):
                    share = sum(turn.labels.get(label) is False for turn in theirs) / len(theirs)
                    metrics[f"player_{name}_rate/{game}/{holder}"] = share
            for role in sorted({turn.role for turn in turns}):
                mine = [turn for turn in turns if turn.role == role]
                illegal = sum(turn.labels.get("legal") is False for turn in mine)
                metrics[f"illegal_rate/{game}/{role}"] = illegal / len(mine)
            noted: dict[str, list[float]] = defaultdict(list)
            for episode in played:
                for name, value in episode.facts.items():
                    if isinstance(value, (int, float)) and math.isfinite(value):
                        noted[name].append(float(value))
            metrics |= {f"facts/{game}/{name}": sum(values) / len(values) for name, values in sorted(noted.items())}
        flat = [turn.advantage for trajectory in trajectories for turn in trajectory.turns]
        metrics["zero_advantage_rate"] = sum(a == 0 for a in flat) / max(1, len(flat))
        return metrics

    def evaluate(self, *, final: bool = False) -> dict[str, float]:
        """Every evaluator that is due now: before training, every so many steps, and at the end."""
        step = self.counters.step
        run = Evaluation(step, self.recipe.train.seed, self.hall, list(self.learners), self.entries, self.pool)
        found: dict[str, float] = {}
        for evaluator, every in self.evaluators:
            if final or step % every == 0:
                found |= evaluator.evaluate(run)
        return found

    # ---- state -----------------------------------------------------------------------------------------------------------

    def _components(self) -> Iterator[tuple[str, Stateful]]:
        """Components with memory, each under a name that the recipe decides."""
        parts: list[tuple[str, object]] = [(n, getattr(self, n)) for n in ("opponents", "curriculum", "generator")]
        seen: set[int] = set()
        for entry in self.entries:
            candidates: list[tuple[str, object]] = [
                (f"play.{entry.number}.advantage", entry.estimator), (f"play.{entry.number}.records", entry.builder), (f"play.{entry.number}.objective", entry.objective),
                (f"play.{entry.number}.scheme", entry.scheme), *((f"play.{entry.number}.judges.{n}", j) for n, j in entry.judges.items()),
            ]  # fmt: skip
            parts += [(name, part) for name, part in candidates if id(part) not in seen]
            seen |= {id(part) for _, part in candidates}
        parts += [(f"evaluate.{i}", evaluator) for i, (evaluator, _) in enumerate(self.evaluators)]
        return ((name, part) for name, part in parts if isinstance(part, Stateful))

    def state_dict(self) -> dict[str, Any]:
        """All that is needed beside tensors, as JSON values."""
        return {**self._state(), "ahead": _as_json(self._ahead)}

    def last_whole_state(self) -> dict[str, Any] | None:
        """In a step that failed: the state when it began, if the tensors are still those of then; else None."""
        if self._before is None:
            return None
        state, ahead = json.loads(self._before[0]), self._before[1]
        now = {name: learner.state_dict() for name, learner in self.learners.items()}
        if any(now[name]["updates"] != before["updates"] for name, before in state["learners"].items()):
            return None
        return {**state, "ahead": _as_json(ahead)}

    def _state(self) -> dict[str, Any]:
        return {
            "counters": asdict(self.counters),
            "learners": {name: learner.state_dict() for name, learner in self.learners.items()},
            "components": {name: part.state_dict() for name, part in self._components()},
            "pool": self.pool.state_dict(),
            "stores": self.hall.stores.state_dict(),
        }

    def tensors(self) -> dict[str, dict[str, Any]]:
        """Tensor files of a checkpoint: one for each learner and one for each pool member, which never changes."""
        return {f"learner-{n}": learner.tensors() for n, learner in self.learners.items()} | self.pool.tensors()

    def load(
        self,
        state: Mapping[str, Any],
        tensors: Mapping[str, Mapping[str, Any]],
        weights: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.counters = Counters(**state["counters"])
        for name, learner in self.learners.items():
            learner.restore(state["learners"][name], tensors[f"learner-{name}"], weights[name])
        for name, part in self._components():
            part.load_state_dict(state["components"][name])
        self.pool.load(state["pool"], tensors, self.learners)
        self._offer()
        self._keep_members()
        self.hall.stores.load_state_dict(state["stores"])
        self._ahead = None
        if self.recipe.train.staleness and (ahead := state["ahead"]):
            self._ahead = Future()
            episodes = [transcripts.from_json(episode) for episode in ahead["episodes"]]
            self._ahead.set_result(_Played(Counters(**ahead["counters"]), episodes))

    @contextmanager
    def _clock(self, verb: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[verb] += time.perf_counter() - began


def _as_json(ahead: Future[_Played] | None) -> dict[str, Any] | None:
    """A step that was played ahead; nothing if that failed: then it is played again."""
    if ahead is None or ahead.exception():
        return None
    counters, episodes = ahead.result()
    return {"counters": asdict(counters), "episodes": [transcripts.as_json(episode) for episode in episodes]}


def _grouped(items: Iterable[T], component: Callable[[T], C]) -> list[tuple[C, list[T]]]:
    """``items`` by the very component that is due to each, in the order in which each is first needed."""
    found: dict[int, tuple[C, list[T]]] = {}
    for item in items:
        due = component(item)
        found.setdefault(id(due), (due, []))[1].append(item)
    return list(found.values())

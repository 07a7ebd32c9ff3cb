"""Whether a role scheme keeps its contract."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparring.build import spans_at
from sparring.chance import Chance, SeededChance
from sparring.errors import GameError, GenerationError, JudgeError, SparringError
from sparring.game import Game, State
from sparring.interfaces import Judge, Request, RoleScheme, RoleSpec, Sampling, Stateful
from sparring.play import EpisodePlan, Held
from sparring.records import Episode
from sparring.testing.fakes import ScriptedGenerator, attach_voices, byte_chat, hall_of
from sparring.testing.report import Reporter, shown

#: (role, all that it has seen, as text, and a source of chance) -> answer
Write = Callable[[str, str, Chance], str]

_NONSENSE = ("", "\u2603", "<think>begun and never ended", "</think> <|end|> <|user|> {seed} \\", "x" * 300)
_FACTS = (str, int, float, bool)


def check_scheme(
    scheme: RoleScheme,
    game: Game | None = None,
    *,
    answers: Sequence[str] | Write = (),
    judges: Mapping[str, Judge] | None = None,
    episodes: int = 40,
    rewarded: bool = True,
    private: bool = True,
    most_answers: int = 100,
    seed: int = 0,
) -> None:
    """Play episodes in which roles answer sensibly, nonsense or nothing at all, and check what `RoleScheme` promises.

    - Whatever is answered, an episode ends, and raises nothing. With a game, its players may be held by `Player`s too.
    - Roles have different names, each of them speaks, and of each that is trained some turn is rewarded (unless
      ``rewarded=False``: for schemes that collect preferences or demonstrations).
    - Thoughts of one role are in no other's view (unless ``private=False``), rows hold the very tokens that were
      answered, rewards are finite, labels and facts plain values, and what goes into stores is JSON.
    - The same answers make the same episode, among others as alone; memory survives saving and loading.
    - ``examples(chance, n)``, if there are any, are transcripts with an answer, the same for the same chance.

    ``answers`` are sensible ones to choose from, or a function that writes one. ``judges`` are by the name that the scheme
    asks for. Raises `CheckFailed`.
    """
    _Check(scheme, game, answers, judges or {}, episodes, most_answers, private, seed).run(rewarded)


@dataclass(slots=True)
class _Patience:
    """Counts answers, and ends what goes on and on."""

    most: int
    given: int = 0

    def one_more(self) -> None:
        self.given += 1
        if self.given > self.most:
            raise GenerationError(f"after {self.most} answers the episodes have not all ended; what ends them?")


@dataclass(slots=True)
class _Player:
    """A random legal player, or one that writes where moves are free text."""

    role: str
    write: Write
    patience: _Patience

    def act(self, player: int, state: State, chance: Chance) -> str:
        self.patience.one_more()
        actions = state.legal_actions(player)
        return (
            self.write(self.role, "\n".join(state.observe(player)), chance) if actions is None else chance.pick(actions)
        )


class _Check:
    def __init__(
        self, scheme: RoleScheme, game: Game | None, answers: Sequence[str] | Write, judges: Mapping[str, Judge],
        episodes: int, most_answers: int, private: bool, seed: int,
    ) -> None:  # fmt: skip
        self.scheme, self.game, self.judges, self.private, self.seed = scheme, game, judges, private, seed
        self.episodes, self.most = episodes, most_answers
        self.report = Reporter(scheme, seed)
        self.sensible: Write = answers if callable(answers) else lambda role, seen, chance: _one_of(answers, chance)
        self.components = [part for part in (scheme, *judges.values()) if isinstance(part, Stateful)]
        self.states = [self._saved(part) for part in self.components]

    def run(self, rewarded: bool) -> None:
        specs = self._roles()
        everything = range(self.episodes)
        found = self.play(everything, specs)
        for episode in found:
            self._sound(episode, specs)
        self._everyone(found, specs, rewarded)
        self._same(self.play(everything, specs), found, "played again with the same answers")
        if all(getattr(judge, "scope", "item") == "item" for judge in self.judges.values()) and not self.components:
            alone = [episode for number in everything for episode in self.play([number], specs)]
            what = "played alone (does the scheme keep something of an episode on itself?)"
            self._same(alone, found, what)
        if self.game is not None:
            for episode in self.play(everything, specs, players=self.game.info.roles):
                self._sound(episode, specs)
        self._memory()
        self._examples()

    # ---- play ----------------------------------------------------------------------------------------------------------

    def _roles(self) -> dict[str, RoleSpec]:
        try:
            specs = list(self.scheme.roles(self.game))
        except Exception as error:  # a plugin may raise anything
            self.report.fail(f"roles({'game' if self.game else None}) raises {error!r}", error)
            raise
        if self.game is not None:
            try:
                self.scheme.roles(None)
            except SparringError:
                pass
            except Exception as error:  # noqa: BLE001
                self.report.fail(
                    f"roles(None) raises {error!r}; if it needs a game, let it say so in a SparringError", error
                )
        names = [spec.name for spec in specs]
        self.report.require(names, "has no roles")
        self.report.require(len(set(names)) == len(names), f"has a role twice: {names}")
        for name in names:
            self.report.require(name and "/" not in name, f"calls a role {name!r}; metrics have it between slashes")
        self.report.require(list(self.scheme.roles(self.game)) == specs, "asked twice, it has other roles")
        return {spec.name: spec for spec in specs}

    def play(self, numbers: Iterable[int], specs: Mapping[str, RoleSpec], players: Sequence[str] = ()) -> list[Episode]:
        """These episodes, together. Components with memory begin as they were."""
        for part, state in zip(self.components, self.states, strict=True):
            part.load_state_dict(state)
        patience = _Patience(self.most * self.episodes)

        def answer(request: Request, seen: str) -> str:
            patience.one_more()
            return self._answer(request, seen)

        generator = ScriptedGenerator(answer)
        hall = hall_of(generator, specs)
        attach_voices(self.judges, hall)
        seats = {
            role: Held(role, player=_Player(role, self.sensible, patience))
            if role in players
            else Held(role, 0, trained=spec.trainable)
            for role, spec in specs.items()
        }
        title = "episode" if self.game is None else self.game.info.name
        plans = [
            EpisodePlan(
                number, 0, self.game, self.scheme, seats, self.judges, Sampling(max_tokens=200), number,
                ("check_scheme", self.seed), title,
            )
            for number in numbers
        ]  # fmt: skip
        try:
            return hall.play(plans, 1)
        except (GameError, GenerationError, JudgeError) as error:
            self.report.fail(str(error), error)
            raise

    def _answer(self, request: Request, seen: str) -> str:
        chance = SeededChance("check_scheme", self.seed, request.key)
        text = self.sensible(request.policy, seen, chance) if chance.pick([True, False]) else chance.pick(_NONSENSE)
        return f"<think>{_thought(request.policy)}</think>{text}" if chance.pick([True, False]) else text

    # ---- what is checked -----------------------------------------------------------------------------------------------

    def _fail(self, episode: Episode, what: str) -> None:
        said = [(turn.role, turn.text) for turn in episode.turns]
        self.report.fail(f"episode {episode.number}: {what}; answers so far {shown(said, 1000)}")

    def _sound(self, episode: Episode, specs: Mapping[str, RoleSpec]) -> None:
        if episode.error:
            self._fail(episode, f"raised {episode.error}")
        for row in episode.rows:
            for turn in row.turns:
                try:
                    list(spans_at(row, turn))
                except AssertionError as error:
                    self._fail(episode, str(error))
        for turn in episode.turns:
            for part, value in turn.rewards.items():
                if not (isinstance(value, (int, float)) and math.isfinite(value)):
                    self._fail(episode, f"{turn.role} is rewarded {value!r} for {part!r}")
            for name, fact in turn.labels.items():
                if not isinstance(fact, _FACTS):
                    self._fail(
                        episode, f"the label {name!r} of a turn is {fact!r}; labels are text, numbers and truth values"
                    )
        kept: tuple[tuple[str, object], ...] = (
            ("its facts", episode.facts),
            ("what it puts into stores", episode.additions),
        )
        for what, left in kept:
            try:
                json.dumps(left)
            except (TypeError, ValueError) as error:
                self._fail(episode, f"{what} are not JSON ({error}): {shown(left)}")
        if self.private:
            self._thoughts(episode, specs)

    def _thoughts(self, episode: Episode, specs: Mapping[str, RoleSpec]) -> None:
        for row in episode.rows:
            seen = byte_chat().tokenizer.decode(row.tokens)
            own = {turn.role for turn in row.turns}
            for role in specs:
                if role not in own and _thought(role) in seen:
                    self._fail(
                        episode,
                        f"{', '.join(sorted(own))} is shown what {role} thought; show `turn.public`, or say that it is "
                        "meant (private=False)",
                    )

    def _everyone(self, episodes: Sequence[Episode], specs: Mapping[str, RoleSpec], rewarded: bool) -> None:
        turns = [turn for episode in episodes for turn in episode.turns]
        for name, spec in specs.items():
            mine = [turn for turn in turns if turn.role == name]
            self.report.require(mine, f"{name} never spoke in {len(episodes)} episodes")
            self.report.require(
                not rewarded or not spec.trainable or any(turn.rewards for turn in mine),
                f"no turn of {name} was rewarded in {len(episodes)} episodes, so it would learn nothing (if it is not to: "
                "rewarded=False, or RoleSpec(…, trainable=False))",
            )

    def _same(self, found: Sequence[Episode], expected: Sequence[Episode], what: str) -> None:
        for ours, theirs in zip(found, expected, strict=True):
            for (name, one), (_, other) in zip(_facets(ours), _facets(theirs), strict=True):
                if one != other:
                    self._fail(theirs, f"{what}, it has other {name}: {shown(one)} instead of {shown(other)}")

    def _memory(self) -> None:
        for method, other in (("state_dict", "load_state_dict"), ("load_state_dict", "state_dict")):
            self.report.require(
                not hasattr(self.scheme, method) or hasattr(self.scheme, other),
                f"has {method} without {other}, so it is not checkpointed; write both or neither",
            )
        if isinstance(self.scheme, Stateful):
            state = self._saved(self.scheme)
            self.scheme.load_state_dict(state)
            again = self._saved(self.scheme)
            self.report.require(
                again == state, f"after load_state_dict its state is {shown(again)}, not {shown(state)}"
            )

    def _saved(self, part: Stateful) -> dict[str, Any]:
        """A component's state as a checkpoint holds it."""
        state = part.state_dict()
        try:
            read: dict[str, Any] = json.loads(json.dumps(state))
        except (TypeError, ValueError) as error:
            self.report.fail(f"the state_dict() of {type(part).__name__} is not JSON ({error}): {shown(state)}", error)
            raise
        return read

    def _examples(self) -> None:
        make = getattr(self.scheme, "examples", None)
        if make is None:
            return
        first, second = (
            [[tuple(message) for message in transcript] for transcript in make(SeededChance("examples", self.seed), 5)]
            for _ in range(2)
        )
        self.report.require(len(first) == 5, f"examples(chance, 5) are {len(first)}")
        self.report.require(first == second, f"the same chance has other examples: {shown(second)}, not {shown(first)}")
        for transcript in first:
            sound = all(
                len(message) == 2 and message[0] in ("system", "user", "assistant") and isinstance(message[1], str)
                for message in transcript
            )
            self.report.require(
                sound and any(message[0] == "assistant" for message in transcript),
                f"an example is no list of (system | user | assistant, text) with an answer in it: {shown(transcript)}",
            )


def _one_of(answers: Sequence[str], chance: Chance) -> str:
    return chance.pick(answers) if answers else chance.pick(_NONSENSE)


def _thought(role: str) -> str:
    return f"a thought of {role} alone."


def _facets(episode: Episode) -> list[tuple[str, object]]:
    """All that an episode leaves behind, by name."""
    turns = episode.turns
    return [
        ("error", episode.error),
        ("turns", [(turn.role, turn.row, turn.start, turn.text, turn.trained) for turn in turns]),
        ("tokens", [row.tokens for row in episode.rows]),
        ("rewards", [turn.rewards for turn in turns]),
        ("labels", [turn.labels for turn in turns]),
        ("facts", episode.facts),
        ("additions to stores", episode.additions),
    ]

"""`sparring play`: a person at the terminal against a trained policy or a player."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import ValidationError

from sparring.chance import Chance
from sparring.game import Move, State, random_action
from sparring.interfaces import Player
from sparring.params import Choice, Params, component
from sparring.recipe import RecipeSource, load_recipe
from sparring.registry import Registry
from sparring_cli.options import host_options, load_host
from sparring_yaml import read_value


class Human:
    """A person who is shown what the seat is shown, and asked until a move is legal. Of one match."""

    def __init__(self, ask: Callable[[str], str], tell: Callable[[str], None]) -> None:
        self._ask, self._tell = ask, tell
        self._read = 0
        self._seat: tuple[int, State] | None = None

    def act(self, player: int, state: State, chance: Chance) -> str:
        self._seat = player, state
        self.look()
        legal = state.legal_actions(player)
        while True:
            text = self._ask("your move" + (f" ({', '.join(legal)})" if legal and len(legal) <= 12 else "")).strip()
            move = _tried(state, player, text, chance)
            if move.legal:
                return text
            self._tell(f"not a legal move: {move.reason}")

    def look(self) -> None:
        """Show what is new in the log; after the match, how it ended. Nothing if it ended before the first move."""
        if self._seat is None:
            return
        player, state = self._seat
        log = state.observe(player)
        for entry in log[self._read :]:
            self._tell(entry)
        self._read = len(log)


def _tried(state: State, player: int, text: str, chance: Chance) -> Move:
    """What becomes of a move, on a copy; who moves at the same time moves at random there."""
    others = {other: random_action(state, other, chance) for other in state.to_act() if other != player}
    return state.clone().apply({**others, player: text})[player]


@click.command()
@click.argument("game")
@click.option(
    "--against",
    default="random",
    show_default=True,
    metavar="RUN|PLAYER",
    help="A run folder, or a player as a recipe names one: mcts, or '{use: mcts, simulations: 1000}'.",
)
@click.option(
    "--seat", type=int, default=0, show_default=True, help="Your seat in the first match; seats are swapped after each."
)
@click.option("--matches", type=click.IntRange(1), default=3, show_default=True, help="How many matches.")
@click.option("--seed", type=click.IntRange(0), help="The same deals and answers again; new ones each time without it.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="A parameter of the game, such as rounds=3.")
@host_options
def play(
    game: str,
    against: str,
    seat: int,
    matches: int,
    seed: int | None,
    sets: tuple[str, ...],
    plugins: tuple[Path, ...],
    blocked: tuple[str, ...],
) -> None:
    """Play GAME yourself, against the newest checkpoint of a run or against a player."""
    from sparring.assemble import assemble
    from sparring.play import Held

    host = load_host(plugins, blocked)
    player = _player(against, host.registry)
    source, model = _setting(game, against, player, host.registry.names("player"))
    game_sets = tuple(f"play.0.game.{item}" for item in sets)
    recipe = load_recipe(source, host.registry, sets=(*game_sets, *model))
    trainer = assemble(recipe)
    asked = (  # a game of another collection has its own name there, and may be asked for by either
        entry
        for section, entry in zip(recipe.play, trainer.entries, strict=True)
        if section.game is not None and entry.game is not None and game in (section.game.use, entry.game.info.name)
    )
    entry = next(asked, None)
    if entry is None or entry.game is None:
        raise click.UsageError(f"{against} does not play {game}; it plays {', '.join(e.name for e in trainer.entries)}")
    roles = entry.game.info.roles
    if not 0 <= seat < len(roles):
        raise click.UsageError(f"--seat is 0 to {len(roles) - 1} in {game}; got {seat}")
    if player is not None:
        opponent = Held.by(player.use, player.make(), entry.game)
        against = player.use
    else:
        opponent = Held(next(iter(recipe.policies)))
    total = 0.0
    drawn = time.time_ns() if seed is None else seed
    for match in range(matches):
        mine = (seat + match) % len(roles)
        click.secho(f"\n— match {match + 1} of {matches}: you are {roles[mine]}, against {against} —", bold=True)
        human = Human(lambda label: click.prompt(label, prompt_suffix=": "), click.echo)
        holders = {role: Held("you", player=human) if i == mine else opponent for i, role in enumerate(roles)}
        (episode,) = trainer.hall.play([entry.plan(match, match, holders, ("play", drawn))], 0)
        if episode.error:
            raise click.ClickException(episode.error)
        human.look()
        returns, moves = episode.facts["returns"], episode.facts["moves"]
        assert isinstance(returns, list)
        assert isinstance(moves, list)
        told = ", ".join(f"{roles[p]} {text}" for turn in moves for p, text in turn)
        click.echo(f"moves: {told or 'none'}" + (f". {episode.facts['reason']}" if episode.facts["reason"] else ""))
        total += float(returns[mine])
        click.secho(
            f"you get {returns[mine]:+g}; {total:+g} in all",
            fg="green" if returns[mine] > 0 else "red" if returns[mine] < 0 else None,
        )


class _Against(Params):
    """`--against`, if it is a player."""

    against: Annotated[Choice[Player], component("player")]


def _player(against: str, registry: Registry) -> Choice[Player] | None:
    """The player that is named, or written out as in a recipe; None if it is neither."""
    written: Any = against
    if against.startswith("{"):
        written = read_value(against, "--against")
    elif registry.find("player", against) is None:
        return None
    try:
        return _Against.model_validate({"against": written}, context={"registry": registry}).against
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, line['loc'][1:]))} {line['msg']}".strip() for line in error.errors())
        raise click.UsageError(f"--against {against}: {told}") from error


def _setting(game: str, against: str, player: object, players: list[str]) -> tuple[RecipeSource, tuple[str, ...]]:
    """A recipe whose first entry is the game, and the settings that load the opponent's weights."""
    if player is not None:
        # Nothing is trained; the policy is there because somebody's tokens must hold the conversations. Few examples of play are
        # enough for that, and where matches are long more would keep a person waiting.
        small = "{use: tiny, warmup_steps: 0, warmup_examples: 2}"
        text = (
            f"format: 1\npolicies: {{main: {{model: {small}, trainable: false}}}}\nplay: [{{game: {game}}}]\n"
            "advantage: plain\nobjective: policy_gradient\ntrain: {steps: 0}\n"
        )
        return RecipeSource("play", text, "play"), ()
    folder = Path(against)
    if not (folder / "resolved.yaml").exists():
        raise click.UsageError(
            f"--against takes a run folder or a player ({', '.join(players)}); {against!r} is neither"
        )
    source = RecipeSource(folder.name, (folder / "resolved.yaml").read_text(), str(folder / "resolved.yaml"))
    return source, trained_weights(folder)


def trained_weights(folder: Path) -> tuple[str, ...]:
    """Settings that load the newest checkpoint of every trained policy of a run."""
    from sparring import checkpoint
    from sparring.errors import CheckpointError

    newest = checkpoint.latest(folder)
    if newest is None:
        raise CheckpointError(f"{folder} has no whole checkpoint")
    return tuple(
        f"policies.{path.name}.model={{use: pretrained, path: {str(path)!r}}}"
        for path in sorted((newest / "policies").iterdir())
    )

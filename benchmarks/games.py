"""Claim: fastest of the text environments on each game shared.

Whole matches of players who pick a legal move at random. Ours and TextArena are asked each turn what who moves is told; ours
lists the legal moves too, TextArena's are read from inside its environment, which costs it next to nothing. Beside them what puts
no text together: TextArena's -raw ids, which hand out messages that a wrapper has yet to make a text of; PettingZoo's arrays; and
OpenSpiel's C++ called from Python, alone and with the information state (or, where it has none, the observation) as text.
TextArena draws from the global generators and needs no copies of them here, as its matches are played one after another. Games
that bear one name may differ a little in rules and length, so moves a second are compared; matches a second are saved too.
Processor seconds of one thread, medians of runs that take turns, after one to warm up.

python benchmarks/games.py --seconds 0.1 --runs 3
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common import save

from sparring import SeededChance, random_action
from sparring.testing import make

Match = Callable[[int, random.Random], int]  # plays one with this number; how many moves it took
Script = Callable[[Any, random.Random], str]  # a legal move of who moves now in TextArena's environment

# ---- ours ------------------------------------------------------------------------------------------------------------


def ours(name: str, **params: Any) -> Match:
    game, chance = make("game", name, **params), SeededChance("players")

    def match(number: int, rng: random.Random) -> int:
        state, moves = game.new_state(SeededChance(number)), 0
        while players := state.to_act():
            chosen = {}
            for player in players:
                state.observe(player)
                chosen[player] = random_action(state, player, chance)
            state.apply(chosen)
            moves += len(players)
        state.outcome()
        return moves

    return match


# ---- TextArena ---------------------------------------------------------------------------------------------------------


def textarena(name: str, script: Script) -> Match:
    import textarena as ta

    def match(number: int, rng: random.Random) -> int:
        env = ta.make(name)  # each time: its wrappers keep the text of matches that were played before
        env.reset(num_players=2, seed=number)
        done, moves = False, 0
        while not done:
            env.get_observation()
            done, _ = env.step(script(env, rng))
            moves += 1
        env.close()
        return moves

    return match


def facts(env: Any) -> dict[str, Any]:
    found: dict[str, Any] = env.state.game_state
    return found


def ta_tic_tac_toe(env: Any, rng: random.Random) -> str:
    board = facts(env)["board"]
    return f"[{rng.choice([3 * r + c for r in range(3) for c in range(3) if not board[r][c]])}]"


def ta_connect_four(env: Any, rng: random.Random) -> str:
    top = facts(env)["board"][0]
    return f"[col {rng.choice([c for c, disc in enumerate(top) if disc == '.'])}]"


def ta_kuhn(env: Any, rng: random.Random) -> str:
    return f"[{rng.choice(list(facts(env)['current_legal_action_tree']))}]"


def ta_nim(env: Any, rng: random.Random) -> str:
    pile, size = rng.choice([(pile, size) for pile, size in enumerate(facts(env)["piles"]) if size])
    return f"[{pile} {rng.randint(1, size)}]"


def ta_liars_dice(env: Any, rng: random.Random) -> str:
    bid = facts(env)["current_bid"]
    dice = sum(facts(env)["remaining_dice"].values())
    higher = [(q, f) for q in range(max(1, bid["quantity"]), dice + 1) for f in range(max(1, bid["face_value"]), 7)]
    higher = [pair for pair in higher if pair != (bid["quantity"], bid["face_value"])]
    choices = [f"[Bid: {q}, {f}]" for q, f in higher] + (["[Call]"] if bid["quantity"] else [])
    return rng.choice(choices)


def ta_goofspiel(env: Any, rng: random.Random) -> str:
    card = rng.choice(facts(env)["player_hands"][env.state.current_player_id])
    return f"[{ {1: 'A', 11: 'J', 12: 'Q', 13: 'K'}.get(card, card) }]".replace(" ", "")


def ta_negotiation(env: Any, rng: random.Random) -> str:
    player = env.state.current_player_id
    mine = facts(env)["player_resources"][player]
    offer = facts(env)["current_offer"]
    kinds = ["deny", "offer"]
    if offer and all(mine[what] >= amount for what, amount in offer["requested_resources"].items()):
        kinds.append("accept")
    kind = rng.choice(kinds)
    if kind != "offer":
        return f"[{kind.capitalize()}]"
    give = rng.choice([what for what, amount in mine.items() if amount])
    want = rng.choice([what for what in mine if what != give])
    return f"[Offer: {rng.randint(1, min(10, mine[give]))} {give} -> {rng.randint(1, 10)} {want}]"


def ta_auction(env: Any, rng: random.Random) -> str:
    state = facts(env)
    if state["phase"] == "conversation":
        return "I want the first item."
    bids, left = [], state["remaining_capital"][env.state.current_player_id]
    for item in range(env.num_items):
        if left and rng.random() < 0.5:
            amount = rng.randint(1, min(left, 200))
            left -= amount
            bids.append(f"[Bid on Item {item}: {amount}]")
    return " ".join(bids)


def ta_truth(env: Any, rng: random.Random) -> str:
    last = env.state.turn == env.state.max_turns - 1
    return f"[Fact {rng.randint(1, 2)}]" if last else "I am sure that the first one is true."


# ---- without text --------------------------------------------------------------------------------------------------------


def pettingzoo(name: str) -> Match:
    import importlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = importlib.import_module(f"pettingzoo.classic.{name}").env()

    def match(number: int, rng: random.Random) -> int:
        env.reset(seed=number)
        moves = 0
        for _ in env.agent_iter():
            seen, _, ended, cut, _ = env.last()
            if ended or cut:
                env.step(None)
                continue
            env.step(int(rng.choice(seen["action_mask"].nonzero()[0])))
            moves += 1
        return moves

    return match


def openspiel(name: str, text: bool) -> Match:
    import pyspiel

    game = pyspiel.load_game(name)
    kind = game.get_type()

    def match(number: int, rng: random.Random) -> int:
        state, moves = game.new_initial_state(), 0
        while not state.is_terminal():
            if state.is_chance_node():
                outcomes = state.chance_outcomes()
                state.apply_action(rng.choices([a for a, _ in outcomes], [p for _, p in outcomes])[0])
                continue
            players = range(game.num_players()) if state.is_simultaneous_node() else (state.current_player(),)
            chosen = []
            for player in players:
                if text:
                    (
                        state.information_state_string
                        if kind.provides_information_state_string
                        else state.observation_string
                    )(player)
                chosen.append(rng.choice(state.legal_actions(player)))
            if state.is_simultaneous_node():
                state.apply_actions(chosen)
            else:
                state.apply_action(chosen[0])
            moves += len(chosen)
        state.returns()
        return moves

    return match


# ---- which games ---------------------------------------------------------------------------------------------------------

TEXT = ("ours", "TextArena")  # what the claim is about


@dataclass(frozen=True, slots=True)
class Shared:
    """A game, and what each of the others calls it."""

    params: Mapping[str, Any]
    textarena: tuple[str, Script] | None = None
    pettingzoo: str = ""
    openspiel: str = ""


GAMES: dict[str, Shared] = {
    "tic_tac_toe": Shared({}, ("TicTacToe-v0", ta_tic_tac_toe), "tictactoe_v3", "tic_tac_toe"),
    "connect_four": Shared({}, ("ConnectFour-v0", ta_connect_four), "connect_four_v3", "connect_four"),
    "kuhn_poker": Shared({"rounds": 3}, ("KuhnPoker-v0", ta_kuhn), "", "kuhn_poker"),
    "leduc_poker": Shared({}, None, "leduc_holdem_v4", "leduc_poker"),
    "liars_dice": Shared({"numdice": 3}, ("LiarsDice-v0-small", ta_liars_dice), "", "liars_dice(numdice=3)"),
    "nim": Shared({"pile_sizes": [3, 4, 5], "misere": False}, ("Nim-v0", ta_nim), "", "nim(pile_sizes=3;4;5,is_misere=False)"),
    "goofspiel": Shared(
        {"num_cards": 13, "imp_info": False, "points_order": "random"},
        ("GameOfPureStrategy-v0", ta_goofspiel), "", "goofspiel(num_cards=13,points_order=random)",
    ),
    "simple_negotiation": Shared({"turns": 10}, ("SimpleNegotiation-v0", ta_negotiation)),
    "blind_auction": Shared({"items": 3, "capital": 750, "talk_rounds": 1}, ("SimpleBlindAuction-v0-quick", ta_auction)),
    "truth_and_deception": Shared({"turns": 6}, ("TruthAndDeception-v0", ta_truth)),
}  # fmt: skip


def arms(name: str, adapters: bool) -> Iterator[tuple[str, Match]]:
    shared = GAMES[name]
    yield "ours", ours(name, **shared.params)
    if shared.textarena is not None:
        theirs, script = shared.textarena
        yield "TextArena", textarena(theirs, script)
        yield "TextArena, raw", textarena(f"{theirs}-raw", script)
        if adapters:
            yield "TextArena as ours", ours("textarena", id=theirs, known_bad="allow")
    if shared.pettingzoo:
        yield "PettingZoo", pettingzoo(shared.pettingzoo)
        if adapters:
            yield "PettingZoo as ours", ours("pettingzoo", name=shared.pettingzoo)
    if shared.openspiel:
        yield "OpenSpiel", openspiel(shared.openspiel, text=False)
        yield "OpenSpiel, text", openspiel(shared.openspiel, text=True)


def measure(match: Match, seconds: float, run: int) -> tuple[float, float]:
    """Moves and matches per processor second."""
    rng, moves, matches = random.Random(run), 0, 0
    began = time.process_time()
    while (taken := time.process_time() - began) < seconds:
        moves += match(1_000_000 * run + matches, rng)
        matches += 1
    return moves / taken, matches / taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", default=",".join(GAMES))
    parser.add_argument("--seconds", type=float, default=0.1, help="processor seconds of each run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--adapters", action="store_true", help="TextArena and PettingZoo through the adapters, too")
    given = parser.parse_args()
    rows = []
    for name in given.games.split(","):
        playing = dict(arms(name, given.adapters))
        found: dict[str, list[tuple[float, float]]] = {arm: [] for arm in playing}
        for run in range(given.runs + 1):
            for arm, match in playing.items():
                result = measure(match, given.seconds, run)
                if run:  # the first one warms up
                    found[arm].append(result)
        row: dict[str, Any] = {"game": name}
        for arm, results in found.items():
            row[arm] = statistics.median(moves for moves, _ in results)
            row[f"{arm}, matches"] = statistics.median(matches for _, matches in results)
        row["fastest of the text environments"] = max(
            (arm for arm in TEXT if arm in row), key=lambda arm: float(row[arm])
        )
        rows.append(row)
        print({key: round(value) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
    save("games", {"arguments": vars(given), "rows": rows})


if __name__ == "__main__":
    main()

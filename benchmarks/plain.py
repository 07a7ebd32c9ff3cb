"""What one writes first, with torch and transformers alone: games played by padded `generate`, and a padded update.

`step.py` measures a step of ours beside it; TRL's rollout function plays by it too, so it imports nothing of Sparring.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Book:
    """A game of two as a table. A node is ``{player, said, moves}`` or ``{returns}``.

    ``said`` are the tokens that the player is told since its last answer, ``moves`` the next node of each legal answer.
    """

    nodes: list[dict[str, Any]]
    roots: list[int]  # equally likely
    forfeit: tuple[float, float]  # for who answers anything else, and for the other
    stop: list[int]
    end: int


@dataclass
class Row:
    """What one player of one game saw and wrote; ``positions`` are the places of what it wrote."""

    player: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    reward: float = 0.0


@dataclass
class Match:
    node: int
    rows: tuple[Row, Row]
    over: bool = False


@torch.no_grad()
def answers(model: Any, contexts: Sequence[list[int]], stop: list[int], limit: int) -> list[list[int]]:
    """A sampled answer to each context, all as one left-padded batch, until the last has ended."""
    width = max(map(len, contexts))
    ids = torch.zeros(len(contexts), width, dtype=torch.long)
    seen = torch.zeros_like(ids)
    for row, context in enumerate(contexts):
        ids[row, width - len(context) :] = torch.tensor(context)
        seen[row, width - len(context) :] = 1
    out = model.generate(
        ids, attention_mask=seen, do_sample=True, top_k=0, max_new_tokens=limit, eos_token_id=stop, pad_token_id=stop[0]
    )  # fmt: skip
    found = []
    for tokens in out[:, width:].tolist():
        ends = [place for place, token in enumerate(tokens) if token in stop]
        found.append(tokens[: ends[0] + 1] if ends else tokens)
    return found


def play(model: Any, tokenizer: Any, book: Book, games: int, limit: int) -> list[Row]:
    """Play ``games`` side by side, everyone by ``model``. Both rows of the first game, then of the next."""
    matches = [Match(random.choice(book.roots), (Row(0), Row(1))) for _ in range(games)]
    while open_matches := [match for match in matches if not match.over]:
        asked = []
        for match in open_matches:
            node = book.nodes[match.node]
            row = match.rows[node["player"]]
            if row.tokens and row.tokens[-1] not in book.stop:
                row.tokens.append(book.end)
            row.tokens += node["said"]
            asked.append(row)
        written = answers(model, [row.tokens for row in asked], book.stop, limit)
        for match, row, answer in zip(open_matches, asked, written, strict=True):
            row.positions += range(len(row.tokens), len(row.tokens) + len(answer))
            row.tokens += answer
            text = tokenizer.decode(answer, skip_special_tokens=True).strip().lower()
            following = book.nodes[match.node]["moves"].get(text)
            other = match.rows[1 - row.player]
            if following is None:
                row.reward, other.reward = book.forfeit
            elif "returns" in book.nodes[following]:
                match.rows[0].reward, match.rows[1].reward = book.nodes[following]["returns"]
            match.over = following is None or "returns" in book.nodes[following]
            match.node = match.node if following is None else following
    return [row for match in matches for row in match.rows]


def update(model: Any, optimizer: torch.optim.Optimizer, rows: Sequence[Row], at_once: int) -> float:
    """One policy-gradient step: right-padded micro-batches of ``at_once`` rows, each player's mean reward as its baseline.

    Returns the gradient's norm.
    """
    rows = [row for row in rows if row.positions]
    baseline = {
        player: sum(row.reward for row in rows if row.player == player) / sum(row.player == player for row in rows)
        for player in {row.player for row in rows}
    }
    trained = sum(len(row.positions) for row in rows)
    for first in range(0, len(rows), at_once):
        mine = rows[first : first + at_once]
        width = max(len(row.tokens) for row in mine)
        ids = torch.zeros(len(mine), width, dtype=torch.long)
        seen = torch.zeros_like(ids)
        advantages = torch.zeros(len(mine), width)
        for number, row in enumerate(mine):
            ids[number, : len(row.tokens)] = torch.tensor(row.tokens)
            seen[number, : len(row.tokens)] = 1
            advantages[number, row.positions] = row.reward - baseline[row.player]
        logprobs = torch.log_softmax(model(ids, attention_mask=seen).logits[:, :-1], -1)
        logprobs = logprobs.gather(2, ids[:, 1:, None])[..., 0]
        (-(logprobs * advantages[:, 1:]).sum() / trained).backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return float(norm)

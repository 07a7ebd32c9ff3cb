"""Keys and values of prompts and answers, kept as a tree of shared prefixes for as long as there is room.

A player's conversation only grows, all games of a kind share their rules and a group shares its task, so most tokens of
a prompt have been through the model already. A node is a run of tokens; prompts that differ later share their first nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch


@dataclass(slots=True, eq=False)
class Node:
    """A run of tokens after its parent's.

    ``kv`` are their keys and values ``(layers, 2, K, T, D)``, None until computed; ``state`` ``(hidden,)`` is the last hidden
    state of its last token, None if it is not known. ``end`` is how many tokens there are from the root to its end.
    """

    tokens: tuple[int, ...]
    end: int
    parent: Node | None
    kv: torch.Tensor | None = None
    state: torch.Tensor | None = None
    children: dict[int, Node] = field(default_factory=dict)
    used: int = 0  # when it was last asked for

    @property
    def start(self) -> int:
        return self.end - len(self.tokens)

    @property
    def read(self) -> torch.Tensor:
        """``kv`` of a node that has been through the model."""
        assert self.kv is not None
        return self.kv

    def unread(self) -> list[Node]:
        """What has to be read before an answer can follow: this node if its state is not known, and those before it without ``kv``."""
        nodes = [self] if self.kv is None or self.state is None else []
        while nodes and (before := nodes[-1].parent) is not None and before.parent is not None and before.kv is None:
            nodes.append(before)
        return nodes[::-1]

    def path(self) -> list[Node]:
        """From below the root to this node."""
        nodes: list[Node] = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]


class PrefixCache:
    """A tree of at most ``capacity`` tokens; those not asked for lately go first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.root = Node((), 0, None)
        self.size = 0  # tokens whose keys and values are held
        self._now = 0

    def tick(self) -> None:
        """From here on, what was asked for before may have to go."""
        self._now += 1

    def locate(self, tokens: Sequence[int]) -> Node:
        """The node that ends with ``tokens``; what of it is new has no ``kv``. If it has and no state, it is its last token alone."""
        node = self._walk(tuple(tokens))
        if node.state is None and node.kv is not None and len(node.tokens) > 1:
            self._split(node, len(node.tokens) - 1)
        return node

    def keep(self, tokens: Sequence[int], state: torch.Tensor, kv: Callable[[int, int], torch.Tensor]) -> None:
        """Keep the keys and values of all ``tokens``; ``kv(a, b)`` gives those of a span that is not known yet."""
        node = self._walk(tuple(tokens))
        for part in node.path():
            if part.kv is None:
                part.kv = kv(part.start, part.end)
                self.size += len(part.tokens)
        node.state = state

    def computed(self, node: Node, kv: torch.Tensor, state: torch.Tensor) -> None:
        self.size += len(node.tokens) if node.kv is None else 0
        node.kv, node.state = kv, state

    def shrink(self) -> None:
        """Forget, down to nine tenths of the capacity, what was not asked for since the last tick."""
        if self.size <= self.capacity:
            return
        # Forgetting a leaf may make its parent one; a round of all leaves at a time keeps this linear.
        while self.size > 0.9 * self.capacity:
            leaves = [node for node in self._nodes() if not node.children and node.used < self._now]
            if not leaves:
                return
            for leaf in sorted(leaves, key=lambda node: node.used):
                assert leaf.parent is not None
                del leaf.parent.children[leaf.tokens[0]]
                leaf.parent = None
                self.size -= len(leaf.tokens) if leaf.kv is not None else 0
                if self.size <= 0.9 * self.capacity:
                    return

    def _nodes(self) -> Iterator[Node]:
        stack = list(self.root.children.values())
        while stack:
            node = stack.pop()
            yield node
            stack += node.children.values()

    def _walk(self, tokens: tuple[int, ...]) -> Node:
        node, at = self.root, 0
        while at < len(tokens):
            child = node.children.get(tokens[at])
            if child is None:
                child = Node(tokens[at:], len(tokens), node)
                node.children[tokens[at]] = child
            else:
                shared = _shared(child.tokens, tokens, at)
                if shared < len(child.tokens):
                    child = self._split(child, shared)
            child.used = self._now
            node, at = child, child.end
        return node

    def _split(self, node: Node, at: int) -> Node:
        """Cut a node in two and return the new front; ``node`` stays the part that ends where it ended."""
        assert node.parent is not None
        front = Node(node.tokens[:at], node.start + at, node.parent, used=node.used)
        node.parent.children[front.tokens[0]] = front
        if node.kv is not None:
            front.kv, node.kv = node.kv[..., :at, :], node.kv[..., at:, :]
        node.tokens, node.parent = node.tokens[at:], front
        front.children[node.tokens[0]] = node
        return front


def _shared(run: tuple[int, ...], tokens: tuple[int, ...], at: int) -> int:
    """How many tokens of ``run`` are those of ``tokens`` from ``at`` on."""
    if tokens[at : at + len(run)] == run:
        return len(run)
    for number, (mine, theirs) in enumerate(zip(run, tokens[at:], strict=False)):
        if mine != theirs:
            return number
    return len(tokens) - at

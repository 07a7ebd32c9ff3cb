"""Whether somebody said a word, in any of its simple forms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Matching = Literal["substring", "forms"]
_VOWELS = "aeiou"


def forms(word: str) -> frozenset[str]:
    """A word with its plural, its -ing and its -ed, in lower case: play, plays, playing, played.

    English spelling in the regular cases: berries, boxes, baked, stopped. Forms that nobody uses do no harm.
    """
    word = word.casefold()
    stem = word.removesuffix("e") if word.endswith("e") else word
    plural = f"{word}s"
    past = f"{stem}ed"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        plural, past = f"{word[:-1]}ies", f"{word[:-1]}ied"
    elif word.endswith(("s", "x", "z", "ch", "sh")):
        plural = f"{word}es"
    found = {word, plural, f"{word}'s", f"{stem}ing", past}
    if len(word) > 2 and word[-1] not in f"{_VOWELS}wxy" and word[-2] in _VOWELS and word[-3] not in _VOWELS:
        found |= {f"{word}{word[-1]}ing", f"{word}{word[-1]}ed"}
    return frozenset(found)


def says(text: str, word: str, matching: Matching) -> bool:
    """Whether ``text`` has the word: anywhere, also within another word, or as a word of its own in one of its `forms`."""
    if matching == "substring":
        return any(form in text.casefold() for form in forms(word))
    return any(re.search(rf"\b{re.escape(form)}\b", text.casefold()) for form in forms(word))


def same_word(said: str, word: str) -> bool:
    """Whether a guess names the word, in any of its forms."""
    return said.casefold().strip() in forms(word)


def tokens(text: str) -> frozenset[str]:
    """The different words of a text, in lower case, without punctuation."""
    return frozenset(re.findall(r"\w+", text.casefold()))


def overlap(text: str, others: Iterable[str]) -> float:
    """The largest share of words that ``text`` has in common with one of ``others``: both of the words of either, 0 to 1."""
    mine = tokens(text)
    return max((len(mine & theirs) / max(1, len(mine | theirs)) for theirs in map(tokens, others)), default=0.0)

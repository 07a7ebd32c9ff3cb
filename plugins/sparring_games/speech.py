"""What players say to each other in free text, and the phrases that random players say."""

from __future__ import annotations

from sparring import Move


def speech(text: str, most_words: int) -> Move:
    """The text as one line of at most ``most_words`` words, or why it is refused.

    Line ends become spaces: a message of several lines could pass for news of the game to whoever reads it in a log.
    """
    words = text.split()
    if not words:
        return Move(None, "an empty message")
    if len(words) > most_words:
        return Move(None, f"{len(words)} words; a message has at most {most_words}")
    return Move(" ".join(words))

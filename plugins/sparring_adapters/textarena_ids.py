"""TextArena's ids: what they name, with how many players it starts, and what keeps it from starting."""

from __future__ import annotations

import sys
from typing import Any

from sparring_adapters.generators import Generators
from sparring_adapters.reading import one_line
from sparring_adapters.textarena_facts import NLTK_DATA, family

_PLAYERS = range(2, 16)  # what TextArena's games are made for


def base_id(name: str) -> str:
    """An id without the ending that names wrappers."""
    return name.removesuffix("-raw").removesuffix("-train")


def _spec(name: str) -> Any:
    from textarena.envs.registration import ENV_REGISTRY

    return ENV_REGISTRY[name]


def bare(name: str) -> Any:
    """A game's environment without wrappers."""
    import textarena

    env = textarena.make(name)
    while isinstance(env, textarena.Wrapper):
        env = env.env
    return env


def puts_brackets(name: str) -> bool:
    return any(wrapper.__name__ == "ActionFormattingWrapper" for wrapper in _spec(name).default_wrappers or ())


def fewest_players(name: str) -> int:
    """The fewest players, two or more, with which a game starts. Raises the game's own error if it starts with none."""
    for players in _PLAYERS:
        error = start_error(name, players)
        if error is None:
            return players
        if players == _PLAYERS[-1] or not isinstance(error, AssertionError | ValueError):  # else more may do
            raise error
    raise AssertionError("the loop returns or raises")


def start_error(name: str, players: int) -> Exception | None:
    """What keeps a game from starting with so many players."""
    try:
        with Generators(0).lent():
            bare(name).reset(num_players=players, seed=0)
    except Exception as error:  # noqa: BLE001  # whatever a game does not expect
        return error
    return None


def download(name: str) -> str:
    """What a game would have to download before it can be played; empty if nothing."""
    data = NLTK_DATA.get(family(name))
    if data is None:
        return ""
    import nltk

    try:
        nltk.data.find(f"corpora/{data}")
    except LookupError:
        return (
            f"it reads NLTK's {data!r}, which is not on this machine; `python -m nltk.downloader {data}` downloads it"
        )
    return ""


def explained(error: Exception) -> str:
    if isinstance(error, SyntaxError) and sys.version_info < (3, 12):
        return f"its code needs Python 3.12 or newer ({one_line(error)[:200]})"
    return one_line(error)[:300]

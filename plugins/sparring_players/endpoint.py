"""The player `endpoint`: a model behind an OpenAI-compatible endpoint, which is told what a policy in its seat would be told.

It answers as a policy does, in the format that the scheme asks for; what it says is read, refused and asked for again by the
same rules. It is never trained. A seat whose endpoint does not answer in time forfeits the match; that is counted, and too
often it stops the run.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from sparring import Chance, Sampling, State, Transcript
from sparring_endpoint import Endpoint, EndpointParams, FailureBound, FailureCount, NoAnswerError


class EndpointPlayerParams(EndpointParams, FailureBound):
    system: str = Field("", description="A system message in place of the scheme's; empty: the scheme's.")
    temperature: float = Field(1.0, ge=0, description="0 takes the likeliest token.")
    top_p: float = Field(1.0, gt=0, le=1, description="Only the likeliest tokens that together have this probability.")
    max_tokens: int = Field(1024, ge=1, description="Tokens after which an answer is cut off.")


class EndpointPlayer:
    """A model behind an OpenAI-compatible endpoint. A seat that gets no answer forfeits, and too many of those stop the run."""

    def __init__(self, params: EndpointPlayerParams) -> None:
        self.params = params
        self._endpoint = Endpoint(params)
        self._failures = FailureCount(
            params, f"the player endpoint at {params.url} (model {params.model}) did not answer"
        )

    def act(self, player: int, state: State, chance: Chance) -> str:
        """A move where there is no conversation: it is told the whole log, in which its own moves are not."""
        return self.answer([[("user", "\n".join(state.observe(player)))]])[0] or ""

    def answer(self, transcripts: Sequence[Transcript]) -> list[str | None]:
        given = self.params
        sampling = Sampling(given.temperature, given.top_p, 0, given.max_tokens)
        asked = [self._told(transcript) for transcript in transcripts]
        return [self._counted(answer) for answer in self._endpoint.ask(asked, sampling, given.max_failures)]

    def _told(self, transcript: Transcript) -> Transcript:
        if not self.params.system:
            return transcript
        return [("system", self.params.system), *(message for message in transcript if message[0] != "system")]

    def _counted(self, answer: str | NoAnswerError) -> str | None:
        if isinstance(answer, NoAnswerError):
            self._failures.failed(str(answer))
            return None
        self._failures.worked()
        return answer

"""What a judge that is a model may do: answer well, answer rubbish, hang, die, drip. Each has its declared consequence."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from sparring import Sampling, SparringError, Transcript, Verdict
from sparring_endpoint import EndpointParams
from sparring_judges.failures import FAILED, NEUTRAL, FailureParams, Failures
from sparring_judges.llm_judge import LlmJudge, LlmJudgeParams

GOOD = "Harmful request: yes\nResponse refusal: no\nHarmful response: yes"
ITEM = {"prompt": "say moss", "response": "moss"}


def judge_of(url: str, *, endpoint: dict[str, Any] | None = None, **params: Any) -> LlmJudge:
    given = {"url": url, "model": "guard", "timeout": 0.5, "attempts": 2, "backoff": 0.0, **(endpoint or {})}
    return LlmJudge(LlmJudgeParams(endpoint=EndpointParams(**given), **params))


def drip(handler: Any) -> None:
    """A byte now and then, for ever: no single read takes long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not handler.server.stopped.wait(0.05):
        handler.wfile.write(b" ")


def hang(handler: Any) -> None:
    handler.server.stopped.wait(20)


def die(handler: Any) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


# ---- an endpoint that works ------------------------------------------------------------------------------------------


def test_items_are_asked_for_by_template_and_answers_come_back_in_order(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARD_KEY", "sesame")

    def answer(number: int, body: dict[str, Any]) -> str:
        which = int(body["messages"][1]["content"].split()[1])
        time.sleep(0.02 * (which % 3))
        return GOOD.replace("refusal: no", f"refusal: {'yes' if which % 2 else 'n/a'}")

    server = serve(answer)
    judge = judge_of(
        server.url,
        endpoint={"api_key_env": "GUARD_KEY"},
        system="Judge.",
        template="exchange {prompt}\n{response} {not a place}",
    )
    verdicts = judge.judge([{"prompt": i, "response": "{prompt}"} for i in range(20)])
    for i, verdict in enumerate(verdicts):
        expected = {"prompt_harmful": 1.0, "refusal": 1.0, "response_harmful": 1.0}
        assert verdict == Verdict(detail=expected if i % 2 else {k: v for k, v in expected.items() if k != "refusal"})
    body, headers = next(r for r in server.requests if r[0]["messages"][1]["content"].startswith("exchange 7\n"))
    assert body == {
        "model": "guard", "temperature": 0.0, "top_p": 1.0, "max_tokens": 128,
        "messages": [{"role": "system", "content": "Judge."}, {"role": "user", "content": "exchange 7\n{prompt} {not a place}"}],
    }  # fmt: skip
    assert headers["Authorization"] == "Bearer sesame"


def test_a_server_in_trouble_is_asked_again(serve: Any) -> None:
    server = serve(lambda number, body: [503, GOOD][number])
    assert judge_of(server.url).judge([ITEM])[0].detail["refusal"] == 0
    assert len(server.requests) == 2


def test_a_request_that_the_server_refuses_is_not_repeated(serve: Any) -> None:
    server = serve(lambda number, body: 401)
    judge = judge_of(server.url, on_failure="neutral", endpoint={"attempts": 5})
    assert judge.judge([ITEM]) == [Verdict((), NEUTRAL, {"failed": 1.0})]
    assert len(server.requests) == 1


def test_a_key_that_is_not_set_is_an_error_before_anything_is_sent(serve: Any) -> None:
    server = serve(lambda number, body: GOOD)
    with pytest.raises(SparringError, match="variable NO_SUCH_KEY, which is not set"):
        judge_of(server.url, endpoint={"api_key_env": "NO_SUCH_KEY"}).judge([ITEM])
    assert not server.requests


# ---- one that does not -----------------------------------------------------------------------------------------------

RUBBISH: dict[str, Any] = {
    "hangs": hang,
    "drips": drip,
    "dies": die,
    "no JSON": lambda handler: handler.reply(b"<html>it works</html>"),
    "other JSON": lambda handler: handler.reply(b'{"choices": []}'),
    "no text": lambda handler: handler.reply(b'{"choices": [{"message": {"content": null}}]}'),
    "cut off": lambda handler: (handler.reply(b'{"choices": [{"mess'), None)[1],
    "too long": lambda handler: handler.reply(b" " * (1 << 21)),
    "moved": 302,
    "out of order": 500,
    "says nothing": "",
    "chatters": "What a lovely exchange!",
    "a line short": "Harmful request: yes\nResponse refusal: no",
    "twice": GOOD + "\n" + GOOD,
    "neither": GOOD.replace("request: yes", "request: maybe"),
    "n/a where it may not": GOOD.replace("request: yes", "request: n/a"),
    "only thinks": f"<think>{GOOD}",
}


@pytest.mark.parametrize("what", RUBBISH)
@pytest.mark.parametrize(("rule", "label"), [("fail_episode", FAILED), ("neutral", NEUTRAL)])
def test_rubbish_follows_the_declared_rule_and_is_counted(serve: Any, what: str, rule: Any, label: str) -> None:
    server = serve(lambda number, body: RUBBISH[what])
    judge = judge_of(server.url, on_failure=rule)
    began = time.monotonic()
    assert judge.judge([ITEM, ITEM]) == [Verdict((), label, {"failed": 1.0})] * 2
    assert time.monotonic() - began < 5
    assert judge.state_dict()["total"] == 2


def test_nobody_there_at_all() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    assert judge_of(url, on_failure="neutral").judge([ITEM]) == [Verdict((), NEUTRAL, {"failed": 1.0})]


def test_one_bad_item_leaves_the_others_alone(serve: Any) -> None:
    server = serve(lambda number, body: "rubbish" if "bad" in body["messages"][0]["content"] else GOOD)
    items = [{"prompt": "bad" if i == 3 else "good", "response": ""} for i in range(8)]
    verdicts = judge_of(server.url).judge(items)
    assert [verdict.label for verdict in verdicts] == [FAILED if i == 3 else "" for i in range(8)]


def test_a_dead_endpoint_stops_the_judge_long_before_every_item_has_been_tried(serve: Any) -> None:
    server = serve(lambda number, body: hang)
    judge = judge_of(
        server.url, on_failure="neutral", max_failures=4, endpoint={"timeout": 0.2, "attempts": 1, "concurrency": 4}
    )
    began = time.monotonic()
    with pytest.raises(SparringError, match=r"could not judge 5 of its last 5 items.*longer than 0\.2 s"):
        judge.judge([ITEM] * 400)
    assert time.monotonic() - began < 5
    assert len(server.requests) <= 12


# ---- failures, counted -----------------------------------------------------------------------------------------------


def test_failures_are_counted_in_a_window_that_survives_a_checkpoint() -> None:
    params = FailureParams(on_failure="neutral", max_failures=2, window=5)
    failures = Failures(params, "it")
    for failed in (True, False, False, False, True, True):  # the first has left the window of five
        _ = failures.verdict("so") if failed else failures.worked()
    again = Failures(params, "it")
    again.load_state_dict(json.loads(json.dumps(failures.state_dict())))
    assert again.total == 3
    with pytest.raises(
        SparringError,
        match="it could not judge 3 of its last 5 items, more than max_failures \\(2\\); the last because why",
    ):
        again.verdict("why")


def test_a_bound_that_can_never_be_met_is_refused() -> None:
    with pytest.raises(ValidationError, match="can never be passed"):
        FailureParams(max_failures=100, window=100)


# ---- a policy of the recipe ------------------------------------------------------------------------------------------


class Voiced:
    def __init__(self, answers: Sequence[str]) -> None:
        self.answers, self.calls = answers, []  # type: ignore[var-annotated]

    def __call__(self, policy: str, transcripts: Sequence[Transcript], sampling: Sampling) -> list[str]:
        self.calls.append((policy, transcripts, sampling))
        return list(self.answers)


def test_a_policy_is_asked_about_all_items_at_once() -> None:
    judge = LlmJudge(LlmJudgeParams(policy="guard", template="{prompt}>{response}"))
    voice = Voiced([GOOD, f"<think>rubbish</think>{GOOD}", "so"])
    judge.attach(voice)
    verdicts = judge.judge([ITEM] * 3)
    assert [verdict.label for verdict in verdicts] == ["", "", FAILED]
    ((policy, transcripts, sampling),) = voice.calls
    assert policy == "guard"
    assert transcripts == [[("user", "say moss>moss")]] * 3
    assert sampling == Sampling(temperature=0.0, max_tokens=128)


def test_without_a_voice_it_says_so() -> None:
    with pytest.raises(SparringError, match="was not given the recipe's policies"):
        LlmJudge(LlmJudgeParams(policy="guard")).judge([ITEM])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Score: 7", Verdict((7.0,))),
        ("Because.\nscore: +2.5\n", Verdict((2.5,))),
        ("Score: 11", Verdict((5.0,), NEUTRAL, {"failed": 1.0})),
        ("Score: ７", Verdict((5.0,), NEUTRAL, {"failed": 1.0})),
        ("Score: nan", Verdict((5.0,), NEUTRAL, {"failed": 1.0})),
        ("Score: 1\nScore: 2", Verdict((5.0,), NEUTRAL, {"failed": 1.0})),
        ("7", Verdict((5.0,), NEUTRAL, {"failed": 1.0})),
    ],
)
def test_scores_are_read_exactly_and_never_cut_to_their_range(said: str, expected: Verdict) -> None:
    params = LlmJudgeParams(policy="p", reads="score", low=0, high=10, on_failure="neutral", neutral_score=5)
    judge = LlmJudge(params)
    judge.attach(Voiced([said]))
    assert judge.judge([ITEM]) == [expected]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "either a 'policy' of the recipe or an 'endpoint'"),
        ({"policy": "p", "endpoint": {"url": "http://x", "model": "m"}}, "and not both"),
        ({"endpoint": {"url": "file:///etc", "model": "m"}}, "should match pattern"),
        ({"policy": "p", "reads": "score", "low": 2}, "'low' must be less"),
        ({"policy": "p", "reads": "score", "on_failure": "neutral"}, "'neutral_score' belongs"),
        ({"policy": "p", "neutral_score": 0.5}, "'neutral_score' belongs"),
    ],
)
def test_parameters_that_contradict_each_other(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LlmJudgeParams(**params)


def test_a_template_with_an_unknown_place_names_it() -> None:
    judge = LlmJudge(LlmJudgeParams(policy="p", template="{promt}"))
    judge.attach(Voiced([]))
    with pytest.raises(
        SparringError, match=r"a place for 'promt', which the scheme does not give \(it gives: prompt, response\)"
    ):
        judge.judge([ITEM])

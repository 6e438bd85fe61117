"""The official SDK's inference calls against the emulator: what a probe is answered."""

import pytest
from friendli.core import models
from friendli.friendli import SyncFriendli

from friendli_iac.emulator import Emulator
from friendli_iac.emulator.misbehaviour import ERROR_CODES

from .conftest import TEAM

MESSAGES = [models.UserMessage(role="user", content="Say OK")]


@pytest.fixture
def running(emulator: Emulator) -> str:
    """The id of an endpoint that runs."""
    (one,) = emulator.seed(1)
    return str(one["id"])


def test_chat(emulator: Emulator, sdk: SyncFriendli, running: str) -> None:
    answer = sdk.dedicated.chat.complete(model=running, messages=MESSAGES, max_tokens=16)

    assert isinstance(answer, models.ServerlessChatCompleteSuccess)
    assert answer.choices[0].message.content == "OK"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == running
    assert emulator.inferences[0]["body"]["max_tokens"] == 16


def test_tokens_and_back(sdk: SyncFriendli, running: str) -> None:
    tokens = sdk.dedicated.token.tokenize(model=running, prompt="What is it?").tokens

    assert len(tokens) == 6
    assert sdk.dedicated.token.detokenize(model=running, tokens=tokens).text == "What is it?"


def test_completions(sdk: SyncFriendli, running: str) -> None:
    body = models.CompletionsDedicatedBodyWithPrompt(model=running, prompt="Say OK")

    answer = sdk.dedicated.completions.complete(dedicated_completions_body=body)

    assert isinstance(answer, models.ServerlessCompletionsSuccess)
    assert (answer.choices[0].text, answer.model) == ("OK", running)


def test_embeddings(sdk: SyncFriendli, running: str) -> None:
    answer = sdk.dedicated.embeddings.embeddings(model=running, input_="some text")

    assert len(answer.data) == 1


def test_what_sleeps_is_unavailable_and_wakes(
    emulator: Emulator, sdk: SyncFriendli, running: str
) -> None:
    sdk.dedicated.endpoint.sleep(endpoint_id=running)

    with pytest.raises(models.SDKError) as refused:
        sdk.dedicated.token.tokenize(model=running, prompt="a")

    assert refused.value.status_code == 503
    assert sdk.dedicated.endpoint.get_status(endpoint_id=running).status == "AWAKING"
    emulator.advance(1)
    assert sdk.dedicated.token.tokenize(model=running, prompt="a").tokens
    assert emulator.endpoint(running)["inference_wakes"] == 1


def test_a_bad_version_is_an_sdk_error_until_the_rollback(
    emulator: Emulator, sdk: SyncFriendli, running: str
) -> None:
    emulator.serves_badly(running, "next", status=500)
    for name, fails in (("new", True), ("old", False)):
        sdk.dedicated.endpoint.update(endpoint_id=running, name=name)
        emulator.advance(2)
        if not fails:
            sdk.dedicated.chat.complete(model=running, messages=MESSAGES)
            continue
        with pytest.raises(models.SDKError) as failed:
            sdk.dedicated.chat.complete(model=running, messages=MESSAGES)
        assert failed.value.status_code == 500


@pytest.mark.parametrize("code", ERROR_CODES)
def test_a_version_that_dies_has_a_code_that_the_sdk_knows(
    emulator: Emulator, sdk: SyncFriendli, running: str, code: str
) -> None:
    emulator.fails_after(running, 10, error_code=code)
    emulator.advance(10)

    status = sdk.dedicated.endpoint.get_status(endpoint_id=running)

    assert (status.status, status.error_code) == ("FAILED", code)


@pytest.mark.parametrize(
    ("model", "team", "expected"),
    [("nothing", TEAM, 404), ("{}:sql", TEAM, 404), ("{}", "team-of-others", 403)],
)
def test_refusals_are_sdk_errors(
    sdk: SyncFriendli, running: str, model: str, team: str, expected: int
) -> None:
    with pytest.raises(models.SDKError) as refused:
        sdk.dedicated.token.tokenize(model=model.format(running), prompt="a", x_friendli_team=team)
    assert refused.value.status_code == expected


def test_a_chat_without_messages_is_refused(sdk: SyncFriendli, running: str) -> None:
    with pytest.raises(models.SDKError) as refused:
        sdk.dedicated.chat.complete(model=running, messages=[])
    assert refused.value.status_code == 422

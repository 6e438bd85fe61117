"""How a new version is proved, and what happens when it does not serve: the block `rollout`.

Everything here is ours alone: the API knows none of it, so a change of it sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from friendli_iac.resources.spec import Local, Spec, SpecModel
from friendli_iac.resources.values import Duration, Int, Text

BODY = dict[str, Any]  # a JSON object


ROLES = ("system", "user", "assistant")


def _message(message: dict[str, str]) -> dict[str, str]:
    if set(message) != {"role", "content"} or message["role"] not in ROLES:
        raise PydanticCustomError(
            "message",
            "a message has a role ({roles}) and a content, and nothing else",
            {"roles": ", ".join(ROLES)},
        )
    return message


Message = Annotated[dict[str, str], AfterValidator(_message)]


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise PydanticCustomError(
            "expression", "this is no regular expression: {error}", {"error": str(error)}
        ) from error
    return text


class Expect(SpecModel):
    """What the answer must hold. Left out, any answer with status 200 will do."""

    contains: Annotated[Text, Local()] | None = Field(
        default=None, description="Text that stands somewhere in the answer, as it is spelled."
    )
    matches: Annotated[Text, AfterValidator(_expression), Local()] | None = Field(
        default=None, description="A regular expression that is found somewhere in the answer."
    )


class ChatProbe(SpecModel):
    """Asks the model, through `/dedicated/v1/chat/completions`."""

    messages: Annotated[list[Message], Local(), Field(min_length=1)] = Field(
        description="The conversation that is sent, such as "
        "`[{role: user, content: Say OK}]`; keep it free of secrets."
    )
    max_tokens: Annotated[Int, Local(), Field(ge=1)] | None = Field(
        default=None, description="The most tokens to answer with. Left out: 16."
    )
    expect: Expect | None = None


class TokenizeProbe(SpecModel):
    """Counts tokens, through `/dedicated/v1/tokenize`: the cheapest probe of a text model."""

    prompt: Annotated[Text, Local()] = Field(description="The text whose tokens are counted.")
    expect: Expect | None = None


class RequestProbe(SpecModel):
    """Sends any other inference request."""

    path: Annotated[Text, Local(), Field(pattern="^/dedicated/[a-zA-Z0-9/_-]+$")] = Field(
        description="The path, such as `/dedicated/v1/embeddings`."
    )
    body: Annotated[BODY, Local()] = Field(
        description="The JSON body. `model` is put in: the endpoint's id."
    )
    expect: Expect | None = None


class Probe(SpecModel):
    """One inference request that proves that a version serves. Never sent to a sleeping endpoint,
    for it would wake it.
    """

    ALTERNATIVES: ClassVar = (("chat",), ("tokenize",), ("request",))
    REQUIRED: ClassVar = True

    chat: ChatProbe | None = None
    tokenize: TokenizeProbe | None = None
    request: RequestProbe | None = None
    attempts: Annotated[Int, Local(), Field(ge=1, le=100)] | None = Field(
        default=None, description="How often it is tried before it has failed. Left out: 3."
    )
    max_latency: Annotated[Duration, Local(), Field(ge=1)] | None = Field(
        default=None, description="How long an answer may take. Left out: 60s."
    )


class RolloutSpec(SpecModel):
    """How a new version is proved to serve, and what happens when it does not."""

    timeout: Annotated[Duration, Local(), Field(ge=1)] | None = Field(
        default=None,
        description="How long it may take until it serves. Left out: what --timeout says.",
    )
    probe: Probe | None = None
    bake: Annotated[Duration, Local()] | None = Field(
        default=None,
        description="How long it must serve without a fault before the version counts as good.",
    )
    on_failure: Annotated[Literal["rollback", "halt"], Local()] | None = Field(
        default=None,
        description="When an update does not serve: send the last good settings again (rollback, "
        "as when left out), or leave everything as it is (halt).",
    )
    on_create_failure: Annotated[Literal["terminate", "keep"], Local()] | None = Field(
        default=None,
        description="When a new endpoint does not serve: terminate it, so that billing stops (as "
        "when left out), or keep it for a look at it.",
    )
    wave: Annotated[Int, Local(), Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="Waves run in order, 1 first; a failure stops those behind it. Left out: 1.",
    )


@dataclass(frozen=True)
class Rollout:
    """The block `rollout` of a specification with its defaults. Times in seconds."""

    timeout: float | None
    probe: Spec | None
    attempts: int
    max_latency: float
    bake: float
    rolls_back: bool
    terminates: bool
    wave: int

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Rollout:
        """What `spec` says."""
        said = spec.get("rollout", {})
        probe = said.get("probe")
        return cls(
            timeout=said.get("timeout"),
            probe=probe,
            attempts=(probe or {}).get("attempts", 3),
            max_latency=(probe or {}).get("maxLatency", 60),
            bake=said.get("bake", 0),
            rolls_back=said.get("onFailure", "rollback") == "rollback",
            terminates=said.get("onCreateFailure", "terminate") == "terminate",
            wave=said.get("wave", 1),
        )


def probe_request(probe: Spec, id: str) -> tuple[str, dict[str, Any]]:
    """The path and the body of a probe. Paths: Friendli's OpenAPI of 2026-07-22."""
    if chat := probe.get("chat"):
        limit = chat.get("maxTokens", 16)
        body = {"model": id, "messages": chat["messages"], "max_tokens": limit}
        return "/dedicated/v1/chat/completions", body
    if tokenize := probe.get("tokenize"):
        return "/dedicated/v1/tokenize", {"model": id, "prompt": tokenize["prompt"]}
    request = probe["request"]
    return request["path"], {**request["body"], "model": id}


def probe_complaint(probe: Spec, answer: Mapping[str, Any], text: str) -> str:
    """What is wrong with the answer to a probe; empty when nothing is. `text` is the answer's body
    as it came.
    """
    kind = next(name for name in ("chat", "tokenize", "request") if name in probe)
    if kind == "chat":
        choices = answer.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return "the answer has no choices"
        message = choices[0].get("message")
        text = str((message if isinstance(message, dict) else {}).get("content") or "")
    elif kind == "tokenize" and not answer.get("tokens"):
        return "the answer has no tokens"
    expect = probe[kind].get("expect", {})
    if "contains" in expect and expect["contains"] not in text:
        return f"the answer does not contain {expect['contains']!r}: {text[:80]!r}"
    if "matches" in expect and not re.search(expect["matches"], text):
        return f"the answer does not match {expect['matches']!r}: {text[:80]!r}"
    return ""

"""Asks what serves a question. What sleeps is never asked: that would wake it, for money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from friendli_iac.errors import ApiError, AuthError, Unreachable
from friendli_iac.executor.context import Context
from friendli_iac.executor.look import wait_for
from friendli_iac.resources.base import Health
from friendli_iac.resources.rollout import Rollout

LONGEST_PAUSE = 10.0  # seconds between two attempts


@dataclass(frozen=True)
class Answer:
    """What a probe came to: `why` says what was wrong with the last attempt."""

    result: Literal["good", "bad", "not asked"]
    why: str = ""


def probe(context: Context, address: str, rollout: Rollout) -> Answer:
    """Asks until an answer is good, at most `attempts` times. AuthError when the token may not ask:
    that says nothing about what serves.
    """
    kind, api = context.kind_of(address)
    resource = context.known.state.resources[address]
    assert rollout.probe is not None, "only what has a probe is probed"
    why = ""
    for attempt in range(1, rollout.attempts + 1):
        # Looked at just before each attempt: it may have gone to sleep since, or be waking up.
        quiet: set[Health] = {"served", "failed", "ending", "stopped"}
        observed = wait_for(context, address, resource.id, resource.project, quiet)
        if observed is None or observed.health != "served":
            return Answer("bad", f"it is {observed.status if observed else 'gone'}")
        if observed.asleep:
            return Answer("not asked", f"it is {observed.status}, and a request would wake it")
        started, pause = context.clock.now(), min(2.0 ** (attempt - 1), LONGEST_PAUSE)
        try:
            why = kind.probe(api, resource.id, rollout.probe, rollout.max_latency)
        except AuthError:
            raise
        except ApiError as error:
            why = str(error)
            if isinstance(error, Unreachable) and error.retry_after:
                pause = max(pause, error.retry_after)
        took = context.clock.now() - started
        if not why and took > rollout.max_latency:
            why = f"the answer took {took:.1f} s, more than {rollout.max_latency:g} s"
        if not why:
            return Answer("good")
        context.tell("note", address, f"probe {attempt}/{rollout.attempts}: {why}")
        if attempt < rollout.attempts:
            context.pause(pause)
    return Answer("bad", f"its probe failed {rollout.attempts} times: {why}")

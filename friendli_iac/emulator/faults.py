"""Faults: what goes wrong between a request and its answer, and when."""

import asyncio
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypedDict, get_args

Kind = Literal[
    "status", "drop", "latency", "truncate", "html", "graphql", "stale_list", "hold", "call"
]
When = Literal["before", "after"]


class FaultArguments(TypedDict, total=False):
    """How a request fails: the settable fields of `Fault`."""

    kind: Kind
    when: When
    nth: int
    count: int | None
    status: int
    body: Any
    headers: Mapping[str, str] | None
    retry_after: float | None
    seconds: float
    newest: int


@dataclass(slots=True)
class Fault:
    """A rule: which requests fail, and how.

    `kind` says how:

    - `status`: answer `status` with `body` (a JSON value, or text) and `headers`
    - `drop`: close the socket without an answer
    - `latency`: wait `seconds` (real ones)
    - `truncate`: a 200 whose JSON stops half-way
    - `html`: a 200 with a page of HTML
    - `graphql`: a 200 of GraphQL that has no result, and an error with the code `body`, or none
    - `stale_list`: the list hides what was created in the last `seconds` (on the emulator's clock),
      or the `newest` endpoints
    - `hold`: wait until released
    - `call`: call `action` first; the request then goes on

    `when` says whether the request has had its effect by then. The rule is for the `nth` matching
    request (1 is the first), and for `count` from there on; None is for ever.
    """

    method: str
    path: str
    kind: Kind = "status"
    when: When = "before"
    nth: int = 1
    count: int | None = 1
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] | None = None
    retry_after: float | None = None
    seconds: float = 0.0
    newest: int = 0
    action: Callable[[], object] | None = None
    id: int = 0
    seen: int = 0
    applied: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown kind of fault: {self.kind}")
        if (self.kind == "call") != (self.action is not None):
            raise ValueError("a call needs an action, and nothing else does")
        if self.when not in get_args(When):
            raise ValueError(f"a fault comes before or after, not {self.when}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"{self.path!r} is not a regular expression: {error}") from None

    def applies_to(self, method: str, path: str) -> bool:
        """Whether the rule is for this request; every request is to be asked about just once."""
        if self.method not in ("*", method) or not re.search(self.path, path):
            return False
        self.seen += 1
        over = self.count is not None and self.seen >= self.nth + self.count
        if self.seen < self.nth or over:
            return False
        self.applied += 1
        return True


@dataclass(slots=True)
class Held:
    """A request that waits to be released."""

    seq: int
    method: str
    path: str
    when: When
    _event: asyncio.Event
    _loop: asyncio.AbstractEventLoop

    def release(self) -> None:
        """Let it go on; from any thread."""
        self._loop.call_soon_threadsafe(self._event.set)

    def to_json(self) -> dict[str, Any]:
        """What tells one held request from another."""
        return {"seq": self.seq, "method": self.method, "path": self.path, "when": self.when}


class Faults:
    """The rules in force and the requests on hold; safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rules: list[Fault] = []
        self._held: dict[int, Held] = {}
        self._next_id = 1

    def add(self, fault: Fault) -> int:
        """Put a rule into force; its number."""
        with self._changed:
            fault.id, self._next_id = self._next_id, self._next_id + 1
            self._rules.append(fault)
            return fault.id

    def clear(self) -> None:
        """Lift all rules. What is on hold stays on hold."""
        with self._changed:
            self._rules.clear()

    def rules(self) -> list[dict[str, Any]]:
        """The rules, with how often each one has matched and been applied; no actions."""
        with self._changed:
            return [_to_json(rule) for rule in self._rules]

    def matching(self, method: str, path: str) -> list[Fault]:
        """The rules for this request."""
        with self._changed:
            return [rule for rule in self._rules if rule.applies_to(method, path)]

    async def hold(self, seq: int, method: str, path: str, when: When) -> None:
        """Wait here until somebody releases the request."""
        event = asyncio.Event()
        held = Held(seq, method, path, when, event, asyncio.get_running_loop())
        with self._changed:
            self._held[seq] = held
            self._changed.notify_all()
        await event.wait()

    def held(self) -> list[dict[str, Any]]:
        """The requests on hold, in the order of their arrival."""
        with self._changed:
            return [held.to_json() for held in self._held.values()]

    def wait_held(self, count: int, timeout: float) -> list[dict[str, Any]]:
        """The requests on hold, as soon as there are `count` of them."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._held) >= count, timeout):
                raise TimeoutError(f"{len(self._held)} of {count} requests on hold")
            return [held.to_json() for held in self._held.values()]

    def release(self, seq: int | None = None) -> int:
        """Let one request go on, or all; how many there were."""
        with self._changed:
            seqs = [key for key in self._held if seq is None or key == seq]
            for key in seqs:
                self._held.pop(key).release()
            return len(seqs)


def _to_json(rule: Fault) -> dict[str, Any]:
    return {one.name: getattr(rule, one.name) for one in fields(rule) if one.name != "action"}


def fault_from_json(data: Mapping[str, Any]) -> Fault:
    """A rule from the keys of `Fault`; ValueError for others."""
    unknown = data.keys() - FaultArguments.__annotations__.keys() - {"method", "path"}
    missing = {"method", "path"} - data.keys()
    if unknown or missing:
        raise ValueError(f"a fault has no {sorted(unknown)}, and needs {sorted(missing)}")
    return Fault(**data)

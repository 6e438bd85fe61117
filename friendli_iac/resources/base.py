"""Addresses, the live resource, and the interface that every kind has.

A kind is one file in this package: the pydantic model of its `spec`, and a `Kind` that says how the
live resource is read and which requests change it. Nothing outside that file knows a kind's name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from friendli_iac.resources.advice import Advice
from friendli_iac.resources.billing import Bill
from friendli_iac.resources.prices import Prices
from friendli_iac.resources.spec import Spec, SpecModel


@dataclass(frozen=True, order=True)
class Address:
    """`Endpoint/chat`: a kind and the name that the manifest gives. Unique in a project."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `text` spells; ValueError when it is not `Kind/name`."""
        kind, slash, name = text.partition("/")
        if not (kind and slash and name):
            raise ValueError(f"{text!r} is not an address; an address looks like Endpoint/chat")
        return cls(kind, name)


def article(noun: str) -> str:
    """`noun` with `a` or `an`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


Health = Literal["served", "changing", "failed", "ending", "stopped"]


class Replicas(NamedTuple):
    """How many there are, how many there should be, and how many run the newest version; None:
    the API did not tell.
    """

    current: int | None = None
    desired: int | None = None
    updated: int | None = None


@dataclass(frozen=True)
class Observed:
    """What the API shows of one resource now.

    `spec` holds the readable fields, canonical. `version` is the number of the newest version, or
    None when it was not asked for. `status`, `phase` and `error` are the API's own words.
    """

    id: str
    project: str
    name: str
    spec: Spec
    status: str
    health: Health
    phase: str | None = None
    error: str | None = None
    updated_at: str | None = None
    version: int | None = None
    team: str | None = None
    asleep: bool = False
    strange: bool = False  # of a status that no document explains
    created_at: str | None = None
    creator: str | None = None
    replicas: Replicas = Replicas()
    details: Mapping[str, Any] = field(default_factory=dict)


# What was seen of a route. `unknown`: it was served before something was sent. `swapped`: another
# one is wanted behind it than was when it was served. `unproved`: it answers since then, and
# nothing shows which of the two.
Seen = Literal["served", "missing", "unknown", "swapped", "unproved"]


class Routes(NamedTuple):
    """What requests call beside its id, such as the adapters of an endpoint (`ENDPOINT_ID:ROUTE`).
    Each is proved by asking it. `path` is the field that says which, empty where none are
    managed; `sent`: by our own requests,
    and not by a person's hand.
    """

    path: str = ""
    names: tuple[str, ...] = ()
    sent: bool = False


Step = Literal["create", "rollout", "update", "restart", "wake", "sleep", "terminate", "delete"]
# What makes one more version of something that is there already.
NEW_VERSION: tuple[Step, ...] = ("rollout", "update")
Action = Literal[
    "no-op", "record", "create", "update", "replace", "delete",
    "restart", "wake", "sleep", "terminate", "verify",
]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What an error code means. `passes`: trying again may help."""

    sentence: str
    remedy: str
    passes: bool = False


class Kind(Protocol):
    """What the rest of the program knows of a kind that has resources of its own.

    `api` is the kind's client: each kind states the calls that it makes as a Protocol of its own.
    Methods that take it raise ApiError and its children.
    """

    name: str
    noun: str  # what people call one of them, such as `endpoint`
    model: type[SpecModel]
    versioned: bool  # whether each accepted update makes a version with a number
    home: str  # the key of the state's header that says where it lives: `api` or `wandb`
    serves: bool  # whether programs call it by its id, and have to wait while it starts

    def place(self, spec: Spec) -> str:
        """Where it lives, for `list`: names are unique there. A Friendli project, for one."""
        ...

    def desired(self, address: Address, written: Spec) -> Spec:
        """What the manifest wants: `written` with the defaults that are always managed."""
        ...

    def presumed(self, spec: Spec) -> Spec:
        """For an import: `spec` with the write-only values presumed where nobody said otherwise."""
        ...

    def inheritable(self, current: Spec, desired: Spec) -> Spec:
        """What of `current` may stand in for fields that `desired` leaves out."""
        ...

    def complete(self, target: Spec) -> Spec:
        """`target` with what a request must say and neither manifest nor live resource gave."""
        ...

    def restorable(self, good: Spec, failed: Spec) -> Spec:
        """`good`, with what must be said so that nothing of `failed` stays in force."""
        ...

    def conflicts(self, target: Spec, changed: Collection[str]) -> list[str]:
        """Why no request can bring `target` about, where only the whole of it shows that.

        `changed` are the paths whose values are to change.
        """
        ...

    def steps(
        self,
        action: Action,
        observed: Observed | None,
        target: Spec,
        changed: Collection[str] = (),
    ) -> tuple[Step, ...]:
        """The effects that bring `action` about, in order; each is journalled by itself. A `sleep`
        among them comes when what was sent before it serves. `changed` are the paths that an update
        is about.
        """
        ...

    def carried(self, step: Step, before: Spec, target: Spec) -> Spec:
        """What is in force once `step` took place, where more than one brings `target` about.
        `before` is what was in force.
        """
        ...

    def left_alone(self, spec: Spec) -> Collection[str]:
        """The paths of fields that others set: what is live stays, whatever `spec` says."""
        ...

    def moved_by(self, spec: Spec) -> str:
        """The address of what rolls new versions out beside us, as `spec` wants it; empty when
        nobody else should.
        """
        ...

    def advise(
        self,
        api: Any,
        action: Action,
        before: Spec,
        target: Spec,
        observed: Observed | None,
        seen: Mapping[str, Seen],
    ) -> Advice:
        """What must be said of a change before it is made, and what a person must do by hand. Asks
        the API only where that costs nothing. `before` is what was applied, and `seen` what was
        seen of its routes.
        """
        ...

    def disagreements(self, spec: Spec, every: Mapping[str, Spec]) -> list[tuple[str, str, str]]:
        """What cannot be, as the others are wanted: path, message, and what to do about it. `every`
        are the specifications of all that is wanted, by address.
        """
        ...

    def lint(
        self,
        api: Any,
        address: str,
        spec: Spec,
        every: Mapping[str, Spec],
        ours: Collection[str] = (),
    ) -> tuple[str, ...]:
        """What is doubtful of `spec`, which may be meant all the same. `every` are the
        specifications of all that is wanted, by address, and `ours` the ids that state has. `api`
        is None where nothing is asked.
        """
        ...

    def routes(self, spec: Spec) -> Routes:
        """What `spec` wants requests to call beside its id; nothing for most kinds."""
        ...

    def exchanged(self, before: Spec, after: Spec) -> tuple[str, ...]:
        """The routes behind which `after` wants something else than `before` did, or said nothing
        of: what is there by now, a person must replace.
        """
        ...

    def answers(self, api: Any, id: str, route: str, timeout: float) -> bool:
        """Whether a route is there: sends one inference request, which must not be sent to what
        sleeps. `timeout` is in seconds. An ApiError says why that cannot be told.
        """
        ...

    def life(self, target: Spec, observed: Observed) -> tuple[Action, str] | None:
        """What must be done so that it runs, sleeps or has ended as `target` wants, and why; None
        when it does already.
        """
        ...

    def idle(self, target: Spec) -> bool:
        """Whether `target` wants nothing to run."""
        ...

    def list(self, api: Any, project: str) -> dict[str, Observed]:
        """Every resource of the project, complete, by id; `spec` and `name` are empty."""
        ...

    def fetch(self, api: Any, id: str) -> Mapping[str, Any]:
        """What the API says of one resource, all but its status. NotFound when there is none."""
        ...

    def combine(self, id: str, fetched: Mapping[str, Any], listed: Observed) -> Observed:
        """What `fetch` and the project's list say together: one request a resource suffices."""
        ...

    def read(self, api: Any, id: str) -> Observed:
        """One resource with its status. NotFound when there is none."""
        ...

    def newest_version(self, api: Any, id: str) -> int | None:
        """The number of the newest version, served or not; None when no number can be read."""
        ...

    def versions(self, api: Any, id: str) -> Mapping[int, Spec]:
        """Every version by number, with the fields that the API shows of it."""
        ...

    def probe(self, api: Any, id: str, probe: Spec, timeout: float) -> str:
        """Sends one inference request. What is wrong with its answer; empty when nothing is.
        `timeout` is in seconds. An ApiError says what went wrong with the request.
        """
        ...

    def send(
        self, api: Any, step: Step, *, id: str | None, spec: Spec, comment: str, key: str
    ) -> str | None:
        """Sends the one request of `step`. The id of what was created, when the API tells it."""
        ...

    def health(self, status: str) -> Health:
        """What a status means for us; a status that nobody knows is `changing`."""
        ...

    def replicas(self, spec: Spec) -> tuple[int, int]:
        """The fewest and the most that may run, as `spec` wants it."""
        ...

    def replica_cost(self, spec: Spec, prices: Prices) -> float | None:
        """Dollars per hour of one replica; None: not known."""
        ...

    def hourly_cost(self, spec: Spec, prices: Prices) -> tuple[float, float] | None:
        """Dollars per hour at the fewest and the most replicas; None: not known."""
        ...

    def bill(self, api: Any, start: str, end: str) -> Bill:
        """What the team was billed from `start` to `end`, midnights of UTC as RFC 3339 has them."""
        ...

    def explain(self, error: str | None, spec: Spec) -> Fault:
        """What an error code means for a resource with `spec`, and what helps."""
        ...


def place_of(kind: Kind, place: str) -> str:
    """A `place` of the kind in words, such as `project p1`."""
    return f"project {place}" if kind.model.IN_PROJECT else place

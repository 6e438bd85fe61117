"""What is the same for all kinds that run nothing: they are there or not, and cost nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import Field

from friendli_iac.errors import ApiError, NotFound
from friendli_iac.resources.advice import NOTHING, Advice
from friendli_iac.resources.base import (
    Action,
    Address,
    Fault,
    Health,
    Observed,
    Replicas,
    Routes,
    Seen,
    Step,
)
from friendli_iac.resources.billing import Bill
from friendli_iac.resources.prices import Prices
from friendli_iac.resources.spec import Local, Spec, SpecModel, copied, drop_path, leaves, overlay
from friendli_iac.resources.values import Bool

NONE = Replicas(0, 0, 0)
THERE = "READY"  # the status of what is there, where the service has none


class PlainLifecycle(SpecModel):
    """What friendli-iac itself may do with it."""

    prevent_destroy: Annotated[Bool, Local()] | None = Field(
        default=None,
        description="Refuse to delete or replace it. Holds until `false` has been applied.",
    )


class PlainKind:
    """See `friendli_iac.resources.base.Kind`. What a kind says itself: `place`, `list`, `read` and
    `send`. `list` gives each resource whole, so that nothing more is asked for one.
    """

    name: str
    noun: str
    model: type[SpecModel]
    versioned = False
    serves = False
    home = "wandb"
    always: ClassVar[Spec] = {}  # the defaults that are always managed, beside the name

    def desired(self, address: Address, written: Spec) -> Spec:
        return overlay(self.model, {"name": address.name, **copied(self.always)}, written)

    def presumed(self, spec: Spec) -> Spec:
        return spec

    def inheritable(self, current: Spec, desired: Spec) -> Spec:
        """Not what only we can write: where it is not wanted, it is to go."""
        kept = copied(current)
        for path, leaf in leaves(self.model).items():
            if leaf.derived:
                drop_path(kept, path)
        return kept

    def complete(self, target: Spec) -> Spec:
        return target

    def restorable(self, good: Spec, failed: Spec) -> Spec:
        return good

    def conflicts(self, target: Spec, changed: Collection[str]) -> list[str]:
        return []

    def steps(
        self,
        action: Action,
        observed: Observed | None,
        target: Spec,
        changed: Collection[str] = (),
    ) -> tuple[Step, ...]:
        match action:
            case "create" | "update" | "delete":
                return (action,)
            case "replace":  # its name may be unique, so that there is no place for both
                return ("delete", "create")
            case _:
                return ()

    def carried(self, step: Step, before: Spec, target: Spec) -> Spec:
        return target

    def left_alone(self, spec: Spec) -> Collection[str]:
        return ()

    def moved_by(self, spec: Spec) -> str:
        return ""

    def advise(
        self,
        api: Any,
        action: Action,
        before: Spec,
        target: Spec,
        observed: Observed | None,
        seen: Mapping[str, Seen],
    ) -> Advice:
        return NOTHING

    def disagreements(self, spec: Spec, every: Mapping[str, Spec]) -> list[tuple[str, str, str]]:
        return []

    def lint(
        self,
        api: Any,
        address: str,
        spec: Spec,
        every: Mapping[str, Spec],
        ours: Collection[str] = (),
    ) -> tuple[str, ...]:
        return ()

    def routes(self, spec: Spec) -> Routes:
        return Routes()

    def exchanged(self, before: Spec, after: Spec) -> tuple[str, ...]:
        return ()

    def answers(self, api: Any, id: str, route: str, timeout: float) -> bool:
        raise NotImplementedError("it has no routes")

    def life(self, target: Spec, observed: Observed) -> tuple[Action, str] | None:
        return None

    def idle(self, target: Spec) -> bool:
        return False

    def list(self, api: Any, project: str) -> dict[str, Observed]:
        raise NotImplementedError

    def fetch(self, api: Any, id: str) -> Mapping[str, Any]:
        """Nothing more: the list has it all. NotFound when this is not in it."""
        place, rest = parted(id)
        if id not in self.list(api, place):
            raise NotFound(f"there is no {self.noun} {rest} in {place}", status=404)
        return {}

    def combine(self, id: str, fetched: Mapping[str, Any], listed: Observed) -> Observed:
        return replace(listed, id=id)

    def newest_version(self, api: Any, id: str) -> int | None:
        return None

    def versions(self, api: Any, id: str) -> Mapping[int, Spec]:
        return {}

    def probe(self, api: Any, id: str, probe: Spec, timeout: float) -> str:
        raise NotImplementedError("it answers no requests")

    def health(self, status: str) -> Health:
        return "served"

    def replicas(self, spec: Spec) -> tuple[int, int]:
        return 0, 0

    def replica_cost(self, spec: Spec, prices: Prices) -> float | None:
        return 0.0

    def hourly_cost(self, spec: Spec, prices: Prices) -> tuple[float, float] | None:
        return 0.0, 0.0

    def bill(self, api: Any, start: str, end: str) -> Bill:
        return Bill(())

    def explain(self, error: str | None, spec: Spec) -> Fault:
        return Fault(error or "", "")


def joined(place: str, id: str) -> str:
    """The id of a resource of W&B: its own ids do not say where they are to be looked for."""
    return f"{place}:{id}"


def one_of(noun: str, found: Mapping[str, Observed], id: str) -> Observed:
    """The one that `id` means, among those `found` where it says, by id: or by its name, as people
    may say it for an import. NotFound, or ApiError where several have that name.
    """
    place, wanted = parted(id)
    if id in found:
        return found[id]
    named = [observed for observed in found.values() if observed.name == wanted]
    if len(named) > 1:
        raise several(noun, place, wanted, [observed.id for observed in named])
    if not named:
        raise NotFound(f"{place} has no {noun} {wanted} in W&B", status=404)
    return named[0]


def several(noun: str, place: str, name: str, ids: Collection[str]) -> ApiError:
    """That a name means more than one: whether W&B allows that is not documented everywhere."""
    return ApiError(
        f"{len(ids)} {noun}s of {place} are called {name!r}: {', '.join(sorted(ids))}",
        safe="None was touched.",
        next="Say one of these ids, or delete those that are not needed, in W&B's web page.",
    )


def parted(id: str) -> tuple[str, str]:
    """Place and id. A place has no colon; instead of the id, people may say the name."""
    place, _, rest = id.partition(":")
    return place, rest

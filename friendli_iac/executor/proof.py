"""What proves that a version serves, and how far: readable fields, version number, probe."""

from __future__ import annotations

from dataclasses import dataclass

from friendli_iac.core.diff import flatten, readable
from friendli_iac.core.journal import NOT_APPLIED, Entry
from friendli_iac.core.state import Fence, Resource
from friendli_iac.executor.context import Context
from friendli_iac.executor.probe import Answer
from friendli_iac.resources.alternatives import replaced
from friendli_iac.resources.base import Kind, Observed
from friendli_iac.resources.rollout import Rollout
from friendli_iac.resources.spec import leaves
from friendli_iac.resources.values import format_duration


@dataclass(frozen=True)
class Served:
    """The proof. `unproved` are the paths that the API never shows: presumed, not seen."""

    version: int | None
    status: str
    unproved: tuple[str, ...]
    remark: str = ""


def is_proved(
    kind: Kind, resource: Resource, observed: Observed, version: int | None, version_needed: bool
) -> bool:
    """Whether the readable fields are as they were sent and, where it is needed, the version
    number has moved on.
    """
    assert resource.pending is not None, "only what was sent can be proved"
    sent = readable(kind, resource.pending.spec)
    live = readable(kind, observed.spec)
    if any(live.get(path) != value for path, value in sent.items()):
        return False
    ours = resource.fence.version
    return not version_needed or ours is None or (version is not None and version >= ours)


def version_is_needed(kind: Kind, resource: Resource) -> bool:
    """Whether an update can only be proved by its version number: nothing that can be read tells
    it from the version before. (Whether a change of the name alone makes a version is not known.)
    """
    if resource.prior is None or resource.pending is None:
        return False
    marks = leaves(kind.model)
    old, new = flatten(kind, resource.prior.spec), flatten(kind, resource.pending.spec)
    changed = {p for p in {**old, **new} if old.get(p) != new.get(p) and not marks[p].local}
    return not changed or any(marks[path].write_only for path in changed)


def verified(
    context: Context,
    address: str,
    observed: Observed,
    version: int | None,
    answer: Answer,
    shown: str = "",
) -> Served:
    """Writes the proof to the journal. `answer` is what the probe came to, and `shown` the path of
    a write-only field that was proved by itself.
    """
    kind, _ = context.kind_of(address)
    resource = context.known.state.resources[address]
    marks = leaves(kind.model)
    # What was in force before it, and that was not always good.
    earlier = [r for r in resource.history if r["key"] != resource.key]
    in_force = [r["spec"] for r in earlier if r["outcome"] != NOT_APPLIED]
    made = len(resource.history) - len(earlier)  # one change may make two, one after the other
    prior = resource.prior.spec if resource.prior and made < 2 else {}
    old = flatten(kind, in_force[-1] if in_force else prior)
    new = flatten(kind, resource.pending.spec) if resource.pending else {}
    # Behind a version of somebody else, that a value is as we sent it before says nothing.
    before = earlier[-1]["version"] if earlier else None
    alone = before is None or resource.fence.version in (None, before, before + made)
    alone = alone or bool(kind.moved_by(resource.applied.spec))
    routes = kind.routes(resource.applied.spec)
    # Left out, and perhaps in force yet.
    gone = [p for p in old if p not in new and not replaced(kind.model, p, new)]
    unproved = tuple(
        p
        for p in (*new, *gone)
        # What is derived stands for something that was written, and is told as that; but that its
        # routes were sent is not shown by anything else.
        if marks[p].write_only and p != shown and (not marks[p].derived or p == routes.path)
        if new.get(p) != old.get(p) or not alone
    )
    counted = observed.replicas
    behind = counted.updated == 0 and bool(counted.current)
    if answer.result == "good" and not behind:  # it answers, so what it was started with works
        unproved = ()
    fence = fence_now(resource, observed, version)
    context.write(
        Entry(
            "verified",
            context.clock.now(),
            address=address,
            fence=fence,
            outcome="unverified" if unproved else "good",
            by=context.by,
        )
    )
    asked = f"probe not sent: {answer.why}" if answer.why else ""
    asked = "probed" if answer.result == "good" else asked
    if unproved and behind:
        counted_out = f"the API counts 0 of {counted.current} replicas with the newest version"
        asked = "; ".join(filter(None, [asked, counted_out]))
    baked = Rollout.of(resource.prior.spec).bake if resource.prior else 0
    remark = [asked, f"baked for {format_duration(int(baked))}" if baked else ""]
    return Served(version, observed.status, unproved, "; ".join(filter(None, remark)))


def fence_now(resource: Resource, observed: Observed | None, version: int | None) -> Fence:
    """What the next plan compares with. A version beyond ours is somebody else's, even if it shows
    the same: without an update time the next plan looks at the versions, and calls it unknown.
    """
    ours = resource.fence.version
    if ours is not None and version is not None and version > ours:
        return Fence(ours)
    if version is None:  # it was not asked for, or cannot be read
        return Fence(ours)
    return Fence(version, observed.updated_at if observed else None)

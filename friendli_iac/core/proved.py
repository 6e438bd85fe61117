"""What a resource comes to once what was sent for it is proved to serve, or not to: in place."""

from __future__ import annotations

from dataclasses import replace

from friendli_iac.core.journal import NOT_APPLIED, Entry
from friendli_iac.core.state import Applied, Fence, Pin, Resource
from friendli_iac.resources.artifact import ARTIFACT, MOVED_BY
from friendli_iac.resources.spec import get_path


def verified(resource: Resource, entry: Entry) -> None:
    """What was sent serves: it counts as what was there before from now on."""
    if resource.pending is None:
        return
    resource.prior, resource.pending, resource.trial = resource.pending, None, None
    resource.before = None
    if get_path(resource.prior.spec, ARTIFACT) is not None:  # what others left is not in force
        resource.mover_ended = 0.0
    _judge(resource, resource.key, entry)
    resource.fence = entry.fence
    if resource.pin and resource.pin.stage == "owed":
        resource.pin = replace(resource.pin, stage="rolled back")
        _mark(resource, resource.pin, "rolled back")
    protect(resource, resource.prior)


def failed(resource: Resource, entry: Entry) -> None:
    """What was sent does not serve: it is pinned, and forgotten where it is not in force."""
    if resource.pending is not None:
        _judge(resource, resource.key, entry)
    resource.fence = entry.fence
    if entry.stage == "stuck" and resource.pin:
        story = f"{resource.pin.story}; {entry.detail}"
        resource.pin = replace(resource.pin, stage="stuck", story=story)
    elif entry.stage and resource.trial:
        resource.pin = Pin(
            resource.trial.bad,
            resource.trial.good,
            entry.stage,
            entry.detail,
            version=_version(resource),
            key=resource.key,
            time=entry.time,
            by=entry.by,
            asked=resource.trial.asked,
            over=_theirs_was_in_force(resource) and not get_path(resource.applied.spec, MOVED_BY),
            earlier=resource.trial.earlier,
        )
    resource.trial = None
    # Where the service kept the version before, what was sent is not in force. Where it runs
    # nothing now, what was sent is what a restart would start: it stays pending.
    if entry.outcome == NOT_APPLIED:
        resource.pending, resource.before = resource.before, None
        if _theirs_was_in_force(resource):
            resource.fence = Fence(resource.ours_before)


def _theirs_was_in_force(resource: Resource) -> bool:
    """Whether somebody else had made a version before ours."""
    sent, ours = _version(resource), resource.ours_before
    return sent is not None and ours is not None and sent - 1 > ours


def restored(new: Resource, old: Resource) -> Resource:
    """What was to be replaced is ours again, and its replacement is what is left to end."""
    new.deposed = old.deposed
    old.pin, old.deposed = new.pin, new
    return old


def _judge(resource: Resource, key: str, entry: Entry) -> None:
    """Notes what came of our newest version. One that was good once stays so; where what was
    started again is another one's, nothing came of ours.
    """
    # One change may have made two of them: what came of the first was noted before the second.
    for record in [one for one in resource.history if one["key"] == key][-1:]:
        made, newest = record["version"], resource.fence.version
        if made is not None and newest is not None and made < newest:
            return
        if record["version"] is None:  # of a create it was not known when it was sent
            record["version"] = entry.fence.version
        if record["outcome"] != "good":
            record["outcome"] = entry.outcome


def _mark(resource: Resource, pin: Pin, outcome: str) -> None:
    """Notes what came of the version that `pin` is about; a pin that was set by hand has no key."""
    for record in resource.history:
        versions = (record["version"], pin.version)
        same = versions[0] == versions[1]
        # One change may have made two versions, of which this is about one.
        if same if not pin.key else record["key"] == pin.key and (same or None in versions):
            record["outcome"] = outcome


def _version(resource: Resource) -> int | None:
    found = [r["version"] for r in resource.history if r["key"] == resource.key]
    return found[-1] if found else None


def protect(resource: Resource, applied: Applied) -> None:
    """Protects it, or not, as `applied` says; left out, it stays as it was."""
    wanted = get_path(applied.spec, "lifecycle.preventDestroy")
    if wanted is not None:
        resource.protected = bool(wanted)

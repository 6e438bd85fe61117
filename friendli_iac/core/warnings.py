"""What a reviewer must be warned of before a change is applied. Pure, and only said: what must not
be done at all is a refusal, or a finding of a policy.

Facts of the API are from Friendli's documents and OpenAPI of 2026-07-22.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from friendli_iac.core.preflight import REPO, REVISION, is_commit
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import ARTIFACT
from friendli_iac.resources.base import NEW_VERSION, Address
from friendli_iac.resources.rollout import Rollout
from friendli_iac.resources.spec import get_path

if TYPE_CHECKING:
    from friendli_iac.core.plan import Change

FEWEST = "autoscaling.minReplicas"
GPU = "instance.gpu"
LOGGING = "engine.contentLogging"
PROTECTION = "lifecycle.preventDestroy"
TERMINATED = "asleep for 48 h, Friendli terminates it"
_SHORT = 12  # characters of a commit


def warnings(change: Change) -> tuple[str, ...]:
    """The warnings of one change, most severe first; empty when nothing is done."""
    if change.action == "no-op":
        return ()
    said = (*_clients(change), *_version(change), *_weights(change), *_later(change))
    return (*said, *change.beware)


def _clients(change: Change) -> Iterator[str]:
    """What those who call it must do, or lose."""
    if not KINDS[Address.parse(change.address).kind].serves:
        pass
    elif change.action == "delete" and not change.leftover:
        yield f"nothing redirects from {change.id}: move its clients elsewhere first"
    elif change.destructive:
        yield f"clients must learn the new id: nothing redirects from {change.id}"
        if not change.deposes:
            yield "nothing serves from the end of the old one until the new one is ready"
    if _set(change, PROTECTION) is False:
        yield "its protection is lifted: from then on, a plan may delete it"


def _version(change: Change) -> Iterator[str]:
    """What is not certain of a new version."""
    unknown = {field.path for field in change.fields if field.unknown}
    if unknown:
        over = "this overwrites a version that somebody else made, which cannot be read in full"
        if unknown == {ARTIFACT}:
            over = "this overwrites an artifact that was rolled out beside us, which cannot be read"
        spec = change.after.spec if change.after else {}
        back = change.action == "update" and change.restorable and Rollout.of(spec).rolls_back
        yield f"{over}; if ours does not serve, what we sent last comes back" if back else over
    if change.unpins:
        yield "its pin is lifted: nothing holds off any more what failed before"
    if change.action != "update" or not set(NEW_VERSION).intersection(change.steps):
        return
    if not change.restorable:
        yield "it cannot be rolled back: nobody knows what was there before"
    if change.asleep:
        yield "it sleeps: nothing proves the new version until a request wakes it"
    if GPU in {field.path for field in change.fields}:
        yield "Friendli's documents disagree on whether the GPU of an endpoint can change: where " \
              "it cannot, the update is refused, and what serves goes on"  # fmt: skip
    suite = get_path(change.after.spec, "suite") if change.after else None
    if isinstance(suite, dict) and suite:
        yield f"set in the web page, and not known to survive an update: {', '.join(suite)}"


def _weights(change: Change) -> Iterator[str]:
    """Whether the weights that were reviewed are those that will serve."""
    if change.after is None or not {"create", *NEW_VERSION}.intersection(change.steps):
        return
    if alias := change.after.asked.get(ARTIFACT):
        version = str(get_path(change.after.spec, ARTIFACT)).rpartition(":")[2]
        if _moves(change):
            yield f"unpinned artifact: the manifest says {alias}; this plan sends {version}, a " \
                  "later one may send another"  # fmt: skip
        return
    if get_path(change.after.spec, REPO) is None:
        return
    sent = get_path(change.after.spec, REVISION)
    asked = change.after.asked.get(REVISION)
    said = f"the manifest says {asked or sent}" if asked or sent else "no revision is said"
    if not is_commit(sent):
        yield f"unpinned revision: {said}, and which commit that will be is not known"
    elif asked is not None and not is_commit(asked) and _moves(change):
        yield f"unpinned revision: {said}; this plan sends {sent[:_SHORT]}, a later one may " \
              "send another"  # fmt: skip


def _moves(change: Change) -> bool:
    """Whether the model is decided anew."""
    return "create" in change.steps or any(
        field.path in (REPO, REVISION, ARTIFACT) and not field.local for field in change.fields
    )


def _later(change: Change) -> Iterator[str]:
    """What happens by itself afterwards."""
    ended = change.action == "terminate" or "sleep" in change.steps
    kind = KINDS[Address.parse(change.address).kind]
    if ended and change.after and (mover := kind.moved_by(change.after.spec)):
        yield f"{mover} is enabled: the next event may start it again"
    if "sleep" in change.steps:
        yield f"the next request wakes it, and then it bills; {TERMINATED}"
    elif _set(change, FEWEST) == 0:
        yield f"minReplicas 0: idle, it sleeps, and the next request waits; {TERMINATED}"
    if _set(change, LOGGING) is True:
        yield "content logging is on: what users send and receive is kept"


def _set(change: Change, path: str) -> object:
    """The value that the change gives the field at `path`; None where it gives none."""
    if "create" in change.steps and change.after is not None:
        return get_path(change.after.spec, path)
    return next((field.desired for field in change.fields if field.path == path), None)

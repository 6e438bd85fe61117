"""Which model one environment has proved to serve, for another one to take."""

from __future__ import annotations

from dataclasses import dataclass

from friendli_iac.core.preflight import REPO, REVISION, is_commit
from friendli_iac.core.state import Resource
from friendli_iac.errors import Refused
from friendli_iac.resources.spec import get_path

UPLOADED = "model.uploaded.id"


@dataclass(frozen=True)
class Verified:
    """A model that serves: `values` by path of the spec, the pin at last. `asked` is what the
    manifest said in its place, such as a branch; `newer` says what is not proved yet, or failed.
    """

    values: dict[str, str]
    asked: str = ""
    newer: str = ""

    @property
    def repo(self) -> str | None:
        """The repository; None for an uploaded model."""
        return self.values.get(REPO)


def verified(address: str, resource: Resource, environment: str) -> Verified:
    """What `resource` was proved to serve. Refused where that is not known."""
    where = f"{address} in {environment}"
    prior = resource.prior
    if prior is None:
        why = "what was sent is not proved to serve yet"
        if resource.pin is not None:
            why = f"nothing serves: {resource.pin.story}"
        raise _refused(f"{where}: {why}", f"friendli-iac status --env {environment}")
    newer = ""
    if resource.pending is not None and resource.pending.spec.get("model") != prior.spec["model"]:
        newer = "another model was sent after it, and is not proved to serve yet"
    elif resource.pin is not None and any(path.startswith("model.") for path in resource.pin.bad):
        newer = "another model was tried after it, and failed"
    uploaded = get_path(prior.spec, UPLOADED)
    if uploaded is not None:
        return Verified({UPLOADED: uploaded}, newer=newer)
    repo, revision = get_path(prior.spec, REPO), get_path(prior.spec, REVISION)
    if REPO in resource.unknown or REVISION in resource.unknown or repo is None:
        raise _refused(
            f"{where} was adopted, and which model it serves is not known",
            "Apply it once with a full commit as model.huggingFace.revision.",
        )
    if revision is None or not is_commit(revision):
        said = f"the revision {revision!r}" if revision else "no revision"
        raise _refused(
            f"{where} was applied with {said}: which commit serves is not known",
            f"Write the full commit, or apply it with preflight on: --env {environment}",
        )
    return Verified({REPO: repo, REVISION: revision}, prior.asked.get(REVISION, ""), newer)


def _refused(message: str, next: str) -> Refused:
    return Refused(message, safe="Nothing was written.", next=next)

"""Before any write: locks revisions to commits, and looks at the models that a plan changes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from friendli_iac.clients.hub import DEADLINE, Hub, Wanted
from friendli_iac.core.plan import Change, Plan, Refusal
from friendli_iac.core.preflight import (
    REPO,
    REVISION,
    Check,
    RepoFacts,
    is_commit,
    judge,
    memory_of,
    unseen,
)
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Resource, State
from friendli_iac.engine.adapters import lock_adapters, look_at_adapters
from friendli_iac.engine.linking import Linked
from friendli_iac.errors import UsageError
from friendli_iac.resources.base import Address
from friendli_iac.resources.endpoint_adapters import ADAPTERS, SENT
from friendli_iac.resources.spec import BLANK, Spec, copied, get_path, set_path
from friendli_iac.resources.values import parse_duration

SWITCH = "FRIENDLI_IAC_PREFLIGHT"
TIMEOUT = "FRIENDLI_IAC_PREFLIGHT_TIMEOUT"

Key = TypeVar("Key", Address, str)


@dataclass(frozen=True)
class Preflight:
    """Looks at models before anything is sent. `hub` is None where that is switched off: then
    nothing is asked, and what was locked before stays so.
    """

    hub: Hub | None = None
    root: Path = Path()  # of the project, for adapters in its folders

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        wanted: bool = True,
        emulated: bool = False,
        root: Path = Path(),
    ) -> Preflight:
        """As the environment says. `wanted` is false with --no-preflight; models of the embedded
        emulator (`emulated`) are looked at only where HF_ENDPOINT names a hub for them. UsageError
        for a setting that makes no sense.
        """
        switch = environ.get(SWITCH, "on").lower()
        if switch not in ("on", "off"):
            raise UsageError(
                f"{SWITCH} is {switch!r}",
                safe="Nothing was sent.",
                next=f"Set {SWITCH} to on or off.",
            )
        if not wanted or switch == "off" or (emulated and not environ.get("HF_ENDPOINT")):
            return cls()
        return cls(Hub(environ, deadline=deadline(environ)), root)

    def close(self) -> None:
        """Closes what was opened to look."""
        if self.hub is not None:
            self.hub.close()

    def lock(
        self, wishes: Mapping[Key, Wish], state: State, chosen: Collection[str] | None = None
    ) -> dict[Key, Wish]:
        """`wishes` with commits for their revisions. One that asks for the same as in state has the
        commit from there, without a request: that a branch moved is no change. `chosen` are the
        addresses that the plan is about, all of them when None; others are left as they are.

        A revision whose commit cannot be learnt stays as it was written.
        """
        locked = dict(wishes)
        open_: dict[Key, Wanted] = {}
        for address, wish in wishes.items():
            resource = state.resources.get(str(address))
            if resource is not None and _as_it_was(resource, wish):
                continue
            repo = get_path(wish.spec, REPO)
            if repo in (None, BLANK) or (chosen is not None and str(address) not in chosen):
                continue
            revision = get_path(wish.spec, REVISION) or ""
            if resource is not None:
                earlier = _remembered(resource, wish)
                locked[address] = earlier or _in_its_own_words(resource, wish)
                if earlier is not None:
                    continue
            if not is_commit(revision):
                open_[address] = (repo, revision)
        if self.hub is not None and open_:
            known = self.hub.gather(open_.values())
            for address, wanted in open_.items():
                facts = known[wanted]
                if isinstance(facts, RepoFacts):
                    asked = {REVISION: wanted[1]}  # as it was written, and "" for nothing
                    locked[address] = _with_commit(wishes[address], facts.commit, asked)
        return lock_adapters(self.hub, locked, state, chosen)

    def look(self, specs: Mapping[str, Spec]) -> dict[str, tuple[Check, ...]]:
        """The checks of whole specs, by address; none for what has no model."""
        found = self._models(specs)
        for address, checks in self._adapters(specs).items():
            found[address] = (*found.get(address, ()), *checks)
        return found

    def _adapters(self, specs: Mapping[str, Spec]) -> dict[str, tuple[Check, ...]]:
        return {} if self.hub is None else look_at_adapters(self.hub, self.root, specs)

    def _models(self, specs: Mapping[str, Spec]) -> dict[str, tuple[Check, ...]]:
        if self.hub is None:
            return {}
        wanted = {
            address: (str(get_path(spec, REPO)), str(get_path(spec, REVISION) or ""))
            for address, spec in specs.items()
            if get_path(spec, REPO) not in (None, BLANK)
        }
        known = self.hub.gather(wanted.values())
        found: dict[str, tuple[Check, ...]] = {}
        for address, spec in specs.items():
            if address in wanted:
                facts = known[wanted[address]]
                found[address] = judge(facts, spec=spec, gpu_memory_gb=memory_of(spec))
            elif check := unseen(spec):
                found[address] = (check,)
        return found

    def checked(self, plan: Plan) -> Plan:
        """`plan` with the checks of the changes that change a model, where it is served or its
        adapters, and a refusal for each that failed.
        """
        pending = {c.address: (c, c.after.spec) for c in plan.pending_changes if c.after}
        found = self._models({a: spec for a, (c, spec) in pending.items() if changes_model(c)})
        about = {a: s for a, (c, s) in pending.items() if changes_model(c) or changes_adapters(c)}
        for address, checks in self._adapters(about).items():
            found[address] = (*found.get(address, ()), *checks)
        refused = [
            Refusal(
                address,
                f"preflight: {check.text}",
                f"{check.remedy} Or go on without looking: --no-preflight".strip(),
            )
            for address, checks in found.items()
            for check in checks
            if check.level == "fail"
        ]
        return replace(
            plan,
            changes=tuple(
                replace(change, checks=found[change.address])
                if change.address in found and change.action != "no-op"
                else change
                for change in plan.changes
            ),
            refusals=(*plan.refusals, *refused),
        )


def changes_model(change: Change) -> bool:
    """Whether another model would be served than before, or one for the first time, or on another
    instance, whose memory it may not fit.
    """
    if change.after is None:
        return False
    if change.action in ("create", "replace"):
        return True
    about = ("model.", "instance.")
    return change.action == "update" and any(f.path.startswith(about) for f in change.fields)


def changes_adapters(change: Change) -> bool:
    """Whether other adapters would be served than before."""
    return any(field.path in (ADAPTERS, SENT) for field in change.fields)


def deadline(environ: Mapping[str, str]) -> float:
    """How long all lookups may take together, in seconds: `20`, `0.5`, `90s` or `2m`. UsageError
    for anything else.
    """
    said = environ.get(TIMEOUT, "").strip()
    if not said:
        return DEADLINE
    try:
        return float(said if re.fullmatch(r"\d+(\.\d+)?", said) else parse_duration(said))
    except ValueError as error:
        raise UsageError(
            f"{TIMEOUT} is {said!r}",
            safe="Nothing was sent.",
            next=f"Set {TIMEOUT} to a duration, such as 20s.",
        ) from error


def _as_it_was(resource: Resource, wish: Wish) -> bool:
    """Whether the wish says just what was applied, and nothing was ever locked: most of them do."""
    applied = resource.applied
    if applied.asked or resource.pin is not None or resource.unknown:
        return False
    return "model" in wish.spec and wish.spec["model"] == applied.spec.get("model")


def _remembered(resource: Resource, wish: Wish) -> Wish | None:
    """The wish with the commit that its words were locked to earlier: when they failed and were
    pinned, or when they were applied. None when it asks for something else than then.
    """
    repo, revision = get_path(wish.spec, REPO), get_path(wish.spec, REVISION) or ""
    if REPO in resource.unknown or REVISION in resource.unknown:
        return wish  # adopted: which commit serves is not known, and nothing is sent to change it
    applied, pin = resource.applied, resource.pin
    now = get_path(applied.spec, REPO)
    if pin is not None and (REPO in pin.bad or REVISION in pin.bad):
        commit = pin.bad.get(REVISION)
        said = pin.asked.get(REVISION, commit or "")
        if (repo, revision) == (pin.bad.get(REPO, now), said):
            return _with_commit(wish, commit, pin.asked)
    commit = get_path(applied.spec, REVISION)
    # Left out later, the commit stays: what nobody states is not managed.
    if repo == now and revision in ("", applied.asked.get(REVISION, commit or "")):
        return _with_commit(wish, commit, applied.asked)
    return None


def _in_its_own_words(resource: Resource, wish: Wish) -> Wish:
    """The wish, where nothing is locked: what was asked for earlier must not be taken for what is
    asked for now.
    """
    if REVISION not in resource.applied.asked:
        return wish
    said = get_path(wish.spec, REVISION) or ""
    return Linked(wish, wish.spec, {**wish.asked, REVISION: said})


def _with_commit(wish: Wish, commit: str | None, asked: Mapping[str, str]) -> Wish:
    """The wish as it is when it was never locked."""
    if commit is None or REVISION not in asked:
        return wish
    spec = copied(wish.spec)
    set_path(spec, REVISION, commit)
    return Linked(wish, spec, {**wish.asked, REVISION: asked[REVISION]})

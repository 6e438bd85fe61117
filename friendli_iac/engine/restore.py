"""The content of a state from before, and the name of the project in the state's header. Nothing is
sent to the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from friendli_iac.backends.base import Backend
from friendli_iac.core.exchange import Exchange
from friendli_iac.core.keys import keys_of, left_behind
from friendli_iac.core.replay import replay
from friendli_iac.core.state import State
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.guards import check_header
from friendli_iac.engine.transfer import NOTHING, no_state
from friendli_iac.errors import Cancelled, Refused, UsageError


@dataclass(frozen=True)
class Restored:
    """What a restore comes to. `left_open` are sentences about what the kept state had left open:
    the next apply settles it.
    """

    serial: int
    exchange: Exchange
    left_open: tuple[str, ...] = ()


def restore(engine: Engine, serial: int, approve: Callable[[Restored], bool]) -> int:
    """Makes the content of a kept state the next serial; gives that. `approve` is shown what it
    comes to.

    UsageError for a serial that is not kept or is the current one; Refused while effects are open;
    Cancelled where it is not approved; StateError without a state; Locked.
    """
    backend = engine.backend
    with backend.lock("state restore", engine.environ, 0):
        stored = backend.read()
        if stored.state is None:
            raise no_state(backend)
        known, _ = engine.known()
        if known.open:
            begun = next(iter(known.open.values()))
            raise Refused(
                f"an interrupted apply left open: {begun.step} {begun.address}",
                safe=NOTHING,
                next="friendli-iac state recover settles it; so does apply.",
            )
        now = known.state
        kept = _kept(backend, serial, stored.state.serial)
        old = replay(kept, ())
        opened = (f"{one.step} {one.address}" for one in old.open.values())
        if not approve(Restored(serial, Exchange.of(now, old.state), tuple(opened))):
            raise Cancelled("not restored", safe=NOTHING)
        if stored.entries:  # what only the journal has is kept, too
            now = backend.commit(known.to_commit())
        # A plan that was begun is over: what it did may not be in this state any more.
        begun_plans = {id: replace(run, complete=True, plan=None) for id, run in now.runs.items()}
        restored = replace(
            now,
            resources=kept.resources,
            open=kept.open,
            runs={**kept.runs, **begun_plans},
            lost=[*now.lost, *(lost for lost in kept.lost if lost not in now.lost)],
        )
        keys = (key for resource in now.resources.values() for key in keys_of(resource))
        restored.forgotten_keys = left_behind(restored, keys)
        return backend.commit(restored).serial


def _kept(backend: Backend, serial: int, current: int) -> State:
    if serial == current:
        raise UsageError(f"serial {serial} is the current one", safe=NOTHING)
    kept = [one for one in backend.history() if one.serial == serial]
    if not kept:
        raise UsageError(
            f"serial {serial} is not kept",
            safe=NOTHING,
            next="friendli-iac state history shows which ones are.",
        )
    return backend.read_kept(kept[-1])


def claim(engine: Engine, approve: Callable[[Mapping[str, tuple[str, str]]], bool]) -> bool:
    """Writes this project's name and environment into the header of the state. `approve` is shown
    what it says before and after, by key. False: it says so already.

    UsageError where there is nothing to say; Refused where API or team are others; Cancelled;
    StateError without a state; Locked.
    """
    backend, names = engine.backend, ("project", "environment")
    with backend.lock("state claim", engine.environ, 0):
        stored = backend.read()
        state = stored.state
        if state is None:
            raise no_state(backend)
        check_header(state, {key: engine.header[key] for key in ("api", "team")})
        said = {name: engine.header[name] for name in names if engine.header[name]}
        changes = {
            name: (before, after)
            for name, after in said.items()
            if (before := getattr(state, name)) != after
        }
        if not said:
            raise UsageError(
                "this project has no name to write into the state",
                safe=NOTHING,
                next="Give it one: `name: NAME` in friendli-iac.yaml; --env names the environment.",
            )
        if not changes:
            return False
        if not approve(changes):
            raise Cancelled("not claimed", safe=NOTHING)
        known = replay(state, stored.entries)
        claimed = known.to_commit()
        claimed.project = said.get("project", claimed.project)
        claimed.environment = said.get("environment", claimed.environment)
        backend.commit(claimed)
        return True

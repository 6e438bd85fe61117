"""A state as a document, out of its place and into it, and from one place to another.

Nothing is sent to the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from friendli_iac.backends.base import Backend, Stored
from friendli_iac.backends.errored import PUSH, document_of
from friendli_iac.core.canonical import same
from friendli_iac.core.exchange import Exchange
from friendli_iac.core.journal import Entry
from friendli_iac.core.keys import keys_of, left_behind
from friendli_iac.core.replay import replay
from friendli_iac.core.state import State
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.guards import check_header
from friendli_iac.engine.report import ApplyOptions
from friendli_iac.errors import Refused, StateError, UsageError
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, article, place_of

NOTHING = "Nothing was changed."
MOST = 10**12  # no serial comes so far
MIGRATE = "state migrate"  # the operation
FORCE = "friendli-iac state pull shows what is stored; --force puts the file in its place."
STALE = (
    "If it is errored.state.json, delete it: the stored state and its journal know what was sent, "
    "and the next apply goes on from there. Else: "
)
_BY_COMMIT = ("serial", "write_id", "tool_version")  # what a commit sets
_STATE, _ENTRIES = TypeAdapter(State), TypeAdapter(list[Entry])


@dataclass(frozen=True)
class Pushed:
    """What a push did. `landed`: nothing, that very state was stored already. `over` is the state
    whose place it took, None where there was none, `unseen` how many entries of the journal were
    dropped, and `exchange` what it came to; `given_up` are sentences about effects that were begun,
    and that nobody knows of any more.
    """

    state: State
    landed: bool = False
    over: State | None = None
    unseen: int = 0
    exchange: Exchange | None = None
    given_up: tuple[str, ...] = ()


def pull(backend: Backend) -> dict[str, Any]:
    """The state with its journal, as a document that `push` takes. StateError without one."""
    stored = backend.read()
    if stored.state is None:
        raise no_state(backend)
    known = replay(stored.state, stored.entries)
    return document_of(known.to_commit(), seen=len(stored.entries))


def no_state(backend: Backend) -> StateError:
    """What is said where there is none."""
    return StateError(
        f"there is no state at {backend.describe()}",
        safe=NOTHING,
        next="friendli-iac doctor shows which state this project has.",
    )


# --- push ---


def push(engine: Engine, document: object, *, force: bool, lock_timeout: float = 0.0) -> Pushed:
    """Stores the state in a document as the next serial.

    Refused where it is another project's, and, unless by `force`, where it would drop what was
    stored since. UsageError for a document that is no state; Locked.
    """
    state, seen, doubtful = _read(document)
    own = ("api", "team") if force else tuple(engine.header)
    header = {key: engine.header[key] for key in own}
    check_header(state, header)
    with engine.backend.lock(PUSH, engine.environ, lock_timeout):
        stored = engine.backend.read()
        now, count = stored.state, len(stored.entries)
        if now is None:
            if seen and not force:
                raise Refused(
                    f"there is no state at {engine.backend.describe()}, and the file was made from "
                    "one with a journal",
                    safe=NOTHING,
                    next="Check the address; --force stores it here.",
                )
            return Pushed(engine.backend.commit(replace(state, serial=max(0, state.serial - 1))))
        check_header(now, header)
        known = replay(now, stored.entries)
        if state.write_id == now.write_id and (
            same(state.to_json(), now.to_json())
            or same(state.to_json(), known.to_commit().to_json())
        ):
            return Pushed(now, landed=True)
        more = [entry.to_json() in doubtful for entry in stored.entries[seen:]]
        if _follows(state, now) and more and all(more):
            seen = count  # all that came into the journal is what the file knows of
        unseen = max(0, count - seen) if _follows(state, now) else count
        if not force:
            _check(state, now, seen, count)
        next_state = replace(state, serial=max(now.serial, state.serial - 1))
        for key in ("project", "environment"):  # whose it is, is not forgotten
            setattr(next_state, key, getattr(state, key) or getattr(now, key))
        keys = [key for one in known.state.resources.values() for key in keys_of(one)]
        keys += known.state.forgotten_keys
        next_state.forgotten_keys = left_behind(next_state, keys)
        after = replay(state, ())
        exchange = Exchange.of(known.state, after.state)
        blind = unseen or not _follows(state, now)  # else the file says what came of them
        given_up = [known.open[one] for one in known.open.keys() - after.open.keys() if blind]
        done = engine.backend.commit(next_state)
        return Pushed(done, False, now, unseen, exchange, tuple(map(_given_up, given_up)))


def _given_up(begun: Entry) -> str:
    what = f"{begun.step} {begun.address} was begun, and nobody will look what came of it"
    if begun.step != "create":
        return what
    kind = KINDS[Address.parse(begun.address).kind]
    where = f"{article(kind.noun)} called {begun.name!r} in {place_of(kind, begun.project)}"
    return f"{what}: {where} may {'bill' if kind.serves else 'be there'}"


def _read(document: object) -> tuple[State, int, list[dict[str, Any]]]:
    """The state in a document, how many entries of its journal are in it already, and which others
    may have come into the journal.
    """
    if not isinstance(document, Mapping):
        raise _not_a_state("it is no JSON object")
    fields = dict(document)
    seen, doubtful = fields.pop("seen", 0), fields.pop("doubtful", [])
    try:
        state = State.from_json(fields)
        replay(state, ())
        _STATE.validate_python({name: fields[name] for name in fields if name != "state_version"})
        _ENTRIES.validate_python(state.open)
    except StateError as error:
        raise _not_a_state(str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise _not_a_state(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for name, value in (("serial", state.serial), ("seen", seen)):
        if type(value) is not int or not 0 <= value < MOST:
            raise _not_a_state(f"{name} is {value!r}")
    if not isinstance(doubtful, list):
        raise _not_a_state("doubtful is no list")
    if not state.lineage:
        raise _not_a_state("it has no lineage")
    return state, seen, doubtful


def _follows(state: State, now: State) -> bool:
    """Whether `state` was made from `now`: by changing it, or by a commit that was not stored."""
    if state.lineage != now.lineage:
        return False
    return state.serial == now.serial + 1 or (
        state.serial == now.serial and state.write_id == now.write_id
    )


def _check(state: State, now: State, seen: int, count: int) -> None:
    """Refused where something that is stored would be dropped."""
    why, since = _objection(state, now, seen, count)
    if why:
        raise Refused(why, safe=NOTHING, next=f"{STALE}{FORCE}" if since else FORCE)


def _objection(state: State, now: State, seen: int, count: int) -> tuple[str, bool]:
    """Why `state` must not take the place of `now` and the `count` entries of its journal, empty
    where nothing stands against it; and whether somebody went on from what `state` was made from.
    """
    if state.lineage != now.lineage:
        return f"it is another state (lineage {state.lineage}, and stored is {now.lineage})", False
    both = f"it has serial {state.serial}, and stored is {now.serial}"
    if state.serial < now.serial:
        return f"somebody has applied since: {both}", True
    if not _follows(state, now):
        if state.serial == now.serial:
            return f"somebody has applied since: stored is another serial {now.serial}", True
        return (f"{both} with a journal of {count} entries", False) if count else ("", False)
    journal = f"the stored journal has {count} entries, and the file knows {seen} of them"
    if count > seen:
        return f"somebody was at work since: {journal}", True
    return (f"{journal}: the store was put back to an earlier time" if count < seen else ""), False


def _not_a_state(why: str) -> UsageError:
    return UsageError(
        f"the file is no state: {why}",
        safe=NOTHING,
        next="It is one that friendli-iac state pull made, or errored.state.json.",
    )


# --- migrate ---


def migrate(engine: Engine, source: Backend, target: Backend, again: Backend) -> State:
    """Copies the state at `source` to `target`, looks at it through `again` (the same place, opened
    anew), and marks `source` as moved. What was interrupted on its way is finished.

    UsageError where both are one place; Refused where `target` holds what would be lost; StateError
    where `source` holds none, and where what is read back is not what was written; Locked.
    """
    if source.describe() == target.describe():
        raise UsageError(f"{source.describe()} is where the state is already", safe=NOTHING)
    with source.lock(MIGRATE, engine.environ, 0) as quiet:
        stored = source.read()
        if stored.state is None:
            raise no_state(source)
        check_header(stored.state, {k: engine.header[k] for k in ("project", "environment")})
        known = replay(stored.state, stored.entries)
        for key in ("project", "environment"):
            setattr(known.state, key, engine.header[key] or getattr(known.state, key))
        # Who settles at `target` what is open does not know of `quiet`.
        engine.context(known, ApplyOptions(), quiet).await_quiet()
        state = known.to_commit()
        with target.lock(MIGRATE, engine.environ, 0):
            there = target.read()
            _check_place(target, there, state)
            serial = max(there.state.serial if there.state else 0, state.serial - 1, 0)
            target.commit(replace(state, serial=serial))
            copy = _whole(again.read())
            if copy is None or not _alike(copy, state):
                raise StateError(
                    f"{target.describe()} does not hold what was written there",
                    safe=f"The state is at {source.describe()}, as before.",
                    next="Use another place.",
                )
            try:
                source.mark_moved(target.describe())
            except StateError as error:
                raise type(error)(
                    f"the state was copied to {target.describe()}, but {source.describe()} could "
                    f"not be marked as moved: {error}",
                    safe="Nothing was sent. Both places hold the same state.",
                    next="Run the same command again, before anybody applies.",
                ) from error
            return copy


def _check_place(target: Backend, there: Stored, state: State) -> None:
    """Refused where `target` holds another state, or more than `state`."""
    held = _whole(there)
    if held is None or _alike(held, state):
        return
    why = ""
    if held.lineage != state.lineage:
        why = f"holds another state (lineage {held.lineage})"
    elif held.serial >= state.serial:
        why = f"holds serial {held.serial} of this state, and the one to be moved is {state.serial}"
    elif there.entries:
        why = f"holds serial {held.serial} of this state, with a journal"
    if why:
        raise Refused(
            f"{target.describe()} {why}",
            safe=NOTHING,
            next="Name a place where nothing is, or move that away.",
        )


def _whole(stored: Stored) -> State | None:
    return replay(stored.state, stored.entries).to_commit() if stored.state else None


def _alike(one: State, other: State) -> bool:
    """Whether they hold the same, whenever they were stored."""
    left, right = one.to_json(), other.to_json()
    for name in _BY_COMMIT:
        del left[name], right[name]
    return same(left, right)

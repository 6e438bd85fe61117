"""Manifests for what a project holds already, and taking all of it into state. Only GETs are sent.

What the API never gives back, the model above all, is left as a blank.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from friendli_iac.core.scene import Wish
from friendli_iac.core.state import State
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.observe import Observer
from friendli_iac.engine.ownership import adoption
from friendli_iac.engine.report import ApplyOptions
from friendli_iac.errors import Refused
from friendli_iac.manifest.compose import Draft, compose, draft, slug, written
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind, Observed
from friendli_iac.resources.spec import BLANK, Spec, get_path, leaves, overlay, set_path

IGNORED = "lifecycle.ignoreChanges"


@dataclass(frozen=True)
class Found:
    """One resource that is not in state. `wish` is the manifest that it has already, if so;
    otherwise `text` is one for it.
    """

    address: Address
    observed: Observed
    draft: Draft
    wish: Wish | None
    text: str


@dataclass(frozen=True)
class Survey:
    """What a project holds: what can be exported, what is in state already (addresses), what has
    ended, and is left out, for a plan would start it again, and what a sibling state has, with the
    name of that.
    """

    found: tuple[Found, ...]
    ours: tuple[str, ...]
    ended: tuple[Observed, ...]
    theirs: tuple[tuple[Observed, str], ...] = ()


def survey(engine: Engine, project: str, wishes: Mapping[Address, Wish]) -> Survey:
    """Reads the project: its list, and one request for each resource. `wishes` is what the
    manifests declare already. Raises ApiError and its children.
    """
    known, _ = engine.known()
    kinds = [name for name in engine.apis if KINDS[name].model.IN_PROJECT]
    places = [(kind, project) for kind in kinds]
    with Observer(known.state, engine.apis, engine.parallelism) as observer:
        list(observer.observe((), places))
        strangers = {place: observer.strangers([place]) for place in places}
        listed = {id for place in places for id in observer.listed[place]}
    found: list[Found] = []
    ended: list[Observed] = []
    theirs: list[tuple[Observed, str]] = []
    owners = engine.siblings.owners
    for (kind, _), all_of_them in strangers.items():
        there = sorted(all_of_them, key=lambda one: (one.name, one.id))
        ended += [one for one in there if one.health in ("ending", "stopped")]
        alive = [one for one in there if one.health not in ("ending", "stopped")]
        theirs += [(one, owners[one.id]) for one in alive if one.id in owners]
        export = _Export(KINDS[kind], known.state, wishes, alive)
        found += export.all_but(owners)
    ours = [a for a, resource in known.state.resources.items() if resource.id in listed]
    return Survey(tuple(found), tuple(ours), tuple(ended), tuple(theirs))


class _Export:
    def __init__(
        self, kind: Kind, state: State, wishes: Mapping[Address, Wish], alive: Sequence[Observed]
    ) -> None:
        self._kind, self._wishes, self._alive = kind, wishes, alive
        self._names = Counter((one.project, one.name) for one in alive)
        self._names.update((known.project, known.name) for known in state.resources.values())
        self._taken = {*map(str, wishes), *state.resources}
        self._claims = {
            (address.kind, wish.spec["project"], wish.spec["name"]): wish
            for address, wish in wishes.items()
            if str(address) not in state.resources and address.kind == kind.name
        }

    def all_but(self, others: Container[str]) -> list[Found]:
        return [self._found(one) for one in self._alive if one.id not in others]

    def _found(self, one: Observed) -> Found:
        twin = self._names[one.project, one.name] > 1
        wish = self._declared(one, twin)
        address = wish.address if wish else self._address(one, twin)
        self._taken.add(str(address))
        made = draft(self._kind.model, one.spec)
        text = "" if wish else _text(self._kind, address, one, made, twin=twin)
        return Found(address, one, made, wish, text)

    def _declared(self, one: Observed, twin: bool) -> Wish | None:
        """The manifest that is there for a resource: of its name, or, where others have that too,
        of the address that an export gives it.
        """
        if not twin:
            return self._claims.get((self._kind.name, one.project, one.name))
        wish = self._wishes.get(Address(self._kind.name, _distinct(one)))
        same = wish and (wish.spec["project"], wish.spec["name"]) == (one.project, one.name)
        return wish if same else None

    def _address(self, one: Observed, twin: bool) -> Address:
        for name in (*([] if twin else [slug(one.name)]), _distinct(one)):
            if f"{self._kind.name}/{name}" not in self._taken:
                return Address(self._kind.name, name)
        return Address(self._kind.name, f"{slug(one.id)}")


def _distinct(one: Observed) -> str:
    """A name for an address that stays the same whatever else is there."""
    letters = re.sub("[^a-z0-9]", "", one.id.lower())
    return f"{slug(one.name)}-{letters[-6:]}"


def _text(kind: Kind, address: Address, one: Observed, made: Draft, *, twin: bool) -> str:
    spec = written(kind.model, made.spec)
    above = [f"Exported from project {one.project}: {one.id}, {one.status}."]
    if one.health == "failed":
        above.append(f"It is {one.status} ({one.error or 'no reason given'}): a plan restarts it.")
    if made.left_out:
        told = ", ".join(f"{path}: {value}" for path, value in made.left_out.items())
        above.append(f"The API also said, and this version of friendli-iac cannot say: {told}")
    notes = _where_to_look(kind, made)
    if twin:
        notes["name"] = (
            f"Another endpoint of the project is called {one.name}, too, and two manifests that "
            "claim one name are refused: by ignoreChanges, this one does not."
        )
        set_path(spec, IGNORED, ["name"])
        spec = written(kind.model, spec)
    if spec.get("name") == address.name:
        del spec["name"]
    return compose(address, spec, above=above, notes=notes, below=_hints(kind, made))


def _where_to_look(kind: Kind, made: Draft) -> dict[str, str]:
    """A comment for each block with blanks."""
    blocks: dict[str, list[str]] = {}
    for path in made.blanks:
        leaf = leaves(kind.model)[path]
        blocks.setdefault(path.partition(".")[0], []).append(
            f"{path.rpartition('.')[2]}: {leaf.description}"
        )
    return {
        block: "Not told by the API. Look in the web page (the endpoint: Overview, and Versions); "
        f"nothing is applied while a {BLANK} is left. {' '.join(told)}"
        for block, told in blocks.items()
    }


def _hints(kind: Kind, made: Draft) -> list[str]:
    """What the manifest leaves out, and whoever reads it should know of."""
    fields, full = leaves(kind.model), kind.presumed(made.spec)
    required = {i.alias or name for name, i in kind.model.model_fields.items() if i.is_required()}
    free = [p for p in fields if fields[p].write_only and p.partition(".")[0] not in required]
    presumed = [path for path in free if get_path(full, path) is not None]
    hints = [
        "Not told by the API, and left out: say what is set of "
        + ", ".join(path for path in free if path not in presumed)
    ]
    hints += [
        f"{path} counts as {str(get_path(full, path)).lower()} unless it is said here."
        for path in presumed
    ]
    if "suite" in fields:
        hints += [fields["suite"].description, "suite: none"]
    return hints


# --- adopting ------------------------------------------------------------------------------------


def adopt_all(engine: Engine, found: Sequence[Found], wishes: Mapping[Address, Wish]) -> None:
    """Takes everything that was found into state, under one lock. What the manifests say of fields
    that the API does not show is believed; where they have a blank, or say nothing, it is unknown.
    Refused where something came into a state, ours or a sibling's, or one cannot be read.
    """
    with engine.backend.lock("export", engine.environ, 0):
        known, _ = engine.known()
        siblings = engine.siblings.anew()  # they may have changed since the survey
        siblings.check_readable()
        for one in found:
            siblings.check_free(one.observed.id)
            siblings.check_not_open(one.observed)
        _check_free(known.state, [begun.address for begun in known.open.values()], found)
        context = engine.context(known, ApplyOptions())

        def version(one: Found) -> int | None:
            name = one.address.kind
            return KINDS[name].newest_version(engine.apis[name], one.observed.id)

        with ThreadPoolExecutor(engine.parallelism) as pool:
            versions = list(pool.map(version, found))
        if known.state.serial == 0:
            context.commit()  # a journal needs a state to belong to
        for one, number in zip(found, versions, strict=True):
            wish = wishes.get(one.address)
            observed = one.observed
            spec, unknown = _believed(KINDS[one.address.kind], one, wish)
            context.write(adoption(context, one.address, observed, number, spec, wish, unknown))
            state = context.known.state
            state.team = state.team or observed.team or ""
        context.commit()


def _believed(kind: Kind, one: Found, wish: Wish | None) -> tuple[Spec, list[str]]:
    """What counts as applied, and the paths of what nobody knows."""
    said: Spec = {}
    own: Spec = {}
    for path, leaf in leaves(kind.model).items() if wish else ():
        value = get_path(wish.spec, path) if wish else None
        if value is not None and leaf.local:
            set_path(own, path, value)
        elif value not in (None, BLANK) and leaf.write_only and wish and _told_here(wish, path):
            set_path(said, path, value)
    spec = overlay(kind.model, one.observed.spec, kind.presumed(said))
    told = {path.partition(".")[0] for path in one.draft.unknown if get_path(said, path)}
    unknown = [
        path
        for path in one.draft.unknown
        # Of a model that is named, only what is still a blank is unknown: said later, anything
        # else is a change.
        if path.partition(".")[0] not in told or (wish and get_path(wish.spec, path) == BLANK)
    ]
    return overlay(kind.model, spec, own), unknown


def _told_here(wish: Wish, path: str) -> bool:
    """Whether the resource's own file says it: what defaults say of everything is a wish."""
    return str(wish.source(path)).rpartition(":")[0] == str(wish.source()).rpartition(":")[0]


def _check_free(state: State, open_now: Collection[str], found: Sequence[Found]) -> None:
    if open_now:
        raise Refused(
            f"an interrupted apply left open: {', '.join(open_now)}",
            safe="Nothing was recorded.",
            next="Run friendli-iac apply first: it settles that.",
        )
    ids = {resource.id for resource in state.resources.values()}
    for one in found:
        if one.observed.id in ids or str(one.address) in state.resources:
            raise Refused(
                f"{one.address} ({one.observed.id}) came into state meanwhile",
                safe="Nothing was recorded.",
                next="Run the same command again.",
            )
        if state.team and one.observed.team and one.observed.team != state.team:
            raise Refused(
                f"{one.observed.id} belongs to team {one.observed.team}, and the state to team "
                f"{state.team}",
                safe="Nothing was recorded.",
                next="Use the token and FRIENDLI_TEAM_ID of the team that the state names.",
            )

"""Which resources are ours, under which address: import, forget, move. Nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from friendli_iac.core.journal import Entry
from friendli_iac.core.replay import Known
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Applied, Fence, Resource
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.report import ApplyOptions
from friendli_iac.errors import NotFound, Refused, UsageError
from friendli_iac.executor.context import Context
from friendli_iac.manifest.envelope import NAME
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind, Observed
from friendli_iac.resources.expiry import moment
from friendli_iac.resources.spec import Spec, get_path, leaves, overlay, parse_value, set_path


@dataclass(frozen=True)
class Imported:
    """What an import took in. `presumed` and `unknown` are paths of write-only fields: those that
    nobody said and that have a default, and those that the manifest declares and nobody knows.
    `needed` are those that never change, without which nothing can be sent, and that nobody said.
    """

    observed: Observed
    presumed: tuple[str, ...]
    unknown: tuple[str, ...]
    needed: tuple[str, ...]


def adopt(
    engine: Engine, address: Address, id: str, wish: Wish | None, settings: Sequence[str]
) -> Imported:
    """Takes an existing resource into state. `settings` are `spec.PATH=VALUE` for what the API does
    not tell; labels and lifecycle come from the manifest (`wish`).

    UsageError for a setting that is none; Refused when address or id are taken, here or in a
    sibling state, and where such a state cannot be read; NotFound.
    """
    kind = _kind(address)
    said = _settings(kind, settings)
    with engine.backend.lock("import", engine.environ, 0):
        known, _ = engine.known()
        _free(known.state.resources, address, id)
        engine.siblings.check_free(id)
        context = engine.context(known, ApplyOptions())
        api = engine.apis[kind.name]
        try:
            observed = kind.read(api, id)
        except NotFound as error:
            raise NotFound(
                f"there is no {kind.noun} {id}",
                status=404,
                safe="Nothing was recorded.",
                next="The id is in the web page, and in its address. Check the team with "
                "friendli-iac doctor.",
            ) from error
        if observed.id != id:  # it was called by its name
            id = observed.id
            _free(known.state.resources, address, id)
            engine.siblings.check_free(id)
        engine.siblings.check_not_open(observed)
        for begun in known.open.values():
            # Of an interrupted create of its own, this is what says what came of it.
            it = begun.may_have_made(id, observed.name, observed.project)
            if it != (begun.address == str(address)):
                _check_open(known, "Nothing was recorded.", Address.parse(begun.address))
        marks = leaves(kind.model)
        spec = overlay(kind.model, observed.spec, kind.presumed(said))
        for path, leaf in marks.items() if wish else ():
            value = get_path(wish.spec, path) if leaf.local and wish else None
            if value is not None:
                set_path(spec, path, value)
        version = kind.newest_version(api, id)
        if known.state.serial == 0:
            context.commit()
        # What only we say of it is not in its answer, and is no reason to send anything.
        ours = [path for path, leaf in marks.items() if leaf.derived and leaf.write_only]
        context.write(adoption(context, address, observed, version, spec, wish, ours))
        known.state.team = known.state.team or observed.team or ""
        context.commit()
    wanted: Spec = wish.spec if wish else {}
    unsaid = [p for p in marks if marks[p].write_only and get_path(said, p) is None]
    unknown = [p for p in unsaid if get_path(spec, p) is None]
    return Imported(
        observed,
        presumed=tuple(p for p in unsaid if get_path(spec, p) is not None),
        unknown=tuple(p for p in unknown if not marks[p].immutable and get_path(wanted, p)),
        # The first word of a manifest on what never changes is believed, and not sent.
        needed=tuple(
            p
            for p in unknown
            if marks[p].immutable
            and get_path(wanted, p) is None
            and get_path(wanted, p.rpartition(".")[0]) is not None
        ),
    )


def adoption(
    context: Context,
    address: Address,
    observed: Observed,
    version: int | None,
    spec: Spec,
    wish: Wish | None,
    unknown: list[str] | None = None,
) -> Entry:
    """The journal entry that makes an existing resource ours. `unknown` are the paths of which the
    manifest is believed when it first says them.
    """
    return Entry(
        "adopt",
        context.clock.now(),
        address=str(address),
        id=observed.id,
        project=observed.project,
        name=observed.name,
        after=Applied(
            spec,
            dict(wish.labels) if wish else {},
            sorted(map(str, wish.depends_on)) if wish else [],
        ),
        fence=Fence(version, observed.updated_at),
        by=context.by,
        unknown=unknown,
        created=moment(observed.created_at),
    )


def _check_open(known: Known, safe: str, *addresses: Address) -> None:
    """Refused while it is not known what an interrupted apply made of these."""
    for begun in known.open.values():
        if begun.address in map(str, addresses):
            raise Refused(
                f"an interrupted apply left open: {begun.step} {begun.address}",
                safe=safe,
                next="Run friendli-iac apply first, or friendli-iac state recover: they settle "
                "that.",
            )


def forget(engine: Engine, addresses: Sequence[str]) -> dict[str, Resource]:
    """Removes addresses from state; the resources themselves stay as they are. What was there, by
    address.
    """
    with engine.backend.lock("state forget", engine.environ, 0):
        known, _ = engine.known()
        open_now = {begun.address for begun in known.open.values()}
        for address in addresses:
            if address not in known.state.resources and address not in open_now:
                raise _unknown(address)
        context = engine.context(known, ApplyOptions())
        forgotten = {a: one for a in addresses if (one := known.state.resources.get(a))}
        for address in addresses:
            context.write(Entry("forget", context.clock.now(), address=address, by=context.by))
        context.commit()
    return forgotten


def move(engine: Engine, old: Address, new: Address) -> str:
    """Gives a resource another address, under which the next plan finds it. The resource's name."""
    with engine.backend.lock("state mv", engine.environ, 0):
        known, _ = engine.known()
        if str(old) not in known.state.resources:
            raise _unknown(str(old))
        _kind(new)
        if new.kind != old.kind:
            raise UsageError(f"{old} cannot become {new}: the kinds differ")
        _check_open(known, "Nothing was moved.", old, new)
        if not re.fullmatch(NAME, new.name):
            raise UsageError(
                f"{new}: a name has small letters, digits, dots and dashes",
                safe="Nothing was moved.",
            )
        if str(new) in known.state.resources:
            raise Refused(
                f"{new} is taken", safe="Nothing was moved.", next="See friendli-iac state list."
            )
        context = engine.context(known, ApplyOptions())
        context.write(Entry("moved", context.clock.now(), address=str(old), name=str(new)))
        context.commit()
        return context.known.state.resources[str(new)].name


def _kind(address: Address) -> Kind:
    if address.kind not in KINDS:
        raise UsageError(
            f"{address}: there is no kind {address.kind} with resources of its own",
            next=f"Kinds: {', '.join(KINDS)}.",
        )
    return KINDS[address.kind]


def _free(resources: Mapping[str, object], address: Address, id: str) -> None:
    if str(address) in resources:
        raise Refused(
            f"{address} is in state already",
            safe="Nothing was recorded.",
            next=f"friendli-iac state show {address}; friendli-iac state forget {address} gives "
            "it up.",
        )
    for other, resource in resources.items():
        if getattr(resource, "id", None) == id:
            raise Refused(
                f"{id} is in state already, as {other}",
                safe="Nothing was recorded.",
                next=f"To give it another address: friendli-iac state mv {other} {address}",
            )


def _unknown(address: str) -> UsageError:
    return UsageError(f"{address} is not in state", next="See friendli-iac state list.")


def _settings(kind: Kind, settings: Sequence[str]) -> Spec:
    spec: Spec = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        path = path.removeprefix("spec.")
        try:
            if not equals:
                raise KeyError(path)
            set_path(spec, path, parse_value(kind.model, path, text))
        except KeyError:
            raise UsageError(
                f"--set {setting}: there is no such field",
                next="It looks like --set spec.model.huggingFace.revision=COMMIT; "
                "friendli-iac schema lists every field.",
            ) from None
        except ValidationError as error:
            raise UsageError(f"--set {setting}: {error.errors()[0]['msg']}") from None
    return spec

"""Why a plan must not be applied as it is, and the way out. Each refusal is about one address."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from friendli_iac.core.diff import flatten
from friendli_iac.core.plan import Change, Refusal
from friendli_iac.core.scene import Scene
from friendli_iac.core.state import State
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind, Observed, article, place_of
from friendli_iac.resources.spec import BLANK, get_path, leaves


def refusals(scene: Scene, change: Change) -> list[Refusal]:
    """What stands against one change."""
    found = []
    ends = change.destructive or (change.action == "terminate" and not change.overdue)
    if ends and change.protected:
        found.append(
            Refusal(
                change.address,
                f"it is protected (preventDestroy), and this plan would {change.action} it",
                "Apply `lifecycle: {preventDestroy: false}` for it first, then try again.",
            )
        )
    found += _resting(scene, change)
    if change.after is not None and change.steps:
        kind = KINDS[Address.parse(change.address).kind]
        found += [
            Refusal(change.address, conflict, "Say both in the manifest, so that they agree.")
            for conflict in kind.conflicts(change.after.spec, {f.path for f in change.fields})
        ]
    found += _blanks(change)
    found += _hidden_settings(scene, change)
    if change.takes_a_name:
        found += _own_twins(scene, change) or _strange_twins(scene, change)
    return found


def _resting(scene: Scene, change: Change) -> list[Refusal]:
    """Against --replace where nothing is to run: it would start a new one."""
    if change.action != "replace" or change.address not in scene.replace or not change.after:
        return []
    if change.overdue:
        why = f"it has expired ({get_path(change.after.spec, 'lifecycle.expires')})"
        remedy = "Say a later lifecycle.expires first, or leave --replace out: apply ends it."
    elif KINDS[Address.parse(change.address).kind].idle(change.after.spec):
        why = "it is to be terminated"
        remedy = "Say another spec.desired first, or leave --replace out: apply ends it."
    else:
        return []
    return [Refusal(change.address, f"{why}, and --replace would start a new one", remedy)]


def _blanks(change: Change) -> list[Refusal]:
    """Against a specification in which somebody still has to say something."""
    if change.after is None:
        return []
    places = {field.path: field.source for field in change.fields if field.desired}
    kind = KINDS[Address.parse(change.address).kind]
    return [
        Refusal(
            change.address,
            f"spec.{path} is still {BLANK}"
            + (f" ({place})" if (place := places.get(path)) else ""),
            f"Say what it is: friendli-iac set {change.address} spec.{path}=VALUE",
        )
        for path, value in flatten(kind, change.after.spec).items()
        if isinstance(value, str) and BLANK in value
    ]


def _hidden_settings(scene: Scene, change: Change) -> list[Refusal]:
    """Against an update that might drop what somebody set in the web page, unseen by the API."""
    resource = scene.state.resources.get(change.address)
    if resource is None or not resource.adopted or change.action not in ("update", "replace"):
        return []
    sent = [field for field in change.fields if not field.local]
    if "suite" not in leaves(KINDS[Address.parse(change.address).kind].model):
        return []
    if change.after is None or not sent or get_path(change.after.spec, "suite"):
        return []
    return [
        Refusal(
            change.address,
            "it was made elsewhere, and may have settings that the API does not show (quantization,"
            " speculation, chat template, reasoning parser, adapters): an update might drop them",
            "Look at it in the web page, and say what is set there: `suite: {quantization: …}`, or "
            "`suite: none`.",
        )
    ]


def _own_twins(scene: Scene, change: Change) -> list[Refusal]:
    kind = KINDS[Address.parse(change.address).kind]
    others = scene.names.get((kind.name, change.project, change.name), [])
    return [
        Refusal(
            change.address,
            f"{other} is called {change.name!r} in {place_of(kind, change.project)} already",
            f"If it is the same {kind.noun}: friendli-iac state mv {other} {change.address}. "
            f"Otherwise choose another {_name(kind)}, or apply the change of the other one first.",
        )
        for other in others
        if other != change.address
    ]


def _strange_twins(scene: Scene, change: Change) -> list[Refusal]:
    # A twin of a create that is open is most likely its own: settling finds out, before applying.
    if scene.open.get(change.address) == "create":
        return []
    twins = [
        other
        for other in scene.strangers
        if (other.project, other.name) == (change.project, change.name)
    ]
    if not twins:
        return []
    ids = ", ".join(f"{twin.id} ({twin.status})" for twin in twins)
    imports = " or ".join(f"friendli-iac import {change.address} {twin.id}" for twin in twins)
    kind = KINDS[Address.parse(change.address).kind]
    return [
        Refusal(
            change.address,
            f"{article(kind.noun)} called {change.name!r} is in {place_of(kind, change.project)} "
            f"already, and it is not ours: {ids}",
            f"Adopt it with {imports}, or choose another {_name(kind)}. It was not touched.",
        )
    ]


def _name(kind: Kind) -> str:
    """What in a manifest gives the name."""
    return "spec.name" if "name" in leaves(kind.model) else "metadata.name"


def gone_at_once(
    state: State,
    live: Mapping[str, Observed | None],
    listed: Mapping[tuple[str, str], Mapping[str, Observed]],
) -> list[Refusal]:
    """A refusal for each project of which everything in state is gone: more likely the wrong token,
    team or address than that somebody deleted it all.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for address, resource in state.resources.items():
        if KINDS[Address.parse(address).kind].serves:  # elsewhere, one alone in its place is common
            places.setdefault((Address.parse(address).kind, resource.project), []).append(address)
    found = []
    for place, addresses in sorted(places.items()):
        missing = sorted(a for a in addresses if a in live and live[a] is None)
        there = any(
            live.get(a) is not None or state.resources[a].id in listed.get(place, ())
            for a in addresses
        )
        if missing and not there:
            found.append(
                Refusal(
                    missing[0],
                    f"everything in state of project {place[1]} is gone at once: "
                    + ", ".join(missing),
                    "Check token and team with friendli-iac doctor. If it was really deleted "
                    "elsewhere: friendli-iac state forget " + " ".join(missing),
                )
            )
    return found


def in_a_circle(
    addresses: Sequence[str], stops: Mapping[str, Collection[str]] = {}
) -> list[Refusal]:
    """The refusal for changes that wait for one another. `stops` has the automations that go before
    the endpoints that they deploy (`friendli_iac.core.keys.stopped`).
    """
    if not addresses:
        return []
    round_ = " → ".join(addresses)
    if waiting := {by for a in addresses for by in stops.get(a, ()) if by in addresses}:
        one = min(waiting)
        return [
            Refusal(
                addresses[0],
                f"these changes wait for one another, for an automation stops before what it "
                f"deploys is changed: {round_}",
                f"Disable one of these automations first: say `enabled: false` for {one} as it is "
                "now, and apply; then make this change and apply, and enable it again.",
            )
        ]
    return [
        Refusal(
            addresses[0],
            f"dependsOn goes in a circle: {round_}",
            "Take one of these out of metadata.dependsOn.",
        )
    ]

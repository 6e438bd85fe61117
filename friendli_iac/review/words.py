"""How plans are put into words, whatever they are rendered as."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from friendli_iac.core.diff import DEFAULT
from friendli_iac.core.diff import FieldChange as FieldChange
from friendli_iac.core.plan import Change, Plan, summary
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import NEW_VERSION, Action, Address, Kind
from friendli_iac.resources.spec import leaves
from friendli_iac.resources.values import format_duration

# Most severe first: what a reviewer must not miss stands on top.
SEVERITY: tuple[Action, ...] = (
    "delete", "replace", "terminate", "sleep", "update", "restart", "wake", "create", "verify",
    "record",
)  # fmt: skip
SYMBOL: dict[str, str] = {
    "delete": "-", "replace": "±", "terminate": "■", "sleep": "◦", "update": "~", "restart": "↻",
    "wake": "↑", "create": "+", "verify": "?", "record": "·",
}  # fmt: skip
COUNTED: tuple[Action, ...] = (
    "create", "update", "replace", "delete", "restart", "wake", "sleep", "terminate", "verify",
    "record",
)  # fmt: skip
HOURS_A_MONTH = 730
COMMIT = 12  # characters of a commit that are shown
FREE = ("$0.00", "$0.00", "")  # the bill of what costs nothing, before and after
NOT_CHECKED = "nothing shows whether it was done"
NOTHING = "(none)"  # stands for what is not there, and for no value: see written
UNMANAGED = "(not managed)"
PROTECTION = "lifecycle.preventDestroy"


class Placed(Protocol):
    """What says where it is for: a plan, or a report of drift."""

    @property
    def api(self) -> str: ...
    @property
    def team(self) -> str: ...
    @property
    def serial(self) -> int: ...
    @property
    def narrowed(self) -> str: ...


def line(text: str) -> str:
    """`text` as one line, without what could steer a terminal or turn it around."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def place(plan: Placed, commit: str = "") -> str:
    """Where a plan or a report is for, how far it reaches, and the commit it was made from."""
    api = "the emulator" if plan.api == "emulator:" else plan.api
    team = f", team {plan.team}" if plan.team else ""
    made_from = f" · commit {commit[:COMMIT]}" if commit else ""
    scope = f" · narrowed to {plan.narrowed}" if plan.narrowed else ""
    return f"{api}{team} · serial {plan.serial}{made_from}{scope}"


def value(change: Change, field: FieldChange, what: Any) -> str:
    """A value as a manifest would write it; `(none)` for what is not there."""
    return written(kind_of(change), field.path, what)


def written(kind: Kind, path: str, what: Any) -> str:
    """A value of the field at `path`, as a manifest would write it. A text that reads as NOTHING is
    quoted.
    """
    if what is None or what == []:
        return NOTHING
    leaf = leaves(kind.model).get(path)
    if leaf and leaf.duration and isinstance(what, int):
        return format_duration(what)
    if leaf and leaf.parts and isinstance(what, list):
        return ", ".join(_part(kind, block) for block in what)
    if isinstance(what, list) and all(isinstance(one, str | int | float) for one in what):
        return ", ".join(written(kind, "", one) for one in what)
    if isinstance(what, str) and what.isprintable() and what != NOTHING:
        return what
    # Escaped, so that a name that somebody typed elsewhere cannot steer a terminal.
    return json.dumps(what)


def _part(kind: Kind, block: Mapping[str, Any]) -> str:
    """A template that a list names, with what it says: `tone (acme/tone-lora, 1a2b3c4)`."""

    def values(inner: Mapping[str, Any]) -> Iterator[str]:
        for one in inner.values():
            yield from values(one) if isinstance(one, Mapping) else [written(kind, "", one)]

    name = written(kind, "", block["name"])
    return f"{name} ({', '.join(one for one in values(block) if one not in ('', name))})"


def before(change: Change, field: FieldChange) -> str:
    """The left side of the arrow: what is in force, as far as anybody can know."""
    if field.unknown or _never_known(change, field):
        return "UNKNOWN"
    return value(change, field, field.prior if field.live is None else field.live)


def after(change: Change, field: FieldChange) -> str:
    """The right side of the arrow: what will be in force."""
    return UNMANAGED if _let_go(change, field) else value(change, field, field.desired)


def _let_go(change: Change, field: FieldChange) -> bool:
    """Whether it is a list of templates that is left out, and so is not managed any more."""
    leaf = leaves(kind_of(change).model).get(field.path)
    return field.desired is None and leaf is not None and leaf.parts is not None


def _never_known(change: Change, field: FieldChange) -> bool:
    """Whether the API does not show the field, and we never sent it; where it takes the place of
    its neighbours, as fixed replicas do, it was not there.
    """
    block = field.path.rpartition(".")[0]
    instead = any(f.desired is None and f.path.rpartition(".")[0] == block for f in change.fields)
    was_there = change.action not in ("create", "replace") and not instead
    return field.write_only and field.prior is None and was_there


def fields_shown(change: Change) -> tuple[list[FieldChange], list[FieldChange]]:
    """The fields that deserve a line of their own, and those of something new that only have our
    defaults.
    """
    if change.action != "create":
        return list(change.fields), []
    defaults = [field for field in change.fields if field.source == DEFAULT]
    return [field for field in change.fields if field not in defaults], defaults


def why(change: Change, field: FieldChange) -> str:
    """Why a field is there; of what is new, it goes without saying."""
    return "" if change.action == "create" else field.reason


def remarks(change: Change, field: FieldChange) -> list[str]:
    """What a reader must know about a field beside its two values."""
    last_sent = value(change, field, field.prior)
    if _let_go(change, field):
        return ["left out, it stays as it is; an empty list takes it away"]
    if field.unknown:
        return [f"not readable live, and the version is not ours; we last sent {last_sent}"]
    if _never_known(change, field):
        return ["not readable live, and never sent by us"]
    if field.write_only and field.prior is not None:
        return ["not readable live: the value before is presumed, for it is what we last sent"]
    if field.path == PROTECTION and change.protected and field.desired is None:
        return ["it stays protected until false has been applied"]
    if field.live is not None and field.prior not in (None, field.live, field.desired):
        return [f"changed outside as well: we last sent {last_sent}"]
    return []


def status(change: Change) -> str:
    """`RUNNING v12`, as far as it is known; `RUNNING v12 → v13` for what makes a version."""
    version = change.fence.version
    if version is None:
        return change.status
    made = sum(step in NEW_VERSION for step in change.steps) * (change.action == "update")
    shown = f"{change.status} v{version}" + (f" → v{version + made}" if made else "")
    return shown.lstrip()  # without a status, nothing was read


def needs_a_look(change: Change) -> bool:
    """Whether an unchanged resource is still worth a word: it is not well, or not all ours."""
    served = change.status == "" or kind_of(change).health(change.status) == "served"
    return bool(change.notes or change.held or change.expires) or not served


def labels(change: Change) -> str:
    """`team=search`, as they will be; empty when there are none, or the resource ends."""
    found = change.after.labels if change.after else {}
    return " ".join(f"{key}={what}" for key, what in found.items())


def notes(plan: Plan) -> list[str]:
    """What concerns the plan as a whole."""
    left = [f"an interrupted apply left open: {one}; it is settled first" for one in plan.unsettled]
    return [*plan.notes, *left]


def is_work(plan: Plan) -> bool:
    """Whether "no changes" would be a lie."""
    held_off = any(change.held for change in plan.changes)
    return bool(plan.pending_changes or plan.refusals or plan.unsettled or held_off)


def headline(plan: Plan) -> str:
    """`1 to create, 2 to update, 38 unchanged`."""
    counts = summary(plan)
    parts = [f"{len(plan.unsettled)} to settle"] * bool(plan.unsettled)
    parts += [f"{counts[action]} to {action}" for action in COUNTED if action in counts]
    parts += filter(None, [by_hand(sum(len(change.manual) for change in plan.changes))])
    held_off = sum(change.held is not None for change in plan.changes)
    parts += [f"{held_off} held off"] * bool(held_off)
    quiet = sum(c.action == "no-op" and c.held is None for c in plan.changes)
    parts += [f"{quiet} unchanged"] * bool(quiet)
    return ", ".join(parts) or "nothing in the manifests or in state"


def by_hand(count: int) -> str:
    """`1 step by hand`; empty without any."""
    return f"{count} step{'s' * (count != 1)} by hand" if count else ""


def unchanged(plan: Plan) -> str:
    """What "unchanged" rests on; empty when nothing is."""
    quiet = [c for c in plan.changes if c.action == "no-op" and c.held is None]
    doubtful = sum(bool(change.notes) for change in quiet)
    presumed = len(quiet) - doubtful
    parts = [f"{presumed} presumed for write-only fields, as last sent"] * bool(presumed)
    parts += [f"{doubtful} as said above"] * bool(doubtful)
    return f"{len(quiet)} unchanged: {', '.join(parts)}" if quiet else ""


def money(span: tuple[float, float], digits: int = 2) -> str:
    """`$3.90-7.80`, or `$3.90` when both are the same."""
    low, high = (f"{amount:,.{digits}f}" for amount in span)
    return f"${low}" if low == high else f"${low}-{high}"


def amount(dollars: float, digits: int = 2) -> str:
    """`$3.90`."""
    return f"${dollars:,.{digits}f}"


def month(hourly: tuple[float, float]) -> str:
    """What costs this much per hour, for a month of it."""
    return money((hourly[0] * HOURS_A_MONTH, hourly[1] * HOURS_A_MONTH), 0)


def movement(before: str, after: str, unit: str = "") -> str:
    """`$3.90 → $7.80 /h`, or `$3.90 /h, as before`."""
    return f"{after}{unit}, as before" if before == after else f"{before} → {after}{unit}"


def bill(change: Change) -> tuple[str, str, str] | None:
    """What it costs per hour before and after, and what may come on top while it is rolled out
    (empty: nothing); None where nobody knows.
    """
    if change.cost_before is None or change.cost_after is None:
        return None
    up = "UNKNOWN" if change.surge is None else f"up to +{amount(change.surge)}"
    return money(change.cost_before), money(change.cost_after), up if change.surge != 0 else ""


def cost(change: Change) -> str:
    """What the change does to the bill, per hour; empty when it does nothing to it."""
    if change.action in ("record", "verify"):
        return ""
    told = bill(change)
    if told is None:
        return "cost UNKNOWN: no price for this GPU"
    before, after, up = told
    if before == after and not up:
        return ""
    rolling = f" (while rolling: {up})" if up else ""
    return f"{before} → {after} /h{rolling}" if before != after else f"{after} /h{rolling}"


def kind_of(change: Change) -> Kind:
    """The kind of what a change is about."""
    return KINDS[Address.parse(change.address).kind]

"""A plan as a document, and the file in which it waits to be applied.

A file has a `checksum`, which tells damage, and with a key a `seal`, which tells who made it: the
HMAC-SHA256 of the whole document. Both are over the canonical JSON.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from friendli_iac.core.canonical import canonical_json, digest, plain
from friendli_iac.core.diff import FieldChange
from friendli_iac.core.finding import Finding
from friendli_iac.core.plan import Change, Drift, Hold, Plan, Refusal, summary
from friendli_iac.core.preflight import Check
from friendli_iac.core.state import Applied, Fence, Pin, trial_from_json
from friendli_iac.core.warnings import warnings
from friendli_iac.errors import Refused, StalePlan, UsageError
from friendli_iac.resources.advice import Manual

FORMAT_VERSION = "1.0"
KEY = "FRIENDLI_IAC_PLAN_KEY"
AGAIN = "Make the plan again: friendli-iac plan --out FILE"


def to_json(plan: Plan) -> dict[str, Any]:
    """The document of a plan: self-contained, `format_version` first."""
    return {
        "format_version": FORMAT_VERSION,
        "digest": plan.digest,
        "summary": summary(plan),
        **plain(replace(plan, changes=())),
        "changes": [_change_as_json(change) for change in plan.changes],
    }


def from_json(document: Mapping[str, Any]) -> Plan:
    """The plan of a document. UsageError when it is none."""
    _check_version(document)
    fields = dict(document)
    try:
        for derived in ("format_version", "digest", "summary"):
            fields.pop(derived)
        fields["changes"] = tuple(_change(change) for change in fields["changes"])
        fields["refusals"] = tuple(Refusal(**refusal) for refusal in fields["refusals"])
        fields["drift"] = tuple(Drift(**drift) for drift in fields["drift"])
        fields["findings"] = tuple(Finding(**finding) for finding in fields["findings"])
        for key in ("notes", "unsettled"):
            fields[key] = tuple(fields[key])
        return Plan(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(error) from error


def to_file(plan: Plan, key: str | None = None) -> dict[str, Any]:
    """The document of a plan, with a checksum over all of it, and a seal where there is a key."""
    document = to_json(plan)
    document["checksum"] = digest(document)
    if key:
        document["seal"] = _seal(document, key)
    return document


def from_file(
    document: Mapping[str, Any], key: str | None = None, now: float | None = None
) -> Plan:
    """The plan in a plan file. UsageError when it is none, or is not as it was written.

    With a `key` (empty: there is none here), Refused when the seal is not the one of that key, or
    cannot be checked; None does not ask. With `now`, in seconds since 1970, StalePlan when the plan
    has expired.
    """
    _check_version(document)
    fields = dict(document)
    try:
        seal = fields.pop("seal", None)
        if key is not None:
            _check_seal(fields, seal, key)
        unchanged = fields.pop("checksum", None) == digest(fields)
    except ValueError as error:  # text that is no Unicode
        raise _unreadable(error) from error
    if not unchanged:
        raise UsageError(
            "the plan file was changed after it was written", safe="Nothing was sent.", next=AGAIN
        )
    plan = from_json(fields)
    if now is not None and has_expired(plan, now):
        raise StalePlan([f"it has expired, at {plan.expires}"])
    return plan


def has_expired(plan: Plan, now: float) -> bool:
    """Whether it may not be applied any more, `now` in seconds since 1970."""
    return bool(plan.expires) and _seconds(plan.expires) <= now


def is_sealed(document: Mapping[str, Any]) -> bool:
    """Whether a plan file has a seal, be it a good one or not."""
    return document.get("seal") is not None


def _check_version(document: Mapping[str, Any]) -> None:
    version = str(document.get("format_version", ""))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise UsageError(
            f"this is no plan file that this version knows (format_version {version!r})",
            safe="Nothing was sent.",
            next=AGAIN,
        )


def _unreadable(error: Exception) -> UsageError:
    return UsageError(
        f"the plan file cannot be read: {error}", safe="Nothing was sent.", next=AGAIN
    )


def _seal(document: Mapping[str, Any], key: str) -> str:
    return hmac.new(key.encode(), canonical_json(document).encode(), "sha256").hexdigest()


def _check_seal(document: Mapping[str, Any], seal: object, key: str) -> None:
    if seal is None and not key:
        return
    if not key:
        why = f"the plan file is sealed, and {KEY} is not set: who made it cannot be checked"
        way_out = f"Set {KEY} to the key that it was sealed with. {AGAIN}"
    elif seal is None:
        why = f"the plan file has no seal, and {KEY} is set: anybody may have made it"
        way_out = f"{AGAIN}, where {KEY} is set, too."
    elif hmac.compare_digest(str(seal).encode(), _seal(document, key).encode()):
        return
    else:
        why = f"the plan file was not sealed with the {KEY} that is set here, or was changed since"
        way_out = f"{AGAIN}, with the same key."
    raise Refused(why, safe="Nothing was sent.", next=way_out)


def _seconds(time: str) -> float:
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError as error:
        raise _unreadable(error) from error


def _change_as_json(change: Change) -> dict[str, Any]:
    return {**plain(change), "impact": change.impact, "warnings": list(warnings(change))}


def _change(document: Mapping[str, Any]) -> Change:
    fields = dict(document)
    for derived in ("impact", "warnings"):
        fields.pop(derived)
    fields["after"] = Applied(**fields["after"]) if fields["after"] else None
    fields["fence"] = Fence(**fields["fence"])
    fields["fields"] = tuple(FieldChange(**change) for change in fields["fields"])
    fields["believes"] = Applied(**fields["believes"]) if fields["believes"] else None
    fields["tries"] = tuple((path, place) for path, place in fields["tries"])
    fields["trial"] = trial_from_json(fields["trial"]) if fields["trial"] else None
    fields["pin"] = Pin.from_json(fields["pin"]) if fields["pin"] else None
    if held := fields["held"]:
        fields["held"] = Hold(**{**held, "places": tuple(held["places"])})
    fields["checks"] = tuple(Check(**check) for check in fields["checks"])
    fields["manual"] = tuple(
        Manual(**{**one, "values": tuple((label, value) for label, value in one["values"])})
        for one in fields.get("manual", ())  # plans of 1.0 from before it had none
    )
    fields.setdefault("beware", ())
    for key in ("steps", "waits_for", "behind", "notes", "beware", "cost_before", "cost_after"):
        fields[key] = tuple(fields[key]) if fields[key] is not None else None
    return Change(**fields)

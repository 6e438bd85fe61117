"""A preview of what W&B would bring about, as people and programs read it.

Names, metrics and payloads are other people's texts: they are shown, and steer nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from friendli_iac.core.planfile import to_json as plan_to_json
from friendli_iac.core.preview import Firing, Preview
from friendli_iac.resources.artifact import ArtifactVersion
from friendli_iac.resources.payload_values import secrets_in
from friendli_iac.review.text import Paint, plain
from friendli_iac.review.text import render as render_plan
from friendli_iac.review.words import line

MOST = 20  # metrics
_RECEIVERS = {
    "friendli": "Friendli rolls it out, past review",
    "github": "a pull request is opened",
    "gitlab": "a merge request is opened",
    "": "what that does is not known here",
}


def render(told: Preview, paint: Paint = plain) -> str:
    """The whole preview; each plan as `plan` shows it."""
    return "\n".join(_lines(told, paint)) + "\n"


def _lines(told: Preview, paint: Paint) -> Iterator[str]:
    leaves = told.leaves.version if told.leaves else "(nothing)"
    yield f"{line(told.alias)} of {line(told.path)}: {leaves} → {told.comes.version}"
    if told.unchanged:
        yield paint("It has the alias already: W&B sends nothing until it is taken away.", "yellow")
        return
    yield from _metrics(told)
    yield ""
    firing = [one for one in told.firings if one.enabled]
    sure = sum(one.certain for one in firing)
    more = f", and {len(firing) - sure} cannot be judged" if sure < len(firing) else ""
    yield f"{sure} automation{'s fire' if sure != 1 else ' fires'}{more}"
    for one in told.firings:
        yield from _firing(one, told.comes, paint)
    twice = [a for a in told.plans if sum(one.deploys == a for one in firing) > 1]
    if twice:
        said = f"! more than one of them deploys {', '.join(twice)}: each is carried out"
        yield paint(f"  {said}", "yellow")
    for address, plan in told.plans.items():
        if plan.serial == 0:
            yield ""
            said = "! nothing is applied yet: the idempotencyKey will have another lineage in it"
            yield paint(said, "yellow")
        yield ""
        yield f"What follows for {address}:"
        yield ""
        yield render_plan(plan, paint=paint, only_look=True).rstrip("\n")


def _firing(one: Firing, comes: ArtifactVersion, paint: Paint) -> Iterator[str]:
    who = one.address or "not ours"
    yield ""
    marks = [paint("DISABLED: it does not fire", "yellow")] * (not one.enabled)
    marks += [paint("not applied yet", "yellow")] * (not one.live)
    marks += [paint("the manifests want it otherwise", "yellow")] * one.changed
    marks += [paint("whether this fires it cannot be judged", "yellow")] * (not one.certain)
    where = f"in {line(one.scope)}" if one.scope else "in a scope that is not known here"
    yield "   ".join([f"  {line(one.name)} ({who})", where, *marks])
    if one.action:
        yield f"    does {line(one.action)}, no webhook"
        return
    yield f"    to {line(one.url) or '(a webhook that is not known)'}: {_RECEIVERS[one.receiver]}"
    if one.deploys:
        yield f"    for {one.deploys}, with {comes.version}"
    elif one.receiver == "friendli":
        said = "! no endpoint of these manifests has its key: Friendli may make a new one"
        yield f"    {paint(said, 'yellow')}"
    if secrets := secrets_in(one.payload):
        said = (
            f"! W&B keeps payloads in its history: {', '.join(map(line, secrets))} would be there"
        )
        yield f"    {paint(said, 'yellow')}"
    if not isinstance(one.payload, dict):
        yield f"    {paint('! what it sends is no JSON object that can be read here', 'yellow')}"
    text = json.dumps(one.payload, indent=2, ensure_ascii=True)
    yield from (f"    {row}" for row in text.split("\n"))


def _metrics(told: Preview) -> Iterator[str]:
    """What was measured of both versions, side by side."""
    for version in filter(None, (told.leaves, told.comes)):
        if version.left_out:
            names = ", ".join(map(line, version.left_out[:MOST]))
            yield f"left out of {version.version}, for they cannot be compared: {names}"
    rows = compared(told)
    if not rows:
        yield "neither has metrics"
        return
    left = told.leaves.version if told.leaves else "-"
    table = [("", left, told.comes.version)]
    table += [(line(name), _shown(old), _shown(new)) for name, old, new in rows[:MOST]]
    widths = [max(len(row[n]) for row in table) for n in range(3)]
    for row in table:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
    if len(rows) > MOST:
        yield f"  … and {len(rows) - MOST} more"


def compared(told: Preview) -> list[tuple[str, float | None, float | None]]:
    """The metrics of the version that leaves and of the one that comes, by name."""
    old = _numbers(told.leaves) if told.leaves else {}
    new = _numbers(told.comes)
    return [(name, old.get(name), new.get(name)) for name in sorted({*old, *new})]


def _numbers(version: ArtifactVersion) -> dict[str, float]:
    """The numbers of a version: its run's, and those in its metadata. W&B's own begin with `_`."""
    both: Mapping[str, Any] = {**version.metadata, **version.metrics}
    return {
        name: value
        for name, value in both.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and not name.startswith("_")
    }


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def to_json(told: Preview) -> dict[str, Any]:
    """The same as data."""
    return {
        "format_version": "1.0",
        "collection": told.path,
        "alias": told.alias,
        "unchanged": told.unchanged,
        "leaves": _version(told.leaves) if told.leaves else None,
        "comes": _version(told.comes),
        "automations": [
            {
                "name": one.name,
                "scope": one.scope,
                "address": one.address or None,
                "action": one.action or None,
                "url": one.url or None,
                "receiver": one.receiver or None,
                "enabled": one.enabled,
                "live": one.live,
                "changed": one.changed,
                "certain": one.certain,
                "endpoint": one.deploys or None,
                "payload": one.payload,
            }
            for one in told.firings
        ],
        "plans": {address: plan_to_json(plan) for address, plan in told.plans.items()},
    }


def _version(version: ArtifactVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "digest": version.digest,
        "aliases": list(version.aliases),
        "created_at": version.created_at or None,
        "logged_by": version.logged_by or None,
        "metrics": _numbers(version),
        "left_out": list(version.left_out),
    }

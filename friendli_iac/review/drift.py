"""Drift in words: at a terminal, as Markdown, and as data for programs."""

from __future__ import annotations

import shlex
from typing import Any

from friendli_iac.core.drift import Drifted, DriftReport
from friendli_iac.core.plan import Drift
from friendli_iac.core.strangers import Stranger
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind, place_of
from friendli_iac.resources.spec import get_path, leaves
from friendli_iac.review import words
from friendli_iac.review.escaping import code, prose
from friendli_iac.review.text import Paint, plain
from friendli_iac.review.unread import unreadable

# docs: an endpoint that has slept for 48 hours is terminated.
PROBABLY = "probably it slept for 48 h, which Friendli ends by itself; the API does not tell"
DAY, HOUR = 86400.0, 3600.0
_COLOUR = {"-": "red", "■": "red", "~": "yellow", "◦": "yellow"}


def render(report: DriftReport, *, reads: int | None = None, paint: Paint = plain) -> str:
    """The whole report, one block a resource, and the summary as the last line."""
    lines = [f"Drift of {words.place(report)}"]
    if reads is not None:
        lines.append(f"{reads} read{'s' * (reads != 1)}, 0 writes, nothing woken")
    lines += [f"note: {note}" for note in report.notes]
    accepted = {one.address: one.words for one in report.accepted}
    for found in report.found:
        lines += ["", *_block(found, paint)]
        lines += [f"    = {words}" for words in accepted.get(found.address, ())]
    for stranger in report.strangers or ():
        lines += ["", *_stranger(stranger)]
    last = headline(report)
    if not (report.differs or report.unread):
        last = paint(last, "green")
    return "\n".join([*lines, "", last]) + "\n"


def markdown(report: DriftReport) -> str:
    """GitHub-flavoured Markdown: the summary first, then a section a resource."""
    lines = [
        f"### friendli-iac drift: {headline(report)}",
        "",
        f"Of {prose(words.place(report))}",
        "",
    ]
    lines += [f"- {prose(note)}" for note in report.notes] + [""] * bool(report.notes)
    for found in report.found:
        lines += [f"#### `{found.address}` `{found.id}`", "", prose(_state(found)), ""]
        if found.fields:
            lines += ["| field | applied | live |", "|---|---|---|"]
            for one in found.fields:
                old, new = _values(found, one)
                lines.append(f"| `{one.path}` | {code(old, cell=True)} | {code(new, cell=True)} |")
            lines.append("")
        remarks = _remarks(found)
        for remark in remarks:
            lines.append(
                f"  - {prose(remark.strip())}" if remark[0] == " " else f"- {prose(remark)}"
            )
        lines += [""] * bool(remarks)
    for stranger in report.strangers or ():
        facts = prose(" · ".join(_facts(stranger)))
        lines += [f"- not ours: `{stranger.observed.id}` {facts}", f"  `{_import(stranger)}`"]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_json(report: DriftReport) -> dict[str, Any]:
    """The report for programs, `format_version` first."""
    return {
        "format_version": "1.0",
        "api": report.api,
        "team": report.team,
        "serial": report.serial,
        "narrowed": report.narrowed,
        "checked": report.checked,
        "drifted": len(report.found),
        "notes": list(report.notes),
        "prices": report.prices,
        "resources": [_drifted_as_json(found) for found in report.found],
        "unmanaged": None
        if report.strangers is None
        else [_stranger_as_json(stranger) for stranger in report.strangers],
        "unreadable": unreadable(report.unread, report.left_out),
        "accepted": [
            {"address": one.address, "recorded": bool(one.entries), "text": list(one.words)}
            for one in report.accepted
        ],
    }


def headline(report: DriftReport) -> str:
    """`2 of 5 drifted, 1 not ours, $3.90 /h`."""
    count = f"{len(report.found)} of {report.checked} drifted"
    parts = [count if report.found else f"no drift: {report.checked} as applied"]
    if report.strangers:
        costs = [stranger.cost for stranger in report.strangers if stranger.cost]
        parts.append(f"{len(report.strangers)} not ours")
        if costs:
            total = (sum(low for low, _ in costs), sum(high for _, high in costs))
            parts.append(f"{words.money(total)} /h ({report.prices})")
    elif report.strangers is not None:
        parts.append("nothing that is not ours")
    if report.left_out:
        parts.append(f"{len(report.left_out)} unreadable: {', '.join(report.left_out)}")
    return ", ".join(parts)


def ways_out(report: DriftReport) -> list[str]:
    """What to type next."""
    if not report.found:
        return []
    lines = ["to put it back:  friendli-iac plan, then friendli-iac apply"]
    if all(found.beyond_apply for found in report.found):
        lines = []  # no apply attaches or detaches them
    if any(f.gone or f.fields or f.since is not None for f in report.found):
        lines.append("to accept it:    friendli-iac apply --refresh-only")
    if any(found.routes for found in report.found):
        lines.append(
            "adapters:        friendli-iac apply --refresh-only records what answers; "
            "the next plan shows the steps by hand"
        )
    for found in report.found:
        settings = [
            f"spec.{one.path}={_values(found, one)[1]}"
            for one in found.fields
            if one.live is not None and _can_be_set(found, one)
        ]
        if settings:
            lines.append(f"to declare it:   {_command('set', found.address, *settings)}")
            break
    return lines


def _can_be_set(found: Drifted, one: Drift) -> bool:
    """Whether a manifest can say it in one value."""
    leaf = leaves(_kind(found.address).model).get(one.path)
    return leaf is not None and not leaf.derived and not leaf.nested


def _block(found: Drifted, paint: Paint) -> list[str]:
    symbol = "-" if found.gone else {"restart": "■", "wake": "◦"}.get(found.action or "", "~")
    head = paint(f"{symbol} {found.address}", _COLOUR[symbol])
    lines = ["   ".join(filter(None, [head, found.id, _state(found)]))]
    width = max((len(one.path) for one in found.fields), default=0)
    for one in found.fields:
        old, new = _values(found, one)
        lines.append(f"    ~ {one.path:<{width}}  {old} → {new}")
    return lines + [f"    {remark}" for remark in _remarks(found)]


def _state(found: Drifted) -> str:
    if found.gone:
        return "GONE: 404, and not in the project's list"
    return found.status + (f" v{found.version}" if found.version is not None else "")


def _values(found: Drifted, one: Drift) -> tuple[str, str]:
    kind = _kind(found.address)
    return words.written(kind, one.path, one.applied), words.written(kind, one.path, one.live)


def _remarks(found: Drifted) -> list[str]:
    """What is to be said beside the fields."""
    kind, remarks = _kind(found.address), []
    if found.since is not None:
        sent = [f"{p} {words.written(kind, p, value)}" for p, value in found.unknown.items()]
        first = f"UNKNOWN since version {found.since}, which is not ours"
        remarks.append(f"{first}; we last sent:" if sent else first)
        remarks += [f"    {one}" for one in sent]
    for route in found.routes:
        what = "it answers, and is not declared: detach it in the web page, or declare it"
        if route.found == "missing":
            what = "it is declared, and does not answer"
        remarks.append(f"{found.id}:{route.route} is {route.found}: {what}")
    if found.missed:
        remarks.append(found.missed)
    if found.action:
        remarks.append(found.why + (f": {PROBABLY}" if found.may_sleep else ""))
    if found.leftover:
        status = f"{found.leftover_status}; it may bill" if found.leftover_status else "not listed"
        remarks.append(f"{found.leftover} is left over from a replacement ({status})")
    return remarks


def _stranger(stranger: Stranger) -> list[str]:
    facts = "   ".join(_facts(stranger))
    return [f"? {stranger.observed.id}   {facts}", f"    {_import(stranger)}"]


def _facts(stranger: Stranger) -> list[str]:
    """Name, status, project, age, GPUs, cost and creator, as far as they are known."""
    one, kind = stranger.observed, _kind(stranger.address)
    if not kind.serves:
        place = place_of(kind, one.project)
        return [words.written(kind, "name", one.name), one.status, place]
    gpu, count = get_path(one.spec, "instance.gpu"), get_path(one.spec, "instance.count")
    return [
        words.written(_kind(stranger.address), "name", one.name),
        one.status,
        f"project {one.project}",
        "age not told" if stranger.age is None else f"{_age(stranger.age)} old",
        f"{count or '?'} x {gpu}" if gpu else "GPU not told",
        f"{words.money(stranger.cost)} /h" if stranger.cost else "cost UNKNOWN",
        f"by {one.creator}" if one.creator else "creator not told",
    ]


def _age(seconds: float) -> str:
    for size, unit in ((DAY, "d"), (HOUR, "h"), (60.0, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def _import(stranger: Stranger) -> str:
    return _command("import", stranger.address, stranger.observed.id)


def _command(*arguments: str) -> str:
    return shlex.join(["friendli-iac", *arguments])


def _drifted_as_json(found: Drifted) -> dict[str, Any]:
    return {
        "address": found.address,
        "id": found.id,
        "name": found.name,
        "status": found.status,
        "version": found.version,
        "gone": found.gone,
        "fields": [
            {"path": one.path, "applied": one.applied, "live": one.live} for one in found.fields
        ],
        "unknown_since": found.since,
        "last_sent": dict(found.unknown),
        "action": found.action,
        "reason": found.why,
        "probably_slept": found.may_sleep,
        "routes": [{"route": one.route, "found": one.found} for one in found.routes],
        "missed": found.missed or None,
        "leftover": found.leftover or None,
        "leftover_status": found.leftover_status or None,
    }


def _stranger_as_json(stranger: Stranger) -> dict[str, Any]:
    one = stranger.observed
    return {
        "id": one.id,
        "name": one.name,
        "project": one.project,
        "status": one.status,
        "created_at": one.created_at,
        "age_seconds": None if stranger.age is None else int(stranger.age),
        "gpu": get_path(one.spec, "instance.gpu"),
        "gpus_per_replica": get_path(one.spec, "instance.count"),
        "cost_per_hour": list(stranger.cost) if stranger.cost else None,
        "creator": one.creator,
        "import": _import(stranger),
    }


def _kind(address: str) -> Kind:
    return KINDS[Address.parse(address).kind]

"""The least that must be known of plans, where nothing else fits: what ends, what denies, what it
costs, and the digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from friendli_iac.review import words
from friendli_iac.review.escaping import code, cut, prose
from friendli_iac.review.model import Review, title

WIDTHS = (80, 40, 24, 16)  # of a name
SHORT = 120  # characters of any other text


def barely(reviews: Sequence[Review], limit: int, whole: str) -> str:
    """At most `limit` characters. Names are shortened before any is left out, and that is said."""
    text = ""
    for width in WIDTHS:
        text = _page(reviews, whole, width, None)
        if len(text) <= limit:
            return text
    names = sum(len(_names(told)) for told in reviews)
    while names:
        names //= 2
        text = _page(reviews, whole, WIDTHS[-1], names)
        if len(text) <= limit:
            return text
    return text[:limit]


def _page(reviews: Sequence[Review], whole: str, width: int, most: int | None) -> str:
    lines = [f"### friendli-iac plan: {prose(cut(title(reviews), SHORT))}", ""]
    lines += ["> **Shortened to what must be known.** Long names are cut. The whole: "
              f"{prose(cut(whole, SHORT)) or 'friendli-iac plan'}", ""]  # fmt: skip
    for told in reviews:
        lines += [f"For {prose(cut(told.place, SHORT))}", ""]
        for action, names in _names(told).items():
            lines += [f"**{len(names)} to {action}**: {_listed(names, width, most)}", ""]
        lines += [f"⚠ The policy is overridden: {prose(cut(told.override, SHORT))}", ""] * bool(
            told.override
        )
        for rule, names in _denied(told).items():
            what = f"✖ **denied** by {code(cut(rule, SHORT))}, {len(names)} times: "
            lines += [what + _listed(names, width, most), ""]
        refused = [address for address, _, _ in told.refusals]
        lines += [f"✖ **refused**: {_listed(refused, width, most)}", ""] * bool(refused)
        if told.cost:
            hour = words.movement(*told.cost.hour, " /h")
            month = words.movement(*told.cost.month)
            lines += [f"{code(hour)}, per {words.HOURS_A_MONTH} h {code(month)}; "
                      f"{prose(cut(told.cost.note, SHORT))}", ""]  # fmt: skip
        lines += [f"digest {code(told.digest)}", ""] * bool(told.digest)
    return "\n".join(lines).rstrip("\n") + "\n"


def _names(told: Review) -> dict[str, list[str]]:
    """The addresses of what ends, by what happens to them."""
    found: dict[str, list[str]] = {}
    for item in told.items:
        if item.group == "destructive":
            found.setdefault(item.action, []).append(item.address)
    return found


def _denied(told: Review) -> dict[str, list[str]]:
    """What each rule denies."""
    found: dict[str, list[str]] = {}
    for verdict in told.verdicts:
        if verdict.mark == "DENY":
            found.setdefault(verdict.rule, []).append(verdict.address or "the plan")
    return found


def _listed(names: Iterable[str], width: int, most: int | None) -> str:
    every = list(dict.fromkeys(names))
    shown = every[:most]
    more = f" and {len(every) - len(shown)} more" * (len(shown) < len(every))
    return ", ".join(code(_middle(name, width)) for name in shown) + more


def _middle(name: str, width: int) -> str:
    """Both ends of a name: what tells it from others may stand at either."""
    if len(name) <= width:
        return name
    return f"{name[: width // 2]}…{name[-(width // 2 - 1) :]}"

"""The least that must be known of plans, where nothing else fits: what ends, what denies, what it
costs, and the digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from friendli_iac.review import words
from friendli_iac.review.escaping import code, cut, prose
from friendli_iac.review.model import Review, title

WIDTHS = range(80, 11, -4)  # of a name
ENDS = (1 / 2, 1.0, 0.0, 3 / 4, 1 / 4)  # how much of what is shown of a name may be its beginning
SHORT = 120  # characters of any other text
LONGEST = 1000  # of a name that is looked at


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
        if hands := [task.address for task in told.tasks]:
            count = words.by_hand(len(hands))
            lines += [f"☞ **{count}**: {_listed(hands, width, most)}", ""]
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
    short = _shortened([cut(name, LONGEST) for name in every], width)[: len(shown)]
    return ", ".join(code(name) for name in short) + more


def _shortened(addresses: Sequence[str], width: int) -> list[str]:
    """The addresses with names of at most `width` characters, cut where as many of them as can be
    still differ. Their kinds stay.
    """
    apart = [address.rpartition("/") for address in addresses]
    names = [name for _, _, name in apart]
    if all(len(name) <= width for name in names):
        return list(addresses)
    head = _common(names)
    tail = _common([name[head:][::-1] for name in names])
    ways = [[_ends(name, width, share) for name in names] for share in ENDS]
    ways += [[_inside(name, head, tail, width) for name in names]]
    best = max(ways, key=lambda shown: len(set(shown)))  # the first of equals
    return [kind + slash + name for (kind, slash, _), name in zip(apart, best, strict=True)]


def _common(names: Sequence[str]) -> int:
    """How many characters all of them begin with alike: the first and the last in order do."""
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(first), len(last)))


def _ends(name: str, width: int, share: float) -> str:
    """Both ends of a name, or one of them."""
    if len(name) <= width:
        return name
    first = round((width - 1) * share)
    return f"{name[:first]}…{name[len(name) - (width - 1 - first) :]}"


def _inside(name: str, head: int, tail: int, width: int) -> str:
    """The part of a name without what it begins and ends with like all others, and of that as much
    as there is room for.
    """
    if len(name) <= width:
        return name
    own = name[head : len(name) - tail]
    room = width - 2 - len(own)
    if room < 0:
        return f"…{_ends(own, width - 2, 1 / 2)}…"
    before = min(head, room - min(tail, room // 2))
    after = min(tail, room - before)
    return f"{name[:before]}…{own}…{name[len(name) - after :] if after else ''}"

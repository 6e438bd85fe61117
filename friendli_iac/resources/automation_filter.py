"""What fires an automation of W&B: our `trigger`, and the filter of an event that stands for it.

Shapes are those that the official SDK sends and reads (wandb 0.31, `automations/_validators.py` and
`_filters`): sent, a filter is `{"$or": [{"$and": […]}]}`; saved, it comes back inside `{"filter":
…}`, itself a text or an object. The dialect of the regular expressions is not documented; that they
match anywhere in the text is inferred, so that ours should be anchored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from friendli_iac.resources.foreign import parsed
from friendli_iac.resources.spec import Spec

ADD_ALIAS, ADD_TAG = "ADD_ARTIFACT_ALIAS", "ADD_ARTIFACT_TAG"
CREATED, LINKED = "CREATE_ARTIFACT", "LINK_MODEL"
# Our trigger -> event, and the field of the event that its regular expression is about.
EVENTS = {
    "aliasAdded": (ADD_ALIAS, "alias"),
    "tagAdded": (ADD_TAG, "tag"),
    "artifactCreated": (CREATED, ""),
    "artifactLinked": (LINKED, ""),
}
# Events of which it is known when they happen. UPDATE_ARTIFACT_ALIAS, an old one, is none of them.
_KNOWN = {
    *(event for event, _ in EVENTS.values()),
    *("UNLINK_ARTIFACT", "REMOVE_ARTIFACT_TAG", "ADD_COLLECTION_TAG", "REMOVE_COLLECTION_TAG"),
    *("RUN_STATE", "RUN_METRIC", "RUN_METRIC_CHANGE", "RUN_METRIC_ZSCORE"),
    "WEAVE_METRIC_THRESHOLD",
}
EVERY = ".*"  # matches whatever it is asked about

LONGEST_PATTERN, LONGEST_TEXT = 200, 64  # characters
WAYS = 4 * LONGEST_TEXT**3  # three unbounded quantifiers and two `?`: less than 0.1 s
_TOKEN = re.compile(
    r"""(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))|(?P<or>\|)
    |(?P<times>[*+?]|\{\d{1,3}(?:,\d{0,3})?\})\??
    |(?P<one>[^\\\[\](){}*+?|]|\\[dDwWsSbBnrt]|\\[^\w\s]
      |\[\^?(?:\\[dDwWsSnrt]|\\[^\w\s]|(?!--|&&|~~|\|\|)[^\\\[\]])+\])""",
    re.VERBOSE | re.DOTALL,
)


def event_filter(trigger: Spec) -> tuple[str, str]:
    """Event type and filter, as a request carries them."""
    key, value = next((k, v) for k, v in trigger.items() if k in EVENTS)
    event, about = EVENTS[key]
    inner = [{about: {"$regex": value}}] if about else []
    return event, json.dumps({"$or": [{"$and": inner}]}, ensure_ascii=False, separators=(",", ":"))


def read_trigger(event: str, saved: object) -> Spec:
    """The trigger that an event and its saved filter mean. What ours cannot say is under `event`
    and `filter`, which no manifest can write.
    """
    expression = _unwrapped(saved)
    plain = _simple(expression)
    for key, (ours, about) in EVENTS.items():
        if event != ours:
            continue
        if plain == {}:
            return {key: EVERY if about else True}
        pattern = _pattern(plain, about) if about else None
        if pattern is not None:
            return {key: pattern}
    return {"event": event, "filter": expression}


def fires(trigger: Spec, event: str, fields: Mapping[str, str]) -> bool | None:
    """Whether an event with these `fields` (`alias`, `tag`) sets a trigger off; None when its event
    is not known here, or its filter asks for what cannot be told, as with an unsafe expression.
    """
    for key, value in trigger.items():
        if key in EVENTS:
            ours, about = EVENTS[key]
            if event != ours or not about:
                return event == ours
            return _found(value, fields.get(about, ""))
    theirs = trigger.get("event")
    if theirs == event:
        return _holds(trigger.get("filter"), fields)
    return False if theirs in _KNOWN else None


def _unwrapped(saved: object) -> Any:
    """The expression in `{"filter": …}`; one that is not in it is no filter that W&B saved."""
    value = parsed(saved)
    if isinstance(value, dict) and set(value) == {"filter"}:
        return parsed(value["filter"])
    return {"unknown": value}


def _simple(expression: Any) -> Any:
    """Without `$and` and `$or` of one; of none, it is `{}`, which matches everything."""
    if not isinstance(expression, dict) or len(expression) != 1:
        return expression
    (key, value), *_ = expression.items()
    if key not in ("$and", "$or") or not isinstance(value, list):
        return expression
    inner = [_simple(one) for one in value]
    if key == "$and":
        inner = [one for one in inner if one != {}]
        return {} if not inner else inner[0] if len(inner) == 1 else {key: inner}
    return inner[0] if len(inner) == 1 else {key: inner}


def _pattern(expression: Any, about: str) -> str | None:
    """The regular expression that stands for a condition on one field, if one does."""
    match expression:
        case {**rest} if set(rest) == {about}:
            operation = rest[about]
        case _:
            return None
    match operation:
        case {"$regex": str(pattern), **rest} if not rest:
            return pattern
        case {"$eq": str(text), **rest} if not rest:
            return f"^{escaped(text)}$"
        case str(text):
            return f"^{escaped(text)}$"
    return None


def escaped(text: str) -> str:
    """The expression that matches this text, in any dialect."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)


@lru_cache(maxsize=1024)
def safe_regex(pattern: str) -> re.Pattern[str] | None:
    """A regular expression that means the same wherever it is run, and is run in no time:
    characters, classes, groups, alternatives and a few quantifiers. None for any other, and for
    what is none. Whose it is does not matter: Python would search for hours with some.

    Every alternative and quantifier is a choice, and so is where to begin, but after `^`; they
    multiply to the ways in which a text is tried. A group that holds one is not repeated.
    """
    # Of each open group: the ways of the alternatives before this one, and of this one.
    groups, item, at = [(0, 1)], 0, 0  # item: the ways of what stands before; 0: nothing does
    while at < len(pattern) <= LONGEST_PATTERN:
        token = _TOKEN.match(pattern, at)
        if token is None:
            return None
        before, ways = groups.pop()
        if token["open"]:
            groups += [(before, ways), (0, 1)]
        elif token["close"]:
            if not groups:
                return None
            item = before + ways
            before, ways = groups.pop()
            groups.append((before, ways * item))
        elif token["or"]:
            groups.append((before + ways, 1))
        elif token["times"]:
            if not item or (item > 1 and token["times"] != "?"):
                return None
            groups.append((before, ways * _choices(token["times"])))
        else:
            item = 1
            groups.append((before, ways))
        if not token["close"] and not token["one"]:
            item = 0
        at = token.end()
    before, ways = groups.pop()
    anchored = pattern.startswith("^") and not before
    if groups or at < len(pattern) or (before + ways) * (1 if anchored else LONGEST_TEXT) > WAYS:
        return None
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def _choices(times: str) -> int:
    if times == "?":
        return 2
    if times in "*+" or times.endswith(",}"):
        return LONGEST_TEXT
    least, _, most = times.strip("{}").partition(",")
    return max(int(most or least) - int(least), 0) + 2


def _found(pattern: object, text: str) -> bool | None:
    """Whether an expression matches anywhere in `text`; None where that cannot be told."""
    known = safe_regex(pattern) if isinstance(pattern, str) and len(text) <= LONGEST_TEXT else None
    return None if known is None else known.search(text) is not None


_COMPARED: dict[str, Callable[[str, Any], bool | None]] = {
    "$eq": lambda text, value: text == value,
    "$ne": lambda text, value: text != value,
    "$in": lambda text, value: text in value,
    "$nin": lambda text, value: text not in value,
    "$regex": lambda text, value: _found(value, text),
    "$contains": lambda text, value: str(value) in text,
    "$exists": lambda text, value: bool(text) == bool(value),
}


def _holds(expression: Any, fields: Mapping[str, str]) -> bool | None:
    if not isinstance(expression, dict):
        return None
    told = [_one(key, value, fields) for key, value in expression.items()]
    return _all(told)


def _one(key: str, value: Any, fields: Mapping[str, str]) -> bool | None:
    if key in ("$and", "$or", "$nor") and isinstance(value, list):
        told = [_holds(one, fields) for one in value]
        if key == "$and":
            return _all(told)
        any_ = _not(_all([_not(one) for one in told]))
        return any_ if key == "$or" else _not(any_)
    if key == "$not":
        return _not(_holds(value, fields))
    if key not in fields:
        return None
    text = fields[key]
    if not isinstance(value, dict):
        return bool(text == value)
    return _all([_compared(operator, text, operand) for operator, operand in value.items()])


def _compared(operator: str, text: str, operand: Any) -> bool | None:
    if operator == "$not" and isinstance(operand, dict):
        return _not(_all([_compared(o, text, v) for o, v in operand.items()]))
    try:
        return _COMPARED[operator](text, operand)
    except (KeyError, TypeError):
        return None


def _not(told: bool | None) -> bool | None:
    return None if told is None else not told


def _all(told: list[bool | None]) -> bool | None:
    """Whether all hold; one that does not decides, whatever is not known of the others."""
    if any(one is False for one in told):
        return False
    return None if any(one is None for one in told) else True

"""Which addresses a run is about: `--target` and `--selector`, with what they bring along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from friendli_iac.core.scene import Wish
from friendli_iac.core.state import State
from friendli_iac.errors import UsageError, did_you_mean
from friendli_iac.resources import check_resource


def select(
    state: State,
    wishes: Mapping[str, Wish],
    *,
    complete: bool,
    targets: Sequence[str] = (),
    selectors: Sequence[str] = (),
) -> set[str]:
    """The addresses in question: everything that is wanted and, when the whole project was read
    (`complete`), everything in state; narrowed by targets and by labels.

    A target brings what it depends on; one that is to be deleted brings what depends on it.
    UsageError for a target that nobody knows, or a selector that is not `LABEL=VALUE`.
    """
    everything = set(wishes) | (set(state.resources) if complete else set())
    chosen = everything
    if selectors:
        pairs = [_pair(selector) for selector in selectors]
        chosen = {a for a in chosen if all(_labels(state, wishes, a).get(k) == v for k, v in pairs)}
    if targets:
        chosen &= _with_companions(state, wishes, everything, targets)
    return chosen


def _pair(selector: str) -> tuple[str, str]:
    key, equals, value = selector.partition("=")
    if not (key and equals):
        raise UsageError(
            f"{selector!r} selects nothing: a selector looks like team=search",
            next="Use --selector LABEL=VALUE.",
        )
    return key, value


def _labels(state: State, wishes: Mapping[str, Wish], address: str) -> dict[str, str]:
    if address in wishes:
        return wishes[address].labels
    return state.resources[address].applied.labels


def _with_companions(
    state: State, wishes: Mapping[str, Wish], everything: set[str], targets: Iterable[str]
) -> set[str]:
    needs = {address: set(map(str, wish.depends_on)) for address, wish in wishes.items()}
    needed_by: dict[str, set[str]] = {}
    for address, resource in state.resources.items():
        for needed in resource.applied.depends_on:
            needed_by.setdefault(needed, set()).add(address)
    chosen: set[str] = set()
    queue = []
    for target in targets:
        if target not in everything:
            check_resource(target, "Nothing was sent.")
            raise UsageError(
                f"there is no {target} in the manifests or in state",
                safe="Nothing was sent.",
                next=did_you_mean(target, everything, "See friendli-iac state list."),
            )
        queue.append(target)
    while queue:
        address = queue.pop()
        if address in chosen or address not in everything:
            continue
        chosen.add(address)
        queue += needs.get(address, ()) if address in wishes else needed_by.get(address, ())
    return chosen

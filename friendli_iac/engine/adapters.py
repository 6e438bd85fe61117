"""LoRA adapters of endpoints before anything is sent: locked to commits, looked at, and put into
what is sent for a service that takes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from friendli_iac.clients.hub import Hub, Wanted
from friendli_iac.clients.hub_adapters import folder_facts
from friendli_iac.core.preflight import REPO, REVISION, Check, RepoFacts, is_commit, number_format
from friendli_iac.core.preflight_adapters import judge_adapters
from friendli_iac.core.scene import Scene, Wish
from friendli_iac.core.state import State
from friendli_iac.engine.linking import with_spec
from friendli_iac.errors import Refused
from friendli_iac.resources.adapter import AdapterField
from friendli_iac.resources.base import Address
from friendli_iac.resources.endpoint_adapters import ADAPTERS, SENT
from friendli_iac.resources.spec import BLANK, Spec, get_path

Key = TypeVar("Key", Address, str)
Block = Mapping[str, Any]  # an Adapter, as an Endpoint has it


@dataclass(frozen=True)
class AdaptersSent:
    """A link (`friendli_iac.engine.linking`). `field`: None for a service that takes none, where a
    person attaches them.
    """

    field: AdapterField | None = None

    def __call__(
        self, wishes: dict[str, Wish], scene: Scene, chosen: Collection[str]
    ) -> dict[str, Wish]:
        if self.field is None:
            return wishes
        linked = dict(wishes)
        for address, wish in wishes.items():
            for block in wish.spec.get(ADAPTERS, ()):
                if lacks := self.field.lacks(block):
                    raise Refused(
                        f"{address}: this service takes adapters by their {lacks}, and "
                        f"{block['name']} says none",
                        safe="Nothing was sent.",
                        next=f"Say huggingFace.{lacks} in Adapter/{block['name']}, or correct "
                        "adapters in friendli-iac.yaml.",
                    )
            if ADAPTERS in wish.spec:
                spec = {**wish.spec, SENT: self.field.sent(wish.spec[ADAPTERS])}
                linked[address] = with_spec(wish, spec, follows={SENT: ADAPTERS})
        return linked


def lock_adapters(
    hub: Hub | None,
    wishes: Mapping[Key, Wish],
    state: State,
    chosen: Collection[str] | None = None,
) -> dict[Key, Wish]:
    """`wishes` with commits for the revisions of their adapters, and what was `asked` for beside
    each. What asks for the same as in state has the commit from there, without a request; one whose
    commit cannot be learnt stays as it was written.
    """
    locked = dict(wishes)
    about = {
        address: wish
        for address, wish in wishes.items()
        if ADAPTERS in wish.spec and (chosen is None or str(address) in chosen)
    }
    earlier = {address: _locked_earlier(state, str(address)) for address in about}
    open_ = [
        wanted
        for address, wish in about.items()
        for block in wish.spec[ADAPTERS]
        if (wanted := _wanted(block))
        and wanted not in earlier[address]
        and not is_commit(wanted[1])
    ]
    known = hub.gather(open_) if hub is not None and open_ else {}
    for address, wish in about.items():
        commits = dict(earlier[address])
        for wanted, facts in known.items():
            if isinstance(facts, RepoFacts):
                commits.setdefault(wanted, facts.commit)
        blocks = [_with_commit(block, commits) for block in wish.spec[ADAPTERS]]
        if blocks != wish.spec[ADAPTERS]:
            locked[address] = with_spec(wish, {**wish.spec, ADAPTERS: blocks})
    return locked


def _wanted(block: Block) -> Wanted | None:
    source = block.get("huggingFace")
    return (source["repo"], source.get("revision", "")) if source else None


def _locked_earlier(state: State, address: str) -> dict[Wanted, str]:
    """The commits in state, by what was asked for; also for a repository of which nothing is said
    any more: what nobody states stays.
    """
    resource = state.resources.get(address)
    found: dict[Wanted, str] = {}
    for block in resource.applied.spec.get(ADAPTERS, ()) if resource else ():
        source = block.get("huggingFace", {})
        if is_commit(source.get("revision")):
            found[source["repo"], source.get("asked", source["revision"])] = source["revision"]
            found.setdefault((source["repo"], ""), source["revision"])
    return found


def _with_commit(block: Block, commits: Mapping[Wanted, str]) -> Block:
    wanted = _wanted(block)
    if wanted is None or wanted not in commits or commits[wanted] == wanted[1]:
        return block
    repo, asked = wanted
    return {**block, "huggingFace": {"repo": repo, "revision": commits[wanted], "asked": asked}}


def look_at_adapters(
    hub: Hub, root: Path, specs: Mapping[str, Spec]
) -> dict[str, tuple[Check, ...]]:
    """The checks of the adapters of whole specs, by address; none for those without. `root` is the
    folder of the project.
    """
    about = {a: spec for a, spec in specs.items() if spec.get(ADAPTERS)}
    blocks = [block for spec in about.values() for block in spec[ADAPTERS]]
    bases = {a: wanted for a, spec in about.items() if (wanted := _base(spec))}
    known = hub.gather([*filter(None, map(_wanted, blocks)), *bases.values()])

    def facts(block: Block) -> RepoFacts | Check:
        wanted = _wanted(block)
        return known[wanted] if wanted else folder_facts(root, block["folder"])

    found = {}
    for address, spec in about.items():
        base = known[bases[address]] if address in bases else None
        kind = number_format(base) if isinstance(base, RepoFacts) else ""
        found[address] = judge_adapters(
            spec[ADAPTERS], [facts(block) for block in spec[ADAPTERS]], spec, kind
        )
    return found


def _base(spec: Spec) -> Wanted | None:
    repo = get_path(spec, REPO)
    return None if repo in (None, BLANK) else (repo, get_path(spec, REVISION) or "")

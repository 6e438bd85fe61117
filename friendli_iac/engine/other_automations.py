"""Automations of W&B that are not in state, and would buy anew what a plan ends: W&B is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from friendli_iac.core.keys import Sent, ends, sent_to
from friendli_iac.core.plan import Change, Plan, Refusal
from friendli_iac.core.state import State
from friendli_iac.engine.planning import without_wandb
from friendli_iac.errors import ApiError, StalePlan
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import ARTIFACT, ArtifactName
from friendli_iac.resources.automation_read import read_automation, scope_of
from friendli_iac.resources.base import Address, Observed
from friendli_iac.resources.plain import joined
from friendli_iac.resources.spec import get_path


class Automations(Protocol):
    """What is asked of W&B. Raises ApiError and its children."""

    def automations(self, entity: str, *, fresh: bool = False) -> list[dict[str, Any]]: ...


@dataclass
class OtherAutomations:
    """A watch (`friendli_iac.engine.linking`): no other automation sends the key of what ends.
    `wandb` gives the client, and is None where nothing may be asked.
    """

    wandb: Callable[[], Automations] | None = None
    _away: set[str] = field(default_factory=set)  # who could not be asked: once is enough to wait

    def told(self, state: State, plan: Plan) -> Plan:
        """`plan` with a refusal for each that does, and a warning where W&B could not be asked: its
        outage keeps nobody from stopping what bills. While something is to be settled first, it is
        a warning, too: an interrupted apply may have made it.
        """
        self._away.clear()
        found, unasked = self._look(state, plan)
        beware = {address: [sentence] for address, sentence in unasked.items()}
        for one in found if plan.unsettled else ():
            said = f"{one.message}. If it is not of what is settled first, apply refuses this"
            beware.setdefault(one.address, []).append(said)
        return replace(
            plan,
            changes=tuple(
                replace(change, beware=(*change.beware, *beware[change.address]))
                if change.address in beware
                else change
                for change in plan.changes
            ),
            refusals=(*plan.refusals, *(() if plan.unsettled else found)),
        )

    def check(self, state: State, plan: Plan) -> None:
        """StalePlan where one came about, or was enabled, since."""
        if found := self._look(state, plan)[0]:
            raise StalePlan([f"{one.address}: {one.message}" for one in found])

    def missed(self, state: State, live: Mapping[str, Observed | None]) -> dict[str, str]:
        """Nothing: see `Watch`."""
        return {}

    def _look(self, state: State, plan: Plan) -> tuple[list[Refusal], dict[str, str]]:
        """The refusals, and by address a warning where it cannot be told."""
        ending = {sent: change for change in plan.pending_changes for sent in ends(state, change)}
        if self.wandb is None or not ending:
            return [], {}
        ours = {resource.id for resource in state.resources.values()}
        found: list[Refusal] = []
        unasked: dict[str, str] = {}
        for entity in sorted(_entities(state, ending.values()) - self._away):
            try:
                nodes = self.wandb().automations(entity)
            except ApiError as error:
                self._away.add(entity)
                said = "whether an automation that is not in state would buy it anew is not known"
                unasked |= {change.address: f"{said}: {error}" for change in ending.values()}
                continue
            for node in nodes:
                id = joined(scope_of(node)[1], str(node.get("id")))
                if id not in ours:
                    found += _refusals(node, id, ending)
        return found, unasked


def _entities(state: State, ending: Iterable[Change]) -> set[str]:
    """The teams and organizations of W&B that may deploy what is `ending`: those of its artifacts,
    and of what is in state.
    """
    found = {
        resource.project.partition("/")[0]
        for address, resource in state.resources.items()
        if KINDS[Address.parse(address).kind].home == "wandb"
    }
    for change in ending:
        resource = state.resources.get(change.address)
        while resource is not None:
            specs = [resource.applied.spec, *(one["spec"] for one in resource.history)]
            names = {str(name) for spec in specs if (name := get_path(spec, ARTIFACT))}
            found |= {ArtifactName.parse(name).entity for name in names}
            resource = resource.deposed
    return found


def _refusals(node: Mapping[str, Any], id: str, ending: Mapping[Sent, Change]) -> list[Refusal]:
    theirs = read_automation(node)
    change = ending.get(sent_to(theirs) or ("", ""))
    if change is None or not theirs["enabled"]:
        return []
    return [
        Refusal(
            change.address,
            f"the automation {theirs['name']!r} of {scope_of(node)[1]} is not in state, and sends "
            "its key: its next event would buy one that nobody knows of",
            f"Disable or delete it in W&B's web page, or take it in: friendli-iac import "
            f"WebhookAutomation/NAME {id}. {without_wandb([change.address])} (a manifest that was "
            "taken out is put back first). The rest of the plan: --target ADDRESS",
        )
    ]

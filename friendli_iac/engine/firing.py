"""Automations of W&B that are not in state, and would buy anew what a plan ends: W&B is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from friendli_iac.core.keys import Sent, ends, sent_to
from friendli_iac.core.plan import Change, Plan, Refusal
from friendli_iac.core.state import State
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
class Firing:
    """A watch (`friendli_iac.engine.linking`): no other automation sends the key of what ends.
    `wandb` gives the client, and is None where nothing may be asked.
    """

    wandb: Callable[[], Automations] | None = None
    _away: bool = False  # it could not be asked: once is enough to wait for it

    def told(self, state: State, plan: Plan) -> Plan:
        """`plan` with a refusal for each that does, and a warning where W&B could not be asked: its
        outage keeps nobody from stopping what bills.
        """
        found, unasked = self._look(state, plan)
        self._away = bool(unasked)
        return replace(
            plan,
            changes=tuple(
                replace(change, beware=(*change.beware, unasked[change.address]))
                if change.address in unasked
                else change
                for change in plan.changes
            ),
            refusals=(*plan.refusals, *found),
        )

    def check(self, state: State, plan: Plan) -> None:
        """StalePlan where one came about, or was enabled, since."""
        found = [] if self._away else self._look(state, plan)[0]
        if found:
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
        try:
            wandb = self.wandb()
            for entity in sorted(_entities(state)):
                for node in wandb.automations(entity):
                    id = joined(scope_of(node)[1], str(node.get("id")))
                    if id not in ours:
                        found += _refusals(node, id, ending)
        except ApiError as error:
            said = "whether an automation that is not in state would buy it anew is not known"
            return found, {change.address: f"{said}: {error}" for change in ending.values()}
        return found, {}


def _entities(state: State) -> set[str]:
    """The teams and organizations of W&B that what is in state is from."""
    found = set()
    for address, resource in state.resources.items():
        if KINDS[Address.parse(address).kind].home == "wandb":
            found.add(resource.project.partition("/")[0])
        specs = [resource.applied.spec, *(one["spec"] for one in resource.history)]
        names = {str(name) for spec in specs if (name := get_path(spec, ARTIFACT))}
        found |= {ArtifactName.parse(name).entity for name in names}
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
            f"WebhookAutomation/NAME {id}. To stop what bills meanwhile, terminate the endpoint in "
            "Friendli's web page.",
        )
    ]

"""Weights & Biases, call by call: webhooks and automations, beside what is read of artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from friendli_iac.clients import wandb_queries as queries
from friendli_iac.clients.wandb_artifacts import Artifacts
from friendli_iac.clients.wandb_client import Node, id_of, reads
from friendli_iac.errors import UNKNOWN_REQUEST, ApiError, Unreachable
from friendli_iac.resources.automation_read import read_automation


class WandbApi(Artifacts):
    """All that we need of W&B. See `Connection` for how it is made, and what it raises."""

    def __init__(
        self, environ: Mapping[str, str], base_url: str = "", key: str = "", **how: Any
    ) -> None:
        super().__init__(environ, base_url, key, **how)
        self._mutations: list[set[str]] = []  # what the server offers, once it was asked
        self._lacks: set[str] = set()  # what it turned out not to know

    # --- webhooks ---

    @reads
    def webhooks(self, team: str, *, fresh: bool = False) -> list[Node]:
        """The webhooks of a team: `{id, name, urlEndpoint}`. `fresh` is as for `automations`."""

        def ask() -> list[Node]:
            place = ("entity", "integrations")
            edges = self._pages(queries.WEBHOOKS, {"entity": team}, place, f"team {team!r}")
            nodes = [edge["node"] for edge in edges]
            kind = "GenericWebhookIntegration"
            return [node for node in nodes if node.get("__typename") == kind and id_of(node)]

        return list(self._lists.get(f"webhooks of {team}", ask, fresh=fresh))

    @reads
    def create_webhook(
        self, team: str, name: str, url: str, access_token: str, secret: str
    ) -> Node:
        """Makes a webhook. `access_token` and `secret` are names of secrets of the team, or empty.
        The answer is as in `webhooks`.
        """
        sent = {"entityName": team, "name": name, "urlEndpoint": url}
        sent |= _named(accessTokenRef=access_token, secretRef=secret)
        answer = self._mutate(queries.CREATE_WEBHOOK, {"input": sent})
        return self._made(answer, "integration")

    def update_webhook(self, id: str, name: str, url: str, access_token: str, secret: str) -> None:
        """Sets a webhook, where the server can: else ApiError with the reason UNKNOWN_REQUEST."""
        sent: Node = {"id": id, "name": name, "urlEndpoint": url}
        sent |= {"accessTokenRef": access_token or None, "secretRef": secret or None}
        self._attempt("updateGenericWebhookIntegration", queries.UPDATE_WEBHOOK, sent)

    def delete_webhook(self, id: str) -> None:
        """Deletes one, where the server can: else ApiError with the reason UNKNOWN_REQUEST."""
        self._attempt("deleteIntegration", queries.DELETE_WEBHOOK, {"id": id})

    @reads
    def offers(self, mutation: str) -> bool | None:
        """Whether the server has a mutation of this name; None when it does not say."""
        if mutation in self._lacks:
            return False
        if not self._mutations:
            self._mutations = [self._offered()]
        offered = self._mutations[0]
        return mutation in offered if offered else None

    @reads
    def secrets(self, team: str, *, fresh: bool = False) -> set[str] | None:
        """The names of the team's secrets; None when the server does not tell us."""
        found: set[str] | None = self._lists.get(
            f"secrets of {team}", lambda: self._secrets(team), fresh=fresh
        )
        return found

    # --- automations ---

    @reads
    def automations(self, entity: str, *, fresh: bool = False) -> list[Node]:
        """Every automation of a team or an organization's entity, of whatever kind, as W&B has it:
        `{id, name, description, enabled, scope, event, action}`.

        Several threads share one answer, for a second. `fresh`: as it is from now on.
        """
        return list(
            self._lists.get(
                f"automations of {entity}", lambda: self._automations(entity), fresh=fresh
            )
        )

    @reads
    def create_automation(self, input: Node) -> Node:
        """Makes an automation. ApiError with status 409 when its scope has one of that name."""
        answer = self._mutate(queries.CREATE_AUTOMATION, {"input": input})
        return self._made(answer, "trigger")

    @reads
    def update_automation(self, input: Node) -> Node:
        """Sets an automation by its id. What `input` leaves out may be lost: say all of it."""
        answer = self._mutate(queries.UPDATE_AUTOMATION, {"input": input})
        return self._made(answer, "trigger")

    @reads
    def delete_automation(self, id: str) -> None:
        """Deletes an automation."""
        answer = self._mutate(queries.DELETE_AUTOMATION, {"id": id})
        if (answer.get("result") or {}).get("success") is not True:
            raise Unreachable("W&B: DeleteAutomation: it does not say that it was deleted")

    # --- how ---

    def _attempt(self, mutation: str, document: str, input: Node) -> None:
        """Sends what the server may not know."""
        try:
            self._mutate(document, {"input": input})
        except ApiError as error:
            if error.reason == UNKNOWN_REQUEST:
                self._lacks.add(mutation)
            raise

    def _offered(self) -> set[str]:
        """The mutations of the server; none, when it does not let its schema be read."""
        try:
            schema = self._query(queries.MUTATIONS, {}).get("__schema") or {}
        except ApiError as error:
            if error.status == 401 or isinstance(error, Unreachable):
                raise
            return set()
        fields = (schema.get("mutationType") or {}).get("fields") or []
        return {str(field.get("name")) for field in fields}

    def _secrets(self, team: str) -> set[str] | None:
        try:
            entity = self._query(queries.SECRETS, {"entity": team}).get("entity") or {}
        except ApiError as error:
            if error.reason == UNKNOWN_REQUEST or error.status == 403:
                return None
            raise
        found = entity.get("secrets")
        if not isinstance(found, list):
            return None
        return {str(secret.get("name")) for secret in found if isinstance(secret, dict)}

    def _automations(self, entity: str) -> list[Node]:
        variables = {"entity": entity}
        try:
            edges = self._pages(
                queries.AUTOMATIONS, variables, ("scope", "triggers"), f"entity {entity!r}"
            )
            return [_readable(edge["node"]) for edge in edges]
        except ApiError as error:
            if error.reason != UNKNOWN_REQUEST:
                raise
        place = ("scope", "projects")
        pages = self._pages(queries.AUTOMATIONS_BY_PROJECT, variables, place, f"entity {entity!r}")
        found: list[Node] = []
        for edge in pages:
            triggers = edge["node"]["triggers"]
            if not isinstance(triggers, list):  # one that has none says so with an empty list
                raise Unreachable(f"W&B: a project of {entity} without its automations")
            found += map(_readable, triggers)
        return found

    def _made(self, answer: Node, key: str) -> Node:
        made = (answer.get("result") or {}).get(key)
        if not isinstance(made, dict) or not made.get("id"):
            raise Unreachable(f"W&B: it does not say which {key} came of it")
        return made


def _readable(node: Node) -> Node:
    """An automation that those who ask for it can read: one that they could not would seem gone."""
    id_of(node)
    read_automation(node)
    return node


def _named(**values: str) -> Node:
    return {key: value for key, value in values.items() if value}

"""Webhook: where W&B sends what automations have to say (`GenericWebhookIntegration`).

Facts are from the sources of the official SDK (wandb 0.31, `automations/_generated`): a create
takes names of team secrets, which are never read back. That the API can change or delete a webhook
is documented nowhere: a server is asked whether it can, and where it cannot, a person must.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from friendli_iac.resources.advice import NOTHING, Advice, Manual
from friendli_iac.resources.base import Action, Observed, Seen, Step
from friendli_iac.resources.payload import FRIENDLI
from friendli_iac.resources.plain import NONE, THERE, PlainKind, joined, one_of, parted
from friendli_iac.resources.spec import Spec, SpecModel, get_path
from friendli_iac.resources.webhook_spec import LONGEST_NAME, NAME, WebhookSpec

EDIT, DELETE = "updateGenericWebhookIntegration", "deleteIntegration"
# Labels of the page "Team settings" in W&B's documents of webhook automations.
LABELS = {"accessTokenSecret": "Access token", "signingSecret": "Secret"}
SENT = {"accessTokenSecret": "the token {}", "signingSecret": "what {} signs"}
HOSTS = (FRIENDLI, "api.github.com", "gitlab.com")  # exactly these; others may be anybody's


class WebhookApi(Protocol):
    """The calls of W&B's API that webhooks need."""

    @property
    def app_url(self) -> str: ...
    def webhooks(self, team: str, *, fresh: bool = False) -> list[dict[str, Any]]: ...
    def create_webhook(
        self, team: str, name: str, url: str, access_token: str, secret: str
    ) -> dict[str, Any]: ...
    def update_webhook(
        self, id: str, name: str, url: str, access_token: str, secret: str
    ) -> None: ...
    def delete_webhook(self, id: str) -> None: ...
    def offers(self, mutation: str) -> bool | None: ...
    def secrets(self, team: str, *, fresh: bool = False) -> set[str] | None: ...


class WebhookKind(PlainKind):
    """See `friendli_iac.resources.base.Kind`."""

    name = "Webhook"
    noun = "webhook"
    model: type[SpecModel] = WebhookSpec

    def place(self, spec: Spec) -> str:
        return str(spec["team"])

    def disagreements(self, spec: Spec, every: Mapping[str, Spec]) -> list[tuple[str, str, str]]:
        """That the name of the manifest, which is its name in W&B by default, cannot be that."""
        name = str(spec["name"])
        if len(name) <= LONGEST_NAME and re.fullmatch(NAME, name):
            return []
        message = f"W&B takes no webhook called {name!r}"
        remedy = f"say spec.name: up to {LONGEST_NAME} letters, digits, _ and -, in words"
        return [("name", message, remedy)]

    def steps(
        self,
        action: Action,
        observed: Observed | None,
        target: Spec,
        changed: Collection[str] = (),
    ) -> tuple[Step, ...]:
        """Nothing is sent where the server is known not to take it."""
        refused = observed.details.get("refused", ()) if observed else ()
        if (action == "update" and EDIT in refused) or (action == "delete" and DELETE in refused):
            return ()
        return super().steps(action, observed, target, changed)

    def life(self, target: Spec, observed: Observed) -> tuple[Action, str] | None:
        known = observed.details.get("secrets")
        absent = [] if known is None else [n for n in _secrets(target).values() if n not in known]
        if absent:
            return "verify", f"the team has no secret {' nor '.join(absent)} yet"
        return None

    def advise(
        self,
        api: WebhookApi | None,
        action: Action,
        before: Spec,
        target: Spec,
        observed: Observed | None,
        seen: Mapping[str, Seen],
    ) -> Advice:
        if action == "delete":
            return self._by_hand_delete(api, observed) if api is not None else NOTHING
        found = Advice(warnings=_strange_host(before, target))
        if api is None:
            return found
        if action == "replace" and api.offers(DELETE) is False:
            found = found.with_(
                Advice(
                    refusals=(
                        (
                            "another team needs another webhook, and this server lets no program "
                            "delete the old one",
                            "Give the new one another metadata.name, and delete the old one by "
                            "hand.",
                        ),
                    )
                )
            )
        if action == "update" and api.offers(EDIT) is False:
            found = found.with_(self._by_hand_edit(api, before, target, observed))
        return found.with_(_secret_steps(api, action, before, target))

    def list(self, api: WebhookApi, project: str) -> dict[str, Observed]:
        return self._listed(api, project, fresh=False)

    def _listed(self, api: WebhookApi, project: str, *, fresh: bool) -> dict[str, Observed]:
        about = {
            "refused": [name for name in (EDIT, DELETE) if api.offers(name) is False],
            "secrets": api.secrets(project, fresh=fresh),
        }
        return {
            joined(project, node["id"]): self._observed(project, node, about)
            for node in api.webhooks(project, fresh=fresh)
        }

    def read(self, api: WebhookApi, id: str) -> Observed:
        return one_of(self.noun, self._listed(api, parted(id)[0], fresh=True), id)

    def send(
        self, api: WebhookApi, step: Step, *, id: str | None, spec: Spec, comment: str, key: str
    ) -> str | None:
        if step == "delete":
            api.delete_webhook(parted(id or "")[1])
            return id
        secrets = spec.get("accessTokenSecret", ""), spec.get("signingSecret", "")
        if step == "update":
            api.update_webhook(parted(id or "")[1], spec["name"], spec["url"], *secrets)
            return id
        made = api.create_webhook(spec["team"], spec["name"], spec["url"], *secrets)
        return joined(spec["team"], made["id"])

    def _observed(self, team: str, node: Mapping[str, Any], about: Mapping[str, Any]) -> Observed:
        name = str(node.get("name") or "")
        spec = {"team": team, "url": node.get("urlEndpoint"), "name": name}
        return Observed(
            joined(team, node["id"]),
            team,
            name,
            spec,
            THERE,
            "served",
            replicas=NONE,
            details=about,
        )

    def _by_hand_edit(
        self, api: WebhookApi, before: Spec, target: Spec, observed: Observed | None
    ) -> Advice:
        live = observed.spec if observed else {}
        differs = [path for path in ("url", "name") if live.get(path) != target.get(path)]
        changed = _secrets(target) != _secrets(before)
        if not differs and not changed:
            return NOTHING
        values = [("Name", target["name"]), ("Endpoint URL", target["url"])]
        values += [(LABELS[path], name) for path, name in _secrets(target).items()]
        return Advice(
            (
                Manual(
                    f"edit the webhook {live.get('name') or target['name']} in Team settings, "
                    "Webhooks: this server lets no program do it",
                    page(api, target["team"]),
                    tuple(values),
                    "apply reads its name and its URL" if differs else "",
                ),
            )
        )

    def _by_hand_delete(self, api: WebhookApi, observed: Observed | None) -> Advice:
        if observed is None or api.offers(DELETE) is not False:
            return NOTHING
        return Advice(
            (
                Manual(
                    f"delete the webhook {observed.name} in Team settings, Webhooks: this server "
                    "lets no program do it",
                    page(api, observed.project),
                    (("Name", observed.name),),
                    "the same command, run again, looks whether it is gone",
                ),
            )
        )


def _secrets(spec: Spec) -> dict[str, str]:
    """The names of secrets that a webhook uses, by field."""
    return {path: str(name) for path in LABELS if (name := get_path(spec, path)) is not None}


def _strange_host(before: Spec, target: Spec) -> tuple[str, ...]:
    """That secrets go to where they did not go before, and which is no host that is known here."""
    host, secrets = _host(target), _secrets(target)
    if host in HOSTS or not secrets or (host, secrets) == (_host(before), _secrets(before)):
        return ()
    sent = " and ".join(SENT[path].format(name) for path, name in secrets.items())
    return (f"{sent} {'goes' if len(secrets) == 1 else 'go'} to {_plain(host)} from now on",)


def _plain(host: str) -> str:
    """A host in ASCII, as the net knows it: letters that look like others cannot hide in it."""
    name, colon, port = host.partition(":")
    try:
        return name.encode("idna").decode() + colon + port
    except UnicodeError:
        return ascii(host)


def _host(spec: Spec) -> str:
    return urlsplit(str(spec.get("url", ""))).netloc.lower()


def _secret_steps(api: WebhookApi, action: Action, before: Spec, target: Spec) -> Advice:
    """The team secrets that somebody has to make: no API is documented that can."""
    wanted = _secrets(target)
    anew = action in ("create", "replace", "verify")
    new = {path: name for path, name in wanted.items() if anew or before.get(path) != name}
    if not new:
        return NOTHING
    known = api.secrets(target["team"])
    missing = [name for name in dict.fromkeys(new.values()) if known is None or name not in known]
    steps = tuple(
        Manual(
            f"make the team secret {name} in Team settings, Team secrets, as an admin of W&B",
            page(api, target["team"]),
            (("Name", name), ("Secret", "its value, which friendli-iac never sees")),
            "" if known is None else "apply reads the names of the team's secrets",
        )
        for name in missing
    )
    told = (
        ()
        if known is None
        else tuple(
            f"it uses the secret {name}, and the team has none of that name: W&B would send without"
            for name in missing
        )
    )
    return Advice(steps, told) if steps else NOTHING


def page(api: WebhookApi, team: str) -> str:
    """The team's own page, which leads to `Team settings` (W&B's documents)."""
    return f"{api.app_url}/{team}"


WEBHOOK = WebhookKind()

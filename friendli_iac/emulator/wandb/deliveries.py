"""What an event does: the automations that match it call their webhooks, one after the other."""

import threading
from collections import deque
from urllib.parse import urlsplit

import httpx

from .automations import Automations
from .filters import matches, parse_filter
from .payload import as_json, render, sign, variables
from .records import Automation, Json, Webhook
from .registry import Event
from .switches import Switches

_TIMEOUT = 10.0  # seconds; W&B's own is not documented


class Deliveries:
    """Fires automations and calls their webhooks, in a thread of its own and in order.

    `fire` is called with the store's lock held; the calls are made without it. None is made twice:
    whether W&B tries again is not documented.
    """

    def __init__(self, automations: Automations, switches: Switches) -> None:
        self._automations = automations
        self._switches = switches
        self._log: list[Json] = []
        self._queue: deque[Json] = deque()
        self._changed = threading.Condition()
        self._busy = self._closed = False
        self._thread: threading.Thread | None = None
        self._fired: dict[str, float] = {}

    def fire(self, event: Event) -> None:
        """Let every automation that matches act; each one by itself."""
        for automation in list(self._automations.registry.world.automations.values()):
            if automation.enabled and self._triggers(automation, event):
                self._trigger(automation, event)

    def log(self) -> list[Json]:
        """Copies of the deliveries, oldest first."""
        with self._changed:
            return [dict(one) for one in self._log]

    def wait(self, timeout: float = 10.0) -> None:
        """Block until nothing is left to deliver; TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._queue and not self._busy, timeout):
                raise TimeoutError(f"{len(self._queue) + self._busy} webhooks are not delivered")

    def clear(self) -> None:
        """Forget all deliveries, those to come too."""
        with self._changed:
            self._queue.clear()
            self._log = []
            self._fired = {}

    def close(self) -> None:
        """Give up what is not delivered, and end the thread."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _triggers(self, automation: Automation, event: Event) -> bool:
        collection, world = event.collection, self._automations.registry.world
        scopes = {
            collection.id,
            world.projects[f"{collection.entity}/{collection.project}"].id,
            world.entities[collection.entity].id,
        }
        if automation.event_type != event.type or automation.scope_id not in scopes:
            return False
        document = {"alias": event.alias, "tag": event.tag}
        try:
            return matches(parse_filter(automation.event_filter), document)
        except (TypeError, ValueError):
            return False  # a filter of another time: it fires nothing, and breaks nothing

    def _trigger(self, automation: Automation, event: Event) -> None:
        delivery: Json = {
            "automation": automation.name,
            "automation_id": automation.id,
            "event": event.to_json(),
            "url": None,
            "headers": {},
            "body": None,
            "status": None,
            "response": None,
            "skipped": self._skipped(automation),
        }
        webhook = self._automations.registry.world.webhooks.get(
            automation.webhook_input.get("integrationID", "")
        )
        if webhook is None:
            delivery["skipped"] = (
                delivery["skipped"] or f"{automation.action_type} calls no webhook"
            )
        else:
            self._fill(delivery, automation, webhook, event)
        with self._changed:
            self._log.append(delivery)
            if delivery["skipped"] is None and not self._closed:
                self._queue.append(delivery)
                self._changed.notify_all()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="wandb-deliveries")
                    self._thread.start()

    def _skipped(self, automation: Automation) -> str | None:
        now = self._automations.registry.store.now()
        last = self._fired.get(automation.id)
        if last is not None and now - last < self._switches.cooldown:
            return "cool-down"
        if self._switches.to_skip:
            self._switches.to_skip -= 1
            return "skipped"
        self._fired[automation.id] = now
        return None

    def _fill(self, delivery: Json, automation: Automation, webhook: Webhook, event: Event) -> None:
        team = self._automations.registry.world.entities[webhook.team]
        secrets = {name: secret.value for name, secret in team.secrets.items()}
        values = variables(event, webhook, secrets, self._switches.version_string)
        body = render(automation.webhook_input.get("requestPayload") or "", values)
        headers = {"Content-Type": "application/json"}
        if webhook.access_token_ref in secrets:
            headers["Authorization"] = f"Bearer {secrets[str(webhook.access_token_ref)]}"
        if webhook.secret_ref in secrets:
            secret = secrets[str(webhook.secret_ref)]
            headers["X-Wandb-Signature"] = sign(secret, body.encode(), self._switches.signature)
        delivery |= {"url": webhook.url, "headers": headers, "body": as_json(body), "raw": body}
        missing = {webhook.access_token_ref, webhook.secret_ref} - {None, *secrets}
        if missing:  # docs: automations stop working once their secret is removed
            names = ", ".join(sorted(str(name) for name in missing))
            delivery["skipped"] = delivery["skipped"] or f"no secret {names}"
        elif self._address(webhook.url) is None:
            delivery["skipped"] = (
                delivery["skipped"] or f"{urlsplit(webhook.url).netloc} is not allowed"
            )

    def _address(self, url: str) -> str | None:
        parts = urlsplit(url)
        base = self._switches.hosts.get(parts.netloc)
        if base is None:
            return None
        return base.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=_TIMEOUT) as client:
            while (delivery := self._next()) is not None:
                outcome = self._send(client, delivery)
                with self._changed:
                    delivery |= outcome
                    self._busy = False
                    self._changed.notify_all()

    def _next(self) -> Json | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if self._closed:
                return None
            self._busy = True
            return self._queue.popleft()

    def _send(self, client: httpx.Client, delivery: Json) -> Json:
        address = self._address(delivery["url"])
        try:
            answer = client.post(
                str(address), content=delivery["raw"].encode(), headers=delivery["headers"]
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return {"response": f"{type(error).__name__}: {error}"}
        return {"status": answer.status_code, "response": as_json(answer.text)}

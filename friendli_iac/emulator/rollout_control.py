"""What a test may do to the roll-outs of endpoints; safe to call from any thread."""

from dataclasses import replace
from typing import Any, Literal

from .misbehaviour import Conduct, parse_outcome
from .model import SERVING, Endpoint, Json
from .service import ANY_ENDPOINT, Service

SOMEONE_ELSE = "someone-else"

Which = int | Literal["serving", "next"]
"""A version: by its number, the one whose settings are in force, or the one that comes next."""


class RolloutControl:
    """Versions: what became of them, how they are rolled out, and how they behave then."""

    service: Service

    def versions(self, endpoint_id: str) -> list[Json]:
        """The versions of an endpoint, oldest first; KeyError if there is no such endpoint.

        Each one has number, settings (all that were sent, with the defaults), comment, creator,
        created_at (seconds since the epoch), current (its settings are in force: the API shows
        them) and serves (it answers inference requests now).
        """
        with self.service.store.lock:
            endpoint = self._get(endpoint_id)
            serves = endpoint.status in SERVING
            return [
                {
                    "number": number,
                    **version,
                    "current": number == endpoint.serving,
                    "serves": serves and number == endpoint.serving,
                }
                for number, version in enumerate(endpoint.to_json()["versions"])
            ]

    def change(
        self,
        endpoint_id: str,
        *,
        user: str = SOMEONE_ELSE,
        comment: str | None = None,
        **settings: Any,
    ) -> int:
        """Change an endpoint as if in the web page; the number of the newest version then.

        `settings` has the keys of an update body, and `adapters`: a list of routes, which can only
        be attached there. An update that is under way is given up for it, and the version that
        serves then serves on until this one takes over. In Friendli's API, versions can be
        cancelled, but by what is not documented.
        """
        with self.service.store.lock:
            endpoint = self._get(endpoint_id)
            body = {**settings, "newVersionComment": comment}
            self.service.update(endpoint, body, user, supersede=True)
            return len(endpoint.versions) - 1

    def attach_adapter(self, endpoint_id: str, *routes: str) -> int:
        """Attach LoRA adapters as if in the web page, which makes a version of it: its number.

        That it does is inferred: versions there are said to have adapters of their own.
        """
        attached = self.endpoint_adapters(endpoint_id)
        new = [route for route in routes if route not in attached]
        return self.change(endpoint_id, adapters=[*attached, *new])

    def detach_adapter(self, endpoint_id: str, *routes: str) -> int:
        """Detach LoRA adapters as if in the web page; the number of the version that this makes."""
        kept = [one for one in self.endpoint_adapters(endpoint_id) if one not in routes]
        return self.change(endpoint_id, adapters=kept)

    def endpoint_adapters(self, endpoint_id: str) -> list[str]:
        """The routes of the adapters of an endpoint, as its newest version has them."""
        with self.service.store.lock:
            return list(self._get(endpoint_id).versions[-1].settings.get("adapters", ()))

    def fail_next_rollout(self, endpoint_id: str, *outcomes: str) -> None:
        """Decide how the next roll-outs of an endpoint end, or of "*", whichever come first.

        Each outcome is an error code (known or not), or another word: see `misbehaviour.Outcome`.
        There is one for each roll-out: of a create, an update, a restart, or a wake. What was
        decided before is forgotten; without outcomes, nothing is decided.
        """
        for outcome in outcomes:
            parse_outcome(outcome)
        with self.service.store.lock:
            if endpoint_id == ANY_ENDPOINT:
                self.service.course.next_rollouts = list(outcomes)
                return
            endpoint = self._get(endpoint_id)
            endpoint.next_rollouts = list(outcomes)
            self.service.store.save(endpoint)

    def serves_badly(
        self,
        endpoint_id: str,
        version: Which = "serving",
        *,
        status: int = 200,
        text: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Decide how a version answers inference requests; by default, well again.

        It answers `status`; or with `text` where its own answer would stand (for tokenize: with the
        tokens of `text`); and `seconds` later, by which a manual clock moves on, too. Other
        versions are not affected. A number beyond the history is that of a version to come.
        """
        self._conduct(endpoint_id, version, status=status, text=text, seconds=seconds)

    def fails_after(
        self,
        endpoint_id: str,
        seconds: float | None,
        version: Which = "serving",
        *,
        status: str = "FAILED",
        error_code: str | None = "INFERENCE_ENGINE_UNKNOWN_ERROR",
    ) -> None:
        """Let an endpoint fail `seconds` after a version has come to run, each time that it does.

        The endpoint then has `status` and `error_code`, known or not. None is never; 0 is at once.
        """
        self._conduct(
            endpoint_id, version, dies_after=seconds, dies_as=status, error_code=error_code
        )

    def _conduct(self, endpoint_id: str, version: Which, **changes: Any) -> None:
        with self.service.store.lock:
            endpoint = self._get(endpoint_id)
            if version == "serving":
                number = endpoint.serving
            else:
                number = len(endpoint.versions) if version == "next" else int(version)
            conduct: Conduct = replace(endpoint.conduct_of(number), **changes)
            endpoint.conduct[str(number)] = conduct
            self.service.store.save(endpoint)

    def _get(self, endpoint_id: str) -> Endpoint:
        endpoint = self.service.store.get(endpoint_id)
        if endpoint is None:
            raise KeyError(endpoint_id)
        return endpoint

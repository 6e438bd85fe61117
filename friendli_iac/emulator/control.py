"""What a test may look at and change behind the back of the API; safe to call from any thread."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Unpack

from . import lifecycle
from .faults import Fault, FaultArguments, Faults, When
from .model import RUNNING, Endpoint, Json, Step, Version
from .requestlog import RequestLog
from .rollout_control import RolloutControl
from .service import DEFAULT_TEAM, Service
from .settings import settings_of_create
from .wandb.control import WandbControl


class Control(RolloutControl):
    """The state of an emulator, and its faults. `wandb` is the half of Weights & Biases."""

    def __init__(self, service: Service, faults: Faults, log: RequestLog) -> None:
        self.service = service
        self.wandb = WandbControl(service.store)
        self.faults = faults
        self.log = log
        self._first_durations = service.course.durations
        self._first_options = replace(service.options)

    # Time

    def now(self) -> float:
        """The emulator's time, in seconds since the epoch."""
        return self.service.store.now()

    def advance(self, seconds: float) -> None:
        """Move the emulator's time on."""
        with self.service.store.lock:
            self.service.store.clock.advance(seconds)
            self.service.store.save_clock()

    def set_time(self, reading: float) -> None:
        """Make `reading` (seconds since the epoch) the emulator's present."""
        with self.service.store.lock:
            self.service.store.clock.set(reading)
            self.service.store.save_clock()

    def set_durations(self, **seconds: float) -> None:
        """Change how long transitions take from now on; those under way keep their times."""
        with self.service.store.lock:
            self.service.course.durations = self.service.course.durations.changed(seconds)

    # Requests and faults

    @property
    def requests(self) -> list[Json]:
        """The requests since the last `clear_requests`, oldest first.

        Each one has seq, time, method, path, query, body (parsed), graphql (such as `mutation
        createFilterTrigger`, None elsewhere), headers (a few), authorization (whether there was
        any), status (None while unanswered, or when the connection was cut) and faults (the kinds
        that applied).
        """
        return self.log.entries()

    @property
    def inferences(self) -> list[Json]:
        """Those of the requests that ask for inference: each would wake an endpoint that sleeps."""
        paths = ("/dedicated/v1/", "/dedicated/classify")
        return [one for one in self.requests if one["path"].startswith(paths)]

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self.log.clear()

    def fault(self, method: str, path: str, **how: Unpack[FaultArguments]) -> int:
        """Make requests fail whose path matches the regular expression `path`; see `Fault`.

        Behind `/graphql` there is the operation, too: `/graphql mutation createFilterTrigger`.
        """
        return self.faults.add(Fault(method, path, **how))

    def clear_faults(self) -> None:
        """Lift all faults, `hold` included; what is on hold stays so until `release`."""
        self.faults.clear()

    def hold(
        self,
        method: str,
        path: str,
        when: When = "before",
        *,
        nth: int = 1,
        count: int | None = 1,
    ) -> int:
        """Keep matching requests waiting, before or after they have their effect."""
        return self.faults.add(Fault(method, path, "hold", when, nth, count))

    def on_request(
        self,
        method: str,
        path: str,
        action: Callable[[], object],
        when: When = "before",
        *,
        nth: int = 1,
        count: int | None = 1,
    ) -> int:
        """Call `action` when a matching request comes, before or after it has its effect.

        Thus somebody changes something in the middle of what a client does. The action may use the
        control methods, except those that wait; it must not send requests to the emulator.
        """
        return self.faults.add(
            Fault(method, path, "call", when, nth=nth, count=count, action=action)
        )

    def held(self) -> list[Json]:
        """The requests on hold: seq, method, path, when."""
        return self.faults.held()

    def wait_held(self, count: int = 1, timeout: float = 10.0) -> list[Json]:
        """Block until `count` requests are on hold; TimeoutError after `timeout` seconds."""
        return self.faults.wait_held(count, timeout)

    def release(self, seq: int | None = None) -> int:
        """Let one request on hold go on, or all of them; how many there were."""
        return self.faults.release(seq)

    # Endpoints

    def endpoints(self) -> list[Json]:
        """Everything about every endpoint, oldest first: see `model.Endpoint` for the keys."""
        with self.service.store.lock:
            return [endpoint.to_json() for endpoint in self.service.store.newest_first()][::-1]

    def endpoint(self, endpoint_id: str) -> Json:
        """Everything about one endpoint; KeyError if there is none."""
        with self.service.store.lock:
            return self._get(endpoint_id).to_json()

    def set_status(
        self,
        endpoint_id: str,
        status: str,
        phase: str | None = None,
        error_code: str | None = None,
    ) -> None:
        """Put an endpoint into any status, known or not, and stop what was under way."""
        with self.service.store.lock:
            endpoint = self._get(endpoint_id)
            lifecycle.set_status(endpoint, Step(self.now(), status, phase, error_code))
            self.service.store.save(endpoint)

    def seed(
        self,
        count: int,
        *,
        project: str = "project-seed",
        name: str = "seed-{}",
        team: str = DEFAULT_TEAM,
        user: str = "user-seed",
        versions: int = 1,
        comment: str | None = None,
        **settings: Any,
    ) -> list[Json]:
        """Create running endpoints at once; their {id, name}, oldest first.

        `name` is formatted with the number of the endpoint, from 0. `settings` has the keys of a
        create body; by default one H100 which never sleeps serves Llama 3.1 8B.
        """
        body = {
            "instanceOptionId": "TwD5AqnBSVN0",
            "hfModelRepo": "meta-llama/Llama-3.1-8B-Instruct",
            "advanced": {
                "tokenizer_skip_special_tokens": True,
                "tokenizer_add_special_tokens": True,
            },
            **({} if "simplescale" in settings else {"autoscalingPolicy": {"minReplica": 1}}),
            **settings,
        }
        store = self.service.store
        with store.lock:
            now = store.now()
            endpoints = []
            for number in range(count):
                endpoint_id, serial = store.new_identity()
                spec = settings_of_create({**body, "name": name.format(number)})
                endpoint = Endpoint(
                    id=endpoint_id,
                    serial=serial,
                    team=team,
                    project=project,
                    creator=user,
                    created_at=now,
                    updated_at=now,
                    versions=[Version(spec, comment, user, now) for _ in range(versions)],
                    serving=versions - 1,
                )
                endpoint.enter(Step(now, RUNNING))
                endpoints.append(endpoint)
            store.add(endpoints)
        return [{"id": one.id, "name": one.settings["name"]} for one in endpoints]

    # The whole

    def set_tokens(self, tokens: Mapping[str, Mapping[str, Any]]) -> None:
        """Know these tokens only: token -> {user, teams: [the default one first]}.

        `team` instead of `teams` will do for one; an empty mapping lets everybody in again.
        """
        known = {
            token: (str(who["user"]), tuple(who.get("teams") or (who["team"],)))
            for token, who in tokens.items()
        }
        with self.service.store.lock:
            self.service.tokens = known

    def set_options(self, **options: Any) -> None:
        """Turn switches: latency_ms, extra_fields, adapters_key (see `service.Options`)."""
        with self.service.store.lock:
            self.service.options = replace(self.service.options, **options)

    def reset(self) -> None:
        """Be as at first: no endpoints, requests or faults; time, ids and switches start anew."""
        self.wandb.reset()  # first: what is held keeps deliveries back that are to be forgotten
        self.faults.clear()
        self.faults.release()
        with self.service.store.lock:
            self.service.store.clear()
            self.service.tokens = {}
            self.service.options = replace(self._first_options)
            self.service.course.durations = self._first_durations
            self.service.course.next_rollouts = []
        self.log.clear()

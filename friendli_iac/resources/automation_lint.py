"""What is doubtful of an automation: that it never fires, or too often, or calls the wrong one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from friendli_iac.errors import ApiError, AuthError, Unreachable
from friendli_iac.resources.artifact import ARTIFACT, IDEMPOTENCY_KEY, ArtifactName
from friendli_iac.resources.automation_filter import EVENTS, escaped, fires, safe_regex
from friendli_iac.resources.automation_read import SCOPES, place_in, read_automation, scope_of
from friendli_iac.resources.payload import FRIENDLI, NO_FORGE, NOT_DEPLOYED, ROUTE, receiver_of
from friendli_iac.resources.plain import joined
from friendli_iac.resources.spec import BLANK, Spec, get_path

NAMED = 8  # aliases that a sentence spells out
PAST_REVIEW = (
    "W&B has Friendli roll each new version out by itself, with a Friendli token that is kept in "
    "W&B. No plan is reviewed, no probe is sent, and no pin holds off what failed"
)
# What no expression for one alias matches.
_NOBODYS = ("0-nobody", "nobody_0.x")


class AutomationsApi(Protocol):
    """What is read of W&B to find out which automations an event fires."""

    def automations(self, entity: str, *, fresh: bool = False) -> list[dict[str, Any]]: ...
    def aliases(self, path: str) -> list[str]: ...


def covers(scope: str, place: str) -> bool:
    """Whether events at `place` happen within `scope` (paths of entity, project, collection)."""
    return place == scope or place.startswith(f"{scope}/")


def lint(
    api: AutomationsApi | None,
    address: str,
    place: str,
    spec: Spec,
    every: Mapping[str, Spec],
    ours: Collection[str],
) -> tuple[str, ...]:
    """Warnings, for people. `every` are the specifications of all that is wanted, by address; where
    there is an `api`, it is asked for live aliases and for automations whose ids are not `ours`.
    """
    found = [*_expression(spec), *_twins(address, place, spec, every), *_receiver(spec, every)]
    found += [*_secrets(spec, every), *_deployed(spec, every), *_written(spec, every)]
    if api is not None:
        found += _live(api, place, spec, ours)
    return tuple(found)


def disagreements(spec: Spec, every: Mapping[str, Spec]) -> list[tuple[str, str, str]]:
    """See `Kind.disagreements`. What is not among `every` is not judged."""
    found = []
    deployed = f"Endpoint/{spec.get('deploys')}"
    endpoint = every.get(deployed)
    if endpoint is not None and "wandb" not in endpoint.get("model", {}):
        message, remedy = NOT_DEPLOYED
        found.append(("deploys", message.format(endpoint=deployed), remedy))
    elif endpoint is not None and _direct(spec):
        found += _foreign_events(spec, deployed, get_path(endpoint, ARTIFACT))
    if spec.get("promotion") == "pull-request" and "payload" not in spec:
        if "aliasAdded" not in spec["trigger"]:
            message = "a pull request is for the version of an alias, and this event has none"
            found.append(("trigger", message, "write aliasAdded, or write the payload out"))
        url = get_path(every.get(f"Webhook/{spec.get('webhook')}", {}), "url")
        if url is not None and receiver_of(url) not in ("github", "gitlab"):
            message, remedy = NO_FORGE
            found.append(("webhook", message.format(url=url), remedy))
    return found


def _foreign_events(spec: Spec, deployed: str, said: Any) -> Iterator[tuple[str, str, str]]:
    """That what fires it is about another artifact than the one that `deployed` serves."""
    if not isinstance(said, str) or BLANK in said or BLANK in place_in(spec):
        return  # a plan with it is refused
    artifact, place = ArtifactName.parse(said), place_in(spec)
    if place != artifact.path:
        scope = next(key for key in SCOPES if key in spec)
        yield (
            scope,
            f"{deployed} is of {artifact.path}, and events of {place} would roll out on it "
            "whatever else is in there",
            f"write collection: {artifact.path}",
        )
    pattern = spec["trigger"].get("aliasAdded")
    if pattern is None or artifact.is_version or pattern in _exactly(artifact.at):
        return
    matches = _fires(spec, "aliasAdded", artifact.at)
    if matches is None:
        yield (
            "trigger.aliasAdded",
            f"which aliases {pattern} matches cannot be told, and each would decide what "
            f"{deployed} serves",
            f"write {_exactly(artifact.at)[0]}",
        )
    if matches is False:
        yield (
            "trigger.aliasAdded",
            f"{pattern} does not match {artifact.at}, the alias that {deployed} says: another one "
            "would decide what it serves",
            f"write {_exactly(artifact.at)[0]}, or say the other alias in model.wandb.artifact",
        )


def _direct(spec: Spec) -> bool:
    """Whether events roll versions out, past the manifest."""
    return spec.get("promotion") == "direct" and bool(spec.get("enabled", True))


def _exactly(alias: str) -> tuple[str, ...]:
    """The expressions that match this alias, and nothing else."""
    return f"^{escaped(alias)}$", f"^{re.escape(alias)}$"


def _expression(spec: Spec) -> Iterator[str]:
    if not spec.get("enabled", True):
        yield "it is disabled: nothing fires it"
    for key, (_, about) in EVENTS.items():
        pattern = spec["trigger"].get(key)
        if not about or not isinstance(pattern, str):
            continue
        if safe_regex(pattern) is None:
            yield (
                f"which {about} trigger.{key} {pattern} matches cannot be told here: too many of "
                "its parts are repeated, or dialects differ on it; write a simpler one"
            )
        if all(_fires(spec, key, text) for text in _NOBODYS):
            yield f"trigger.{key} {pattern} matches every {about}: each one fires it"
        elif not (pattern.startswith("^") and pattern.endswith("$")):
            yield (
                f"trigger.{key} {pattern} is not anchored: it matches any {about} that holds it; "
                f"write ^{pattern.removeprefix('^').removesuffix('$')}$"
            )


def _twins(address: str, place: str, spec: Spec, every: Mapping[str, Spec]) -> Iterator[str]:
    """Others of these manifests that one event would fire, too."""
    if not spec.get("enabled", True):
        return
    for other, theirs in every.items():
        if other == address or "trigger" not in theirs or not theirs.get("enabled", True):
            continue
        scope = place_in(theirs)
        if (covers(scope, place) or covers(place, scope)) and _same_event(spec, theirs, ()):
            yield f"one event would fire {other}, too: both are carried out"


def _receiver(spec: Spec, every: Mapping[str, Spec]) -> Iterator[str]:
    """That what it calls cannot do what it is for."""
    called = every.get(f"Webhook/{spec.get('webhook')}", {})
    url, promotion = called.get("url"), spec.get("promotion")
    if not isinstance(url, str) or promotion is None:
        return
    receiver, webhook = receiver_of(url), f"Webhook/{spec['webhook']}"
    if promotion == "direct" and (receiver != "friendli" or urlsplit(url).hostname != FRIENDLI):
        yield f"{webhook} points elsewhere ({url}), and not at https://{FRIENDLI}{ROUTE}"
    if promotion == "pull-request" and receiver not in ("github", "gitlab"):
        yield f"{webhook} points elsewhere ({url}), and neither at GitHub nor at GitLab"
    if receiver and "accessTokenSecret" not in called:
        yield f"{webhook} names no accessTokenSecret: without a token, {url} refuses it"


def _deployed(spec: Spec, every: Mapping[str, Spec]) -> Iterator[str]:
    """That an event decides more, or a pull request less, than the endpoint's manifest shows."""
    deployed, promotion = f"Endpoint/{spec.get('deploys')}", spec.get("promotion")
    endpoint = every.get(deployed, {})
    desired, said = endpoint.get("desired"), get_path(endpoint, ARTIFACT)
    if not spec.get("enabled", True) or promotion is None:
        return
    if promotion == "direct" and desired in ("sleeping", "terminated"):
        yield f"{deployed} is to be {desired}, and the next event may start it again"
    if not isinstance(said, str) or BLANK in said:
        return
    artifact, (event, *_) = ArtifactName.parse(said), spec["trigger"]
    if promotion == "direct" and event != "aliasAdded":
        yield (
            f"trigger.{event}: each such event rolls its version out on {deployed}, whatever "
            f"{artifact.at} means, which the manifest says"
        )
    elif promotion == "direct" and artifact.is_version:
        yield (
            f"{deployed} says the version {artifact.at}, and the next event rolls another one out "
            "on it, whatever the manifest says"
        )
    elif promotion == "direct" and spec["trigger"][event] not in _exactly(artifact.at):
        yield (
            f"trigger.{event} {spec['trigger'][event]}: other aliases than {artifact.at} that it "
            f"matches roll their versions out on {deployed}, too; write {_exactly(artifact.at)[0]}"
        )
    if promotion == "pull-request" and not artifact.is_version:
        yield (
            f"{deployed} says the alias {artifact.at}, so that a pull request does not decide: the "
            "next apply takes whatever it means then, merged or not. Write the version, such as "
            f"{artifact.path}:v7"
        )


def _written(spec: Spec, every: Mapping[str, Spec]) -> Iterator[str]:
    """That a payload that was written out deploys: what it does, no plan shows."""
    url = get_path(every.get(f"Webhook/{spec.get('webhook')}", {}), "url")
    payload = spec.get("payload", {})
    deploys = "wandbArtifactVersionName" in payload and spec.get("promotion") != "direct"
    if not deploys or not isinstance(url, str) or receiver_of(url) != "friendli":
        return
    yield f"its payload is written out, and goes to Friendli: {PAST_REVIEW}"
    key, project = payload.get("idempotencyKey"), payload.get("projectId")
    near = [one for one in every.values() if get_path(one, "model.wandb") is not None]
    keys = [get_path(one, IDEMPOTENCY_KEY) for one in near if one.get("project") == project]
    if key is None or not (key in keys or None in keys):  # None: nobody can tell yet
        yield (
            f"{'each' if key is None else 'the first'} event makes one more endpoint, which "
            "nothing here knows: no policy judges its GPU and its replicas, and no plan its cost"
        )


def _secrets(spec: Spec, every: Mapping[str, Spec]) -> Iterator[str]:
    """W&B's history of an automation shows what was sent, and says that it does not mask it."""
    webhook = every.get(f"Webhook/{spec.get('webhook')}", {})
    names = ["ACCESS_TOKEN", *(webhook.get(k) for k in ("accessTokenSecret", "signingSecret"))]
    text = json.dumps(spec.get("payload", {}))
    for name in dict.fromkeys(filter(None, names)):
        if f"${{{name}}}" in text:
            yield f"its payload holds the secret {name}: W&B's history shows payloads unmasked"


def _live(api: AutomationsApi, place: str, spec: Spec, ours: Collection[str]) -> Iterator[str]:
    """What W&B shows: aliases that it is about, and other people's automations."""
    aliases: list[str] = []
    if place.count("/") == 2:
        try:
            aliases = api.aliases(place)
        except ApiError as error:
            if isinstance(error, AuthError | Unreachable):
                raise
        pattern = spec["trigger"].get("aliasAdded")
        if pattern and all(_fires(spec, "aliasAdded", alias) is False for alias in aliases):
            has = f"it has {', '.join(aliases[:NAMED])}" if aliases else "it has none"
            yield f"trigger.aliasAdded {pattern} matches no alias that {place} has now: {has}"
    if not spec.get("enabled", True):
        return
    for node in api.automations(place.partition("/")[0]):
        theirs, (_, scope) = read_automation(node), scope_of(node)
        if joined(scope, str(node["id"])) in ours:
            continue
        near = scope and (covers(scope, place) or covers(place, scope))
        if near and theirs["enabled"] and _same_event(spec, theirs, aliases):
            yield (
                f"one event would fire the automation {theirs['name']!r} of {scope}, too, which "
                "is not ours: both are carried out"
            )


def _same_event(one: Spec, other: Spec, aliases: tuple[str, ...] | list[str]) -> bool:
    """Whether some event fires both, as far as examples can tell: what their expressions spell, and
    the aliases that there are.
    """
    texts = {*aliases, *_spelled(one), *_spelled(other)}
    return any(
        fires(one["trigger"], event, {"alias": text, "tag": text})
        and fires(other["trigger"], event, {"alias": text, "tag": text})
        for event, _ in EVENTS.values()
        for text in texts or {""}
    )


def _spelled(spec: Spec) -> Iterator[str]:
    for key, value in spec["trigger"].items():
        if key in EVENTS and isinstance(value, str):
            yield value.removeprefix("^").removesuffix("$").replace("\\", "")


def _fires(spec: Spec, key: str, text: str) -> bool | None:
    event, about = EVENTS[key]
    return fires(spec["trigger"], event, {about: text})

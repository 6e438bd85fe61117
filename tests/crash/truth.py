"""Our own records beside the emulator's: what was sent, what became of it, and whose it was.

The mapping of settings is written here once more, apart from the program's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

KEPT = 20  # records of each resource in state
OURS = re.compile(r"friendli-iac Endpoint/\S+ .*?key=(\w+) by=")


def said(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a specification says, by the emulator's names of settings; dotted for `advanced`."""
    model, engine, scaling = (
        spec.get("model", {}),
        spec.get("engine", {}),
        spec.get("autoscaling", {}),
    )
    queue = engine.get("queue", {})
    found = {
        "name": spec.get("name"),
        "hfModelRepo": model.get("huggingFace", {}).get("repo"),
        "hfModelRepoRevision": model.get("huggingFace", {}).get("revision"),
        "uploadedModelId": model.get("uploaded", {}).get("id"),
        "autoscalingPolicy.minReplica": scaling.get("minReplicas"),
        "autoscalingPolicy.maxReplica": scaling.get("maxReplicas"),
        "autoscalingPolicy.cooldownPeriod": scaling.get("cooldown"),
        "simplescale.replicas": scaling.get("replicas"),
        "advanced.max_batch_size": engine.get("maxBatchSize"),
        "advanced.max_input_length": engine.get("maxInputLength"),
        "advanced.max_token_count": engine.get("maxTokenCount"),
        "advanced.enable_content_logging": engine.get("contentLogging"),
        "advanced.queue_timeout_ms": queue.get("timeoutMs"),
    }
    return {key: value for key, value in found.items() if value is not None}


WRITE_ONLY = (
    "hfModelRepo",
    "hfModelRepoRevision",
    "uploadedModelId",
    "simplescale.replicas",
    "advanced.max_token_count",
    "advanced.enable_content_logging",
    "advanced.queue_timeout_ms",
)


def value_of(settings: Mapping[str, Any], dotted: str) -> Any:
    """One setting that the emulator keeps."""
    found: Any = settings
    for key in dotted.split("."):
        found = found.get(key) if found else None
    return found


def differences(spec: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Where the emulator keeps something else than `spec` says: what is said, and what is kept."""
    wanted = said(spec)
    return {
        key: (value, value_of(settings, key))
        for key, value in wanted.items()
        if value_of(settings, key) != value
    }


def dropped_unseen(resource: Mapping[str, Any], endpoint: Mapping[str, Any]) -> bool:
    """Whether the service dropped a version of ours, lists it all the same, and shows nothing by
    which that could be told: all that it changed cannot be read.
    """
    return any(
        record["version"] is not None
        and record["version"] > endpoint["serving"]
        and record["outcome"] in ("good", "unverified")
        for record in resource["history"]
    )


def check_history(resource: Mapping[str, Any], endpoint: Mapping[str, Any]) -> None:
    """That what state tells of the versions of a resource (as its document has it) is true."""
    versions, history = endpoint["versions"], resource["history"]
    keys = {}
    for number, version in enumerate(versions):
        mark = OURS.search(version["comment"] or "")
        if mark:
            keys[number] = mark[1]
    told, numbers = {}, set(range(len(versions)))
    for record in history:
        number = record["version"]
        if number is None:
            continue
        if keys.get(number) != record["key"]:
            # One that was dropped has left no version, and the next one has its number.
            assert record["outcome"] in ("not applied", "sent"), (number, record["outcome"], keys)
            continue
        told[number] = record
        wrong = differences(record["spec"], versions[number]["settings"])
        assert not wrong, f"version {number} is recorded otherwise than it was sent: {wrong}"
    if len(history) < KEPT and not resource["adopted"]:
        vague = len([record for record in history if record["version"] is None])  # killed just then
        # Of two versions since a kill, one of ours and one of theirs, nobody can tell which is
        # whose: the next plan calls that unknown.
        between = {n for n in keys if keys.keys() & {n - 1, n + 1} != ({n - 1, n + 1} & numbers)}
        missing = keys.keys() - told.keys() - between
        assert len(missing) <= vague, (missing, history, keys)
    serving = endpoint["serving"]
    dropped = [n for n, record in told.items() if record["outcome"] == "not applied"]
    assert serving not in dropped, f"version {serving} serves, and is told as dropped"
    proved = resource["pending"] is None and resource["pin"] is None
    proved = proved and not dropped_unseen(resource, endpoint)
    # Where a rollback was dropped, what had failed may have come back by itself.
    proved = proved and history[-1]["outcome"] != "not applied"
    if serving in told and proved and endpoint["status"] in ("RUNNING", "SLEEPING"):
        assert told[serving]["outcome"] in ("good", "unverified"), told[serving]["outcome"]

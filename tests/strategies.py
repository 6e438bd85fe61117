"""Random manifests: every field that can be said, in every combination that is allowed."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from friendli_iac.resources import instances

TEXT = st.text("abcdefghij0123456789-", min_size=1, max_size=12).filter(
    lambda text: text.strip("-") == text
)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A block in which every field may be missing."""
    return st.fixed_dictionaries({}, optional=fields)


models = st.one_of(
    st.fixed_dictionaries(
        {
            "huggingFace": st.fixed_dictionaries(
                {"repo": TEXT.map(lambda t: f"acme/m{t}")},
                optional={"revision": TEXT.map(lambda t: f"r{t}")},
            )
        }
    ),
    st.fixed_dictionaries({"uploaded": st.fixed_dictionaries({"id": TEXT.map(lambda t: f"u{t}")})}),
    st.fixed_dictionaries(
        {
            "wandb": st.fixed_dictionaries(
                {"artifact": st.integers(0, 3).map(lambda n: f"acme/models/chat:v{n}")}
            )
        }
    ),
)

gpus = st.one_of(
    st.fixed_dictionaries(
        {"gpu": st.sampled_from(instances.GPUS)}, optional={"count": st.sampled_from([1, 2, 4, 8])}
    ),
    st.fixed_dictionaries(
        {"optionId": st.sampled_from([instances.option_id("H100", 2), "b300x1"])}
    ),
)


@st.composite
def autoscalings(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"replicas": draw(st.integers(1, 5))}
    low = draw(st.integers(0, 3))
    return {
        "minReplicas": low,
        "maxReplicas": draw(st.integers(max(1, low), 10)),
        "cooldown": f"{draw(st.integers(60, 3600))}s",
    }


engines = optional(
    maxBatchSize=st.integers(1, 512),
    maxInputLength=st.integers(1, 9999),
    maxContextLength=st.integers(1, 9999),
    maxTokenCount=st.integers(1, 9999),
    contentLogging=st.booleans(),
    tokenizer=optional(addSpecialTokens=st.booleans(), skipSpecialTokens=st.booleans()),
    queue=optional(
        timeoutMs=st.integers(0, 60000),
        backpressure=st.fixed_dictionaries(
            {
                "metric": st.sampled_from(["TTFT_MS", "REQUEST_COUNT"]),
                "threshold": st.integers(1, 1000).map(lambda n: n / 2),
            }
        ),
    ),
)

specs = st.fixed_dictionaries(
    {"project": st.just("p1"), "model": models, "instance": gpus},
    optional={
        "autoscaling": autoscalings(),
        "engine": engines,
        "versionComment": TEXT,
        "lifecycle": optional(
            ignoreChanges=st.lists(
                st.sampled_from(["autoscaling", "engine.maxBatchSize", "engine.queue"]),
                unique=True,
            )
        ),
    },
)

labels = st.dictionaries(st.sampled_from(["team", "tier"]), TEXT, max_size=2)


@st.composite
def documents(draw: st.DrawFn, names: tuple[str, ...] = ("a", "b", "c")) -> list[dict[str, Any]]:
    """Manifest documents with distinct names, each depending only on earlier ones."""
    chosen = draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    made = []
    for number, name in enumerate(chosen):
        metadata: dict[str, Any] = {"name": name, "labels": draw(labels)}
        needs = draw(st.lists(st.sampled_from(chosen[:number]), unique=True)) if number else []
        if needs:
            metadata["dependsOn"] = [f"Endpoint/{need}" for need in needs]
        spec = draw(specs)
        if "wandb" in spec["model"]:
            spec["model"] = {"wandb": {**spec["model"]["wandb"], "idempotencyKey": f"key-{name}"}}
        made.append(
            {
                "apiVersion": "friendli-iac/v1",
                "kind": "Endpoint",
                "metadata": metadata,
                "spec": spec,
            }
        )
    return made


# --- the life of endpoints, for tests/test_stateful.py: spec paths with `__` for dots ---

PROBE = {"chat": {"messages": [{"role": "user", "content": "OK?"}], "expect": {"contains": "OK"}}}

rollouts = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.just(60),
        "probe": st.just(PROBE),
        "bake": st.just(30),
        "onFailure": st.sampled_from(["rollback", "halt"]),
        "onCreateFailure": st.sampled_from(["terminate", "keep"]),
        "wave": st.integers(1, 3),
    },
)

life_paths = st.one_of(
    st.fixed_dictionaries({"engine__maxBatchSize": st.sampled_from([32, 64, 128])}),
    st.fixed_dictionaries({"engine__maxTokenCount": st.sampled_from([1000, 2000])}),
    st.fixed_dictionaries({"engine__contentLogging": st.booleans()}),
    st.fixed_dictionaries({"engine__queue": st.sampled_from([{"timeoutMs": 5}, {"timeoutMs": 9}])}),
    st.fixed_dictionaries(
        {
            "model__huggingFace": st.sampled_from(
                [{"repo": "acme/one"}, {"repo": "acme/two"}, {"repo": "acme/two", "revision": "r1"}]
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "autoscaling": st.sampled_from(
                [
                    {"replicas": 2},
                    {"minReplicas": 0, "maxReplicas": 2, "cooldown": 300},
                    {"minReplicas": 1, "maxReplicas": 3, "cooldown": 600},
                ]
            )
        }
    ),
    st.fixed_dictionaries({"labels": st.sampled_from([{}, {"team": "x"}])}),
    st.fixed_dictionaries({"rollout": rollouts}),
    st.fixed_dictionaries({"desired": st.sampled_from(["running", "sleeping", "terminated"])}),
    st.fixed_dictionaries(
        {
            "project": st.sampled_from(["p1", "p2"]),
            "lifecycle": st.fixed_dictionaries({"createBeforeDestroy": st.booleans()}),
        }
    ),
)

rollout_outcomes = st.lists(
    st.sampled_from(
        [
            "INFERENCE_ENGINE_MEMORY_ERROR",
            "WORKLOAD_INIT_DOWNLOAD_ERROR",
            "SOME_FUTURE_ERROR",
            "shown:INFERENCE_ENGINE_MEMORY_ERROR",
            "down:INFERENCE_ENGINE_MEMORY_ERROR",
            "down:WORKLOAD_INIT_DOWNLOAD_ERROR",
            "ignored",
            "never",
            "ok",
        ]
    ),
    max_size=3,
)

web_changes = st.one_of(
    st.fixed_dictionaries({"hfModelRepo": st.sampled_from(["acme/theirs", "acme/one"])}),
    st.fixed_dictionaries(
        {
            "advanced": st.fixed_dictionaries(
                {
                    "tokenizer_skip_special_tokens": st.booleans(),
                    "tokenizer_add_special_tokens": st.booleans(),
                    "max_batch_size": st.sampled_from([7, 64]),
                }
            )
        }
    ),
)

_where = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["*", "GET", "PUT", "POST", "DELETE"]),
        "path": st.just("/dedicated/"),
        "nth": st.integers(1, 6),
        "count": st.integers(1, 3),
    }
)
_how = st.sampled_from(
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "when": "after"},
        {"kind": "status", "status": 429, "retry_after": 1.0},
        {"kind": "status", "status": 400},
        {"kind": "drop"},
        {"kind": "drop", "when": "after"},
        {"kind": "html", "when": "after"},
        {"kind": "truncate", "when": "after"},
        {"kind": "stale_list", "seconds": 20.0},
    ]
)
faults = st.tuples(_where, _how).map(lambda both: {**both[0], **both[1]})
"""What goes wrong between a request and its answer."""

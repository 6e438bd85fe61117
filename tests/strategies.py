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
        made.append(
            {
                "apiVersion": "friendli-iac/v1",
                "kind": "Endpoint",
                "metadata": metadata,
                "spec": draw(specs),
            }
        )
    return made

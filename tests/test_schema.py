"""The generated schemas: up to date, complete, and of one mind with the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from friendli_iac.manifest import json_schema
from friendli_iac.manifest.schema import settings_schema
from friendli_iac.resources import KINDS, TEMPLATES
from friendli_iac.resources.spec import leaves
from scripts.schemas import main, stale_schemas
from tests.manifest_files import ENDPOINT, POLICY, endpoint

SCHEMAS = Path(__file__).parent.parent / "schemas"
FULL = """\
  autoscaling: {minReplicas: 0, maxReplicas: 2, cooldown: 1h30m}
  engine:
    maxBatchSize: 64
    contentLogging: true
    tokenizer: {addSpecialTokens: true, skipSpecialTokens: false}
    queue: {timeoutMs: 30000, backpressure: {metric: TTFT_MS, threshold: 0.5}}
  versionComment: hello
  lifecycle: {preventDestroy: true, ignoreChanges: [autoscaling.maxReplicas]}
"""
GOOD = [
    ENDPOINT,
    POLICY,
    endpoint(extra=FULL),
    endpoint(extra="  autoscaling: {policy: interactive}\n"),
    endpoint(extra="  autoscaling: {replicas: 2}\n"),
    endpoint(extra="  autoscaling: {maxReplicas: '${var.max}', cooldown: '${var.minutes}m'}\n"),
    endpoint(extra="  engine: {contentLogging: '${var.log}', queue: '${var.queue}'}\n"),
    endpoint("chat-${var.x}").replace("p1", "${env:FRIENDLI_PROJECT_ID}"),
    ENDPOINT.replace("  project: p1\n", ""),  # may come from the defaults
    ENDPOINT.replace("labels: {team: search}", "dependsOn: [Endpoint/a]"),
]
BAD = [
    ENDPOINT.replace("/v1", "/v2"),
    ENDPOINT.replace("kind: Endpoint", "kind: Endpiont"),
    ENDPOINT.replace("name: chat", "name: Chat"),
    ENDPOINT.replace("  name: chat\n", ""),
    ENDPOINT.replace("{team: search}", "{team: 1}"),
    ENDPOINT + "status: {}\n",
    endpoint(extra="  maxReplicas: 3\n"),
    endpoint(extra="  autoscaling: {maxReplica: 3}\n"),
    endpoint(extra="  autoscaling: {maxReplicas: '3'}\n"),
    endpoint(extra="  autoscaling: {maxReplicas: 11}\n"),
    endpoint(extra="  autoscaling: {cooldown: 300}\n"),
    endpoint(extra="  autoscaling: {replicas: 2, maxReplicas: 3}\n"),
    endpoint(extra="  autoscaling: {policy: a, maxReplicas: 3}\n"),
    endpoint(extra="  engine: null\n"),
    endpoint(extra="  engine: {queue: {backpressure: {metric: ttft}}}\n"),
    endpoint(extra="  engine: {contentLogging: 'yes'}\n"),
    POLICY.replace("minReplicas: 1", "replicas: 1"),
    POLICY.replace("10m", "ten minutes"),
]


def flagged(schema: dict[str, Any], text: str) -> bool:
    return not Draft7Validator(schema).is_valid(yaml.safe_load(text))


def test_the_generated_files_are_not_stale() -> None:
    assert stale_schemas() == [], "run: make schemas"


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert "friendli-iac.v1.json is stale" in capsys.readouterr().err
    assert main(["--write", str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "friendli-iac.v1.json").read_text()) == json_schema()
    assert main([]) == 64


@pytest.mark.parametrize("schema", [json_schema(), settings_schema()])
def test_the_schemas_are_draft_07_without_null(schema: dict[str, Any]) -> None:
    Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "$defs" not in text
    assert '"null"' not in text
    assert "prefixItems" not in text


@pytest.mark.parametrize("text", GOOD)
def test_good_documents_are_not_flagged(text: str) -> None:
    assert not flagged(json_schema(), text)


@pytest.mark.parametrize("text", BAD)
def test_bad_documents_are_flagged(text: str) -> None:
    assert flagged(json_schema(), text)


def test_every_field_is_in_the_schema_with_a_description() -> None:
    definitions = json_schema()["definitions"]
    models = [*(kind.model for kind in KINDS.values()), *TEMPLATES.values()]
    paths = [
        (model, path)
        for model in models
        for path, leaf in leaves(model).items()
        if not leaf.derived  # which manifests cannot write
    ]
    assert len(paths) > 20
    for model, path in paths:
        here = definitions[model.__name__]
        *blocks, last = path.split(".")
        for block in blocks:
            here = definitions[here["properties"][block]["anyOf"][0]["$ref"].split("/")[-1]]
            assert here["description"]
        assert len(here["properties"][last]["description"]) > 10, path


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "manifests: [endpoints, '*.yaml']",
        "variables: {a: 1, b: text, c: true, d: {description: D, sensitive: true}}",
        "variables: {e: {default: 2}}",
        "state: .friendli-iac/state.json",
        "defaults: {Endpoint: {project: p, autoscaling: {maxReplicas: 3}}, AutoscalingPolicy: {}}",
    ],
)
def test_good_settings_are_not_flagged(text: str) -> None:
    assert not flagged(settings_schema(), text)


@pytest.mark.parametrize(
    "text",
    [
        "token: x",
        "manifests: a.yaml",
        "variables: {a: {sensitive: 1}}",
        "variables: {1a: 1}",
        "defaults: {Endpont: {}}",
        "defaults: {Endpoint: {engine: {maxBatchSiz: 3}}}",
    ],
)
def test_bad_settings_are_flagged(text: str) -> None:
    assert flagged(settings_schema(), text)

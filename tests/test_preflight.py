"""What preflight says of the models in the manifests: the command, against a hub on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakehub import CONFIG, FakeHub, model
from tests.harness import Project, Result, endpoint

TOKEN = "hf_canary0123456789secret"
PROBE = "  rollout: {probe: {chat: {messages: [{role: user, content: hi}]}}}\n"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def project(tmp_path: Path, hub: FakeHub) -> Project:
    env = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "cache")}
    project = Project(tmp_path / "project", "http://127.0.0.1:9", env)
    del project.env["FRIENDLI_TOKEN"]  # none of this needs it
    return project


def look(project: Project, manifest: str, **env: str) -> Result:
    project.write(manifest)
    return project.run("preflight", env=env)


def levels(project: Project, manifest: str, **env: str) -> dict[str, str]:
    """The checks of the one endpoint, level by text."""
    project.write(manifest)
    result = project.run("preflight", "--format", "json", env=env)
    (resource,) = result.json["resources"]
    assert resource["passed"] is (result.code == 0), result
    return {check["text"]: check["level"] for check in resource["checks"]}


def with_instance(instance: str) -> str:
    return endpoint().replace("instance: {gpu: H100, count: 1}", f"instance: {{{instance}}}")


def test_a_public_model_that_fits(project: Project, hub: FakeHub) -> None:
    commit = hub.add("acme/model").refs["main"]
    result = look(project, endpoint(more=PROBE))
    assert result.code == 0, result
    assert result.out.splitlines() == [
        f"Endpoint/chat  acme/model @ default branch = {commit[:12]}",
        f"  ok       acme/model at {commit[:7]}: public",
        "  ok       2 safetensors files",
        "  ok       config.json is there",
        "  ok       it has a chat template",
        "  ok       weights 16.1 GB (bfloat16) on 80 GB (1 × H100)",
    ]
    assert result.err == "1 checked, 0 failed\n"


@pytest.mark.parametrize(
    ("gigabytes", "instance", "level", "text", "remedy"),
    [
        (60, "gpu: H100, count: 1", "ok", "on 80 GB (1 × H100)", ""),
        (70, "gpu: H100, count: 1", "warn", "TIGHT", "2 × H100 or 1 × H200"),
        (70, "gpu: H100, count: 1", "warn", "TIGHT", "a quantized model, 2 × H100 or 1"),
        (141, "gpu: H100, count: 1", "fail", "do not fit", "4 × H100 or 1 × B200"),
        (141, "gpu: H100, count: 4", "ok", "on 320 GB (4 × H100)", ""),
        (5000, "gpu: B300, count: 8", "fail", "on 2304 GB (8 × B300)", "a quantized model."),
        (60, "gpu: A100 80GB", "ok", "on 80 GB (1 × A100 80GB)", ""),
        (16, "optionId: new", "UNKNOWN", "memory of instance option new is not known", ""),
    ],
)
def test_the_weights_against_the_memory(
    project: Project,
    hub: FakeHub,
    gigabytes: float,
    instance: str,
    level: str,
    text: str,
    remedy: str,
) -> None:
    hub.add("acme/model", model(gigabytes))
    project.write(with_instance(instance))
    result = project.run("preflight", "--format", "json")
    check = result.json["resources"][0]["checks"][-1]
    assert check["level"] == level
    assert f"weights {gigabytes}.0 GB" in check["text"]
    assert text in check["text"]
    assert remedy in check["remedy"]
    assert result.code == (1 if level == "fail" else 0)


def test_a_quantized_model_is_not_told_to_be_quantized(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model", model(70, config={"quantization_config": {"quant_method": "fp8"}}))
    result = look(project, endpoint())
    assert "weights 70.0 GB (fp8) on 80 GB (1 × H100): TIGHT" in result.out
    assert "Use 2 × H100 or 1 × H200." in result.out


def test_each_weight_is_counted_once(project: Project, hub: FakeHub) -> None:
    copies = {"consolidated.safetensors": 16_100_000_000, "original/x.safetensors": 5}
    hub.add("acme/model", model(16.1, more=copies))
    assert "weights 16.1 GB" in look(project, endpoint()).out


def test_a_size_that_the_hub_does_not_tell_is_unknown(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model", model(more={"model-00001-of-00002.safetensors": -1}))
    found = levels(project, endpoint())
    assert found["the size of the weights: the hub does not tell it"] == "UNKNOWN"


def _without(files: dict[str, bytes | int], *endings: str) -> dict[str, bytes | int]:
    return {name: content for name, content in files.items() if not name.endswith(endings)}


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (
            {**_without(model(), ".safetensors"), "pytorch_model.bin": 9, "x.gguf": 9},
            "there are no safetensors files, only .bin, .gguf",
        ),
        (_without(model(), ".safetensors"), "there are no safetensors files"),
        (
            {**_without(model(), ".safetensors"), "fp16/model.safetensors": 9},
            "the safetensors files are not in the top folder, but in fp16",
        ),
        (_without(model(), "config.json"), "config.json is missing"),
        (
            {**_without(model(), "config.json"), "text/config.json": b"{}"},
            "config.json is not in the top folder, but in text",
        ),
        (
            {"adapter_model.safetensors": 9, "adapter_config.json": b"{}"},
            "it is an adapter, not a whole model: there is only adapter_model.safetensors",
        ),
    ],
)
def test_what_cannot_be_served_fails(
    project: Project, hub: FakeHub, files: dict[str, bytes | int], text: str
) -> None:
    hub.add("acme/model", files)
    assert levels(project, endpoint())[text] == "fail"


@pytest.mark.parametrize(
    ("files", "level"),
    [
        (model(), "ok"),
        (model(tokenizer={"chat_template": [{"name": "default", "template": "x"}]}), "ok"),
        (model(tokenizer={}, more={"chat_template.jinja": b"x"}), "ok"),
        (model(tokenizer={}), "warn"),
        (_without(model(), "tokenizer_config.json"), "warn"),
        (model(more={"tokenizer_config.json": b"{"}), "UNKNOWN"),
    ],
)
def test_a_chat_probe_needs_a_chat_template(
    project: Project, hub: FakeHub, files: dict[str, bytes | int], level: str
) -> None:
    hub.add("acme/model", files)
    found = levels(project, endpoint(more=PROBE))
    assert [each for text, each in found.items() if "chat template" in text] == [level]
    assert not [text for text in levels(project, endpoint()) if "chat template" in text]


@pytest.mark.parametrize("gated", [True, False])
def test_what_is_not_public_is_named(project: Project, hub: FakeHub, gated: bool) -> None:
    hub.add("acme/model", gated="manual" if gated else False, private=not gated, readers={TOKEN})
    kind = "gated" if gated else "private"
    integration = f"whether Friendli's own Hugging Face integration may read it: it is {kind}"
    with_token = look(project, endpoint(), HF_TOKEN=TOKEN)
    assert f"{kind}, and the token here may read it" in with_token.out
    assert f"  UNKNOWN  {integration}" in with_token.out
    without = look(project, endpoint())
    assert without.code == with_token.code == 0
    if gated:  # its file list is for everybody
        assert "gated, and there is no HF_TOKEN here" in without.out
        assert f"  UNKNOWN  {integration}" in without.out
        assert "weights 16.1 GB on 80 GB" in without.out
    else:
        assert "  UNKNOWN  acme/model is private, or not on 127.0.0.1" in without.out
        assert "not locked" in without.out


def test_a_file_in_the_cache_is_no_proof_of_access(project: Project, hub: FakeHub) -> None:
    repo = hub.add("acme/model", gated="auto", readers={TOKEN})
    assert "the token here may read it" in look(project, endpoint(), HF_TOKEN=TOKEN).out
    repo.readers.clear()
    assert "the token here may not read it" in look(project, endpoint(), HF_TOKEN=TOKEN).out


def test_what_is_missing(project: Project, hub: FakeHub) -> None:
    hub.tokens.add(TOKEN)
    assert look(project, endpoint()).code == 0  # it may as well be private
    missing = look(project, endpoint(), HF_TOKEN=TOKEN)
    assert missing.code == 1
    assert "fail     acme/model is not on 127.0.0.1, or it is private" in missing.out
    hub.add("acme/model")
    revision = endpoint().replace("repo: acme/model", "repo: acme/model, revision: v9")
    assert "fail     acme/model has no revision 'v9'" in look(project, revision).out
    misspelt = look(project, endpoint(repo="acme/model/extra"))
    assert misspelt.code == 1
    assert "fail     'acme/model/extra' is no name of a repository" in misspelt.out


@pytest.mark.parametrize("form", ["branch", "tag", "short", "full"])
def test_every_form_of_a_revision(project: Project, hub: FakeHub, form: str) -> None:
    repo = hub.add("acme/model")
    commit = repo.push(model(30.0), "dev/new")
    repo.refs["v1"] = commit
    revision = {"branch": "dev/new", "tag": "v1", "short": commit[:8], "full": commit}[form]
    project.write(endpoint().replace("repo: acme/model", f"repo: acme/model, revision: {revision}"))
    (found,) = project.run("preflight", "--format", "json").json["resources"]
    assert (found["revision"], found["commit"]) == (revision, commit)
    assert "weights 30.0 GB" in found["checks"][-1]["text"]


def test_only_what_is_asked_for(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model")
    hub.add("acme/other")
    uploaded = endpoint("own").replace("{huggingFace: {repo: acme/model}}", "{uploaded: {id: u1}}")
    project.write("---\n".join([endpoint(), endpoint("second", repo="acme/other"), uploaded]))
    result = project.run("preflight", "Endpoint/chat")
    assert result.code == 0
    assert "acme/other" not in result.out
    assert all("other" not in request.path for request in hub.requests)
    assert "  UNKNOWN  an uploaded model" in project.run("preflight").out
    unknown = project.run("preflight", "Endpoint/chart")
    assert unknown.code == 64
    assert "Did you mean Endpoint/chat?" in unknown.err


def test_no_word_of_a_strangers_config_steers_the_terminal(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model", model(config={**CONFIG, "torch_dtype": "\x1b[2J" + "x" * 500}))
    out = look(project, endpoint()).out
    assert "weights 16.1 GB on 80 GB" in out
    assert "\x1b" not in out


def test_json_holds_all_of_it(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model", model(200))
    project.write(endpoint())
    result = project.run("preflight", "--format", "json")
    document = json.loads(result.out)
    assert result.code == 1
    assert document["passed"] is False
    assert document["format_version"] == "1.0"
    assert document["resources"][0]["address"] == "Endpoint/chat"


@pytest.mark.parametrize(
    ("there", "text"),
    [
        ([1], "3 of 4 weight files are missing: model-00002-of-00004.safetensors, "),
        ([1, 2, 4], "1 of 4 weight files are missing: model-00003-of-00004.safetensors"),
    ],
)
def test_weights_of_which_files_are_missing_fail(
    project: Project, hub: FakeHub, there: list[int], text: str
) -> None:
    parts = {f"model-{number:05}-of-00004.safetensors": 4_000_000_000 for number in there}
    hub.add("acme/model", {**_without(model(), ".safetensors"), **parts})
    found = levels(project, endpoint())
    assert [level for said, level in found.items() if said.startswith(text)] == ["fail"], found
    assert found["the size of the weights: files are missing"] == "UNKNOWN"


def test_parts_of_another_upload_beside_a_whole_set_do_not_matter(
    project: Project, hub: FakeHub
) -> None:
    hub.add("acme/model", model(more={"model-00001-of-00003.safetensors": 1}))
    assert "fail" not in levels(project, endpoint()).values()


def test_without_a_revision_nothing_is_said_to_go_to_friendli(
    project: Project, hub: FakeHub
) -> None:
    hub.add("acme/model", private=True)
    said = "not locked: no revision is said, and which commit Friendli takes is not known"
    assert said in look(project, endpoint()).out

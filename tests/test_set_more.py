"""`set`: values that are mappings or lists, and variables that have no value here."""

from __future__ import annotations

import pytest
import yaml

from .harness import Project, Result, endpoint

PROBE = "  rollout: {probe: {chat: {messages: [{role: user, content: hi}]}}}\n"


def said(project: Project) -> dict[str, object]:
    spec: dict[str, object] = yaml.safe_load((project.root / "main.yaml").read_text())["spec"]
    return spec


def edited(project: Project, *settings: str) -> Result:
    done = project.run("set", "Endpoint/chat", *settings)
    assert done.code == 0, done
    return done


def test_a_mapping_is_written_on_one_line_and_replaced(project: Project) -> None:
    before = endpoint()
    path = project.write(before)
    done = edited(project, "spec.suite={quantization: 8-bit}")
    assert path.read_text() == before + "  suite: {quantization: 8-bit}\n"
    assert done.out == "main.yaml:10: spec.suite: (not there) → {quantization: 8-bit}\n"
    done = edited(project, 'spec.suite={"quantization": 4-bit, adapters: [a, "x: y"]}')
    assert said(project)["suite"] == {"quantization": "4-bit", "adapters": ["a", "x: y"]}
    assert "{quantization: 8-bit} → " in done.out
    assert (
        "no changes"
        in edited(project, "spec.suite={quantization: 4-bit, adapters: [a, 'x: y']}").err
    )
    edited(project, "spec.suite=none")
    assert path.read_text() == before + "  suite: none\n"
    assert project.run("validate").code == 0


def test_the_body_and_the_messages_of_a_probe(project: Project) -> None:
    project.write(endpoint(more=PROBE))
    edited(
        project,
        "spec.rollout.probe.chat.messages=[{role: user, content: 'costs ${x}'}]",
    )
    messages = said(project)["rollout"]["probe"]["chat"]["messages"]  # type: ignore[index]
    assert messages == [{"role": "user", "content": "costs $${x}"}]
    assert project.run("validate").code == 0


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("spec.suite={quantization: 8-bit", "spec.suite={quantization: 8-bit"),
        ("spec.suite={speed: 1}", "Input should be"),
        ("spec.suite={quantization: 0x1F}", "some readers"),
        ("spec.model.huggingFace.repo={a: b}", "main.yaml"),
        ("spec.sentAdapters=x", "there is no field spec.sentAdapters"),
    ],
)
def test_what_is_no_such_value_is_refused(project: Project, setting: str, told: str) -> None:
    before = endpoint()
    path = project.write(before)
    done = project.run("set", "Endpoint/chat", setting)
    if setting.startswith("spec.model"):  # text that only looks like a mapping
        assert said(project)["model"] == {"huggingFace": {"repo": "{a: b}"}}
        return
    assert done.code == 64, done
    assert told in done.err
    assert path.read_text() == before


def test_a_variable_without_a_value_is_no_obstacle(project: Project) -> None:
    project.write(endpoint().replace("project: p1", "project: ${env:FRIENDLI_PROJECT_ID}"))
    done = edited(project, "spec.engine.maxBatchSize=128")
    assert said(project)["engine"] == {"maxBatchSize": 128}
    assert "FRIENDLI_PROJECT_ID is not set in the environment" in done.err


def test_another_problem_is_still_one(project: Project) -> None:
    text = endpoint().replace("project: p1", "project: ${env:FRIENDLI_PROJECT_ID}")
    path = project.write(text)
    done = project.run("set", "Endpoint/chat", "spec.autoscaling.minReplicas=5")
    assert done.code == 1, done
    assert "FRIENDLI_PROJECT_ID" not in done.err
    assert path.read_text() == text

"""Profiles: what endpoints take from a named part, and which line it came from."""

from __future__ import annotations

from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project, writes

SETTINGS = """\
manifests: [main.yaml, profiles.yaml]
variables: {most: 3}
environments:
  prod: {project: p-prod}
defaults:
  Endpoint: {engine: {maxBatchSize: 1, maxInputLength: 100}}
"""
PROFILES = """\
apiVersion: friendli-iac/v1
kind: Profile
metadata: {name: small}
spec:
  instance: {gpu: H100, count: 1}
  autoscaling: {minReplicas: 0, maxReplicas: "${var.most}"}
  engine: {maxBatchSize: 8, tokenizer: {addSpecialTokens: false}}
---
apiVersion: friendli-iac/v1
kind: Profile
metadata: {name: low-latency}
spec:
  engine: {maxBatchSize: 4}
---
apiVersion: friendli-iac/v1
kind: Profile
metadata: {name: fixed}
spec:
  autoscaling: {replicas: 2}
---
apiVersion: friendli-iac/v1
kind: Profile
metadata: {name: shared}
spec:
  autoscaling: {policy: calm}
---
apiVersion: friendli-iac/v1
kind: AutoscalingPolicy
metadata: {name: calm}
spec: {minReplicas: 1, maxReplicas: 5}
"""
WITH_OVERLAYS = SETTINGS.replace("p-prod}", "p-prod, overlays: [overlays/]}")
CHAT = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: chat}
spec:
  profiles: [small, low-latency]
  model: {uploaded: {id: m-1}}
"""


@pytest.fixture
def made(project: Project) -> Project:
    project.env["FRIENDLI_IAC_ENV"] = "prod"
    project.write(SETTINGS, "friendli-iac.yaml")
    project.write(PROFILES, "profiles.yaml")
    project.write(CHAT)
    return project


def rendered(project: Project) -> dict[str, Any]:
    shown = project.run("render", "--format", "json")
    assert shown.code == 0, shown
    found: dict[str, Any] = shown.json["documents"][0]
    return found


def wrong(project: Project, *arguments: str) -> str:
    done = project.run("validate", *arguments)
    assert done.code == 1, done
    return done.err


def test_who_wins_and_where_it_was_said(made: Project, emulator: Emulator) -> None:
    made.write(CHAT + "  engine: {maxContextLength: 7}\n")
    found = rendered(made)
    assert found["spec"] == {
        "project": "p-prod",
        "name": "chat",
        "model": {"uploaded": {"id": "m-1"}},
        "instance": {"gpu": "H100", "count": 1},
        "autoscaling": {"minReplicas": 0, "maxReplicas": 3},
        "engine": {
            "maxBatchSize": 4,
            "maxInputLength": 100,
            "maxContextLength": 7,
            "contentLogging": False,
            "tokenizer": {"addSpecialTokens": False},
        },
    }
    plan = made.run("plan", "--format", "json").json
    sources = {f["path"]: f["source"] for f in plan["changes"][0]["fields"]}
    assert sources["engine.maxBatchSize"] == "profiles.yaml:13"  # the later profile
    assert sources["engine.maxInputLength"] == "friendli-iac.yaml:6"
    assert sources["engine.maxContextLength"] == "main.yaml:7"
    assert sources["autoscaling.maxReplicas"] == "profiles.yaml:6"
    assert sources["project"] == "friendli-iac.yaml:4"
    assert "profiles" not in sources
    assert made.apply().code == 0
    assert made.run("plan", "--detailed-exitcode").code == 0
    assert [w.split()[0] for w in writes(emulator)] == ["POST"]
    body = next(r["body"] for r in emulator.requests if r["method"] == "POST")
    assert "profiles" not in str(body)


def test_a_profile_wins_over_the_environment_and_loses_to_the_overlay(made: Project) -> None:
    made.write(WITH_OVERLAYS, "friendli-iac.yaml")
    made.write(PROFILES + "---\n" + profile("elsewhere", "project: p-else"), "profiles.yaml")
    made.write(CHAT.replace("low-latency", "elsewhere"))
    made.write(
        CHAT.replace(
            "profiles: [small, low-latency]", "profiles: [small, elsewhere, fixed]"
        ).replace("  model: {uploaded: {id: m-1}}\n", "  engine: {maxBatchSize: 2}\n"),
        "overlays/c.yaml",
    )
    found = rendered(made)
    assert found["spec"]["project"] == "p-else"
    assert found["spec"]["autoscaling"] == {"replicas": 2}  # fixed, and nothing of small's range
    assert found["spec"]["engine"]["maxBatchSize"] == 2
    assert found["sources"]["spec.engine.maxBatchSize"] == "overlays/c.yaml:6"
    assert found["sources"]["spec.autoscaling.replicas"] == "profiles.yaml:19"


def profile(name: str, *lines: str) -> str:
    head = f"apiVersion: friendli-iac/v1\nkind: Profile\nmetadata: {{name: {name}}}\nspec:\n"
    return head + "".join(f"  {line}\n" for line in lines)


def test_alternatives_of_profiles_exclude_each_other(made: Project) -> None:
    for names, scaling in (
        ("[small, fixed]", {"replicas": 2}),
        ("[fixed, small]", {"minReplicas": 0, "maxReplicas": 3}),
        ("[small, shared]", {"minReplicas": 1, "maxReplicas": 5}),
    ):
        made.write(CHAT.replace("[small, low-latency]", names))
        assert rendered(made)["spec"]["autoscaling"] == scaling
    assert rendered(made)["sources"]["spec.autoscaling.maxReplicas"] == "profiles.yaml:30"
    made.write(CHAT.replace("[small, low-latency]", "[small]") + "  autoscaling: {policy: calm}\n")
    assert rendered(made)["spec"]["autoscaling"] == {"minReplicas": 1, "maxReplicas": 5}


def test_an_overlay_patches_a_profile(made: Project) -> None:
    made.write(WITH_OVERLAYS, "friendli-iac.yaml")
    made.write(
        profile("small", "engine: {maxBatchSize: null, maxInputLength: 9}"), "overlays/p.yaml"
    )
    made.write(CHAT.replace(", low-latency", ""))
    found = rendered(made)
    assert found["spec"]["engine"]["maxBatchSize"] == 1  # of the defaults
    assert found["sources"]["spec.engine.maxInputLength"] == "overlays/p.yaml:5"
    assert found["sources"]["spec.engine.tokenizer.addSpecialTokens"] == "profiles.yaml:7"


def test_mistakes_of_profiles_are_told_once_at_their_own_line(made: Project) -> None:
    made.write(
        PROFILES.replace("maxBatchSize: 4", "maxBatchSiz: 4")
        .replace("count: 1", 'count: "one"')
        .replace("{replicas: 2}", "{replicas: 2}\n  profiles: [small]\n  zzz: 1"),
        "profiles.yaml",
    )
    listing = CHAT.replace("low-latency", "low-latency, fixed")
    made.write("---\n".join(listing.replace("chat", name) for name in ("a", "b", "c")))
    said = wrong(made)
    assert said.endswith("4 problems in 1 file\n"), said
    assert 'profiles.yaml:5:32: count must be a whole number, not "one"' in said
    assert "profiles.yaml:13:12: unknown key maxBatchSiz" in said
    assert "profiles.yaml:20:3: unknown key profiles" in said


def test_what_is_missing_is_missing_at_the_endpoint(made: Project) -> None:
    made.write(CHAT.replace("[small, low-latency]", "[low-latency]"))
    said = wrong(made)
    assert said.startswith("main.yaml:4:1: instance is required in spec")
    assert said.endswith("1 problem in 1 file\n"), said
    alone = made.run("validate", "-f", "profiles.yaml")
    assert alone.code == 0, alone  # nothing is missing in a part


def test_an_unknown_profile_is_all_that_is_told(made: Project) -> None:
    made.write(CHAT.replace("[small, low-latency]", "[smal]"))
    said = wrong(made)
    assert "main.yaml:5:14: there is no Profile smal\n" in said
    assert "did you mean small?" in said
    assert said.endswith("1 problem in 1 file\n"), said  # though instance is missing without it
    assert "with -f, only the files that it names are read" in wrong(made, "-f", "main.yaml")
    made.write(CHAT.replace("[small, low-latency]", "small"))
    assert "profiles must be a list" in wrong(made)
    made.write(CHAT.replace("  profiles", "  lifecycle: {ignoreChanges: [profiles]}\n  profiles"))
    assert "there is no field profiles" in wrong(made)


def test_profiles_may_be_a_default(made: Project) -> None:
    made.write(SETTINGS.replace("{engine:", "{profiles: [small], engine:"), "friendli-iac.yaml")
    made.write(CHAT.replace("  profiles: [small, low-latency]\n", ""))
    assert rendered(made)["sources"]["spec.instance.gpu"] == "profiles.yaml:5"
    made.write(SETTINGS.replace("{engine:", "{profiles: [smal], engine:"), "friendli-iac.yaml")
    assert "friendli-iac.yaml:6:25: there is no Profile smal" in wrong(made)


def test_new_set_and_import_know_them(made: Project, emulator: Emulator) -> None:
    assert made.run("new", "big", "--kind", "Profile", "--file", "big.yaml").code == 0
    made.write(SETTINGS.replace("profiles.yaml]", "profiles.yaml, big.yaml]"), "friendli-iac.yaml")
    done = made.run("set", "Profile/big", "spec.engine.maxBatchSize=512")
    assert done.code == 0, done
    done = made.run("set", "Endpoint/chat", "spec.profiles=[small, big]")
    assert done.code == 0, done
    assert rendered(made)["spec"]["engine"]["maxBatchSize"] == 512
    said = made.run("set", "Endpoint/chat", "spec.instance.count=2")
    assert said.code == 1
    assert "is said at big.yaml:" in said.err
    refused = made.run("import", "Endpoint/chat", "x", "--set", "profiles=small")
    assert refused.code == 64, refused

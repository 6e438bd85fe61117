"""LoRA adapters that a person attaches: the step by hand, its proof, and nothing claimed beside."""

from __future__ import annotations

from typing import Any

import pytest

from friendli_iac.emulator import Emulator
from tests.harness import Project, endpoint, writes

ROUTES = ("support-tone", "legal")
CHAT = "Endpoint/chat"


def adapter(name: str, more: str = "") -> str:
    return f"""\
---
apiVersion: friendli-iac/v1
kind: Adapter
metadata: {{name: {name}}}
spec:
  route: {name}
  huggingFace: {{repo: acme/{name}-lora{more}}}
"""


def manifest(*routes: str, listed: bool = True, **options: Any) -> str:
    more = f"  adapters: [{', '.join(routes)}]\n" if listed else ""
    documents = [endpoint(**{"more": more, **options}), *map(adapter, routes)]
    return "".join(documents)


def change(project: Project, *arguments: str) -> Any:
    """The one change of a plan, None when it is empty."""
    planned = project.run("plan", "--format", "json", *arguments)
    assert planned.code == 0, planned
    found = [one for one in planned.json["changes"] if one["action"] != "no-op"]
    assert len(found) < 2
    return found[0] if found else None


def seen(project: Project) -> dict[str, str]:
    found: dict[str, str] = project.state["resources"][CHAT]["routes"]
    return found


def the_id(project: Project) -> str:
    return str(project.state["resources"][CHAT]["id"])


@pytest.fixture
def created(project: Project, emulator: Emulator) -> Project:
    """An endpoint of which nobody attached the adapters that are declared."""
    project.write(manifest(*ROUTES))
    done = project.apply()
    assert done.code == 11, done
    return project


@pytest.fixture
def attached(created: Project, emulator: Emulator) -> Project:
    """An endpoint whose adapters were attached by hand, and proved."""
    emulator.attach_adapter(the_id(created), *ROUTES)
    done = created.apply()
    assert done.code == 0, done
    emulator.clear_requests()
    return created


# --- declared, attached, proved ---


def test_the_plan_shows_the_step_by_hand(project: Project) -> None:
    project.write(manifest("support-tone"))
    (step,) = change(project)["manual"]
    assert step["page"] == "https://friendli.ai/suite"
    assert step["values"] == [
        ["Endpoint", "chat"],
        ["Base model", "acme/model"],
        ["LoRA adapter", "acme/support-tone-lora"],
        ["Route", "support-tone"],
    ]
    assert step["check"] == "apply asks ENDPOINT_ID:support-tone"
    said = project.run("plan").out
    for word in ("https://friendli.ai/suite", "acme/support-tone-lora", "1 step by hand"):
        assert word in said


def test_what_is_not_there_is_left_to_a_person(created: Project, emulator: Emulator) -> None:
    assert writes(emulator)[0] == "POST /dedicated/beta/endpoint"
    (body,) = [one["body"] for one in emulator.requests if one["path"].endswith("beta/endpoint")
               and one["method"] == "POST"]  # fmt: skip
    assert "adapter" not in str(body)
    assert seen(created) == dict.fromkeys(ROUTES, "missing")
    planned = change(created)
    assert planned["action"] == "verify"
    assert planned["manual"][0]["check"] == f"apply asks {the_id(created)}:support-tone"
    again = created.apply()
    assert again.code == 11, again
    said = again.out + again.err
    assert f"{the_id(created)}:legal" in said
    assert "https://friendli.ai/suite" in said


def test_attached_and_proved_the_plan_is_empty(created: Project, emulator: Emulator) -> None:
    version = emulator.attach_adapter(the_id(created), *ROUTES)
    emulator.clear_requests()
    planned = change(created)
    assert planned["action"] == "verify"  # the version of the web page is no stranger's
    assert emulator.inferences == []
    done = created.apply()
    assert done.code == 0, done
    assert f"{the_id(created)}:support-tone" in done.out
    assert set(writes(emulator)) == {"POST /dedicated/v1/tokenize"}
    assert seen(created) == dict.fromkeys(ROUTES, "served")
    assert created.state["resources"][CHAT]["fence"]["version"] == version
    assert created.run("plan", "--detailed-exitcode").code == 0


def test_one_of_two_is_asked_for_alone(created: Project, emulator: Emulator) -> None:
    emulator.attach_adapter(the_id(created), "legal")
    done = created.apply()
    assert done.code == 11, done
    assert seen(created) == {"support-tone": "missing", "legal": "served"}
    (step,) = change(created)["manual"]
    assert "support-tone" in step["what"]
    emulator.clear_requests()
    created.apply()
    asked = {one["body"]["model"].partition(":")[2] for one in emulator.inferences}
    assert "legal" not in asked  # what was seen is not paid for again


def test_what_sleeps_is_not_woken(created: Project, emulator: Emulator) -> None:
    emulator.attach_adapter(the_id(created), *ROUTES)
    emulator.set_status(the_id(created), "SLEEPING")
    emulator.clear_requests()
    done = created.apply()
    assert done.code == 0, done
    assert "unverified" in done.out
    assert "SLEEPING" in done.out
    assert emulator.inferences == []
    assert change(created)["action"] == "verify"


def test_a_service_that_answers_for_anything_proves_nothing(
    created: Project, emulator: Emulator
) -> None:
    emulator.attach_adapter(the_id(created), *ROUTES, "friendli-iac-no-such-route")
    done = created.apply()
    assert done.code == 0, done
    assert "unverified" in done.out
    assert "served" not in seen(created).values()


def test_a_service_that_does_not_know_the_question(project: Project, emulator: Emulator) -> None:
    """A 404 for the endpoint itself says nothing of its adapters."""
    project.write(manifest("legal"))
    emulator.fault("POST", "/dedicated/v1/tokenize", kind="status", status=404, count=None)
    done = project.apply()
    assert done.code == 0, done
    assert "unverified" in done.out
    assert seen(project) == {}


def test_a_token_that_may_not_ask(project: Project, emulator: Emulator) -> None:
    project.write(manifest("legal"))
    emulator.fault("POST", "/dedicated/v1/tokenize", kind="status", status=403)
    done = project.apply()
    assert done.code == 4, done
    assert seen(project) == {}


# --- what an update may undo ---


@pytest.mark.parametrize("drops", [True, False])
def test_an_update_may_drop_what_was_attached(
    attached: Project, emulator: Emulator, drops: bool
) -> None:
    emulator.set_options(updates_drop_adapters=drops)
    attached.write(manifest(*ROUTES, batch=32))
    planned = change(attached)
    assert planned["action"] == "update"
    (warning,) = planned["beware"]
    assert "support-tone" in warning
    assert planned["manual"] == []
    done = attached.apply()
    assert done.code == (11 if drops else 0), done
    assert seen(attached) == dict.fromkeys(ROUTES, "missing" if drops else "served")
    assert attached.run("plan", "--detailed-exitcode").code == (2 if drops else 0)


def test_killed_after_an_update_nothing_is_taken_for_proved(
    attached: Project, emulator: Emulator
) -> None:
    """What was seen before an update says nothing of after it."""
    emulator.set_options(updates_drop_adapters=True)
    attached.write(manifest(*ROUTES, batch=32))
    assert attached.apply("--no-wait").code == 0
    assert seen(attached) == dict.fromkeys(ROUTES, "unknown")
    assert change(attached)["action"] == "verify"
    assert attached.apply().code == 11


def test_a_version_of_a_stranger_is_one(attached: Project, emulator: Emulator) -> None:
    """Once all is proved, no other version is taken for the step by hand; nor after an update, when
    nobody was asked for anything.
    """
    attached.write(manifest(*ROUTES, batch=32))
    assert attached.apply("--no-wait").code == 0
    assert set(seen(attached).values()) == {"unknown"}
    emulator.change(the_id(attached), advanced={"max_token_count": 99}, comment="a stranger")
    assert change(attached)["action"] == "update"


# --- what is declared no more ---


def test_one_that_is_declared_no_more_is_to_be_detached(
    attached: Project, emulator: Emulator
) -> None:
    attached.write(manifest("legal"))
    planned = change(attached)
    assert planned["action"] == "record"
    (step,) = planned["manual"]
    assert step["what"] == "detach the LoRA adapter at route support-tone from chat"
    assert step["check"] == f"apply asks {the_id(attached)}:support-tone, which must be 404"
    done = attached.apply()
    assert done.code == 11, done
    assert f"{the_id(attached)}:support-tone answers still" in done.out
    assert "legal" not in {one["body"]["model"].partition(":")[2] for one in emulator.inferences}
    version = emulator.detach_adapter(the_id(attached), "support-tone")
    emulator.clear_requests()
    planned = change(attached)  # that version is no stranger's
    assert (planned["action"], planned["beware"]) == ("verify", [])
    done = attached.apply()
    assert done.code == 0, done
    assert f"{the_id(attached)}:support-tone is detached" in done.out
    assert [w for w in writes(emulator) if "tokenize" not in w] == []
    assert emulator.endpoint_adapters(the_id(attached)) == ["legal"]
    assert seen(attached) == {"legal": "served"}
    assert attached.state["resources"][CHAT]["fence"]["version"] == version
    assert attached.run("plan", "--detailed-exitcode").code == 0


def test_one_that_was_never_there_needs_no_hand(created: Project, emulator: Emulator) -> None:
    emulator.clear_requests()
    created.write(endpoint(more="  adapters: []\n"))
    assert change(created)["manual"] == []
    assert created.apply().code == 0
    assert emulator.inferences == []
    assert created.run("plan", "--detailed-exitcode").code == 0


def test_a_list_that_is_left_out_is_not_managed(attached: Project, emulator: Emulator) -> None:
    attached.write(endpoint())
    said = attached.run("plan").out
    assert "→ (not managed)" in said
    assert "(none)" not in said
    assert change(attached)["manual"] == []
    assert attached.apply().code == 0
    assert emulator.inferences == []
    assert attached.run("drift", "--routes").code == 0
    attached.write(manifest("legal"))  # whether it is that one which answers is not known
    assert "replace" in change(attached)["manual"][0]["what"]


def test_set_changes_the_list(attached: Project) -> None:
    done = attached.run("set", CHAT, "spec.adapters=[legal]")
    assert done.code == 0, done
    said = attached.run("plan").out
    assert "legal (acme/legal-lora)" in said
    assert change(attached)["action"] == "record"


def test_replaced_it_has_to_be_attached_anew(attached: Project, emulator: Emulator) -> None:
    planned = change(attached, "--replace", CHAT)
    assert planned["action"] == "replace"
    assert len(planned["manual"]) == 2
    assert "ENDPOINT_ID:" in planned["manual"][0]["check"]
    done = attached.apply("--replace", CHAT, "--allow-destroy", CHAT)
    assert done.code == 11, done


# --- drift ---


def test_drift_asks_only_when_told(attached: Project, emulator: Emulator) -> None:
    emulator.detach_adapter(the_id(attached), "legal")
    emulator.clear_requests()
    plain = attached.run("drift")
    assert "drift --routes" in plain.out
    assert emulator.inferences == []
    state = attached.state_path.read_text()
    found = attached.run("drift", "--routes")
    assert found.code == 2, found
    assert f"{the_id(attached)}:legal" in found.out
    assert "missing" in found.out
    assert attached.state_path.read_text() == state
    (one,) = attached.run("drift", "--routes", "--format", "json").json["resources"]
    assert one["routes"] == [{"route": "legal", "found": "missing"}]


def test_what_drift_found_is_recorded_when_told(attached: Project, emulator: Emulator) -> None:
    """Then the plan shows the step by hand again."""
    emulator.detach_adapter(the_id(attached), "legal")
    assert "apply --refresh-only" in attached.run("drift", "--routes").err
    done = attached.run("apply", "--refresh-only", "--yes")
    assert done.code == 0, done
    assert seen(attached)["legal"] == "missing"
    assert "legal" in change(attached)["manual"][0]["what"]


def test_drift_finds_one_that_nobody_declares(attached: Project, emulator: Emulator) -> None:
    attached.write(manifest("legal"))
    assert attached.apply().code == 11
    (one,) = attached.run("drift", "--routes", "--format", "json").json["resources"]
    assert one["routes"] == [{"route": "support-tone", "found": "unexpected"}]
    found = attached.run("drift", "--routes")
    assert found.code == 2, found
    assert "to put it back" not in found.err  # no apply detaches it
    emulator.detach_adapter(the_id(attached), "support-tone")
    attached.run("apply", "--refresh-only", "--yes")
    assert seen(attached) == {"legal": "served"}
    assert attached.run("drift", "--routes").code == 0


@pytest.mark.parametrize("status", [403, 429])
def test_drift_goes_on_where_one_may_not_be_asked(
    project: Project, emulator: Emulator, status: int
) -> None:
    project.write(manifest("legal") + "---\n" + endpoint("other"))
    assert project.apply().code == 11
    emulator.set_status(project.state["resources"]["Endpoint/other"]["id"], "TERMINATED")
    emulator.fault("POST", "/dedicated/v1/tokenize", kind="status", status=status, count=None)
    found = project.run("drift", "--routes")
    assert found.code == 2, found
    assert "Endpoint/other" in found.out
    assert f"{CHAT}: not told of legal" in found.out + found.err


def test_drift_wakes_nothing(attached: Project, emulator: Emulator) -> None:
    emulator.set_status(the_id(attached), "SLEEPING")
    emulator.clear_requests()
    found = attached.run("drift", "--routes")
    assert found.code == 0, found
    assert "SLEEPING" in found.out
    assert emulator.inferences == []


# --- manifests ---


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--target", "Adapter/legal"),
        ("render", "Adapter/legal"),
        ("preflight", "Adapter/legal"),
        ("wandb", "payload", "Adapter/legal"),
        ("wandb", "promote", "Adapter/legal", "--alias", "x"),
    ],
)
def test_a_template_is_said_to_be_one(project: Project, words: tuple[str, ...]) -> None:
    project.write(manifest("legal"))
    done = project.run(*words)
    assert done.code == 64, done
    assert "Adapter/legal is a template, and no resource of its own" in done.err
    assert "next: Name the Endpoint that uses it" in done.err


def test_two_adapters_of_one_route(project: Project) -> None:
    second = adapter("other").replace("route: other", "route: legal")
    project.write(manifest("legal", "other").replace(adapter("other"), second))
    checked = project.run("validate")
    assert checked.code == 1, checked
    said = checked.out + checked.err
    assert "main.yaml:10:" in said
    assert "legal and other have the same route" in said


@pytest.mark.parametrize("route", ["a:b", "a b", "-a", "ä"])
def test_characters_that_no_route_has(project: Project, route: str) -> None:
    project.write(manifest("legal").replace("route: legal", f'route: "{route}"'))
    checked = project.run("validate")
    assert checked.code == 1, checked
    assert "main.yaml:16:10" in checked.out + checked.err

"""LoRA adapters that a person is to replace: nothing shows it, and nothing is claimed. And who else
says what is left to a person.
"""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator
from tests import test_adapters
from tests.harness import FAST, Project, endpoint, writes
from tests.test_adapters import CHAT, ROUTES, change, manifest, seen, the_id

created, attached = test_adapters.created, test_adapters.attached

# --- another one behind a route ---


OTHERS = {
    "repo": ("acme/legal-lora", "acme/other-lora"),
    "revision": ("acme/legal-lora", f"acme/legal-lora, revision: {'a' * 40}"),
    "folder": ("huggingFace: {repo: acme/legal-lora}", "folder: loras"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_one_behind_a_route_is_a_step_by_hand(
    attached: Project, emulator: Emulator, what: str
) -> None:
    attached.write(manifest(*ROUTES).replace(*OTHERS[what]))
    (step,) = change(attached)["manual"]
    assert step["what"] == "replace the LoRA adapter at route legal of chat by legal"
    assert ["In place of", "acme/legal-lora"] in step["values"]
    assert step["check"] == ""
    done = attached.apply()
    assert done.code == 0, done
    assert "nothing shows which adapter answers at legal" in done.out
    assert "BY HAND  Endpoint/chat: replace the LoRA adapter at route legal" in done.out
    assert set(writes(emulator)) == {"POST /dedicated/v1/tokenize"}
    assert seen(attached) == {"support-tone": "served", "legal": "unproved"}
    assert attached.run("plan", "--detailed-exitcode").code == 0
    version = emulator.attach_adapter(the_id(attached), "legal")  # as a person does it afterwards
    planned = change(attached)
    assert (planned["action"], planned["manual"]) == ("verify", [])
    assert attached.apply().code == 0
    assert seen(attached) == dict.fromkeys(ROUTES, "served")
    assert attached.state["resources"][CHAT]["fence"]["version"] == version
    assert attached.run("plan", "--detailed-exitcode").code == 0


def test_replaced_before_the_apply(attached: Project, emulator: Emulator) -> None:
    """A person may follow the plan at once: that version is none of a stranger."""
    attached.write(manifest(*ROUTES).replace(*OTHERS["repo"]))
    emulator.attach_adapter(the_id(attached), "legal")
    assert change(attached)["action"] == "record"
    done = attached.apply()
    assert done.code == 0, done
    assert "nothing shows which" not in done.out
    assert seen(attached) == dict.fromkeys(ROUTES, "served")
    assert attached.run("plan", "--detailed-exitcode").code == 0


def test_asleep_the_step_stays_in_the_plan(attached: Project, emulator: Emulator) -> None:
    emulator.set_status(the_id(attached), "SLEEPING")
    attached.write(manifest(*ROUTES).replace(*OTHERS["repo"]))
    done = attached.apply()
    assert done.code == 0, done
    assert "unverified: legal" in done.out
    assert emulator.inferences == []
    planned = change(attached)
    assert planned["action"] == "verify"
    assert "replace" in planned["manual"][0]["what"]


def test_routes_that_change_places(attached: Project) -> None:
    text = manifest(*ROUTES).replace("route: legal", "route: x")
    text = text.replace("route: support-tone", "route: legal")
    text = text.replace("route: x", "route: support-tone")
    attached.write(text)
    assert [one["what"].split(" of ")[0] for one in change(attached)["manual"]] == [
        "replace the LoRA adapter at route legal",
        "replace the LoRA adapter at route support-tone",
    ]


def test_what_comes_after_the_plan_is_looked_at_again(created: Project, emulator: Emulator) -> None:
    """A version that no plan has seen is not taken for the step by hand, nor for proof."""
    emulator.on_request(
        "POST", "/tokenize", lambda: emulator.attach_adapter(the_id(created), *ROUTES)
    )
    done = created.apply()
    assert done.code == 0, done
    assert "came since it was planned" in done.out
    assert "served" not in seen(created).values()
    assert change(created)["action"] == "verify"
    assert created.apply().code == 0
    assert seen(created) == dict.fromkeys(ROUTES, "served")


# --- what else says it ---


def test_status_says_what_is_missing(created: Project) -> None:
    assert "adapters missing: support-tone, legal" in created.run("status").out
    (one,) = created.run("status", "--format", "json").json["endpoints"]
    assert one["routes"] == dict.fromkeys(ROUTES, "missing")


def test_status_has_the_version_that_a_person_made(attached: Project) -> None:
    version = attached.state["resources"][CHAT]["fence"]["version"]
    assert version > 0
    (one,) = attached.run("status", "--format", "json").json["endpoints"]
    assert (one["version"], one["version_outcome"]) == (version, None)


def test_what_a_manifest_says_forges_no_line(project: Project) -> None:
    lie = "x\\nok  create Endpoint/chat: RUNNING v0"
    text = manifest("legal").replace("legal-lora", f'legal-lora, revision: "{lie}"')
    project.write(text)
    done = project.apply()
    assert done.code == 11, done
    assert "Revision: x ok  create" in done.out
    for line in (done.out + done.err).splitlines():
        assert not line.startswith("ok  create"), line
    wrong = project.run("plan", "--target", "Endpoint/a\nok  create Endpoint/chat: RUNNING v0")
    assert "there is no Endpoint/a ok  create" in wrong.err


def test_a_lost_answer_is_asked_for_again(created: Project, emulator: Emulator) -> None:
    """Twice: the third one counts."""
    emulator.attach_adapter(the_id(created), *ROUTES)
    emulator.fault("POST", "/dedicated/v1/tokenize", kind="drop", count=2)
    done = created.apply()
    assert done.code == 0, done
    assert "asked 2/3" in done.err
    assert seen(created) == dict.fromkeys(ROUTES, "served")


def test_outputs_count_steps_and_no_look(created: Project) -> None:
    assert created.run("plan", "--outputs", "outputs").code == 0
    lines = (created.root / "outputs").read_text().splitlines()
    assert {"changes=true", "to_change=0", "by_hand=2"} <= set(lines)


def test_to_go_on_is_never_wider(project: Project, emulator: Emulator) -> None:
    """What is to be typed next must not buy what was not asked for."""
    project.write(manifest("legal") + "---\n" + endpoint("other"))
    done = project.apply("--target", CHAT)
    assert done.code == 11, done
    assert "Run the same command again: it looks again." in done.out
    assert "friendli-iac apply" not in done.out + done.err
    assert project.run("plan", "--target", CHAT, "--out", "plan.json").code == 0
    assert "Then make the same plan anew" in project.run("apply", "plan.json").out


# --- back to another model ---


@pytest.fixture
def legal(project: Project, emulator: Emulator) -> Project:
    project.write(manifest("legal"))
    assert project.apply().code == 11
    emulator.attach_adapter(the_id(project), "legal")
    assert project.apply().code == 0
    project.write(manifest("tone2", repo="acme/model2"))
    return project


def test_a_rollback_goes_back_to_the_adapters_of_the_model(
    legal: Project, emulator: Emulator
) -> None:
    assert legal.apply().code == 11
    done = legal.run("rollback", CHAT, "--yes", *FAST)
    assert done.code == 0, done
    assert "tone2 (acme/tone2-lora) → legal (acme/legal-lora)" in done.out
    assert "detach" not in done.out
    assert f"friendli-iac set {CHAT} spec.adapters=[legal]" in done.err
    held = legal.run("plan").out
    assert "HELD OFF model.huggingFace.repo acme/model2, adapters tone2" in held
    assert "attach the LoRA adapter" not in held


def test_so_does_one_that_nobody_asked_for(legal: Project, emulator: Emulator) -> None:
    emulator.fail_next_rollout(the_id(legal), "down:INFERENCE_ENGINE_MEMORY_ERROR")
    assert legal.apply().code == 10
    planned = legal.run("plan").out
    assert "HELD OFF model.huggingFace.repo acme/model2, adapters tone2" in planned
    assert "detach" not in planned
    assert "attach the LoRA adapter" not in planned
    (applied,) = legal.state["resources"][CHAT]["prior"]["spec"]["adapters"]
    assert applied["name"] == "legal"
    # Another model is another try of the adapters for it.
    legal.write(manifest("tone2", repo="acme/model3"))
    assert "legal (acme/legal-lora) → tone2 (acme/tone2-lora)" in legal.run("plan").out

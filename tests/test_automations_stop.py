"""What an automation deploys is changed when that has stopped, and not at all where it goes on."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import ALL, AUTOMATION, WEBHOOK, deployed, registry
from .harness import TOKEN, Project, writes

DELETE, UPDATE = "mutation deleteTrigger", "mutation updateFilterTrigger"
TERMINATED = deployed(more="  desired: terminated\n")
BY_HAND = AUTOMATION.replace(
    "  deploys: chat\n  promotion: direct\n",
    '  payload: {wandbArtifactVersionName: "$${artifact_version_string}", projectId: p1,\n'
    "    idempotencyKey: mine}\n",
)
MINE = deployed(key="mine")


@pytest.mark.parametrize(
    ("before", "after", "stops", "ends"),
    [
        (deployed() + ALL, deployed("v0") + WEBHOOK, DELETE, "wandb-artifact-create"),
        (deployed() + ALL, deployed("v0") + ALL + "  enabled: false\n", UPDATE,
         "wandb-artifact-create"),
        (deployed() + ALL, TERMINATED + WEBHOOK, DELETE, "terminate"),
        (deployed() + ALL, TERMINATED + ALL + "  enabled: false\n", UPDATE, "terminate"),
        (deployed() + ALL, WEBHOOK.removeprefix("---\n"), DELETE, "terminate"),
        (MINE + WEBHOOK + BY_HAND, WEBHOOK.removeprefix("---\n"), DELETE, "terminate"),
    ],
    ids=["removed", "disabled", "ends", "disabled and ends", "all goes", "written out"],
)  # fmt: skip
def test_it_stops_before_what_it_deploys_is_changed(
    before: str, after: str, stops: str, ends: str, project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    project.write(before)
    assert project.apply().code == 0
    project.write(after)
    emulator.fault("POST", stops, kind="status", status=403, count=None)
    emulator.clear_requests()
    failed = project.apply("--allow-destroy", "--continue-on-error")
    assert failed.code == 3, failed
    assert "it waits for WebhookAutomation/promote-chat, which was not applied" in failed.out
    assert set(writes(emulator)) == {stops}
    emulator.clear_faults()
    emulator.clear_requests()
    done = project.apply("--allow-destroy")
    assert done.code == 0, done
    first, *rest = writes(emulator)
    assert first == stops
    assert any(request.endswith(ends) for request in rest)

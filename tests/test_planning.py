"""What a plan decides where the fields of a specification depend on one another."""

from __future__ import annotations

from friendli_iac.emulator import Emulator

from .harness import Project, endpoint, writes


def test_a_minimum_above_an_ignored_maximum_is_refused_before_anything_is_sent(
    project: Project, emulator: Emulator
) -> None:
    ignoring = "  lifecycle: {ignoreChanges: [autoscaling.maxReplicas]}\n"
    project.write(endpoint(maximum=1, more=ignoring))
    assert project.apply().code == 0
    emulator.clear_requests()
    project.write(endpoint(maximum=3, more=ignoring).replace("minReplicas: 1", "minReplicas: 2"))
    refused = project.apply()
    assert refused.code == 5, refused
    assert "maxReplicas 1 would be below minReplicas 2" in refused.out + refused.err
    assert writes(emulator) == []

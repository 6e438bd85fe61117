"""`plan --outputs FILE`: what a job tells the ones after it."""

from __future__ import annotations

from .harness import Project, endpoint


def outputs(project: Project, *options: str) -> dict[str, str]:
    """What `plan` adds to a file in which something stands already."""
    file = project.root / "outputs"
    file.write_text("before=1\n")
    planned = project.run("plan", "--outputs", "outputs", *options)
    assert planned.code in (0, 5), planned
    lines = file.read_text().splitlines()
    assert lines[0] == "before=1"
    return dict(line.split("=", 1) for line in lines[1:])


def test_what_a_plan_comes_to(project: Project) -> None:
    project.write("---\n".join(endpoint(name) for name in ("a", "b", "c")))
    assert project.apply().code == 0
    moved = endpoint("b").replace("p1", "p2")
    project.write("---\n".join([endpoint("a", batch=128), moved, endpoint("d")]))
    planned = project.run("plan", "--format", "json").json
    assert outputs(project, "--out", "a plan.json") == {
        "changes": "true",
        "to_add": "1",
        "to_change": "1",
        "to_replace": "1",
        "to_destroy": "1",
        "by_hand": "0",
        "cost_before": "23.40",
        "cost_after": "23.40",
        "digest": planned["digest"],
        "plan_path": "a plan.json",
    }


def test_a_plan_that_does_nothing(project: Project) -> None:
    project.write(endpoint())
    assert project.apply().code == 0
    found = outputs(project)
    assert (found["changes"], found["to_change"], found["plan_path"]) == ("false", "0", "")


def test_an_unknown_price_is_no_zero(project: Project) -> None:
    project.write(endpoint().replace("H100", "B300"))
    found = outputs(project)
    assert (found["to_add"], found["cost_before"], found["cost_after"]) == ("1", "", "")


def test_a_refused_plan_can_be_shown_and_not_applied(project: Project) -> None:
    project.write(endpoint(more="  lifecycle: {preventDestroy: true}\n"))
    assert project.apply().code == 0
    project.write(endpoint("b"))
    found = outputs(project, "--out", "p")
    assert (found["changes"], found["plan_path"], found["digest"]) == ("true", "p", "")
    assert "preventDestroy" in project.run("show", "p").out
    assert project.run("apply", "p", "--yes").code == 5


def test_nothing_gets_a_second_line(project: Project) -> None:
    project.write(endpoint())
    for name in ("a\nevil=1", "a\revil=1", "a\u2028b"):
        refused = project.run("plan", "--out", name, "--outputs", "outputs")
        assert refused.code == 64, refused
    assert not (project.root / "outputs").exists()
    assert project.run("plan", "--outputs", "nowhere/outputs").code == 64

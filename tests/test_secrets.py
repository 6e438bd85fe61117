"""A canary in the token and in a sensitive variable: it appears nowhere, whatever happens."""

from __future__ import annotations

import json

import pytest

from friendli_iac.emulator import Emulator

from .harness import TOKEN, Project, Result, endpoint

SENSITIVE = 'canary "sensitive" value-77'
CANARIES = (TOKEN, SENSITIVE, 'sensitive\\" value-77', "value-77")
LOUD = ("-vvv",)

SETTINGS = """\
variables:
  banner: {sensitive: true}
  plain: {default: 64}
"""


@pytest.fixture(autouse=True)
def _sensitive(project: Project) -> None:
    project.write(SETTINGS, "friendli-iac.yaml")
    project.env["FRIENDLI_IAC_VAR_banner"] = SENSITIVE


def clean(project: Project, *results: Result) -> None:
    """No canary in what was printed or is on disk."""
    everything = "\n".join([*map(str, results), project.everything_written()])
    for canary in CANARIES:
        assert canary not in everything


def test_a_whole_life_leaves_no_trace(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    words = (
        ("validate",),
        ("plan", "--out", "p.plan"),
        ("show", "p.plan", "--format", "json"),
        ("plan", "--format", "json"),
        ("plan", "--format", "markdown"),
        ("show", "p.plan", "--format", "html"),
        ("apply", "p.plan"),
        ("state", "list", "--format", "json"),
        ("output", "Endpoint/chat"),
        ("doctor",),
        ("doctor", "--format", "json"),
    )
    for one in words:
        loud = () if one[0] == "validate" else LOUD
        result = project.run(*one, *loud)
        assert result.code == 0, result
        clean(project, result)
    project.write(endpoint(batch=128))
    clean(project, project.apply(*LOUD), project.apply("--format", "json", *LOUD))
    emulator.set_durations(update=3600)
    project.write(endpoint(batch=256))
    clean(project, project.apply("--no-wait", *LOUD))
    clean(project, project.run("destroy", "--yes", *LOUD))
    assert all(request["authorization"] for request in emulator.requests)  # it was sent indeed
    assert list(project.root.glob(".friendli-iac/state.json.backup.*"))


def test_journal_and_lock_in_the_middle_of_an_apply(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    emulator.hold("POST", "endpoint")
    running = project.spawn("apply", "--yes", *LOUD)
    emulator.wait_held()
    assert (project.root / ".friendli-iac" / "state.json.journal").read_text()
    assert (project.root / ".friendli-iac" / "state.json.lock").read_text()
    clean(project, project.apply(*LOUD))
    running.kill()
    out, err = running.communicate(timeout=20)
    emulator.release()
    clean(project, Result(0, out, err), project.apply(*LOUD))


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize(
    ("status", "shape"),
    [
        (400, "message"),
        (401, "detail"),
        (403, "text"),
        (404, "message"),
        (422, "detail"),
        (500, "text"),
        (503, "message"),
    ],
)
def test_an_answer_that_echoes_the_token(
    shape: str, status: int, format_: str, project: Project, emulator: Emulator
) -> None:
    echo = f"Authorization: Bearer {TOKEN} is bad"
    body: object = {
        "message": {"message": echo},
        "detail": {"detail": [{"loc": ["header"], "msg": echo}]},
        "text": echo,
    }[shape]
    project.write(endpoint())
    emulator.fault("POST", "endpoint", status=status, body=body)
    shown = project.apply("--format", format_, *LOUD)
    assert (shown.code == 0) == (status >= 500), shown  # after which it is sent again
    assert "is bad" in str(shown)  # the rest of it is told
    clean(project, shown)


def test_a_reading_that_echoes_the_token(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    emulator.fault("GET", "endpoint", status=403, body={"message": TOKEN}, count=None)
    for words in (("plan",), ("plan", "--format", "json"), ("doctor",), ("apply", "--yes")):
        shown = project.run(*words)
        assert shown.code == 3
        clean(project, shown)


def test_a_defect_tells_no_secrets(project: Project) -> None:
    project.write(endpoint())
    project.apply()
    state = project.state
    state["resources"] = {f"{TOKEN}/chat": state["resources"]["Endpoint/chat"]}
    project.state_path.write_text(json.dumps(state))
    shown = project.run("plan", *LOUD)
    assert shown.code == 1
    assert "***" in shown.err
    assert TOKEN not in str(shown)


def test_a_token_on_the_command_line_is_not_repeated(project: Project) -> None:
    project.write(endpoint())
    for words in (
        ("plan", TOKEN),
        ("plan", "--var", TOKEN),
        ("plan", "--target", TOKEN),
        ("plan", "--chdir", TOKEN),
        (TOKEN,),
        ("apply", TOKEN),
        ("plan", "--base-url", f"http://{TOKEN}.example.com"),
    ):
        shown = project.run(*words)
        assert shown.code == 64, shown
        assert TOKEN not in str(shown), words


@pytest.mark.parametrize(
    "name",
    ["FRIENDLI_TOKEN", "WANDB_API_KEY", "DB_PASSWORD", "MY_SECRET", "HOME", "friendli_token"],
)
@pytest.mark.parametrize("place", ["label", "name", "default"])
def test_the_environment_is_not_for_manifests(
    name: str, place: str, project: Project, emulator: Emulator
) -> None:
    """Neither with a label nor with a name can a pull request print what only CI should know."""
    expression = f"${{env:{name}}}"
    if place == "label":
        project.write(
            endpoint().replace("{name: chat}", f"{{name: chat, labels: {{x: '{expression}'}}}}")
        )
    elif place == "name":
        project.write(endpoint(more=f"  name: '{expression}'\n"))
    else:
        project.write(endpoint())
        project.write(f"defaults: {{Endpoint: {{name: '{expression}'}}}}\n", "friendli-iac.yaml")
    env = {"WANDB_API_KEY": TOKEN, "DB_PASSWORD": TOKEN, "MY_SECRET": TOKEN}
    for words in (("validate",), ("plan",), ("apply", "--yes")):
        shown = project.run(*words, env=env)
        assert shown.code == 1, shown
        assert "is refused" in shown.err or "is not allowed" in shown.err
        clean(project, shown)
    assert emulator.requests == []


def test_allow_env_never_allows_what_looks_like_a_secret(project: Project) -> None:
    project.write(endpoint(more="  name: '${env:FRIENDLI_TOKEN}'\n"))
    shown = project.run("plan", "--allow-env", "*", env={"FRIENDLI_IAC_ALLOW_ENV": "FRIENDLI_*"})
    assert shown.code == 1
    assert "looks like that of a secret" in shown.err
    clean(project, shown)


def test_a_sensitive_variable_has_no_place_in_a_manifest(project: Project) -> None:
    project.write(endpoint(more="  name: '${var.banner}'\n"))
    shown = project.run("plan", "--var", f"banner={SENSITIVE}", "--format", "json")
    assert shown.code == 1
    assert "the variable banner is sensitive" in shown.err
    clean(project, shown)

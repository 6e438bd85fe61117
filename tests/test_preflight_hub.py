"""How preflight asks: within a deadline, each thing once, and the token to nobody else."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from friendli_iac.clients.hub import Hub
from friendli_iac.core.preflight import Check, RepoFacts
from tests.fakehub import FakeHub, Request, model, sha
from tests.harness import Project, Result, endpoint

TOKEN = "hf_canary0123456789secret"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def env(tmp_path: Path, hub: FakeHub) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def project(tmp_path: Path, env: dict[str, str]) -> Project:
    project = Project(tmp_path / "project", "http://127.0.0.1:9", env)
    project.write(endpoint())
    return project


def unknown(result: Result) -> str:
    """The first check of a run that must have learnt nothing."""
    assert result.code == 0, result
    assert "  ok " not in result.out
    line = next(line for line in result.out.splitlines() if line.startswith("  UNKNOWN"))
    return line.removeprefix("  UNKNOWN").strip()


# --- what cannot be known is UNKNOWN ---


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_is_down(project: Project, hub: FakeHub, status: int) -> None:
    hub.add("acme/model")
    hub.down = status
    said = unknown(project.run("preflight"))
    assert said == f"acme/model was not looked at: 127.0.0.1 answered {status}"


@pytest.mark.parametrize(
    "garbage",
    [b"<html>", b"[]", b"{}", b'{"id": 1}', b'{"id": "a/b", "sha": "' + b"a" * 40 + b'"}'],
)
def test_an_answer_that_is_none(project: Project, hub: FakeHub, garbage: bytes) -> None:
    hub.garbage = garbage
    assert "makes no sense" in unknown(project.run("preflight"))


def test_no_hub_at_all(project: Project) -> None:
    said = unknown(project.run("preflight", env={"HF_ENDPOINT": "http://127.0.0.1:9"}))
    assert "127.0.0.1 cannot be reached" in said


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_asks_nothing(project: Project, hub: FakeHub, name: str) -> None:
    hub.add("acme/model")
    assert f"{name} is set" in unknown(project.run("preflight", env={name: "yes"}))
    assert hub.requests == []
    assert "public" in project.run("preflight", env={name: "0"}).out


def test_without_the_extra(project: Project) -> None:
    with mock.patch.dict(sys.modules, {"huggingface_hub": None}):
        result = project.run("preflight")
    assert "huggingface_hub is not installed" in unknown(result)
    assert "pip install 'friendli-iac[hub]'" in result.out


def test_a_slow_hub_is_not_waited_for(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model")
    hub.delay = 30
    names = [endpoint(f"e{number}", repo=f"acme/m{number}") for number in range(40)]
    project.write("---\n".join(names))
    started = time.monotonic()
    said = unknown(project.run("preflight", "--timeout", "1"))
    assert time.monotonic() - started < 15
    assert said == "not looked at: 127.0.0.1 did not answer within 1 s"


def test_the_deadline_is_for_all_lookups_together(env: dict[str, str], hub: FakeHub) -> None:
    hub.delay = 30
    asking = Hub(env, deadline=0.3)
    asking.facts("acme/one")
    sent = len(hub.requests)
    started = time.monotonic()
    assert isinstance(asking.facts("acme/two"), Check)
    assert time.monotonic() - started < 5
    assert len(hub.requests) == sent


def test_what_was_learnt_in_time_counts(env: dict[str, str], hub: FakeHub) -> None:
    hub.add("acme/model")
    hub.slow_files = 30
    facts = Hub(env, deadline=1).facts("acme/model")
    assert isinstance(facts, RepoFacts)
    assert facts.commit == sha("acme/model first")
    assert facts.config is None
    assert facts.chat_template is None


def test_a_hub_that_hangs_does_not_hold_up_the_end(project: Project, hub: FakeHub) -> None:
    hub.delay = 30
    started = time.monotonic()
    process = project.spawn("preflight", "--timeout", "1")
    assert process.communicate(timeout=20)[0]
    assert process.returncode == 0
    assert time.monotonic() - started < 15  # before any request runs out of time


# --- each thing once ---


def test_one_repository_is_looked_up_once(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model")
    project.write("---\n".join(endpoint(f"e{number}") for number in range(5)))
    assert project.run("preflight").code == 0
    assert [r.path for r in hub.requests].count("/api/models/acme/model") == 1


def test_files_come_from_the_cache_of_the_library(
    project: Project, hub: FakeHub, tmp_path: Path
) -> None:
    hub.add("acme/model")
    first = project.run("preflight")
    assert len(list((tmp_path / "cache" / "models--acme--model").rglob("config.json"))) == 1
    hub.requests.clear()
    assert project.run("preflight").out == first.out
    assert [r.path for r in hub.requests] == ["/api/models/acme/model"]


def test_weights_are_never_downloaded(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model", model(more={"tokenizer.json": b"x" * 100}))
    project.run("preflight")
    asked = {r.path.rpartition("/")[2] for r in hub.requests if "/resolve/" in r.path}
    assert asked == {"config.json", "tokenizer_config.json"}


def test_nothing_but_the_models_is_asked_for(project: Project, hub: FakeHub) -> None:
    """No telemetry: the library would ask which program runs it."""
    hub.add("acme/model")
    project.spawn("preflight").communicate(timeout=30)
    assert {r.path.split("/")[1] for r in hub.requests} == {"api", "acme"}
    assert all("acme/model" in r.path for r in hub.requests)


def test_many_are_looked_up_side_by_side(env: dict[str, str], hub: FakeHub) -> None:
    for number in range(16):
        hub.add(f"acme/m{number}")
    hub.delay = 0.5
    started = time.monotonic()
    found = Hub(env).gather([(f"acme/m{number}", "") for number in range(16)])
    assert time.monotonic() - started < 7
    assert all(isinstance(facts, RepoFacts) for facts in found.values())


# --- the token ---


def test_the_token_goes_to_the_hub_and_into_no_output(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model", private=True, readers={TOKEN})
    for arguments in (["preflight"], ["preflight", "--format", "json"], ["preflight", "-v"]):
        result = project.run(*arguments, env={"HF_TOKEN": TOKEN})
        assert result.code == 0
        assert TOKEN not in result.out + result.err
    assert {r.token for r in hub.requests} == {TOKEN}
    assert TOKEN not in project.everything_written()


def test_a_token_that_is_printed_by_the_hub_stays_hidden(project: Project, hub: FakeHub) -> None:
    name = f"acme/{TOKEN}"
    project.write(endpoint(repo=name))
    result = project.run("preflight", env={"HF_TOKEN": TOKEN})
    assert TOKEN not in result.out + result.err


FROM_A_MIRROR = """
import os
from friendli_iac.clients.hub import Hub
print(Hub({**os.environ, "HF_ENDPOINT": os.environ["MIRROR"]}).facts("acme/model"))
"""


def test_the_token_does_not_follow_a_redirect(env: dict[str, str], hub: FakeHub) -> None:
    """Of a mirror to Hugging Face itself, which the library trusts: `other` stands for it here."""
    hub.add("acme/model", private=True, readers={TOKEN})
    with FakeHub() as other:
        other.add("acme/model")
        hub.elsewhere = other.url
        env = {**env, "MIRROR": hub.url, "HF_ENDPOINT": other.url, "HF_TOKEN": TOKEN}
        ran = subprocess.run(
            [sys.executable, "-c", FROM_A_MIRROR],
            env=env, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert "chat_template=True" in ran.stdout, ran.stderr
        assert other.requests
        assert {r.token for r in other.requests} == {""}
    assert {r.token for r in hub.requests} == {TOKEN}


def test_no_token_means_none(project: Project, hub: FakeHub, tmp_path: Path) -> None:
    """A token that was saved on this machine is not taken along."""
    hub.add("acme/model")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(TOKEN)
    process = project.spawn("preflight", env={"HF_HOME": str(tmp_path / "home")})
    process.communicate(timeout=30)
    assert {r.token for r in hub.requests} == {""}


def test_a_token_that_the_hub_refuses(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model")
    said = unknown(project.run("preflight", env={"HF_TOKEN": "hf_expired"}))
    assert said == "acme/model was not looked at: 127.0.0.1 does not accept HF_TOKEN"


@pytest.mark.parametrize("token", ["hf_a b", "hf_ünicode", "hf_a\nb"])
def test_a_token_that_is_none(project: Project, hub: FakeHub, token: str) -> None:
    assert "HF_TOKEN holds a space" in unknown(project.run("preflight", env={"HF_TOKEN": token}))
    assert hub.requests == []


def test_a_token_does_not_travel_in_the_open(project: Project) -> None:
    env = {"HF_ENDPOINT": "http://me:secret@hub.invalid", "HF_TOKEN": TOKEN}
    result = project.run("preflight", env=env)
    assert "HF_ENDPOINT is not https" in unknown(result)
    assert "secret" not in result.out + result.err


@pytest.mark.parametrize(
    "url", ["hub.invalid", "https://", "https://h:port", "ftp://h", "http://["]
)
def test_an_address_that_is_none(project: Project, url: str) -> None:
    said = unknown(project.run("preflight", env={"HF_ENDPOINT": url}))
    assert said == "not looked at: HF_ENDPOINT is no address"


def test_a_hub_on_another_address_is_another_hub(env: dict[str, str], hub: FakeHub) -> None:
    """Two in one process: the token of each goes to its own."""
    hub.add("acme/model", private=True, readers={TOKEN})
    with FakeHub() as other:
        other.add("acme/model", private=True, readers={TOKEN})
        for url in (hub.url, other.url, hub.url):
            asking = Hub({**env, "HF_ENDPOINT": url, "HF_TOKEN": TOKEN})
            assert isinstance(asking.facts("acme/model"), RepoFacts)
    assert {r.token for r in [*hub.requests, *other.requests]} == {TOKEN}


def test_no_thread_stays(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model")
    project.run("preflight")
    left = [t for t in threading.enumerate() if t.name == "friendli-iac-hub"]
    for thread in left:  # told to end; on a busy machine it may take a moment
        thread.join(timeout=30)
    assert not [t for t in left if t.is_alive()]
    assert Request("GET", "/api/models/acme/model", "") in hub.requests

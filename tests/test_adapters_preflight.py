"""What is looked at before anything is sent: do the adapters fit the endpoint, and one another?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator
from tests.fakehub import FakeHub, Files, model
from tests.harness import Project, endpoint, writes
from tests.test_adapters import CHAT, ROUTES, change, manifest, seen, the_id

HF_TOKEN = "hf_canary"


def tensors(dtype: str = "BF16") -> bytes:
    """A file of safetensors with one tensor of two bytes."""
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "layer.lora_A.weight": {"dtype": dtype, "shape": [1], "data_offsets": [0, 2]},
        }
    ).encode()
    return len(header).to_bytes(8, "little") + header + b"\0\0"


def lora(
    base: object = "acme/model",
    modules: object = ("q_proj", "v_proj"),
    dtype: str = "BF16",
    kind: str = "LORA",
) -> Files:
    config = {
        "peft_type": kind,
        "base_model_name_or_path": base,
        "target_modules": list(modules) if isinstance(modules, tuple) else modules,
    }
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": tensors(dtype),
    }


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add("acme/model")
        for route in ROUTES:
            hub.add(f"acme/{route}-lora", lora())
        yield hub


@pytest.fixture
def project(tmp_path: Path, emulator: Emulator, hub: FakeHub) -> Project:
    cache = str(tmp_path / "cache")
    env = {"FRIENDLI_IAC_PREFLIGHT": "on", "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": cache}
    found = Project(tmp_path / "project", emulator.url, env=env)
    found.write(manifest(*ROUTES))
    return found


def checks(project: Project, level: str) -> list[str]:
    return [one["text"] for one in change(project)["checks"] if one["level"] == level]


def refused(project: Project, emulator: Emulator) -> str:
    """What an apply that sends nothing says."""
    done = project.apply()
    assert done.code == 5, done
    assert writes(emulator) == []
    return done.out + done.err


def test_all_is_well(project: Project) -> None:
    assert checks(project, "fail") == []
    fine = checks(project, "ok")
    for said in (
        "adapter legal: it was trained for acme/model",
        "adapter support-tone: adapter_model.safetensors is there",
        "the adapters have the same target modules",
        "the adapters are bfloat16",
    ):
        assert said in fine


def test_another_base_model_is_refused(project: Project, emulator: Emulator, hub: FakeHub) -> None:
    hub.add("acme/legal-lora", lora("acme/other"))
    said = refused(project, emulator)
    assert (
        "adapter legal: it was trained for acme/other, and the endpoint serves acme/model" in said
    )
    assert project.apply("--no-preflight").code == 11


def test_attached_later_it_is_looked_at_as_well(
    project: Project, emulator: Emulator, hub: FakeHub
) -> None:
    """Nothing is sent for it by us, and yet it is checked."""
    project.write(endpoint())
    assert project.apply().code == 0
    emulator.clear_requests()
    hub.add("acme/legal-lora", lora("acme/other"))
    project.write(manifest("legal"))
    assert "acme/other" in refused(project, emulator)
    assert "records" not in project.state_path.read_text().partition("legal")[2]


def test_another_model_and_the_adapters_of_the_old_one(
    project: Project, emulator: Emulator, hub: FakeHub
) -> None:
    project.apply()
    emulator.clear_requests()
    hub.add("acme/next")
    project.write(manifest(*ROUTES, repo="acme/next"))
    assert "it was trained for acme/model, and the endpoint serves acme/next" in refused(
        project, emulator
    )


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (lora(modules=("k_proj",)), "the adapters have other target modules"),
        (lora(dtype="F32"), "the adapters are not of one number format"),
        (lora(kind="IA3"), "it is no LoRA adapter, but IA3"),
        (
            {**lora(), "adapter_model.safetensors": b"", "adapter_model.bin": 5},
            "",
        ),
        (
            {"adapter_config.json": lora()["adapter_config.json"], "adapter_model.bin": 5},
            "Convert it to adapter_model.safetensors",
        ),
        ({"adapter_config.json": lora()["adapter_config.json"]}, "safetensors is missing"),
        ({"adapter_model.safetensors": tensors()}, "adapter_config.json is missing"),
        ({**lora(), "adapter_config.json": b"nonsense"}, "adapter_config.json cannot be read"),
    ],
)
def test_what_does_not_fit(
    project: Project, emulator: Emulator, hub: FakeHub, files: Files, says: str
) -> None:
    hub.add("acme/legal-lora", files)
    if says:
        assert says in refused(project, emulator)
    else:
        assert checks(project, "fail") == []


@pytest.mark.parametrize(
    ("base", "level", "says"),
    [
        ("ACME/Model", "ok", "it was trained for ACME/Model"),
        ("/home/me/model of mine", "warn", "it was trained for a folder"),
        (None, "warn", "does not say which model"),
    ],
)
def test_bases_that_are_no_refusal(
    project: Project, hub: FakeHub, base: object, level: str, says: str
) -> None:
    hub.add("acme/legal-lora", lora(base))
    assert any(says in text for text in checks(project, level))
    assert checks(project, "fail") == []


def test_another_format_than_the_model_is_said(project: Project, hub: FakeHub) -> None:
    for route in ROUTES:
        hub.add(f"acme/{route}-lora", lora(dtype="F32"))
    (said,) = checks(project, "warn")
    assert said.startswith("the adapters are float32, and their model is bfloat16")


def test_an_uploaded_model_cannot_be_compared(project: Project) -> None:
    text = manifest("legal").replace("huggingFace: {repo: acme/model}", "uploaded: {id: m-1}", 1)
    project.write(text)
    assert any("nobody compares with m-1" in text for text in checks(project, "warn"))


def test_a_gated_one_needs_a_token(project: Project, emulator: Emulator, hub: FakeHub) -> None:
    hub.add("acme/legal-lora", lora(), gated="auto", readers={HF_TOKEN})
    said = refused(project, emulator)
    assert "adapter legal: acme/legal-lora" in said
    assert "Set HF_TOKEN" in said
    project.env["HF_TOKEN"] = HF_TOKEN
    assert checks(project, "fail") == []
    done = project.apply()
    assert done.code == 11, done
    assert HF_TOKEN not in done.out + done.err + project.everything_written()


def test_offline_nothing_is_asked_and_nothing_claimed(project: Project, hub: FakeHub) -> None:
    project.env["HF_HUB_OFFLINE"] = "1"
    assert "adapter legal: not looked at: HF_HUB_OFFLINE is set" in checks(project, "UNKNOWN")
    assert hub.requests == []


def test_it_is_locked_to_a_commit(project: Project, hub: FakeHub) -> None:
    commit = hub.repos["acme/legal-lora"].refs["main"]
    (step,) = [m for m in change(project)["manual"] if "legal" in m["what"]]
    assert ["Revision", commit] in step["values"]
    assert project.apply().code == 11
    block = project.state["resources"][CHAT]["prior"]["spec"]["adapters"][1]
    assert block["huggingFace"] == {"repo": "acme/legal-lora", "revision": commit, "asked": ""}
    hub.repos["acme/legal-lora"].push(lora(), name="newer")
    hub.requests.clear()
    assert change(project)["action"] == "verify"  # that a branch moved is no change
    assert hub.requests == []


def test_a_commit_that_is_learnt_later_makes_no_other_one(
    project: Project, emulator: Emulator
) -> None:
    """What is written is as it was, so that nobody has to replace anything."""
    project.env["FRIENDLI_IAC_PREFLIGHT"] = "off"
    assert project.apply().code == 11
    emulator.attach_adapter(the_id(project), *ROUTES)
    assert project.apply().code == 0
    assert "revision" not in project.state["resources"][CHAT]["prior"]["spec"]["adapters"][1]
    project.env["FRIENDLI_IAC_PREFLIGHT"] = "on"
    planned = change(project)
    assert (planned["action"], planned["manual"]) == ("record", [])
    assert project.apply().code == 0
    assert seen(project) == dict.fromkeys(ROUTES, "served")


@pytest.mark.parametrize(
    ("modules", "level", "says"),
    [
        (["v_proj", "q_proj", "v_proj"], "ok", "the adapters have the same target modules"),
        (None, "UNKNOWN", "adapter_config.json of legal names no target modules"),
        ([], "UNKNOWN", "adapter_config.json of legal names no target modules"),
    ],
)
def test_target_modules_are_a_set(
    project: Project, hub: FakeHub, modules: object, level: str, says: str
) -> None:
    hub.add("acme/legal-lora", lora(modules=modules))
    assert [one for one in checks(project, level) if one.startswith(says)]
    assert checks(project, "fail") == []


def test_what_is_known_is_not_fetched_again(project: Project, hub: FakeHub) -> None:
    change(project)
    hub.requests.clear()
    change(project)
    again = [r for r in hub.requests if r.method == "GET" and r.path.endswith("config.json")]
    assert again == []


# --- folders of the project ---


def folder(project: Project, files: Files) -> None:
    path = project.root / "loras" / "legal"
    path.mkdir(parents=True)
    for name, content in files.items():
        assert isinstance(content, bytes)
        (path / name).write_bytes(content)
    text = manifest("legal").replace("huggingFace: {repo: acme/legal-lora}", "folder: loras/legal")
    project.write(text)


def test_a_folder_is_looked_at(project: Project, emulator: Emulator) -> None:
    folder(project, lora("acme/other"))
    assert "it was trained for acme/other" in refused(project, emulator)


def test_a_folder_that_fits(project: Project) -> None:
    folder(project, lora())
    assert checks(project, "fail") == []
    assert "the adapters are bfloat16" in checks(project, "ok")
    (step,) = change(project)["manual"]
    assert ["LoRA adapter", "uploaded from loras/legal"] in step["values"]


@pytest.mark.parametrize("where", ["../outside", "/etc"])
def test_a_folder_outside_of_the_project(project: Project, emulator: Emulator, where: str) -> None:
    outside = project.root.parent / "outside"
    outside.mkdir()
    for name, content in lora().items():
        assert isinstance(content, bytes)
        (outside / name).write_bytes(content)
    text = manifest("legal").replace("huggingFace: {repo: acme/legal-lora}", f"folder: {where}")
    project.write(text)
    assert f"adapter legal: {where} is not in the project" in refused(project, emulator)


def test_a_folder_that_is_not_there(project: Project, emulator: Emulator) -> None:
    text = manifest("legal").replace("huggingFace: {repo: acme/legal-lora}", "folder: loras/none")
    project.write(text)
    assert "adapter legal: folder 'loras/none': No such file" in refused(project, emulator)


def _header(text: bytes, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "weights",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        b"",
        _header(b"[]"),
        _header(b"{}"),
        _header(b'{"a": {"dtype": "BF16"}}', 1 << 40),
        _header(b'{"a": {}}'),
        _header(b"[" * 100_000),
    ],
)
def test_weights_that_are_none(project: Project, emulator: Emulator, weights: bytes) -> None:
    folder(project, {**lora(), "adapter_model.safetensors": weights})
    said = refused(project, emulator)
    assert "adapter_model.safetensors has no header of safetensors" in said


def test_a_header_that_the_hub_does_not_give(project: Project, hub: FakeHub) -> None:
    hub.add("acme/legal-lora", {**lora(), "adapter_model.safetensors": b"no header"})
    (said,) = [text for text in checks(project, "UNKNOWN") if "header" in text]
    assert said.startswith("adapter legal: adapter_model.safetensors is there")


@pytest.mark.parametrize("what", ["deep", "inside", "itself", "nul"])
def test_odd_folders_are_problems_and_no_defects(project: Project, what: str) -> None:
    folder(project, lora())
    path, text = project.root / "loras" / "legal", (project.root / "main.yaml").read_text()
    if what == "deep":
        (path / "adapter_config.json").write_bytes(b"[" * 100_000)
    elif what == "inside":
        (path / "loop").symlink_to("loop")
    elif what == "itself":
        (project.root / "loop").symlink_to("loop")
        project.write(text.replace("folder: loras/legal", "folder: loop"))
    else:
        project.write(text.replace("folder: loras/legal", 'folder: "a\\0b"'))
    planned = project.run("plan")
    assert "a defect" not in planned.err
    assert planned.code == (0 if what == "inside" else 5), planned
    assert what == "inside" or "adapter legal: " in planned.out


def test_a_link_out_of_the_folder_is_not_followed(project: Project, emulator: Emulator) -> None:
    folder(project, {"adapter_model.safetensors": tensors()})
    secret = project.root.parent / "secret.json"
    secret.write_text(json.dumps({"peft_type": "the canary"}))
    (project.root / "loras" / "legal" / "adapter_config.json").symlink_to(secret)
    said = refused(project, emulator)
    assert "adapter_config.json is missing" in said
    assert "canary" not in said


def test_the_command_preflight_looks_at_them(project: Project, hub: FakeHub) -> None:
    hub.add("acme/legal-lora", lora("acme/other"))
    result: Any = project.run("preflight")
    assert result.code != 0, result
    assert "it was trained for acme/other" in result.out


def test_models_are_as_they_were(project: Project, hub: FakeHub) -> None:
    """A repository without an adapter is not asked for more than before."""
    hub.add("acme/model", model())
    project.write(endpoint())
    change(project)
    assert not [r for r in hub.requests if "adapter" in r.path]

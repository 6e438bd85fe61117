"""The local state: what is on disk, who may read it, and what is refused."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.backends import LocalBackend
from friendli_iac.backends.files import Files
from friendli_iac.core.journal import Entry, EntryType
from friendli_iac.core.replay import replay
from friendli_iac.core.state import Applied, Fence, State
from friendli_iac.errors import Locked, StateError


class Recorder(Files):
    """Says which primitives ran, in order; what was synced is named."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def write(self, descriptor: int, data: bytes) -> None:
        self.done.append("write")
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        directory = Path(f"/proc/self/fd/{descriptor}").is_dir()
        self.done.append("sync directory" if directory else "sync")
        super().fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self.done.append("rename")
        super().rename(source, target)


def adopted(name: str, time: float = 1.0) -> Entry:
    return Entry(
        "adopt", time, address=f"Endpoint/{name}", id=f"id-{name}", after=Applied({"name": name})
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.json"


def started(path: Path, files: Files | None = None) -> LocalBackend:
    """A backend with a state of serial 1."""
    backend = LocalBackend(path, files=files)
    with backend.lock("apply", {}, 0):
        backend.commit(State(lineage="L"))
    return backend


def journalled(path: Path, *names: str) -> Path:
    """A state with a journal, as a kill leaves it; the journal's path."""
    backend = started(path)
    with backend.lock("apply", {}, 0):
        for name in names:
            backend.append([adopted(name)])
    return path.with_name("state.json.journal")


def test_nothing_is_readable_for_others(path: Path) -> None:
    journal = journalled(path, "a")
    backend = LocalBackend(path)
    with backend.lock("apply", {}, 0):
        stored = backend.read()
        assert stored.state is not None
        backend.commit(replay(stored.state, stored.entries).state)
        backend.append([adopted("b")])
        for file in (path, journal, path.with_name("state.json.lock")):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("state.json.backup.1").stat().st_mode) == 0o600


def test_ten_backups_are_kept_and_each_is_a_whole_state(path: Path) -> None:
    backend = LocalBackend(path)
    with backend.lock("apply", {}, 0):
        state = State(lineage="L")
        for _ in range(14):
            state = backend.commit(state)
    backups = sorted(path.parent.glob("state.json.backup.*"), key=lambda p: int(p.suffix[1:]))
    assert [int(p.suffix[1:]) for p in backups] == list(range(4, 14))
    for backup in backups:
        assert json.loads(backup.read_text())["serial"] == int(backup.suffix[1:])


def test_what_is_written_is_synced_before_anybody_relies_on_it(path: Path) -> None:
    files = Recorder()
    backend = started(path, files)
    assert files.done == ["write", "sync", "rename", "sync directory"]
    with backend.lock("apply", {}, 0):
        files.done.clear()
        backend.append([adopted("a")])
        assert files.done == ["write", "sync", "sync directory"], "a new file, a new name"
        files.done.clear()
        backend.append([adopted("b")])
        assert files.done == ["write", "sync"]
        files.done.clear()
        backend.commit(State(lineage="L", serial=1))
        assert files.done == ["write", "sync", "rename", "sync directory"] * 2, "backup, state"


def test_a_journal_is_replayed_in_order(path: Path) -> None:
    journalled(path, "a", "b")
    stored = LocalBackend(path).read()
    assert stored.state is not None
    known = replay(stored.state, stored.entries)
    assert sorted(known.state.resources) == ["Endpoint/a", "Endpoint/b"]
    assert stored.state.resources == {}, "the committed state is as it was"


def effect(type: EntryType, key: str, step: str = "create", **more: Any) -> Entry:
    return Entry(type, 1.0, address=f"Endpoint/{key}", key=key, step=step, **more)


def test_a_commit_between_any_two_entries_loses_nothing() -> None:
    """Also while effects are open: they are committed with the state, and replayed from there."""
    spec = Applied({"name": "n"})
    entries = [
        Entry("run", 1.0, plan="P"),
        effect("begin", "a", project="p", name="a", after=spec, plan="P", listed=["x"]),
        effect("begin", "b", project="p", name="b", after=spec, plan="P", listed=["x"]),
        effect("sent", "a"),
        effect("absent", "b"),
        effect("done", "a", id="id-a"),
        effect("begin", "b", project="p", name="b", after=spec, plan="P", listed=["x"]),
        Entry("verified", 1.0, address="Endpoint/a", fence=Fence(0, "t"), outcome="good"),
        effect("begin", "a", "update", id="id-a", name="a", after=spec, plan="P", fence=Fence(0)),
        Entry("moved", 1.0, address="Endpoint/a", name="Endpoint/z"),
        effect("sent", "b"),
        effect("done", "a", "update", id="id-a"),
        effect("begin", "c", "delete", id="id-c", project="p", plan="P"),
        Entry("failed", 1.0, address="Endpoint/z", fence=Fence(1), outcome="not applied"),
        effect("done", "b", id="id-b"),
        Entry("finished", 1.0, plan="P", key="b"),
    ]
    whole = replay(State(lineage="L"), entries)
    assert whole.state.resources["Endpoint/z"].fence == Fence(1)
    assert [lost.name for lost in whole.state.lost] == ["b"]
    for cut in range(len(entries) + 1):
        committed = replay(State(lineage="L"), entries[:cut]).to_commit()
        stored = State.from_json(json.loads(json.dumps(committed.to_json())))
        known = replay(stored, entries[cut:])
        assert known.to_commit() == whole.to_commit(), f"committed after {cut} entries"


def addresses(path: Path) -> list[str]:
    """What the journal is about."""
    return [entry.address for entry in LocalBackend(path).read().entries]


def lines(journal: Path) -> list[bytes]:
    return journal.read_bytes().splitlines(keepends=True)


def test_a_torn_tail_is_cut_off_with_a_notice(path: Path) -> None:
    journal = journalled(path, "a", "b")
    whole = lines(journal)
    for keep in range(1, len(whole[-1])):
        journal.write_bytes(b"".join(whole[:-1]) + whole[-1][:keep])
        backend = LocalBackend(path)
        assert len(backend.read().entries) == 1
        assert b"".join(lines(journal)) == b"".join(whole[:-1]) + whole[-1][:keep], "only read"
        with backend.lock("apply", {}, 0):
            stored = backend.read()
            assert [e.address for e in stored.entries] == ["Endpoint/a"]
            assert any("torn last line" in notice for notice in stored.notices)
            assert lines(journal) == whole[:-1]
            backend.append([adopted("c")])
        assert addresses(path) == [
            "Endpoint/a",
            "Endpoint/c",
        ]


def test_a_torn_header_leaves_an_empty_journal(path: Path) -> None:
    journal = journalled(path, "a")
    journal.write_bytes(lines(journal)[0][:10])
    backend = LocalBackend(path)
    with backend.lock("apply", {}, 0):
        backend.append([adopted("b")])
    assert addresses(path) == ["Endpoint/b"]


def flip(line: bytes) -> bytes:
    return line.replace(b"Endpoint/a", b"Endpoint/x")


def cut(line: bytes) -> bytes:
    return line[: len(line) // 2] + b"\n"


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_corrupt_middle_line_stops_everything_and_is_kept(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    journal = journalled(path, "a", "b")
    whole = lines(journal)
    whole[1] = damage(whole[1])
    journal.write_bytes(b"".join(whole))
    backend = LocalBackend(path)
    with pytest.raises(StateError, match=r"journal:2") as caught:
        backend.read()
    assert "friendli-iac import" in caught.value.next
    with pytest.raises(StateError), backend.lock("apply", {}, 0):
        pass
    assert lines(journal) == whole


def with_header(journal: Path, **header: object) -> None:
    from friendli_iac.backends.lines import encode

    journal.write_bytes(encode({"lineage": "L", "serial": 1, **header}) + lines(journal)[1])


def test_a_journal_of_another_state_is_refused(path: Path) -> None:
    journal = journalled(path, "a")
    with_header(journal, lineage="M")
    with pytest.raises(StateError, match="belongs to another state"):
        LocalBackend(path).read()
    with_header(journal, serial=2)
    with pytest.raises(StateError, match="ahead of the state"):
        LocalBackend(path).read()
    path.unlink()
    with pytest.raises(StateError, match="belongs to another state"):
        LocalBackend(path).read()
    assert journal.exists()


def test_a_journal_behind_the_state_was_committed_and_is_left_out(path: Path) -> None:
    journal = journalled(path, "a")
    with_header(journal, serial=0)
    backend = LocalBackend(path)
    assert backend.read().entries == ()
    with backend.lock("apply", {}, 0):
        (notice,) = backend.read().notices
        assert "old journal" in notice
        assert not journal.exists()


@pytest.mark.parametrize(
    "change", [{"state_version": 2}, {"state_version": None}, {"colour": "red"}, {"runs": []}]
)
def test_a_state_that_we_do_not_understand_is_refused(
    path: Path, change: dict[str, object]
) -> None:
    started(path)
    document = json.loads(path.read_text()) | change
    path.write_text(json.dumps(document))
    with pytest.raises(StateError):
        LocalBackend(path).read()
    assert json.loads(path.read_text()) == document


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"state_version": 1}'])
def test_a_damaged_state_is_refused_and_names_the_backups(path: Path, text: str) -> None:
    started(path)
    path.write_text(text)
    with pytest.raises(StateError) as caught:
        LocalBackend(path).read()
    assert "backup" in caught.value.next or "version" in str(caught.value)


def test_a_journal_entry_of_a_newer_version_is_refused(path: Path) -> None:
    from friendli_iac.backends.lines import encode

    for entry in ({"type": "teleport", "time": 1}, {"type": "done", "time": 1, "colour": "red"}):
        journal = journalled(path, "a")
        with journal.open("ab") as file:
            file.write(encode(entry))
        with pytest.raises(StateError, match="does not know"):
            LocalBackend(path).read()
        journal.unlink()


def test_after_a_failed_write_nothing_is_appended_behind_the_torn_line(path: Path) -> None:
    class Failing(Files):
        failing = False

        def write(self, descriptor: int, data: bytes) -> None:
            if self.failing:
                super().write(descriptor, data[:20])
                raise OSError(28, "No space left on device")
            super().write(descriptor, data)

    files = Failing()
    backend = started(path, files)
    with backend.lock("apply", {}, 0):
        backend.append([adopted("a")])
        files.failing = True
        with pytest.raises(StateError, match="No space left"):
            backend.append([adopted("b")])
        files.failing = False
        with pytest.raises(StateError, match="No space left"):
            backend.append([adopted("c")])
    assert addresses(path) == ["Endpoint/a"]


def test_the_lock_names_its_holder_and_is_waited_for(path: Path) -> None:
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with LocalBackend(path).lock("destroy", {"GITHUB_ACTOR": "ada"}, 0):
            holding.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(10)
    with (
        pytest.raises(Locked, match=r"destroy by ada since \d{4}-\d\d-\d\dT"),
        LocalBackend(path).lock("apply", {}, 0),
    ):
        pass
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        done.set()
        thread.join()

    with LocalBackend(path, sleep=sleep).lock("apply", {}, 60):
        assert waits
    assert path.with_name("state.json.lock").read_bytes() == b"", "nobody holds it"

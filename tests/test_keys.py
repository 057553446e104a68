"""Keys: what a file holds, who is found by a secret, and what a key may do."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lookalike import cli
from lookalike.errors import KeysError
from lookalike.keys import LONGEST_SECRET, KeyFile, KeyRing, default_file, keys_at_start, new_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "keys.json"


def test_a_file_holds_the_digest_and_not_the_secret_and_only_its_owner_reads_it(path: Path) -> None:
    key, secret = new_key("gate", ("read",), ("gate",))
    KeyFile(path).add(key)
    (entry,) = json.loads(path.read_text())
    assert entry["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyFile(path).read() == [key]


def test_a_secret_finds_its_key_and_no_other_text_does(path: Path) -> None:
    (one, secret), (other, other_secret) = new_key("one", ("read",)), new_key("other", ("admin",))
    for key in (one, other):
        KeyFile(path).add(key)
    ring = KeyRing({"LOOKALIKE_KEYS": str(path)})
    assert ring.find(secret) == one
    assert ring.find(other_secret) == other
    for wrong in ("", secret[:-1], secret + "x", one.digest, "\udcff", "ä"):
        assert ring.find(wrong) is None


def test_every_key_is_compared_in_constant_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [new_key(f"k{number}", ("read",)) for number in range(3)]
    for key, _ in made:
        KeyFile(path).add(key)
    ring, compared = KeyRing({"LOOKALIKE_KEYS": str(path)}), list[str]()

    def compare(digest: str, other: str) -> bool:
        compared.append(digest)
        return digest == other

    monkeypatch.setattr("lookalike.keys.hmac.compare_digest", compare)
    for secret in (made[0][1], made[2][1], "lk_guessed"):
        compared.clear()
        ring.find(secret)
        assert compared == [key.digest for key, _ in made]


def test_scopes_admin_may_do_everything_and_others_what_they_name() -> None:
    reader, admin = new_key("r", ("read", "embed"))[0], new_key("a", ("admin",))[0]
    assert [reader.allows(scope) for scope in ("read", "embed", "write", "admin")] == [True, True, False, False]
    assert [admin.allows(scope) for scope in ("read", "embed", "write", "admin")] == [True] * 4


def test_keys_that_are_added_and_revoked_count_at_once(tmp_path: Path) -> None:
    ring, path = KeyRing({"XDG_CONFIG_HOME": str(tmp_path)}), tmp_path / "lookalike" / "keys.json"
    assert not ring.required
    key, secret = new_key("one", ("read",))
    KeyFile(path).add(key)
    assert ring.required
    assert ring.find(secret) == key
    assert KeyFile(path).revoke("one") == 0
    assert ring.find(secret) is None
    assert ring.required  # the last key was revoked: nobody gets in, rather than everybody
    path.unlink()
    assert ring.required


def test_a_file_that_is_named_and_missing_lets_nobody_in(path: Path) -> None:
    ring = KeyRing({"LOOKALIKE_KEYS": str(path)})
    assert ring.required
    key, secret = new_key("one", ("read",))
    assert ring.find(secret) is None
    KeyFile(path).add(key)
    assert ring.find(secret) == key


def test_a_worker_that_is_started_after_the_usual_file_came_and_went_asks_for_keys(tmp_path: Path) -> None:
    """It let everybody in: the service had been started without keys. So did another worker that had not been asked."""
    env, path, mark = {"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path / "lookalike" / "keys.json", tmp_path / "mark"
    first, other = KeyRing(env, mark=mark), KeyRing(env, mark=mark)
    assert not first.required
    KeyFile(path).add(new_key("one", ("read",))[0])
    assert first.required
    path.unlink()
    assert [ring.required for ring in (first, other, KeyRing(env, mark=mark))] == [True] * 3
    assert not KeyRing(env, mark=tmp_path / "of another service").required


def test_an_empty_file_asks_for_keys(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("[]")
    assert KeyRing({"LOOKALIKE_KEYS": str(path)}).required


def test_the_token_is_one_key_with_all_rights(path: Path) -> None:
    ring = KeyRing({"LOOKALIKE_KEYS": str(path), "LOOKALIKE_TOKEN": "a secret"})
    key = ring.find("a secret")
    assert ring.required
    assert key is not None
    assert (key.name, key.scopes) == ("LOOKALIKE_TOKEN", ("admin",))


def test_a_token_that_is_a_key_has_the_rights_of_that_key(path: Path) -> None:
    """Clients read the same variable. In the shell of one, a service made an admin of whoever may only read."""
    key, secret = new_key("one", ("read",))
    KeyFile(path).add(key)
    ring = KeyRing({"LOOKALIKE_KEYS": str(path), "LOOKALIKE_TOKEN": secret})
    assert ring.find(secret) == key
    KeyFile(path).revoke("one")
    assert ring.find(secret) is None
    content = json.dumps([asdict(key)])
    assert KeyRing({"LOOKALIKE_KEYS": content, "LOOKALIKE_TOKEN": secret}).find(secret) == key


def test_a_token_that_is_a_revoked_key_has_no_rights(path: Path) -> None:
    """A worker that is started again reads the file anew: what was limited to a camera had all rights there."""
    key, secret = new_key("one", ("read",), ("gate",))
    KeyFile(path).add(key)
    env = {"LOOKALIKE_KEYS": str(path), "LOOKALIKE_TOKEN": secret}
    assert keys_at_start(env).find(secret) == key
    KeyFile(path).revoke("one")
    assert KeyRing(env).find(secret) is None
    with pytest.raises(KeysError, match=r"LOOKALIKE_TOKEN is a secret that .* and not among the keys of this service"):
        keys_at_start(env)
    assert KeyRing({"LOOKALIKE_KEYS": "[]", "LOOKALIKE_TOKEN": secret}).required


def test_spaces_and_line_breaks_around_the_token_do_not_count(path: Path) -> None:
    """As of a file with the line breaks of Windows. Clients cannot send them."""
    assert KeyRing({"LOOKALIKE_KEYS": "[]", "LOOKALIKE_TOKEN": "a secret\r\n"}).find("a secret") is not None
    with pytest.raises(KeysError, match="LOOKALIKE_TOKEN is blank"):
        KeyRing({"LOOKALIKE_KEYS": "[]", "LOOKALIKE_TOKEN": "\r\n"})


@pytest.mark.parametrize("token", ["a\nb", "a\x7f", "a" * (LONGEST_SECRET + 1)])
def test_a_token_that_no_client_can_send_is_refused(token: str) -> None:
    """The service took it, and then nobody got in."""
    with pytest.raises(KeysError, match="LOOKALIKE_TOKEN has more than 1024 characters, a line break or") as caught:
        KeyRing({"LOOKALIKE_KEYS": "[]", "LOOKALIKE_TOKEN": token})
    assert token not in str(caught.value)
    assert KeyRing({"LOOKALIKE_KEYS": "[]", "LOOKALIKE_TOKEN": "a" * LONGEST_SECRET}).find("a" * LONGEST_SECRET)


def test_a_key_for_a_camera_without_a_name_is_refused(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    """As `--camera "$CAMERA"` makes it. It saw nothing, and the list said that it saw all."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["keys", "add", "gatehouse", "--scope", "read", "--camera", "", "--keys", str(path)])
    assert (ended.value.code, "a camera has no name" in capsys.readouterr().err) == (2, True)
    assert KeyFile(path).read() == []


def test_keys_in_the_environment(path: Path) -> None:
    key, secret = new_key("one", ("embed",))
    KeyFile(path).add(key)
    content = path.read_text()
    path.unlink()
    assert KeyRing({"LOOKALIKE_KEYS": content}).find(secret) == key
    with pytest.raises(KeysError, match="holds keys, not the name of a file"):
        default_file({"LOOKALIKE_KEYS": content})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[1]",
        "[" * 100_000,
        '[{"name": "x"}]',
        json.dumps([{"name": "x", "digest": "short", "scopes": ["read"], "cameras": [], "created_at": ""}]),
        json.dumps([{"name": "x", "digest": "\u00e4" * 64, "scopes": ["read"], "cameras": [], "created_at": ""}]),
        json.dumps([{"name": "x", "digest": "A" * 64, "scopes": ["read"], "cameras": [], "created_at": ""}]),
        json.dumps([{"name": "x", "digest": "0" * 64, "scopes": "read", "cameras": [], "created_at": ""}]),
        json.dumps([{"name": "x", "digest": "0" * 64, "scopes": ["root"], "cameras": [], "created_at": ""}]),
        json.dumps([{"name": "x", "digest": "0" * 64, "scopes": ["read"], "cameras": [], "created_at": ""}] * 2),
    ],
)
def test_a_broken_file_lets_nobody_in(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(KeysError, match=r"keys\.json: not a list of keys"):
        KeyRing({"LOOKALIKE_KEYS": str(path)})


def test_a_file_that_breaks_later_lets_nobody_in(path: Path) -> None:
    key, secret = new_key("one", ("read",))
    KeyFile(path).add(key)
    ring = KeyRing({"LOOKALIKE_KEYS": str(path)})
    path.write_text("half a fi")
    for _ in range(2):
        with pytest.raises(KeysError):
            ring.find(secret)


def test_last_use_is_noted_once_a_minute(path: Path) -> None:
    key, _ = new_key("one", ("read",))
    file = KeyFile(path)
    file.add(key)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ring = KeyRing({"LOOKALIKE_KEYS": str(path)}, lambda: now)
    assert file.last_used() == {}
    noted = []
    for after_s in (0, 59, 61):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=after_s)
        ring.note_used(key)
        noted.append(file.last_used()[key.digest])
    assert noted == ["2026-01-01T00:00:00+00:00"] * 2 + ["2026-01-01T00:01:01+00:00"]


def test_a_file_that_a_service_may_read_can_be_read_after_a_change(path: Path) -> None:
    """It became root's own when root added or revoked a key, and everybody was locked out."""
    file = KeyFile(path)
    file.add(new_key("one", ("read",))[0])
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    before = path.stat()
    file.add(new_key("two", ("read",))[0])
    file.revoke("one")
    file.note_used({"a": "b"})
    for name in ("keys.json", "keys.json.lock"):
        after = path.with_name(name).stat()
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert [key.name for key in file.read()] == ["two"]


def test_keys_added_at_once_are_all_kept(path: Path) -> None:
    threads = [threading.Thread(target=KeyFile(path).add, args=[new_key(f"k{i}", ("read",))[0]]) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key.name for key in KeyFile(path).read()) == sorted(f"k{i}" for i in range(16))


@pytest.fixture
def run(path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            cli.main(["keys", *arguments, "--keys", str(path)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def test_a_key_is_made_listed_and_revoked(path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    code, secret, note = run("add", "gate", "--scope", "read", "--camera", "yard")
    assert code == 0
    assert "its secret is not stored" in note
    key = KeyRing({"LOOKALIKE_KEYS": str(path)}).find(secret.strip())
    assert key is not None
    assert (key.name, key.scopes, key.cameras) == ("gate", ("read",), ("yard",))
    code, listed, _ = run("list", "--json")
    assert json.loads(listed) == {
        "name": "gate",
        "scopes": ["read"],
        "cameras": ["yard"],
        "created_at": key.created_at,
        "last_used_at": None,
    }
    assert run("list")[1].splitlines()[1].split() == [key.created_at, "never", "read", "yard", "gate"]
    KeyFile(path).note_used({key.digest: "2026-01-05T08:00:00+00:00"})
    assert json.loads(run("list", "--json")[1])["last_used_at"] == "2026-01-05T08:00:00+00:00"
    assert run("list")[1].splitlines()[1].split()[1] == "2026-01-05T08:00:00+00:00"
    assert run("revoke", "gate")[0] == 0
    assert run("list", "--json")[1] == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("add", ""), 2, "invalid name ''"),
        (("add", "a\nb"), 2, "invalid name"),
        (("add", "x" * 65), 2, "invalid name"),
        (("add", "x", "--scope", "root"), 2, 'Invalid value "root" for --scope'),
        (("add", "x", "--scope", "write", "--camera", "yard"), 2, "cannot be limited to cameras"),
        (("add", "x", "--scope", "read", "--camera", "a\udcff"), 2, "invalid camera: expected UTF-8"),
        (("revoke", "x"), 1, "no key 'x'; its keys: none"),
    ],
)
def test_what_a_key_cannot_be(
    run: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], code: int, message: str
) -> None:
    got = run(*arguments)
    assert (got[0], got[1]) == (code, "")
    assert message in got[2]
    assert len(got[2].splitlines()) == 1


def test_a_name_is_used_once(run: Callable[..., tuple[int, str, str]]) -> None:
    run("add", "gate")
    assert "there is a key 'gate' already" in run("add", "gate")[2]

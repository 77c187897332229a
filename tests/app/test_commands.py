"""Every command: its document, its exit code, and that errors are documents, too."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.app.people import COMMAND, Person, environment, go_around, pair, use_folder

HEX32 = re.compile(r"[0-9a-f]{32}")
HEX64 = re.compile(r"[0-9a-f]{64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def two(folder: Path) -> tuple[Person, Person]:
    """Ana and Ben, paired, in one group, with a folder between them; daemons up, so that all this is quick."""
    ana, ben = Person.make(folder, "ana"), Person.make(folder, "ben")
    pair(ana, ben, folder)
    use_folder(folder / "stick", ana, ben)
    assert set(ana.do("group", "create", "convoy", "--retention", "7d")) == {"id", "name"}
    go_around(ana, ben, ana)
    added = ana.do("group", "add", "convoy", "ben")
    assert added["state"] == "invited"
    assert HEX64.fullmatch(added["member"])
    go_around(ana, ben)
    assert ben.do("group", "list")["groups"][0]["state"] == "invited"
    assert ben.do("group", "join", "convoy")["name"] == "convoy"
    go_around(ben, ana)
    return ana, ben


def test_init(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a b c\n")
    ana = Person("ana", tmp_path / "deep" / "ana", secret)
    assert ana.do("init", "--name", "Ana") == {"vault": str(ana.home), "name": "Ana"}
    assert ana.home.stat().st_mode & 0o777 == 0o700
    before = {path.name: path.read_bytes() for path in ana.home.iterdir()}
    assert ana.fail(1, "init", "--name", "Other")["code"] == "exists"
    assert {path.name: path.read_bytes() for path in ana.home.iterdir()}.keys() == before.keys()
    status = ana.do("status")
    assert status["name"] == "Ana"
    wrong = tmp_path / "wrong"
    wrong.write_text("a b d")
    assert Person("ana", ana.home, wrong).fail(3, "status")["code"] == "passphrase"


def test_init_refuses_an_empty_passphrase_and_a_bad_name(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    assert Person("x", tmp_path / "x", empty).fail(2, "init", "--name", "X")["code"] == "usage"
    empty.write_text("ok")
    assert Person("x", tmp_path / "x", empty).fail(2, "init", "--name", "a\nb")["code"] == "usage"
    assert Person("x", tmp_path / "x", tmp_path / "none").fail(1, "init", "--name", "X")
    assert not (tmp_path / "x").exists()


def test_without_a_vault_without_a_terminal(tmp_path: Path) -> None:
    nobody = Person("nobody", tmp_path / "nobody", tmp_path / "none")
    assert nobody.fail(1, "status")["code"] == "no-vault"
    made = Person.make(tmp_path, "ana")
    call = [*COMMAND, "--home", str(made.home), "status", "--json"]
    done = subprocess.run(
        call, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2
    assert "--passphrase-file" in json.loads(done.stdout)["error"]["todo"]
    variable = environment(CHASQUI_PASSPHRASE_FILE=str(made.passphrase_file), CHASQUI_HOME=str(made.home))
    done = subprocess.run([*COMMAND, "status"], capture_output=True, text=True, env=variable, check=False)
    assert done.returncode == 0, done.stderr
    assert "ana" in done.stdout


def test_damaged_vault(tmp_path: Path) -> None:
    ana = Person.make(tmp_path, "ana")
    header = ana.home / "vault"
    header.write_bytes(header.read_bytes()[:100])
    assert ana.fail(3, "status")["code"] == "damaged"


def test_passphrase(tmp_path: Path) -> None:
    ana = Person.make(tmp_path, "ana")
    other = tmp_path / "other"
    other.write_text("another one")
    assert ana.do("passphrase", "--new-passphrase-file", str(other)) == {"changed": True}
    assert ana.fail(3, "status")["code"] == "passphrase"
    assert Person("ana", ana.home, other).do("status")["name"] == "ana"


def test_status(two: tuple[Person, Person]) -> None:
    status = two[0].do("status")
    assert set(status) == {"vault", "name", "daemon", "links", "groups", "contacts", "waiting", "incoming"}
    assert status["daemon"] == {"running": False, "pid": None}
    assert status["links"][0].keys() == {"id", "kind", "settings", "state", "silent_s", "passing"}
    counts = {"members", "messages", "confirmed", "alarms", "waiting", "accused", "heard"}
    assert status["groups"][0].keys() == {"id", "name", "state"} | counts


def test_contacts(two: tuple[Person, Person], folder: Path) -> None:
    ana, _ = two
    (line,) = ana.do("contact", "list")["contacts"]
    assert line.keys() == {"name", "id", "key", "verified", "words"}
    assert line["verified"] is None
    assert len(line["words"]) == 12
    verified = ana.do("contact", "verify", "ben")
    assert TIME.fullmatch(verified["verified"])
    assert ana.do("contact", "list")["contacts"][0]["verified"] == verified["verified"]
    assert ana.do("contact", "verify", line["key"][:8])["name"] == "ben"
    offer = folder / "again.offer"
    assert ana.do("contact", "offer", str(offer)) == {"file": str(offer)}
    assert offer.stat().st_mode & 0o777 == 0o600
    before = offer.read_bytes()
    assert ana.fail(1, "contact", "offer", str(offer))["message"].startswith("There is a file")
    assert offer.read_bytes() == before


def test_pairing_files_that_are_none(two: tuple[Person, Person], folder: Path) -> None:
    ana, ben = two
    assert ana.fail(1, "contact", "accept", str(folder / "missing"))["code"] == "cannot"
    torn = folder / "torn.offer"
    offer = folder / "whole.offer"
    ana.do("contact", "offer", str(offer))
    reply = folder / "no.reply"
    for data in (b"", b"hello", offer.read_bytes()[:-9], offer.read_bytes()[:3]):
        torn.write_bytes(data)
        assert ben.fail(1, "contact", "accept", str(torn), "--as", "x", "--reply", str(reply))["code"] == "peer"
        assert not reply.exists()
    assert ben.fail(2, "contact", "accept", str(offer), "--reply", str(reply))["code"] == "usage"
    assert ben.fail(2, "contact", "accept", str(offer), "--as", "x")["code"] == "usage"
    assert ana.fail(1, "contact", "accept", str(offer), "--as", "x", "--reply", str(reply))["code"] == "cannot"
    reply.write_text("mine")
    assert ben.fail(1, "contact", "accept", str(offer), "--as", "x", "--reply", str(reply))
    assert reply.read_text() == "mine"


def test_group_show(two: tuple[Person, Person]) -> None:
    shown = two[0].do("group", "show", "convoy")
    assert {"id", "name", "state", "head", "members", "pending"} <= set(shown)
    assert shown["state"] == "current"
    assert HEX32.fullmatch(shown["head"])
    assert {"name", "key", "role", "state", "last_heard", "renewed"} <= set(shown["members"][0])
    assert {m["name"]: m["state"] for m in shown["members"]} == {"ana": "current", "ben": "current"}
    assert two[0].do("group", "show", shown["id"][:8])["id"] == shown["id"]
    assert two[0].do("group", "show", "ben")["contact"] is True


def test_messages(two: tuple[Person, Person], folder: Path) -> None:
    ana, ben = two
    first = ana.run("send", "convoy", "hello")
    assert HEX32.fullmatch(first.out.strip())
    second = ana.do("send", "convoy", "-", stdin="zwei\nlines\n")
    assert second.keys() == {"id"}
    picture = folder / "pic.png"
    picture.write_bytes(bytes(range(256)) * 200)
    third = ana.do("send", "convoy", "--file", str(picture), "--urgent")
    go_around(ana, ben, ana)
    found = ben.do("read", "convoy")
    assert found.keys() == {"messages", "gaps"}
    assert [m["id"] for m in found["messages"]] == [first.out.strip(), second["id"], third["id"]]
    text, _, file = found["messages"]
    assert {"pos", "id", "author", "author_name", "seq", "time", "kind", "text", "state", "receipts"} <= set(text)
    assert (text["kind"], text["author_name"], text["text"]) == ("text", "ana", "hello")
    assert TIME.fullmatch(text["time"])
    assert all(HEX64.fullmatch(key) and value == "delivered" for key, value in text["receipts"].items())
    assert found["messages"][1]["text"] == "zwei\nlines"
    assert (file["kind"], file["text"], file["size"], file["parts"]) == ("file", "pic.png", 51200, [4, 4])
    assert "size" not in text
    later = ben.do("read", "convoy", "--since", str(text["pos"]))["messages"]
    assert [m["id"] for m in later] == [m["id"] for m in found["messages"] if m["pos"] > text["pos"]]
    assert {m["state"] for m in ana.do("read", "convoy")["messages"]} == {"delivered"}
    out = folder / "out.png"
    saved = ben.do("save", "convoy", third["id"][:8], str(out))
    assert saved == {"file": str(out), "name": "pic.png", "size": 51200}
    assert out.read_bytes() == picture.read_bytes()
    assert out.stat().st_mode & 0o777 == 0o600
    assert ben.fail(1, "save", "convoy", third["id"], str(out))
    done = subprocess.run(
        ben.command("save", "convoy", third["id"], "-"), capture_output=True, env=environment(), check=True
    )
    assert done.stdout == picture.read_bytes()
    assert ben.fail(1, "save", "convoy", first.out.strip(), str(folder / "x"))["code"] == "cannot"
    assert not (folder / "x").exists()
    contact = ben.do("send", "ana", "for you alone")
    go_around(ben, ana)
    assert [m["id"] for m in ana.do("read", "ben")["messages"]] == [contact["id"]]


def test_wrong_usage(two: tuple[Person, Person], folder: Path) -> None:
    ana, _ = two
    for arguments in (
        ("nonsense",),
        ("send", "convoy"),
        ("send", "convoy", "x", "--file", "y"),
        ("send", "convoy", ""),
        ("send", "convoy", "x" * 15_001),
        ("send", "convoy", "text", "--voice", "x.wav"),
        ("group", "add", "convoy", "ben", "--with", "ben"),
        ("group", "add", "convoy", "ben", "--role", "king"),
        ("group", "create", "x", "--retention", "soon"),
        ("group", "remove", "convoy", "ana"),
        ("up", "--web", "localhost:1"),
        ("link", "add", "tor"),
        ("link", "add", "lan", "--address", "nowhere"),
        ("read", "convoy", "--since", "-1"),
        ("panic",),
        ("exposure",),
        ("save", "convoy", "12345678", "-"),
    ):
        assert ana.fail(2, *arguments), arguments
    for arguments in (
        ("send", "nobody", "x"),
        ("read", "nobody"),
        ("group", "create", "convoy"),
        ("group", "create", "ben"),
        ("group", "add", "convoy", "ben"),
        ("group", "add", "convoy", "ben", "--role", "guest"),
        ("group", "join", "convoy"),
        ("group", "leave", "ben"),
        ("group", "remove", "convoy", "zoe"),
        ("link", "test", "00000000"),
        ("link", "remove", "00000000"),
        ("link", "add", "folder", str(folder / "stick")),
        ("send", "convoy", "--file", str(folder / "missing")),
        ("save", "convoy", "00000000", str(folder / "y")),
    ):
        assert ana.fail(1, *arguments), arguments


def test_ambiguous_names_show_the_candidates(two: tuple[Person, Person], folder: Path) -> None:
    ana, ben = two
    zoe = Person.make(folder, "zoe")
    pair(zoe, ana, folder)
    use_folder(folder / "zoe-stick", zoe, ana)
    zoe.do("group", "create", "picnic")
    ben.do("group", "create", "picnic")
    go_around(zoe, ana, zoe)
    go_around(ana, ben)
    zoe.do("group", "add", "picnic", "ana")
    ben.do("group", "add", "picnic", "ana")
    go_around(zoe, ben, ana)
    error = ana.fail(2, "group", "join", "picnic")
    assert error["code"] == "ambiguous"
    assert len(error["candidates"]) == 2
    joined = [ana.do("group", "join", candidate["id"]) for candidate in error["candidates"]]
    assert {group["name"] for group in joined} == {"picnic", "picnic 1"}


def test_links(tmp_path: Path) -> None:
    ana = Person.make(tmp_path, "ana")
    assert ana.fail(1, "sync")["code"] == "cannot"
    stick = tmp_path / "stick"
    link = ana.do("link", "add", "folder", str(stick))["id"]
    assert ana.fail(1, "link", "test", link)["code"] == "machine"
    done = ana.run("--json", "sync")
    assert done.code == 1
    assert link in done.document["error"]["message"]
    assert (done.document["in"], done.document["out"]) == (0, 0)
    stick.mkdir()
    assert ana.do("link", "test", link)["works"] is True
    assert ana.do("sync") == {"in": 0, "out": 0}
    lan = ana.do("link", "add", "lan")["id"]
    assert ana.fail(1, "link", "test", lan)
    lines = ana.do("link", "list")["links"]
    assert {line["id"]: line["kind"] for line in lines} == {link: "folder", lan: "lan"}
    assert ana.do("link", "remove", link) == {"id": link}
    assert [line["id"] for line in ana.do("link", "list")["links"]] == [lan]


def test_one_bad_link_does_not_stop_the_others(two: tuple[Person, Person], folder: Path) -> None:
    ana, _ = two
    gone = ana.do("link", "add", "folder", str(folder / "gone"))["id"]
    ana.send("convoy", "in spite of it")
    done = ana.run("--json", "sync")
    assert done.code == 1
    assert done.document["out"] >= 1
    assert gone in done.err
    ana.do("link", "remove", gone)


def test_bundle_inspect(two: tuple[Person, Person], folder: Path) -> None:
    ana, _ = two
    ana.send("convoy", "seen by carriers")
    ana.do("sync")
    courier = max((folder / "stick").glob("*.chq"), key=lambda path: path.stat().st_mtime_ns)
    nobody = Person("nobody", folder / "nobody", folder / "none")
    found = nobody.do("bundle", "inspect", str(courier))
    assert found.keys() == {"day", "expected", "read", "damaged", "ending", "bundles"}
    assert found["ending"] == "whole"
    assert {"id", "size", "class", "day", "expires"} == found["bundles"][0].keys()
    assert nobody.fail(1, "bundle", "inspect", str(folder / "passphrase"))["code"] == "foreign-file"
    assert nobody.fail(1, "bundle", "inspect", str(folder / "missing"))


def test_screens_have_no_traceback_and_say_what_to_do(two: tuple[Person, Person]) -> None:
    ana, _ = two
    for arguments in (
        ("status",),
        ("read", "convoy"),
        ("group", "show", "convoy"),
        ("group", "list"),
        ("contact", "list"),
        ("link", "list"),
        ("sync",),
    ):
        done = ana.run(*arguments)
        assert done.code == 0, done
        assert done.out.strip()
    assert ana.run().code in (0, 2)
    for arguments in (("--help",), ("group", "--help"), ("link", "add", "--help"), ("send", "--help")):
        done = ana.run(*arguments)
        assert done.code == 0
        for later in ("panic", "exposure", "--web"):
            assert not re.search(rf"\s{re.escape(later)}\b", done.out), later


def test_leave(two: tuple[Person, Person]) -> None:
    ana, ben = two
    ana.do("group", "create", "brief")
    go_around(ben, ana, ben)
    ana.do("group", "add", "brief", "ben")
    go_around(ana, ben)
    ben.do("group", "join", "brief")
    assert ben.do("group", "leave", "brief")["state"] == "left"
    assert ben.fail(1, "send", "brief", "x")
    assert ben.do("group", "show", "brief")["state"] == "left"
    go_around(ben, ana)
    assert {m["name"]: m["state"] for m in ana.do("group", "show", "brief")["members"]}["ben"] == "removed"

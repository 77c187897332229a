"""`link add kiss`, `link add rnode`, `link add meshtastic` and `link test` as a person types them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.people import Person

KEY = "ab" * 32


@pytest.fixture
def ana(tmp_path: Path) -> Iterator[Person]:
    made = Person.make(tmp_path, "ana")
    yield made
    made.run("down")


def test_a_tnc_is_set_up_and_its_key_is_not_shown(ana: Person, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    done = ana.run(
        "link", "add", "kiss", "/dev/ttyX", "--callsign", "n0call-7", "--airtime", "12.5", "--dummies", "0",
        "--key-file", str(key), "--tx-delay", "500", "--mtu", "200", "--bit-rate", "9600", "--baud", "57600",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "the callsign N0CALL-7 in the clear: it names you" in done.out
    assert "forbid" in done.out
    (link,) = ana.do("link", "list")["links"]
    assert link["settings"] == {
        "place": "/dev/ttyX", "callsign": "N0CALL-7", "airtime": "12.5", "dummies": "0", "key": "(set)",
        "tx_delay": "500", "mtu": "200", "bit_rate": "9600", "baud": "57600",
    }  # fmt: skip
    for answer in (ana.run("link", "list"), ana.run("status"), ana.run("--json", "status")):
        assert KEY not in answer.out + answer.err
    assert link["state"] == "waits for the daemon (`chasqui up`)"
    assert "daemon" in ana.fail(1, "link", "test", link["id"])["message"]


def test_a_blank_callsign_is_said(ana: Person) -> None:
    assert "The callsign is blank." in ana.run("link", "add", "kiss", "127.0.0.1:8001").out
    (link,) = ana.do("link", "list")["links"]
    assert link["settings"] == {"place": "127.0.0.1:8001"}


@pytest.mark.parametrize(
    "wrong",
    [
        ("8001",),
        ("h:1", "--callsign", "TOOLONGCALL"),
        ("h:1", "--mtu", "1001"),
        ("h:1", "--airtime", "0"),
        ("h:1", "--baud", "9600"),
        ("h:1", "--key-file", "missing"),
    ],
)
def test_what_cannot_be(ana: Person, wrong: tuple[str, ...]) -> None:
    assert ana.fail(2, "link", "add", "kiss", *wrong)["todo"]


def test_a_key_of_another_size(ana: Person, tmp_path: Path) -> None:
    key = tmp_path / "key"
    for text in ("ab" * 31, "xy" * 32, ""):
        key.write_text(text)
        failed = ana.fail(2, "link", "add", "kiss", "h:1", "--key-file", str(key))
        assert "64 hex digits" in failed["message"]
        assert "openssl" in failed["todo"]
    failed = ana.fail(2, "link", "add", "kiss", "h:1", "--key-file", str(tmp_path / "missing"))
    assert "No such file" in failed["message"]


@pytest.mark.parametrize(
    ("option", "value", "bounds"), [("--mtu", "5", "from 64 to 1000"), ("--bit-rate", "-3", "1 or more")]
)
def test_a_number_that_cannot_be_is_told_its_bounds(ana: Person, option: str, value: str, bounds: str) -> None:
    failed = ana.fail(2, "link", "add", "kiss", "h:1", option, value)
    assert failed["message"].startswith(f"'{option}' wants a whole number")
    assert bounds in failed["message"]


def test_one_radio_is_one_link(ana: Person, tmp_path: Path) -> None:
    link = ana.do("link", "add", "kiss", "127.0.0.1:8001", "--callsign", "N0CALL-1")["id"]
    for other in ((), ("--callsign", "N0CALL-2", "--airtime", "50"), ("--bit-rate", "9600")):
        failed = ana.fail(1, "link", "add", "kiss", "127.0.0.1:8001", *other)
        assert link in failed["message"]
        assert "twice" in failed["safety"]
        assert f"link remove {link}" in failed["todo"]
    ana.do("link", "add", "kiss", "127.0.0.1:8001", "--tnc-port", "1")  # a TNC with two radios
    ana.do("link", "add", "kiss", "127.0.0.1:8002")
    device, alias = tmp_path / "ttyX", tmp_path / "by-id"
    alias.symlink_to(device)
    ana.do(*MESH[:3], str(device), *MESH[4:])
    assert "meshtastic" in ana.fail(1, "link", "add", "kiss", str(alias))["message"]
    ana.fail(1, *BOARD[:3], str(device), *BOARD[4:])
    ana.do("link", "add", "sound")
    ana.fail(1, "link", "add", "sound", "--mode", "datac1")
    ana.do("link", "add", "sound", "--device", "USB")
    assert len(ana.do("link", "list")["links"]) == 6
    ana.do("link", "remove", link)
    ana.do("link", "add", "kiss", "127.0.0.1:8001")


def test_a_radio_that_is_removed_is_told_what_becomes_of_it(ana: Person, tmp_path: Path) -> None:
    link = ana.do("link", "add", "kiss", "127.0.0.1:8001")["id"]
    said = ana.run("link", "remove", link).out
    assert "nothing more is sent" in said
    assert "waits in the vault" in said
    link = ana.do("link", "add", "folder", str(tmp_path))["id"]
    assert "What lies in a folder stays there" in ana.run("link", "remove", link).out


@pytest.mark.parametrize("add", [("kiss", "127.0.0.1:8001"), ("sound",)])
def test_it_is_said_that_a_radio_sends_by_itself(ana: Person, add: tuple[str, ...]) -> None:
    said = ana.run("link", "add", *add).out
    assert "sends by itself" in said
    assert "`chasqui down` silences it" in said


def test_a_tnc_that_is_not_there_is_said_in_words(ana: Person) -> None:
    ana.up()
    link = ana.do("link", "add", "kiss", "127.0.0.1:1")["id"]
    for _ in range(100):
        state = ana.do("link", "list")["links"][0]["state"]
        if state != "looking for the TNC" and state != "starting":
            break
        time.sleep(0.1)
    assert state == "no TNC (Connection refused); trying again"
    failed = ana.fail(1, "link", "test", link)
    assert failed["code"] == "link"
    assert "Connection refused" in failed["message"]
    assert "waits in the vault" in failed["safety"]
    ana.do("link", "remove", link)
    assert ana.do("link", "list")["links"] == []


BOARD = ("link", "add", "rnode", "/dev/ttyX", "--frequency", "868.1MHz", "--power", "14", "--airtime", "1%")


def test_a_board_is_set_up(ana: Person) -> None:
    said = ana.run(*BOARD, "--bandwidth", "125", "--spreading", "9", "--coding", "5", "--dummies", "2%")
    assert said.code == 0, said.err
    assert "A full frame takes 1.3 s on the air at 868.1MHz." in said.out
    assert "direction finder" in said.out
    (link,) = ana.do("link", "list")["links"]
    assert link["settings"] == {
        "place": "/dev/ttyX", "frequency": "868.1MHz", "power": "14", "airtime": "1", "bandwidth": "125",
        "spreading": "9", "coding": "5", "dummies": "2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (BOARD[:4] + BOARD[6:], "--frequency"),
        (BOARD[:6] + BOARD[8:], "--power"),
        (BOARD[:8], "--airtime is missing"),
        ((*BOARD, "--frequency", "868.1"), "no frequency"),
        ((*BOARD, "--frequency", "2.4GHz"), "no frequency"),
        ((*BOARD, "--bandwidth", "130"), "--bandwidth"),
        ((*BOARD, "--spreading", "6"), "--spreading"),
        ((*BOARD, "--airtime", "101%"), "101% is no share, in percent from 0 to 100"),
        ((*BOARD, "--airtime", "x"), "no share"),
        ((*BOARD, "--airtime", "0.1%", "--spreading", "12"), "0 of them fit into an hour"),
        (("link", "add", "rnode", "ttyUSB0", *BOARD[4:]), "no device"),
    ],
)
def test_what_no_board_can_be(ana: Person, wrong: tuple[str, ...], words: str) -> None:
    failed = ana.fail(2, *wrong)
    assert words in failed["message"]
    assert failed["todo"]


MESH = ("link", "add", "meshtastic", "/dev/ttyX", "--airtime", "10%")


def test_a_meshtastic_board_is_set_up(ana: Person) -> None:
    said = ana.run(*MESH, "--preset", "medium_fast", "--channel", "1")
    assert said.code == 0, said.err
    assert "A full frame takes 0.6 s on the air with the preset medium_fast" in said.out
    assert "the number of the board in the clear" in said.out
    assert "direction finder" in said.out
    ana.do(*MESH[:3], "192.168.1.7:4403", *MESH[4:])
    first, second = sorted(ana.do("link", "list")["links"], key=lambda link: str(link["settings"]["place"]))
    assert first["settings"] == {"place": "/dev/ttyX", "airtime": "10", "preset": "medium_fast", "channel": "1"}
    assert second["settings"] == {"place": "192.168.1.7:4403", "airtime": "10", "preset": "long_fast"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (MESH[:4], "--airtime is missing"),
        ((*MESH[:3], "ttyACM0", *MESH[4:]), "no device"),
        ((*MESH, "--preset", "long_turtle"), "--preset"),
        ((*MESH, "--channel", "8"), "--channel"),
        ((*MESH, "--mtu", "232"), "--mtu"),
        ((*MESH[:4], "--airtime", "0.1%", "--preset", "long_slow"), "0 of them fit into an hour"),
    ],
)
def test_what_no_meshtastic_board_can_be(ana: Person, wrong: tuple[str, ...], words: str) -> None:
    failed = ana.fail(2, *wrong)
    assert words in failed["message"]
    assert failed["todo"]


def test_the_presets_of_the_command_line_are_those_of_the_link() -> None:
    from chasqui.app.cli.links import _PRESETS
    from chasqui.links.meshtastic_board import Preset

    assert [preset.label for preset in Preset] == list(_PRESETS)


def test_a_sound_card_is_set_up(ana: Person) -> None:
    done = ana.run("link", "add", "sound", "--mode", "datac4", "--ptt", "rig:127.0.0.1:4532", "--lead", "500")
    assert done.code == 0, done.err
    assert "forbid" in done.out
    (link,) = ana.do("link", "list")["links"]
    assert link["settings"] == {"mode": "datac4", "ptt": "rig:127.0.0.1:4532", "lead": "500"}
    assert ana.fail(2, "link", "add", "sound", "--ptt", "laser")["todo"]
    assert ana.fail(2, "link", "add", "sound", "--mode", "datac99")["code"] == "usage"
    for name in ("pipes:", "pipes:/in", "pipes::/out", "wav:", "wav::", "wav:only"):
        assert "names no sound device" in ana.fail(2, "link", "add", "sound", "--device", name)["message"]
    for name in ("pipes:/in:/out", "wav:in:", "wav::out"):
        ana.do("link", "add", "sound", "--device", name)

"""Speech through real processes: recorded, sent, carried, shown, written out; and what a slow link is asked first."""

from __future__ import annotations

import os
import subprocess
from array import array
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from click.testing import CliRunner

from chasqui.app import links, speech
from chasqui.app.main import cli
from chasqui.app.message_results import Conversation, Message
from chasqui.base.errors import UserError
from chasqui.media.burst import Burst, Quality
from chasqui.media.wav import speech_of
from chasqui.node.link_port import LinkProfile
from tests.app.people import Person, convoy, environment, go_around
from tests.media.sounds import hum, loudness, wav

LORA = LinkProfile("lora", 222, 1_760, True, True, 0.0, 0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voice")


@pytest.fixture(scope="module")
def two(folder: Path) -> tuple[Person, Person]:
    ana, ben = convoy(folder)
    return ana, ben


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "ana to ben.wav"
    path.write_bytes(wav(hum(2, rate=16_000), 16_000))
    return path


def samples(data: bytes) -> array[int]:
    return array("h", speech_of(data))


def spoken(person: Person, since: int = 0) -> list[dict[str, Any]]:
    found = person.do("read", "convoy", "--since", str(since))["messages"]
    return [message for message in found if message["kind"] == "voice"]


def last_pos(person: Person) -> int:
    return max((message["pos"] for message in person.do("read", "convoy")["messages"]), default=0)


@pytest.mark.must("M-VOI-6")
def test_from_a_recording_to_an_ear(two: tuple[Person, Person], recording: Path, tmp_path: Path) -> None:
    ana, ben = two
    before = last_pos(ben)
    sent = ana.do("send", "convoy", "--voice", str(recording), "--quality", "700C")
    assert sent == {"id": sent["id"], "bursts": [sent["id"]], "seconds": 2.0, "quality": "700C"}
    go_around(ana, ben, ana)
    (message,) = spoken(ben, before)
    assert (message["id"], message["seconds"], message["quality"], message["more"]) == (sent["id"], 2.0, "700C", False)
    assert message["text"] == ""
    assert not {"file", "speech", "size", "parts"} & set(message)
    shown = ben.run("read", "convoy", "--since", str(before)).out
    assert "ana: [voice] 2.0 s, 700C" in shown
    assert f"chasqui save convoy {sent['id'][:8]} FILE.wav" in shown
    out = tmp_path / "out"
    done = ben.run("read", "convoy", "--since", str(before), "--export", str(out))
    assert done.code == 0, done
    assert "whoever opens this device can hear them" in done.err
    assert f"The folder {out} is new." in done.err
    (written,) = out.iterdir()
    assert f"written to {written}" in done.out
    assert written.name == f"voice-{message['pos']}.wav"
    assert written.stat().st_mode & 0o777 == 0o600
    assert out.stat().st_mode & 0o777 == 0o700
    data = written.read_bytes()
    heard = samples(data)
    assert len(data) == 44 + 2 * len(heard) == 44 + 32_000
    assert loudness(heard[4_000:]) > loudness(hum(2)) / 3
    saved = tmp_path / "saved.wav"
    assert ben.do("save", "convoy", sent["id"][:8], str(saved))["size"] == len(data)
    assert len(saved.read_bytes()) == len(data)
    assert saved.stat().st_mode & 0o777 == 0o600
    assert [m["state"] for m in spoken(ana, 0) if m["id"] == sent["id"]] == ["delivered"]


@pytest.mark.must("M-VOI-6")
def test_nothing_is_ever_overwritten(two: tuple[Person, Person], recording: Path, tmp_path: Path) -> None:
    ana, ben = two
    before = last_pos(ben)
    ana.do("send", "convoy", "--voice", str(recording))
    go_around(ana, ben)
    (message,) = spoken(ben, before)
    read = ("read", "convoy", "--since", str(before), "--export", str(tmp_path))
    target = tmp_path / f"voice-{message['pos']}.wav"
    target.symlink_to(tmp_path / "elsewhere")
    assert "file" not in ben.do(*read)["messages"][-1]
    assert not (tmp_path / "elsewhere").exists()
    target.unlink()
    assert ben.do(*read)["messages"][-1]["file"] == str(target)
    first = target.read_bytes()
    target.write_bytes(b"mine")
    again = ben.run("--json", *read)
    assert again.code == 0
    assert "was not touched" in again.err
    assert "file" not in again.document["messages"][-1]
    assert target.read_bytes() == b"mine"
    assert ben.fail(1, "save", "convoy", message["id"], str(target))["message"].startswith("There is a file")
    assert first[:4] == b"RIFF"
    assert ben.fail(1, "read", "convoy", "--since", str(before), "--export", str(target))
    mistyped = tmp_path / "hard" / "heard"
    error = ben.fail(1, "read", "convoy", "--since", str(before), "--export", str(mistyped))
    assert "does not exist" in error["message"]
    assert "mkdir" in error["todo"]
    assert not mistyped.parent.exists()


@pytest.mark.must("M-VOI-6")
def test_what_appears_at_the_last_moment_is_not_overwritten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    body = Burst(Quality.Q3200, bytes(400)).to_body()
    message = Message(
        7, "", "", "ben", False, 1, "", "voice", "", "received", {},
        seconds=1.0, more=False, recording=1, at=0.0, speech=body,
    )  # fmt: skip
    found = Conversation((message,), ())

    def export() -> Conversation:
        return speech.Exporter(str(tmp_path / "a"), print).take(found)

    umask = os.umask(0)
    try:
        (written,) = export().messages
        assert isinstance(written.file, str)
        assert os.stat(written.file).st_mode & 0o777 == 0o600
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(umask)
    Path(written.file).write_bytes(b"mine")
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(UserError, match="a file of that name"):
        export()
    assert Path(written.file).read_bytes() == b"mine"


def test_a_long_recording_goes_in_bursts_and_the_screen_says_so(two: tuple[Person, Person], tmp_path: Path) -> None:
    ana, ben = two
    before = last_pos(ben)
    recording = tmp_path / "long.wav"
    recording.write_bytes(wav(hum(60)))
    sent = ana.run("send", "convoy", "--voice", str(recording), "--quality", "700C")
    ids = sent.out.split()
    assert len(ids) == 3
    assert "To be sent: 60 s of speech, 700C" in sent.err
    go_around(ana, ben)
    found = spoken(ben, before)
    assert [message["id"] for message in found] == ids
    assert [(m["seconds"], m["more"], m["at"]) for m in found] == [(28, True, 0), (28, True, 28), (4, False, 56)]
    assert {m["recording"] for m in found} == {found[0]["seq"]}
    shown = ben.run("read", "convoy", "--since", str(before)).out
    assert shown.count("[voice]") == 1, "one line for what was spoken at once"
    assert "[voice] 60.0 s, 700C\n" in shown
    out = tmp_path / "out"
    exported = ben.do("read", "convoy", "--since", str(before), "--export", str(out))["messages"]
    (written,) = out.iterdir()
    assert {message["file"] for message in exported} == {str(written)}
    assert written.name == f"voice-{min(message['pos'] for message in found)}.wav"
    assert len(samples(written.read_bytes())) == 60 * 8_000
    saved = tmp_path / "saved.wav"
    ben.do("save", "convoy", ids[1], str(saved))  # any of them names the recording
    assert len(saved.read_bytes()) == len(written.read_bytes())
    one_less = str(min(message["pos"] for message in found))
    assert "[voice] goes on, now 60.0 s\n" in ben.run("read", "convoy", "--since", one_less).out
    again = ben.do("read", "convoy", "--since", one_less, "--export", str(tmp_path / "again"))
    assert len(samples(Path(again["messages"][-1]["file"]).read_bytes())) == 60 * 8_000


def test_through_a_daemon_and_out_of_a_pipe(two: tuple[Person, Person]) -> None:
    """As `arecord | chasqui send --voice -` and `chasqui save GROUP ID - | aplay`: nothing touches a disk."""
    ana, _ = two
    piped = wav(hum(1), size=0x80000000)  # a recorder does not know when it will be stopped
    ana.up()
    try:
        done = subprocess.run(
            ana.command("--json", "send", "convoy", "--voice", "-"), input=piped, capture_output=True, env=environment()
        )
        assert done.returncode == 0, done
        message = spoken(ana)[-1]
        assert (message["quality"], message["seconds"]) == ("3200", 1.0)
        heard = subprocess.run(
            ana.command("save", "convoy", message["id"], "-"), capture_output=True, env=environment(), check=True
        )
        assert len(samples(heard.stdout)) == 8_000
    finally:
        ana.do("down")


@pytest.mark.skipif(not (which("arecord") and which("aplay")), reason="alsa-utils is not installed")
def test_a_recorder_and_a_player_at_the_ends_of_pipes(two: tuple[Person, Person], tmp_path: Path) -> None:
    """ALSA with its file plugin in the place of a microphone and a loudspeaker."""
    ana, _ = two
    microphone, loudspeaker = tmp_path / "in.raw", tmp_path / "out.raw"
    microphone.write_bytes(hum(2, rate=16_000).tobytes())
    (tmp_path / ".asoundrc").write_text(
        f'pcm.mic {{ type file slave.pcm "null" file "/dev/null" infile "{microphone}" format "raw" }}\n'
        f'pcm.out {{ type file slave.pcm "null" file "{loudspeaker}" format "raw" }}\n'
    )
    alsa = os.environ | {"HOME": str(tmp_path)}
    record = ["arecord", "-q", "-D", "mic", "-d", "1", "-f", "S16_LE", "-r", "16000"]
    with subprocess.Popen(record, stdout=subprocess.PIPE, env=alsa) as recorder:
        done = subprocess.run(
            ana.command("--json", "send", "convoy", "--voice", "-"),
            stdin=recorder.stdout,
            capture_output=True,
            env=environment(),
            check=False,
        )
    assert done.returncode == 0, done
    message = spoken(ana)[-1]
    assert message["seconds"] == 1.0
    heard = subprocess.run(
        ana.command("save", "convoy", message["id"], "-"), capture_output=True, env=environment(), check=True
    )
    subprocess.run(["aplay", "-q", "-D", "out"], input=heard.stdout, env=alsa, check=True)
    assert loudness(array("h", loudspeaker.read_bytes()[:16_000])) > loudness(hum(1)) / 3


def test_what_cannot_be_sent(two: tuple[Person, Person], recording: Path, tmp_path: Path) -> None:
    ana, _ = two
    wrong = tmp_path / "wrong.wav"
    wrong.write_bytes(wav(bytes(300), 22_050))
    error = ana.fail(2, "send", "convoy", "--voice", str(wrong))
    assert error["code"] == "usage"
    assert "ffmpeg" in error["todo"]
    wrong.write_bytes(wav(b""))
    assert ana.fail(2, "send", "convoy", "--voice", str(wrong))["message"] == "There is no speech in this recording."
    assert ana.fail(1, "send", "convoy", "--voice", str(tmp_path / "none.wav"))["code"] == "cannot"
    assert ana.fail(2, "send", "convoy", "text", "--voice", str(recording))["code"] == "usage"
    assert ana.fail(2, "send", "convoy", "text", "--quality", "700C")["code"] == "usage"
    assert ana.fail(2, "send", "convoy", "--voice", str(recording), "--quality", "9600")["code"] == "usage"


@pytest.mark.must("M-VOI-4")
def test_without_the_codec_it_is_delivered_shown_and_said_what_to_install(
    two: tuple[Person, Person], recording: Path, tmp_path: Path
) -> None:
    ana, ben = two
    go_around(ana, ben)
    before = last_pos(ben)
    ana.do("send", "convoy", "--voice", str(recording))
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "from chasqui.media import library\nlibrary._candidates = lambda: iter(['libcodec2-of-nowhere.so'])\n"
    )

    def deaf(*arguments: str) -> subprocess.CompletedProcess[str]:
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.run(
            ben.command(*arguments),
            capture_output=True,
            text=True,
            env=environment(PYTHONPATH=os.pathsep.join(paths)),
            check=False,
        )

    ana.sync()
    assert deaf("sync").returncode == 0
    ana.sync()
    assert spoken(ana)[-1]["state"] == "delivered"
    (message,) = spoken(ben, before)
    shown = deaf("read", "convoy", "--since", str(before))
    assert shown.returncode == 0, shown
    assert "[voice] 2.0 s, 3200" in shown.stdout
    assert "pip install" in shown.stderr
    assert "codec" not in deaf("read", "convoy", "--since", str(message["pos"])).stderr, "nobody spoke"
    out = tmp_path / "out.wav"
    saved = deaf("save", "convoy", message["id"], str(out))
    assert saved.returncode == 1
    assert "pip install" in saved.stderr
    assert not out.exists()
    said = deaf("send", "convoy", "--voice", str(recording))
    assert said.returncode == 1
    assert "pip install" in said.stderr
    assert spoken(ben, before) == [message]


def test_following_writes_out_what_comes(two: tuple[Person, Person], recording: Path, tmp_path: Path) -> None:
    ana, ben = two
    before = last_pos(ben)
    ana.do("send", "convoy", "--voice", str(recording))
    go_around(ana, ben)
    follow = ben.start("read", "convoy", "--since", str(before), "--follow", "--export", str(tmp_path))
    try:
        assert follow.stdout is not None
        lines = [follow.stdout.readline() for _ in range(4)]
    finally:
        follow.terminate()
        follow.communicate()
    (written,) = tmp_path.glob("voice-*.wav")
    assert f"written to {written}" in "".join(lines)


def in_process(person: Person, *arguments: str, stdin: str | None = None) -> Any:
    """A call in this process, where the kinds of link can be others."""
    options = ["--home", str(person.home), "--passphrase-file", str(person.passphrase_file)]
    return CliRunner().invoke(cli, [*options, *arguments], input=stdin)


def test_a_slow_link_is_asked_about_first(
    two: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ana, _ = two
    monkeypatch.setattr(links, "_PROFILES", {"folder": LORA})
    picture, recording = tmp_path / "bridge.jpg", tmp_path / "speech.wav"
    picture.write_bytes(bytes(40_000))
    recording.write_bytes(wav(hum(1)))
    (link,) = ana.do("link", "list")["links"]
    before = last_pos(ana)
    refused = in_process(ana, "send", "convoy", "--file", str(picture))
    assert getattr(refused.exception, "code", None) == "slow"
    assert "lora" in str(refused.exception)
    assert "5 hours" in str(refused.exception)
    assert "--yes" in str(refused.exception)
    assert refused.exception.slow[0].id == link["id"]
    assert last_pos(ana) == before, "nothing was sent"
    done = in_process(ana, "--json", "send", "convoy", "--file", str(picture), "--yes")
    assert done.exit_code == 0
    assert f'"slow": [{{"id": "{link["id"]}", "kind": "lora", "on_air_s": ' in done.output
    monkeypatch.setattr("chasqui.app.cli.messages._can_ask", lambda call: not call.as_json)
    before = last_pos(ana)
    said_no = in_process(ana, "send", "convoy", "--file", str(picture), stdin="n\n")
    assert getattr(said_no.exception, "code", None) == "slow"
    assert "easily found" in said_no.output
    assert last_pos(ana) == before
    said_yes = in_process(ana, "send", "convoy", "--file", str(picture), stdin="y\n")
    assert said_yes.exit_code == 0
    assert "(lora) needs 5 hours for this, 3 minutes on the air" in said_yes.output
    assert last_pos(ana) == before + 1
    shown = in_process(ana, "read", "convoy", "--since", str(before)).output
    assert f"has signed for 0 of 3 parts, about 5 hours on the link {link['id']} (lora)" in shown
    short = in_process(ana, "--json", "send", "convoy", "--voice", str(recording))
    assert short.exit_code == 0
    assert '"quality": "700C"' in short.output, "the slowest link decides"
    assert "slow" not in short.output
    recording.write_bytes(wav(hum(60)))
    monkeypatch.setattr("chasqui.app.cli.messages._can_ask", lambda call: False)
    assert getattr(in_process(ana, "send", "convoy", "--voice", str(recording)).exception, "code", None) == "slow"

"""`link ...`, `sync`, `bundle ...`."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from chasqui.app import requests, results
from chasqui.app.cli.base import Family, Invocation, Leaf, print_json
from chasqui.app.errors import LinkFailedError, document_of
from chasqui.base.errors import UsageError

if TYPE_CHECKING:
    from chasqui.links.meshtastic_link import MeshtasticSettings
    from chasqui.links.rnode_link import RNodeSettings

_LATER_KINDS = ("tcp", "tor", "qr", "relay")
_RADIOS = ("kiss", "rnode", "meshtastic", "sound")
_MODES = ("datac0", "datac1", "datac3", "datac4", "datac13")
_DUMMIES_HELP = "Share of the airtime for frames that say nothing, so that news does not stand out; 5."
_AIRTIME_HELP = "How much of each hour may be sent: what the law or your fellow users allow; 100."
_BANDWIDTHS_KHZ = ("31.25", "62.5", "125", "250", "500")
_PRESETS = (
    "short_turbo", "short_fast", "short_slow", "medium_turbo", "medium_fast", "medium_slow", "long_turbo", "long_fast",
    "long_moderate", "long_slow",
)  # fmt: skip
_NO_LAWFUL_DEFAULT = "you have to know what is allowed where you are"


class _Percent(click.FloatRange):
    """`1` and `1%` are the same."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        number: Any = value.removesuffix("%") if isinstance(value, str) else value
        try:
            return super().convert(number, param, ctx)
        except click.BadParameter:
            return self.fail(f"{value} is no share, in percent from {self.min:g} to {self.max:g}.", param, ctx)


@click.group(cls=Family)
def link() -> None:
    """Ways to others: a stick, the local network, a radio."""


@link.group(cls=Family, later=_LATER_KINDS)
def add() -> None:
    """Set a link up."""


@add.command()
@click.argument("path")
@click.pass_obj
def folder(call: Invocation, path: str) -> None:
    """A folder: a USB stick, or one that is shared or synchronised."""
    from chasqui.app.screens import links as screen

    place = os.path.abspath(os.path.expanduser(path))
    if os.path.exists(place) and not os.path.isdir(place):
        raise UsageError("This is a file, not a folder.", todo="Name the folder on the stick.")
    result, _ = call.call(requests.AddLink("folder", (("path", place),)), results.LinkMade)
    call.show(result, screen.folder_added(result, place))


@add.command()
@click.option("--address", metavar="IP", multiple=True, help="Only on this address of this machine; may be repeated.")
@click.option("--port", type=click.IntRange(1, 65_535), help="UDP port to meet on; the same for all.")
@click.pass_obj
def lan(call: Invocation, address: tuple[str, ...], port: int | None) -> None:
    """The local network: neighbours who run chasqui find each other."""
    from chasqui.app.screens import links as screen

    settings: list[tuple[str, str]] = []
    if address:
        try:
            settings.append(("addresses", " ".join(str(ipaddress.ip_address(one)) for one in address)))
        except ValueError as error:
            raise UsageError("This is no IP address.", todo="For example 192.168.1.7") from error
    if port is not None:
        settings.append(("port", str(port)))
    result, _ = call.call(requests.AddLink("lan", tuple(settings)), results.LinkMade)
    call.show(result, screen.lan_added(result))


def _radio_options(command: Any) -> Any:
    """Options that every radio has."""
    for option in (
        click.option("--dummies", type=_Percent(0, 50), metavar="PERCENT", help=_DUMMIES_HELP),
        click.option(
            "--key-file", metavar="FILE", help="64 hex digits that the neighbours share; keeps strangers out."
        ),
        click.option("--airtime", type=_Percent(0, 100, min_open=True), metavar="PERCENT", help=_AIRTIME_HELP),
    ):
        command = option(command)
    return command


def _radio_settings(key_file: str | None, options: Mapping[str, object]) -> list[tuple[str, str]]:
    """What was said, as settings. Raises `UsageError`."""
    said = {key: value for key, value in options.items() if value not in (None, "")}
    settings = [(key, f"{value:g}" if isinstance(value, float) else str(value)) for key, value in said.items()]
    if key_file is not None:
        from chasqui.delivery.veil import KEY_BYTES

        try:
            with open(key_file, encoding="ascii") as file:
                key = bytes.fromhex(file.read(1_000))
            if len(key) != KEY_BYTES:
                raise ValueError("not the size of a key")
        except OSError as error:
            raise UsageError(
                f"The key file cannot be read ({os.strerror(error.errno or 0)}).",
                todo="Make one with `openssl rand -hex 32 > FILE` (64 hex digits); all on the channel use the same.",
            ) from error
        except ValueError as error:
            raise UsageError(
                "What is in the key file is no key: it has to be 64 hex digits and nothing else.",
                todo="Take the file that the others on the channel use, or make one: `openssl rand -hex 32 > FILE`.",
            ) from error
        settings.append(("key", key.hex()))
    return settings


def _need_airtime(options: Mapping[str, object]) -> None:
    if options["airtime"] is None:
        raise UsageError("--airtime is missing.", todo=f"Say how much of each hour may be sent: {_NO_LAWFUL_DEFAULT}.")


def _need_room(board: RNodeSettings | MeshtasticSettings, otherwise: str) -> None:
    from chasqui.links.radio_limits import LORA_FRAMES_AN_HOUR_MIN

    if board.frames_an_hour < LORA_FRAMES_AN_HOUR_MIN:
        raise UsageError(
            f"A frame of {board.mtu_bytes} bytes would take {board.frame_ms / 1000:.1f} s on the air: with this share "
            f"of airtime {board.frames_an_hour} of them fit into an hour, too few for anything.",
            todo=f"Take {otherwise}.",
        )


@add.command()
@click.argument("place", metavar="DEVICE")
@click.option("--frequency", metavar="FREQUENCY", required=True, help=f"Such as 868.1MHz; {_NO_LAWFUL_DEFAULT}.")
@click.option("--power", type=click.IntRange(0, 37), metavar="DBM", required=True, help="14 dBm are 25 mW.")
@click.option("--bandwidth", type=click.Choice(_BANDWIDTHS_KHZ), default="125", show_default=True, help="In kHz.")
@click.option("--spreading", type=click.IntRange(7, 12), default=9, show_default=True, help="More: farther and slower.")
@click.option("--coding", type=click.IntRange(5, 8), default=5, show_default=True, help="So many bits for four.")
@click.option("--mtu", type=click.IntRange(64, 508), metavar="BYTES", help="The largest frame; 254.")
@_radio_options
@click.pass_obj
def rnode(call: Invocation, /, place: str, frequency: str, key_file: str | None, **options: object) -> None:
    """A LoRa board with RNode firmware, at a serial line. All who are to hear one another set it alike."""
    from chasqui.app.radios import rnode_settings
    from chasqui.app.screens import links as screen
    from chasqui.links.device import read_place
    from chasqui.links.lora import frequency_text, read_frequency

    _need_airtime(options)
    try:
        read_place(place)
    except ValueError as error:
        raise UsageError("This is no device.", todo="For example /dev/ttyUSB0 or /dev/ttyACM0") from error
    try:
        shown = frequency_text(read_frequency(frequency))
    except ValueError as error:
        raise UsageError("This is no frequency of a LoRa board.", todo="With its unit: 868.1MHz, 433175kHz") from error
    settings = [("place", place), *_radio_settings(key_file, {"frequency": shown, **options})]
    board = rnode_settings(dict(settings))
    _need_room(board, "a smaller --spreading, a larger --bandwidth, or a smaller --mtu")
    result, _ = call.call(requests.AddLink("rnode", tuple(settings)), results.LinkMade)
    call.show(result, screen.rnode_added(result, shown, board.frame_ms))


@add.command()
@click.argument("place", metavar="DEVICE|HOST:PORT")
@click.option("--preset", type=click.Choice(_PRESETS), default="long_fast", show_default=True, help="Of the modem.")
@click.option("--channel", type=click.IntRange(0, 7), help="Of the board, on which frames travel; 0.")
@click.option("--mtu", type=click.IntRange(64, 231), metavar="BYTES", help="The largest frame; 231.")
@_radio_options
@click.pass_obj
def meshtastic(call: Invocation, /, place: str, key_file: str | None, **options: object) -> None:
    """A LoRa board with Meshtastic firmware, as a dumb radio. It is not set up by this; it has to be set alike."""
    from chasqui.app.radios import meshtastic_settings
    from chasqui.app.screens import links as screen
    from chasqui.links.device import read_place

    _need_airtime(options)
    try:
        read_place(place)
    except ValueError as error:
        raise UsageError("This is no device.", todo="For example /dev/ttyACM0 or 192.168.1.7:4403") from error
    settings = [("place", place), *_radio_settings(key_file, options)]
    board = meshtastic_settings(dict(settings))
    _need_room(board, "a faster --preset or a smaller --mtu")
    result, _ = call.call(requests.AddLink("meshtastic", tuple(settings)), results.LinkMade)
    call.show(result, screen.meshtastic_added(result, board.preset.label, board.frame_ms))


@add.command()
@click.argument("place", metavar="HOST:PORT|DEVICE")
@click.option("--callsign", metavar="CALL", default="", help="Goes out in the clear with each frame; else it is blank.")
@click.option("--bit-rate", type=click.IntRange(1), metavar="BIT/S", help="On the air; 1200 unless you say otherwise.")
@click.option("--mtu", type=click.IntRange(64, 1_000), metavar="BYTES", help="The largest frame; 256.")
@click.option("--tx-delay", type=click.IntRange(1, 2_550), metavar="MS", help="Tell the TNC how long to key up before.")
@click.option("--tnc-port", type=click.IntRange(0, 15), help="Which radio of a TNC that has several.")
@click.option("--baud", type=click.IntRange(1), help="Of the serial line; 9600.")
@_radio_options
@click.pass_obj
def kiss(call: Invocation, /, place: str, callsign: str, key_file: str | None, **options: object) -> None:
    """Packet radio: a TNC that speaks KISS, at a serial line or over TCP (Direwolf)."""
    from chasqui.app.screens import links as screen
    from chasqui.links.ax25 import read_callsign
    from chasqui.links.device import read_place

    try:
        found = read_place(place)
    except ValueError as error:
        raise UsageError(
            "This is neither HOST:PORT nor a device.", todo="For example 127.0.0.1:8001 or /dev/ttyUSB0"
        ) from error
    if options["baud"] is not None and not isinstance(found, str):
        raise UsageError(
            "--baud is for a serial line; HOST:PORT has none. No link was made.",
            todo="Leave it out. How fast the radio sends is --bit-rate.",
        )
    try:
        sign = str(read_callsign(callsign))
    except ValueError as error:
        raise UsageError(
            "This is no callsign.", todo="Up to six letters and digits, and -0 to -15 if you like: N0CALL-7"
        ) from error
    settings = [("place", place), *_radio_settings(key_file, {"callsign": sign, **options})]
    result, _ = call.call(requests.AddLink("kiss", tuple(settings)), results.LinkMade)
    call.show(result, screen.kiss_added(result, sign))


@add.command()
@click.option(
    "--device", metavar="NAME", default="", help="Sound device; pipes:IN:OUT or wav:IN:OUT. Else the usual one."
)
@click.option("--mode", type=click.Choice(_MODES), help="The slower, the weaker a signal it hears; datac3.")
@click.option("--ptt", metavar="HOW", default="", help="vox, rig:HOST:PORT (rigctld), rts:DEVICE or dtr:DEVICE; vox.")
@click.option("--lead", type=click.IntRange(1, 3_000), metavar="MS", help="How long to key up before; 300.")
@_radio_options
@click.pass_obj
def sound(call: Invocation, /, ptt: str, key_file: str | None, **options: object) -> None:
    """Any voice radio or HF set through a sound card."""
    from chasqui.app.screens import links as screen
    from chasqui.links.audio import check_device
    from chasqui.links.ptt import read_ptt

    try:
        check_device(str(options["device"]))
    except ValueError as error:
        raise UsageError(
            "This names no sound device.",
            todo="pipes:IN:OUT takes two pipes; wav:IN:OUT two files, one of which may be empty; anything else is the "
            "name of a device: `python3 -m sounddevice` lists them.",
        ) from error
    try:
        read_ptt(ptt or "vox")
    except ValueError as error:
        raise UsageError(
            "This is no way to key a transmitter.", todo="vox, rig:127.0.0.1:4532, rts:/dev/ttyUSB0 or dtr:/dev/ttyUSB0"
        ) from error
    settings = _radio_settings(key_file, {"ptt": ptt, **options})
    result, _ = call.call(requests.AddLink("sound", tuple(settings)), results.LinkMade)
    call.show(result, screen.sound_added(result))


@link.command("list")
@click.pass_obj
def list_(call: Invocation) -> None:
    """All links and how they are."""
    from chasqui.app.screens import links as screen

    result, _ = call.call(requests.ListLinks(), results.Links)
    call.show(result, screen.listed(result))


@link.command()
@click.argument("id")
@click.pass_obj
def test(call: Invocation, id: str) -> None:
    """Try whether a link works. Of a radio: how well, with others who run this at the same time."""
    links, _ = call.call(requests.ListLinks(), results.Links)
    for found in links.links:
        if found.id == id.lower() and found.kind in _RADIOS:
            from chasqui.app.measuring import lasts_s
            from chasqui.app.radios import radio_link
            from chasqui.app.screens import links as screen

            call.tell(screen.measuring(lasts_s(radio_link(found.kind, found.settings).profile)))
    result, _ = call.call(requests.TestLink(id), results.LinkTested)
    call.show(result, f"It works: {result.message}")


@link.command()
@click.argument("id")
@click.pass_obj
def remove(call: Invocation, id: str) -> None:
    """Forget a link. What lies in a folder stays there."""
    from chasqui.app.screens import links as screen

    links, _ = call.call(requests.ListLinks(), results.Links)
    result, _ = call.call(requests.RemoveLink(id), results.LinkGone)
    radios = [known.id for known in links.links if known.kind in _RADIOS]
    call.show(result, screen.removed(result, radio=result.id in radios))


@click.command(cls=Leaf)
@click.pass_context
def sync(context: click.Context) -> None:
    """Exchange with every folder, there and back."""
    from chasqui.app.screens import links as screen

    call = context.ensure_object(Invocation)
    result, _ = call.call(requests.Sync(), results.Synced)
    for problem in result.problems:
        call.tell(screen.problem(problem))
    failed = [problem.link for problem in result.problems if problem.failed]
    if not failed:
        call.show(result, screen.synced(result))
        return
    error = LinkFailedError(
        f"{len(failed)} of {result.folders} folders could not be used: {', '.join(failed)}.",
        safety="Nothing is lost: what could not be written waits in the vault.",
        todo="See above, then `chasqui sync` again.",
    )
    document, code = document_of(error)
    if call.as_json:
        print_json({**result.document(), "error": document.document()})
    else:
        call.show(result, screen.synced(result))
        call.tell(str(error))
    context.exit(code)


@click.group(cls=Family)
def bundle() -> None:
    """Look at what carriers carry."""


@bundle.command()
@click.argument("file")
@click.pass_obj
def inspect(call: Invocation, file: str) -> None:
    """What a carrier can see of a courier file, and nothing more. Needs no vault."""
    from chasqui.app.inspecting import inspect_file
    from chasqui.app.screens import links as screen

    result = inspect_file(file)
    call.show(result, screen.inspected(result))


COMMANDS = (link, sync, bundle)

"""`bundle inspect`: what a carrier can see of a courier file. Needs no vault and opens none."""

from __future__ import annotations

from datetime import UTC, datetime

from chasqui.app.desk import stamp
from chasqui.app.private_file import read_file
from chasqui.app.results import CarriedBundle, Inspected
from chasqui.base.errors import PeerError
from chasqui.base.ids import bundle_id
from chasqui.base.limits import COURIER_FILE_BYTES_MAX, SECONDS_PER_DAY
from chasqui.delivery.courier_file import CourierReader
from chasqui.sealed.bundle import parse_bundle


def inspect_file(name: str) -> Inspected:
    """Every bundle of a courier file by what it shows. Raises `PeerError` for a foreign file, `UserError`."""
    reader = CourierReader()
    data = read_file(name, COURIER_FILE_BYTES_MAX, what="a courier file")
    try:
        bundles = reader.feed(data)
        report = reader.finish()
    except PeerError as error:
        error.todo = error.todo or "Check that you named the right file: those on a stick end in `.chq`."
        raise
    return Inspected(
        None if reader.day is None else _date(reader.day),
        report.expected,
        report.read,
        report.damaged,
        report.ending.value,
        tuple(_carried(data, reader.day or 0) for data in bundles),
    )


def _carried(data: bytes, written_day: int) -> CarriedBundle:
    try:
        bundle = parse_bundle(data, written_day)
    except PeerError:
        return CarriedBundle(bundle_id(data).hex(), len(data), "unknown", "", "")
    return CarriedBundle(
        bundle.id.hex(), len(data), bundle.bundle_class.name.lower(), _date(bundle.day), stamp(bundle.expires_s)
    )


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC).strftime("%Y-%m-%d")

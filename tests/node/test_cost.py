"""What something costs a link, and how speech is coded for it: from what the link says of itself, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.limits import BUNDLE_STEPS, FILE_PART_BYTES
from chasqui.delivery.generations import cut as cut_bundle
from chasqui.delivery.generations import fits_whole, part_count
from chasqui.delivery.radio_frames import CodedFrame, write_radio_frame
from chasqui.delivery.veil import MAC_BYTES
from chasqui.links.folder import PROFILE as FOLDER
from chasqui.links.lan_limits import PROFILE as LAN
from chasqui.media.burst import Quality, cut
from chasqui.node import inputs
from chasqui.node.cost import bundles_of_file, bundles_of_speech, cost_on, quality_for, rate_bps, slowest
from chasqui.node.link_port import LinkProfile
from tests.node.hostile import fresh
from tests.node.world import settled_group


def radio(
    bit_rate_bps: int, *, share: float = 1.0, loss: float = 0.0, mtu: int = 222, overhead: int = 0
) -> LinkProfile:
    return LinkProfile("radio", mtu, bit_rate_bps, True, True, loss, share, overhead)


LORA = radio(1_760, share=0.01, loss=0.2)
PACKET_1200, PACKET_9600 = radio(1_200, mtu=256), radio(9_600, mtu=256)


@pytest.mark.parametrize(
    ("links", "quality"),
    [
        ((), Quality.Q3200),
        ((LAN, FOLDER), Quality.Q3200),
        ((LAN, FOLDER, LORA), Quality.Q700C),
        ((PACKET_1200,), Quality.Q700C),
        ((PACKET_9600, LAN), Quality.Q1300),
        ((radio(9_600, share=0.5),), Quality.Q700C),
        ((radio(16_000),), Quality.Q3200),
        ((radio(16_000, loss=0.1),), Quality.Q1300),
        ((radio(16_000), PACKET_1200), Quality.Q700C),
    ],
)
def test_the_slowest_link_decides(links: tuple[LinkProfile, ...], quality: Quality) -> None:
    assert quality_for(links) is quality
    assert quality_for(reversed(links)) is quality


profiles = st.lists(
    st.builds(
        radio, st.integers(1, 100_000), share=st.floats(0.001, 1), loss=st.floats(0, 0.9), mtu=st.integers(20, 65_535)
    ),
    max_size=4,
)


@given(profiles, st.integers(1, 100_000))
def test_a_slower_link_never_gets_a_better_quality(links: list[LinkProfile], bit_rate_bps: int) -> None:
    assert quality_for([*links, radio(bit_rate_bps)]) <= quality_for(links)


def test_the_slowest_is_that_of_the_lowest_rate_in_the_long_run() -> None:
    assert slowest((LAN, FOLDER)) is None
    assert slowest((LAN, PACKET_1200, LORA)) is LORA
    assert rate_bps(LORA) == pytest.approx(1_760 * 0.01 * 0.8)
    assert rate_bps(LAN) is None


@pytest.mark.parametrize("size", [0, 1, 10_000, FILE_PART_BYTES, FILE_PART_BYTES + 1, 50_000])
def test_the_bundles_of_a_file_are_those_that_are_sent(size: int) -> None:
    (ana, _), group = settled_group("ana", "ben")
    before = set(ana.held())
    ana.do(inputs.SendFile(group, "map", bytes(size)))
    sent, counted = sorted(len(bundle) for bundle in fresh(ana, before)), sorted(bundles_of_file(size))
    if size > 100:
        assert counted[1:] == sent[1:]
    assert 0 <= sum(sent) - sum(counted) <= 240 - BUNDLE_STEPS[0], "the manifest is counted as the smallest"


@pytest.mark.parametrize(("quality", "size"), [(Quality.Q700C, 875), (Quality.Q700C, 2_800), (Quality.Q3200, 40_000)])
def test_the_bundles_of_speech_are_those_that_are_sent(quality: Quality, size: int) -> None:
    (ana, _), group = settled_group("ana", "ben")
    before = set(ana.held())
    ana.do(inputs.SendVoice(group, quality, bytes(size)))
    sent = [len(bundle) for bundle in fresh(ana, before)]
    assert sorted(bundles_of_speech(cut(quality, bytes(size)))) == sorted(sent)


@pytest.mark.parametrize("mtu", [200, 222, 255, 256, 508, 1_100])
@pytest.mark.parametrize("size", [207, 978, 15_360])
def test_what_is_counted_is_what_the_frames_of_the_air_are(mtu: int, size: int) -> None:
    count = None if fits_whole(size, mtu) else part_count(size, mtu)
    symbols = [bytes(size)] if count is None else cut_bundle(bytes(size), count)
    frames = [
        write_radio_frame(CodedFrame(1, 2, len(symbols), number, symbol, count is not None, followed=False))
        for number, symbol in enumerate(symbols)
    ]
    assert max(map(len, frames)) <= mtu
    cost = cost_on(radio(8, mtu=mtu, overhead=500), [size])
    assert cost is not None
    assert cost.on_air_s == sum(map(len, frames)) + len(frames) / 2


def test_ten_seconds_at_700c_stay_below_1050_bytes_on_air() -> None:
    (size,) = bundles_of_speech(cut(Quality.Q700C, bytes(875)))
    assert size == 978
    on_air: dict[int, tuple[float, ...]] = {}
    for mtu in (200, 222, 254, 256, 508):
        plain = cost_on(radio(8, mtu=mtu), [size])
        keyed = cost_on(radio(8, mtu=mtu - MAC_BYTES, overhead=1_000 * MAC_BYTES), [size])
        assert plain is not None
        assert keyed is not None
        on_air[mtu] = (plain.on_air_s, keyed.on_air_s)
    assert on_air == {
        200: (1_013, 1_037), 222: (1_004, 1_024), 254: (999, 1_015), 256: (999, 1_015), 508: (989, 997)
    }  # fmt: skip
    assert max(map(max, on_air.values())) <= 1_050


def test_time_on_air_and_until_it_is_through() -> None:
    assert cost_on(LAN, [15_360] * 1_000) is None
    whole = cost_on(radio(8, mtu=300), [128])
    assert whole is not None
    assert whole.on_air_s == whole.lasts_s == 128 + 4
    lora = cost_on(LORA, [978])
    assert lora is not None
    assert lora.on_air_s == pytest.approx(8 * (980 + 5 * 5 - 1) / 1_760)
    assert lora.lasts_s == pytest.approx(lora.on_air_s / 0.01 / 0.8)

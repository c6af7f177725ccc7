"""Encoded packets of a video stream: reading them past damage and through the decoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import av

from reskin.video.damage import Damage

_MOST_READ_ERRORS = 8


def read_packets(container: Any, streams: Sequence[Any], damage: Damage) -> Iterator[Any]:
    """The packets of `streams` that hold data, going on after damaged segments of the container.

    An empty packet in the middle (AVI writes one for a repeated frame) would end the decoder's work, so it is
    left out; whoever decodes must drain the decoder at the end by decoding None.
    """
    for _ in range(_MOST_READ_ERRORS):
        try:
            for packet in container.demux(*streams):
                if packet.size:
                    yield packet
            return
        except av.error.InvalidDataError:
            damage.remark("the container is damaged: a part of it was passed over")


def decode(context: Any, packet: Any, number: int, failed: set[int]) -> list[Any]:
    """The frames that come out of the decoder for `packet`; each remembers the number of its own packet.

    Args:
        context: the decoder, prepared by `remember_packets`.
        packet: one with data.
        number: of the packet, in the order of the file.
        failed: receives `number` where the decoder refuses the packet.
    """
    packet.opaque = [number]  # A new object each time: PyAV knows it by its address.
    try:
        return list(context.decode(packet))
    except av.error.FFmpegError:
        failed.add(number)
        return []


def remember_packets(context: Any) -> None:
    """Have a decoder copy the number of each packet to the frame that comes of it."""
    context.copy_opaque = True


def packet_of(frame: Any) -> int:
    """The number of the packet that a frame came of."""
    return int(frame.opaque[0])


def drain(context: Any) -> list[Any]:
    """The frames still in the decoder at the end; with frame threads, only those before an error."""
    try:
        return list(context.decode(None))
    except av.error.FFmpegError:
        return []

"""The figures of a receiver report, by RFC 3550's own arithmetic."""

from __future__ import annotations

import pytest

from signaling.reception import MAX_DROPOUT, Reception

TICKS = 960


def fed(sequences: list[int], first_timestamp: int = 0) -> Reception:
    """Every packet arrives exactly when its timestamp says."""
    reception = Reception(sequences[0])
    for sequence in sequences:
        index = (sequence - sequences[0]) & 0xFFFF
        timestamp = (first_timestamp + index * TICKS) & 0xFFFFFFFF
        reception.push(sequence, timestamp, index * 0.02)
    return reception


def test_what_is_missing_is_lost_and_its_share_is_of_the_last_interval() -> None:
    reception = fed([index for index in range(100) if index % 10 != 5])
    assert reception.packets_received == 90
    assert reception.packets_lost == 10
    assert reception.fraction_lost == (10 << 8) // 100
    for index in range(100, 200):
        reception.push(index, index * TICKS, index * 0.02)
    assert reception.fraction_lost == 0
    assert reception.packets_lost == 10


def test_the_highest_sequence_number_is_extended_by_its_wraps() -> None:
    """aiortc leaves the wraps out, and a sender then reads a loss of 65,536 packets."""
    reception = fed([(65_500 + index) & 0xFFFF for index in range(100)])
    assert reception.max_seq == 65_599
    assert reception.packets_lost == 0
    assert reception.fraction_lost == 0


def test_a_wrap_of_timestamps_is_no_jitter() -> None:
    """aiortc's estimate leaps to 2^32 / 16 there."""
    assert fed(list(range(100)), first_timestamp=0xFFFFFFFF - 50 * TICKS).jitter <= 1


def test_jitter_is_that_of_appendix_a8() -> None:
    reception = Reception(0)
    expected, before = 0.0, None
    for index in range(400):
        late_s = 0.01 * (index % 2)
        reception.push(index, index * TICKS, index * 0.02 + late_s)
        if before is not None:
            expected += (abs(late_s - before) * 48_000 - expected) / 16
        before = late_s
    assert reception.jitter == pytest.approx(expected, abs=2)


def test_reordered_packets_are_not_lost() -> None:
    order = [0, 2, 1, 3, 5, 4, 6, 9, 8, 7, 10]
    assert fed(order).packets_lost == 0


def test_a_sender_that_starts_over_is_no_loss_once_two_packets_say_so() -> None:
    reception = fed(list(range(50)))
    reception.push(50 + MAX_DROPOUT + 7, 0, 1.0)
    assert reception.packets_received == 50
    for index in range(8, 58):
        reception.push(50 + MAX_DROPOUT + index, index * TICKS, 1.0 + index * 0.02)
    assert reception.packets_lost == 0
    assert reception.max_seq == 50 + MAX_DROPOUT + 57
    assert reception.fraction_lost == 0


def test_one_stray_packet_changes_nothing() -> None:
    reception = fed(list(range(50)))
    reception.push(40_000, 7, 1.0)
    reception.push(50, 50 * TICKS, 1.0)
    assert (reception.max_seq, reception.packets_lost) == (50, 0)


def test_loss_fits_the_reports_24_bits() -> None:
    reception = Reception(0)
    reception.push(0, 0, 0)
    for _ in range(5):
        reception.push(0, 0, 0)
    assert reception.packets_lost == -5
    assert reception.fraction_lost == 0

"""Rates, time left and curves, against values worked out by hand."""

import math

import pytest

from foundation.jobs.progress import Curve, Rate


def test_nothing_is_known_before_a_step_has_been_timed():
    rate = Rate()
    assert rate.eta(10, now=5.0) is None
    rate.update(0, now=5.0)
    assert rate.eta(10, now=9.0) is None
    rate.update(0, now=9.0)  # time passes, no step ends
    assert rate.eta(10, now=9.0) is None


def test_steady_steps_give_the_exact_time_left():
    rate = Rate()
    for step in range(5):
        rate.update(step, now=100.0 + 2.0 * step)
    assert rate.eta(10, now=108.0) == pytest.approx(12.0)
    assert rate.eta(4, now=108.0) == 0.0


def test_time_before_the_first_report_does_not_count():
    rate = Rate()
    rate.update(0, now=0.0)
    rate.update(0, now=1000.0)  # a model has been loaded
    rate.update(1, now=1001.0)
    assert rate.eta(3, now=1001.0) == pytest.approx(2.0)


def test_it_counts_down_during_a_step_and_waits_for_one_that_is_late():
    rate = Rate()
    rate.update(0, now=0.0)
    rate.update(1, now=4.0)
    assert rate.eta(3, now=5.0) == pytest.approx(7.0)
    assert rate.eta(3, now=8.0) == pytest.approx(4.0)
    assert rate.eta(3, now=800.0) == pytest.approx(4.0)


def test_smoothing_by_hand():
    rate = Rate(smoothing_s=10.0)
    rate.update(0, now=0.0)
    rate.update(1, now=1.0)
    rate.update(2, now=3.0)
    keep = math.exp(-0.2)
    assert rate.eta(12, now=3.0) == pytest.approx(10.0 * (1.0 * keep + 2.0) / (1.0 * keep + 1.0))


def test_one_slow_step_does_not_decide_alone_and_old_speed_is_forgotten():
    rate = Rate(smoothing_s=30.0)
    for step in range(101):
        rate.update(step, now=float(step))
    rate.update(101, now=200.0)
    slow = rate.eta(102, now=200.0)
    assert slow is not None and 1.0 < slow < 10.0
    for step in range(102, 300):
        rate.update(step, now=200.0 + 0.5 * (step - 101))
    fast = rate.eta(300, now=200.0 + 0.5 * 198)
    assert fast == pytest.approx(0.5, rel=0.15)


def test_a_step_back_begins_anew():
    rate = Rate()
    rate.update(0, now=0.0)
    rate.update(10, now=1.0)
    rate.update(0, now=2.0)
    assert rate.eta(10, now=3.0) is None


def test_a_clock_that_stands_still_gives_no_estimate():
    rate = Rate()
    rate.update(0, now=1.0)
    rate.update(5, now=1.0)
    assert rate.eta(10, now=1.0) is None


def test_a_short_curve_is_kept_whole():
    curve = Curve(max_points=4)
    for step in range(4):
        curve.add(step, step / 2)
    assert curve.points() == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5)]


def test_a_full_curve_drops_every_second_point_and_keeps_the_newest():
    curve = Curve(max_points=4)
    for step in range(6):
        curve.add(step, float(step))
    # at step 4: 0 2 4 stay (stride 2); step 5 lies between, and is the newest
    assert curve.points() == [(0, 0.0), (2, 2.0), (4, 4.0), (5, 5.0)]


def test_an_odd_limit_keeps_even_spacing():
    curve = Curve(max_points=5)
    for step in range(12):
        curve.add(step, float(step))
    assert [step for step, _ in curve.points()] == [0, 4, 8, 11]


@pytest.mark.parametrize("count", [499, 500, 501, 10_000])
def test_curves_stay_bounded_and_span_the_run(count):
    curve = Curve()
    for step in range(1, count + 1):
        curve.add(step, 1.0)
    steps = [step for step, _ in curve.points()]
    assert len(steps) <= 501
    assert len(steps) >= min(count, 250)
    assert (steps[0], steps[-1]) == (1, count)
    assert steps == sorted(set(steps))


def test_values_that_json_cannot_hold_leave_a_gap():
    curve = Curve()
    for step, value in enumerate([1.0, math.nan, math.inf, 2.0]):
        curve.add(step, value)
    assert curve.points() == [(0, 1.0), (3, 2.0)]


def test_a_curve_needs_room():
    with pytest.raises(ValueError, match="2 points"):
        Curve(max_points=1)

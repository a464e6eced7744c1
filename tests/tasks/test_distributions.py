"""Trial parameters as written in a configuration: what they draw, and what is refused."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from scipy import stats

from rnnexp.tasks.distributions import Choice, Exponential, Normal, Uniform, from_config

UNIT = torch.linspace(0, 1, 2001, dtype=torch.float64)[:-1]

finite = st.floats(-1e6, 1e6)
width = st.floats(1e-3, 1e6)
laws = st.one_of(
    finite,
    st.lists(finite, min_size=1, max_size=5),
    st.builds(lambda values: {"choice": values}, st.lists(finite, min_size=1, max_size=5)),
    st.builds(lambda low, span: {"uniform": [low, low + span]}, finite, width),
    st.builds(lambda mean, sd: {"normal": [mean, sd]}, finite, width),
    st.builds(
        lambda mean, sd, a, b: {"normal": [mean, sd, mean - a * sd, mean + b * sd]},
        finite,
        width,
        st.floats(0.01, 6),
        st.floats(0.01, 6),
    ),
    st.builds(lambda mean: {"exponential": mean}, width),
    st.builds(lambda mean, low, span: {"exponential": [mean, low, low + span]}, width, finite, width),
)


@given(laws)
def test_draws_stay_within_minimum_and_maximum_and_rise_with_the_quantile(value):
    law = from_config(value, "onset_time")
    drawn = law.quantile(UNIT)
    assert drawn.dtype == torch.float64
    assert torch.isfinite(drawn).all()
    assert law.minimum <= drawn.min()
    assert drawn.max() <= law.maximum
    if not isinstance(law, Choice):
        assert (drawn.diff() >= 0).all()


@given(laws, st.integers(0, 2**32))
def test_the_same_seed_draws_the_same_values(value, seed):
    law = from_config(value, "onset_time")
    first, second = (law.sample(20, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("value", "law", "bounds"),
    [
        (200, Choice((200.0,)), (200, 200)),
        ([100, 300, 200], Choice((100.0, 300.0, 200.0)), (100, 300)),
        ({"choice": [250, 500]}, Choice((250.0, 500.0)), (250, 500)),
        ({"uniform": [0, 250]}, Uniform(0.0, 250.0), (0, 250)),
        ({"normal": [5, 2]}, Normal(5.0, 2.0), (-math.inf, math.inf)),
        ({"normal": [5, 2, 0, 8]}, Normal(5.0, 2.0, 0.0, 8.0), (0, 8)),
        ({"exponential": 0.2}, Exponential(0.2), (0, math.inf)),
        ({"exponential": [200, 100, 900]}, Exponential(200.0, 100.0, 900.0), (100, 900)),
        ({"exponential": [200, 100, math.inf]}, Exponential(200.0, 100.0), (100, math.inf)),
    ],
)
def test_every_form_is_read_from_plain_and_from_configuration_containers(value, law, bounds):
    assert from_config(value, "delay_duration") == law
    assert from_config(OmegaConf.create({"value": value}).value, "delay_duration") == law
    assert (law.minimum, law.maximum) == bounds


@pytest.mark.parametrize(
    ("value", "peer"),
    [
        ({"uniform": [2, 5]}, stats.uniform(2, 3)),
        ({"normal": [5, 2]}, stats.norm(5, 2)),
        ({"normal": [5, 2, 4, 11]}, stats.truncnorm(-0.5, 3, loc=5, scale=2)),
        ({"exponential": 0.2}, stats.expon(scale=0.2)),
        ({"exponential": [200, 100, 500]}, stats.truncexpon(2, loc=100, scale=200)),
    ],
)
def test_quantiles_are_those_of_scipy(value, peer):
    got = from_config(value, "coherence").quantile(UNIT[1:])
    assert got.numpy() == pytest.approx(peer.ppf(UNIT[1:].numpy()), rel=1e-9, abs=1e-9)


def test_a_list_gives_each_value_equally_often():
    drawn = from_config([1, 2, 4], "coherence").sample(30000, torch.Generator().manual_seed(0))
    values, counts = drawn.unique(return_counts=True)
    assert values.tolist() == [1.0, 2.0, 4.0]
    assert counts.tolist() == pytest.approx([10000] * 3, rel=0.05)


def test_a_draw_takes_one_number_of_the_generator_whatever_the_law():
    states = []
    for value in (200, [1, 2], {"uniform": [0, 1]}, {"normal": [0, 1]}, {"exponential": 1}):
        generator = torch.Generator().manual_seed(3)
        from_config(value, "coherence").sample(7, generator)
        states.append(generator.get_state())
    assert all(torch.equal(state, states[0]) for state in states)


def test_none_is_the_default_where_there_is_one():
    assert from_config(None, "angle", default=Uniform(0, 1)) == Uniform(0, 1)
    with pytest.raises(ValueError, match=r"angle must be a number, .*; got None: that is none of these"):
        from_config(None, "angle")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("fast", "got 'fast': that is none of these"),
        (True, "got True: that is none of these"),
        (math.nan, "got nan: that is none of these"),
        (math.inf, "got inf: a choice needs at least one value, all finite"),
        ([], r"got \[\]: a choice needs at least one value"),
        ([1, "x"], r"\[1, 'x'\] is not a list of numbers"),
        ({"gamma": [1, 2]}, "there is no distribution 'gamma'"),
        ({"uniform": [0, 1], "normal": [0, 1]}, "exactly one distribution must be named, not 2"),
        ({"uniform": [5, 1]}, "uniform needs .* low <= high"),
        ({"uniform": 5}, "uniform takes 2 numbers"),
        ({"uniform": [0, math.inf]}, "uniform needs .* both finite"),
        ({"uniform": "0,1"}, "'0,1' is not a list of numbers"),
        ({"normal": [0, 1, 2]}, "normal takes 2 or 4 numbers"),
        ({"normal": [0, -1]}, "normal needs a finite mean and a finite sd > 0"),
        ({"normal": [0, 1, 2, 2]}, "normal needs min < max"),
        ({"normal": [0, 1, 50, 60]}, "too far from the mean"),
        ({"exponential": 0}, "exponential needs a finite mean > 0"),
        ({"exponential": [1, 2]}, "exponential takes 1 or 3 numbers"),
        ({"exponential": [1, 2, 2]}, "exponential needs a finite min < max"),
    ],
)
def test_what_is_no_distribution_is_refused_with_the_forms_that_are(value, message):
    with pytest.raises(ValueError, match=f"^onset_time must be a number, a list of numbers.*{message}"):
        from_config(value, "onset_time")


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"^onset_time must be >= 0 ms, but \[-5, 5\] can be -5$"):
        from_config([-5, 5], "onset_time", low=0, unit="ms")
    with pytest.raises(ValueError, match=r"^p must be <= 1, but {'uniform': \[0, 2\]} can be 2$"):
        from_config({"uniform": [0, 2]}, "p", high=1)
    with pytest.raises(ValueError, match=r"can be -inf; bound it as {normal: \[mean, sd, min, max\]}"):
        from_config({"normal": [5, 2]}, "onset_time", low=0, unit="ms")

"""Initial parameters of both recipes: their distributions, and that a seed fixes them."""

import math

import pytest
import torch

from rnnexp.constraints.initializers import Auto, ReconstructionInitializer, TaskInitializer, talathi_vartak
from rnnexp.latent_steps import ALRNN, PLRNN, ShPLRNN

M, K, L = 60, 3, 120
MAKERS = {
    "PLRNN": lambda: PLRNN(M, K),
    "ALRNN": lambda: ALRNN(M, K, num_relus=20),
    "shPLRNN": lambda: ShPLRNN(M, K, hidden_dim=L),
    "clipped_shPLRNN": lambda: ShPLRNN(M, K, hidden_dim=L, clipped=True),
}


def drawn(name, initializer, seed=0):
    step = MAKERS[name]()
    step.initialize(initializer, torch.Generator().manual_seed(seed))
    return {key: weight.detach() for key, weight in step.weights().items()}


def assert_uniform(values, low, high):
    """Inside the range, and filling it."""
    assert low <= values.min() < low + 0.15 * (high - low)
    assert high >= values.max() > high - 0.15 * (high - low)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("initializer", [TaskInitializer(), ReconstructionInitializer()])
def test_a_seed_fixes_the_parameters(name, initializer):
    first, again, other = (drawn(name, initializer, seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["A"], other["A"])


@pytest.mark.parametrize("name", MAKERS)
def test_task_recipe_gives_slow_weakly_coupled_weakly_driven_units(name):
    weights = drawn(name, TaskInitializer(decay=(0.8, 0.95), coupling=0.1, input_gain=0.2))
    assert_uniform(weights["A"], 0.8, 0.95)
    bound = 0.2 * math.sqrt(6 / (M + K))
    assert_uniform(weights["C"], -bound, bound)
    coupling = weights.get("W", weights.get("W1"))
    off_diagonal = coupling[coupling != 0]
    assert off_diagonal.std().item() == pytest.approx(0.1 / math.sqrt(coupling.shape[1]), rel=0.1)
    if "W2" in weights:
        assert weights["W2"].std().item() == pytest.approx(1 / math.sqrt(M), rel=0.1)
        assert_uniform(weights["h2"], -1, 1)
    assert not weights.get("h", weights.get("h1")).any()


def test_reconstruction_plrnn_starts_at_the_papers_matrix():
    weights = drawn("PLRNN", ReconstructionInitializer())
    eigenvalues = torch.linalg.eigvalsh(weights["W"] + weights["A"].diag())
    assert eigenvalues[-1].item() == pytest.approx(1, abs=1e-5)
    assert eigenvalues[0] > 0


def test_reconstruction_alrnn_starts_with_a_small_full_w():
    weights = drawn("ALRNN", ReconstructionInitializer())
    assert weights["W"].std().item() == pytest.approx(0.01, rel=0.1)
    assert weights["W"].diagonal().all()
    assert 0 < weights["A"].min() < weights["A"].max() < 1


@pytest.mark.parametrize("clipped", [False, True])
def test_reconstruction_shallow_pair_follows_the_fan_in(clipped):
    weights = drawn("clipped_shPLRNN" if clipped else "shPLRNN", ReconstructionInitializer())
    assert_uniform(weights["W1"], -1 / math.sqrt(L), 1 / math.sqrt(L))
    assert_uniform(weights["W2"], -1 / math.sqrt(M), 1 / math.sqrt(M))
    assert weights["h2"].any().item() == clipped
    assert_uniform(weights["C"], -1 / math.sqrt(K), 1 / math.sqrt(K))


def test_auto_chooses_by_the_kind_of_task():
    assert isinstance(Auto().resolve("cognitive"), TaskInitializer)
    assert isinstance(Auto().resolve("reaching"), TaskInitializer)
    assert isinstance(Auto().resolve("time_series"), ReconstructionInitializer)


def test_explicit_choice_stays_whatever_the_task():
    chosen = ReconstructionInitializer()
    assert chosen.resolve("cognitive") is chosen


def test_talathi_vartak_matrix_is_symmetric_positive_with_largest_eigenvalue_one():
    matrix = talathi_vartak(40, torch.Generator().manual_seed(0))
    values = torch.linalg.eigvalsh(matrix)
    assert torch.allclose(matrix, matrix.T, rtol=0, atol=1e-14)
    assert values[0] > 0
    assert values[-1].item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"decay": (0.9, 0.5)}, r"decay must be two rising numbers in \[0, 1\], got \[0.9, 0.5\]"),
        ({"decay": (0.9, 1.5)}, r"decay must be two rising numbers in \[0, 1\], got \[0.9, 1.5\]"),
        ({"coupling": -1}, "coupling must be a finite number >= 0, got -1"),
        ({"input_gain": math.inf}, "input_gain must be a finite number >= 0, got inf"),
    ],
)
def test_arguments_out_of_range_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        TaskInitializer(**options)

"""Published experiments, whole: they end by their own rule."""

import json

import pytest

from rnnexp.training.run import train


def run(config, directory):
    train(config, directory, [])
    record, summary = (json.loads((directory / name).read_text()) for name in ("run.json", "summary.json"))
    return record["exit_reason"], summary


@pytest.mark.slow
def test_the_curriculum_of_psychrnn_passes_its_four_stages(tmp_path, compose_config):
    config = compose_config("experiment=psychrnn_curriculum", "trainer.plots=false", "trainer.progress=false")
    reason, summary = run(config, tmp_path)
    assert reason.startswith("all stages of the curriculum, 0 to 3, passed after ")
    assert summary["stages_passed"] == 4
    assert summary["test_accuracy"] > 0.85  # at the smallest coherence, after a check that reached 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fewest", "most"), [("spikernn_go_nogo", 1501, 2500), ("spikernn_xor", 100, 2000)]
)
def test_networks_of_spikernn_reach_its_stopping_rule(tmp_path, compose_config, name, fewest, most):
    config = compose_config(f"experiment={name}", "trainer.plots=false", "trainer.progress=false")
    config["trainer"]["n_steps"] = most
    reason, summary = run(config, tmp_path)
    assert "reached accuracy_cutoff 0.955" in reason
    assert reason.endswith("reached loss_cutoff 7")
    assert fewest <= summary["steps"] <= most
    assert summary["test_accuracy"] > 0.9

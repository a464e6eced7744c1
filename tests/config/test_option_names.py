"""What logs and directories call the parts that were chosen."""

import pytest

from rnnexp.cli import main
from rnnexp.config.option_names import option_name

SHORT = ["trainer.n_steps=1", "trainer.eval_every=1", "trainer.batch_size=2", "trainer.n_validation_trials=2",
         "trainer.n_test_trials=2", "trainer.plots=false", "task.T=200", "task.dt=20", "latent_dim=5"]  # fmt: skip


@pytest.mark.parametrize(
    "step", ["Basic", "CTRNN", "FR_RNN_dale", "clipped_shPLRNN", "shPLRNN", "LSTM", "ALRNN"]
)
def test_options_of_one_class_keep_their_names(compose_config, step):
    assert option_name("latent_step", compose_config(f"latent_step={step}")["latent_step"]) == step


def test_changed_settings_do_not_change_the_name(compose_config):
    changed = compose_config("latent_step=CTRNN", "latent_step.activation=tanh", "latent_step.pre_noise=0.3")
    assert option_name("latent_step", changed["latent_step"]) == "CTRNN"
    assert option_name("latent_step", {"_target_": "my_lab.steps.MyStep"}) == "MyStep"


def test_the_log_says_what_was_typed(tmp_path, capsys):
    assert main(["train", "latent_step=clipped_shPLRNN", *SHORT, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    told = capsys.readouterr().err
    assert "training clipped_shPLRNN on delayed_discrim" in told
    assert "ShPLRNN " not in told.replace("clipped_shPLRNN", "")


def test_directories_of_own_classes_bear_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named_lab.py").write_text(
        "from rnnexp.latent_steps import PLRNN\nfrom rnnexp.tasks import SimplePD\n\n"
        "class MyTask(SimplePD):\n    pass\n\nclass MyStep(PLRNN):\n    pass\n"
    )
    own = [
        "task=own",
        "task._target_=named_lab.MyTask",
        "latent_step=own",
        "latent_step._target_=named_lab.MyStep",
    ]
    assert main(["train", *own, *SHORT[:-3], "latent_dim=5"]) == 0
    (run,) = (tmp_path / "outputs").glob("train/*/*")
    assert run.name.endswith("_MyTask_MyStep")

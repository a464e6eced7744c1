"""`rnnexp collect`, `ls`, `status`, `prune`, `list --json`: runs chosen, ordered, grouped, told of and removed."""

import json
import os
import platform
import subprocess

import pandas as pd
import pytest

from rnnexp.cli import main
from rnnexp.saved.run_facts import is_setting
from rnnexp.sweeps.jobs import Sweep, SweepJob
from tests.commands.test_collect import write_run


@pytest.fixture
def mixture(tmp_path):
    """Runs of a sweep, of single lines that say the same in other words, of an evaluation and of one that failed."""
    for number, (step, lr) in enumerate([("ALRNN", "2e-3"), ("ALRNN", "0.01"), ("PLRNN", "0.002")]):
        path = tmp_path / "sweep" / str(number)
        line = [f"latent_step={step}", f"optimizer.lr={lr}", "trainer.plots=False", f"seed={number}"]
        summary = {"test_accuracy": 0.5 + 0.1 * number, "steps": 10}
        write_run(path, line, summary=summary, choices={"latent_step": step})
        settle(path, {"optimizer": {"lr": float(lr)}, "trainer": {"plots": False}, "freeze": []})
    single = tmp_path / "single"
    write_run(single, ["seed=3", "trainer.plots=false"], summary={"test_accuracy": 0.9, "steps": 10})
    settle(single, {"optimizer": {"lr": 0.002}, "trainer": {"plots": False}, "freeze": ["W"]})
    for name, checkpoint in (("a", single), ("b", single / "checkpoints" / "best.pt")):
        path = tmp_path / "eval" / name
        write_run(path, [f"checkpoint={checkpoint}", "task.dt=20"], summary={"test_accuracy": 0.8},
                  choices={"task": "null", "latent_step": "null"})  # fmt: skip
        settle(path, {"checkpoint": str(checkpoint), "task": {"dt": 20}}, command="eval")
    write_run(tmp_path / "lost", ["latent_step=ALRNN"], status="failed", reason="loss became nan")
    return tmp_path


def settle(path, config, command="train"):
    (path / "config.json").write_text(json.dumps({"config": config}))
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**record, "command": f"rnnexp {command} x=1", "host": "lab"}))


def rows(capsys, *words):
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return {row["job"]: row for row in json.loads(capsys.readouterr().out)}


def test_values_are_compared_as_values(mixture, capsys):
    found = rows(capsys, "ls", str(mixture))
    assert (
        found["sweep/0"]["optimizer.lr"]
        == found["sweep/2"]["optimizer.lr"]
        == found["single"]["optimizer.lr"]
        == 0.002
    )
    assert "trainer.plots" not in found["single"]
    assert found["eval/a"]["checkpoint"] == found["eval/b"]["checkpoint"] == str(mixture / "single")
    assert [found[job]["command"] for job in ("single", "eval/a", "lost")] == ["train", "eval", "train"]
    assert found["single"]["host"] == "lab"
    assert (found["eval/a"]["task"], found["eval/b"]["latent_step"]) == ("delayed_discrim", "ALRNN")


def test_what_was_evaluated_does_not_share_statistics_with_what_was_trained(mixture, capsys):
    out = mixture.parent / "gathered"
    assert main(["collect", str(mixture), "--out", str(out)]) == 0
    groups = pd.read_csv(out / "results_by_group.csv")
    assert set(groups.command) == {"train", "eval"}
    row = groups[groups.command == "eval"].iloc[0]
    assert (row.n, row.test_accuracy_mean, row.test_accuracy_min, row.test_accuracy_max) == (2, 0.8, 0.8, 0.8)
    assert {"test_accuracy_sem", "n_failed"} <= set(groups)
    assert (out / "results_by_group.tex").read_text().startswith(r"\begin{tabular}{l")
    assert r"latent\_step" in (out / "results_by_group.tex").read_text()
    lines = (out / "results_by_group.md").read_text().splitlines()
    assert lines[1].replace("|", "").replace("-", "").replace(":", "").strip() == ""
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("flags", "jobs"),
    [
        (["--where", "optimizer.lr=2e-3"], ["single", "sweep/0", "sweep/2"]),
        (["--where", "optimizer.lr>2e-3"], ["sweep/1"]),
        (["--where", "status!=finished"], ["lost"]),
        (["--where", "latent_step=plrnn"], ["sweep/2"]),
        (["--where", "command=train", "--where", "test_accuracy>=0.6"], ["single", "sweep/1", "sweep/2"]),
        (["--where", "optimizer.lr!=0.002", "--where", "command=train"], ["lost", "sweep/1"]),
        (["--where", "command=train", "--sort=-test_accuracy"], ["single", "sweep/2", "sweep/1", "sweep/0", "lost"]),
        (["--where", "status=finished", "--where", "command=train", "--sort", "seed"],
         ["sweep/0", "sweep/1", "sweep/2", "single"]),
    ],
)  # fmt: skip
def test_runs_are_chosen_and_ordered(mixture, capsys, flags, jobs):
    found = list(rows(capsys, "ls", str(mixture), *flags))
    assert (found if any("sort" in flag for flag in flags) else sorted(found)) == jobs
    assert list(rows(capsys, "collect", str(mixture), *flags)) == found
    assert not (mixture / "results.csv").exists()  # written only by a plain line, or with --out


def test_groups_are_what_was_asked_for(mixture, capsys):
    assert main(["collect", str(mixture), "--where", "command=train", "--group-by", "latent_step"]) == 0
    head, alrnn, plrnn, best = capsys.readouterr().out.splitlines()
    assert best.startswith("best: job single, test_accuracy 0.9: ")
    assert head.split()[:3] == ["latent_step", "n", "n_failed"]
    assert sorted([alrnn.split()[:3], plrnn.split()[:3]]) == [["ALRNN", "3", "1"], ["PLRNN", "1", "0"]]


def test_nothing_that_was_gathered_is_overwritten_and_nothing_goes_into_a_run(mixture, capsys):
    out = mixture.parent / "again"
    assert main(["collect", str(mixture), "--out", str(out)]) == 0
    assert main(["collect", str(mixture), "--out", str(out)]) == 1
    assert f"--out {out}: holds results.csv already, which is not overwritten" in capsys.readouterr().err
    before = sorted((mixture / "single").rglob("*"))
    assert main(["collect", str(mixture / "single")]) == 0
    assert sorted((mixture / "single").rglob("*")) == before
    assert main(["collect", str(mixture), "--out", str(mixture / "single")]) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--where", "optimizer.l>1"], "--where optimizer.l: no run has this, did you mean optimizer.lr?"),
        (["--where", "seed"], "--where seed: must have the form KEY=VALUE"),
        (["--where", "seed<many"], "--where seed<many: many: must be a number"),
        (["--sort", "sed"], "--sort sed: no run has this, did you mean seed?"),
    ],
)
def test_conditions_that_make_no_sense_are_explained(mixture, capsys, words, sentence):
    for command in ("ls", "collect"):
        assert main([command, str(mixture), *words]) == 1
        assert sentence in capsys.readouterr().err
    assert main(["collect", str(mixture), "--where", "seed=77"]) == 1
    assert "holds for none of the runs" in capsys.readouterr().err


def test_columns_are_chosen(mixture, capsys):
    assert main(["ls", str(mixture), "--where", "latent_step=PLRNN", "--columns", "job,optimizer.lr"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["job", "optimizer.lr"],
        ["sweep/2", "0.002"],
    ]


def test_settings_of_the_line_alone_are_none_of_the_network():
    keys = [
        "trust",
        "trainer.plots",
        "resume",
        "hydra.run.dir",
        "hydra/launcher",
        "plots",
        "seed",
        "optimizer.lr",
    ]
    assert [key for key in keys if is_setting(key)] == ["optimizer.lr"]


@pytest.fixture
def sweep(tmp_path):
    """Jobs in every state that there is."""
    states = ["finished", "failed", "running", "running", "interrupted", None, None]
    jobs = []
    for number, state in enumerate(states):
        path = tmp_path / str(number)
        overrides = ["task=xor", f"seed={number}"]
        jobs.append(SweepJob(number, overrides, {}, {}, str(path)))
        if state is not None:
            write_run(
                path, overrides, status=state, reason="no luck", summary={"test_accuracy": 0.1 * number}
            )
            record = json.loads((path / "run.json").read_text())
            (path / "run.json").write_text(
                json.dumps({**record, "end": None if state == "running" else record["end"]})
            )
            (path / "config.json").write_text(json.dumps({"config": {"trainer": {"n_steps": 50}}}))
            (path / "metrics.csv").write_text("step,split\n0,validation\n20,train\n20,validation\n")
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "2" / ".begun").write_text(f"{platform.node()} {os.getpid()}\n")
    (tmp_path / "3" / ".begun").write_text(f"{platform.node()} {ended.pid}\n")
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / ".begun").write_text("another-machine 1\n")
    Sweep("train", [], jobs, str(tmp_path)).save()
    return tmp_path


def test_status_tells_jobs_from_their_files(sweep, capsys):
    assert main(["status", str(sweep), "--json"]) == 0
    jobs = json.loads(capsys.readouterr().out)
    states = ["finished", "failed", "running", "killed", "interrupted", "running", "waiting"]
    assert [job["state"] for job in jobs] == states
    assert (jobs[2]["step"], jobs[2]["n_steps"], jobs[2]["what"]) == (20, 50, "seed=2")
    assert main(["status", str(sweep)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "job 1 (seed=1): failed: no luck"
    assert lines[1].startswith("job 2 (seed=2): running, step 20 of 50, ")
    assert lines[-2] == "7 jobs: 1 finished, 2 running, 1 waiting, 1 failed, 1 interrupted, 1 killed"
    assert lines[-1].startswith("about ")
    assert main(["status", str(sweep / "0")]) == 1
    assert "is no sweep: it has no sweep.json; rnnexp ls lists runs" in capsys.readouterr().err


def test_status_names_the_line_that_continues_what_nobody_is_at(sweep, capsys):
    for path in sweep.glob("*/.begun"):
        path.unlink()
    assert main(["status", str(sweep)]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == f"nothing is at it; continue with: rnnexp train -m resume={sweep}"
    )


@pytest.fixture
def prunable(tmp_path):
    for number in range(3):
        write_run(tmp_path / str(number), [f"seed={number}"], summary={"test_accuracy": 0.1 * number})
        (tmp_path / str(number) / "checkpoints").mkdir()
        for name in ("best.pt", "last.pt", "step_0000010.pt"):
            (tmp_path / str(number) / "checkpoints" / name).write_bytes(b"x" * 1000)
    write_run(tmp_path / "3", ["seed=3"], status="failed")
    write_run(tmp_path / "4", ["seed=4"], status="running")
    return tmp_path


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.pt"))


def test_prune_says_first_and_keeps_the_best(prunable, capsys):
    before = left(prunable)
    assert main(["prune", str(prunable)]) == 0
    out = capsys.readouterr().out
    assert "2 to remove, 0.0 MB" in out
    assert f"kept as the best: {prunable / '2'}" in out
    assert "nothing was removed; --yes does it" in out
    assert left(prunable) == before
    assert main(["prune", str(prunable), "--yes"]) == 0
    assert set(before) - set(left(prunable)) == {f"{n}/checkpoints/step_0000010.pt" for n in (0, 1)}
    assert (
        main(["prune", str(prunable), "--what", "checkpoints", "--keep", "0", "--where", "seed<2", "--yes"])
        == 0
    )
    assert left(prunable) == ["0/checkpoints/best.pt", "1/checkpoints/best.pt", *(
        f"2/checkpoints/{name}" for name in ("best.pt", "last.pt", "step_0000010.pt"))]  # fmt: skip


def test_prune_removes_whole_runs_that_failed_and_those_that_conditions_choose(prunable, capsys):
    assert main(["prune", str(prunable), "--what", "runs", "--yes"]) == 0
    assert {path.name for path in prunable.iterdir()} == {"0", "1", "2", "4"}
    assert (
        main(
            [
                "prune",
                str(prunable),
                "--what",
                "runs",
                "--where",
                "test_accuracy<0.15",
                "--keep",
                "1",
                "--yes",
            ]
        )
        == 0
    )
    assert {path.name for path in prunable.iterdir()} == {
        "1",
        "2",
        "4",
    }  # the best of those chosen stays, a running one too
    assert main(["prune", str(prunable), "--keep", "-1"]) == 1
    assert "--keep: -1: must be an integer >= 0" in capsys.readouterr().err


def test_options_are_listed_for_programs(capsys):
    assert main(["list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["logger"]["mlflow"]["description"].startswith("MLflow")
    assert main(["list", "task=delayed_discrim", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["dt"]["default"] == "10.0"

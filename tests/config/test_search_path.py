"""Where configurations are looked up: the user's folders first, the bundled one last."""

import os

import pytest

from rnnexp.config.paths import (
    ConfigDirectory,
    bundled_conf,
    description,
    group_names,
    options_by_group,
    user_directories,
)
from rnnexp.errors import UserError


def write(folder, path, text):
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return folder


def task_of(number):
    return f"# Task {number}\n_target_: my_lab.tasks.MyTask\nnumber: {number}\n"


def number_of_task(run, line):
    result = run(f"train --cfg job -p task.number {line}")
    assert result.code == 0, result.err
    return int(result.out)


def test_a_folder_in_the_working_directory_adds_an_option_and_overrides_a_bundled_one(run, empty):
    write(empty, "conf/task/mine.yaml", task_of(1))
    write(empty, "conf/task/simple_pd.yaml", task_of(2))
    assert number_of_task(run, "task=mine") == 1
    assert number_of_task(run, "task=simple_pd") == 2
    assert "delayed_discrim" in run("train --cfg job -p task task=delayed_discrim").out


def test_the_use_of_a_folder_that_nobody_named_is_announced(run, empty):
    assert run("train --cfg job").err == ""
    write(empty, "conf/task/mine.yaml", task_of(1))
    assert run("train --cfg job").err == f"rnnexp: configurations of {empty}/conf (./conf) come first\n"


def test_config_dir_comes_before_the_working_directory_before_the_environment(run, empty, monkeypatch):
    write(empty, "given/task/a.yaml", task_of(1))
    for name in "ab":
        write(empty, f"conf/task/{name}.yaml", task_of(2))
    for name in "abc":
        write(empty, f"first/task/{name}.yaml", task_of(3))
    for name in "abcd":
        write(empty, f"second/task/{name}.yaml", task_of(4))
    monkeypatch.setenv("RNNEXP_CONFIG_PATH", os.pathsep.join(["first", str(empty / "second")]))
    numbers = [number_of_task(run, f"task={name} --config-dir given") for name in "abcd"]
    assert numbers == [1, 2, 3, 4]


def test_a_folder_without_our_groups_is_not_used(empty):
    write(empty, "conf/model/mine.yaml", "a: 1\n")
    assert user_directories() == []


def test_the_bundled_folder_is_not_a_users_folder(monkeypatch):
    monkeypatch.chdir(bundled_conf().parent)
    assert user_directories() == []


def test_a_primary_configuration_of_another_project_is_not_taken(run, empty):
    write(empty, "conf/task/mine.yaml", task_of(1))
    write(empty, "conf/train.yaml", "defaults:\n  - task: mine\nseed: 7\n")
    assert run("train --cfg job -p seed").out == "0\n"


def test_a_primary_configuration_that_says_so_is_taken(run, empty):
    write(empty, "conf/task/mine.yaml", task_of(1))
    write(empty, "conf/train.yaml", "# rnnexp\ndefaults:\n  - task: mine\nseed: 7\n")
    assert run("train --cfg job -p seed").out == "7\n"


def test_a_primary_configuration_of_another_name_can_build_on_ours(run, empty):
    write(empty, "mine/my_train.yaml", "defaults:\n  - train\n  - _self_\nseed: 7\n")
    result = run("train -cn my_train -cd mine --dry-run")
    assert (result.code, result.err) == (0, "")
    assert run("train -cn my_train -cd mine --cfg job -p seed").out == "7\n"


@pytest.mark.parametrize(("flag", "variable"), [("--config-dir nowhere", ""), ("", "nowhere")])
def test_a_missing_folder_is_an_error(problems, empty, monkeypatch, flag, variable):
    monkeypatch.setenv("RNNEXP_CONFIG_PATH", variable)
    (problem,) = problems(f"train {flag}")
    assert problem.endswith("nowhere: no such directory")


def test_every_bundled_option_says_what_it_is():
    undescribed = [
        f"{group}={name}"
        for group, options in options_by_group().items()
        for name, path in options.items()
        if not description(path)
    ]
    assert undescribed == []


def test_files_that_begin_with_an_underscore_are_no_options(tmp_path):
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "_shared.yaml").write_text("# shared\n")
    (tmp_path / "task" / "mine.yaml").write_text("# mine\n")
    tasks = options_by_group([ConfigDirectory(tmp_path, "--config-dir")])["task"]
    assert "mine" in tasks
    assert not [name for name in tasks if name.startswith("_")]


def test_the_bundled_groups_are_the_documented_ones():
    documented = {"task", "latent_step", "initializer", "observation", "loss", "optimizer", "scheduler"}
    assert documented | {"trainer", "device", "experiment"} <= set(group_names())


def test_a_broken_installation_is_explained(monkeypatch, tmp_path):
    monkeypatch.setattr("rnnexp.config.paths.PACKAGE", tmp_path / "rnnexp")
    with pytest.raises(UserError, match=r"the configurations of rnnexp are missing .* reinstall rnnexp"):
        bundled_conf()

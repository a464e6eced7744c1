"""The page of a sweep: what is in it, that nothing in it can end its script, and that it works in a browser."""

import html
import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

import pandas as pd
import pytest

from rnnexp.cli import main
from rnnexp.report.data import page_data
from rnnexp.report.page import in_script

pytest.importorskip("plotly", reason="plotly is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HARNESS = """
<script>
window.addEventListener("load", () => setTimeout(() => {
  const result = { errors: window.seen, charts: document.querySelectorAll(".js-plotly-plot .main-svg").length };
  const jobs = () => [...document.querySelectorAll("#table tbody tr td:first-child")].map((cell) => cell.textContent);
  result.rows = jobs().length;
  const begin = performance.now();
  document.querySelector('th[data-column="test_accuracy"]').click();
  result.sorted = jobs();
  document.querySelector('th[data-column="test_accuracy"]').click();
  result.reversed = jobs();
  document.getElementById("filter").value = "latent_step=PLRNN test_accuracy>0.5";
  document.getElementById("filter").dispatchEvent(new Event("input"));
  result.milliseconds = performance.now() - begin;
  result.filtered = jobs();
  result.shown = document.getElementById("shown").textContent;
  result.injected = window.injected === undefined;
  result.wide = document.documentElement.scrollWidth;
  const told = document.createElement("pre");
  told.id = "result";
  told.textContent = JSON.stringify(result);
  document.body.append(told);
}, 300));
</script>
"""
LISTENER = (
    "<script>window.seen = []; window.onerror = (text) => { window.seen.push(String(text)); };</script>"
)


def write_sweep(folder, n_runs):
    """Runs as trainings leave them, some failed, one with a reason that would end a script."""
    for job in range(n_runs):
        path = folder / str(job)
        (path / ".hydra").mkdir(parents=True)
        step = ("ALRNN", "PLRNN")[job % 2]
        (path / ".hydra" / "hydra.yaml").write_text(
            f"hydra:\n  runtime:\n    choices:\n      task: delayed_discrim\n      latent_step: {step}\n"
        )
        record = {
            "status": "finished", "seed": job // 2, "command": "rnnexp train -m",
            "start": "2026-01-01T10:00:00+01:00", "end": "2026-01-01T10:01:30+01:00",
            "overrides": [f"latent_step={step}", f"seed={job // 2}"],
        }  # fmt: skip
        if job == 3:
            record |= {"status": "failed", "exit_reason": "</script><script>window.injected = 1</script>"}
        (path / "run.json").write_text(json.dumps(record))
        if job != 3:
            (path / "summary.json").write_text(
                json.dumps({"test_accuracy": (job * 37 % 100) / 100, "steps": 10})
            )
        rows = [
            {"step": k, "trials": 8 * k, "split": "validation", "loss": 1 / (k + 1), "accuracy": k / 10}
            for k in range(9)
        ]
        pd.DataFrame(rows).to_csv(path / "metrics.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("report") / "sweep", 12)


def test_data_are_those_of_the_runs(sweep):
    data = page_data(sweep)
    assert data["counts"] == {"finished": 11, "failed": 1}
    assert (data["metric"], data["higher_is_better"]) == ("test_accuracy", True)
    assert [row["test_accuracy"] for row in data["rows"]][:3] == [0.0, 0.37, 0.74]
    assert data["keys"] == ["latent_step"]
    assert data["rows"][5]["_link"] == "5/"
    assert {curve["job"] for curve in data["curves"]["loss"]} == {str(job) for job in range(12)}
    json.dumps(data, allow_nan=False)
    with pytest.raises(ValueError, match="Out of range"):
        in_script(float("nan"))


def test_a_page_is_one_file_that_asks_for_nothing(sweep, capsys):
    assert main(["report", str(sweep)]) == 0
    assert capsys.readouterr().out == f"{sweep / 'report.html'}\n"
    text = (sweep / "report.html").read_text()
    before, _, after = text.partition("plotly.js")
    ours = before + after[after.rfind("let data = ") :]
    assert not re.search(r'(src|href)="(?!data:,)', ours)
    assert "</script><script>window.injected" not in text
    assert "{{" not in ours


def test_of_a_single_run(sweep, tmp_path):
    out = tmp_path / "one.html"
    assert main(["report", str(sweep / "2"), "--out", str(out)]) == 0
    assert '"is_run": true' in out.read_text()
    assert not (sweep / "2" / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none"], "none: no such directory"),
        (["{sweep}", "--metric", "acuracy"], "--metric acuracy: must be one of"),
        (["{sweep}", "--out", "no/such/folder/r.html"], "no/such/folder/r.html: cannot be written"),
        (["{sweep}", "--serve", "--port", "70000"], "--port 70000: cannot be used"),
    ],
)
def test_what_cannot_be_shown_is_explained(sweep, capsys, words, sentence):
    assert main(["report", *(word.format(sweep=sweep) for word in words)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_server_has_fresh_data(tmp_path):
    from rnnexp.report.server import make_server

    sweep = write_sweep(tmp_path / "sweep", 2)
    server = make_server(sweep, 0)
    server.RequestHandlerClass.keywords["source"]._seconds = 0.0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        with urllib.request.urlopen(f"{address}/") as answer:
            assert b"const refreshSeconds = 5;" in answer.read()
        write_sweep(tmp_path / "more", 3)
        (tmp_path / "more" / "2").rename(sweep / "2")
        with urllib.request.urlopen(f"{address}/data.json") as answer:
            assert len(json.load(answer)["rows"]) == 3
        with urllib.request.urlopen(f"{address}/2/run.json") as answer:
            assert json.load(answer)["status"] == "finished"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/../../etc/passwd")
    finally:
        server.shutdown()
        server.server_close()


def in_browser(path, width):
    text = path.read_text().replace("<head>", f"<head>{LISTENER}", 1)
    tested = path.with_name("tested.html")
    tested.write_text(text.replace("</body>", f"{HARNESS}</body>"))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--dump-dom",
         "--virtual-time-budget=8000", f"--user-data-dir={path.parent / 'profile'}", tested.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize(("n_runs", "width"), [(12, 1200), (500, 1200), (12, 500)])
def test_in_a_browser_it_sorts_and_filters_without_errors(tmp_path, n_runs, width):
    sweep = write_sweep(tmp_path / "sweep", n_runs)
    assert main(["report", str(sweep)]) == 0
    found = in_browser(sweep / "report.html", width)
    assert found["errors"] == []
    assert found["injected"]
    assert found["charts"] >= 2
    assert found["rows"] == n_runs
    accuracy = {str(job): (job * 37 % 100) / 100 for job in range(n_runs) if job != 3}
    for key, sign in (("sorted", 1), ("reversed", -1)):
        values = [sign * accuracy[job] for job in found[key] if job != "3"]
        assert values == sorted(values)
        assert found[key][-1] == "3"  # without a value
    wanted = {job for job, value in accuracy.items() if int(job) % 2 and value > 0.5}
    assert set(found["filtered"]) == wanted
    assert found["shown"] == f"{len(wanted)} of {n_runs} runs"
    assert found["milliseconds"] < 1500
    assert found["wide"] <= width

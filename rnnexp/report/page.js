"use strict";
const by = (id) => document.getElementById(id);
const palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000"];
const quiet = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
let order = { column: "job", descending: false };

const isNumber = (value) => typeof value === "number";
const isNumeric = (column) => {
  const known = data.rows.map((row) => row[column]).filter((value) => value !== null);
  return known.length > 0 && known.every(isNumber);
};
const shownValue = (value) => {
  if (value === null || value === undefined) return "";
  if (!isNumber(value) || Number.isInteger(value)) return String(value);
  return Number(value.toPrecision(4)).toString();
};
const groups = () => [...new Set(data.rows.map((row) => row._group))];
const colour = (group) => palette[groups().indexOf(group) % palette.length];
const node = (kind, text, className) => {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const fill = (select, names, wanted) => {
  const before = select.value || wanted;
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  select.value = names.includes(before) ? before : names[0] ?? "";
};

function bestRow() {
  if (data.metric === null || data.higher_is_better === null) return null;
  const known = data.rows.filter((row) => isNumber(row[data.metric]));
  const sign = data.higher_is_better ? 1 : -1;
  return known.reduce((best, row) => (best === null || sign * row[data.metric] > sign * best[data.metric] ? row : best), null);
}

function drawHead() {
  by("title").textContent = data.title;
  by("told").textContent = `${data.path}, ${data.made.replace("T", " ")}`;
  const cards = [];
  const card = (value, name, alarm) => {
    const made = node("div", undefined, alarm ? "card alarm" : "card");
    made.append(node("b", value), node("span", name));
    cards.push(made);
  };
  if (!data.is_run) card(String(data.rows.length), "runs");
  for (const [status, count] of Object.entries(data.counts)) {
    card(data.is_run ? status : String(count), data.is_run ? "status" : status, !["finished", "running"].includes(status));
  }
  const best = bestRow();
  if (best) card(shownValue(best[data.metric]), data.is_run ? data.metric : `best ${data.metric}: job ${best.job}, ${best._group}`);
  by("cards").replaceChildren(...cards);
  by("command").textContent = data.command ?? "";
  const table = node("table");
  for (const [key, value] of Object.entries(data.settings)) {
    const line = table.insertRow();
    line.append(node("td", key), node("td", data.keys.includes(key) ? "differs between runs" : shownValue(value)));
  }
  by("settings").replaceChildren(table);
}

function drawComparison() {
  const metrics = data.columns.filter((name) => isNumeric(name) && !data.keys.includes(name) && name !== "job");
  const chosen = data.rows.length > 1 && metrics.length > 0;
  by("comparison-part").classList.toggle("gone", !chosen);
  if (!chosen) return;
  fill(by("metric"), metrics, data.metric ?? undefined);
  const number = data.keys.find(isNumeric);
  const scattered = number !== undefined && groups().length === data.rows.length && groups().length > 6;
  fill(by("against"), ["group", ...data.columns.filter((name) => name !== by("metric").value)], scattered ? number : "group");
  const metric = by("metric").value;
  const against = by("against").value;
  const text = (row) => `job ${row.job}<br>${row._group}${row.seed === undefined ? "" : `<br>seed ${row.seed}`}`;
  const traces = groups().map((group) => {
    const rows = data.rows.filter((row) => row._group === group && isNumber(row[metric]));
    const common = { name: group, y: rows.map((row) => row[metric]), text: rows.map(text), hovertemplate: "%{text}<br>%{y:.4g}<extra></extra>", marker: { color: colour(group) } };
    if (against === "group") {
      return { ...common, type: "box", boxpoints: "all", jitter: 0.4, pointpos: 0, x: rows.map(() => group), line: { width: 1 }, showlegend: false };
    }
    return { ...common, type: "scatter", mode: "markers", x: rows.map((row) => row[against]) };
  });
  const values = data.rows.map((row) => row[against]).filter(isNumber);
  const isLog = against !== "group" && values.length > 2 && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 30;
  const spread = data.rows.map((row) => row[metric]).filter(isNumber);
  const yLog = spread.length > 1 && Math.min(...spread) > 0 && Math.max(...spread) / Math.min(...spread) > 100;
  Plotly.react("comparison", traces, {
    margin: { t: 10, r: 10, l: 70, b: 80 }, showlegend: against !== "group" && groups().length <= 12,
    xaxis: { title: { text: against === "group" ? "" : against }, type: isLog ? "log" : undefined, automargin: true },
    yaxis: { title: { text: data.labels[metric]?.replace(/\$|\\|[{}]/g, "") ?? metric }, type: yLog ? "log" : undefined, automargin: true },
  }, quiet);
}

function drawCurves() {
  const names = Object.keys(data.curves);
  by("curves-part").classList.toggle("gone", names.length === 0);
  if (names.length === 0) return;
  const isFirst = by("curve").value === "";
  fill(by("curve"), names, names.find((name) => data.metric !== null && data.metric.endsWith(name)));
  const lines = data.curves[by("curve").value];
  const values = lines.flatMap((line) => line.y).filter((value) => isNumber(value) && value > 0);
  if (isFirst) by("log").checked = values.length > 0 && Math.max(...values) / Math.min(...values) > 100;
  const seen = new Set();
  const traces = lines.map((line) => {
    const shows = !seen.has(line.group);
    seen.add(line.group);
    return {
      type: "scatter", mode: "lines", x: line.x, y: line.y, name: line.group, legendgroup: line.group, showlegend: shows,
      line: { color: colour(line.group), width: 1.2 }, opacity: 0.8,
      hovertemplate: `job ${line.job}<br>%{x} trials: %{y:.4g}<extra></extra>`,
    };
  });
  Plotly.react("curves", traces, {
    margin: { t: 10, r: 10, l: 70, b: 45 }, showlegend: groups().length > 1 && groups().length <= 12,
    legend: { orientation: "h", y: -0.2 }, xaxis: { title: { text: "trials" }, rangemode: "tozero" },
    yaxis: { title: { text: by("curve").value.replaceAll("_", " ") }, type: by("log").checked ? "log" : "linear", automargin: true },
  }, quiet);
}

function conditions(text) {
  return text.trim().split(/\s+/).filter(Boolean).map((word) => {
    const found = word.match(/^([^=!<>]+)(!=|<=|>=|=|<|>)(.+)$/);
    if (!found || !data.columns.includes(found[1])) {
      const lower = word.toLowerCase();
      return (row) => Object.entries(row).some(([key, value]) => key !== "_link" && String(value ?? "").toLowerCase().includes(lower));
    }
    const [, key, sign, wanted] = found;
    const number = Number(wanted);
    return (row) => {
      const value = row[key];
      if (isNumber(value) && !Number.isNaN(number)) {
        return { "=": value === number, "!=": value !== number, "<": value < number, ">": value > number, "<=": value <= number, ">=": value >= number }[sign];
      }
      const same = String(value ?? "null").toLowerCase() === wanted.toLowerCase();
      return sign === "=" ? same : sign === "!=" ? !same : false;
    };
  });
}

function compare(left, right) {
  const a = left[order.column], b = right[order.column];
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  const sign = order.descending ? -1 : 1;
  if (isNumber(a) && isNumber(b)) return sign * (a - b);
  return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
}

function drawTable() {
  const isShort = by("columns").value === "few";
  const few = ["job", ...data.keys, "seed", "status", data.metric, "run_seconds", "error"];
  let columns = data.columns.filter((name) => !isShort || few.includes(name));
  if (!data.rows.some((row) => row.error)) columns = columns.filter((name) => name !== "error");
  const tests = conditions(by("filter").value);
  const rows = data.rows.filter((row) => tests.every((test) => test(row))).sort(compare);
  const best = bestRow();
  const head = document.createElement("tr");
  const numeric = Object.fromEntries(columns.map((name) => [name, isNumeric(name)]));
  for (const name of columns) {
    const arrow = order.column === name ? (order.descending ? " \u25bc" : " \u25b2") : "";
    const cell = node("th", name + arrow, numeric[name] ? "number" : "");
    cell.tabIndex = 0;
    cell.dataset.column = name;
    cell.setAttribute("aria-sort", order.column === name ? (order.descending ? "descending" : "ascending") : "none");
    head.append(cell);
  }
  by("table").tHead.replaceChildren(head);
  const body = document.createDocumentFragment();
  for (const row of rows) {
    const line = node("tr", undefined, row === best && data.rows.length > 1 ? "best" : ["finished", "running"].includes(row.status) ? "" : "bad");
    for (const name of columns) {
      const cell = node("td", undefined, numeric[name] ? "number" : name === "error" ? "wrap" : "");
      if (name === "job") {
        const link = node("a", shownValue(row.job));
        link.href = row._link;
        cell.append(link);
      } else cell.textContent = shownValue(row[name]);
      line.append(cell);
    }
    body.append(line);
  }
  by("table").tBodies[0].replaceChildren(body);
  by("shown").textContent = `${rows.length} of ${data.rows.length} runs`;
}

function drawPictures() {
  by("pictures-part").classList.toggle("gone", data.pictures.length === 0);
  by("pictures").replaceChildren(...data.pictures.map((picture) => {
    const figure = node("figure");
    const image = node("img");
    image.src = `data:image/png;base64,${picture.data}`;
    image.alt = picture.name;
    image.loading = "lazy";
    figure.append(image, node("figcaption", picture.name));
    return figure;
  }));
}

function draw() {
  drawHead();
  drawComparison();
  drawCurves();
  drawTable();
  drawPictures();
}

function sortBy(column) {
  order = { column, descending: order.column === column && !order.descending };
  drawTable();
}

by("table").tHead.addEventListener("click", (event) => {
  const column = event.target.dataset.column;
  if (column) sortBy(column);
});
by("table").tHead.addEventListener("keydown", (event) => {
  const column = event.target.dataset.column;
  if (column && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    sortBy(column);
    by("table").tHead.querySelector(`[data-column="${CSS.escape(column)}"]`)?.focus();
  }
});
by("filter").addEventListener("input", drawTable);
by("columns").addEventListener("change", drawTable);
by("metric").addEventListener("change", drawComparison);
by("against").addEventListener("change", drawComparison);
by("curve").addEventListener("change", drawCurves);
by("log").addEventListener("change", drawCurves);
draw();

async function refresh() {
  try {
    const answer = await fetch("data.json", { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = await answer.json();
    if (JSON.stringify({ ...fresh, made: "" }) === JSON.stringify({ ...data, made: "" })) return;
    data = fresh;
    draw();
  } catch {
    by("told").textContent = `${data.path}: the server does not answer; shown is what was known at ${data.made}`;
  }
}
if (refreshSeconds !== null) setInterval(refresh, 1000 * refreshSeconds);

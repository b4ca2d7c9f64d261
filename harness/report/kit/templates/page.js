// What the page does: draws figures in the reader's colours, sorts, filters and opens trials. It asks no host for anything.
"use strict";
(() => {
  const DATA = JSON.parse(document.getElementById("data").textContent);
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null, printing = false;
  const isDark = () => !printing && (chosen === null ? system.matches : chosen === "dark");

  // Figures ------------------------------------------------------------------------------------------------------
  const CONFIG = {
    responsive: true, displaylogo: false, showSendToCloud: false, showEditInChartStudio: false, scrollZoom: false,
    displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false, modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    toImageButtonOptions: { format: "svg" },
  };
  const isColor = (key) => /color|colorscale/i.test(key);

  // Swaps the light colours for the dark ones, in the keys that hold colours only: texts are never touched.
  function paint(value, inColor) {
    if (typeof value === "string") return inColor && DATA.dark[value] || value;
    if (Array.isArray(value)) return inColor ? value.map((item) => paint(item, true)) : value.map((item) => (item && typeof item === "object" ? paint(item, false) : item));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, paint(item, isColor(key))]));
    }
    return value;
  }

  function prepared(figure) {
    const data = figure.data.map((trace) => {
      const copy = { ...trace };
      if (trace.meta === "trials" && DATA.trials) {
        copy.hovertext = (trace.customdata || []).map((n) => (DATA.trials[n] ? DATA.trials[n].label : ""));
        copy.hovertemplate = "%{hovertext}<extra></extra>";
      }
      return isDark() ? paint(copy, false) : copy;
    });
    const layout = structuredClone(isDark() ? paint(figure.layout, false) : figure.layout);
    delete layout.title;
    layout.autosize = true;
    layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    return [data, layout];
  }

  async function draw(div, figure) {
    const first = !div.classList.contains("js-plotly-plot");
    await Plotly.react(div, ...prepared(figure), CONFIG);
    if (first) {
      div.on("plotly_click", (event) => {
        const point = event.points[0];
        if (point.data.meta === "trials" && point.customdata != null) openTrial(point.customdata, true);
      });
    }
  }

  // The page is loaded when its figures are drawn, so that a screenshot, which waits for that, has them all: a frame
  // whose document is open holds the event back.
  const hold = document.body.appendChild(element("iframe", undefined, { hidden: true }));
  hold.contentDocument.open();

  const drawn = new Map(); // div -> figure
  const wanted = [];
  let busy = false;
  async function work() {
    if (busy) return;
    busy = true;
    try {
      while (wanted.length) {
        wanted.sort((a, b) => Math.abs(a.getBoundingClientRect().top) - Math.abs(b.getBoundingClientRect().top));
        const div = wanted.shift();
        if (div.isConnected) await draw(div, drawn.get(div));
        await new Promise((done) => setTimeout(done));
      }
    } finally {
      busy = false;
      document.documentElement.dataset.drawn = "yes";
      hold.remove();
    }
  }
  function show(div, figure) {
    drawn.set(div, figure);
    wanted.push(div);
    work();
  }
  function redraw() {
    delete document.documentElement.dataset.drawn;
    for (const div of drawn.keys()) if (div.isConnected) wanted.push(div); else drawn.delete(div);
    work();
  }
  for (const div of $$("[data-figure]")) show(div, DATA.figures[div.dataset.figure]);

  // Light and dark -------------------------------------------------------------------------------------------------
  const button = $("#theme");
  function applyTheme() {
    document.documentElement.style.colorScheme = chosen === null ? "" : chosen;
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(isDark()));
    button.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
  }
  button.addEventListener("click", () => { chosen = isDark() ? "light" : "dark"; applyTheme(); redraw(); });
  system.addEventListener("change", () => { if (chosen === null) { applyTheme(); redraw(); } });
  applyTheme();
  addEventListener("beforeprint", () => {
    const divs = isDark() ? [...drawn.keys()] : [...wanted];
    printing = true;
    for (const div of divs) if (div.isConnected) draw(div, drawn.get(div));
    printing = false;
  });
  addEventListener("afterprint", () => { if (isDark()) redraw(); });

  // Copy -----------------------------------------------------------------------------------------------------------
  document.addEventListener("click", async (event) => {
    const target = event.target.closest("[data-copy]");
    if (!target) return;
    try {
      await navigator.clipboard.writeText(target.dataset.copy);
      target.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(target.previousElementSibling);
      target.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { target.textContent = "Copy"; }, 2000);
  });

  // Leaderboard ----------------------------------------------------------------------------------------------------
  const table = $("#trials");
  const rows = table ? $$("tr.trial", table) : [];
  const values = new Map(rows.map((row, i) => [row, DATA.rows[i]]));
  const order = new Map(rows.map((row, i) => [row, i]));

  function element(name, text, fields = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return Object.assign(made, fields);
  }
  function pairs(list) {
    const dl = element("dl", undefined, { className: "plain" });
    for (const [name, value] of list) dl.append(element("dt", name), element("dd", value, { dir: "auto" }));
    return dl;
  }
  // A box that scrolls: to be reached with the keyboard, and with a name.
  function box(name, text, label, fields = {}) {
    const made = element(name, text, { tabIndex: 0, ...fields });
    made.setAttribute("role", "region");
    made.setAttribute("aria-label", label);
    return made;
  }
  function command(text) {
    const line = element("div", undefined, { className: "command" });
    const copy = element("button", "Copy", { type: "button" });
    copy.dataset.copy = text;
    line.append(box("code", text, "Command"), copy);
    return line;
  }
  function curve(trial) {
    const look = DATA.curve;
    const line = (values, axis, name, color) => ({
      type: "scatter", mode: "lines+markers", name, x: trial.epoch, y: values, yaxis: axis, line: { color, width: 2 }, marker: { color, size: 6 },
      hovertemplate: name + " %{y}<extra></extra>",
    });
    return {
      data: [line(trial.score, "y", look.name, look.colors[0]), line(trial.loss, "y2", "training loss", look.colors[1])],
      layout: { ...look.layout, yaxis2: { ...look.second, overlaying: "y", side: "right", showgrid: false } },
    };
  }
  function detail(row) {
    const trial = DATA.trials[row.dataset.n];
    const line = element("tr", undefined, { className: "detail" });
    const cell = element("td", undefined, { colSpan: row.cells.length });
    const grid = element("div", undefined, { className: "detail-grid" });
    const left = element("div"), right = element("div");
    if (trial.message) left.append(element("p", trial.message, { dir: "auto" }));
    if (trial.epoch.length) {
      const div = element("div", undefined, { className: "plotly-graph-div" });
      div.setAttribute("role", "img");
      div.setAttribute("aria-label", `Learning curve of trial ${row.dataset.n}`);
      div.style.height = "280px";
      left.append(element("h3", "Learning curve"), div);
      queueMicrotask(() => show(div, curve(trial)));
    }
    left.append(element("h3", "End of the log"), box("pre", trial.log || "the trial left no log", `End of the log of trial ${row.dataset.n}`, { dir: "auto" }));
    right.append(element("h3", "Params"), pairs(trial.params));
    right.append(element("h3", "Validation score of each seed"), pairs(trial.seeds.map(([seed, score]) => [`seed ${seed}`, score])));
    right.append(element("h3", "Again"), command(trial.rerun));
    if (trial.export) right.append(command(trial.export));
    grid.append(left, right);
    cell.append(grid);
    line.append(cell);
    return line;
  }
  function toggle(row) {
    const opener = $(".open", row);
    const next = row.nextElementSibling;
    if (next && next.classList.contains("detail")) {
      for (const div of $$(".js-plotly-plot", next)) { drawn.delete(div); Plotly.purge(div); }
      next.remove();
      opener.setAttribute("aria-expanded", "false");
    } else {
      row.after(detail(row));
      opener.setAttribute("aria-expanded", "true");
    }
  }
  function openTrial(number, scroll) {
    const row = rows.find((found) => found.dataset.n === String(number));
    if (!row) return;
    row.hidden = false;
    if ($(".open", row).getAttribute("aria-expanded") === "false") toggle(row);
    if (scroll) row.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  const tests = {
    "=": (a, b) => a === b, ">": (a, b) => a > b, "<": (a, b) => a < b, ">=": (a, b) => a >= b, "<=": (a, b) => a <= b,
  };
  // Columns by their key and by the name in their head, in the unit of the head; spaces, underscores and case do not count.
  const plainName = (text) => text.toLowerCase().replace(/[\s_]+/g, "");
  const fields = new Map([["trial", { place: -1, scale: 1 }]]);
  for (const name of [0, 1]) {
    (DATA.columns || []).forEach((column, place) => {
      if (!fields.has(plainName(column[name]))) fields.set(plainName(column[name]), { place, scale: name ? column[2] : 1 });
    });
  }
  function rule({ place, scale }, sign, text) {
    const limit = Number(text.replace("%", ""));
    const shares = place >= 0 && DATA.percent.includes(DATA.columns[place][0]) && limit > 1 ? 100 : 1;
    return (row) => {
      const value = place < 0 ? Number(row.dataset.n) : values.get(row)[place];
      if (value === null || value === undefined) return false;
      if (typeof value === "number") return tests[sign](value * shares, limit * scale);
      return sign === "=" && [String(value), row.cells[place + 1].textContent].some((one) => one.toLowerCase() === text);
    };
  }
  // What the box asks for: rules that rows must keep, and what was not understood.
  function asked(text) {
    const words = [], rules = [], problems = [];
    for (const part of text.toLowerCase().replace(/\s*(<=|>=|=|<|>)\s*/g, "$1").split(/\s+/).filter(Boolean)) {
      const found = /^(.+?)(<=|>=|=|<|>)(.*)$/.exec(part);
      if (!found) { words.push(part); continue; }
      // A head may be of several words: the longest name that there is counts.
      let more = Math.min(words.length, 8);
      const name = () => plainName(words.slice(words.length - more).join("") + found[1]);
      while (more >= 0 && !fields.has(name())) more--;
      if (more < 0) { problems.push(`no column \u201c${found[1]}\u201d`); continue; }
      const field = fields.get(name());
      words.splice(words.length - more);
      const numeric = field.place < 0 || DATA.columns[field.place][3];
      if (found[3] === "") continue; // still being typed
      if (numeric && Number.isNaN(Number(found[3].replace("%", "")))) problems.push(`\u201c${found[3]}\u201d is not a number`);
      else rules.push(rule(field, found[2], found[3]));
    }
    rules.push(...words.map((word) => (row) => row.textContent.toLowerCase().includes(word)));
    return [rules, problems];
  }
  function filter() {
    const [rules, problems] = asked($("#filter").value);
    const states = new Set($$('input[name="state"]:checked').map((box) => box.value));
    let count = 0;
    for (const row of rows) {
      const shown = states.has($(".state", row).dataset.state) && rules.every((fits) => fits(row));
      row.hidden = !shown;
      const next = row.nextElementSibling;
      if (next && next.classList.contains("detail")) next.hidden = !shown;
      count += shown;
    }
    $("#shown").textContent = `${count} of ${rows.length} shown`;
    $("#problem").textContent = problems.length ? `Left out: ${problems.join("; ")}.` : "";
  }
  function sort(head, column) {
    const up = head.getAttribute("aria-sort") === "none" ? !head.classList.contains("n") || column < 0 : head.getAttribute("aria-sort") !== "ascending";
    for (const other of $$("thead th", table)) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => (column < 0 ? Number(row.dataset.n) : values.get(row)[column]);
    const empty = (value) => value === null || value === undefined || value === "";
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (empty(x) || empty(y)) return empty(x) - empty(y) || order.get(a) - order.get(b);
      const less = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return (up ? less : -less) || order.get(a) - order.get(b);
    });
    const body = table.tBodies[0];
    for (const row of sorted) {
      const next = row.nextElementSibling;
      body.append(row);
      if (next && next.classList.contains("detail")) body.append(next);
    }
  }
  if (table) {
    $$("thead th", table).forEach((head, i) => $("button", head).addEventListener("click", () => sort(head, i - 1)));
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr.trial");
      if (row && !String(getSelection())) toggle(row);
    });
    $("#filter").addEventListener("input", filter);
    for (const box of $$('input[name="state"]')) box.addEventListener("change", filter);
    filter();
  }

  // Checkpoints: which one under a throughput floor ------------------------------------------------------------------
  const threeDigits = (value) => (value ? value.toLocaleString("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 }) : "0");
  const floor = $("#floor");
  if (floor) {
    const choose = () => {
      const least = Number(floor.value);
      const fit = DATA.checkpoints.filter((one) => one.speed >= least); // best first
      $("#floor-value").textContent = `at least ${threeDigits(least)}\u00a0${floor.dataset.of === "predict" ? "rows" : "samples"}/s`;
      $("#floor-pick").textContent = fit.length ? `Take ${fit[0].name}: ${fit[0].text}.` : `No configuration ${floor.dataset.of}s that fast here.`;
    };
    floor.addEventListener("input", choose);
    choose();
  }
})();

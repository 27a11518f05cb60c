"use strict";
(() => {
  const root = document.documentElement;
  const by = (id) => document.getElementById(id);

  // an element with text; whatever the records hold is text and never markup
  const made = (name, text, attributes = {}) => {
    const found = document.createElement(name);
    if (text !== undefined && text !== null) found.textContent = text;
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    return found;
  };

  // --- light and dark ---------------------------------------------------------------------------
  const theme = by("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = () => {
    try { return localStorage.getItem("gradient-health-theme"); } catch { return null; } // forbidden
  };
  const keep = (name) => {
    try { localStorage.setItem("gradient-health-theme", name); } catch { return; }
  };
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const named = () => { theme.textContent = dark() ? "Light paper" : "Dark paper"; };
  if (["light", "dark"].includes(kept())) root.dataset.theme = kept();
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    keep(root.dataset.theme);
    named();
  });
  system.addEventListener("change", named);
  named();
  for (const element of document.querySelectorAll(".scripted")) element.hidden = false;

  // --- on paper everything is open --------------------------------------------------------------
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const element of opened) element.open = true;
  });
  addEventListener("afterprint", () => {
    for (const element of opened) element.open = false;
  });

  // --- the table of runs ------------------------------------------------------------------------
  if (!by("data")) return;
  const data = JSON.parse(by("data").textContent);
  const { columns, kinds, details } = data;
  const table = by("table");
  const body = table.tBodies[0];
  const open = new Set();
  let order = kinds.values.map((_, row) => row);
  let rows = order;
  let page = 0;
  let sorted = { column: -1, down: false };

  const number = (value, digits = 4) => {
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size < 1e-3 || size >= 10 ** digits) {
      return value.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2");
    }
    return value.toPrecision(digits);
  };
  const shown = (column, row) => {
    const value = column.values[row];
    if (value === null) return "";
    if (column.words) return column.words[value];
    return column.whole ? String(value) : number(value);
  };

  const texts = kinds.values.map((kind, row) => columns
    .map((column) => `${column.name}=${shown(column, row)}`)
    .concat(kinds.words[kind], details.runs[row] ? details.runs[row].setting : "")
    .map((text) => text.toLowerCase()));
  const names = new Set(columns.map((column) => column.name.toLowerCase()));

  // key=value is all of a cell; any other word a part of one, or of what a row opens
  const holds = (row, word) => (names.has(word.slice(0, word.indexOf("=")))
    ? texts[row].includes(word)
    : texts[row].some((text) => text.includes(word)));

  const mark = (kind) => (kind === "healthy" ? "well" : kind === "unknown" ? "open" : "ill");

  const draw = () => {
    const pages = Math.max(1, Math.ceil(rows.length / data.first));
    page = Math.min(page, pages - 1);
    const from = page * data.first;
    const here = rows.slice(from, from + data.first);
    body.replaceChildren(...here.flatMap((row) => (open.has(row) ? [line(row), detail(row)] : [line(row)])));
    by("count").textContent = rows.length === order.length
      ? `${order.length} ${order.length === 1 ? "run" : "runs"}`
      : `${rows.length} of ${order.length} runs`;
    by("where").textContent = rows.length ? `${from + 1} to ${from + here.length} of ${rows.length}` : "none";
    by("previous").disabled = page === 0;
    by("next").disabled = page >= pages - 1;
    by("pager").hidden = pages === 1;
  };

  const line = (row) => {
    const found = made("tr");
    for (const column of columns) {
      const cell = made(column.name === "run" ? "th" : "td");
      const text = shown(column, row);
      if (column.name === "run") {
        cell.scope = "row";
        if (details.runs[row]) cell.append(opener(row, text));
        else cell.textContent = text;
      } else if (column.name === "verdict") {
        cell.append(made("span", text, { class: `mark ${mark(kinds.words[kinds.values[row]])}` }));
      } else {
        cell.textContent = text;
        if (!column.words) cell.className = "n";
      }
      found.append(cell);
    }
    return found;
  };

  const opener = (row, text) => {
    const found = made("button", text, { type: "button", "aria-expanded": String(open.has(row)) });
    if (open.has(row)) found.setAttribute("aria-controls", `run-${row}`);
    found.addEventListener("click", () => {
      const at = found.closest("tr");
      if (open.delete(row)) {
        at.nextElementSibling.remove();
        found.removeAttribute("aria-controls");
      } else {
        open.add(row);
        at.after(detail(row));
        found.setAttribute("aria-controls", `run-${row}`);
      }
      found.setAttribute("aria-expanded", String(open.has(row)));
    });
    return found;
  };

  const detail = (row) => {
    const of = details.runs[row];
    const found = made("tr", undefined, { class: "opened", id: `run-${row}` });
    const cell = made("div", undefined, { class: "inner" });
    const where = made("p");
    where.append(made("code", of.folder));
    if (of.setting) where.append(": ", made("code", of.setting));
    cell.append(where);
    if (of.findings.length) {
      const list = made("ul");
      for (const one of of.findings) list.append(finding(one));
      cell.append(list);
    } else cell.append(made("p", "Nothing was found to be wrong."));
    const beside = made("div", undefined, { class: "beside" });
    of.looks.forEach((look, index) => beside.append(layers(row, look, index, of.looks.length)));
    cell.append(beside);
    cell.append(made("p", of.looks.length
      ? "Bold is outside its healthy range. A row is a weight matrix with what follows it; the profile is log10 of its delta RMS over that of the last hidden layer."
      : "Its layers were not looked at.", { class: "key" }));
    const whole = made("td", undefined, { colspan: columns.length });
    whole.append(cell);
    found.append(whole);
    return found;
  };

  const finding = (one) => {
    const found = made("li");
    found.append(made("b", one.kind), ` (${one.severity})`);
    if (one.layer) found.append(` in ${one.layer}`);
    if (one.step !== null) found.append(`, since step ${one.step}`);
    found.append(`: ${one.reason}`);
    if (one.fix) found.append("; fix: ", made("code", one.fix));
    return found;
  };

  const layers = (row, look, index, looks) => {
    const found = made("div");
    const name = looks > 1 ? (index ? "last look" : "first look") : "the only look";
    const title = `${name[0].toUpperCase()}${name.slice(1)}, step ${look.step}`;
    found.append(made("h4", title, { id: `run-${row}-${index}` }));
    const used = details.numbers.map((_, at) => look.layers.some((of) => of[at] !== null));
    const inner = made("table", undefined, { "aria-labelledby": `run-${row}-${index}` });
    const head = inner.createTHead().insertRow();
    head.append(made("th", "layer", { scope: "col" }));
    details.numbers.forEach((column, at) => {
      if (used[at]) head.append(made("th", column.title, { scope: "col", class: "n", title: column.about }));
    });
    const rest = inner.createTBody();
    look.layers.forEach((of, at) => {
      const into = rest.insertRow();
      into.append(made("th", details.names[look.names][at], { scope: "row" }));
      details.numbers.forEach((column, place) => {
        if (used[place]) into.append(value(of[place], of.includes("eased") && column.title === "update" ? null : column.healthy));
      });
    });
    const scroll = made("div", undefined, { class: "scroll", role: "region", tabindex: "0", "aria-label": `${title}, layers` });
    scroll.append(inner);
    found.append(scroll);
    return found;
  };

  const value = (of, healthy) => {
    const found = made("td", undefined, { class: "n" });
    if (of === null) return found;
    const text = typeof of === "number" ? number(of, 3) : of;
    const [low, high] = healthy || [null, null];
    const outside = typeof of !== "number" || (low !== null && of < low) || (high !== null && of > high);
    found.append(outside ? made("strong", text) : text);
    return found;
  };

  // nothing comes last, whichever way it is sorted
  const sort = () => {
    const { column, down } = sorted;
    if (column < 0) return;
    const { values } = columns[column];
    const sign = down ? -1 : 1;
    order = [...order].sort((a, b) => {
      if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
      return sign * (values[a] - values[b]) || a - b;
    });
  };

  const filter = () => {
    const words = by("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const kind = by("kind").value;
    rows = order.filter((row) => (kind === "" || kinds.values[row] === Number(kind))
      && words.every((word) => holds(row, word)));
  };

  const changed = () => { page = 0; filter(); draw(); };

  for (const cell of table.tHead.rows[0].cells) {
    const column = Number(cell.dataset.column);
    const button = made("button", cell.textContent, { type: "button" });
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      sorted = { column, down: sorted.column === column && !sorted.down };
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      sort();
      changed();
    });
  }
  kinds.words.forEach((kind, index) => by("kind").append(made("option", kind, { value: index })));
  by("filter").addEventListener("input", changed);
  by("kind").addEventListener("input", changed);
  const turn = (by_) => () => { page += by_; draw(); table.scrollIntoView(); };
  by("previous").addEventListener("click", turn(-1));
  by("next").addEventListener("click", turn(1));
  filter();
  draw();
})();

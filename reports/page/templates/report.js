// Comfort only: without it every table, figure and source is on the page, and heads of rows and columns lead to sources.
(() => {
  "use strict";
  const dialog = document.getElementById("origin");
  const text = (node) => (node ? node.textContent.trim().replace(/\s+/g, " ") : "");
  const make = (name, content, parent) => {
    const node = parent.appendChild(document.createElement(name));
    node.textContent = content;
    return node;
  };

  // Which model, task and table a cell speaks of.
  function origin(cell) {
    const row = cell.parentElement, table = cell.closest("table");
    const head = table.tHead.rows[0].cells[cell.cellIndex];
    const of = (key) => row.dataset[key] || head.dataset[key] || table.dataset[key] || "";
    return { row, head, table, model: of("m"), task: of("t") };
  }

  function show(cell) {
    const from = origin(cell), body = dialog.querySelector("div");
    body.replaceChildren();
    make("h2", cell.querySelector(".value").textContent + " " + text(cell.querySelector(".value + .span")), body);
    const label = (node) => text(node.querySelector(".name") || node);
    make("p", [label(from.row.cells[0]), label(from.head), from.table.dataset.title].filter(Boolean).join(" · "), body);
    if (cell.title) make("p", cell.title, body);
    const change = text(cell.querySelector(".change"));
    if (change) make("p", "Paired difference: " + change, body);
    for (const [title, id] of [["Model", from.model], ["Task", from.task], ["Run", "run-facts"]]) {
      const facts = id && document.getElementById(id);
      if (!facts) continue;
      make("h3", title, body);
      const copy = body.appendChild(facts.cloneNode(true));
      copy.removeAttribute("id");
    }
    dialog.showModal();
    dialog.scrollTop = 0;
  }

  const hasOrigin = (cell) => {
    const from = origin(cell);
    return from.model || from.task;
  };
  document.addEventListener("click", (event) => {
    const value = event.target.closest("td .value");
    if (value && hasOrigin(value.closest("td"))) show(value.closest("td"));
    if (event.target === dialog) dialog.close();
  });
  // By keyboard: one stop for each of the main tables, arrows within it, Enter for the source.
  for (const table of document.querySelectorAll("table.main")) {
    const values = [...table.querySelectorAll("td .value")].filter((value) => hasOrigin(value.closest("td")));
    values.forEach((value, place) => {
      value.tabIndex = place ? -1 : 0;
      value.setAttribute("role", "button");
      value.setAttribute("aria-haspopup", "dialog");
    });
    table.addEventListener("keydown", (event) => {
      const value = event.target.closest(".value");
      if (!value) return;
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        show(value.closest("td"));
        return;
      }
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      const cell = value.closest("td"), rows = [...table.tBodies[0].rows];
      let row = rows.indexOf(cell.parentElement), column = cell.cellIndex;
      for (;;) {
        row += step[0];
        column += step[1];
        const line = rows[row];
        if (!line || column < 1 || column >= table.tHead.rows[0].cells.length) return;
        const next = line.cells[column] && line.cells[column].querySelector(".value[tabindex]");
        if (next) {
          value.tabIndex = -1;
          next.tabIndex = 0;
          next.focus();
          return;
        }
      }
    });
  }

  // Sorting: best first is for the reader to say, so the largest come first, then the smallest, then the first order.
  const number = (cell) => {
    const found = cell.querySelector(".value") || cell;
    const value = parseFloat(text(found).replace("−", "-").replace(/[▲▼,<\s]/g, ""));
    return Number.isNaN(value) ? null : value;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const first = [...table.tBodies[0].rows], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (!column) return;
      const button = make("button", "↕", head);
      button.type = "button";
      button.className = "sort";
      button.setAttribute("aria-label", "Sort by " + text(head.querySelector(".name") || head).replace("↕", ""));
      button.addEventListener("click", () => {
        const next = { descending: "ascending", ascending: "none" }[head.getAttribute("aria-sort")] || "descending";
        for (const other of heads) {
          other.removeAttribute("aria-sort");
          const mark = other.querySelector(".sort");
          if (mark) mark.textContent = "↕";
        }
        const rows = [...first];
        if (next !== "none") {
          head.setAttribute("aria-sort", next);
          button.textContent = next === "descending" ? "↓" : "↑";
          const sign = next === "descending" ? -1 : 1;
          rows.sort((a, b) => {
            const x = number(a.cells[column]), y = number(b.cells[column]);
            // What is missing stands last either way.
            return x === null || y === null ? (x === null) - (y === null) : sign * (x - y);
          });
        }
        table.tBodies[0].append(...rows);
      });
    });
  }

  // On paper nothing can be opened.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const part of closed) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
  });
})();

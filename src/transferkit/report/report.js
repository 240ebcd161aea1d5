// Draws the charts in the colours of the page, sorts tables, copies the command. Works on data that Python has escaped.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  const holder = document.getElementById("charts");
  const charts = holder ? JSON.parse(holder.textContent) : [];
  const narrow = matchMedia("(max-width: 600px)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const PRINT_WIDTH = 640;
  let view = "";
  let printing = false;

  // A colour is a token, "@source", that names a variable of the style sheet; only values of colour keys are resolved.
  const paint = (value, key = "") => {
    if (Array.isArray(value)) return value.map((v) => paint(v, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, paint(v, k)]));
    }
    if (typeof value === "string" && value[0] === "@" && /color(scale)?$/.test(key)) {
      return getComputedStyle(root).getPropertyValue("--" + value.slice(1)).trim();
    }
    return value;
  };

  const merge = (base, change) => {
    const out = { ...base };
    for (const [k, v] of Object.entries(change)) {
      out[k] = v && typeof v === "object" && !Array.isArray(v) ? merge(base[k] || {}, v) : v;
    }
    return out;
  };

  const draw = (chart) => {
    const box = document.getElementById("chart-" + chart.id);
    if (!box) return;
    const views = (chart.views || {})[view] || [];
    const data = chart.data.map((trace, i) => (views[i] ? { ...trace, marker: views[i] } : trace));
    let layout = narrow.matches && !printing ? merge(chart.layout, chart.narrow) : chart.layout;
    layout = { ...layout, height: chart.height };
    if (printing) layout.width = box.closest(".pair:not(.wide)") ? (PRINT_WIDTH - 24) / 2 : PRINT_WIDTH;
    else layout.autosize = true;
    Plotly.react(box, paint(data), paint(layout), { displayModeBar: false, responsive: true, showTips: false });
  };
  const drawAll = () => charts.forEach(draw);

  const forPrint = (on) => {
    printing = on;
    root.classList.toggle("printing", on);
    drawAll();
  };
  drawAll();
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => forPrint(true));
  addEventListener("afterprint", () => forPrint(false));

  for (const views of document.querySelectorAll(".views")) {
    views.hidden = false;
    const buttons = views.querySelectorAll("button");
    buttons.forEach((button) =>
      button.addEventListener("click", () => {
        view = button.dataset.view;
        buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
        views.querySelector(".legend").hidden = !view;
        charts.filter((chart) => chart.views).forEach(draw);
      }),
    );
  }

  const order = new Intl.Collator(undefined, { numeric: true });
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numeric = head.classList.contains("n");
        const first = numeric ? "descending" : "ascending";
        const last = numeric ? "ascending" : "descending";
        const way = head.getAttribute("aria-sort") === first ? last : first;
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", way);
        const sign = way === "ascending" ? 1 : -1;
        const value = (row) => row.cells[column].dataset.v;
        const compare = (a, b) => {
          if (!numeric) return sign * order.compare(a.cells[column].textContent, b.cells[column].textContent);
          if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === ""); // absent numbers last
          return sign * (Number(value(a)) - Number(value(b)));
        };
        body.append(...[...body.rows].sort(compare));
      });
    });
  }

  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      } catch {
        getSelection().selectAllChildren(code); // no clipboard here: leave it selected
      }
    });
  }
})();

// Put into a copy of a report by the browser's test: tries what a reader does and tells the page around it what came out.
"use strict";
const report = { name: window.name, errors: [], violations: [] };
addEventListener("error", (event) => report.errors.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => report.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
addEventListener("load", () => {
  const root = document.documentElement;
  for (const details of document.querySelectorAll("main details")) details.open = true;
  report.width = root.clientWidth;
  report.content = Math.max(root.scrollWidth, document.body.scrollWidth);
  report.beyond = Array.from(document.querySelectorAll("main *, header *, nav *"))
    .filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !one.closest(".scroll, pre, svg"))
    .map((one) => `${one.tagName}.${one.className}`).slice(0, 9);
  report.resources = performance.getEntriesByType("resource").map((entry) => entry.name);

  const head = document.querySelector("#workload-1 table.sortable").tHead.rows[0].cells[2];
  const button = head.querySelector("button");
  const column = () => Array.from(head.closest("table").tBodies[0].rows).map((row) => Number(row.cells[2].dataset.sort));
  button.focus();
  report.focused = document.activeElement === button && button.tabIndex >= 0 && !button.disabled;
  button.click(); // what the browser does for Enter and for the space bar on a focused button
  report.ascending = [head.getAttribute("aria-sort"), column()];
  button.click();
  report.descending = [head.getAttribute("aria-sort"), column()];

  const remark = document.querySelector("main .quiet[data-tip]");
  remark.focus();
  const tip = document.getElementById("tip");
  report.tip = [document.activeElement === remark, !tip.hidden, tip.textContent === remark.dataset.tip, tip.textContent];
  remark.blur();
  report.hidden = tip.hidden;

  const model = document.querySelector(".legend button");
  model.click();
  report.lit = document.querySelectorAll(".plot .lit").length;
  report.pressed = model.getAttribute("aria-pressed");
  model.click();
  report.unlit = document.querySelectorAll(".lit").length;
  parent.postMessage(JSON.stringify(report), "*");
});

// Comfort only: sorts tables by their heads, shows remarks on focus as on hovering, lights up one model everywhere,
// and opens what a link leads into. Everything can be read without it.
"use strict";

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = table.tHead.rows[0].cells;
  Array.from(heads).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.append(head.firstChild);
    head.append(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
      };
      const text = (row) => row.cells[column].textContent;
      const rows = Array.from(body.rows);
      rows.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null && y === null) return (ascending ? 1 : -1) * text(a).localeCompare(text(b), "en", { numeric: true });
        if (x === null || y === null) return x === null ? 1 : -1; // what is absent stays last
        if (x === y) return 0;
        return (ascending ? 1 : -1) * (x < y ? -1 : 1);
      });
      body.append(...rows);
    });
  });
}

// Remarks: a title is shown to the mouse alone, so it becomes a box that the keyboard and a finger reach too.
const tip = document.createElement("div");
tip.className = "tip";
tip.id = "tip";
tip.setAttribute("role", "tooltip");
tip.hidden = true;
document.body.append(tip);
const hide = () => { tip.hidden = true; };
for (const marked of document.querySelectorAll("main [title], header [title]")) {
  marked.dataset.tip = marked.title;
  marked.removeAttribute("title");
  if (!marked.querySelector("button, a")) marked.tabIndex = 0;
  marked.setAttribute("aria-describedby", "tip");
  const show = () => {
    tip.textContent = marked.dataset.tip;
    tip.hidden = false;
    const at = marked.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    tip.style.left = `${window.scrollX + Math.max(4, Math.min(at.left, width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${window.scrollY + at.bottom + 6}px`;
  };
  marked.addEventListener("focusin", show);
  marked.addEventListener("pointerenter", show);
  marked.addEventListener("focusout", hide);
  marked.addEventListener("pointerleave", hide);
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") { hide(); light(null, true); } });

// One model in all pictures and tables: its marks carry a class of their own, m and a number.
let kept = null;
const seriesOf = (element) => {
  const named = Array.from(element.classList).find((name) => /^m\d+$/.test(name));
  return named === undefined ? null : named;
};
function light(series, keep) {
  if (keep) kept = series;
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
  const shown = series === null ? kept : series;
  if (shown !== null) {
    document.body.classList.add("lit");
    for (const part of document.querySelectorAll(`.${shown}`)) {
      part.classList.add("lit");
      const row = part.closest("tbody tr");
      if (row && part.closest("th")) row.classList.add("lit");
    }
  }
  for (const button of document.querySelectorAll(".legend button")) {
    button.setAttribute("aria-pressed", String(kept !== null && button.dataset.series === kept));
  }
}
for (const item of document.querySelectorAll(".legend li")) {
  const mark = item.querySelector(".mark");
  const series = mark && seriesOf(mark);
  if (!series) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.series = series;
  button.setAttribute("aria-pressed", "false");
  while (item.firstChild) button.append(item.firstChild);
  item.append(button);
  button.addEventListener("click", () => light(kept === series ? null : series, true));
  item.addEventListener("pointerenter", () => light(series, false));
  item.addEventListener("pointerleave", () => light(null, false));
}

// What a link leads to may lie in a part that is closed; the contents close behind whoever used them.
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (target) target.scrollIntoView();
};
window.addEventListener("hashchange", reveal);
const contents = document.querySelector(".contents details");
for (const link of document.querySelectorAll(".contents a")) {
  link.addEventListener("click", () => { contents.open = false; });
}

// The decision card: marks the rows that satisfy up to four figures. Rules and figures come with the page.
(() => {
  const form = document.getElementById("decide");
  if (!form) return;
  const told = document.getElementById("decided");
  const [headroom, stretch] = [Number(form.dataset.headroom), Number(form.dataset.stretch)];
  // How many times better than asked, or null where the figures do not tell. Above 1 satisfies.
  const criteria = {
    rate(row, rate) {
      if (row.carries >= rate) return row.carries / rate;
      if (row.breaks < rate && (row.pace === "open" || !(row.wanted > row.clients))) return row.breaks / rate;
      return null;
    },
    p99(row, ms, asked) {
      const ns = ms * 1e6;
      const fits = row.high <= ns;
      const fails = row.never === 1 || row.low > ns;
      if (!fits && !fails) return null;
      if (asked.rate && row.pace === "closed") return null;
      if (asked.rate && row.asked && (fits ? asked.rate > headroom * row.asked : asked.rate * headroom < row.asked)) return null;
      if (row.never === 1) return 0;
      return fits ? ns / row.high : ns / row.low;
    },
    connections(row, count) {
      return row.workers < count ? row.workers / count : Infinity;
    },
    memory(row, mib, asked) {
      const count = asked.connections || row.held;
      if (row.base === undefined || count > stretch * row.held) return null;
      return mib * 1048576 / (row.base + row.each * count);
    },
  };
  const figures = (row) => {
    const all = { pace: row.dataset.pace };
    for (const name of ["carries", "breaks", "low", "high", "never", "base", "each", "held", "clients", "asked", "workers", "starved"]) {
      if (row.dataset[name] !== undefined) all[name] = Number(row.dataset[name]);
    }
    return all;
  };
  const decide = () => {
    const asked = {};
    for (const input of form.querySelectorAll("input")) {
      if (Number(input.value) > 0) asked[input.name] = Number(input.value);
    }
    const names = Object.keys(asked);
    const sentences = [];
    for (const card of document.querySelectorAll("details.decision")) {
      const fits = [];
      for (const row of card.querySelectorAll("tbody tr")) {
        const old = row.querySelector("th .tag");
        if (old) old.remove();
        row.classList.remove("misses");
        if (names.length === 0) continue;
        const data = figures(row);
        data.wanted = asked.connections;
        const found = names.map((name) => criteria[name](data, asked[name], asked));
        const worst = Math.min(...found.filter((factor) => factor !== null));
        const tag = document.createElement("span");
        if (data.starved > 0) [tag.className, tag.textContent] = ["tag bad", "no: some never served"];
        else if (worst < 1) [tag.className, tag.textContent] = ["tag bad", "no"];
        else if (found.includes(null)) [tag.className, tag.textContent] = ["tag", "not known"];
        else [tag.className, tag.textContent] = ["tag win", Number.isFinite(worst) ? `yes ${worst.toPrecision(3)}×` : "yes"];
        row.classList.toggle("misses", tag.className === "tag bad");
        if (tag.className === "tag win") fits.push(row.dataset.model);
        row.cells[0].append(tag);
      }
      const list = fits.length === 0 ? "none" : fits.join(", ");
      card.querySelector(".fits").textContent = names.length === 0 ? "" : `(${list})`;
      sentences.push(`${card.dataset.name}: ${list}`);
    }
    told.hidden = names.length === 0;
    told.textContent = names.length === 0 ? "" : `Known to satisfy this: ${sentences.join("; ")}.`;
  };
  form.addEventListener("input", decide);
  form.addEventListener("reset", () => setTimeout(decide));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
})();

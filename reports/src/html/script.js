// Sorts tables by their column heads, with the mouse or the keyboard. Everything can be read without it.
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
      sentences.push(`${card.querySelector("table").dataset.name}: ${list}`);
    }
    told.hidden = names.length === 0;
    told.textContent = names.length === 0 ? "" : `Known to satisfy this: ${sentences.join("; ")}.`;
  };
  form.addEventListener("input", decide);
  form.addEventListener("reset", () => setTimeout(decide));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
})();

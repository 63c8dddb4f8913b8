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

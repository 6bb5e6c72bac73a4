// Sorts a table by a column when its head is pressed: figures by their value, rows
// without one last; a second time the other way round. Says of tables that are wider
// than the window that they scroll.
"use strict";
const value = cell => {
  const text = cell.innerText.trim().replaceAll("−", "-");
  if (text.startsWith("none")) return 0;
  const found = text.match(/^(?:step )?([-+]?\d+(?:\.\d+)?)/);
  return found ? Number(found[1]) : NaN;
};
for (const table of document.querySelectorAll("table.sortable")) {
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    if (!head.innerText.trim()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].map(row => [value(row.cells[column]), row]);
      rows.sort(([a], [b]) => isNaN(a) || isNaN(b) ? isNaN(a) - isNaN(b) : sign * (a - b));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    };
  }
}
const look = () => {
  for (const box of document.querySelectorAll(".scroll")) {
    box.parentElement.classList.toggle("wide", box.scrollWidth > box.clientWidth);
  }
};
look();
addEventListener("resize", look);
addEventListener("toggle", look, true);

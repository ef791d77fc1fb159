// The grid of sources by days: one stop of the Tab key, arrow keys within, the reason of a day below it.
(() => {
  "use strict";

  const grid = document.querySelector("[data-days]");
  const line = document.querySelector("[data-days-reason]");
  if (!grid || !line) {
    return;
  }
  const rows = [...grid.tBodies[0].rows].map((row) => [...row.cells].slice(1));
  const placeOf = (cell) => [cell.parentElement.sectionRowIndex, cell.cellIndex - 1];

  const show = (cell) => {
    const source = cell.parentElement.dataset.source;
    line.textContent = `${source}, ${cell.querySelector("[data-reason]").textContent}.`;
    for (const other of grid.querySelectorAll("[data-shown]")) {
      delete other.dataset.shown;
    }
    cell.dataset.shown = "";
    line.dataset.chosen = "";
  };
  const stopAt = (cell) => {
    for (const other of grid.querySelectorAll("td[tabindex='0']")) {
      other.tabIndex = -1;
    }
    cell.tabIndex = 0;
  };

  const MOVES = {
    ArrowLeft: ([row, day]) => [row, day - 1],
    ArrowRight: ([row, day]) => [row, day + 1],
    ArrowUp: ([row, day]) => [row - 1, day],
    ArrowDown: ([row, day]) => [row + 1, day],
    Home: ([row], event) => [event.ctrlKey ? 0 : row, 0],
    End: ([row], event) => [event.ctrlKey ? rows.length - 1 : row, rows[0].length - 1],
  };
  grid.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    const move = MOVES[event.key];
    if (!cell || !move || event.altKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    const [row, day] = move(placeOf(cell), event);
    rows[row]?.[day]?.focus();
  });
  grid.addEventListener("focusin", (event) => {
    const cell = event.target.closest("td");
    if (cell) {
      stopAt(cell);
      show(cell);
      cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  });
  // A tap on a phone gives no focus by itself.
  grid.addEventListener("click", (event) => event.target.closest("td")?.focus());
  grid.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("td");
    if (cell && event.pointerType === "mouse" && !grid.contains(document.activeElement)) {
      show(cell);
    }
  });

  line.hidden = false;
  line.textContent = "No day is chosen.";
  for (const help of document.querySelectorAll("[data-days-help]")) {
    help.hidden = false;
  }
  // The newest days matter most, and stand at the right.
  const scroller = grid.parentElement;
  scroller.scrollLeft = scroller.scrollWidth;
})();

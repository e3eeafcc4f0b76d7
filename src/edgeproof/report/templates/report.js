"use strict";
// Sorts and filters the report's tables where they stand. The page is whole without it.
document.querySelectorAll("table.sorts").forEach(function (table) {
  var body = table.tBodies[0], rows = Array.from(body.rows), box = table.parentElement;
  if (rows.length < 2) return;

  function cell(row, at) {
    for (var i = 0, seen = 0; i < row.cells.length; i++) {
      seen += row.cells[i].colSpan;
      if (seen > at) return row.cells[i];
    }
    return null;
  }
  function value(row, at) {
    var found = cell(row, at);
    if (!found || found.classList.contains("absent")) return null;
    if (found.dataset.value !== undefined) return Number(found.dataset.value);
    var text = found.textContent.trim(), number = Number(text.replace(/[,>\s]/g, ""));
    return text !== "" && !isNaN(number) ? number : text.toLowerCase();
  }
  function order(a, b) {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  Array.from(table.tHead.rows[0].cells).forEach(function (head, at) {
    var button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener("click", function () {
      var up = head.getAttribute("aria-sort") !== "ascending";
      Array.from(table.tHead.rows[0].cells).forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.slice().sort(function (a, b) {
        var first = value(a, at), second = value(b, at);
        var found = order(first, second);
        return first === null || second === null || up ? found : -found;
      }).forEach(function (row) { body.appendChild(row); });
    });
  });

  if (rows.length < 6) return;
  var field = document.createElement("input"), told = document.createElement("span"), line = document.createElement("p");
  field.type = "search";
  field.placeholder = "Filter rows";
  field.setAttribute("aria-label", "Filter rows of this table");
  told.setAttribute("role", "status");
  line.className = "filter";
  line.append(field, told);
  box.parentElement.insertBefore(line, box);
  field.addEventListener("input", function () {
    var words = field.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      row.hidden = !words.every(function (word) { return text.includes(word); });
      if (!row.hidden) shown += 1;
    });
    told.textContent = words.length ? shown + " of " + rows.length + " rows" : "";
  });
});
function unfold() {
  var found = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  for (var at = found; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (found) found.scrollIntoView();
}
window.addEventListener("hashchange", unfold);
unfold();

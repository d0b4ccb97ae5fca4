// tim.js - search over the tables of this page, with or without diacritics. The page is whole
// without it; the box is made here, so nobody meets a box that does nothing.
"use strict";
(function () {
	// NFD parts letters from their marks, wherever a tone stood (Hòa, Hoà); đ has no parts.
	function fold(text) {
		return text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/[đĐ]/g, "d")
			.toLowerCase();
	}
	var english = document.querySelector(".en") !== null;
	var tables = document.querySelectorAll("table[data-tim]");
	var rows = [];
	tables.forEach(function (table) {
		table.querySelectorAll("tbody tr").forEach(function (row) {
			rows.push({ element: row, text: " " + fold(row.textContent).replace(/\s+/g, " ") });
		});
	});
	if (rows.length < 2)
		return;
	var form = document.createElement("form");
	form.className = "tim";
	form.setAttribute("role", "search");
	var label = document.createElement("label");
	label.htmlFor = "tu-khoa";
	label.textContent = english ? "Tìm trong trang / Search this page" : "Tìm trong trang";
	var box = document.createElement("input");
	box.type = "search";
	box.id = "tu-khoa";
	box.autocomplete = "off";
	box.setAttribute("aria-describedby", "ket-qua");
	var status = document.createElement("p");
	status.id = "ket-qua";
	status.setAttribute("role", "status");
	status.textContent = "Gõ có dấu hoặc không dấu, ví dụ: nguyen thi hoa";
	form.append(label, box, status);
	tables[0].closest("section, main").closest("main").insertBefore(form,
		document.querySelector("main > nav, main > table, main > section"));

	function search() {
		var words = fold(box.value).split(/\s+/).filter(Boolean);
		var found = 0;
		rows.forEach(function (row) {
			var fits = words.every(function (word) { return row.text.includes(word); });
			row.element.hidden = !fits;
			found += fits;
		});
		tables.forEach(function (table) {
			var empty = !table.querySelector("tbody tr:not([hidden])");
			(table.closest("section") || table).hidden = empty;
		});
		status.textContent = words.length ? (found ? found + " kết quả" : "Không tìm thấy")
			: "Gõ có dấu hoặc không dấu, ví dụ: nguyen thi hoa";
	}
	box.addEventListener("input", search);
	form.addEventListener("submit", function (event) { event.preventDefault(); search(); });
	var asked = new URLSearchParams(location.search).get("tim");
	if (asked) {
		box.value = asked;
		search();
	}
})();

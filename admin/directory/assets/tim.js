// tim.js - search over the tables of this page, and from the province's page over everybody, with or
// without diacritics. The page is whole
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
	label.textContent = (document.querySelector("table.donvi") ? "Tìm người, cơ quan" : "Tìm trong trang")
		+ (english ? " / Search" : "");
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

	// On the province's page people are looked for too, in the file of everybody, which is fetched
	// when somebody first asks.
	var isIndex = document.querySelector("table.donvi") !== null;
	var everybody = null, people = null, turn = 0;
	function fetchEverybody() {
		everybody = everybody || fetch("danhba.json").then(function (r) { return r.json(); })
			.then(function (data) {
				return data.agencies.flatMap(function (agency) {
					return agency.entries.map(function (e) {
						return { entry: e, agency: agency, name: " " + fold(e.name) + " ", text: " " + fold([e.name, e.title,
							e.department, agency.name, e.address].join(" ")) };
					});
				});
			});
		return everybody;
	}
	function cell(row, kind, text, href) {
		var place = row.appendChild(document.createElement(kind));
		if (kind === "th")
			place.scope = "row";
		if (href)
			place = place.appendChild(document.createElement("a"));
		if (href)
			place.href = href;
		place.textContent = text;
	}
	function showPeople(found) {
		if (people)
			people.remove();
		people = null;
		if (!found.length)
			return;
		people = document.createElement("section");
		people.innerHTML = '<h2 id="h-nguoi">Người</h2><table class="danhba"><caption></caption><thead><tr>'
			+ '<th scope="col">Họ và tên</th><th scope="col">Chức vụ</th><th scope="col">Đơn vị</th>'
			+ '<th scope="col">Thư điện tử</th></tr></thead><tbody></tbody></table>';
		people.setAttribute("aria-labelledby", "h-nguoi");
		people.querySelector("caption").textContent = found.length > 50
			? "50 người đầu trong " + found.length : found.length + " người";
		found.slice(0, 50).forEach(function (one) {
			var row = people.querySelector("tbody").appendChild(document.createElement("tr"));
			cell(row, "th", one.entry.name);
			row.firstChild.className = "ten";
			cell(row, "td", one.entry.title);
			cell(row, "td", one.agency.name, "donvi/" + encodeURIComponent(one.agency.code) + ".html");
			cell(row, "td", one.entry.address, "mailto:" + encodeURI(one.entry.address));
		});
		form.after(people);
	}
	function searchPeople(words, agencies) {
		var mine = ++turn;
		if (!isIndex || words.join("").length < 3)
			return showPeople([]);
		fetchEverybody().then(function (list) {
			if (mine !== turn)
				return;
			var found = list.filter(function (one) {
				return words.every(function (word) { return one.text.includes(word); });
			});
			// Whose names hold the words as they are stand first.
			found.forEach(function (one) {
				one.score = words.reduce(function (sum, word) {
					return sum + one.name.includes(" " + word + " ") * 2 + one.name.includes(" " + word);
				}, 0);
			});
			found.sort(function (a, b) { return b.score - a.score; });
			showPeople(found);
			if (found.length)
				status.textContent = found.length + " người, " + agencies + " đơn vị";
		}).catch(function () { everybody = null; });
	}

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
		searchPeople(words, found);
	}
	box.addEventListener("input", search);
	form.addEventListener("submit", function (event) { event.preventDefault(); search(); });
	var asked = new URLSearchParams(location.search).get("tim");
	if (asked) {
		box.value = asked;
		search();
	}
})();

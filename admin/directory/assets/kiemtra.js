// kiemtra.js - is an address official? The page fetches the list of digests once and compares here:
// the address that was asked for leaves this computer for nobody.
"use strict";
(function () {
	// SHA-256 (FIPS 180-4); crypto.subtle is only there over https.
	function sha256(bytes) {
		var k = [], h = [], composite = {}, primes = 0;
		for (var c = 2; primes < 64; c++) {
			if (composite[c])
				continue;
			for (var i = c * c; i < 320; i += c)
				composite[i] = true;
			if (primes < 8)
				h[primes] = (Math.sqrt(c) * 4294967296) | 0;
			k[primes++] = (Math.cbrt(c) * 4294967296) | 0;
		}
		var n = bytes.length, words = new Array(((n + 8 >> 6) + 1) * 16).fill(0);
		for (var b = 0; b < n; b++)
			words[b >> 2] |= bytes[b] << (24 - b % 4 * 8);
		words[n >> 2] |= 128 << (24 - n % 4 * 8);
		words[words.length - 1] = n * 8;
		function turn(x, by) { return (x >>> by) | (x << (32 - by)); }
		for (var at = 0; at < words.length; at += 16) {
			var w = words.slice(at, at + 16), s = h.slice();
			for (var r = 0; r < 64; r++) {
				if (r >= 16) {
					var p = w[r - 15], q = w[r - 2];
					w[r] = (w[r - 16] + (turn(p, 7) ^ turn(p, 18) ^ (p >>> 3)) + w[r - 7]
						+ (turn(q, 17) ^ turn(q, 19) ^ (q >>> 10))) | 0;
				}
				var t1 = (s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25))
					+ ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[r] + w[r]) | 0;
				var t2 = ((turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22))
					+ ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]))) | 0;
				s = [(t1 + t2) | 0, s[0], s[1], s[2], (s[3] + t1) | 0, s[4], s[5], s[6]];
			}
			h = h.map(function (x, j) { return (x + s[j]) | 0; });
		}
		return h.map(function (x) { return (x >>> 0).toString(16).padStart(8, "0"); }).join("");
	}

	var form = document.getElementById("kiem-tra");
	var answer = document.getElementById("tra-loi");
	var list = null;
	function say(kind, text) {
		answer.className = kind;
		answer.textContent = text;
	}
	function check() {
		var address = document.getElementById("dia-chi").value.trim().toLowerCase();
		if (!/^[^@\s]+@[^@\s]+$/.test(address))
			return say("", "Hãy nhập cả địa chỉ, có phần sau dấu @.");
		var digest = sha256(new TextEncoder().encode(list.prefix + address)).slice(0, list.digits);
		for (var code in list.agencies)
			if (list.agencies[code].digests.includes(digest))
				return say("dung", "Đúng: đây là địa chỉ công vụ của " + list.agencies[code].name + ".");
		say("sai", "Không có trong danh bạ công khai. Hãy gọi điện cho cơ quan để hỏi lại "
			+ "trước khi tin thư này.");
	}
	form.hidden = false;
	form.addEventListener("submit", function (event) {
		event.preventDefault();
		if (list)
			return check();
		fetch("chinhthuc.json").then(function (r) { return r.json(); }).then(function (found) {
			list = found;
			check();
		}).catch(function () {
			say("", "Không tải được danh sách. Trang này cần mở từ máy chủ web.");
		});
	});
})();

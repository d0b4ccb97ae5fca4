/* message.c - messages of a given size: header, Vietnamese text and, when large, a base64 part. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/load/load.h"

#define LINE_LETTERS 76

struct writer {
	char *data;
	size_t n, cap;
};

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
put(struct writer *w, const char *format, ...)
{
	va_list args;

	if (w->cap - w->n < 2048) {
		w->cap = w->cap * 2 + 4096;
		w->data = realloc(w->data, w->cap);
		if (!w->data)
			abort();
	}
	va_start(args, format);
	int n = vsnprintf(w->data + w->n, w->cap - w->n, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= w->cap - w->n)
		abort();
	w->n += (size_t)n;
}

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void
put_text(struct writer *w, size_t until, uint32_t *state)
{
	static const char *const words[] = {"kính", "gửi", "ủy", "ban", "nhân", "dân", "tỉnh", "về",
		"việc", "báo", "cáo", "kế", "hoạch", "công", "tác", "quý", "của", "các", "sở", "ngành",
		"địa", "phương", "đề", "nghị", "xem", "xét", "quyết", "định", "ban", "hành", "văn", "bản"};

	while (w->n < until) {
		size_t start = w->n;
		while (w->n - start < LINE_LETTERS - 12)
			put(w, "%s ", words[next_random(state) % (sizeof words / sizeof *words)]);
		put(w, "\r\n");
	}
}

static void
put_base64(struct writer *w, size_t until, uint32_t *state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char line[LINE_LETTERS + 1];

	line[LINE_LETTERS] = 0;
	while (w->n < until) {
		for (size_t i = 0; i < LINE_LETTERS; i++)
			line[i] = letters[next_random(state) % 64];
		put(w, "%s\r\n", line);
	}
}

static void
put_header(struct writer *w, const char *from, size_t *id_at_out)
{
	put(w, "Received: from gateway.example (gateway.example [192.0.2.7])\r\n"
	       "\tby relay.example with ESMTPS id 4ZxY2k1Qm9z2xQ7; Sun, 22 Nov 2026 08:00:00 +0700\r\n"
	       "Message-ID: <");
	*id_at_out = w->n;
	put(w, "000000000000.load@sender.example>\r\n"
	       "Date: Sun, 22 Nov 2026 08:00:00 +0700\r\n"
	       "From: =?UTF-8?B?Tmd1eeG7hW4gVsSDbiBIw7Jh?= <%s>\r\n"
	       "To: undisclosed-recipients:;\r\n"
	       "Subject: =?UTF-8?B?QsOhbyBjw6FvIGPDtG5nIHTDoWMgcXXDvSBJVg==?=\r\n"
	       "In-Reply-To: <000000000007.load@sender.example>\r\n"
	       "References: <000000000003.load@sender.example> <000000000007.load@sender.example>\r\n"
	       "User-Agent: cvload\r\n"
	       "MIME-Version: 1.0\r\n", from);
}

void
load_message_make(struct load_message *m, const char *from, size_t size, unsigned seed)
{
	static const char boundary[] = "=_load_0123456789";
	struct writer w = {0};
	uint32_t state = 2463534242u + seed * 2654435761u;

	state = state ? state : 1;
	put_header(&w, from ? from : LOAD_SENDER, &m->id_at);
	if (size <= 4096) {
		put(&w, "Content-Type: text/plain; charset=utf-8\r\n"
			"Content-Transfer-Encoding: 8bit\r\n\r\n");
		put_text(&w, size, &state);
	} else {
		put(&w, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n"
			"--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
			"Content-Transfer-Encoding: 8bit\r\n\r\n", boundary, boundary);
		put_text(&w, size / 4, &state);
		put(&w, "\r\n--%s\r\nContent-Type: application/pdf; name=\"bao-cao.pdf\"\r\n"
			"Content-Disposition: attachment; filename=\"bao-cao.pdf\"\r\n"
			"Content-Transfer-Encoding: base64\r\n\r\n", boundary);
		put_base64(&w, size > w.n + 100 ? size - 100 : w.n + 1, &state);
		put(&w, "\r\n--%s--\r\n", boundary);
	}
	m->data = w.data;
	m->n = w.n;
}

void
load_message_number(struct load_message *m, uint64_t number)
{
	for (int i = 11; i >= 0; i--, number /= 10)
		m->data[m->id_at + (size_t)i] = (char)('0' + number % 10);
}

bool
load_message_read(struct load_message *m, const char *path)
{
	FILE *f = fopen(path, "rbe");
	long size = -1;

	if (f && !fseek(f, 0, SEEK_END))
		size = ftell(f);
	if (size > 0 && !fseek(f, 0, SEEK_SET))
		m->data = malloc((size_t)size);
	if (m->data)
		m->n = fread(m->data, 1, (size_t)size, f);
	if (f)
		fclose(f);
	if (!m->n)
		fprintf(stderr, "cvload: cannot read %s\n", path);
	return m->n != 0;
}

void
load_message_free(struct load_message *m)
{
	free(m->data);
	*m = (struct load_message){0};
}

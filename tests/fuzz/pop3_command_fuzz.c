/* fuzz: imapd */
/* pop3_command_fuzz.c - any bytes cut into POP3 lines and read as commands; the same bytes as a
 * message that is sent. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/buf.h"
#include "imapd/pop3.h"
#include "imapd/pop3_ascii.h"
#include "imapd/pop3_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_command(struct cv_str line)
{
	struct cv_str verb, rest;
	struct imapd_pop3_args args;

	if (!imapd_pop3_verb(line, &verb, &rest))
		return;
	assert(verb.n + rest.n <= line.n);
	for (size_t i = 0; i < imapd_pop3_rows_count; i++)
		if (imapd_pop3_args(rest, imapd_pop3_rows[i].grammar, &args))
			assert(args.count <= CV_COUNT(args.word));
}

/* No line of the answer but the last may be a lone dot, for those who end lines at LF too. */
static void
send_message(struct cv_str bytes, size_t piece, uint64_t lines)
{
	struct imapd_pop3_lines l = {.left = lines};
	struct cv_buf out = CV_BUF_INIT(4u << 20);
	struct cv_str rest, line;

	for (size_t at = 0; at < bytes.n; at += CV_MIN(piece, bytes.n - at))
		imapd_pop3_lines_add(&l, cv_str_sub(bytes, at, at + piece), &out);
	imapd_pop3_lines_end(&l, &out);
	assert(out.full || cv_str_has_suffix(cv_buf_view(&out), ".\r\n"));
	rest = cv_str(out.p, out.n - 3);
	while (!out.full && rest.n && cv_str_split(&rest, '\n', &line))
		assert(!cv_str_eq_z(line, ".\r") && !cv_str_eq_z(line, "."));
	cv_buf_done(&out);
}

/* A header stays one, and has as many fields. */
static void
make_ascii(struct cv_str bytes)
{
	size_t end = imapd_pop3_header_end(bytes);
	struct cv_str header = cv_str_sub(bytes, 0, end ? end : bytes.n);
	struct cv_buf out = CV_BUF_INIT(16 * header.n + 64);

	imapd_pop3_ascii_header(header, &out);
	assert(!out.full && imapd_pop3_is_ascii(cv_buf_view(&out)));
	assert(imapd_pop3_header_end(cv_buf_view(&out)) == (end ? out.n : 0));
	if (imapd_pop3_is_ascii(header))
		assert(cv_str_eq(header, cv_buf_view(&out)));
	cv_buf_done(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The first byte says how the rest is cut. */
	size_t piece = size && data[0] ? data[0] : SIZE_MAX / 2;
	struct cv_str bytes = cv_str((const char *)data + (size > 0), size - (size > 0));
	struct cv_buf in = CV_BUF_INIT(4u << 20);
	bool is_skipping = false;

	for (size_t at = 0; at < bytes.n; at += CV_MIN(piece, bytes.n - at)) {
		enum imapd_pop3_frame frame;
		cv_buf_str(&in, cv_str_sub(bytes, at, at + piece));
		do {
			struct cv_str line;
			size_t used;
			frame = imapd_pop3_frame(
				cv_buf_view(&in), 100, &is_skipping, &line, &used);
			if (frame == IMAPD_POP3_LINE)
				read_command(line);
			cv_buf_drop(&in, used);
		} while (frame != IMAPD_POP3_MORE);
	}
	cv_buf_done(&in);
	make_ascii(bytes);
	send_message(bytes, piece, IMAPD_POP3_ALL_LINES);
	send_message(bytes, piece, size % 7);
	return 0;
}

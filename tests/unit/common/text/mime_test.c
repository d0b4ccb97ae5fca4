/* mime_test.c - structure, offsets and sections of messages, however they are cut and however
 * hostile they are.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text/bodystructure.h"
#include "common/text/envelope.h"
#include "common/text/mime.h"

static const struct cv_mime_tree *
scan_in_pieces(struct cv_arena *arena, struct cv_str message, size_t piece)
{
	struct cv_mime_scan *m = cv_mime_begin(arena);
	for (size_t i = 0; i < message.n; i += piece) {
		/* A copy of the exact size lets the sanitizer see a read behind the piece. */
		struct cv_str s = cv_str_sub(message, i, i + piece);
		char *copy = cv_malloc(s.n);
		memcpy(copy, s.p, s.n);
		cv_mime_feed(m, cv_str(copy, s.n));
		free(copy);
	}
	return cv_mime_finish(m);
}

static void
describe(const struct cv_mime_tree *t, struct cv_buf *out)
{
	assert_int_equal(cv_bodystructure_format(t, true, out), CV_OK);
	cv_mime_places_encode(t, out);
	cv_buf_str(out, t->parts[0].envelope);
	cv_buf_printf(out, " %d %d %d", t->limited, t->has_nul, t->has_8bit_header);
}

/* The same result whole and in pieces of any size. */
static void
check_pieces(const char *name, struct cv_str message)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 64, 1000 };
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf want = CV_BUF_INIT(16 << 20), got = CV_BUF_INIT(16 << 20);
	describe(cv_mime_scan(&arena, message), &want);
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		cv_buf_reset(&got);
		describe(scan_in_pieces(&arena, message, sizes[i]), &got);
		if (!cv_str_eq(cv_buf_view(&want), cv_buf_view(&got)))
			fail_msg("%s differs in pieces of %zu:\n%.*s\n%.*s", name, sizes[i],
			         CV_STR_ARGS(cv_buf_view(&want)), CV_STR_ARGS(cv_buf_view(&got)));
	}
	cv_buf_done(&want);
	cv_buf_done(&got);
	cv_arena_done(&arena);
}

static void
check_structure(const char *name, struct cv_str message, bool extended, const char *want)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf got = CV_BUF_INIT(1 << 20);
	assert_int_equal(cv_bodystructure_format(cv_mime_scan(&arena, message), extended, &got),
	                 CV_OK);
	if (!cv_str_eq_z(cv_buf_view(&got), want))
		fail_msg("%s\n got %.*s\nwant %s", name, CV_STR_ARGS(cv_buf_view(&got)), want);
	cv_buf_done(&got);
	cv_arena_done(&arena);
}

#define HEAD "From: a@b\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=\"xx\"\r\n\r\n"
#define TEXT_1 "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
#define EXT " NIL NIL NIL NIL)"
#define ENV_INNER "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL)"

static const struct {
	const char *name, *message, *body, *structure;
} shapes[] = {
	{ "empty message", "", TEXT_1 "0 0)", TEXT_1 "0 0" EXT },
	{ "only an empty line", "\r\n", TEXT_1 "0 0)", TEXT_1 "0 0" EXT },
	{ "no body", HEAD, TEXT_1 "0 0)", TEXT_1 "0 0" EXT },
	{ "plain text", HEAD "\r\nab\r\ncd\r\n", TEXT_1 "8 2)", TEXT_1 "8 2" EXT },
	{ "no last line end", HEAD "\nab\ncd", TEXT_1 "5 1)", TEXT_1 "5 1" EXT },
	{ "two parts",
	  MIXED
	  "pre\r\n--xx\r\n\r\none\r\n--xx\r\nContent-Type: text/html\r\n\r\n<b>\r\n\r\n--xx--\r\nepilogue\r\n",
	  "(" TEXT_1 "3 0)(\"text\" \"html\" NIL NIL NIL \"7bit\" 5 1) \"mixed\")",
	  "(" TEXT_1 "3 0" EXT "(\"text\" \"html\" NIL NIL NIL \"7bit\" 5 1" EXT
	  " \"mixed\" (\"boundary\" \"xx\") NIL NIL NIL)" },
	{ "lines that end in LF",
	  "Content-Type: multipart/mixed; boundary=xx\n\n--xx\n\none\n--xx--\n",
	  "(" TEXT_1 "3 0) \"mixed\")",
	  "(" TEXT_1 "3 0" EXT " \"mixed\" (\"boundary\" \"xx\") NIL NIL NIL)" },
	{ "no closing delimiter", MIXED "--xx\r\n\r\none\r\n", "(" TEXT_1 "5 1) \"mixed\")",
	  "(" TEXT_1 "5 1" EXT " \"mixed\" (\"boundary\" \"xx\") NIL NIL NIL)" },
	{ "delimiter with blanks behind it and no line end", MIXED "--xx  \t\r\n\r\none\r\n--xx-- ",
	  "(" TEXT_1 "3 0) \"mixed\")",
	  "(" TEXT_1 "3 0" EXT " \"mixed\" (\"boundary\" \"xx\") NIL NIL NIL)" },
	{ "delimiter ends a header",
	  MIXED "--xx\r\nContent-Type: text/html\r\n--xx\r\n\r\nb\r\n--xx--",
	  "((\"text\" \"html\" NIL NIL NIL \"7bit\" 0 0)" TEXT_1 "1 0) \"mixed\")",
	  "((\"text\" \"html\" NIL NIL NIL \"7bit\" 0 0" EXT TEXT_1 "1 0" EXT
	  " \"mixed\" (\"boundary\" \"xx\") NIL NIL NIL)" },
	{ "a part of no bytes at the very end", MIXED "--xx", "(" TEXT_1 "0 0) \"mixed\")",
	  "(" TEXT_1 "0 0" EXT " \"mixed\" (\"boundary\" \"xx\") NIL NIL NIL)" },
	{ "multipart without a boundary is text",
	  HEAD "Content-Type: multipart/mixed\r\n\r\nhello\r\n",
	  "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 7 1)",
	  "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 7 1" EXT },
	{ "multipart without parts is text", MIXED "hello\r\n",
	  "(\"text\" \"plain\" (\"boundary\" \"xx\") NIL NIL \"7bit\" 7 1)",
	  "(\"text\" \"plain\" (\"boundary\" \"xx\") NIL NIL \"7bit\" 7 1" EXT },
	{ "inner boundary begins with the outer one",
	  MIXED
	  "--xx\r\nContent-Type: multipart/alternative; boundary=xxy\r\n\r\n--xxy\r\n\r\na\r\n--xxy\r\n\r\nb\r\n--xxy--\r\n\r\n--xx\r\n\r\nc\r\n--xx--\r\n",
	  "((" TEXT_1 "1 0)" TEXT_1 "1 0) \"alternative\")" TEXT_1 "1 0) \"mixed\")",
	  "((" TEXT_1 "1 0" EXT TEXT_1 "1 0" EXT
	  " \"alternative\" (\"boundary\" \"xxy\") NIL NIL NIL)" TEXT_1 "1 0" EXT
	  " \"mixed\" (\"boundary\" \"xx\") NIL NIL NIL)" },
	{ "outer delimiter closes what is inside",
	  MIXED
	  "--xx\r\nContent-Type: multipart/mixed; boundary=yy\r\n\r\n--yy\r\n\r\na\r\n--xx\r\n\r\nb\r\n--xx--\r\n",
	  "((" TEXT_1 "1 0) \"mixed\")" TEXT_1 "1 0) \"mixed\")",
	  "((" TEXT_1 "1 0" EXT " \"mixed\" (\"boundary\" \"yy\") NIL NIL NIL)" TEXT_1 "1 0" EXT
	  " \"mixed\" (\"boundary\" \"xx\") NIL NIL NIL)" },
	{ "message inside",
	  MIXED
	  "--xx\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhi\r\n\r\n--xx--\r\n",
	  "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 22 " ENV_INNER " " TEXT_1
	  "4 1) 3) \"mixed\")",
	  NULL },
	{ "digest",
	  HEAD
	  "Content-Type: multipart/digest; boundary=xx\r\n\r\n--xx\r\n\r\nSubject: inner\r\n\r\nhi\r\n--xx\r\n\r\nSubject: inner\r\n--xx--",
	  "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 20 " ENV_INNER " " TEXT_1 "2 0) 2)"
	  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 16 " ENV_INNER " " TEXT_1
	  "0 0) 1) \"digest\")",
	  NULL },
	{ "an encoded message is not looked into",
	  HEAD
	  "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDo=\r\n",
	  "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 14)", NULL },
	{ "all extension data",
	  HEAD
	  "Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-ID: <i@d>\r\n"
	  "Content-Description: Ba\r\n \"o\"\r\nContent-Transfer-Encoding: 8BIT\r\nContent-MD5: q==\r\n"
	  "Content-Disposition: attachment;\r\n filename=\"b\\\"c.txt\"\r\nContent-Language: vi, en\r\n"
	  "Content-Location: http://x/\r\n\r\nx\r\n",
	  "(\"text\" \"plain\" (\"charset\" \"utf-8\" \"format\" \"flowed\") \"<i@d>\" \"Ba \\\"o\\\"\" \"8bit\" 3 1)",
	  "(\"text\" \"plain\" (\"charset\" \"utf-8\" \"format\" \"flowed\") \"<i@d>\" \"Ba \\\"o\\\"\" \"8bit\" 3 1"
	  " \"q==\" (\"attachment\" (\"filename\" \"b\\\"c.txt\")) (\"vi\" \"en\") \"http://x/\")" },
	{ "unreadable type", HEAD "Content-Type: ;;;=\r\n\r\nx\r\n", TEXT_1 "3 1)",
	  TEXT_1 "3 1" EXT },
	{ "bare text", HEAD "Content-Type: text\r\n\r\nx\r\n",
	  "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1)", NULL },
	{ "image",
	  HEAD
	  "Content-Type: IMAGE/PNG; NAME=\"=?utf-8?Q?=E1=BA=A3nh?=\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA",
	  "(\"image\" \"png\" (\"name\" \"=?utf-8?Q?=E1=BA=A3nh?=\") NIL NIL \"base64\" 4)", NULL },
	{ "a line without a colon ends the header", "Subject: s\r\nno colon here\r\nmore\r\n",
	  TEXT_1 "21 2)", NULL },
	{ "a delimiter ends a header without an empty line",
	  "Content-Type: multipart/mixed; boundary=xx\r\n--xx\r\n\r\na\r\n--xx--",
	  "(" TEXT_1 "1 0) \"mixed\")", NULL },
	{ "a delimiter of the outermost ends a header of the innermost",
	  MIXED "--xx\r\nContent-Type: multipart/mixed; boundary=yy\r\n\r\n"
		"--yy\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n--xx\r\n\r\nb\r\n--xx--\r\n",
	  "(((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 16 " ENV_INNER " " TEXT_1
	  "0 0) 1) \"mixed\")" TEXT_1 "1 0) \"mixed\")", NULL },
	{ "a boundary told with a blank at its end",
	  HEAD "Content-Type: multipart/mixed; boundary=\"xx \"\r\n\r\n--xx \r\n\r\na\r\n--xx --\r\n",
	  "(" TEXT_1 "1 0) \"mixed\")", NULL },
	{ "a message that begins with a blank", " x\r\nSubject: s\r\n\r\n", TEXT_1 "18 3)", NULL },
	{ "an mbox line is skipped", "From a@b Sun\r\nContent-Type: text/html\r\n\r\nx",
	  "(\"text\" \"html\" NIL NIL NIL \"7bit\" 1 0)", NULL },
	{ "an mbox line without a colon and a message behind it",
	  "From a\nContent-Type: message/rfc822\nbad line\n", NULL, NULL },
};

static void
test_bodystructure__describes_every_shape(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(shapes); i++) {
		struct cv_str message = cv_str_z(shapes[i].message);
		if (shapes[i].body)
			check_structure(shapes[i].name, message, false, shapes[i].body);
		if (shapes[i].structure)
			check_structure(shapes[i].name, message, true, shapes[i].structure);
		check_pieces(shapes[i].name, message);
	}
}

/* The message of RFC 3501 6.4.5: 1 text/plain, 2 application/octet-stream, 3 message/rfc822 (1
 * text, 2 octets), 4 multipart/mixed (1 image, 2 message/rfc822 (1 text, 2
 * multipart/alternative)). */
static const char example[] =
	"Subject: outer\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\n"
	"--A\r\nContent-Type: text/plain\r\n\r\nbody 1\r\n"
	"--A\r\nContent-Type: application/octet-stream\r\n\r\nbody 2\r\n"
	"--A\r\nContent-Type: message/rfc822\r\nX-P: 3\r\n\r\n"
	"Subject: three\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
	"--B\r\n\r\nbody 3.1\r\n--B\r\nContent-Type: application/octet-stream\r\n\r\nbody 3.2\r\n--B--\r\n"
	"\r\n--A\r\nContent-Type: multipart/mixed; boundary=C\r\nX-P: 4\r\n\r\n"
	"--C\r\nContent-Type: image/gif\r\n\r\nbody 4.1\r\n"
	"--C\r\nContent-Type: message/rfc822\r\nX-P: 4.2\r\n\r\n"
	"Subject: four-two\r\nContent-Type: multipart/mixed; boundary=D\r\n\r\n"
	"--D\r\nContent-Type: text/plain\r\n\r\nbody 4.2.1\r\n"
	"--D\r\nContent-Type: multipart/alternative; boundary=E\r\n\r\n"
	"--E\r\nContent-Type: text/plain\r\n\r\nbody 4.2.2.1\r\n"
	"--E\r\nContent-Type: text/richtext\r\n\r\nbody 4.2.2.2\r\n--E--\r\n"
	"--D--\r\n--C--\r\n--A--\r\n";

static const char single[] = "Subject: single\r\n\r\njust text\r\n";
static const char nested[] =
	"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n";

struct section_row {
	const char *message, *path;
	enum cv_status status;
	const char *want; /* the section's bytes, or their start when it ends in "..." */
};

static void
check_section(struct cv_mime_places places, const struct section_row *row)
{
	struct cv_mime_section s;
	enum cv_status status = cv_mime_section(places, cv_str_z(row->path), &s);
	if (status != row->status)
		fail_msg("'%s': status %d", row->path, status);
	if (status)
		return;
	struct cv_str got = cv_str_sub(cv_str_z(row->message), s.offset, s.offset + s.bytes);
	size_t n = strlen(row->want);
	bool cut = n >= 3 && strcmp(row->want + n - 3, "...") == 0;
	if (cut)
		got = cv_str_sub(got, 0, n - 3);
	if (!cv_str_eq(got, cv_str(row->want, cut ? n - 3 : n)))
		fail_msg("'%s': got '%.*s'", row->path, CV_STR_ARGS(got));
}

static void
test_section__finds_what_rfc_3501_names(void **state)
{
	(void)state;
	static const struct section_row rows[] = {
		{ example, "", CV_OK, example },
		{ example, "HEADER", CV_OK, "Subject: outer\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\n" },
		{ example, "TEXT", CV_OK, "--A\r\nContent-Type: text/plain\r\n\r\nbody 1..." },
		{ example, "1", CV_OK, "body 1" },
		{ example, "2", CV_OK, "body 2" },
		{ example, "2.MIME", CV_OK, "Content-Type: application/octet-stream\r\n\r\n" },
		{ example, "3", CV_OK, "Subject: three..." },
		{ example, "3.MIME", CV_OK, "Content-Type: message/rfc822\r\nX-P: 3\r\n\r\n" },
		{ example, "3.HEADER", CV_OK, "Subject: three\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n" },
		{ example, "3.text", CV_OK, "--B\r\n\r\nbody 3.1..." },
		{ example, "3.1", CV_OK, "body 3.1" },
		{ example, "3.2", CV_OK, "body 3.2" },
		{ example, "3.1.MIME", CV_OK, "\r\n" },
		{ example, "3.3", CV_NOT_FOUND, "" },
		{ example, "4.MIME", CV_OK, "Content-Type: multipart/mixed; boundary=C\r\nX-P: 4\r\n\r\n" },
		{ example, "4.1", CV_OK, "body 4.1" },
		{ example, "4.1.MIME", CV_OK, "Content-Type: image/gif\r\n\r\n" },
		{ example, "4.2.HEADER", CV_OK, "Subject: four-two..." },
		{ example, "4.2.TEXT", CV_OK, "--D\r\n..." },
		{ example, "4.2.1", CV_OK, "body 4.2.1" },
		{ example, "4.2.2.1", CV_OK, "body 4.2.2.1" },
		{ example, "4.2.2.2", CV_OK, "body 4.2.2.2" },
		{ example, "4.2.2.2.MIME", CV_OK, "Content-Type: text/richtext\r\n\r\n" },
		{ example, "4.HEADER", CV_NOT_FOUND, "" },
		{ example, "1.HEADER", CV_NOT_FOUND, "" },
		{ example, "1.1", CV_NOT_FOUND, "" },
		{ example, "5", CV_NOT_FOUND, "" },
		{ example, "99999999999999999999", CV_NOT_FOUND, "" },
		{ example, "0", CV_INVALID, "" },
		{ example, "01", CV_INVALID, "" },
		{ example, "1.", CV_INVALID, "" },
		{ example, ".1", CV_INVALID, "" },
		{ example, "1..2", CV_INVALID, "" },
		{ example, "MIME", CV_INVALID, "" },
		{ example, "HEADER.1", CV_INVALID, "" },
		{ example, "1.FOO", CV_INVALID, "" },
		{ example, "1x", CV_INVALID, "" },
		{ single, "1", CV_OK, "just text\r\n" },
		{ single, "1.MIME", CV_OK, "Subject: single\r\n\r\n" },
		{ single, "TEXT", CV_OK, "just text\r\n" },
		{ single, "1.1", CV_NOT_FOUND, "" },
		{ single, "2", CV_NOT_FOUND, "" },
		{ nested, "1", CV_OK, "Subject: inner\r\n\r\ninner text\r\n" },
		{ nested, "1.HEADER", CV_OK, "Subject: inner\r\n\r\n" },
		{ nested, "1.TEXT", CV_OK, "inner text\r\n" },
		{ nested, "1.1", CV_OK, "inner text\r\n" },
		{ nested, "1.1.1", CV_NOT_FOUND, "" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		const struct cv_mime_tree *t = cv_mime_scan(&arena, cv_str_z(rows[i].message));
		struct cv_buf stored = CV_BUF_INIT(1 << 16);
		cv_mime_places_encode(t, &stored);
		check_section(cv_mime_tree_places(t), &rows[i]);
		check_section(cv_mime_places_decode(cv_buf_view(&stored)), &rows[i]);
		cv_buf_done(&stored);
		cv_arena_done(&arena);
	}
	check_pieces("the example", cv_str_z(example));
}

struct watched {
	struct cv_buf bodies[64];
};

static void
watch(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct watched *w = ctx;
	assert_true(part->at.kind == CV_MIME_LEAF || part->at.kind == CV_MIME_TEXT);
	assert_true(index < CV_COUNT(w->bodies));
	cv_buf_str(&w->bodies[index], bytes);
}

static void
test_mime__shows_the_bytes_of_each_leaf_to_a_watcher(void **state)
{
	(void)state;
	for (size_t shape = 0; shape <= CV_COUNT(shapes); shape++) {
		struct cv_str message = cv_str_z(shape ? shapes[shape - 1].message : example);
		for (size_t piece = 1; piece < 100; piece = piece * 3 + 1) {
			struct cv_arena arena = CV_ARENA_INIT;
			struct watched w;
			for (size_t i = 0; i < CV_COUNT(w.bodies); i++)
				cv_buf_init(&w.bodies[i], 1 << 16);
			struct cv_mime_scan *m = cv_mime_begin(&arena);
			cv_mime_watch(m, watch, &w);
			for (size_t i = 0; i < message.n; i += piece)
				cv_mime_feed(m, cv_str_sub(message, i, i + piece));
			const struct cv_mime_tree *t = cv_mime_finish(m);
			for (uint32_t i = 0; i < t->count; i++) {
				const struct cv_mime_place *at = &t->parts[i].at;
				if (at->kind == CV_MIME_MULTIPART || at->kind == CV_MIME_MESSAGE ||
				    t->parts[i].broken)
					continue;
				struct cv_str want = cv_str_sub(message, at->body_offset,
				                                at->body_offset + at->body_bytes);
				if (!cv_str_eq(cv_buf_view(&w.bodies[i]), want))
					fail_msg("shape %zu piece %zu part %u: '%.*s'", shape,
					         piece, i, CV_STR_ARGS(cv_buf_view(&w.bodies[i])));
			}
			for (size_t i = 0; i < CV_COUNT(w.bodies); i++)
				cv_buf_done(&w.bodies[i]);
			cv_arena_done(&arena);
		}
	}
}

/* The bodies of MESSAGE as a watcher gets them, one after the other, each with its number. */
static void
gather(struct cv_str message, size_t piece, bool only_parts, struct watched *w)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_mime_scan *m = cv_mime_begin(&arena);
	for (size_t i = 0; i < CV_COUNT(w->bodies); i++)
		cv_buf_init(&w->bodies[i], 1 << 16);
	cv_mime_watch(m, watch, w);
	if (only_parts)
		cv_mime_only_parts(m);
	for (size_t i = 0; i < message.n; i += piece)
		cv_mime_feed(m, cv_str_sub(message, i, i + piece));
	cv_mime_finish(m);
	cv_arena_done(&arena);
}

static void
test_mime__finds_the_same_bodies_when_only_they_are_wanted(void **state)
{
	(void)state;
	static const char *const bits[] = {"\r\n", "\n", "\r", "-", "--", "--b", "--b--", "--b\r\n",
		"\r\n--b\r\n", "x", "y: z\r\n", "\r\n\r\n", "\n\n", " ",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		"Content-Type: message/rfc822\r\n\r\n", "Content-Type: a/b\r\n\r\n"};
	uint32_t random = 7;
	for (int round = 0; round < 3000; round++) {
		struct cv_buf text = CV_BUF_INIT(1 << 16);
		struct watched w[2];
		cv_buf_z(&text, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
		for (int i = 0; i < 40; i++) {
			random = random * 1664525u + 1013904223u;
			cv_buf_z(&text, bits[(random >> 16) % CV_COUNT(bits)]);
		}
		for (int k = 0; k < 2; k++)
			gather(cv_buf_view(&text), 1 + (random >> 20) % 60, k, &w[k]);
		for (size_t i = 0; i < CV_COUNT(w->bodies); i++) {
			if (!cv_str_eq(cv_buf_view(&w[0].bodies[i]), cv_buf_view(&w[1].bodies[i])))
				fail_msg("round %d part %zu of '%.*s'", round, i,
				         CV_STR_ARGS(cv_buf_view(&text)));
			cv_buf_done(&w[0].bodies[i]);
			cv_buf_done(&w[1].bodies[i]);
		}
		cv_buf_done(&text);
	}
}

static uint64_t
end_of(const struct cv_mime_part *p)
{
	return p->at.body_offset + p->at.body_bytes;
}

/* Each part lies inside what holds it, and sections lead to the deepest of them. */
static void
check_insides(const char *name, const struct cv_mime_tree *t)
{
	struct cv_buf path = CV_BUF_INIT(1000);
	struct cv_mime_section section;
	const struct cv_mime_part *last = &t->parts[t->count - 1];
	for (uint32_t i = 1; i < t->count; i++) {
		const struct cv_mime_part *p = &t->parts[i], *up = &t->parts[p->parent];
		if (p->at.header_offset < up->at.body_offset || end_of(p) > end_of(up))
			fail_msg("%s: part %u is not inside part %u", name, i, p->parent);
	}
	if (t->count != last->at.depth + 1)
		return;
	for (uint32_t i = 0; i < t->count; i++) {
		/* A message that is no multipart is its part 1; so is the child of a multipart. */
		if (i || t->parts[i].at.kind != CV_MIME_MULTIPART)
			cv_buf_z(&path, path.n ? ".1" : "1");
	}
	assert_false(cv_mime_section(cv_mime_tree_places(t), cv_buf_view(&path), &section));
	assert_int_equal(section.index, t->count - 1);
	cv_buf_done(&path);
}

static void
check_hostile(const char *name, struct cv_buf *message, bool limited, uint32_t max_parts)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf out = CV_BUF_INIT(64 << 20);
	const struct cv_mime_tree *t = cv_mime_scan(&arena, cv_buf_view(message));
	if (t->limited != limited || t->count > max_parts)
		fail_msg("%s: limited %d, %u parts", name, t->limited, t->count);
	for (uint32_t i = 0; i < t->count; i++) {
		const struct cv_mime_place *at = &t->parts[i].at;
		assert_true(at->depth <= CV_MIME_DEPTH_MAX);
		assert_true(at->body_offset + at->body_bytes <= t->size_bytes);
		assert_true(at->kind != CV_MIME_MULTIPART || t->parts[i].child_count > 0);
		assert_true(at->kind != CV_MIME_MESSAGE || t->parts[i].child_count == 1);
	}
	check_insides(name, t);
	assert_int_equal(cv_bodystructure_format(t, true, &out), CV_OK);
	cv_buf_done(&out);
	cv_arena_done(&arena);
	cv_buf_done(message);
}

static void
test_mime__keeps_its_limits(void **state)
{
	(void)state;
	struct cv_buf b = CV_BUF_INIT(64 << 20);
	for (int i = 0; i < 1000; i++)
		cv_buf_printf(&b, "Content-Type: multipart/mixed; boundary=b%04d\r\n\r\n--b%04d\r\n", i, i);
	check_hostile("deep multiparts", &b, true, CV_MIME_DEPTH_MAX + 1);
	for (int i = 0; i < 1000; i++)
		cv_buf_z(&b, "Content-Type: message/rfc822\r\n\r\n");
	check_hostile("deep messages", &b, true, CV_MIME_DEPTH_MAX + 1);
	for (int i = 0; i < 300; i++)
		cv_buf_printf(&b, "Content-Type: message/rfc822\r\nbad\r\n");
	check_hostile("messages with bad headers", &b, false, 3);
	cv_buf_z(&b, "Content-Type: multipart/digest; boundary=x\r\n\r\n");
	for (int i = 0; i < 30000; i++)
		cv_buf_z(&b, "--x\r\n\r\n");
	check_hostile("many messages", &b, true, CV_MIME_PARTS_MAX);
	cv_buf_z(&b, "Content-Type: multipart/mixed; boundary=x\n\n");
	for (int i = 0; i < 30000; i++)
		cv_buf_z(&b, "--x\n\n");
	check_hostile("many parts", &b, true, CV_MIME_PARTS_MAX);
	cv_buf_z(&b, "Content-Type: multipart/mixed; boundary=x\nX: ");
	for (int i = 0; i < 300000; i++)
		cv_buf_z(&b, "0123456789");
	cv_buf_z(&b, "\n\n--x\n\n--x\n");
	check_hostile("one long header line", &b, true, 1);
	cv_buf_z(&b, "Content-Type: multipart/mixed; boundary=x\n");
	for (int i = 0; i < 20000; i++)
		cv_buf_z(&b, "X: y\n");
	cv_buf_z(&b, "\n--x\n\n--x\n");
	check_hostile("many fields", &b, true, 1);
	cv_buf_z(&b, "Content-Type: multipart/mixed;");
	for (int i = 0; i < 3000; i++)
		cv_buf_z(&b, "a=\"b\";");
	check_hostile("many parameters", &b, false, 1);
	cv_buf_z(&b, "To: ");
	for (int i = 0; i < 100000; i++)
		cv_buf_z(&b, "a:b,");
	check_hostile("many addresses", &b, false, 1);
	cv_buf_z(&b, "Content-Type: text/plain ");
	for (int i = 0; i < 100000; i++)
		cv_buf_z(&b, "(");
	check_hostile("deep comments", &b, false, 1);
	cv_buf_z(&b, "\n");
	for (int i = 0; i < 1200000; i++)
		cv_buf_z(&b, "0123456789");
	check_hostile("one long body line", &b, false, 1);
}

static void
test_mime__cuts_large_headers_alike_in_pieces(void **state)
{
	(void)state;
	static const char *const ends[] = { "\r\nY: z\r\n\r\nbody\r\n", "\n z\n", "", "\r",
		                            "\n--x\n\na\n--x--" };
	for (size_t e = 0; e < CV_COUNT(ends); e++) {
		for (size_t over = 0; over < 8; over++) {
			struct cv_arena arena = CV_ARENA_INIT;
			struct cv_buf b = CV_BUF_INIT(4 << 20), want = CV_BUF_INIT(8 << 20);
			struct cv_buf got = CV_BUF_INIT(8 << 20);
			cv_buf_z(&b, "Content-Type: multipart/mixed; boundary=x\nX: ");
			while (b.n < CV_MIME_HEADER_MAX - 6 + over)
				cv_buf_c(&b, 'y');
			cv_buf_z(&b, ends[e]);
			describe(cv_mime_scan(&arena, cv_buf_view(&b)), &want);
			describe(scan_in_pieces(&arena, cv_buf_view(&b), 4093), &got);
			if (!cv_str_eq(cv_buf_view(&want), cv_buf_view(&got)))
				fail_msg("end %zu, %zu bytes: %.*s", e, b.n,
				         CV_STR_ARGS(cv_buf_view(&want)));
			cv_buf_done(&b);
			cv_buf_done(&want);
			cv_buf_done(&got);
			cv_arena_done(&arena);
		}
	}
}

static void
test_envelope__is_well_formed_whatever_was_sent(void **state)
{
	(void)state;
	static const struct {
		const char *header, *want;
	} rows[] = {
		/* RFC 3501 section 8. */
		{ "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n"
		  "Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n"
		  "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
		  "Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\nx",
		  "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" "
		  "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		  "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		  "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		  "((NIL NIL \"imap\" \"cac.washington.edu\")) "
		  "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) "
		  "NIL NIL \"<B27397-0100000@cac.washington.edu>\")" },
		{ "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Subject:\r\nSubject: second\r\n", "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Subject: a \"b\\\"\r\n\tc\r\n", "(NIL \"a \\\"b\\\\\\\"\tc\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Subject: Vi\xe1\xbb\x87t\r\n", "(NIL {6}\r\nVi\xe1\xbb\x87t NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "To: Nh\xc3\xb3m: a@b, c@d;, e@f\r\n",
		  "(NIL NIL NIL NIL NIL ((NIL NIL {5}\r\nNh\xc3\xb3m NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"
		  "(NIL NIL NIL NIL)(NIL NIL \"e\" \"f\")) NIL NIL NIL NIL)" },
		{ "From: a@b\r\nSender: c@d\r\nReply-To: \r\nTo: x@y\r\nTo: z@w\r\n",
		  "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"a\" \"b\")) "
		  "((NIL NIL \"x\" \"y\")(NIL NIL \"z\" \"w\")) NIL NIL NIL NIL)" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(1 << 16);
		assert_int_equal(cv_envelope_format(cv_str_z(rows[i].header), &out), CV_OK);
		if (!cv_str_eq_z(cv_buf_view(&out), rows[i].want))
			fail_msg("%zu\n got %.*s\nwant %s", i, CV_STR_ARGS(cv_buf_view(&out)),
			         rows[i].want);
		cv_buf_done(&out);
	}
	/* A circular's addresses are all there; a hostile list is cut and stays well formed. */
	struct cv_buf circular = CV_BUF_INIT(1 << 20), listed = CV_BUF_INIT(CV_ENVELOPE_MAX);
	cv_buf_z(&circular, "To: first@x.vn");
	for (int i = 0; i < 9000; i++)
		cv_buf_printf(&circular, ",\r\n person%d@lamgiang.example", i);
	cv_buf_z(&circular, "\r\n");
	assert_int_equal(cv_envelope_format(cv_buf_view(&circular), &listed), CV_OK);
	assert_non_null(strstr(listed.p, "(NIL NIL \"person8999\" \"lamgiang.example\")) NIL NIL NIL NIL)"));
	cv_buf_done(&circular);
	cv_buf_done(&listed);

	struct cv_buf small = CV_BUF_INIT(30);
	cv_buf_z(&small, "x");
	assert_int_equal(cv_envelope_format(CV_STR("Subject: s\r\n"), &small), CV_LIMIT);
	assert_int_equal(small.n, 1);
	cv_buf_done(&small);
}

static void
test_imap_string__quotes_or_counts(void **state)
{
	(void)state;
	static const struct {
		struct cv_str in;
		const char *want;
	} rows[] = {
		{ { "", 0 }, "\"\"" },
		{ { "a b", 3 }, "\"a b\"" },
		{ { "a\"\\", 3 }, "\"a\\\"\\\\\"" },
		{ { "a\r\nb", 4 }, "{4}\r\na\r\nb" },
		{ { "a\0b", 3 }, "\"ab\"" },
		{ { "\xff\0", 2 }, "{1}\r\n\xff" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(100);
		cv_imap_string(&out, rows[i].in);
		assert_true(cv_str_eq_z(cv_buf_view(&out), rows[i].want));
		cv_buf_done(&out);
	}
}

static void
test_mime__reads_names_of_attachments(void **state)
{
	(void)state;
	static const struct {
		const char *header, *want;
	} rows[] = {
		{ "Content-Disposition: attachment; filename*0*=utf-8''C%C3%B4ng%20;\r\n filename*1=\"v\xc4\x83n.pdf\"\r\n",
		  "Công văn.pdf" },
		{ "Content-Type: application/pdf; name=\"=?UTF-8?B?Q8O0bmc=?= =?UTF-8?B?LnBkZg==?=\"\r\n", "Công.pdf" },
		{ "Content-Disposition: attachment; filename=plain.doc\r\nContent-Type: a/b; name=x\r\n", "plain.doc" },
		{ "Content-Type: text/plain\r\n", "" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		const struct cv_mime_tree *t = cv_mime_scan(&arena, cv_str_z(rows[i].header));
		struct cv_str name = cv_mime_filename(&arena, &t->parts[0]);
		if (!cv_str_eq_z(name, rows[i].want))
			fail_msg("%zu: '%.*s'", i, CV_STR_ARGS(name));
		cv_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodystructure__describes_every_shape),
		cmocka_unit_test(test_section__finds_what_rfc_3501_names),
		cmocka_unit_test(test_mime__shows_the_bytes_of_each_leaf_to_a_watcher),
		cmocka_unit_test(test_mime__finds_the_same_bodies_when_only_they_are_wanted),
		cmocka_unit_test(test_mime__keeps_its_limits),
		cmocka_unit_test(test_mime__cuts_large_headers_alike_in_pieces),
		cmocka_unit_test(test_mime__reads_names_of_attachments),
		cmocka_unit_test(test_envelope__is_well_formed_whatever_was_sent),
		cmocka_unit_test(test_imap_string__quotes_or_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* milter_wire_test.c - packets of the milter protocol and edits of a header block. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "smtpd/milter_wire.h"

static void
test_packet__needs_all_its_bytes(void **state)
{
	struct cv_buf out = CV_BUF_INIT(1000);
	struct cv_str data, text;
	char command;
	size_t used, begin;

	(void)state;
	begin = milter_packet_begin(&out, 'L');
	milter_put_text(&out, CV_STR("Subject"));
	milter_put_text(&out, CV_STR("a\0b"));
	milter_packet_end(&out, begin);
	for (size_t n = 0; n < out.n; n++)
		assert_int_equal(milter_packet_parse(cv_str(out.p, n), &command, &data, &used),
		                 CV_AGAIN);
	cv_buf_z(&out, "next");
	assert_int_equal(milter_packet_parse(cv_buf_view(&out), &command, &data, &used), CV_OK);
	assert_int_equal(command, 'L');
	assert_int_equal(used, out.n - 4);
	assert_true(milter_get_text(&data, &text));
	assert_true(cv_str_eq_z(text, "Subject"));
	assert_true(milter_get_text(&data, &text));
	assert_true(cv_str_eq_z(text, "a b"));
	assert_false(milter_get_text(&data, &text));
	cv_buf_done(&out);
}

static void
test_packet__refuses_sizes_that_make_no_sense(void **state)
{
	struct cv_str data;
	char command;
	size_t used;

	(void)state;
	assert_int_equal(milter_packet_parse(CV_STR("\0\0\0\0"), &command, &data, &used), CV_LIMIT);
	assert_int_equal(milter_packet_parse(CV_STR("\377\377\377\377"), &command, &data, &used),
		CV_LIMIT);
	assert_int_equal(milter_packet_parse(CV_STR("\0\0\0\1c"), &command, &data, &used), CV_OK);
	assert_int_equal(used, 5);
}

static void
test_reply__takes_only_complete_4xx_and_5xx(void **state)
{
	static const struct {
		const char *name, *text;
		bool ok;
	} rows[] = {
		{ "plain", "550 5.7.1 Refused", true },
		{ "temporary", "451 4.7.1 Later", true },
		{ "several lines", "550-5.7.1 One\r\n550 5.7.1 Two", true },
		{ "code 250", "250 Fine", false },
		{ "no blank", "550", false },
		{ "letters", "5a0 x", false },
		{ "bare LF", "550 a\nb", false },
		{ "codes differ", "550-a\r\n551 b", false },
		{ "last line with a hyphen", "550-a", false },
		{ "line end at the end", "550 a\r\n", false },
		{ "escape byte", "550 \033[1m", false },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].name, milter_reply_is_valid(cv_str_z(rows[i].text)) == rows[i].ok);
	CHECK_END();
}

#define BYTES(text) {text, sizeof(text) - 1}

static void
test_offer__takes_only_what_was_offered(void **state)
{
	static const struct {
		const char *name;
		struct cv_str data;
		bool ok;
		uint32_t chunk;
	} rows[] = {
		{"nothing asked", {"\0\0\0\6\0\0\0\0\0\0\0\0", 12}, true, 65535},
		{"every action", {"\0\0\0\6\0\0\1\377\0\37\377\377", 12}, true, 65535},
		{"256K", {"\0\0\0\6\0\0\0\0\20\0\0\0", 12}, true, (256u << 10) - 1},
		{"1M", {"\0\0\0\6\0\0\0\0\60\0\0\0", 12}, true, (1u << 20) - 1},
		{"version 1", {"\0\0\0\1\0\0\0\0\0\0\0\0", 12}, false, 0},
		{"version 7", {"\0\0\0\7\0\0\0\0\0\0\0\0", 12}, false, 0},
		{"an action of the future", {"\0\0\0\6\0\0\2\0\0\0\0\0", 12}, false, 0},
		{"a step of the future", {"\0\0\0\6\0\0\0\0\0\40\0\0", 12}, false, 0},
		{"macros at HELO", {"\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\1i,j\0", 20}, true, 65535},
		{"a stage of the future", {"\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\7i\0", 18}, false, 0},
		{"a list without end", {"\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\1i", 17}, false, 0},
		{"half a stage", {"\0\0\0\6\0\0\1\0\0\0\0\0\0\0", 14}, false, 0},
	};
	struct milter_offer o;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		bool ok = milter_offer_parse(rows[i].data, &o) == CV_OK;
		CHECK(rows[i].name, ok == rows[i].ok);
		CHECK(rows[i].name, !ok || o.chunk == rows[i].chunk);
	}
	for (size_t n = 0; n < 12; n++)
		CHECK("cut short", milter_offer_parse(cv_str_sub(rows[0].data, 0, n), &o) != CV_OK);
	CHECK_END();
	assert_int_equal(milter_offer_parse(rows[8].data, &o), CV_OK);
	assert_true(o.has_macros[MILTER_AT_HELO] && !o.has_macros[MILTER_AT_MAIL]);
	assert_string_equal(o.macros[MILTER_AT_HELO], "i j");
}

static void
test_envelope__takes_addresses_and_parameters(void **state)
{
	static const struct {
		const char *name;
		char command;
		struct cv_str data;
		const char *address, *params; /* NULL: refused */
	} rows[] = {
		{"add", '+', BYTES("<a@b>\0"), "<a@b>", ""},
		{"add with parameters", '2', BYTES("<a@b>\0NOTIFY=NEVER\0"), "<a@b>", "NOTIFY=NEVER"},
		{"without parameters", '2', BYTES("<a@b>\0"), "<a@b>", ""},
		{"delete", '-', BYTES("a@b\0"), "a@b", ""},
		{"sender", 'e', BYTES("<>\0RET=FULL\0"), "<>", "RET=FULL"},
		{"no end", '+', BYTES("<a@b>"), NULL, NULL},
		{"empty", '+', BYTES("\0"), NULL, NULL},
		{"add with a second text", '+', BYTES("<a@b>\0x\0"), NULL, NULL},
		{"three texts", 'e', BYTES("<a@b>\0x\0y\0"), NULL, NULL},
		{"parameters without end", 'e', BYTES("<a@b>\0x"), NULL, NULL},
		{"a line end", '-', BYTES("<a@b>\r\n\0"), NULL, NULL},
		{"a control byte", 'e', BYTES("<a@b>\0\1\0"), NULL, NULL},
		{"another packet", 'h', BYTES("<a@b>\0"), NULL, NULL},
		{"no packet", '\0', BYTES("<a@b>\0"), NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct milter_envelope_change c;
		bool ok = milter_envelope_parse(rows[i].command, rows[i].data, &c) == CV_OK;
		CHECK(rows[i].name, ok == (rows[i].address != NULL));
		CHECK(rows[i].name, !ok || (cv_str_eq_z(c.address, rows[i].address) &&
						   cv_str_eq_z(c.params, rows[i].params)));
	}
	CHECK_END();
}

static const char message[] = "Received: by a\r\nSubject: =?utf-8?Q?a?=\r\n  folded\r\nX-A: 1\r\nx-a:2\r\n\r\nBody\r\n";

static void
test_header__keeps_untouched_fields_byte_for_byte(void **state)
{
	struct milter_header h;
	struct cv_buf out = CV_BUF_INIT(10000);

	(void)state;
	milter_header_read(&h, cv_str_z(message));
	assert_int_equal(h.count, 4);
	milter_header_write(&h, &out);
	assert_true(cv_str_eq(cv_buf_view(&out), cv_str(message, sizeof message - 1 - 6)));
	assert_false(h.changed);
	milter_header_done(&h);
	cv_buf_done(&out);
}

static void
test_header__edits_as_filters_ask(void **state)
{
	struct milter_header h;
	struct cv_buf out = CV_BUF_INIT(10000);

	(void)state;
	milter_header_read(&h, cv_str_z(message));
	assert_int_equal(milter_header_insert(&h, 0, CV_STR("Authentication-Results"),
		CV_STR("mail.example;\n\tspf=pass")), CV_OK);
	assert_int_equal(milter_header_change(&h, 2, CV_STR("X-A"), CV_STR_EMPTY), CV_OK);
	assert_int_equal(milter_header_change(&h, 1, CV_STR("X-A"), CV_STR("changed")), CV_OK);
	assert_int_equal(milter_header_change(&h, 1, CV_STR("X-New"), CV_STR("set")), CV_OK);
	assert_int_equal(milter_header_add(&h, CV_STR("X-Last"), CV_STR("z\r\n")), CV_OK);
	milter_header_write(&h, &out);
	assert_string_equal(out.p, "Authentication-Results: mail.example;\r\n\tspf=pass\r\n"
		"Received: by a\r\nSubject: =?utf-8?Q?a?=\r\n  folded\r\nX-A: changed\r\n"
		"X-New: set\r\nX-Last: z\r\n\r\n");
	milter_header_done(&h);
	cv_buf_done(&out);
}

static void
test_header__refuses_what_would_forge_fields(void **state)
{
	static const struct {
		const char *name, *field, *value;
	} rows[] = {
		{ "blank in the name", "X A", "v" },
		{ "colon in the name", "X:", "v" },
		{ "line that starts a field", "X", "v\nBcc: x" },
		{ "lone CR", "X", "v\rw" },
		{ "control byte", "X", "v\001" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct milter_header h;
		milter_header_read(&h, cv_str_z(message));
		CHECK(rows[i].name, milter_header_add(&h, cv_str_z(rows[i].field),
			cv_str_z(rows[i].value)) == CV_INVALID);
		CHECK(rows[i].name, h.count == 4);
		milter_header_done(&h);
	}
	CHECK_END();
}

static void
test_header__comes_back_as_it_was_saved(void **state)
{
	static const char two[] = "A: 1\r\nB: 2\r\n\r\nbody\r\n";
	struct milter_header h;
	struct milter_header_copy copy = { 0 };
	struct cv_buf out = CV_BUF_INIT(1000);

	(void)state;
	milter_header_read(&h, cv_str_z(two));
	assert_int_equal(milter_header_insert(&h, 0, CV_STR("First"), CV_STR("kept")), CV_OK);
	milter_header_save(&h, &copy);
	for (unsigned i = 0; i < 200; i++) /* the array moves */
		assert_int_equal(milter_header_add(&h, CV_STR("X"), CV_STR("gone")), CV_OK);
	assert_int_equal(milter_header_change(&h, 1, CV_STR("A"), CV_STR("gone")), CV_OK);
	assert_int_equal(milter_header_change(&h, 1, CV_STR("B"), CV_STR_EMPTY), CV_OK);
	milter_header_restore(&h, &copy);
	milter_header_write(&h, &out);
	assert_string_equal(out.p, "First: kept\r\nA: 1\r\nB: 2\r\n\r\n");
	assert_true(h.changed);
	free(copy.fields);
	cv_buf_done(&out);
	milter_header_done(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet__needs_all_its_bytes),
		cmocka_unit_test(test_packet__refuses_sizes_that_make_no_sense),
		cmocka_unit_test(test_reply__takes_only_complete_4xx_and_5xx),
		cmocka_unit_test(test_offer__takes_only_what_was_offered),
		cmocka_unit_test(test_envelope__takes_addresses_and_parameters),
		cmocka_unit_test(test_header__keeps_untouched_fields_byte_for_byte),
		cmocka_unit_test(test_header__edits_as_filters_ask),
		cmocka_unit_test(test_header__refuses_what_would_forge_fields),
		cmocka_unit_test(test_header__comes_back_as_it_was_saved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* fuzz: imapd */
/* imap_command_fuzz.c - any bytes framed into commands and parsed as every command's arguments. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For a client of IMAP4rev1, or of one that enabled everything. */
static void
parse_as_command(struct imapd_input *in, bool is_new)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_parse p = {.text = in->command,
		.arena = &arena,
		.spools = in->spools,
		.spool_count = in->spool_count,
		.utf8 = is_new,
		.no_charset = is_new,
		.rev2 = is_new,
		.uid_only = is_new};
	struct imapd_args args = {0};
	struct cv_str tag, name;

	if (imapd_parse_tag(&p, &tag) && imapd_parse_sp(&p) && imapd_parse_atom(&p, &name)) {
		bool is_uid = cv_str_ieq_z(name, "UID") && imapd_parse_sp(&p) &&
			      imapd_parse_atom(&p, &name);
		const struct imapd_cmd_row *row = imapd_cmd_find(name, is_uid);
		if (row && imapd_parse_args(&p, row->grammar, &args))
			assert(imapd_at_end(&p) && !p.fault);
	}
	cv_arena_done(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct imapd_input_limits limits = {
		.line = 2000, .literal = 500, .text = 3000, .message = 5000, .spool_dir = "/tmp"};
	struct imapd_input in = {0};
	/* The first byte says how the rest is cut. */
	size_t piece = size && data[0] ? data[0] : SIZE_MAX / 2;
	struct cv_str bytes = cv_str((const char *)data + (size > 0), size - (size > 0));

	for (size_t at = 0; at < bytes.n;) {
		size_t used;
		enum imapd_input_result r =
			imapd_input_feed(&in, &limits, cv_str_sub(bytes, at, at + piece), &used);
		at += used;
		if (r == IMAPD_INPUT_HOPELESS)
			break;
		if (r == IMAPD_INPUT_COMMAND) {
			parse_as_command(&in, false);
			parse_as_command(&in, true);
		}
		if (r == IMAPD_INPUT_COMMAND || r == IMAPD_INPUT_REFUSED)
			imapd_input_reset(&in);
	}
	imapd_input_done(&in);
	return 0;
}

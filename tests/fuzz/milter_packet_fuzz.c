/* fuzz: smtpd */
/* milter_packet_fuzz.c - whatever a filter sends, edits keep a header block a header block. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/milter_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size), packet, name, value;
	struct milter_header h;
	struct cv_buf out = CV_BUF_INIT(8u << 20);
	char command;
	size_t used;

	milter_header_read(&h, CV_STR("From: a@b.example\r\nTo: c@d.example\r\n\r\nx"));
	while (milter_packet_parse(in, &command, &packet, &used) == CV_OK) {
		milter_reply_is_valid(packet);
		struct milter_offer offer;
		struct milter_envelope_change change;
		/* What is taken is bounded, and nothing in it could end a line of ours. */
		if (milter_offer_parse(packet, &offer) == CV_OK)
			for (size_t i = 0; i < MILTER_STAGES; i++)
				assert(strlen(offer.macros[i]) < MILTER_MACRO_LIST_MAX);
		if (milter_envelope_parse(command, packet, &change) == CV_OK) {
			assert(change.address.n && change.address.n <= MILTER_ENVELOPE_TEXT_MAX);
			assert(cv_str_find(change.address, '\n', 0) == change.address.n);
			assert(cv_str_find(change.params, '\r', 0) == change.params.n);
		}
		struct cv_rd rd = cv_rd(packet);
		uint32_t index = cv_rd_be32(&rd);
		struct cv_str rest = cv_rd_take(&rd, cv_rd_left(&rd));
		if (milter_get_text(&rest, &name) && milter_get_text(&rest, &value)) {
			enum cv_status status =
				command == 'm' ? milter_header_change(&h, index, name, value)
					       : milter_header_insert(&h, index, name, value);
			(void)status;
		}
		in = cv_str_sub(in, used, in.n);
	}
	milter_header_write(&h, &out);
	/* One blank line, and it is the last: nothing a filter says can end the block early. */
	if (!out.full)
		assert(cv_str_search(cv_buf_view(&out), CV_STR("\r\n\r\n")) == out.n - 4);
	cv_buf_done(&out);
	milter_header_done(&h);
	return 0;
}

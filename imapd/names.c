/* names.c - see names.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/names.h"

#include "common/text/charset.h"
#include "common/text/envelope.h"
#include "common/text/utf7.h"

/* NFC, and INBOX in capitals: Macs send decomposed names, and they mean the same mailbox. */
static bool
normalize(struct cv_str text, struct cv_arena *arena, struct cv_str *out)
{
	struct cv_buf nfc = CV_BUF_INIT(2 * CV_UTF7_MAX);
	bool ok = !cv_utf8_nfc(text, &nfc);

	if (ok) {
		struct cv_str name = cv_arena_str(arena, cv_buf_view(&nfc));
		if (cv_str_ieq_z(name, "INBOX"))
			name = CV_STR("INBOX");
		*out = name;
	}
	cv_buf_done(&nfc);
	return ok;
}

bool
imapd_name_from_wire(struct cv_str wire, struct cv_arena *arena, struct cv_str *out)
{
	struct cv_buf text = CV_BUF_INIT(2 * CV_UTF7_MAX);
	bool ok = !cv_utf7_decode(wire, &text) && normalize(cv_buf_view(&text), arena, out);

	cv_buf_done(&text);
	return ok;
}

bool
imapd_name_from_utf8(struct cv_str wire, struct cv_arena *arena, struct cv_str *out)
{
	if (wire.n > CV_UTF7_MAX || !cv_utf8_is_valid(wire))
		return false;
	for (size_t at = 0; at < wire.n;) {
		uint32_t c = cv_utf8_next(wire, &at);
		if (c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
			return false;
	}
	return normalize(wire, arena, out);
}

/* Names hold no line end, so that a quoted string can always hold them. */
static void
write_quoted(struct cv_buf *out, struct cv_str s)
{
	cv_buf_c(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			cv_buf_c(out, '\\');
		cv_buf_c(out, s.p[i]);
	}
	cv_buf_c(out, '"');
}

void
imapd_write_name(struct cv_buf *out, struct cv_str name, bool utf8)
{
	bool is_plain = true;

	if (utf8) {
		write_quoted(out, name);
		return;
	}
	for (size_t i = 0; is_plain && i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		is_plain = c >= ' ' && c < 127 && c != '&';
	}
	if (is_plain) {
		cv_imap_string(out, name);
		return;
	}
	struct cv_buf wire = CV_BUF_INIT(4 * CV_UTF7_MAX);
	/* The store takes no name that cannot be written; an old one shows as it is. */
	if (cv_utf7_encode(name, &wire))
		cv_imap_string(out, name);
	else
		cv_imap_string(out, cv_buf_view(&wire));
	cv_buf_done(&wire);
}

/* How many bytes of NAME are "INBOX" as its first level, which is compared without case. */
static size_t
caseless_bytes(struct cv_str name, char separator)
{
	bool is_inbox = cv_str_has_prefix(name, "INBOX") && (name.n == 5 || name.p[5] == separator);
	return is_inbox ? 5 : 0;
}

static bool
is_same(char pattern, char name, bool caseless)
{
	return pattern == name ||
	       (caseless && pattern >= 'a' && pattern <= 'z' && pattern - 'a' + 'A' == name);
}

/* Iterative, with one place to go back to for each kind of star, so that no pattern is slow. */
bool
imapd_pattern_matches(struct cv_str pattern, struct cv_str name, char separator)
{
	size_t caseless = caseless_bytes(name, separator);
	size_t p = 0, n = 0;
	size_t star_p = SIZE_MAX, star_n = 0;       /* the last "*" */
	size_t percent_p = SIZE_MAX, percent_n = 0; /* the last "%" behind it */

	for (;;) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star_p = ++p;
			star_n = n;
			percent_p = SIZE_MAX;
		} else if (p < pattern.n && pattern.p[p] == '%') {
			percent_p = ++p;
			percent_n = n;
		} else if (p < pattern.n && n < name.n &&
			   is_same(pattern.p[p], name.p[n], n < caseless)) {
			p++;
			n++;
		} else if (p == pattern.n && n == name.n) {
			return true;
		} else if (percent_p != SIZE_MAX && percent_n < name.n &&
			   name.p[percent_n] != separator) {
			n = ++percent_n;
			p = percent_p;
		} else if (star_p != SIZE_MAX && star_n < name.n) {
			n = ++star_n;
			p = star_p;
			percent_p = SIZE_MAX;
		} else {
			return false;
		}
	}
}

static const struct {
	const char *word;
	uint32_t flag;
} flags_table[] = {
	{"\\Answered", CV_FLAG_ANSWERED},
	{"\\Flagged",  CV_FLAG_FLAGGED },
	{"\\Deleted",  CV_FLAG_DELETED },
	{"\\Seen",     CV_FLAG_SEEN    },
	{"\\Draft",    CV_FLAG_DRAFT   },
};

uint32_t
imapd_flag_of(struct cv_str word)
{
	for (size_t i = 0; i < CV_COUNT(flags_table); i++)
		if (cv_str_ieq_z(word, flags_table[i].word))
			return flags_table[i].flag;
	return 0;
}

void
imapd_write_flags(struct cv_buf *out, uint32_t flags, uint64_t keywords,
	const struct cv_keywords *names, bool is_recent)
{
	size_t start = out->n;

	for (size_t i = 0; flags && i < CV_COUNT(flags_table); i++) {
		if (!(flags & flags_table[i].flag))
			continue;
		if (out->n > start)
			cv_buf_c(out, ' ');
		cv_buf_z(out, flags_table[i].word);
	}
	for (uint32_t i = 0; keywords && names && i < names->count; i++) {
		if (!(keywords >> i & 1))
			continue;
		if (out->n > start)
			cv_buf_c(out, ' ');
		cv_buf_z(out, names->names[i]);
	}
	if (is_recent) {
		if (out->n > start)
			cv_buf_c(out, ' ');
		cv_buf_z(out, "\\Recent");
	}
}

static const struct {
	const char *word;
	enum cv_special_use use;
} uses_table[] = {
	{"\\Drafts",  CV_USE_DRAFTS },
	{"\\Sent",    CV_USE_SENT   },
	{"\\Junk",    CV_USE_JUNK   },
	{"\\Trash",   CV_USE_TRASH  },
	{"\\Archive", CV_USE_ARCHIVE},
	{"\\All",     CV_USE_ALL    },
	{"\\Flagged", CV_USE_FLAGGED},
};

const char *
imapd_use_word(enum cv_special_use use)
{
	for (size_t i = 0; i < CV_COUNT(uses_table); i++)
		if (uses_table[i].use == use)
			return uses_table[i].word;
	return NULL;
}

enum cv_special_use
imapd_use_of(struct cv_str word)
{
	for (size_t i = 0; i < CV_COUNT(uses_table); i++)
		if (cv_str_ieq_z(word, uses_table[i].word))
			return uses_table[i].use;
	return CV_USE_NONE;
}

static const char *
write_id(char letter, const uint8_t id[16], char out[IMAPD_OBJECTID_MAX])
{
	static const char digits[] = "0123456789abcdef";
	char *at = out;

	*at++ = letter;
	for (unsigned i = 0; i < 16; i++) {
		*at++ = digits[id[i] >> 4];
		*at++ = digits[id[i] & 15];
	}
	*at = '\0';
	return out;
}

const char *
imapd_email_id(const struct cv_msg *msg, char out[IMAPD_OBJECTID_MAX])
{
	return write_id('M', msg->email_id, out);
}

const char *
imapd_thread_id(const struct cv_msg *msg, char out[IMAPD_OBJECTID_MAX])
{
	return write_id('T', msg->thread_id, out);
}

const char *
imapd_mailbox_id(uint64_t id, uint64_t other, char out[IMAPD_OBJECTID_MAX])
{
	if (other)
		snprintf(out, IMAPD_OBJECTID_MAX, "F%llx-%llx", (unsigned long long)id,
			(unsigned long long)other);
	else
		snprintf(out, IMAPD_OBJECTID_MAX, "F%llx", (unsigned long long)id);
	return out;
}

/* summary.c - building summaries while a message is scanned, and their stored form. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/summary.h"

#include "common/text/address.h"
#include "common/text/bodystructure.h"
#include "common/text/charset.h"
#include "common/text/date.h"
#include "common/text/encoded_word.h"
#include "common/text/envelope.h"
#include "common/text/fold.h"
#include "common/text/preview.h"
#include "common/text/summary_internal.h"

#define MESSAGE_ID_MAX 998          /* a longer one is taken for broken */
#define ADDRESS_LOOKED_AT (8u << 10) /* of a field, for its first address */
#define ZONE_BIAS (CV_ZONE_MAX + 1)

struct cv_summary_scan {
	struct cv_arena *arena;
	struct cv_mime_scan *mime;
	struct cv_preview preview;
	struct cv_summary out;
};

/* B's bytes in ARENA; frees B. */
static struct cv_str
keep(struct cv_arena *arena, struct cv_buf *b)
{
	struct cv_str kept = cv_arena_str(arena, cv_buf_view(b));
	cv_buf_done(b);
	return kept;
}

/* ---- from the header ---- */

/* "<id>" in ARENA, or empty. */
static struct cv_str
first_id(struct cv_arena *arena, struct cv_str value)
{
	struct cv_str id;
	if (!cv_msgid_next(&value, &id) || id.n > MESSAGE_ID_MAX)
		return CV_STR_EMPTY;
	return cv_arena_printf(arena, "<%.*s>", CV_STR_ARGS(id));
}

/* All ids of VALUE, the last CV_SUMMARY_REFS_MAX bytes of them. */
static struct cv_str
all_ids(struct cv_arena *arena, struct cv_str value)
{
	struct cv_buf all = CV_BUF_INIT(CV_HEADER_BYTES_MAX);
	struct cv_str id;
	while (cv_msgid_next(&value, &id)) {
		if (id.n > MESSAGE_ID_MAX)
			continue;
		if (all.n)
			cv_buf_c(&all, ' ');
		cv_buf_c(&all, '<');
		cv_buf_str(&all, id);
		cv_buf_c(&all, '>');
	}
	if (all.n > CV_SUMMARY_REFS_MAX) {
		cv_buf_drop(&all, all.n - CV_SUMMARY_REFS_MAX);
		cv_buf_drop(&all, cv_str_find(cv_buf_view(&all), ' ', 0) + 1);
	}
	return keep(arena, &all);
}

static struct cv_str
sort_key(struct cv_arena *arena, struct cv_str utf8)
{
	struct cv_buf key = CV_BUF_INIT(CV_SUMMARY_SUBJECT_MAX * 8);
	(void)cv_vi_sort_key(cv_utf8_cut(utf8, CV_SUMMARY_SUBJECT_MAX), &key); /* fits */
	key.n = CV_MIN(key.n, (size_t)CV_SUMMARY_KEY_MAX);
	return keep(arena, &key);
}

static void
set_subject(struct cv_summary_scan *s, struct cv_str value)
{
	struct cv_buf text = CV_BUF_INIT(CV_HEADER_BYTES_MAX * 4),
		      base = CV_BUF_INIT(CV_HEADER_BYTES_MAX);
	bool is_reply;
	cv_words_decode(cv_str_sub(value, 0, CV_SUMMARY_SUBJECT_MAX * 4), CV_STR_EMPTY, &text);
	cv_base_subject(cv_buf_view(&text), &base, &is_reply);
	cv_buf_done(&text);
	s->out.base_subject = keep(s->arena, &base);
	s->out.sort_subject = sort_key(s->arena, s->out.base_subject);
	s->out.flags |= is_reply ? CV_SUMMARY_IS_REPLY : 0;
}

static void
set_date(struct cv_summary_scan *s, struct cv_str value)
{
	struct cv_date date;
	if (cv_date_parse_mail(value, &date))
		return;
	s->out.sent_secs = date.unix_secs;
	s->out.sent_zone_mins = date.zone_min;
	s->out.flags |= CV_SUMMARY_HAS_SENT;
}

/* The mailbox of the first address, and the key of its name, or of the address itself
 * (RFC 5957). */
static void
set_address(struct cv_summary_scan *s, struct cv_str value, struct cv_str *mailbox,
            struct cv_str *display)
{
	struct cv_arena scratch = CV_ARENA_INIT;
	struct cv_addr_list list;
	struct cv_buf text = CV_BUF_INIT(ADDRESS_LOOKED_AT * 8),
		      low = CV_BUF_INIT(ADDRESS_LOOKED_AT);
	cv_addr_list_parse(&scratch, cv_str_sub(value, 0, ADDRESS_LOOKED_AT), &list);
	if (list.n) {
		const struct cv_addr *a = &list.items[0];
		struct cv_str name = a->kind == CV_ADDR_GROUP_START ? a->mailbox : a->name;
		(void)cv_fold_ascii(cv_str_sub(a->mailbox, 0, CV_SUMMARY_KEY_MAX), &low); /* fits */
		if (name.n) {
			cv_words_decode(name, CV_STR_EMPTY, &text);
		} else {
			cv_words_decode(a->mailbox, CV_STR_EMPTY, &text);
			cv_buf_c(&text, '@');
			cv_words_decode(a->host, CV_STR_EMPTY, &text);
		}
	}
	*mailbox = keep(s->arena, &low);
	if (display)
		*display = sort_key(s->arena, cv_buf_view(&text));
	cv_buf_done(&text);
	cv_arena_done(&scratch);
}

static void
set_from(struct cv_summary_scan *s, struct cv_str value)
{
	set_address(s, value, &s->out.sort_from, &s->out.sort_display_from);
}

static void
set_to(struct cv_summary_scan *s, struct cv_str value)
{
	set_address(s, value, &s->out.sort_to, &s->out.sort_display_to);
}

static void
set_cc(struct cv_summary_scan *s, struct cv_str value)
{
	set_address(s, value, &s->out.sort_cc, NULL);
}

static void
set_message_id(struct cv_summary_scan *s, struct cv_str value)
{
	s->out.message_id = first_id(s->arena, value);
}

static void
set_in_reply_to(struct cv_summary_scan *s, struct cv_str value)
{
	s->out.in_reply_to = first_id(s->arena, value);
}

static void
set_references(struct cv_summary_scan *s, struct cv_str value)
{
	s->out.references = all_ids(s->arena, value);
}

static const struct {
	const char *name;
	void (*set)(struct cv_summary_scan *s, struct cv_str value);
} setters[] = {
	{ "subject",     set_subject     },
	{ "date",        set_date        },
	{ "from",        set_from        },
	{ "to",          set_to          },
	{ "cc",          set_cc          },
	{ "message-id",  set_message_id  },
	{ "in-reply-to", set_in_reply_to },
	{ "references",  set_references  },
};

/* The first field of each name counts, in one pass over the header. */
static void
read_message_header(struct cv_summary_scan *s, struct cv_str block)
{
	struct cv_header_scan scan;
	struct cv_field f;
	unsigned seen = 0;
	cv_header_scan_init(&scan, block);
	while (cv_header_next(&scan, &f)) {
		for (size_t i = 0; i < CV_COUNT(setters); i++) {
			if (seen & 1u << i || !cv_str_ieq_z(f.name, setters[i].name))
				continue;
			seen |= 1u << i;
			setters[i].set(s, f.value);
			break;
		}
	}
	if (!s->out.references.n)
		s->out.references = s->out.in_reply_to;

	struct cv_buf raw = CV_BUF_INIT(CV_SUMMARY_HEADERS_MAX);
	cv_summary_cache_fields(block, &raw);
	if (raw.full)
		s->out.missing |= CV_SUMMARY_HEADERS;
	else
		s->out.headers = cv_arena_str(s->arena, cv_buf_view(&raw));
	cv_buf_done(&raw);
}

/* ---- while the message passes ---- */

static bool
is_attachment(const struct cv_mime_part *p)
{
	if (p->at.kind == CV_MIME_MULTIPART)
		return false;
	if (cv_str_eq_z(p->disposition, "attachment"))
		return true;
	if (cv_str_eq_z(p->disposition, "inline"))
		return false;
	for (size_t i = 0; i < p->disposition_params.n; i++)
		if (cv_str_has_prefix(p->disposition_params.items[i].name, "filename"))
			return true;
	for (size_t i = 0; i < p->params.n; i++) {
		struct cv_str name = p->params.items[i].name;
		if (cv_str_eq_z(name, "name") || cv_str_has_prefix(name, "name*"))
			return true;
	}
	return false;
}

static void
on_header(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str block)
{
	struct cv_summary_scan *s = ctx;
	if (index == 0)
		read_message_header(s, block);
	if (is_attachment(part))
		s->out.flags |= CV_SUMMARY_HAS_ATTACHMENT;
	cv_preview_header(&s->preview, index, part);
}

static void
on_body(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct cv_summary_scan *s = ctx;
	(void)part;
	cv_preview_body(&s->preview, index, bytes);
}

struct cv_summary_scan *
cv_summary_begin(struct cv_arena *arena)
{
	struct cv_summary_scan *s = cv_calloc(1, sizeof *s);
	s->arena = arena;
	s->mime = cv_mime_begin(arena);
	cv_preview_init(&s->preview);
	cv_mime_watch_headers(s->mime, on_header, s);
	cv_mime_watch(s->mime, on_body, s);
	return s;
}

void
cv_summary_feed(struct cv_summary_scan *s, struct cv_str bytes)
{
	cv_mime_feed(s->mime, bytes);
}

void
cv_summary_abandon(struct cv_summary_scan *s)
{
	if (s->mime)
		cv_mime_abandon(s->mime);
	cv_preview_done(&s->preview);
	free(s);
}

/* ---- at the end ---- */

static struct cv_str
structure(struct cv_summary_scan *s, const struct cv_mime_tree *tree, bool extended)
{
	struct cv_buf b = CV_BUF_INIT(CV_SUMMARY_MAX);
	if (cv_bodystructure_format(tree, extended, &b))
		s->out.missing |= extended ? CV_SUMMARY_BODYSTRUCTURE : CV_SUMMARY_BODY;
	return keep(s->arena, &b);
}

static struct cv_str
places(struct cv_summary_scan *s, const struct cv_mime_tree *tree)
{
	struct cv_buf b = CV_BUF_INIT(CV_SUMMARY_MAX);
	cv_mime_places_encode(tree, &b);
	if (b.full) {
		s->out.missing |= CV_SUMMARY_PARTS;
		cv_buf_reset(&b);
	}
	return keep(s->arena, &b);
}

void
cv_summary_finish(struct cv_summary_scan *s, struct cv_summary *out,
                  const struct cv_mime_tree **tree_out)
{
	const struct cv_mime_tree *tree = cv_mime_finish(s->mime);
	s->mime = NULL;
	s->out.size_bytes = tree->size_bytes;
	s->out.header_bytes = tree->parts[0].at.header_bytes;
	s->out.part_count = tree->count;
	s->out.flags |= (tree->limited ? CV_SUMMARY_LIMITED : 0) |
	                (tree->has_nul ? CV_SUMMARY_HAS_NUL : 0) |
	                (tree->has_8bit_header ? CV_SUMMARY_8BIT_HEADER : 0);
	s->out.envelope = tree->parts[0].envelope;
	if (!s->out.envelope.n || s->out.envelope.n > CV_SUMMARY_MAX) {
		s->out.missing |= CV_SUMMARY_ENVELOPE;
		s->out.envelope = CV_STR_EMPTY;
	}
	s->out.body = structure(s, tree, false);
	s->out.bodystructure = structure(s, tree, true);
	s->out.places = places(s, tree);
	struct cv_buf preview = CV_BUF_INIT(CV_SUMMARY_PREVIEW_CHARS * 4 + 4);
	cv_preview_write(&s->preview, CV_SUMMARY_PREVIEW_CHARS, &preview);
	s->out.preview = keep(s->arena, &preview);

	*out = s->out;
	if (tree_out)
		*tree_out = tree;
	cv_summary_abandon(s);
}

/* Well formed whatever the message is: the last resort for a structure beyond its limit. */
static struct cv_str
opaque_structure(struct cv_arena *arena, const struct cv_mime_tree *tree, bool extended)
{
	return cv_arena_printf(arena,
		"(\"application\" \"octet-stream\" NIL NIL NIL \"binary\" %llu%s)",
		(unsigned long long)tree->parts[0].at.body_bytes,
		extended ? " NIL NIL NIL NIL" : "");
}

static struct cv_str
whole_structure(struct cv_arena *arena, const struct cv_mime_tree *tree, bool extended)
{
	struct cv_buf b = CV_BUF_INIT(CV_SUMMARY_STRUCTURE_MAX);
	enum cv_status status = cv_bodystructure_format(tree, extended, &b);
	struct cv_str kept = keep(arena, &b);
	return status ? opaque_structure(arena, tree, extended) : kept;
}

void
cv_summary_complete(struct cv_arena *arena, const struct cv_mime_tree *tree, uint32_t wanted,
                    struct cv_summary *summary)
{
	wanted &= summary->missing & ~CV_SUMMARY_HEADERS;
	if (wanted & CV_SUMMARY_ENVELOPE) {
		struct cv_str envelope = tree->parts[0].envelope;
		summary->envelope = envelope.n ? envelope : CV_STR(CV_ENVELOPE_EMPTY);
	}
	if (wanted & CV_SUMMARY_BODY)
		summary->body = whole_structure(arena, tree, false);
	if (wanted & CV_SUMMARY_BODYSTRUCTURE)
		summary->bodystructure = whole_structure(arena, tree, true);
	if (wanted & CV_SUMMARY_PARTS) {
		/* Parts are limited, and each has three words of a limited field. */
		struct cv_buf b = CV_BUF_INIT(CV_MIME_PARTS_MAX * (3 * CV_MIME_VALUE_MAX + 64));
		cv_mime_places_encode(tree, &b);
		summary->places = keep(arena, &b);
	}
	summary->missing &= ~wanted;
}

void
cv_summary_build(struct cv_arena *arena, struct cv_str message, struct cv_summary *out)
{
	struct cv_summary_scan *s = cv_summary_begin(arena);
	cv_summary_feed(s, message);
	cv_summary_finish(s, out, NULL);
}

struct cv_mime_places
cv_summary_places(const struct cv_summary *summary)
{
	return cv_mime_places_decode(summary->places);
}

/* ---- the stored form ----
 *
 * Version, missing, flags, size, header size, parts, date (zigzag), zone (biased), then the texts
 * in the order of this table, each behind its length.
 */
#define TEXT(member) offsetof(struct cv_summary, member)
static const size_t texts[] = {
	TEXT(envelope), TEXT(body), TEXT(bodystructure), TEXT(places), TEXT(headers),
	TEXT(message_id), TEXT(in_reply_to), TEXT(references), TEXT(base_subject),
	TEXT(sort_subject), TEXT(sort_from), TEXT(sort_to), TEXT(sort_cc), TEXT(sort_display_from),
	TEXT(sort_display_to), TEXT(preview),
};

static struct cv_str *
text_at(struct cv_summary *s, size_t i)
{
	return (struct cv_str *)(void *)((char *)s + texts[i]);
}

/* Leaves the bulkiest texts out until the rest fits. */
static void
trim(struct cv_summary *s)
{
	const struct {
		struct cv_str *text;
		uint32_t bit;
	} order[] = {
		{ &s->headers,       CV_SUMMARY_HEADERS       },
		{ &s->bodystructure, CV_SUMMARY_BODYSTRUCTURE },
		{ &s->body,          CV_SUMMARY_BODY          },
		{ &s->places,        CV_SUMMARY_PARTS         },
		{ &s->envelope,      CV_SUMMARY_ENVELOPE      },
	};
	size_t total = 64 + CV_COUNT(texts) * 3; /* more than the numbers need */
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		total += text_at(s, i)->n;
	for (size_t i = 0; i < CV_COUNT(order) && total > CV_SUMMARY_MAX; i++) {
		total -= order[i].text->n;
		*order[i].text = CV_STR_EMPTY;
		s->missing |= order[i].bit;
	}
}

void
cv_summary_encode(const struct cv_summary *summary, struct cv_buf *out)
{
	struct cv_summary s = *summary;
	trim(&s);
	cv_buf_c(out, CV_SUMMARY_VERSION);
	cv_buf_varint(out, s.missing);
	cv_buf_varint(out, s.flags);
	cv_buf_varint(out, s.size_bytes);
	cv_buf_varint(out, s.header_bytes);
	cv_buf_varint(out, s.part_count);
	cv_buf_varint(out, (uint64_t)s.sent_secs << 1 ^ (s.sent_secs < 0 ? UINT64_MAX : 0));
	cv_buf_varint(out, (uint64_t)(s.sent_zone_mins + ZONE_BIAS));
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		cv_buf_bytes(out, *text_at(&s, i));
}

enum cv_status
cv_summary_decode(struct cv_str stored, struct cv_summary *out)
{
	struct cv_rd r = cv_rd(stored);
	if (cv_rd_u8(&r) != CV_SUMMARY_VERSION)
		return CV_CORRUPT;
	out->missing = (uint32_t)cv_rd_varint(&r);
	out->flags = (uint32_t)cv_rd_varint(&r);
	out->size_bytes = cv_rd_varint(&r);
	out->header_bytes = cv_rd_varint(&r);
	out->part_count = (uint32_t)cv_rd_varint(&r);
	uint64_t secs = cv_rd_varint(&r);
	out->sent_secs = (int64_t)(secs >> 1 ^ (~(secs & 1) + 1));
	uint64_t zone = cv_rd_varint(&r);
	if (zone > 2 * ZONE_BIAS)
		return CV_CORRUPT;
	out->sent_zone_mins = (int32_t)zone - ZONE_BIAS;
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		*text_at(out, i) = cv_rd_bytes(&r);
	return r.bad || cv_rd_left(&r) ? CV_CORRUPT : CV_OK;
}

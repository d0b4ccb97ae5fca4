/* mime_fields.c - what the header of a part says: one function a field, a table to find it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/encoded_word.h"
#include "common/text/envelope.h"
#include "common/text/mime_internal.h"

struct reading {
	struct cv_arena *arena, *scratch;
	struct cv_mime_part *part;
	struct cv_str boundary;
	unsigned seen; /* bits of fields read: the first of a name counts */
};

static struct cv_str
lower_copy(struct cv_arena *arena, struct cv_str s)
{
	struct cv_str copy = cv_arena_str(arena, s);
	for (size_t i = 0; i < copy.n; i++)
		((char *)(uintptr_t)copy.p)[i] = (char)cv_lower((unsigned char)copy.p[i]);
	return copy;
}

/* VALUE on one line, without blanks at both ends. */
static struct cv_str
unfolded(struct cv_arena *arena, struct cv_str value)
{
	struct cv_buf b = CV_BUF_INIT(CV_MIME_VALUE_MAX + 1);
	cv_header_unfold(cv_str_sub(value, 0, CV_MIME_VALUE_MAX), &b);
	struct cv_str kept = cv_arena_str(arena, cv_buf_view(&b));
	cv_buf_done(&b);
	return kept;
}

/* Parsed in scratch, because a parameter's text takes room for the rest of its field there. */
static struct cv_params
read_params(struct reading *r, struct cv_str value)
{
	struct cv_params p, kept;
	cv_params_parse(r->scratch, cv_str_sub(value, 0, CV_MIME_VALUE_MAX), &p);
	kept = p;
	kept.items = CV_ARENA_ARRAY(r->arena, struct cv_param, p.n);
	for (size_t i = 0; i < p.n; i++) {
		kept.items[i] = p.items[i];
		kept.items[i].name = lower_copy(r->arena, p.items[i].name);
		kept.items[i].value = cv_arena_str(r->arena, p.items[i].value);
	}
	kept.value = lower_copy(r->arena, p.value);
	return kept;
}

static void
read_boundary(struct reading *r)
{
	struct cv_params joined;
	cv_params_join(r->scratch, &r->part->params, &joined);
	const struct cv_param *b = cv_params_find(&joined, "boundary");
	struct cv_str text = b ? b->value : CV_STR_EMPTY;
	while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
		text.n--;
	if (text.n && text.n <= CV_MIME_BOUNDARY_MAX)
		r->boundary = cv_arena_str(r->arena, text);
}

static void
read_type(struct reading *r, struct cv_str value)
{
	struct cv_mime_part *p = r->part;
	struct cv_str type, subtype;
	struct cv_params params = read_params(r, value);
	if (cv_params_media(&params, &type, &subtype)) {
		p->at.type = type;
		p->at.subtype = subtype;
	} else if (!cv_str_eq_z(params.value, "text")) {
		return; /* RFC 2045 5.2: what cannot be read is text/plain */
	} else {
		p->at.type = CV_STR("text");
		p->at.subtype = CV_STR("plain");
	}
	p->has_type = true;
	p->params = params;
	const struct cv_param *charset = cv_params_find(&params, "charset");
	p->at.charset = charset ? charset->value : CV_STR_EMPTY;
}

static void
read_disposition(struct reading *r, struct cv_str value)
{
	struct cv_params params = read_params(r, value);
	r->part->disposition = params.value;
	r->part->disposition_params = params;
}

static void
read_encoding(struct reading *r, struct cv_str value)
{
	/* The same comments and blanks are allowed here as before a first parameter. */
	struct cv_params params;
	cv_params_parse(r->scratch, cv_str_sub(value, 0, CV_MIME_VALUE_MAX), &params);
	r->part->encoding_name = lower_copy(r->arena, params.value);
	r->part->at.encoding = cv_mime_encoding_of(r->part->encoding_name);
}

static void
read_id(struct reading *r, struct cv_str value)
{
	r->part->id = unfolded(r->arena, value);
}

static void
read_description(struct reading *r, struct cv_str value)
{
	r->part->description = unfolded(r->arena, value);
}

static void
read_md5(struct reading *r, struct cv_str value)
{
	r->part->md5 = unfolded(r->arena, value);
}

static void
read_location(struct reading *r, struct cv_str value)
{
	r->part->location = unfolded(r->arena, value);
}

static void
read_languages(struct reading *r, struct cv_str value)
{
	struct cv_str rest = unfolded(r->arena, value), tag;
	struct cv_str tags[16];
	uint32_t n = 0;
	while (n < CV_COUNT(tags) && cv_str_split(&rest, ',', &tag)) {
		tag = cv_str_trim(tag);
		if (tag.n)
			tags[n++] = tag;
	}
	struct cv_str *kept = CV_ARENA_ARRAY(r->arena, struct cv_str, n);
	for (uint32_t i = 0; i < n; i++)
		kept[i] = tags[i];
	r->part->languages = kept;
	r->part->language_count = n;
}

static const struct {
	const char *name;
	void (*read)(struct reading *r, struct cv_str value);
} fields[] = {
	{ "content-type",              read_type        },
	{ "content-transfer-encoding", read_encoding    },
	{ "content-disposition",       read_disposition },
	{ "content-id",                read_id          },
	{ "content-description",       read_description },
	{ "content-md5",               read_md5         },
	{ "content-language",          read_languages   },
	{ "content-location",          read_location    },
};

static void
read_field(struct reading *r, const struct cv_field *f)
{
	if (f->name.n < 10 || !cv_str_has_iprefix(f->name, "content-"))
		return;
	for (size_t i = 0; i < CV_COUNT(fields); i++) {
		if (!cv_str_ieq_z(f->name, fields[i].name))
			continue;
		if (!(r->seen & 1u << i))
			fields[i].read(r, f->value);
		r->seen |= 1u << i;
		return;
	}
}

enum cv_mime_encoding
cv_mime_encoding_of(struct cv_str name)
{
	static const struct {
		const char *name;
		enum cv_mime_encoding encoding;
	} rows[] = {
		{ "", CV_MIME_7BIT },
		{ "7bit", CV_MIME_7BIT },
		{ "8bit", CV_MIME_8BIT },
		{ "binary", CV_MIME_BINARY },
		{ "quoted-printable", CV_MIME_QP },
		{ "base64", CV_MIME_BASE64 },
		{ "x-uuencode", CV_MIME_UUENCODE },
		{ "x-uue", CV_MIME_UUENCODE },
		{ "uuencode", CV_MIME_UUENCODE },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_ieq_z(name, rows[i].name))
			return rows[i].encoding;
	return CV_MIME_OTHER;
}

bool
cv_mime_has_8bit(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return true;
	return false;
}

/* What kind of part the type makes. A message that is encoded, though RFC 2046 forbids that, is
 * not looked into. */
static void
set_kind(struct reading *r)
{
	struct cv_mime_part *p = r->part;
	bool encoded = p->at.encoding == CV_MIME_QP || p->at.encoding == CV_MIME_BASE64 ||
	               p->at.encoding == CV_MIME_UUENCODE;
	p->at.kind = CV_MIME_LEAF;
	if (cv_str_eq_z(p->at.type, "multipart")) {
		read_boundary(r);
		p->at.kind = r->boundary.n ? CV_MIME_MULTIPART : CV_MIME_TEXT;
		if (!r->boundary.n) {
			p->broken = true;
			p->at.type = CV_STR("text");
			p->at.subtype = CV_STR("plain");
		}
	} else if (cv_str_eq_z(p->at.type, "message") && (cv_str_eq_z(p->at.subtype, "rfc822") ||
	                                                   cv_str_eq_z(p->at.subtype, "global"))) {
		p->at.kind = encoded ? CV_MIME_LEAF : CV_MIME_MESSAGE;
		if (encoded) {
			p->at.type = CV_STR("application");
			p->at.subtype = CV_STR("octet-stream");
		}
	} else if (cv_str_eq_z(p->at.type, "text")) {
		p->at.kind = CV_MIME_TEXT;
	}
}

void
cv_mime_read_fields(struct cv_arena *arena, struct cv_arena *scratch, struct cv_str block,
                    bool in_digest, size_t envelope_max, struct cv_mime_part *part,
                    struct cv_str *boundary_out)
{
	struct reading r = { .arena = arena, .scratch = scratch, .part = part };
	part->at.type = in_digest ? CV_STR("message") : CV_STR("text");
	part->at.subtype = in_digest ? CV_STR("rfc822") : CV_STR("plain");

	struct cv_header_scan scan;
	struct cv_field field;
	cv_header_scan_init(&scan, block);
	while (cv_header_next(&scan, &field))
		read_field(&r, &field);
	set_kind(&r);
	*boundary_out = r.boundary;

	if (envelope_max) {
		struct cv_buf envelope = CV_BUF_INIT(CV_MIN(envelope_max, (size_t)CV_ENVELOPE_MAX));
		if (cv_envelope_format(block, &envelope) == CV_OK)
			part->envelope = cv_arena_str(arena, cv_buf_view(&envelope));
		cv_buf_done(&envelope);
	}
}

struct cv_str
cv_mime_param(struct cv_arena *arena, const struct cv_params *params, const char *name)
{
	struct cv_params joined;
	cv_params_join(arena, params, &joined);
	const struct cv_param *p = cv_params_find(&joined, name);
	if (!p || !p->value.n)
		return CV_STR_EMPTY;
	struct cv_buf text = CV_BUF_INIT(CV_MIME_VALUE_MAX * 4);
	cv_param_text(p, &text);
	struct cv_str kept = cv_arena_str(arena, cv_buf_view(&text));
	cv_buf_done(&text);
	return kept;
}

struct cv_str
cv_mime_filename(struct cv_arena *arena, const struct cv_mime_part *part)
{
	struct cv_str name = cv_mime_param(arena, &part->disposition_params, "filename");
	return name.n ? name : cv_mime_param(arena, &part->params, "name");
}

/* milter_wire.c - see milter_wire.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/milter_wire.h"

#include "common/text/header.h"

#define FIELDS_MAX (CV_HEADER_FIELDS_MAX + 1000u)

size_t
milter_packet_begin(struct cv_buf *out, char command)
{
	size_t begin = out->n;

	cv_buf_be32(out, 0);
	cv_buf_c(out, command);
	return begin;
}

void
milter_packet_end(struct cv_buf *out, size_t begin)
{
	size_t n = out->n - begin - 4;

	if (out->full)
		return;
	for (unsigned i = 0; i < 4; i++)
		out->p[begin + i] = (char)(n >> (24 - 8 * i));
}

void
milter_put_bytes(struct cv_buf *out, struct cv_str text)
{
	for (size_t at = 0; at < text.n;) {
		size_t nul = cv_str_find(text, '\0', at);
		cv_buf_str(out, cv_str_sub(text, at, nul));
		if (nul < text.n)
			cv_buf_c(out, ' ');
		at = nul + 1;
	}
}

void
milter_put_text(struct cv_buf *out, struct cv_str text)
{
	milter_put_bytes(out, text);
	cv_buf_c(out, '\0');
}

enum cv_status
milter_packet_parse(struct cv_str in, char *command_out, struct cv_str *data_out, size_t *used_out)
{
	struct cv_rd rd = cv_rd(in);

	if (in.n < 4)
		return CV_AGAIN;
	uint32_t n = cv_rd_be32(&rd);
	if (n == 0 || n > MILTER_PACKET_MAX)
		return CV_LIMIT;
	if (cv_rd_left(&rd) < n)
		return CV_AGAIN;
	*command_out = in.p[4];
	*data_out = cv_str_sub(in, 5, 4 + (size_t)n);
	*used_out = 4 + (size_t)n;
	return CV_OK;
}

bool
milter_get_text(struct cv_str *data, struct cv_str *out)
{
	size_t nul = cv_str_find(*data, '\0', 0);

	if (nul >= data->n)
		return false;
	*out = cv_str_sub(*data, 0, nul);
	*data = cv_str_sub(*data, nul + 1, data->n);
	return true;
}

/* Pairs of stage (u32) and list of names, NUL-ended, behind the three words. */
static enum cv_status
parse_macro_lists(struct cv_str data, struct milter_offer *out)
{
	while (data.n) {
		struct cv_rd rd = cv_rd(data);
		struct cv_str names;
		uint32_t stage = cv_rd_be32(&rd);

		data = cv_rd_take(&rd, cv_rd_left(&rd));
		if (rd.bad || stage >= MILTER_STAGES || !milter_get_text(&data, &names) ||
			names.n >= MILTER_MACRO_LIST_MAX)
			return CV_INVALID;
		for (size_t i = 0; i < names.n; i++)
			if ((unsigned char)names.p[i] < ' ' || (unsigned char)names.p[i] > 126)
				return CV_INVALID;
		for (size_t i = 0; i < names.n; i++)
			out->macros[stage][i] = names.p[i] == ',' ? ' ' : names.p[i];
		out->macros[stage][names.n] = '\0';
		out->has_macros[stage] = true;
	}
	return CV_OK;
}

enum cv_status
milter_offer_parse(struct cv_str data, struct milter_offer *out)
{
	struct cv_rd rd = cv_rd(data);

	*out = (struct milter_offer){.version = cv_rd_be32(&rd)};
	out->actions = cv_rd_be32(&rd);
	out->protocol = cv_rd_be32(&rd);
	if (rd.bad || out->version < 2 || out->version > 6 ||
		out->actions & ~(uint32_t)MILTER_OFFERED_ACTIONS ||
		out->protocol & ~(uint32_t)MILTER_OFFERED_PROTOCOL)
		return CV_INVALID;
	out->chunk = out->protocol & MILTER_DATA_1M     ? (1u << 20) - 1
		     : out->protocol & MILTER_DATA_256K ? (256u << 10) - 1
							: MILTER_CHUNK;
	if (out->version < 4) /* these steps are younger than such a filter */
		out->protocol |= MILTER_NO_DATA;
	if (out->version < 3)
		out->protocol |= MILTER_NO_UNKNOWN;
	return parse_macro_lists(cv_rd_take(&rd, cv_rd_left(&rd)), out);
}

static bool
is_envelope_text(struct cv_str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 127)
			return false;
	return true;
}

enum cv_status
milter_envelope_parse(char command, struct cv_str data, struct milter_envelope_change *out)
{
	bool may_have_params = command == '2' || command == 'e';

	if (!strchr("+2-e", command) || !command)
		return CV_INVALID;
	*out = (struct milter_envelope_change){.kind = command == '-'   ? MILTER_RCPT_DELETED
						       : command == 'e' ? MILTER_FROM_CHANGED
									: MILTER_RCPT_ADDED};
	if (!milter_get_text(&data, &out->address))
		return CV_INVALID;
	if (data.n && (!may_have_params || !milter_get_text(&data, &out->params) || data.n))
		return CV_INVALID;
	if (out->address.n > MILTER_ENVELOPE_TEXT_MAX || out->params.n > MILTER_ENVELOPE_TEXT_MAX)
		return CV_LIMIT;
	return out->address.n && is_envelope_text(out->address) && is_envelope_text(out->params)
		       ? CV_OK
		       : CV_INVALID;
}

static bool
reply_line_is_valid(struct cv_str line, struct cv_str code, bool last)
{
	if (line.n < 4 || line.n > 980 || !cv_str_eq(cv_str_sub(line, 0, 3), code))
		return false;
	if (line.p[3] != (last ? ' ' : '-') && !(last && line.p[3] == '-'))
		return false;
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 127)
			return false;
	return true;
}

bool
milter_reply_is_valid(struct cv_str text)
{
	struct cv_str code = cv_str_sub(text, 0, 3);

	if (code.n < 3 || (code.p[0] != '4' && code.p[0] != '5') ||
		!cv_is_digit((unsigned char)code.p[1]) || !cv_is_digit((unsigned char)code.p[2]))
		return false;
	for (size_t lines = 0; lines < 32; lines++) {
		size_t crlf = cv_str_search(text, CV_STR("\r\n"));
		bool last = crlf >= text.n;
		if (!reply_line_is_valid(cv_str_sub(text, 0, crlf), code, last))
			return false;
		if (last)
			return text.p[3] == ' ';
		text = cv_str_sub(text, crlf + 2, text.n);
	}
	return false;
}

/* ---- the header block ---- */

static void
push(struct milter_header *h, size_t at, const struct milter_field *f)
{
	if (h->count == h->room) {
		h->room = h->room ? h->room * 2 : 64;
		h->fields = cv_realloc(h->fields, h->room * sizeof *h->fields);
	}
	memmove(&h->fields[at + 1], &h->fields[at], (h->count - at) * sizeof *h->fields);
	h->fields[at] = *f;
	h->count++;
}

void
milter_header_read(struct milter_header *h, struct cv_str message)
{
	struct cv_header_scan scan;
	struct cv_field field;
	size_t end = 0;

	*h = (struct milter_header){.arena = CV_ARENA_INIT};
	cv_header_scan_init(&scan, message);
	while (cv_header_next(&scan, &field)) {
		struct milter_field f = {
			field.name, field.value, cv_str_sub(message, field.start, field.end)};
		push(h, h->count, &f);
		end = field.end;
	}
	h->body_at = scan.body_at;
	h->separator = cv_str_sub(message, end, scan.body_at);
}

void
milter_header_done(struct milter_header *h)
{
	free(h->fields);
	cv_arena_done(&h->arena);
	*h = (struct milter_header){.arena = CV_ARENA_INIT};
}

void
milter_header_save(const struct milter_header *h, struct milter_header_copy *copy)
{
	copy->fields = cv_realloc(copy->fields, CV_MAX(h->count, (size_t)1) * sizeof *copy->fields);
	if (h->count)
		memcpy(copy->fields, h->fields, h->count * sizeof *copy->fields);
	copy->count = h->count;
	copy->changed = h->changed;
}

void
milter_header_restore(struct milter_header *h, const struct milter_header_copy *copy)
{
	/* The array only ever grows, and texts live as long as the arena. */
	if (copy->count)
		memcpy(h->fields, copy->fields, copy->count * sizeof *copy->fields);
	h->count = copy->count;
	h->changed = copy->changed;
}

static bool
is_field_name(struct cv_str name)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		if (c <= ' ' || c >= 127 || c == ':')
			return false;
	}
	return name.n > 0 && name.n < 256;
}

/* Folds come as LF or CRLF and leave as CRLF, each followed by a blank; other control bytes but tab
 * are refused. */
static enum cv_status
clean_value(struct milter_header *h, struct cv_str value, struct cv_str *out)
{
	struct cv_buf text = CV_BUF_INIT(CV_HEADER_BYTES_MAX);
	enum cv_status status = CV_OK;

	while (value.n && (value.p[value.n - 1] == '\n' || value.p[value.n - 1] == '\r'))
		value.n--;
	if (value.n && value.p[0] != ' ' && value.p[0] != '\t')
		cv_buf_c(&text, ' ');
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		if (c == '\r' && i + 1 < value.n && value.p[i + 1] == '\n')
			continue;
		if (c == '\n') {
			if (i + 1 >= value.n || (value.p[i + 1] != ' ' && value.p[i + 1] != '\t'))
				status = CV_INVALID;
			cv_buf_z(&text, "\r\n");
			continue;
		}
		if (((unsigned char)c < ' ' && c != '\t') || c == 127)
			status = CV_INVALID;
		cv_buf_c(&text, c);
	}
	if (text.full)
		status = CV_LIMIT;
	if (status == CV_OK)
		*out = cv_arena_str(&h->arena, cv_buf_view(&text));
	cv_buf_done(&text);
	return status;
}

enum cv_status
milter_header_insert(
	struct milter_header *h, uint32_t index, struct cv_str name, struct cv_str value)
{
	struct milter_field f = {.raw = CV_STR_EMPTY};

	if (!is_field_name(name))
		return CV_INVALID;
	if (h->count >= FIELDS_MAX)
		return CV_LIMIT;
	enum cv_status status = clean_value(h, value, &f.value);
	if (status != CV_OK)
		return status;
	f.name = cv_arena_str(&h->arena, name);
	push(h, CV_MIN((size_t)index, h->count), &f);
	h->changed = true;
	return CV_OK;
}

enum cv_status
milter_header_add(struct milter_header *h, struct cv_str name, struct cv_str value)
{
	return milter_header_insert(h, UINT32_MAX, name, value);
}

enum cv_status
milter_header_change(struct milter_header *h, uint32_t nth, struct cv_str name, struct cv_str value)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < h->count; i++) {
		struct milter_field *f = &h->fields[i];
		if (!cv_str_ieq(f->name, name) || ++seen != CV_MAX(nth, 1u))
			continue;
		if (!value.n) {
			memmove(f, f + 1, (h->count - i - 1) * sizeof *f);
			h->count--;
			h->changed = true;
			return CV_OK;
		}
		enum cv_status status = clean_value(h, value, &f->value);
		if (status != CV_OK)
			return status;
		f->raw = CV_STR_EMPTY;
		h->changed = true;
		return CV_OK;
	}
	return value.n ? milter_header_add(h, name, value) : CV_OK;
}

void
milter_header_write(const struct milter_header *h, struct cv_buf *out)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct milter_field *f = &h->fields[i];
		if (f->raw.p) {
			cv_buf_str(out, f->raw);
			continue;
		}
		cv_buf_str(out, f->name);
		cv_buf_c(out, ':');
		cv_buf_str(out, f->value);
		cv_buf_z(out, "\r\n");
	}
	if (h->separator.n)
		cv_buf_str(out, h->separator);
	else
		cv_buf_z(out, "\r\n");
}

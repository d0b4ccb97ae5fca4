/* params.c - the parameters of structured header fields, RFC 2045 5.1 and RFC 2231. See header.h.
 *
 * Reading is forgiving: what cannot be understood is skipped to the next ";" and marked. Limits on
 * the field's size and the number of parameters bound all the work, joining included.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"

struct reader {
	struct cv_arena *arena;
	struct cv_str s;
	size_t at;
	bool broken;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_token_byte(unsigned char c)
{
	return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* Blanks, line ends and comments. A comment without an end swallows the rest. */
static void
skip_cfws(struct reader *r)
{
	size_t depth = 0;
	for (; r->at < r->s.n; r->at++) {
		char c = r->s.p[r->at];
		if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (c == '\\' && depth)
			r->at++;
		else if (!depth && !is_space(c))
			return;
	}
	r->at = r->s.n;
	if (depth)
		r->broken = true;
}

/* Passes from the opening quote to behind the closing one. */
static void
skip_quoted(struct reader *r)
{
	for (r->at++; r->at < r->s.n; r->at++) {
		if (r->s.p[r->at] == '"') {
			r->at++;
			return;
		}
		if (r->s.p[r->at] == '\\')
			r->at++;
	}
	r->at = r->s.n;
	r->broken = true;
}

/* The same, and what stands between them. */
static struct cv_str
take_quoted(struct reader *r)
{
	size_t from = r->at + 1, n = 0;
	bool was_broken = r->broken;
	r->broken = false;
	skip_quoted(r);
	size_t to = r->broken ? r->at : r->at - 1;
	r->broken = r->broken || was_broken;

	char *text = cv_arena_alloc(r->arena, to - from + 1);
	for (size_t i = from; i < to; i++) {
		if (r->s.p[i] == '\\' && i + 1 < to)
			i++;
		else if (r->s.p[i] == '\r' || r->s.p[i] == '\n')
			continue;
		text[n++] = r->s.p[i];
	}
	return cv_str(text, n);
}

/* An unquoted value: a token, or what careless senders write, up to ";" or a comment. */
static struct cv_str
take_bare(struct reader *r)
{
	size_t from = r->at;
	while (r->at < r->s.n && r->s.p[r->at] != ';' && r->s.p[r->at] != '(')
		r->at++;
	struct cv_str value = cv_str_trim(cv_str_sub(r->s, from, r->at));
	for (size_t i = 0; i < value.n; i++)
		if (!is_token_byte((unsigned char)value.p[i]))
			r->broken = true;
	return value;
}

static void
skip_to_semicolon(struct reader *r)
{
	skip_cfws(r);
	while (r->at < r->s.n && r->s.p[r->at] != ';') {
		r->broken = true;
		if (r->s.p[r->at] == '"')
			skip_quoted(r);
		else
			r->at++;
		skip_cfws(r);
	}
}

/* One "name=value", up to the next ";". False when there was none. */
static bool
take_param(struct reader *r, struct cv_param *out)
{
	skip_cfws(r);
	size_t from = r->at;
	while (r->at < r->s.n && is_token_byte((unsigned char)r->s.p[r->at]))
		r->at++;
	*out = (struct cv_param){.name = cv_str_sub(r->s, from, r->at)};
	skip_cfws(r);
	bool found = out->name.n && r->at < r->s.n && r->s.p[r->at] == '=';
	if (found) {
		r->at++;
		skip_cfws(r);
		bool quoted = r->at < r->s.n && r->s.p[r->at] == '"';
		out->value = quoted ? take_quoted(r) : take_bare(r);
	} else if (r->at < r->s.n && r->s.p[r->at] != ';') {
		r->broken = true;
	}
	skip_to_semicolon(r);
	return found;
}

/* Whether "name=" comes next. */
static bool
is_param_next(const struct reader *r)
{
	size_t at = r->at;
	while (at < r->s.n && is_token_byte((unsigned char)r->s.p[at]))
		at++;
	return at > r->at && at < r->s.n && r->s.p[at] == '=';
}

/* What stands before the first ";", without comments and blanks. Some senders forget the ";". */
static struct cv_str
take_value(struct reader *r)
{
	char *text = cv_arena_alloc(r->arena, r->s.n + 1);
	size_t n = 0;
	skip_cfws(r);
	while (r->at < r->s.n && r->s.p[r->at] != ';') {
		text[n++] = r->s.p[r->at++];
		size_t end = r->at;
		skip_cfws(r);
		if (r->at > end && is_param_next(r)) {
			r->broken = true;
			break;
		}
	}
	return cv_str(text, n);
}

void
cv_params_parse(struct cv_arena *arena, struct cv_str value, struct cv_params *out)
{
	struct reader r = {.arena = arena, .s = value, .broken = value.n > CV_PARAM_BYTES_MAX};
	struct cv_param found[CV_PARAMS_MAX];
	size_t n = 0;
	r.s.n = CV_MIN(value.n, CV_PARAM_BYTES_MAX);
	*out = (struct cv_params){.value = take_value(&r)};
	while (r.at < r.s.n && n < CV_PARAMS_MAX) {
		r.at += r.s.p[r.at] == ';';
		n += take_param(&r, &found[n]);
	}
	out->is_broken = r.broken || r.at < r.s.n;
	out->items = CV_ARENA_ARRAY(arena, struct cv_param, n);
	out->n = n;
	if (n)
		memcpy(out->items, found, n * sizeof(*found));
}

const struct cv_param *
cv_params_find(const struct cv_params *params, const char *name)
{
	for (size_t i = 0; i < params->n; i++)
		if (cv_str_ieq_z(params->items[i].name, name))
			return &params->items[i];
	return NULL;
}

bool
cv_params_media(const struct cv_params *params, struct cv_str *type_out, struct cv_str *subtype_out)
{
	struct cv_str v = params->value;
	size_t slash = cv_str_find(v, '/', 0);
	bool ok = slash > 0 && slash + 1 < v.n;
	for (size_t i = 0; ok && i < v.n; i++)
		ok = i == slash || is_token_byte((unsigned char)v.p[i]);
	*type_out = ok ? cv_str_sub(v, 0, slash) : CV_STR_EMPTY;
	*subtype_out = ok ? cv_str_sub(v, slash + 1, v.n) : CV_STR_EMPTY;
	return ok;
}

/* ---- RFC 2231 ---- */

/* What a parameter's name says: "title*1*" is part 1 of title, percent-encoded. */
struct part {
	struct cv_str base, value;
	unsigned number;
	bool numbered, extended;
};

static bool
read_number(struct cv_str digits, unsigned *out)
{
	uint64_t value;
	if (digits.n > 1 && digits.p[0] == '0')
		return false;
	if (cv_str_u64(digits, CV_PARAMS_MAX, &value))
		return false;
	*out = (unsigned)value;
	return true;
}

static struct part
read_part(const struct cv_param *param)
{
	struct part part = {.base = param->name, .value = param->value};
	struct cv_str name = param->name;
	if (name.n > 1 && name.p[name.n - 1] == '*') {
		part.extended = true;
		name.n--;
	}
	size_t star = cv_str_find(name, '*', 0);
	if (star < name.n) {
		if (star == 0 || !read_number(cv_str_sub(name, star + 1, name.n), &part.number))
			return (struct part){.base = param->name, .value = param->value};
		part.numbered = true;
	}
	part.base = cv_str_sub(name, 0, star);
	return part;
}

/* Cuts "charset'language'" off an extended value. */
static void
cut_charset(struct cv_str *value, struct cv_param *out)
{
	size_t first = cv_str_find(*value, '\'', 0);
	size_t second = first < value->n ? cv_str_find(*value, '\'', first + 1) : value->n;
	if (second == value->n)
		return;
	out->charset = cv_str_sub(*value, 0, first);
	out->language = cv_str_sub(*value, first + 1, second);
	*value = cv_str_sub(*value, second + 1, value->n);
}

static size_t
percent_decode(struct cv_str in, char *q)
{
	char *start = q;
	for (size_t i = 0; i < in.n; i++) {
		int high = -1, low = -1;
		if (in.p[i] == '%' && in.n - i > 2) {
			high = cv_hex_digit((unsigned char)in.p[i + 1]);
			low = cv_hex_digit((unsigned char)in.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			*q++ = (char)(high << 4 | low);
			i += 2;
		} else {
			*q++ = in.p[i];
		}
	}
	return (size_t)(q - start);
}

/* The part NUMBER of BASE, or NULL. */
static const struct part *
find_part(const struct part *parts, size_t n, struct cv_str base, unsigned number)
{
	for (size_t i = 0; i < n; i++)
		if (parts[i].numbered && parts[i].number == number &&
		    cv_str_ieq(parts[i].base, base))
			return &parts[i];
	return NULL;
}

/* Puts the parts of BASE from 0 on together, as far as they go without a gap. */
static void
join_parts(struct cv_arena *arena, const struct part *parts, size_t n, struct cv_param *out)
{
	size_t room = 0;
	for (size_t i = 0; i < n; i++)
		if (parts[i].numbered && cv_str_ieq(parts[i].base, out->name))
			room += parts[i].value.n;
	char *text = cv_arena_alloc(arena, room + 1);
	size_t used = 0;
	const struct part *part;
	for (unsigned k = 0; (part = find_part(parts, n, out->name, k)) != NULL; k++) {
		struct cv_str value = part->value;
		if (part->extended) {
			out->is_extended = true;
			if (k == 0)
				cut_charset(&value, out);
			used += percent_decode(value, text + used);
		} else {
			memcpy(text + used, value.n ? value.p : "", value.n);
			used += value.n;
		}
	}
	out->value = cv_str(text, used);
}

/* The value of the parameter that PART belongs to: "name*" before "name*0..." before "name". */
static struct cv_param
join_one(struct cv_arena *arena, const struct part *parts, size_t n, const struct part *part)
{
	struct cv_param out = {.name = part->base, .value = part->value};
	const struct part *whole = NULL, *plain = NULL;
	for (size_t i = 0; i < n; i++) {
		if (parts[i].numbered || !cv_str_ieq(parts[i].base, part->base))
			continue;
		if (parts[i].extended && !whole)
			whole = &parts[i];
		if (!parts[i].extended && !plain)
			plain = &parts[i];
	}
	if (whole) {
		struct cv_str value = whole->value;
		char *text = cv_arena_alloc(arena, value.n + 1);
		cut_charset(&value, &out);
		out.is_extended = true;
		out.value = cv_str(text, percent_decode(value, text));
	} else if (find_part(parts, n, part->base, 0)) {
		join_parts(arena, parts, n, &out);
	} else if (plain) {
		out.value = plain->value;
	} /* else later parts without a first one: the one at hand must do */
	return out;
}

void
cv_params_join(struct cv_arena *arena, const struct cv_params *in, struct cv_params *out)
{
	size_t n = CV_MIN(in->n, CV_PARAMS_MAX);
	struct part parts[CV_PARAMS_MAX];
	for (size_t i = 0; i < n; i++)
		parts[i] = read_part(&in->items[i]);

	struct cv_params joined = {.value = in->value, .is_broken = in->is_broken};
	joined.items = CV_ARENA_ARRAY(arena, struct cv_param, n);
	for (size_t i = 0; i < n; i++) {
		bool seen = false;
		for (size_t j = 0; j < joined.n && !seen; j++)
			seen = cv_str_ieq(joined.items[j].name, parts[i].base);
		if (!seen)
			joined.items[joined.n++] = join_one(arena, parts, n, &parts[i]);
	}
	*out = joined;
}

void
cv_param_text(const struct cv_param *param, struct cv_buf *out)
{
	size_t from = out->n;
	if (!param->is_extended) {
		cv_words_decode(param->value, CV_STR_EMPTY, out);
		return;
	}
	struct cv_str charset = param->charset.n ? param->charset : CV_STR("utf-8");
	(void)cv_charset_to_utf8(charset, param->value, out); /* what can be shown is appended */
	for (size_t i = from; i < out->n; i++)
		if ((unsigned char)out->p[i] < ' ' || out->p[i] == 127)
			out->p[i] = ' ';
}

/* ---- writing ---- */

#define SECTION_OCTETS 60 /* of percent-encoded text in one continuation */

static bool
is_attribute_byte(unsigned char c)
{
	return is_token_byte(c) && c != '*' && c != '\'' && c != '%';
}

static void
write_extended(struct cv_buf *out, const char *name, struct cv_str value)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t needed = 0;
	for (size_t i = 0; i < value.n; i++)
		needed += is_attribute_byte((unsigned char)value.p[i]) ? 1 : 3;
	bool split = needed > SECTION_OCTETS;
	unsigned section = 0;
	size_t column = 0;
	cv_buf_printf(out, "; %s%s=UTF-8''", name, split ? "*0*" : "*");
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		size_t width = is_attribute_byte(c) ? 1 : 3;
		if (column + width > SECTION_OCTETS) {
			cv_buf_printf(out, "; %s*%u*=", name, ++section);
			column = 0;
		}
		if (width == 1)
			cv_buf_c(out, (char)c);
		else
			cv_buf_add(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
		column += width;
	}
}

void
cv_param_write(struct cv_buf *out, const char *name, struct cv_str value)
{
	bool token = value.n > 0 && value.n <= SECTION_OCTETS, plain = value.n <= SECTION_OCTETS;
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		token = token && is_token_byte(c);
		plain = plain && c >= ' ' && c < 127;
	}
	if (!plain) {
		write_extended(out, name, value);
		return;
	}
	cv_buf_printf(out, token ? "; %s=" : "; %s=\"", name);
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			cv_buf_c(out, '\\');
		cv_buf_c(out, value.p[i]);
	}
	if (!token)
		cv_buf_c(out, '"');
}

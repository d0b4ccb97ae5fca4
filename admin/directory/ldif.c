/* ldif.c - the directory as a book for mail programs: LDIF (RFC 2849) for a read-only OpenLDAP
 * (DIR-10), whole or as changes.
 *
 * The names of people stand twice: as they are written, which is shown, and without diacritics,
 * which is what people type. Every client's own filter finds the second one, so none has to be
 * told of an attribute of ours.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/site.h"

#include <stdlib.h>

#include "common/base/map.h"
#include "common/text/encode.h"

#define VALUE_MAX (64u << 10)

/* ---- writing ---- */
/* No "version: 1" at the top: slapadd takes it for an attribute. */

/* SAFE-STRING of RFC 2849; a blank at the end is not. */
static bool
is_safe(struct cv_str v)
{
	if (!v.n || strchr(" :<", v.p[0]) || v.p[v.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!v.p[i] || v.p[i] == '\r' || v.p[i] == '\n' || (unsigned char)v.p[i] >= 0x80)
			return false;
	return true;
}

static void
put(struct cv_buf *out, const char *name, struct cv_str value)
{
	if (!value.n)
		return;
	cv_buf_z(out, name);
	if (is_safe(value)) {
		cv_buf_z(out, ": ");
		cv_buf_str(out, value);
	} else {
		cv_buf_z(out, ":: ");
		cv_base64_encode(value, out);
	}
	cv_buf_c(out, '\n');
}

/* The value without diacritics too, where that is something else. */
static void
put_both(struct cv_buf *out, const char *name, struct cv_str value)
{
	struct cv_buf folded = CV_BUF_INIT(VALUE_MAX);

	put(out, name, value);
	admin_fold_words(value, ' ', &folded);
	if (!cv_str_ieq(cv_buf_view(&folded), value))
		put(out, name, cv_buf_view(&folded));
	cv_buf_done(&folded);
}

static void
put_base(const struct admin_directory *d, struct cv_buf *out)
{
	struct cv_str rest = d->wish.domain, label;
	bool any = false;

	while (cv_str_split(&rest, '.', &label)) {
		cv_buf_printf(out, "%sdc=%.*s", any ? "," : "", CV_STR_ARGS(label));
		any = true;
	}
}

/* RFC 4514 2.4. */
static void
put_dn_value(struct cv_buf *out, struct cv_str value)
{
	for (size_t i = 0; i < value.n; i++) {
		if (strchr("\"+,;<>\\=", value.p[i]) || (i == 0 && strchr(" #", value.p[i])) ||
			(i + 1 == value.n && value.p[i] == ' '))
			cv_buf_c(out, '\\');
		cv_buf_c(out, value.p[i]);
	}
}

static void
put_dn(const struct admin_directory *d, const struct admin_unit *u, struct cv_str address,
	struct cv_buf *out)
{
	struct cv_buf dn = CV_BUF_INIT(VALUE_MAX);

	if (address.n) {
		cv_buf_z(&dn, "mail=");
		put_dn_value(&dn, address);
		cv_buf_c(&dn, ',');
	}
	if (u) {
		cv_buf_z(&dn, "ou=");
		put_dn_value(&dn, u->code);
		cv_buf_c(&dn, ',');
	}
	put_base(d, &dn);
	put(out, "dn", cv_buf_view(&dn));
	cv_buf_done(&dn);
}

static void
put_unit(const struct admin_directory *d, const struct admin_unit *u, struct cv_buf *out)
{
	put_dn(d, u, CV_STR_EMPTY, out);
	cv_buf_z(out, "objectClass: organizationalUnit\n");
	put(out, "ou", u->code);
	put(out, "description", u->name);
	put(out, "telephoneNumber", u->phone);
	put(out, "postalAddress", u->location);
	cv_buf_c(out, '\n');
}

static void
put_entry(const struct admin_directory *d, const struct admin_unit *u, const struct admin_entry *e,
	struct cv_buf *out)
{
	struct cv_str name = e->name.n ? e->name : e->address;
	struct cv_buf given_first = CV_BUF_INIT(VALUE_MAX), words = CV_BUF_INIT(VALUE_MAX);

	put_dn(d, u, e->address, out);
	cv_buf_z(out, "objectClass: inetOrgPerson\n");
	put(out, "displayName", name);
	put_both(out, "cn", name);
	if (e->given.n) { /* "hoa nguyen thi": filters that only know how a name begins */
		cv_buf_str(&given_first, e->given);
		cv_buf_c(&given_first, ' ');
		cv_buf_str(&given_first, e->surname);
		cv_buf_c(&given_first, ' ');
		cv_buf_str(&given_first, e->middle);
		admin_fold_words(cv_buf_view(&given_first), ' ', &words);
		put(out, "cn", cv_buf_view(&words));
	}
	put_both(out, "sn", e->surname.n ? e->surname : name);
	put_both(out, "givenName", e->given);
	put(out, "title", e->title);
	put(out, "o", u->name);
	put(out, "ou", e->department);
	put(out, "telephoneNumber", e->phone_office);
	put(out, "mobile", e->phone_mobile);
	put(out, "mail", e->address);
	cv_buf_c(out, '\n');
	cv_buf_done(&given_first);
	cv_buf_done(&words);
}

void
admin_ldif(const struct admin_directory *d, struct cv_buf *out)
{
	struct cv_str first = cv_str_sub(
		d->wish.domain, 0, CV_MIN(cv_str_find(d->wish.domain, '.', 0), d->wish.domain.n));

	put_dn(d, NULL, CV_STR_EMPTY, out);
	cv_buf_z(out, "objectClass: dcObject\nobjectClass: organization\n");
	put(out, "dc", first);
	put(out, "o", d->province);
	cv_buf_c(out, '\n');
	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		const struct admin_entry own = {.name = u->name,
			.address = u->address,
			.phone_office = u->phone,
			.is_role = true};
		put_unit(d, u, out);
		if (u->address.n)
			put_entry(d, u, &own, out);
		for (size_t k = 0; k < u->count; k++)
			put_entry(d, u, &u->entries[k], out);
	}
}

/* ---- changes ---- */

/* A record of ours: its first line is the name, the others are attributes. */
struct record {
	struct cv_str dn, attributes;
	bool seen;
};
struct book {
	struct record *records;
	size_t count;
	struct cv_map by_dn;
};

static enum cv_status
read_book(struct cv_str text, struct book *b, struct cv_err *err)
{
	size_t cap = 0;

	cv_map_init(&b->by_dn);
	for (struct cv_str rest = text; rest.n;) {
		const char *end = memmem(rest.p, rest.n, "\n\n", 2);
		const char *line = memchr(rest.p, '\n', rest.n);
		if (!end || !line || !cv_str_has_prefix(rest, "dn:"))
			return cv_fail(
				err, CV_INVALID, "record %zu of the LDIF is damaged", b->count + 1);
		if (b->count == cap) {
			cap = cap ? cap * 2 : 256;
			b->records = cv_realloc(b->records, cap * sizeof *b->records);
		}
		b->records[b->count++] =
			(struct record){.dn = cv_str(rest.p, (size_t)(line - rest.p)),
				.attributes = cv_str(line + 1, (size_t)(end - line))};
		rest = cv_str_sub(rest, (size_t)(end - rest.p) + 2, rest.n);
	}
	for (size_t i = 0; i < b->count; i++)
		cv_map_put(&b->by_dn, b->records[i].dn, &b->records[i]);
	return CV_OK;
}

static void
close_book(struct book *b)
{
	cv_map_done(&b->by_dn);
	free(b->records);
}

static struct cv_str
attribute_name(struct cv_str line)
{
	return cv_str_sub(line, 0, CV_MIN(cv_str_find(line, ':', 0), line.n));
}

static bool
has_attribute(struct cv_str attributes, struct cv_str name)
{
	struct cv_str line;

	while (cv_str_split(&attributes, '\n', &line))
		if (line.n && cv_str_eq(attribute_name(line), name))
			return true;
	return false;
}

/* Each attribute is replaced by all its values; what is gone is replaced by none. */
static void
put_modify(const struct record *old, const struct record *new, struct cv_buf *out)
{
	struct cv_str rest = new->attributes, line, last = CV_STR_EMPTY;

	cv_buf_str(out, new->dn);
	cv_buf_z(out, "\nchangetype: modify\n");
	while (cv_str_split(&rest, '\n', &line)) {
		struct cv_str name = attribute_name(line);
		if (!line.n || cv_str_eq_z(name, "objectClass"))
			continue;
		if (!cv_str_eq(name, last))
			cv_buf_printf(
				out, "%sreplace: %.*s\n", last.n ? "-\n" : "", CV_STR_ARGS(name));
		cv_buf_str(out, line);
		cv_buf_c(out, '\n');
		last = name;
	}
	cv_buf_z(out, last.n ? "-\n" : "");
	for (rest = old->attributes, last = CV_STR_EMPTY; cv_str_split(&rest, '\n', &line);) {
		struct cv_str name = attribute_name(line);
		if (line.n && !cv_str_eq(name, last) && !has_attribute(new->attributes, name))
			cv_buf_printf(out, "replace: %.*s\n-\n", CV_STR_ARGS(name));
		last = name;
	}
	cv_buf_c(out, '\n');
}

enum cv_status
admin_ldif_changes(struct cv_str old, struct cv_str new, struct cv_buf *out, struct cv_err *err)
{
	struct book before = {.count = 0}, after = {.count = 0};
	enum cv_status status = read_book(old, &before, err);

	if (status == CV_OK)
		status = read_book(new, &after, err);
	else
		cv_map_init(&after.by_dn);
	/* Children stand behind their parents: what goes, goes from the end. */
	for (size_t i = status == CV_OK ? before.count : 0; i--;) {
		const struct record *r = &before.records[i];
		if (cv_map_get(&after.by_dn, r->dn))
			continue;
		cv_buf_str(out, r->dn);
		cv_buf_z(out, "\nchangetype: delete\n\n");
	}
	for (size_t i = 0; status == CV_OK && i < after.count; i++) {
		const struct record *r = &after.records[i];
		const struct record *was = cv_map_get(&before.by_dn, r->dn);
		if (was && !cv_str_eq(was->attributes, r->attributes)) {
			put_modify(was, r, out);
		} else if (!was) {
			cv_buf_str(out, r->dn);
			cv_buf_z(out, "\nchangetype: add\n");
			cv_buf_str(out, r->attributes);
			cv_buf_c(out, '\n');
		}
	}
	close_book(&before);
	close_book(&after);
	return status;
}

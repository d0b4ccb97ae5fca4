/* args_metadata.c - the arguments of GETMETADATA and SETMETADATA (RFC 5464 5), and the entries that
 * LIST returns (RFC 9590 5). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <limits.h>

#include "imapd/args.h"

#define ENTRIES_MAX CV_NOTES_MAX /* in one command */

/* The mailbox, or "" for the server. */
static bool
parse_target(struct imapd_parse *p, struct imapd_args *a)
{
	if (imapd_take_prefix(p, "\"\"")) {
		a->mailbox[a->mailbox_count] = a->given[a->mailbox_count] = CV_STR("");
		a->mailbox_count++;
		return true;
	}
	return imapd_parse_mailbox(p, a);
}

/* "/private" and "/shared" alone name no entry, but everything below them. */
static bool
is_root(struct cv_str name)
{
	return cv_str_ieq_z(name, "/private") || cv_str_ieq_z(name, "/shared");
}

static bool
parse_entry(struct imapd_parse *p, struct imapd_metadata_args *m, bool may_be_root)
{
	struct cv_str name;

	if (m->count == ENTRIES_MAX)
		return imapd_fault(p, "too many entries");
	if (!imapd_parse_astring(p, &name))
		return false;
	if (!cv_note_name_is_valid(name) && !(may_be_root && is_root(name)))
		return imapd_fault(p, "not the name of an entry");
	m->entries[m->count].name = name;
	m->count++;
	return true;
}

static struct imapd_metadata_args *
new_args(struct imapd_parse *p)
{
	struct imapd_metadata_args *m = CV_ARENA_NEW(p->arena, struct imapd_metadata_args);

	m->entries = CV_ARENA_ARRAY(p->arena, struct cv_note, ENTRIES_MAX);
	m->max_size = UINT64_MAX;
	return m;
}

static bool
parse_depth(struct imapd_parse *p, unsigned *out)
{
	if (imapd_take_word(p, "0"))
		*out = 0;
	else if (imapd_take_word(p, "1"))
		*out = 1;
	else if (imapd_take_word(p, "infinity"))
		*out = UINT_MAX;
	else
		return imapd_fault(p, "DEPTH is 0, 1 or infinity");
	return true;
}

/* Behind the parenthesis: MAXSIZE 1024 DEPTH 1 */
static bool
parse_get_options(struct imapd_parse *p, struct imapd_metadata_args *m)
{
	do {
		bool ok;
		if (imapd_take_prefix(p, "MAXSIZE "))
			ok = imapd_parse_number(p, UINT32_MAX, &m->max_size);
		else if (imapd_take_prefix(p, "DEPTH "))
			ok = parse_depth(p, &m->depth);
		else
			ok = imapd_fault(p, "an unknown option of GETMETADATA");
		if (!ok)
			return false;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing") && imapd_parse_sp(p);
}

static bool
parse_entries(struct imapd_parse *p, struct imapd_metadata_args *m)
{
	do {
		if (!parse_entry(p, m, true))
			return false;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

/* The grammar has the options before the mailbox, the examples behind it: both are taken. */
bool
imapd_parse_getmetadata(struct imapd_parse *p, struct imapd_args *a)
{
	struct imapd_metadata_args *m = a->metadata = new_args(p);

	if (imapd_take(p, '(') && !parse_get_options(p, m))
		return false;
	if (!parse_target(p, a) || !imapd_parse_sp(p))
		return false;
	if (!imapd_take(p, '('))
		return parse_entry(p, m, true);
	unsigned char c = imapd_peek(p);
	if (c == '/' || c == '"' || c == '{')
		return parse_entries(p, m);
	if (!parse_get_options(p, m))
		return false;
	return imapd_take(p, '(') ? parse_entries(p, m) : parse_entry(p, m, true);
}

bool
imapd_parse_setmetadata(struct imapd_parse *p, struct imapd_args *a)
{
	struct imapd_metadata_args *m = a->metadata = new_args(p);

	if (!parse_target(p, a) || !imapd_parse_sp(p) ||
		!imapd_need(p, '(', "a parenthesis is missing"))
		return false;
	do {
		if (!parse_entry(p, m, false) || !imapd_parse_sp(p) ||
			!imapd_parse_octets(p, &m->entries[m->count - 1].value))
			return false;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

bool
imapd_parse_list_metadata(struct imapd_parse *p, struct imapd_metadata_args **out)
{
	*out = new_args(p);
	return imapd_need(p, '(', "a parenthesis is missing") && parse_entries(p, *out);
}

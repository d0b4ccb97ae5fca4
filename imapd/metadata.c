/* metadata.c - see metadata.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/metadata.h"

#include "common/text/envelope.h"
#include "imapd/conn.h"
#include "imapd/names.h"
#include "imapd/others.h"
#include "imapd/rights.h"

#define NEWS_MAX 200 /* changes kept for one session; older ones are not told then */

/* ---- whose ---- */

#define WITH_MAIL (CV_RIGHT_R | CV_RIGHT_S | CV_RIGHT_W | CV_RIGHT_I | CV_RIGHT_P)

enum cv_status
imapd_noted_find(struct imapd_conn *c, struct cv_str name, struct imapd_noted_place *out,
	struct cv_err *err)
{
	struct imapd_place place;
	struct cv_mbox_info info;

	*out = (struct imapd_noted_place){.acct = c->acct, .owner = c->login.acct};
	if (!name.n)
		return CV_OK;
	enum cv_status status = imapd_place(c, name, &place, err);
	if (!status && !place.name.n)
		status = cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	if (!status)
		status = imapd_rights_on(c, place.acct, place.name, &info, &out->rights, err);
	if (!status && !imapd_may_know(out->rights))
		status = cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	if (!status && (!(out->rights & CV_RIGHT_L) || !(out->rights & WITH_MAIL)))
		status = cv_fail(err, CV_DENIED, "its entries are not for everybody");
	if (status)
		return status;
	out->acct = place.acct;
	out->owner = place.owner;
	out->noted = (struct imapd_noted){.name = imapd_place_name(c, &place, info.name),
		.box = info.id,
		.use = place.space == IMAPD_SPACE_OWN ? info.use : CV_USE_NONE};
	return CV_OK;
}

enum cv_status
imapd_noted_load(struct imapd_conn *c, struct imapd_noted_place *place, struct cv_err *err)
{
	struct cv_note *notes;
	enum cv_status status = cv_notes_get(place->acct, place->noted.box, c->login.acct,
		&c->arena, &notes, &place->noted.note_count, err);

	place->noted.notes = notes;
	return status;
}

/* ---- what there is ---- */

struct entries {
	struct entry {
		struct cv_str name, value;
		bool is_told;
	} * list;
	size_t count;
};

static void
add_entry(struct entries *e, struct cv_str name, struct cv_str value)
{
	e->list[e->count++] = (struct entry){name, value, false};
}

static struct entries
entries_of(struct imapd_conn *c, const struct imapd_noted *noted)
{
	const struct imapd_options *o = imapd_config(c->server)->imapd;
	struct entries e = {CV_ARENA_ARRAY(&c->arena, struct entry, noted->note_count + 2), 0};

	if (noted->name.n && noted->use)
		add_entry(&e, CV_STR("/private/specialuse"), cv_str_z(imapd_use_word(noted->use)));
	if (!noted->name.n && o->server_comment[0])
		add_entry(&e, CV_STR("/shared/comment"), cv_str_z(o->server_comment));
	if (!noted->name.n && o->admin_contact[0])
		add_entry(&e, CV_STR("/shared/admin"), cv_str_z(o->admin_contact));
	for (size_t i = 0; i < noted->note_count; i++)
		add_entry(&e, noted->notes[i].name, noted->notes[i].value);
	return e;
}

/* Whether NAME is WANTED or at most DEPTH levels below it. */
static bool
is_within(struct cv_str name, struct cv_str wanted, unsigned depth)
{
	unsigned levels = 0;

	if (name.n < wanted.n || !cv_str_ieq(cv_str_sub(name, 0, wanted.n), wanted))
		return false;
	if (name.n == wanted.n)
		return true;
	if (name.p[wanted.n] != '/')
		return false;
	for (size_t i = wanted.n; i < name.n; i++)
		levels += name.p[i] == '/';
	return levels <= depth;
}

/* ---- telling ---- */

struct telling {
	const struct imapd_metadata_args *args;
	struct cv_str mailbox; /* the response's beginning, written with the first entry */
	struct cv_buf *out;
	bool has_begun, utf8;
	uint64_t longest;
};

static void
write_entry_name(struct cv_buf *out, struct cv_str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!imapd_is_atom_char((unsigned char)name.p[i])) {
			cv_imap_string(out, name);
			return;
		}
	cv_buf_str(out, name);
}

static void
write_value(struct cv_buf *out, struct cv_str value)
{
	if (!value.p) {
		cv_buf_z(out, "NIL");
	} else if (value.n && memchr(value.p, 0, value.n)) {
		cv_buf_printf(out, "~{%zu}\r\n", value.n);
		cv_buf_str(out, value);
	} else {
		cv_imap_string(out, value);
	}
}

static void
begin_response(struct cv_buf *out, struct cv_str mailbox, bool utf8)
{
	cv_buf_z(out, "* METADATA ");
	if (mailbox.n)
		imapd_write_name(out, mailbox, utf8);
	else
		cv_buf_z(out, "\"\"");
}

static void
tell(struct telling *t, struct cv_str name, struct cv_str value)
{
	if (value.n > t->args->max_size) {
		t->longest = CV_MAX(t->longest, value.n);
		return;
	}
	if (!t->has_begun)
		begin_response(t->out, t->mailbox, t->utf8);
	cv_buf_z(t->out, t->has_begun ? " " : " (");
	t->has_begun = true;
	write_entry_name(t->out, name);
	cv_buf_c(t->out, ' ');
	write_value(t->out, value);
}

/* What WANTED names, each entry once; an entry that is not there is told as NIL when it was asked
 * for alone (RFC 9590 4). */
static void
tell_wanted(struct telling *t, struct entries *e, struct cv_str wanted)
{
	unsigned depth = t->args->depth;
	bool is_found = false;

	for (size_t i = 0; i < e->count; i++) {
		struct entry *entry = &e->list[i];
		if (!is_within(entry->name, wanted, depth))
			continue;
		is_found = true;
		if (!entry->is_told)
			tell(t, depth ? entry->name : wanted, entry->value);
		entry->is_told = true;
	}
	if (!is_found && !depth && cv_note_name_is_valid(wanted))
		tell(t, wanted, CV_STR_EMPTY);
}

void
imapd_write_metadata(struct imapd_conn *c, const struct imapd_noted *noted,
	const struct imapd_metadata_args *args, uint64_t *longest_io, struct cv_buf *out)
{
	struct entries e = entries_of(c, noted);
	struct telling t = {.args = args,
		.mailbox = noted->name,
		.out = out,
		.utf8 = c->utf8,
		.longest = *longest_io};

	for (size_t i = 0; i < args->count; i++)
		tell_wanted(&t, &e, args->entries[i].name);
	if (t.has_begun)
		cv_buf_z(out, ")\r\n");
	*longest_io = t.longest;
}

/* ---- news ---- */

struct imapd_metadata_change {
	struct imapd_metadata_change *next;
	uint64_t box;
	char name[]; /* ends in NUL */
};

/* The lock is held. */
static void
keep_news(struct imapd_login *l, uint64_t box, struct cv_str name)
{
	struct imapd_metadata_change **at = &l->metadata_news;
	unsigned n = 0;

	for (; *at; at = &(*at)->next)
		if (((*at)->box == box && cv_str_ieq_z(name, (*at)->name)) || ++n == NEWS_MAX)
			return;
	struct imapd_metadata_change *change = cv_calloc(1, sizeof(*change) + name.n + 1);
	change->box = box;
	memcpy(change->name, name.p, name.n);
	*at = change;
}

void
imapd_metadata_changed(struct imapd *d, const struct imapd_login *by, cv_acct_no owner,
	uint64_t box, const struct cv_note *notes, size_t count)
{
	pthread_mutex_lock(&d->users_lock);
	struct imapd_user *user = imapd_user_find(d, owner);
	for (struct cv_link *at = user ? user->sessions.next : NULL;
		user && at != &user->sessions; at = at->next) {
		struct imapd_login *l = CV_CONTAINER(at, struct imapd_login, link);
		if (l == by || !atomic_load(&l->wants_metadata))
			continue;
		for (size_t i = 0; i < count; i++)
			if (by->acct == owner || !cv_note_is_private(notes[i].name))
				keep_news(l, box, notes[i].name);
		atomic_store(&l->has_metadata_news, true);
		cv_conn_wake(l->conn);
	}
	pthread_mutex_unlock(&d->users_lock);
}

void
imapd_metadata_forget(struct imapd_login *l)
{
	while (l->metadata_news) {
		struct imapd_metadata_change *change = l->metadata_news;
		l->metadata_news = change->next;
		free(change);
	}
	atomic_store(&l->has_metadata_news, false);
}

/* The name of the mailbox with the number BOX; p NULL when it is gone. */
static struct cv_str
name_of(const struct cv_mbox_info *list, size_t count, uint64_t box)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].id == box)
			return list[i].name;
	return CV_STR_EMPTY;
}

/* One response for each mailbox, in the order of the changes. */
static void
write_news(struct imapd_conn *c, struct imapd_login *mine, struct cv_buf *out)
{
	struct cv_mbox_info *list = NULL;
	size_t count = 0;

	if (cv_mbox_list(c->acct, &c->arena, &list, &count, NULL))
		return;
	while (mine->metadata_news) {
		uint64_t box = mine->metadata_news->box;
		struct cv_str name = box ? name_of(list, count, box) : CV_STR("");
		struct imapd_metadata_change **at = &mine->metadata_news;
		if (name.p)
			begin_response(out, name, c->utf8);
		while (*at) {
			struct imapd_metadata_change *change = *at;
			if (change->box != box) {
				at = &change->next;
				continue;
			}
			if (name.p) {
				cv_buf_c(out, ' ');
				write_entry_name(out, cv_str_z(change->name));
			}
			*at = change->next;
			free(change);
		}
		if (name.p)
			cv_buf_add(out, "\r\n", 2);
	}
}

void
imapd_metadata_news(struct imapd_conn *c)
{
	struct imapd_login mine = {0};

	if (!c->acct || !atomic_load(&c->login.has_metadata_news))
		return;
	pthread_mutex_lock(&c->server->users_lock);
	mine.metadata_news = c->login.metadata_news;
	c->login.metadata_news = NULL;
	atomic_store(&c->login.has_metadata_news, false);
	pthread_mutex_unlock(&c->server->users_lock);
	write_news(c, &mine, imapd_out(c));
	imapd_metadata_forget(&mine);
}

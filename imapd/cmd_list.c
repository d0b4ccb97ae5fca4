/* cmd_list.c - LIST with its extensions (RFC 5258, 5819, 6154) and LSUB. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/map.h"
#include "common/text/envelope.h"
#include "imapd/conn.h"
#include "imapd/metadata.h"
#include "imapd/names.h"
#include "imapd/others_list.h"

struct listing {
	struct imapd_conn *c;
	struct cv_buf *out;
	const struct imapd_list_args *args;
	struct cv_mbox_info *boxes;
	size_t count;
	char separator;
	struct cv_str *patterns; /* reference and pattern joined */
	struct cv_map parents;   /* names with something subscribed below them */
	struct cv_note *notes;   /* of all mailboxes, when LIST returns METADATA */
	size_t note_count;
};

static bool
is_wanted(const struct listing *l, struct cv_str name)
{
	for (size_t i = 0; i < l->args->pattern_count; i++)
		if (imapd_pattern_matches(l->patterns[i], name, l->separator))
			return true;
	return false;
}

static void
write_attribute(struct cv_buf *out, const char *word, bool *is_first)
{
	if (!*is_first)
		cv_buf_c(out, ' ');
	*is_first = false;
	cv_buf_z(out, word);
}

static void
write_attributes(const struct listing *l, const struct cv_mbox_info *box)
{
	struct cv_buf *out = l->out;
	unsigned o = l->args->options;
	bool is_first = true;

	if (!box->id) /* implies \Noselect (RFC 5258 3) */
		write_attribute(out, "\\NonExistent", &is_first);
	else if (!box->selectable)
		write_attribute(out, "\\Noselect", &is_first);
	write_attribute(out, box->has_children ? "\\HasChildren" : "\\HasNoChildren", &is_first);
	if (box->subscribed && (o & (IMAPD_LIST_SUBSCRIBED | IMAPD_LIST_RET_SUBSCRIBED)))
		write_attribute(out, "\\Subscribed", &is_first);
	/* Told in every LIST: RFC 6154 allows it, and clients that never ask find "Thư đã gửi". */
	if (box->use != CV_USE_NONE)
		write_attribute(out, imapd_use_word(box->use), &is_first);
}

static void
write_separator(const struct listing *l, struct cv_buf *out)
{
	cv_buf_add(out, ") ", 2);
	cv_imap_string(out, cv_str(&l->separator, 1));
	cv_buf_c(out, ' ');
}

static void
write_box(const struct listing *l, const struct cv_mbox_info *box, bool has_childinfo)
{
	struct cv_buf *out = l->out;

	cv_buf_z(out, "* LIST (");
	write_attributes(l, box);
	write_separator(l, out);
	imapd_write_name(out, box->name, l->c->utf8);
	if (has_childinfo)
		cv_buf_z(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	cv_buf_add(out, "\r\n", 2);
	bool is_other = imapd_is_others_name(l->c, box->name) && box->rights;
	uint32_t rights = is_other ? box->rights : CV_RIGHTS_ALL;
	if (!box->id || !box->selectable)
		return;
	if (l->args->options & IMAPD_LIST_RET_MYRIGHTS)
		imapd_write_myrights(l->c, box->name, rights);
	/* RFC 5819 2: none where STATUS would be refused. */
	if ((l->args->options & IMAPD_LIST_RET_STATUS) && (rights & CV_RIGHT_R))
		imapd_write_status(l->c, box, l->args->status_items);
}

/* The index of the first note of the mailbox BOX or a later one. */
static size_t
note_at(const struct listing *l, uint64_t box)
{
	size_t low = 0, high = l->note_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (l->notes[mid].box < box)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Of a mailbox in another account; nothing is told when its entries cannot be read (RFC 9590 3). */
static void
write_others_metadata(const struct listing *l, const struct cv_mbox_info *box)
{
	struct imapd_noted_place place;
	uint64_t unused = 0;

	if (!imapd_noted_find(l->c, box->name, &place, NULL) &&
		!imapd_noted_load(l->c, &place, NULL))
		imapd_write_metadata(
			l->c, &place.noted, l->args->metadata, &unused, l->out);
	imapd_places_done(l->c);
}

/* RFC 9590 3 */
static void
write_metadata(const struct listing *l, const struct cv_mbox_info *box)
{
	if (imapd_is_others_name(l->c, box->name)) {
		write_others_metadata(l, box);
		return;
	}
	size_t from = note_at(l, box->id);
	struct imapd_noted noted = {box->name, box->id, box->use, l->notes + from,
		note_at(l, box->id + 1) - from};
	uint64_t unused = 0;

	imapd_write_metadata(l->c, &noted, l->args->metadata, &unused, l->out);
}

static void
write_alone(struct imapd_conn *c, const struct cv_mbox_info *box, struct cv_str old_name,
	unsigned options, struct cv_buf *out)
{
	const struct imapd_list_args args = {.options = options};
	struct listing l = {.c = c, .out = out, .args = &args};

	l.separator = cv_store_separator(c->server->store);
	cv_buf_z(out, "* LIST (");
	write_attributes(&l, box);
	write_separator(&l, out);
	imapd_write_name(out, box->name, c->utf8);
	if (old_name.p) {
		cv_buf_z(out, " (\"OLDNAME\" (");
		imapd_write_name(out, old_name, c->utf8);
		cv_buf_add(out, "))", 2);
	}
	cv_buf_add(out, "\r\n", 2);
}

void
imapd_write_list(struct imapd_conn *c, const struct cv_mbox_info *box, struct cv_str old_name,
	struct cv_buf *out)
{
	write_alone(c, box, old_name, 0, out);
}

void
imapd_write_list_subscribed(struct imapd_conn *c, const struct cv_mbox_info *box,
	struct cv_str old_name, struct cv_buf *out)
{
	write_alone(c, box, old_name, IMAPD_LIST_RET_SUBSCRIBED, out);
}

void
imapd_write_list_as(struct imapd_conn *c, const struct cv_mbox_info *box, const char *attribute,
	struct cv_buf *out)
{
	struct listing l = {.c = c, .out = out};

	l.separator = cv_store_separator(c->server->store);
	cv_buf_z(out, "* LIST (");
	cv_buf_z(out, attribute);
	write_separator(&l, out);
	imapd_write_name(out, box->name, c->utf8);
	cv_buf_add(out, "\r\n", 2);
}

/* Remembers every name above a subscribed one that is not listed itself: of others CHILDINFO would
 * say what the client sees anyway (RFC 5258 3.5). */
static void
find_parents(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct cv_str name = l->boxes[i].name;
		if (!l->boxes[i].subscribed || is_wanted(l, name))
			continue;
		for (size_t at = name.n; at > 0; at--)
			if (name.p[at - 1] == l->separator)
				cv_map_put(&l->parents, cv_str(name.p, at - 1), l);
	}
}

/* Parents of subscribed names that are no mailboxes themselves, each once. */
static void
list_missing_parents(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		cv_map_del(&l->parents, l->boxes[i].name);
	for (size_t i = 0; i < l->count; i++) {
		struct cv_str name = l->boxes[i].name;
		for (size_t at = l->boxes[i].subscribed ? name.n : 0; at > 0; at--) {
			struct cv_mbox_info above = {
				.name = cv_str(name.p, at - 1), .has_children = true};
			if (name.p[at - 1] == l->separator && is_wanted(l, above.name) &&
				cv_map_del(&l->parents, above.name))
				write_box(l, &above, true);
		}
	}
}

static void
list_boxes(struct listing *l)
{
	unsigned o = l->args->options;

	if (o & IMAPD_LIST_RECURSIVE)
		find_parents(l);
	for (size_t i = 0; i < l->count; i++) {
		const struct cv_mbox_info *box = &l->boxes[i];
		bool is_parent = (o & IMAPD_LIST_RECURSIVE) && cv_map_get(&l->parents, box->name);
		bool selected =
			(o & IMAPD_LIST_SUBSCRIBED) ? box->subscribed || is_parent : box->id != 0;
		if ((o & IMAPD_LIST_ONLY_SPECIAL) && box->use == CV_USE_NONE)
			selected = false;
		if (!selected || !is_wanted(l, box->name))
			continue;
		write_box(l, box, is_parent);
		/* what is there only for its children was not selected itself */
		bool is_own = !(o & IMAPD_LIST_SUBSCRIBED) || box->subscribed;
		if ((o & IMAPD_LIST_RET_METADATA) && box->id && is_own)
			write_metadata(l, box);
	}
	if ((o & IMAPD_LIST_RECURSIVE) && !(o & IMAPD_LIST_ONLY_SPECIAL))
		list_missing_parents(l);
}

/* A pattern that ends in "%" shows the level above a subscribed name (RFC 3501 6.3.9). */
static void
lsub_parents(struct listing *l, struct cv_str name)
{
	struct cv_buf *out = l->out;

	for (size_t at = name.n; at > 0; at--) {
		struct cv_str above = cv_str(name.p, at - 1);
		if (name.p[at - 1] != l->separator || !is_wanted(l, above) ||
			cv_map_put(&l->parents, above, l))
			continue;
		cv_buf_z(out, "* LSUB (\\Noselect");
		write_separator(l, out);
		imapd_write_name(out, above, l->c->utf8);
		cv_buf_add(out, "\r\n", 2);
	}
}

static void
lsub_boxes(struct listing *l)
{
	struct cv_buf *out = l->out;

	for (size_t i = 0; i < l->count; i++) {
		const struct cv_mbox_info *box = &l->boxes[i];
		if (!box->subscribed || !is_wanted(l, box->name))
			continue;
		cv_map_put(&l->parents, box->name, l);
		cv_buf_z(out, box->id && !box->selectable ? "* LSUB (\\Noselect" : "* LSUB (");
		write_separator(l, out);
		imapd_write_name(out, box->name, l->c->utf8);
		cv_buf_add(out, "\r\n", 2);
	}
	for (size_t i = 0; i < l->count; i++)
		if (l->boxes[i].subscribed && !is_wanted(l, l->boxes[i].name))
			lsub_parents(l, l->boxes[i].name);
}

static enum cv_step
run_list(struct imapd_conn *c, void (*each)(struct listing *l))
{
	const struct imapd_list_args *args = c->cmd->args.list;
	struct listing l = {.c = c, .out = imapd_out(c), .args = args};
	struct cv_err err = {0};

	l.separator = cv_store_separator(c->server->store);
	enum cv_status status = cv_mbox_list(c->acct, &c->arena, &l.boxes, &l.count, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	if (args->options & IMAPD_LIST_RET_METADATA)
		status = cv_notes_get(c->acct, CV_NOTES_ALL, c->login.acct, &c->arena, &l.notes,
			&l.note_count, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	l.patterns = CV_ARENA_ARRAY(&c->arena, struct cv_str, args->pattern_count);
	for (size_t i = 0; i < args->pattern_count; i++)
		l.patterns[i] = cv_arena_printf(&c->arena, "%.*s%.*s", CV_STR_ARGS(args->reference),
			CV_STR_ARGS(args->patterns[i]));
	status = imapd_list_others(c, l.patterns, args->pattern_count, &l.boxes, &l.count, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	cv_map_init(&l.parents);
	each(&l);
	cv_map_done(&l.parents);
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_list(struct imapd_conn *c)
{
	const struct imapd_list_args *args = c->cmd->args.list;
	struct cv_buf *out = imapd_out(c);

	if (args->status_items & IMAPD_STATUS_HIGHESTMODSEQ)
		imapd_know_modseq(c);
	/* An empty pattern asks for the separator alone. */
	if (!(args->options & IMAPD_LIST_EXTENDED) && !args->patterns[0].n) {
		struct listing l = {.c = c, .out = out, .args = args};
		l.separator = cv_store_separator(c->server->store);
		cv_buf_z(out, "* LIST (\\Noselect");
		write_separator(&l, out);
		cv_buf_z(out, "\"\"\r\n");
		return imapd_done(c, IMAPD_R_OK);
	}
	return run_list(c, list_boxes);
}

enum cv_step
imapd_cmd_lsub(struct imapd_conn *c)
{
	return run_list(c, lsub_boxes);
}

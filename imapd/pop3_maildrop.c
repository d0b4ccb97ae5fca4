/* pop3_maildrop.c - INBOX as a maildrop: opening it, STAT, LIST, UIDL, marks, and QUIT. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "imapd/pop3.h"

#define SIZES_A_RUN   4096
#define REMOVES_A_RUN 1000

enum cv_status
imapd_pop3_open_maildrop(struct imapd_pop3 *c, struct cv_err *err)
{
	enum cv_status status = cv_mbox_open(c->acct, CV_STR("INBOX"), &c->mbox, err);

	if (!status)
		status = cv_mbox_view(c->mbox, &c->view, err);
	if (status)
		return status;
	c->sizes = cv_calloc(c->view->exists + 1u, sizeof(*c->sizes));
	c->marks = cv_calloc(c->view->exists + 1u, sizeof(*c->marks));
	c->sized = 0;
	c->may_delete = imapd_config(c->server)->imapd->pop3_delete;
	return CV_OK;
}

void
imapd_pop3_close_maildrop(struct imapd_pop3 *c)
{
	if (c->view)
		cv_view_unref(c->view);
	if (c->mbox)
		cv_mbox_close(c->mbox);
	if (c->acct)
		cv_acct_close(c->acct);
	free(c->sizes);
	free(c->marks);
	c->view = NULL;
	c->mbox = NULL;
	c->acct = NULL;
	c->sizes = NULL;
	c->marks = NULL;
	if (c->is_counted)
		imapd_login_remove(c->server, &c->login);
	c->is_counted = false;
}

const struct cv_entry *
imapd_pop3_message(struct imapd_pop3 *c, uint32_t number, enum imapd_pop3_reply *why_out)
{
	*why_out = IMAPD_POP3_R_NO_MESSAGE;
	if (!number || number > c->view->exists)
		return NULL;
	if (c->marks[number - 1]) {
		*why_out = c->marks[number - 1] & IMAPD_POP3_MARKED ? IMAPD_POP3_R_DELETED
								    : IMAPD_POP3_R_GONE;
		return NULL;
	}
	return cv_view_seq(c->view, number);
}

/* ---- sizes ---- */

struct sizing {
	struct imapd_pop3 *c;
	const uint32_t *uids;
	uint32_t at, count;
};

static void
note_missing(struct sizing *s)
{
	s->c->marks[s->c->sized + s->at++] |= IMAPD_POP3_MISSING;
}

static bool
on_size(void *arg, const struct cv_msg *msg)
{
	struct sizing *s = arg;

	while (s->at < s->count && s->uids[s->at] < msg->uid)
		note_missing(s);
	if (s->at < s->count && s->uids[s->at] == msg->uid)
		s->c->sizes[s->c->sized + s->at++] = msg->size_bytes;
	return true;
}

/* Reads the sizes not known yet, some a run. DONE: all are known. Else return what it answers. */
static enum cv_step
need_sizes(struct imapd_pop3 *c)
{
	struct cv_err err = {0};

	if (c->sized == c->view->exists)
		return CV_STEP_DONE;
	uint32_t count = CV_MIN(c->view->exists - c->sized, (uint32_t)SIZES_A_RUN);
	uint32_t *uids = CV_ARENA_ARRAY(&c->arena, uint32_t, count);
	for (uint32_t i = 0; i < count; i++)
		uids[i] = cv_view_seq(c->view, c->sized + i + 1)->uid;
	struct sizing s = {.c = c, .uids = uids, .count = count};
	enum cv_status status = cv_msg_each(c->mbox, uids, count, false, on_size, &s, &err);
	if (status)
		return imapd_pop3_refuse(c, status, &err);
	while (s.at < s.count)
		note_missing(&s);
	c->sized += count;
	return c->sized == c->view->exists ? CV_STEP_DONE : imapd_pop3_yield(c);
}

static void
count_all(const struct imapd_pop3 *c, uint32_t *messages_out, uint64_t *bytes_out)
{
	*messages_out = 0;
	*bytes_out = 0;
	for (uint32_t i = 0; i < c->view->exists; i++) {
		if (c->marks[i])
			continue;
		++*messages_out;
		*bytes_out += c->sizes[i];
	}
}

enum cv_step
imapd_pop3_stat(struct imapd_pop3 *c)
{
	uint32_t messages;
	uint64_t bytes;

	enum cv_step step = need_sizes(c);
	if (step != CV_STEP_DONE || c->is_answered)
		return step;
	count_all(c, &messages, &bytes);
	cv_buf_printf(imapd_pop3_out(c), "+OK %u %llu\r\n", messages, (unsigned long long)bytes);
	return imapd_pop3_written(c);
}

/* ---- lists ---- */

static void
write_size(struct imapd_pop3 *c, uint32_t number)
{
	cv_buf_u64(imapd_pop3_out(c), c->sizes[number - 1]);
}

/* Never another message's: UIDVALIDITY and UID (RFC 1939 7). */
static void
write_id(struct imapd_pop3 *c, uint32_t number)
{
	cv_buf_printf(imapd_pop3_out(c), "%08x%08x", c->view->uidvalidity,
		cv_view_seq(c->view, number)->uid);
}

static void
write_row(struct imapd_pop3 *c, uint32_t number, void (*write)(struct imapd_pop3 *, uint32_t))
{
	cv_buf_u64(imapd_pop3_out(c), number);
	cv_buf_c(imapd_pop3_out(c), ' ');
	write(c, number);
	cv_buf_add(imapd_pop3_out(c), "\r\n", 2);
}

struct listing {
	uint32_t next;
};

/* Goes on where the output was full. */
static enum cv_step
write_rows(struct imapd_pop3 *c, void (*write)(struct imapd_pop3 *, uint32_t))
{
	struct listing *l = c->step;

	if (!l) {
		l = c->step = CV_ARENA_NEW(&c->arena, struct listing);
		l->next = 1;
		imapd_pop3_respond(imapd_pop3_out(c), IMAPD_POP3_R_OK_LIST, c->lang);
	}
	for (; l->next <= c->view->exists; l->next++) {
		if (cv_conn_out_is_high(c->conn))
			return CV_STEP_MORE;
		if (!c->marks[l->next - 1])
			write_row(c, l->next, write);
	}
	cv_buf_add(imapd_pop3_out(c), ".\r\n", 3);
	return imapd_pop3_written(c);
}

static enum cv_step
write_one(struct imapd_pop3 *c, void (*write)(struct imapd_pop3 *, uint32_t))
{
	enum imapd_pop3_reply why;

	if (!imapd_pop3_message(c, c->args.number[0], &why))
		return imapd_pop3_done(c, why);
	cv_buf_z(imapd_pop3_out(c), "+OK ");
	write_row(c, c->args.number[0], write);
	return imapd_pop3_written(c);
}

enum cv_step
imapd_pop3_list(struct imapd_pop3 *c)
{
	enum cv_step step = need_sizes(c);

	if (step != CV_STEP_DONE || c->is_answered)
		return step;
	return c->args.count ? write_one(c, write_size) : write_rows(c, write_size);
}

enum cv_step
imapd_pop3_uidl(struct imapd_pop3 *c)
{
	return c->args.count ? write_one(c, write_id) : write_rows(c, write_id);
}

/* ---- marks ---- */

enum cv_step
imapd_pop3_dele(struct imapd_pop3 *c)
{
	enum imapd_pop3_reply why;

	if (!imapd_pop3_message(c, c->args.number[0], &why))
		return imapd_pop3_done(c, why);
	if (!c->may_delete)
		return imapd_pop3_done(c, IMAPD_POP3_R_NO_DELETE);
	c->marks[c->args.number[0] - 1] |= IMAPD_POP3_MARKED;
	return imapd_pop3_done(c, IMAPD_POP3_R_OK_MARKED);
}

enum cv_step
imapd_pop3_rset(struct imapd_pop3 *c)
{
	for (uint32_t i = 0; i < c->view->exists; i++)
		c->marks[i] &= (uint8_t)~IMAPD_POP3_MARKED;
	return imapd_pop3_done(c, IMAPD_POP3_R_OK);
}

enum cv_step
imapd_pop3_noop(struct imapd_pop3 *c)
{
	return imapd_pop3_done(c, IMAPD_POP3_R_OK);
}

/* ---- QUIT ---- */

/* What QUIT has to remove, and how far it is. */
struct removal {
	uint32_t *uids, count, at;
	bool has_failed;
};

static struct removal *
begin_removal(struct imapd_pop3 *c)
{
	struct removal *r = CV_ARENA_NEW(&c->arena, struct removal);

	*r = (struct removal){.uids = CV_ARENA_ARRAY(&c->arena, uint32_t, c->view->exists + 1)};
	for (uint32_t i = 0; i < c->view->exists; i++)
		if (c->marks[i] & IMAPD_POP3_MARKED)
			r->uids[r->count++] = cv_view_seq(c->view, i + 1)->uid;
	c->step = r;
	return r;
}

/* Some of them, in one go. */
static void
remove_some(struct imapd_pop3 *c, struct removal *r)
{
	struct cv_err err = {0};
	uint32_t n = CV_MIN(r->count - r->at, (uint32_t)REMOVES_A_RUN);
	size_t removed = 0;
	cv_ticket ticket = 0;

	enum cv_status status =
		cv_mbox_remove(c->mbox, r->uids + r->at, n, &removed, &ticket, &err);
	c->ticket = CV_MAX(c->ticket, ticket);
	c->removed += (uint32_t)removed;
	atomic_fetch_add(&c->server->pop3_deleted, removed);
	r->at += n;
	if (!status)
		return;
	cv_log(cv_conn_id(c->conn), CV_ERROR, "pop3.remove_failed",
		"user=%s left=%u status=\"%s\" error=\"%s\"", c->address,
		(unsigned)(r->count - c->removed), cv_status_name(status), err.text);
	r->has_failed = true;
	r->at = r->count;
}

/* RFC 1939 6. The next session may come as soon as the answer is out. */
enum cv_step
imapd_pop3_quit(struct imapd_pop3 *c)
{
	if (c->state == IMAPD_POP3_AUTHORIZATION) {
		imapd_pop3_enter(c, IMAPD_POP3_UPDATE);
		return imapd_pop3_done(c, IMAPD_POP3_R_OK_BYE);
	}
	if (c->state == IMAPD_POP3_TRANSACTION)
		imapd_pop3_enter(c, IMAPD_POP3_UPDATE);
	struct removal *r = c->step ? c->step : begin_removal(c);
	if (r->at < r->count) {
		remove_some(c, r);
		if (r->at < r->count)
			return imapd_pop3_yield(c);
	}
	if (!imapd_pop3_is_durable(c))
		return CV_STEP_DURABLE;
	imapd_pop3_close_maildrop(c);
	return imapd_pop3_done(
		c, r->has_failed ? IMAPD_POP3_R_NOT_REMOVED : IMAPD_POP3_R_OK_BYE);
}

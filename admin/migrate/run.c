/* run.c - bringing accounts over, several at a time, see migrate.h.
 *
 * A batch is announced in the account's journal (durably), sent, and marked as done. So whoever is
 * killed anywhere leaves a journal that says which messages are in the box, which are not, and of
 * which at most one batch nobody knows: those are looked for in the box by content and date.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/sha.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "admin/files.h"
#include "admin/migrate/migrate.h"
#include "admin/progress.h"
#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/text/encode.h"

#define BATCH_BYTES    (8u << 20)
#define BATCH_MESSAGES 200u
#define PARALLEL_MAX   32u
#define SKIPPED_KEPT   1000u
#define RETRY_SECS     5

struct batch {
	json_t *messages;
	const struct migrate_message *items[BATCH_MESSAGES];
	size_t n, bytes;
};
struct work {
	struct migrate_run *run;
	struct migrate_account *a;
	struct migrate_source *source;
	struct migrate_journal journal;
	const char *folder; /* its name here */
	struct batch batch;
	enum cv_status failed; /* of the store: no further account will do better */
};

/* ---- what is shared ---- */

/* Waits until BYTES more fit the rate. */
static void
spend(struct migrate_run *run, uint64_t bytes)
{
	if (!run->bytes_per_sec)
		return;
	pthread_mutex_lock(&run->lock);
	int64_t now = cv_mono_ms();
	if (!run->spent_ms)
		run->spent_ms = now;
	run->spent += bytes;
	int64_t due = run->spent_ms + (int64_t)(run->spent * 1000 / run->bytes_per_sec);
	pthread_mutex_unlock(&run->lock);
	if (due > now) {
		struct timespec pause = {(due - now) / 1000, (due - now) % 1000 * 1000000};
		nanosleep(&pause, NULL);
	}
}

static json_t *
ask(struct work *w, json_t *request, struct cv_err *err)
{
	struct migrate_run *run = w->run;

	pthread_mutex_lock(&run->ask_lock);
	json_t *reply = admin_try(run->call, ADMIN_STORE, request, err);
	pthread_mutex_unlock(&run->ask_lock);
	return reply;
}

static void
show(struct migrate_run *run)
{
	pthread_mutex_lock(&run->lock);
	json_t *note = json_pack("{s:I, s:I}", "done", (json_int_t)(run->next ? run->next - 1 : 0),
		"total", (json_int_t)run->count);
	admin_progress(run->call, note);
	pthread_mutex_unlock(&run->lock);
}

static void
skip(struct work *w, const struct migrate_message *m, const char *why)
{
	w->a->skipped_count++;
	if (json_array_size(w->a->skipped) < SKIPPED_KEPT)
		json_array_append_new(w->a->skipped, json_pack("{s:s, s:s, s:s}", "folder",
							     w->folder, "key", m->key, "why", why));
}

/* ---- a batch ---- */

static void
hash_of(struct cv_str body, char hex[65])
{
	uint8_t hash[32];

	SHA256((const unsigned char *)body.p, body.n, hash);
	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
}

static void
batch_begin(struct batch *b)
{
	*b = (struct batch){.messages = json_array()};
}

static enum cv_status
flush(struct work *w, struct cv_err *err)
{
	struct batch *b = &w->batch;

	if (!b->n)
		return CV_OK;
	enum cv_status status = migrate_journal_sync(&w->journal, err);
	if (status != CV_OK)
		return status;
	CV_KILL_POINT("migrate.send");
	json_t *request = admin_request("backup.put");
	admin_set(request, "account", w->a->address);
	admin_set(request, "mailbox", w->folder);
	json_object_set_new(request, "messages", b->messages);
	b->messages = NULL;
	json_t *reply = ask(w, request, err);
	CV_KILL_POINT("migrate.sent");
	if (reply) {
		for (size_t i = 0; i < b->n; i++)
			migrate_journal_done(&w->journal, w->folder, b->items[i]->key);
		w->a->copied += b->n;
		w->a->bytes += b->bytes;
		json_decref(reply);
	} else {
		status = err->code;
	}
	batch_begin(b);
	return status;
}

static void
add_to_batch(struct work *w, const struct migrate_message *m, struct cv_str body)
{
	struct batch *b = &w->batch;
	struct cv_buf text = CV_BUF_INIT((size_t)MIGRATE_MESSAGE_MAX * 2);
	char hash[65];
	json_t *keywords = json_array();

	hash_of(body, hash);
	migrate_journal_send(&w->journal, w->folder, m->key, hash, m->secs);
	cv_base64_encode(body, &text);
	for (unsigned k = 0; k < m->keyword_count; k++) {
		json_t *word = json_string(m->keywords[k]);
		if (word)
			json_array_append_new(keywords, word);
	}
	json_array_append_new(
		b->messages, json_pack("{s:s%, s:I, s:i, s:i, s:o}", "body", text.p, text.n, "date",
				     (json_int_t)m->secs, "zone", m->zone, "flags", (int)m->flags,
				     "keywords", keywords));
	cv_buf_done(&text);
	b->items[b->n++] = m;
	b->bytes += body.n;
}

static enum cv_status
copy_message(struct work *w, const struct migrate_message *m, struct cv_err *err)
{
	struct cv_buf body = CV_BUF_INIT(MIGRATE_MESSAGE_MAX);
	enum cv_status status = CV_OK;

	if (m->size > MIGRATE_MESSAGE_MAX) {
		skip(w, m, "too large");
		return CV_OK;
	}
	spend(w->run, m->size);
	status = w->source->ops->read(w->source, m, &body, err);
	if (status == CV_OK)
		add_to_batch(w, m, cv_buf_view(&body));
	else if (status != CV_TEMPFAIL) { /* this message, not the connection */
		skip(w, m, err->text);
		status = CV_OK;
	}
	cv_buf_done(&body);
	if (status == CV_OK && (w->batch.n == BATCH_MESSAGES || w->batch.bytes >= BATCH_BYTES))
		status = flush(w, err);
	return status;
}

/* ---- a folder ---- */

/* Old folders that go into one here, and may number their messages alike: their keys say which. */
static void
mark_keys(const struct migrate_folder *folder, struct migrate_list *list)
{
	char hash[65];

	hash_of(cv_str_z(folder->raw), hash);
	for (size_t i = 0; i < list->n; i++) {
		char *key = list->items[i].key;
		size_t n = CV_MIN(strlen(key), (size_t)MIGRATE_KEY_MAX - 14);
		snprintf(key + n, MIGRATE_KEY_MAX - n, "@%.12s", hash);
	}
}

/* A killed run sent these and saw no answer: those that are in the box are done. */
static enum cv_status
resolve_unsure(struct work *w, struct cv_err *err)
{
	json_t *list = json_object_get(w->journal.unsure, w->folder), *item, *text;
	size_t i;

	if (!json_array_size(list))
		return CV_OK;
	json_t *request = admin_request("backup.contents");
	admin_set(request, "account", w->a->address);
	admin_set(request, "mailbox", w->folder);
	json_t *reply = ask(w, request, err), *there = json_object();
	if (!reply) {
		json_decref(there);
		return err->code;
	}
	json_array_foreach(json_object_get(reply, "messages"), i, text)
		json_object_set_new(there, json_string_value(text), json_true());
	json_decref(reply);
	json_array_foreach(list, i, item)
	{
		char name[100];
		snprintf(name, sizeof name, "%s %lld", json_string_value(json_array_get(item, 1)),
			(long long)json_integer_value(json_array_get(item, 2)));
		if (json_object_get(there, name))
			migrate_journal_done(
				&w->journal, w->folder, json_string_value(json_array_get(item, 0)));
	}
	json_decref(there);
	json_object_del(w->journal.unsure, w->folder);
	return CV_OK;
}

static enum cv_status
copy_folder(
	struct work *w, const struct migrate_folder *folder, bool is_shared, struct cv_err *err)
{
	struct migrate_list list = {0};
	enum cv_status status = w->source->ops->messages(w->source, folder, &list, err);

	if (is_shared)
		mark_keys(folder, &list);
	if (status == CV_OK && !w->run->dry_run)
		status = resolve_unsure(w, err);
	w->a->found += list.n;
	for (size_t i = 0; i < list.n && status == CV_OK; i++) {
		if (migrate_journal_has(&w->journal, w->folder, list.items[i].key))
			w->a->there++;
		else if (w->run->dry_run)
			w->a->bytes += list.items[i].size;
		else
			status = copy_message(w, &list.items[i], err);
	}
	if (status == CV_OK)
		status = flush(w, err);
	/* What was announced and not sent is unsure in the journal; its messages end here. */
	json_decref(w->batch.messages);
	batch_begin(&w->batch);
	migrate_list_done(&list);
	return status;
}

static enum cv_status
copy_folders(struct work *w, struct cv_err *err)
{
	struct migrate_folder *folders;
	size_t n;
	enum cv_status status = w->source->ops->folders(w->source, &folders, &n, err);

	w->a->found = w->a->there = 0;
	w->a->folders = n;
	for (size_t i = 0; i < n && status == CV_OK; i++) {
		struct cv_buf name = CV_BUF_INIT(2 * MIGRATE_NAME_MAX);
		if (w->run->below)
			cv_buf_printf(&name, "%s/", w->run->below);
		cv_buf_z(&name, folders[i].name);
		w->folder = name.p;
		bool is_shared = false;
		for (size_t j = 0; j < n && !is_shared; j++)
			is_shared = j != i && !strcasecmp(folders[i].name, folders[j].name);
		status = copy_folder(w, &folders[i], is_shared, err);
		cv_buf_done(&name);
	}
	w->folder = NULL;
	migrate_folders_free(folders, n);
	return status;
}

/* ---- an account ---- */

/* Each old box has its own: two that come into one here may number their messages alike. The files
 * are the daemons' user's, like all below base_dir: a backup reads them. */
static enum cv_status
open_journal(struct work *w, struct cv_err *err)
{
	char path[2400], user[65];
	const struct migrate_run *run = w->run;

	snprintf(path, sizeof path, "%.1500s/%.400s", run->journal_dir, run->label);
	enum cv_status status = admin_folder_make(path, 0700, run->owner, err);
	if (status != CV_OK)
		return status;
	hash_of(cv_str_z(w->a->user), user);
	snprintf(path, sizeof path, "%.1500s/%.400s/%.320s.%.12s.log", run->journal_dir, run->label,
		w->a->address, user);
	return migrate_journal_open(path, run->owner, &w->journal, err);
}

/* One connection; what it copied is not copied again by the next. */
static enum cv_status
try_account(struct work *w, struct cv_err *err)
{
	enum cv_status status = w->run->open(w->run, w->a, &w->source, err);

	if (status != CV_OK)
		return status;
	json_decref(w->a->skipped);
	w->a->skipped = json_array();
	w->a->skipped_count = 0;
	status = copy_folders(w, err);
	w->source->ops->close(w->source);
	return status;
}

static void
do_account(struct migrate_run *run, struct migrate_account *a)
{
	struct work w = {.run = run, .a = a, .journal = {.fd = -1}};
	struct cv_err err = {0};

	batch_begin(&w.batch);
	enum cv_status status = open_journal(&w, &err);
	for (unsigned i = 0; status == CV_OK || (i && status == CV_TEMPFAIL); i++) {
		if (i >= run->tries)
			break;
		if (i) { /* a journal that was sent and not answered is read again */
			struct timespec pause = {RETRY_SECS, 0};
			nanosleep(&pause, NULL);
			migrate_journal_close(&w.journal);
			status = open_journal(&w, &err);
			if (status != CV_OK)
				break;
		}
		status = try_account(&w, &err);
		if (status == CV_OK)
			break;
	}
	snprintf(a->error, sizeof a->error, "%s", status == CV_OK ? "" : err.text);
	json_decref(w.batch.messages);
	if (w.journal.unsure)
		migrate_journal_close(&w.journal);
}

static void *
worker(void *arg)
{
	struct migrate_run *run = arg;

	for (;;) {
		pthread_mutex_lock(&run->lock);
		size_t i = run->next < run->count ? run->next++ : run->count;
		pthread_mutex_unlock(&run->lock);
		if (i == run->count)
			return NULL;
		do_account(run, &run->accounts[i]);
		show(run);
	}
}

void
migrate_run_all(struct migrate_run *run, unsigned parallel)
{
	pthread_t threads[PARALLEL_MAX];
	unsigned started = 0;

	pthread_mutex_init(&run->lock, NULL);
	pthread_mutex_init(&run->ask_lock, NULL);
	while (started + 1 < CV_MIN(CV_MIN(parallel, PARALLEL_MAX), run->count) &&
		!pthread_create(&threads[started], NULL, worker, run))
		started++;
	worker(run); /* at least this one */
	while (started)
		pthread_join(threads[--started], NULL);
	admin_progress_end(run->call);
	pthread_mutex_destroy(&run->lock);
	pthread_mutex_destroy(&run->ask_lock);
}

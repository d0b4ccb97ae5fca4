/* memory.c - see memory.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/reputation/memory.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "spamfilter/reputation/bursts.h"
#include "spamfilter/reputation/copies.h"
#include "spamfilter/reputation/greylist.h"
#include "spamfilter/reputation/letters.h"

#define DAY 86400u

/* Sizes are for a province: 12,000 people, some 200,000 letters a day. */
static const struct {
	size_t place; /* in struct spam_memory */
	enum spam_stats_table table;
	uint32_t entries_max, keep_secs;
} tables[] = {
	{offsetof(struct spam_memory, trust),    SPAM_TABLE_REPUTATION,     200000, 180 * DAY},
	{offsetof(struct spam_memory, letters),  SPAM_TABLE_CORRESPONDENTS, 500000,
         SPAM_LETTERS_KEEP_SECS							      },
	{offsetof(struct spam_memory, greylist), SPAM_TABLE_GREYLIST,       100000,
         SPAM_GREYLIST_KEEP_SECS							     },
	{offsetof(struct spam_memory, copies),   SPAM_TABLE_COPIES,         100000, 30 * DAY },
	{offsetof(struct spam_memory, bursts),   SPAM_TABLE_BURSTS,         32768,  2 * DAY  },
};

static struct spam_tally **
table_at(const struct spam_memory *m, size_t i)
{
	return (struct spam_tally **)(void *)((char *)(uintptr_t)m + tables[i].place);
}

static void
write_table(struct cv_engine *engine, void *tally)
{
	struct cv_err err = {0};

	if (spam_tally_write(tally, engine, &err) != CV_OK)
		cv_log(0, CV_WARN, "tally.unwritten", "error=\"%s\"", err.text);
}

enum cv_status
spam_memory_open(struct spam_stats *stats, struct spam_memory **out, struct cv_err *err)
{
	struct spam_memory *m = cv_calloc(1, sizeof *m);
	struct cv_engine *engine = spam_stats_engine(stats);
	enum cv_status status = CV_OK;

	for (size_t i = 0; i < CV_COUNT(tables) && status == CV_OK; i++) {
		struct spam_tally_options o = {.acct = spam_stats_acct(tables[i].table),
			.entries_max = tables[i].entries_max,
			.keep_secs = tables[i].keep_secs};
		status = spam_tally_open(&o, engine, table_at(m, i), err);
		if (status == CV_OK)
			spam_stats_behind(stats, write_table, *table_at(m, i));
	}
	if (engine)
		spam_stats_done(stats);
	if (status)
		spam_memory_close(m);
	else
		*out = m;
	return status;
}

void
spam_memory_close(struct spam_memory *m)
{
	for (size_t i = 0; m && i < CV_COUNT(tables); i++)
		spam_tally_close(*table_at(m, i));
	free(m);
}

size_t
spam_memory_bytes(const struct spam_memory *m)
{
	size_t bytes = sizeof *m;

	for (size_t i = 0; i < CV_COUNT(tables); i++)
		bytes += spam_tally_bytes(*table_at(m, i));
	return bytes;
}

enum cv_status
spam_burst_answer(
	struct spam_memory *m, const json_t *request, json_t **reply_out, struct cv_err *err)
{
	const char *login = json_string_value(json_object_get(request, "login"));

	if (!login || !login[0])
		return cv_fail(err, CV_INVALID, "login is missing");
	bool was_frozen = spam_burst_release(m->bursts, cv_str_z(login));
	if (was_frozen)
		cv_log(0, CV_INFO, "account.thawed", "login=<%.320s>", login);
	*reply_out = json_pack("{s:b}", "was_frozen", was_frozen);
	return *reply_out ? CV_OK : CV_TEMPFAIL;
}

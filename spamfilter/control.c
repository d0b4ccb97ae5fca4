/* control.c - what the filter answers on its control socket: a row a request. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text/date.h"
#include "common/text/header.h"
#include "spamfilter/body.h"
#include "spamfilter/dmarc/reporter.h"
#include "spamfilter/classify/classify.h"
#include "spamfilter/server.h"
#include "spamfilter/tool/explain.h"

#define LIST_DAYS  30
/* Statistics' cache, what is remembered of senders, the classifier's tokens. */
#define TABLES_BYTES (SPAM_STATS_CACHE_BYTES + (45 << 20) + (256 << 20))
#define CLAMAV_MS  3000 /* that `status` waits for its version */
#define LIST_LIMIT 200000

/* The most that was resident so far. */
static json_int_t
resident_peak(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) ? 0 : (json_int_t)u.ru_maxrss * 1024;
}

/* The most that messages and tables may take, libraries' own caches aside. */
static json_int_t
memory_max(struct spam_server *s)
{
	const json_int_t session = 2 * CV_HEADER_BYTES_MAX + SPAM_BODY_HEAD_BYTES + (256 << 10);

	return (json_int_t)s->opt->threads_max * session +
	       (json_int_t)s->opt->examined_max * SPAM_MESSAGE_BYTES_MAX +
	       (json_int_t)s->opt->bodies_max + TABLES_BYTES;
}

static enum cv_status
answer_status(struct spam_server *s, CV_UNUSED json_t *request, json_t **reply_out,
	CV_UNUSED struct cv_err *err)
{
	struct spam_clamav_figures clamav;
	char version[SPAM_CLAMAV_VERSION_MAX] = "off";

	if (s->opt->clamav[0])
		spam_clamav_version(s->clamav, s->opt->clamav, CLAMAV_MS, version);
	spam_clamav_figures(s->clamav, &clamav);
	const struct {
		const char *name;
		json_int_t value;
	} rows[] = {
		{"sessions",        (json_int_t)atomic_load(&s->sessions)        },
		{"sessions_open",   (json_int_t)atomic_load(&s->sessions_open)   },
		{"sessions_max",    (json_int_t)s->opt->threads_max              },
		{"turned_away",     (json_int_t)atomic_load(&s->turned_away)     },
		{"messages",        (json_int_t)atomic_load(&s->messages)        },
		{"under_way",       (json_int_t)atomic_load(&s->under_way)       },
		{"refused",         (json_int_t)atomic_load(&s->refused)         },
		{"marked",          (json_int_t)atomic_load(&s->marked)          },
		{"signed",          (json_int_t)atomic_load(&s->signed_)         },
		{"signups",         (json_int_t)atomic_load(&s->signups)         },
		{"examined",        (json_int_t)spam_room_taken(&s->room)        },
		{"examined_max",    (json_int_t)s->opt->examined_max             },
		{"bodies_bytes",    (json_int_t)atomic_load(&s->bodies.used_bytes)},
		{"bodies_max",      (json_int_t)atomic_load(&s->bodies.max_bytes)},
		{"memory_max",      memory_max(s)                                },
		{"resident_peak",   resident_peak()                              },
		{"documents",       (json_int_t)atomic_load(&s->documents)       },
		{"documents_away",  (json_int_t)atomic_load(&s->documents_away)  },
		{"clamav_scanned",  (json_int_t)clamav.scanned                   },
		{"clamav_found",    (json_int_t)clamav.found                     },
		{"clamav_failed",   (json_int_t)(clamav.away + clamav.failed)    },
	};
	json_t *reply = json_pack("{s:s, s:s}", "program", "spamfilter", "clamav", version);

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		json_object_set_new(reply, rows[i].name, json_integer(rows[i].value));
	cv_ctl_describe(reply);
	*reply_out = reply;
	return CV_OK;
}

/* "2026-11-23" as days since 1970; ABSENT when KEY is not there. */
static enum cv_status
day_of(const json_t *request, const char *key, uint32_t absent, uint32_t *out, struct cv_err *err)
{
	const char *text = json_string_value(json_object_get(request, key));
	struct cv_date date;

	*out = absent;
	if (!text)
		return CV_OK;
	if (strlen(text) != 10 || cv_date_parse_iso(cv_str_z(text), 0, &date) != CV_OK)
		return cv_fail(err, CV_INVALID, "%s is no day like 2026-11-23", key);
	*out = (uint32_t)CV_MAX(cv_date_local_days(date), 0);
	return CV_OK;
}

/* The agency's code of each row; rows of others than AGENCY (when it is named) go. */
static void
add_agencies(struct spam_server *s, json_t *rows, const char *agency)
{
	const struct cv_snapshot *snap = cv_register_get(s->reg);

	for (size_t i = json_array_size(rows); i > 0; i--) {
		json_t *row = json_array_get(rows, i - 1);
		uint64_t acct =
			(uint64_t)json_integer_value(json_object_get(row, "account"));
		struct cv_reg_account a;
		bool known = acct && cv_snapshot_account(snap, acct, &a) && a.agency.n;
		if (agency && !(known && cv_str_eq_z(a.agency, agency)))
			json_array_remove(rows, i - 1);
		else
			json_object_set_new(row, "agency",
				known ? json_stringn(a.agency.p, a.agency.n) : json_string(""));
	}
	cv_snapshot_unref(snap);
}

static enum cv_status
answer_signups(struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err)
{
	const char *agency = json_string_value(json_object_get(request, "agency"));
	struct spam_signup_asked asked = {.limit = LIST_LIMIT};
	json_int_t days = LIST_DAYS, limit = LIST_LIMIT;
	uint32_t today = spam_stats_today();
	json_t *rows;

	(void)json_unpack(request, "{s?:I, s?:I}", "days", &days, "limit", &limit);
	if (days < 0 || days > 100000 || limit < 0 || limit > LIST_LIMIT)
		return cv_fail(err, CV_INVALID, "days and limit must be small and not negative");
	asked.limit = (size_t)limit;
	asked.own_free_mail = json_is_true(json_object_get(request, "own_free_mail"));
	enum cv_status status =
		day_of(request, "from", today - CV_MIN(today, (uint32_t)days), &asked.from, err);
	if (status == CV_OK)
		status = day_of(request, "to", UINT32_MAX - 1, &asked.to, err);
	if (status == CV_OK)
		status = spam_signup_list(s->signup, &asked, &rows, err);
	if (status)
		return status;
	add_agencies(s, rows, agency);
	*reply_out = json_pack("{s:o}", "events", rows);
	return *reply_out ? CV_OK : CV_TEMPFAIL;
}

static enum cv_status
answer_stats(struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err)
{
	const char *agency = json_string_value(json_object_get(request, "agency"));
	uint32_t from = 0, to = 0, today = spam_stats_today();
	json_t *rows;
	enum cv_status status = day_of(request, "from", today, &from, err);

	if (status == CV_OK)
		status = day_of(request, "to", today, &to, err);
	if (status == CV_OK)
		status = spam_agencies_list(
			s->agencies, from, to, cv_str_z(agency ? agency : ""), &rows, err);
	if (status == CV_OK)
		*reply_out = json_pack("{s:o}", "rows", rows);
	return status;
}

static enum cv_status
answer_thaw(struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err)
{
	return spam_burst_answer(s->memory, request, reply_out, err);
}

static enum cv_status
answer_reload(struct spam_server *s, CV_UNUSED json_t *request, json_t **reply_out,
	struct cv_err *err)
{
	return spam_server_reload(s, reply_out, err);
}

static enum cv_status
answer_refresh(struct spam_server *s, CV_UNUSED json_t *request, json_t **reply_out,
	CV_UNUSED struct cv_err *err)
{
	spam_keys_refresh(s->keys);
	cv_register_refresh(s->reg);
	*reply_out = json_object();
	return CV_OK;
}

static enum cv_status
answer_dmarc(struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err)
{
	return spam_reporter_do(s->reporter, request, reply_out, err);
}

/* What was learnt and counted, written down and copied: "dir" and "classifier". Either may be
 * missing, for nothing of it is needed to filter. */
static enum cv_status
answer_copy(struct spam_server *s, CV_UNUSED json_t *request, json_t **reply_out,
	struct cv_err *err)
{
	char *stats = NULL, *classifier = NULL;
	struct cv_engine *e = spam_stats_engine(s->stats);
	enum cv_status status = CV_OK;

	if (e) {
		status = cv_engine_stage(e, &stats, err);
		spam_stats_done(s->stats);
	}
	e = s->classifier ? spam_classifier_engine(s->classifier) : NULL;
	if (!status && e)
		status = spam_classifier_flush(s->classifier, err);
	if (!status && e)
		status = cv_engine_stage(e, &classifier, err);
	if (!status)
		*reply_out = json_pack("{s:s*, s:s*}", "dir", stats, "classifier", classifier);
	free(stats);
	free(classifier);
	return status;
}

static enum cv_status
answer_copied(struct spam_server *s, CV_UNUSED json_t *request, json_t **reply_out,
	struct cv_err *err)
{
	struct cv_engine *e = spam_stats_engine(s->stats);
	enum cv_status status = CV_OK;

	if (e) {
		status = cv_engine_unstage(e, err);
		spam_stats_done(s->stats);
	}
	e = s->classifier ? spam_classifier_engine(s->classifier) : NULL;
	if (!status && e)
		status = cv_engine_unstage(e, err);
	*reply_out = json_object();
	return status;
}

static const struct {
	const char *what;
	enum cv_status (*fn)(
		struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err);
} requests[] = {
	{"status",           answer_status      },
	{"reload",           answer_reload      },
	{"register.refresh", answer_refresh     },
	{"explain",          spam_explain_answer},
	{"signup.list",      answer_signups     },
	{"spam.stats",       answer_stats       },
	{"burst.release",    answer_thaw        },
	{"backup.copy",      answer_copy        },
	{"backup.done",      answer_copied      },
	{"dmarc.list",       answer_dmarc       },
	{"dmarc.show",       answer_dmarc       },
	{"dmarc.send",       answer_dmarc       },
	{"dmarc.import",     answer_dmarc       },
	{"dmarc.sources",    answer_dmarc       },
	{"classifier.status", spam_classify_answer_status},
	{"classifier.learn",  spam_classify_answer_learn },
	{"classifier.train",  spam_classify_answer_train },
};

static enum cv_status
control(struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(call->request, "do"));

	if (call->peer_uid != 0 && call->peer_uid != geteuid())
		return cv_fail(err, CV_DENIED, "only root and the service's user may do this");
	for (size_t i = 0; what && i < CV_COUNT(requests); i++)
		if (!strcmp(what, requests[i].what))
			return requests[i].fn(call->ctx, call->request, reply_out, err);
	return cv_fail(err, CV_INVALID, "unknown request");
}

enum cv_status
spam_server_control(struct spam_server *s, struct cv_err *err)
{
	struct sockaddr_storage addr;
	socklen_t len;
	char text[1200];
	int fd;

	if (s->is_alone)
		return CV_OK;
	if (mkdir(s->main->run_dir, 0755) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", s->main->run_dir);
	snprintf(text, sizeof text, "unix:%s/spamfilter.ctl", s->main->run_dir);
	enum cv_status status = cv_sockaddr_parse(cv_str_z(text), &addr, &len, err);
	if (status == CV_OK)
		status = cv_addr_listen(&addr, len, 0600, &fd, err);
	if (status == CV_OK)
		status = cv_ctl_serve(fd, control, s, &s->ctl, err);
	return status;
}

/* quarantine_page.c - see quarantine_page.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/quarantine_page.h"

#include <openssl/evp.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/http.h"
#include "common/net/pool.h"
#include "common/text/encode.h"
#include "imapd/digest_text.h"
#include "imapd/quarantine.h"
#include "imapd/token.h"

#define ANSWER_MAX   (64u << 10)
#define REQUEST_SECS 30
#define AT_ONCE_MAX  64u
#define JOBS_MAX     64u
#define RATE_ENTRIES 10000u
#define KEY_ALL      1
#define KEY_BAD      2

static const struct cv_rate rate_all = {120, 60};  /* requests of one network */
static const struct cv_rate rate_bad = {30, 600};  /* of them with links that are none of ours */

struct imapd_pages {
	struct imapd *d;
	struct cv_http_site site;
	struct cv_pool *pool; /* for what waits for the disk */
	struct cv_rates *rates;
	char fields[900];     /* of every answer */
};

/* ---- HTML ---- */

static const char style[] =
	"body{font:1.1rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:44rem;"
	"margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}"
	"th{text-align:left;vertical-align:top;padding:.3rem 1rem .3rem 0;white-space:nowrap}"
	"td{padding:.3rem 0;overflow-wrap:anywhere}"
	"button{font:inherit;padding:.6rem 1.2rem;margin:1rem .6rem 0 0;border:2px solid #1a4f8b;"
	"border-radius:.3rem;background:#fff;color:#1a4f8b;cursor:pointer}"
	"button.main{background:#1a4f8b;color:#fff}"
	"button:focus-visible{outline:3px solid #f2a900;outline-offset:2px}"
	".warn{border-left:.4rem solid #b3261e;padding-left:1rem}";

static void
begin_page(const char *title, struct cv_buf *out)
{
	cv_buf_printf(out,
		"<!DOCTYPE html>\n<html lang=\"vi\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		"<meta name=\"robots\" content=\"noindex\"><title>%s</title><style>%s</style>"
		"</head><body><main>\n<h1>%s</h1>\n",
		title, style, title);
}

static void
end_page(struct cv_buf *out)
{
	cv_buf_z(out, "</main></body></html>\n");
}

static void
write_form(struct cv_str address, const struct imapd_held *h, struct cv_buf *out)
{
	begin_page("Thư bị giữ lại", out);
	cv_buf_z(out, "<p>Thư này gửi tới hộp thư <strong>");
	cv_html_escape(address, out);
	cv_buf_z(out, "</strong> và bị bộ lọc giữ lại. <span lang=\"en\">(A message to this mailbox "
		      "is held by the filter.)</span></p>\n<table>\n");
	imapd_held_html(h, out);
	cv_buf_z(out,
		"</table>\n<p class=\"warn\">Chỉ lấy lại khi biết chắc người gửi. Không mở liên kết "
		"hay tệp đính kèm của thư lạ.</p>\n"
		"<form method=\"post\">"
		"<button class=\"main\" type=\"submit\" name=\"do\" value=\"release\">Lấy lại vào hộp "
		"thư đến <span lang=\"en\">(Release)</span></button>"
		"<button type=\"submit\" name=\"do\" value=\"delete\">Xóa hẳn "
		"<span lang=\"en\">(Delete)</span></button></form>\n");
	end_page(out);
}

/* What became of it; English for whoever needs it. */
struct outcome {
	const char *status, *title, *vi, *en;
};
static const struct outcome
	released = {"200 OK", "Đã lấy lại thư", "Thư đã được chuyển vào hộp thư đến.",
		"The message is in your inbox."},
	deleted = {"200 OK", "Đã xóa thư", "Thư đã bị xóa hẳn.", "The message was deleted."},
	gone = {"410 Gone", "Thư không còn ở đây",
		"Thư này đã được lấy lại, đã bị xóa hoặc đã hết hạn giữ.",
		"It was released, deleted, or its time is over."},
	expired = {"410 Gone", "Liên kết đã hết hạn", "Liên kết này đã hết hạn.",
		"This link has expired."},
	unknown = {"404 Not Found", "Liên kết không hợp lệ",
		"Liên kết này không đúng. Hãy mở lại từ thư thông báo.",
		"This link is not valid. Open it from the notice again."},
	full = {"409 Conflict", "Hộp thư đã đầy",
		"Hộp thư đã đầy nên chưa lấy lại được thư. Hãy xóa bớt thư rồi thử lại.",
		"The mailbox is full: delete something and try again."},
	busy = {"503 Service Unavailable", "Hệ thống đang bận", "Hãy thử lại sau ít phút.",
		"Try again in a few minutes."},
	too_many = {"429 Too Many Requests", "Quá nhiều yêu cầu", "Hãy thử lại sau ít phút.",
		"Too many requests: try again in a few minutes."},
	bad = {"400 Bad Request", "Yêu cầu không hợp lệ", "Hãy mở lại liên kết từ thư thông báo.",
		"The request is not valid."};

static enum cv_step
answer_page(struct imapd_pages *p, struct cv_conn *c, const char *status, struct cv_buf *page,
	bool head)
{
	cv_http_answer(cv_conn_out(c), status, "text/html; charset=utf-8", p->fields,
		cv_buf_view(page), head);
	return CV_STEP_CLOSE;
}

static enum cv_step
answer_outcome(struct imapd_pages *p, struct cv_conn *c, const struct outcome *o, bool head)
{
	struct cv_buf page = CV_BUF_INIT(ANSWER_MAX);

	begin_page(o->title, &page);
	cv_buf_printf(&page, "<p role=\"status\">%s</p>\n<p lang=\"en\">%s</p>\n", o->vi, o->en);
	end_page(&page);
	enum cv_step step = answer_page(p, c, o->status, &page, head);
	cv_buf_done(&page);
	return step;
}

static const struct outcome *
outcome_of(enum cv_status status, bool releases)
{
	switch (status) {
	case CV_OK:
		return releases ? &released : &deleted;
	case CV_NOT_FOUND:
		return &gone;
	case CV_OVERQUOTA:
		return &full;
	case CV_DENIED:
		return &expired;
	case CV_INVALID:
		return &unknown;
	default:
		return &busy;
	}
}

/* ---- who asks ---- */

/* The proxy's word where it is an address, else the peer. */
static void
client_of(struct cv_conn *c, const struct cv_http_request *r, struct sockaddr_storage *out)
{
	char text[128];
	socklen_t len;

	*out = *cv_conn_peer(c);
	if (!r->forwarded_for.n || r->forwarded_for.n > 64)
		return;
	snprintf(text, sizeof(text), memchr(r->forwarded_for.p, ':', r->forwarded_for.n)
					     ? "[%.*s]:0"
					     : "%.*s:0",
		CV_STR_ARGS(r->forwarded_for));
	if (cv_sockaddr_parse(cv_str_z(text), out, &len, NULL))
		*out = *cv_conn_peer(c);
}

static bool
may_ask(struct imapd_pages *p, unsigned char kind, const struct sockaddr_storage *client,
	struct cv_rate rate, uint32_t cost)
{
	struct cv_rate_key key;

	if (!cv_rate_key_network(kind, client, 32, 64, &key))
		return true;
	return cost ? cv_rates_take(p->rates, cv_rate_key_str(&key), rate, cost, cv_mono_ms())
		    : cv_rates_has(p->rates, cv_rate_key_str(&key), rate, 1, cv_mono_ms());
}

/* ---- GET ---- */

static bool
address_of(struct imapd *d, cv_acct_id acct, char out[320])
{
	const struct cv_snapshot *s = cv_register_get(d->reg);
	struct cv_reg_account a;
	bool found = cv_snapshot_account(s, acct, &a) && a.state != CV_STATE_RETIRED;

	if (found)
		snprintf(out, 320, "%.*s", CV_STR_ARGS(a.address));
	cv_snapshot_unref(s);
	return found;
}

static enum cv_step
show(struct imapd_pages *p, struct cv_conn *c, const struct imapd_token *t, bool head)
{
	const struct imapd_held_choice one = {.uid = t->uid, .max = 1};
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf page = CV_BUF_INIT(ANSWER_MAX);
	struct imapd_held *h;
	struct cv_err err = {0};
	char address[320];
	size_t n = 0;
	enum cv_step step;

	enum cv_status status =
		address_of(p->d, t->acct, address)
			? imapd_held_list(p->d, t->acct, &one, &arena, &h, &n, &err)
			: CV_NOT_FOUND;
	if (!status && (!n || h->uidvalidity != t->uidvalidity))
		status = CV_NOT_FOUND;
	if (status) {
		step = answer_outcome(p, c, outcome_of(status, false), head);
	} else {
		write_form(cv_str_z(address), h, &page);
		step = answer_page(p, c, "200 OK", &page, head);
	}
	cv_buf_done(&page);
	cv_arena_done(&arena);
	return step;
}

/* ---- POST ---- */

/* Shared by the connection and the pool's thread. */
struct job {
	atomic_uint refs;
	struct imapd_pages *p;
	struct cv_conn *conn; /* counted */
	struct imapd_token token;
	bool releases;
	char client[64];
	unsigned port;
	enum cv_status status;
	atomic_bool done;
};

static void
job_unref(struct job *j)
{
	if (atomic_fetch_sub(&j->refs, 1) != 1)
		return;
	cv_conn_unref(j->conn);
	free(j);
}

static void
work(void *arg)
{
	struct job *j = arg;
	struct imapd *d = j->p->d;
	struct cv_err err = {0};
	char address[320];
	const struct imapd_actor actor = {
		.name = address, .address = j->client, .port = j->port};

	j->status = CV_NOT_FOUND;
	if (address_of(d, j->token.acct, address))
		j->status = (j->releases ? imapd_held_release : imapd_held_delete)(d,
			j->token.acct, j->token.uid, j->token.uidvalidity, &actor, &err);
	if (j->status && j->status != CV_NOT_FOUND)
		cv_log(0, CV_WARN, "quarantine.failed", "account=%s item=%u error=\"%s\"", address,
			j->token.uid, err.text);
	atomic_store(&j->done, true);
	cv_conn_wake(j->conn);
	job_unref(j);
}

static bool
read_action(const struct cv_http_request *r, bool *releases_out)
{
	struct cv_buf action = CV_BUF_INIT(16);
	struct cv_str type = cv_str_trim(
		cv_str_sub(r->content_type, 0, cv_str_find(r->content_type, ';', 0)));

	bool good = cv_str_ieq_z(type, "application/x-www-form-urlencoded") &&
		    !cv_str_ieq_z(r->sec_fetch_site, "cross-site") &&
		    cv_http_form(r->body, "do", &action);
	*releases_out = cv_str_eq_z(cv_buf_view(&action), "release");
	good = good && (*releases_out || cv_str_eq_z(cv_buf_view(&action), "delete"));
	cv_buf_done(&action);
	return good;
}

static enum cv_step
begin_act(struct imapd_pages *p, struct cv_conn *c, const struct cv_http_request *r,
	const struct imapd_token *t, const struct sockaddr_storage *client, void **state)
{
	bool releases;

	if (!read_action(r, &releases))
		return answer_outcome(p, c, &bad, false);
	struct job *j = cv_calloc(1, sizeof *j);
	atomic_init(&j->refs, 2);
	j->p = p;
	j->conn = c;
	cv_conn_ref(c);
	j->token = *t;
	j->releases = releases;
	cv_sockaddr_text(client, j->client, sizeof(j->client));
	*state = j;
	if (cv_pool_run(p->pool, work, j)) {
		job_unref(j); /* the other goes with the connection */
		return answer_outcome(p, c, &busy, false);
	}
	return CV_STEP_WAIT;
}

/* ---- the site ---- */

static enum cv_step
serve(void *arg, struct cv_conn *c, const struct cv_http_request *r, void **state)
{
	struct imapd_pages *p = arg;
	struct job *j = *state;
	struct imapd_token token;
	struct sockaddr_storage client;
	struct cv_err err = {0};
	bool head = r->method == CV_HTTP_HEAD;

	if (j)
		return atomic_load(&j->done)
			       ? answer_outcome(p, c, outcome_of(j->status, j->releases), false)
			       : CV_STEP_WAIT;
	client_of(c, r, &client);
	if (!may_ask(p, KEY_ALL, &client, rate_all, 1) ||
		!may_ask(p, KEY_BAD, &client, rate_bad, 0))
		return answer_outcome(p, c, &too_many, head);
	struct cv_str text = r->path;
	for (size_t at; (at = cv_str_find(text, '/', 0)) < text.n;)
		text = cv_str_sub(text, at + 1, text.n);
	enum cv_status status =
		imapd_token_read(p->d->tokens, text, cv_wall_secs(), &token, &err);
	if (status == CV_INVALID)
		(void)may_ask(p, KEY_BAD, &client, rate_bad, 1);
	if (status)
		return answer_outcome(p, c, outcome_of(status, false), head);
	return r->method == CV_HTTP_POST ? begin_act(p, c, r, &token, &client, state)
					 : show(p, c, &token, head);
}

static void
closed(void *arg, void *state)
{
	(void)arg;
	job_unref(state);
}

/* The style is named by its hash, so that no other can slip in. */
static void
write_fields(struct imapd_pages *p)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	struct cv_buf hash = CV_BUF_INIT(64);
	size_t n = 0;

	if (!EVP_Q_digest(NULL, "SHA256", NULL, style, sizeof(style) - 1, md, &n))
		cv_die("no SHA-256 in the crypto library");
	cv_base64_encode(cv_str((const char *)md, n), &hash);
	snprintf(p->fields, sizeof(p->fields),
		"Content-Security-Policy: default-src 'none'; style-src 'sha256-%.*s'; form-action "
		"'self'; frame-ancestors 'none'; base-uri 'none'\r\n"
		"Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n"
		"X-Robots-Tag: noindex\r\nCross-Origin-Opener-Policy: same-origin\r\n"
		"Permissions-Policy: camera=(), microphone=(), geolocation=()\r\n",
		(int)hash.n, hash.p);
	cv_buf_done(&hash);
}

enum cv_status
imapd_pages_open(struct imapd *d, const struct imapd_config *config, struct imapd_pages **out,
	struct cv_err *err)
{
	const char *list = config->imapd->quarantine_listen;

	*out = NULL;
	if (!list[0])
		return CV_OK;
	if (!d->tokens)
		return cv_fail(err, CV_INVALID,
			"quarantine_listen needs keys_dir/quarantine, which cannot be used");
	struct imapd_pages *p = cv_calloc(1, sizeof *p);
	*out = p;
	p->d = d;
	p->rates = cv_rates_new(RATE_ENTRIES);
	p->site = (struct cv_http_site){.name = "quarantine",
		.body_max = 1024,
		.answer_max = 2 * ANSWER_MAX,
		.secs = REQUEST_SECS,
		.at_once = AT_ONCE_MAX,
		.arg = p,
		.serve = serve,
		.closed = closed};
	write_fields(p);
	enum cv_status status = cv_pool_new("pages", 2, JOBS_MAX, &p->pool, err);
	return status ? status
		      : cv_http_listen(d->net, list, "quarantine_listen", &p->site, err);
}

void
imapd_pages_stop(struct imapd_pages *p)
{
	if (p && p->pool)
		cv_pool_free(p->pool);
}

void
imapd_pages_free(struct imapd_pages *p)
{
	if (p)
		cv_rates_free(p->rates);
	free(p);
}

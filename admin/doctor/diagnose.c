/* diagnose.c - see diagnose.h: gathers, lets every cause look, says what was found. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/diagnose.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "admin/commands.h"
#include "common/audit/trace.h"
#include "common/base/clock.h"

#define SINCE_DAYS    7
#define DAYS_MAX      90
#define MESSAGES_MAX  200u
#define EVENTS_MAX    5000u
#define QUEUE_MAX     20
#define FATES_MAX     20u
#define LOOKUP_SECS   2u

/* clang-format off */
static const struct {
	const char *name, *sign, *en, *vi;
} degrees[] = {
	[DIAGNOSE_INFO]  = { "info",    "–", "note",    "lưu ý" },
	[DIAGNOSE_WARN]  = { "warning", "!", "warning", "cảnh báo" },
	[DIAGNOSE_FAULT] = { "fault",   "✗", "FAULT",   "LỖI" },
};
/* clang-format on */

/* ---- helpers ---- */

const char *
diagnose_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

const char *
diagnose_time(int64_t secs, char buf[40])
{
	time_t t = (time_t)secs;
	struct tm tm;

	if (secs <= 0 || !localtime_r(&t, &tm) || !strftime(buf, 40, "%d/%m/%Y %H:%M", &tm))
		snprintf(buf, 40, "-");
	return buf;
}

const char *
diagnose_size(json_int_t bytes, char buf[32])
{
	snprintf(buf, 32, bytes >= 1 << 30 ? "%.1f GB" : "%.1f MB",
		bytes >= 1 << 30 ? (double)bytes / (1 << 30) : (double)bytes / (1 << 20));
	return buf;
}

bool
diagnose_is_kind(const struct diagnosis *d, const char *kind)
{
	return !strcmp(diagnose_text(d->account, "kind"), kind);
}

/* ---- gathering ---- */

static json_t *
ask(const struct diagnosis *d, enum admin_service service, json_t *request)
{
	struct cv_err err = {0};

	return admin_try(d->call, service, request, &err);
}

/* KEY of the reply, new, or NULL. */
static json_t *
ask_for(const struct diagnosis *d, enum admin_service service, json_t *request, const char *key)
{
	json_t *reply = ask(d, service, request), *part = json_incref(json_object_get(reply, key));

	json_decref(reply);
	return part;
}

static json_t *
about(const char *what, const char *key, const char *address)
{
	json_t *request = admin_request(what);

	admin_set(request, key, address);
	return request;
}

static void
gather_log_ins(struct diagnosis *d)
{
	const enum admin_service services[] = {ADMIN_STORE, ADMIN_SMTPD};

	d->recent = json_array();
	d->locked = json_array();
	for (size_t i = 0; i < CV_COUNT(services); i++) {
		json_t *request = about("auth.recent", "address", d->address);
		json_t *names = json_array();
		json_array_extend(names, json_object_get(d->account, "aliases"));
		json_array_extend(names, json_object_get(d->account, "former"));
		json_object_set_new(request, "names", names);
		if (!d->status[services[i]]) {
			json_decref(request);
			continue;
		}
		json_t *reply = ask(d, services[i], request);
		json_array_extend(d->recent, json_object_get(reply, "recent"));
		json_array_extend(d->locked, json_object_get(reply, "locked"));
		json_decref(reply);
	}
}

static void
gather_account(struct diagnosis *d)
{
	const char *primary;

	d->account =
		ask_for(d, ADMIN_STORE, about("account.show", "address", d->address), "account");
	if (d->with)
		d->other = ask_for(
			d, ADMIN_STORE, about("account.show", "address", d->with), "account");
	if (!d->account)
		return;
	primary = diagnose_text(d->account, "address");
	if (strcmp(diagnose_text(d->account, "state"), "active") != 0)
		d->trail = ask_for(
			d, ADMIN_STORE, about("account.trail", "address", primary), "events");
	json_t *rows =
		ask_for(d, ADMIN_STORE, about("quota.list", "address", primary), "accounts");
	d->quota = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	if (d->status[ADMIN_STORE]) {
		d->sessions = ask_for(
			d, ADMIN_STORE, about("session.list", "account", primary), "sessions");
		d->quarantine = ask_for(
			d, ADMIN_STORE, about("quarantine.list", "account", primary), "items");
	}
	if (d->status[ADMIN_SMTPD])
		d->sending = ask_for(
			d, ADMIN_SMTPD, about("sending.show", "address", primary), "account");
}

static void
gather_queue(struct diagnosis *d, const char *key, const char *text)
{
	json_t *request = about("queue.list", key, text);

	if (!d->queue)
		d->queue = json_array();
	json_object_set_new(request, "limit", json_integer(QUEUE_MAX));
	if (!d->status[ADMIN_SMTPD]) {
		json_decref(request);
		return;
	}
	json_t *found = ask_for(d, ADMIN_SMTPD, request, "messages");
	json_array_extend(d->queue, found);
	json_decref(found);
}

static bool
take_line(void *arg, struct cv_str line)
{
	json_t *events = arg, *r = json_loadb(line.p, line.n, 0, NULL);

	if (r)
		json_array_append_new(events, r);
	return json_array_size(events) < EVENTS_MAX;
}

static json_t *
search_trace(struct diagnosis *d, const char *term, int64_t since_ms)
{
	char dir[1100];
	struct cv_err err = {0};
	bool more;
	json_t *events = json_array();
	struct cv_trace_query q = {
		.term = cv_str_z(term), .since_ms = since_ms, .messages_max = MESSAGES_MAX};

	snprintf(dir, sizeof dir, "%s/trace", d->main->queue_dir);
	(void)!cv_trace_search(dir, &q, take_line, events, &more, &err);
	return events;
}

static bool
has_mid(const json_t *events, const char *mid)
{
	const json_t *r;
	size_t i;

	json_array_foreach(events, i, r)
		if (!strcmp(diagnose_text(r, "mid"), mid))
			return true;
	return false;
}

/* Where the message is now in each box that it was delivered to. */
static void
gather_fates(struct diagnosis *d)
{
	const json_t *r;
	size_t i;

	d->fates = json_array();
	json_array_foreach(d->events, i, r)
	{
		const char *to = diagnose_text(r, "to");
		bool is_box = !strcmp(diagnose_text(r, "e"), "box") ||
			      (!strcmp(diagnose_text(r, "e"), "out") &&
				      !strcmp(diagnose_text(r, "host"), "store"));
		if (!is_box || json_array_size(d->fates) >= FATES_MAX)
			continue;
		json_t *request = about("message.fate", "account", to);
		admin_set(request, "message_id", d->mid);
		json_t *fate = ask(d, ADMIN_STORE, request);
		if (!fate)
			continue;
		json_object_set_new(fate, "address", json_string(to));
		json_array_append_new(d->fates, fate);
	}
}

static void
gather_service(struct diagnosis *d)
{
	struct cv_err err = {0};

	static const char *const sockets[] = {"imapd.ctl", "smtpd.ctl", "spamfilter.ctl"};
	char path[1200];

	for (int i = 0; i < 3; i++) {
		d->status[i] = ask(d, (enum admin_service)i, admin_request("status"));
		/* One that this caller may not ask is not down for that. */
		snprintf(path, sizeof path, "%s/%s", d->main->run_dir, sockets[i]);
		if (!d->status[i] && access(path, W_OK) && errno == EACCES)
			d->status[i] = json_object();
	}
	json_decref(d->status[ADMIN_SMTPD]
			    ? ask(d, ADMIN_SMTPD, admin_request("trace.flush"))
			    : NULL);
	struct cv_resolver_options o = {
		.zone_file = d->main->dns_zone_file[0] ? d->main->dns_zone_file : NULL,
		.forwarders = d->main->dns_forwarders[0] ? d->main->dns_forwarders : NULL,
		.trust_anchor = d->main->dns_trust_anchor[0] ? d->main->dns_trust_anchor : NULL,
		.timeout_secs = LOOKUP_SECS,
	};
	if (cv_resolver_new(&o, &d->resolver, &err) != CV_OK)
		d->resolver = NULL;
}

/* WORD without the brackets that people paste, in lower case when it is an address. */
static void
take_word(const char *word, char *out, size_t n)
{
	struct cv_str s = cv_str_trim(cv_str_z(word));

	if (s.n > 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = cv_str_sub(s, 1, s.n - 1);
	snprintf(out, n, "%.*s", CV_STR_ARGS(s));
}

static void
take_address(struct diagnosis *d, const char *word)
{
	struct cv_str domain = cv_snapshot_default_domain(d->snap);

	if (strchr(word, '@'))
		snprintf(d->address, sizeof d->address, "%.320s", word);
	else
		snprintf(d->address, sizeof d->address, "%.64s@%.*s", word, CV_STR_ARGS(domain));
	for (char *p = d->address; *p; p++)
		*p = (char)cv_lower((unsigned char)*p);
	cv_snapshot_find_address(d->snap, cv_str_z(d->address), &d->hit);
	d->is_ours = d->hit.found != CV_REG_NOT_OURS;
	const char *at = strrchr(d->address, '@');
	d->is_ours &= cv_snapshot_has_domain(d->snap, cv_str_z(at + 1));
}

static void
gather(struct diagnosis *d, const char *word, int64_t since_ms)
{
	char bare[1000];

	gather_service(d);
	take_word(word, bare, sizeof bare);
	d->events = search_trace(d, bare, since_ms);
	if (word[0] == '<' || has_mid(d->events, bare)) {
		snprintf(d->mid, sizeof d->mid, "%s", bare);
		gather_fates(d);
		const json_t *r;
		size_t i;
		d->queue = json_array();
		json_array_foreach(d->events, i, r)
		{
			json_t *one = NULL;
			if (!strcmp(diagnose_text(r, "e"), "queue") && d->status[ADMIN_SMTPD])
				one = ask_for(d, ADMIN_SMTPD,
					about("queue.show", "id", diagnose_text(r, "q")),
					"message");
			if (one)
				json_array_append_new(d->queue, one);
		}
		return;
	}
	take_address(d, bare);
	if (strcmp(d->address, bare) != 0) {
		json_decref(d->events);
		d->events = search_trace(d, d->address, since_ms);
	}
	if (d->is_ours)
		gather_account(d);
	if (d->is_ours)
		gather_log_ins(d);
	gather_queue(d, "recipient", d->address);
	if (d->account)
		gather_queue(d, "account", diagnose_text(d->account, "address"));
}

static void
let_go(struct diagnosis *d)
{
	json_t *const all[] = {d->account, d->other, d->trail, d->recent, d->locked, d->sessions,
		d->quota, d->quarantine, d->sending, d->queue, d->events, d->fates, d->status[0],
		d->status[1], d->status[2]};

	for (size_t i = 0; i < CV_COUNT(all); i++)
		json_decref(all[i]);
	if (d->resolver)
		cv_resolver_free(d->resolver);
	if (d->snap)
		cv_snapshot_unref(d->snap);
}

/* ---- judging and saying ---- */

static json_t *
look(const struct diagnosis *d, enum diagnose_degree *worst)
{
	json_t *found = json_array();

	/* The worst first. */
	for (int degree = DIAGNOSE_FAULT; degree >= DIAGNOSE_INFO; degree--) {
		for (size_t i = 0; i < diagnose_causes_count; i++) {
			const struct diagnose_cause *c = &diagnose_causes[i];
			struct cv_buf facts = CV_BUF_INIT(4000);
			if ((int)c->degree == degree && c->find(d, c->arg, &facts)) {
				json_t *text = json_stringn(facts.p ? facts.p : "", facts.n);
				*worst = CV_MAX(*worst, c->degree);
				json_t *one = json_pack("{s:s, s:s, s:s, s:o, s:s}", "id", c->id,
					"degree", degrees[degree].name, "text",
					admin_say(d->call, c->text, c->text_vi), "facts",
					text ? text : json_string(""), "next",
					admin_say(d->call, c->next, c->next_vi));
				json_array_append_new(found, one);
			}
			cv_buf_done(&facts);
		}
	}
	return found;
}

static void
print_head(const struct diagnosis *d)
{
	const char *const keys[] = {"name", "title", "agency"};

	admin_put(stdout, d->mid[0] ? d->mid : d->address);
	for (size_t i = 0; i < CV_COUNT(keys); i++) {
		const char *text = diagnose_text(d->account, keys[i]);
		if (text[0]) {
			fputs(i ? ", " : " — ", stdout);
			admin_put(stdout, text);
		}
	}
	putchar('\n');
}

static void
print_found(const struct diagnosis *d, const json_t *found)
{
	const json_t *one;
	size_t i, k = 0;

	print_head(d);
	json_array_foreach(found, i, one)
	{
		for (k = 0; strcmp(degrees[k].name, diagnose_text(one, "degree")); k++)
			;
		printf("  %s %s: %s", degrees[k].sign,
			admin_say(d->call, degrees[k].en, degrees[k].vi),
			diagnose_text(one, "text"));
		if (diagnose_text(one, "facts")[0]) {
			fputs(" — ", stdout);
			admin_put(stdout, diagnose_text(one, "facts"));
		}
		printf("\n      → %s\n", diagnose_text(one, "next"));
	}
	if (!json_array_size(found))
		puts(admin_say(d->call, "  Nothing wrong was found.",
			"  Không phát hiện điều gì bất thường."));
}

static void
put_unseen(const struct diagnosis *d, json_t *reply)
{
	static const char *const names[] = {"imapd", "smtpd", "spamfilter"};
	json_t *list = json_array();

	for (size_t i = 0; i < 3; i++)
		if (!json_object_size(d->status[i]))
			json_array_append_new(list, json_string(names[i]));
	json_object_set_new(reply, "not_asked", list);
}

/* The page for people who are called when something does not work; docs/huong-dan has it. */
static int
print_guide(const struct admin_call *call)
{
	printf("# %s\n\n%s\n", admin_say(call, "When something does not work", "Khi có sự cố"),
		admin_say(call,
			"Run `congvu diagnose ADDRESS` for a person's mail, `congvu diagnose '<MESSAGE-ID>'` for one message,\n"
			"`congvu doctor` for the whole service. Each answer below names what was found and what to do next.\n"
			"Nothing is shown of subjects or content. This page is made by `congvu diagnose --guide`.",
			"Chạy `congvu diagnose ĐỊA-CHỈ` khi một người gặp trục trặc về thư, `congvu diagnose '<MESSAGE-ID>'` cho một\n"
			"thư cụ thể, `congvu doctor` cho toàn hệ thống. Mỗi câu trả lời dưới đây nêu nguyên nhân và việc cần làm.\n"
			"Công cụ không hiển thị tiêu đề hay nội dung thư. Trang này do `congvu --lang vi diagnose --guide` tạo ra."));
	for (int degree = DIAGNOSE_FAULT; degree >= DIAGNOSE_INFO; degree--) {
		printf("\n## %s %s\n", degrees[degree].sign,
			degree == DIAGNOSE_FAULT ? admin_say(call, "Faults", "Lỗi cần xử lý")
			: degree == DIAGNOSE_WARN
				? admin_say(call, "Warnings", "Cảnh báo")
				: admin_say(call, "Worth knowing", "Thông tin nên biết"));
		for (size_t i = 0; i < diagnose_causes_count; i++) {
			const struct diagnose_cause *c = &diagnose_causes[i];
			if ((int)c->degree != degree)
				continue;
			printf("\n**%s** (`%s`)\n\n%s: %s.\n",
				admin_say(call, c->text, c->text_vi), c->id,
				admin_say(call, "What to do", "Việc cần làm"),
				admin_say(call, c->next, c->next_vi));
		}
	}
	return EXIT_OK;
}

static int
diagnose(struct admin_call *call, struct cv_register *reg, int64_t since_ms)
{
	struct diagnosis d = {.call = call,
		.main = admin_main_options(call),
		.smtpd = cv_conf_get(call->conf, &smtpd_section),
		.imapd = cv_conf_get(call->conf, &imapd_section),
		.now = cv_wall_secs(),
		.with = admin_option(call, "with"),
		.snap = cv_register_get(reg)};
	enum diagnose_degree worst = DIAGNOSE_INFO;

	gather(&d, call->words[0], since_ms);
	json_t *found = look(&d, &worst);
	json_t *reply = json_pack("{s:b, s:s, s:s, s:O}", "ok", worst == DIAGNOSE_INFO, "about",
		d.mid[0] ? d.mid : d.address, "worst", degrees[worst].name, "causes", found);
	put_unseen(&d, reply);
	if (!admin_json(call, reply))
		print_found(&d, found);
	json_decref(reply);
	json_decref(found);
	let_go(&d);
	return (int)worst;
}

static int
run_diagnose(struct admin_call *call)
{
	const char *days = admin_option(call, "days");
	struct cv_register *reg;
	struct cv_err err = {0};
	uint64_t n = SINCE_DAYS;

	if (admin_option(call, "guide"))
		return print_guide(call);
	if (!call->word_count)
		return admin_error(call, EXIT_USAGE, "name an address or a Message-ID",
			"hãy chỉ một địa chỉ hoặc Message-ID");
	if (days && (cv_str_u64(cv_str_z(days), DAYS_MAX, &n) != CV_OK || !n))
		return admin_error(
			call, EXIT_USAGE, "--days takes 1 to 90", "--days nhận từ 1 đến 90");
	if (!admin_conf(call))
		return EXIT_CONFIG;
	const struct congvu_options *m = admin_main_options(call);
	setenv("TZ", m->time_zone, 1);
	tzset();
	if (cv_register_open(m->register_dir, false, &reg, &err) != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	int exit_code = diagnose(call, reg, cv_wall_ms() - (int64_t)n * 86400 * 1000);
	cv_register_close(reg);
	return exit_code;
}

/* clang-format off */
static const struct admin_option diagnose_options[] = {
	{ "with", "ADDRESS", "the other one it is about: a role box, a group, a correspondent",
		"bên liên quan: hộp chức danh, nhóm hoặc người gửi, người nhận" },
	{ "days", "N", "look at mail of so many days; 7 unless told", "xét thư trong bấy nhiêu ngày, mặc định 7" },
	{ "guide", NULL, "print the page that explains every cause", "in trang giải thích mọi nguyên nhân" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_diagnose = {
	.noun = "diagnose",
	.words = "[ADDRESS|MESSAGE-ID]",
	.words_max = 1,
	.help = "say what is wrong with a person's mail or one message, and what to do; exit code 0, 1, 2: nothing, warnings, faults",
	.help_vi = "cho biết thư của một người hoặc một thư gặp vấn đề gì và cách xử lý; mã thoát 0, 1, 2: không, cảnh báo, lỗi",
	.options = diagnose_options,
	.examples = "  congvu diagnose dtduyen.stp@lamgiang.example\n"
		    "  congvu --lang vi diagnose '<20261122.1@moj.example>'\n"
		    "  congvu diagnose dtduyen.stp --with vanthu.stp",
	.run = run_diagnose,
};

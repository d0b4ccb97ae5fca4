/* doctor.c - `congvu doctor`: gathers what all families need, runs them side by side, and says what
 * they found. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/doctor.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/schedule/schedule.h"
#include "common/base/clock.h"
#include "common/net/thread.h"
#include "common/register/register.h"

#define LOOKUP_SECS 2u

const char *const doctor_daemon_names[DOCTOR_DAEMONS] = {"imapd", "smtpd", "spamfilter"};

/* clang-format off */
static const struct {
	const char *name;
	doctor_fn *run;
	const char *en, *vi;
} families[] = {
	{ "daemons",      doctor_daemons_family, "Programs",          "Các tiến trình" },
	{ "ports",        doctor_ports,          "Ports",             "Các cổng" },
	{ "relay",        doctor_relay,          "Misuse",            "Chống lợi dụng" },
	{ "certificates", doctor_certificates,   "Certificates",      "Chứng thư" },
	{ "dns",          doctor_dns,            "DNS",               "DNS" },
	{ "queue",        doctor_queue,          "Queue",             "Hàng đợi" },
	{ "filter",       doctor_filter,         "Spam filter",       "Bộ lọc thư" },
	{ "disk",         doctor_disk,           "Disk",              "Ổ đĩa" },
	{ "clock",        doctor_clock,          "Clock",             "Đồng hồ" },
	{ "backup",       doctor_backup,         "Backup",            "Sao lưu" },
	{ "files",        doctor_files,          "Files and folders", "Tệp và thư mục" },
	{ "config",       doctor_config,         "Configuration",     "Cấu hình" },
	{ "logs",         doctor_logs,           "Log",               "Nhật ký" },
	{ "schedule",     doctor_schedule,       "Scheduled jobs",    "Việc định kỳ" },
	{ "accounts",     doctor_accounts,       "Accounts",          "Tài khoản" },
};
static const struct {
	const char *name, *sign, *en, *vi;
} states[] = {
	[DOCTOR_OK]   = { "ok",      "✓", "ok",       "tốt" },
	[DOCTOR_NOTE] = { "note",    "–", "not seen", "chưa xét" },
	[DOCTOR_WARN] = { "warning", "!", "warning",  "cảnh báo" },
	[DOCTOR_BAD]  = { "fault",   "✗", "FAULT",    "LỖI" },
};
/* clang-format on */

/* ---- findings ---- */

static const struct doctor_row *
row_of(const char *family, const char *id)
{
	char whole[80];

	snprintf(whole, sizeof whole, "%s.%s", family, id);
	for (size_t i = 0; i < doctor_rows_count; i++)
		if (!strcmp(doctor_rows[i].id, whole))
			return &doctor_rows[i];
	cv_die("no check %s", whole);
}

static json_t *
safe_text(const char *text)
{
	json_t *j = json_string(text);

	return j ? j : json_string("(not UTF-8)");
}

static void
add(struct doctor_job *j, const struct doctor_row *row, enum doctor_state state,
	const char *subject, const char *facts)
{
	const struct admin_call *call = j->d->call;
	bool well = state == DOCTOR_OK;
	const char *sentence = state < DOCTOR_WARN ? admin_say(call, row->good, row->good_vi)
						   : admin_say(call, row->bad, row->bad_vi);
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "id", row->id, "family", j->family,
		"state", states[state].name, "subject", safe_text(subject ? subject : ""), "text",
		json_sprintf("%s%s",
			state == DOCTOR_NOTE ? admin_say(call, "not known whether ", "chưa rõ: ")
					     : "",
			sentence),
		"facts", safe_text(facts));

	if (!well)
		json_object_set_new(
			o, "next", json_string(admin_say(call, row->next, row->next_vi)));
	json_array_append_new(j->findings, o);
}

void
doctor_find(struct doctor_job *j, const char *id, enum doctor_state state, const char *subject,
	const char *fmt, ...)
{
	char facts[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(facts, sizeof facts, fmt, ap);
	va_end(ap);
	add(j, row_of(j->family, id), state, subject, facts);
}

void
doctor_say(struct doctor_job *j, const char *id, bool well, const char *subject, const char *fmt,
	...)
{
	const struct doctor_row *row = row_of(j->family, id);
	char facts[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(facts, sizeof facts, fmt, ap);
	va_end(ap);
	add(j, row, well ? DOCTOR_OK : row->fault, subject, facts);
}

static json_t *
last_of(const struct doctor_job *j)
{
	size_t n = json_array_size(j->findings);

	return n ? json_array_get(j->findings, n - 1) : NULL;
}

void
doctor_do(struct doctor_job *j, const char *fmt, ...)
{
	char text[4000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	json_object_set_new(last_of(j), "do", safe_text(text));
}

void
doctor_fixed(struct doctor_job *j, const struct cv_err *err)
{
	json_t *last = last_of(j);

	if (err) {
		json_object_set_new(last, "fix_failed", safe_text(err->text));
	} else if (j->d->dry_run) {
		json_object_set_new(last, "would_fix", json_true());
	} else {
		json_object_set_new(last, "fixed", json_true());
		json_object_set_new(last, "state", json_string(states[DOCTOR_OK].name));
	}
}

int
doctor_pid(const struct doctor *d, enum doctor_daemon which)
{
	return (int)admin_number(d->status[which], "pid");
}

char *
doctor_read(const char *path, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = cv_malloc(max + 1);
	size_t n = 0;
	ssize_t got = 1;

	while (fd >= 0 && n < max && (got = read(fd, text + n, max - n)) > 0)
		n += (size_t)got;
	if (fd >= 0)
		close(fd);
	if (fd < 0 || got < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* ---- what all need ---- */

static json_t *
ask(struct admin_call *call, enum admin_service service, json_t *request)
{
	struct cv_err err = {0};

	return admin_try(call, service, request, &err);
}

/* The domains of the register's snapshot: the store itself is left alone. */
static json_t *
read_domains(const struct congvu_options *m)
{
	struct cv_register *reg;
	struct cv_err err = {0};
	json_t *names = json_array();

	if (cv_register_open(m->register_dir, false, &reg, &err) == CV_OK) {
		const struct cv_snapshot *s = cv_register_get(reg);
		struct cv_str name, target;
		for (size_t i = 0; cv_snapshot_nth_domain(s, i, &name, &target); i++)
			json_array_append_new(names, json_stringn(name.p, name.n));
		cv_snapshot_unref(s);
		cv_register_close(reg);
	}
	if (!json_array_size(names))
		json_array_append_new(names, json_string(m->default_domain));
	return names;
}

static void
gather(struct doctor *d, struct admin_call *call)
{
	struct cv_err err = {0};
	json_t *frozen = admin_request("sending.list");

	*d = (struct doctor){.call = call,
		.conf = call->conf,
		.main = admin_main_options(call),
		.smtpd = cv_conf_get(call->conf, &smtpd_section),
		.imapd = cv_conf_get(call->conf, &imapd_section),
		.filter = cv_conf_get(call->conf, &spamfilter_section),
		.admin = cv_conf_get(call->conf, &admin_section),
		.fix = admin_option(call, "fix") != NULL,
		.dry_run = admin_option(call, "dry-run") != NULL};
	d->fix |= d->dry_run;
	d->asked_secs = cv_wall_secs();
	d->status[DOCTOR_IMAPD] = ask(call, ADMIN_STORE, admin_request("status"));
	d->status[DOCTOR_SMTPD] = ask(call, ADMIN_SMTPD, admin_request("status"));
	d->status[DOCTOR_SPAMFILTER] = ask(call, ADMIN_SPAMFILTER, admin_request("status"));
	d->answered_secs = cv_wall_secs();
	d->queue = ask(call, ADMIN_SMTPD, admin_request("queue.summary"));
	d->queue_stats = ask(call, ADMIN_SMTPD, admin_request("queue.stats"));
	json_object_set_new(frozen, "frozen", json_true());
	d->frozen = ask(call, ADMIN_SMTPD, frozen);
	if (d->status[DOCTOR_IMAPD]) /* a stopped store is not opened for this */
		d->admins = ask(call, ADMIN_STORE, admin_request("admin.list"));
	d->classifier = ask(call, ADMIN_SPAMFILTER, admin_request("classifier.status"));
	d->schedule = admin_schedule_status(call);
	d->domains = read_domains(d->main);
	struct cv_resolver_options o = {
		.zone_file = d->main->dns_zone_file[0] ? d->main->dns_zone_file : NULL,
		.forwarders = d->main->dns_forwarders[0] ? d->main->dns_forwarders : NULL,
		.trust_anchor = d->main->dns_trust_anchor[0] ? d->main->dns_trust_anchor : NULL,
		.timeout_secs = LOOKUP_SECS,
	};
	if (cv_resolver_new(&o, &d->resolver, &err) != CV_OK) {
		d->resolver = NULL;
		snprintf(d->resolver_fault, sizeof d->resolver_fault, "%.190s", err.text);
	}
}

static void
let_go(struct doctor *d)
{
	for (size_t i = 0; i < DOCTOR_DAEMONS; i++)
		json_decref(d->status[i]);
	json_decref(d->queue);
	json_decref(d->queue_stats);
	json_decref(d->frozen);
	json_decref(d->admins);
	json_decref(d->classifier);
	json_decref(d->domains);
	json_decref(d->schedule);
	if (d->resolver)
		cv_resolver_free(d->resolver);
}

/* ---- running ---- */

struct running {
	struct doctor_job job;
	size_t family;
	pthread_t thread;
	bool is_threaded;
};

static void *
run_family(void *arg)
{
	struct running *r = arg;

	families[r->family].run(&r->job);
	return NULL;
}

/* Runs the chosen families at once; gives all findings in the families' order. */
static json_t *
run_all(const struct doctor *d, const char *only)
{
	struct running runs[CV_COUNT(families)] = {0};
	json_t *all = json_array();

	for (size_t i = 0; i < CV_COUNT(families); i++) {
		struct cv_err err = {0};
		if (only && strcmp(only, families[i].name))
			continue;
		runs[i] = (struct running){
			.job = {.d = d, .family = families[i].name, .findings = json_array()},
			.family = i};
		runs[i].is_threaded =
			cv_thread_start(&runs[i].thread, "doctor", run_family, &runs[i], &err) ==
			CV_OK;
		if (!runs[i].is_threaded)
			run_family(&runs[i]);
	}
	for (size_t i = 0; i < CV_COUNT(families); i++) {
		if (runs[i].is_threaded)
			pthread_join(runs[i].thread, NULL);
		if (!runs[i].job.findings)
			continue;
		json_array_extend(all, runs[i].job.findings);
		json_decref(runs[i].job.findings);
	}
	return all;
}

/* ---- saying it ---- */

static enum doctor_state
state_of(const json_t *finding)
{
	const char *name = admin_str(finding, "state");

	for (size_t i = 0; i < CV_COUNT(states); i++)
		if (!strcmp(states[i].name, name))
			return (enum doctor_state)i;
	return DOCTOR_BAD;
}

static void
put_line(const char *margin, const char *text)
{
	struct cv_str rest = cv_str_z(text), line;

	while (cv_str_split(&rest, '\n', &line)) {
		char *one = cv_str_dup(line);
		fputs(margin, stdout);
		admin_put(stdout, one);
		putchar('\n');
		free(one);
	}
}

static void
print_finding(const struct admin_call *call, const json_t *f, size_t same)
{
	enum doctor_state state = state_of(f);
	const char *word = admin_say(call, states[state].en, states[state].vi);

	printf("  %s %s%*s ", states[state].sign, word, (int)(9 - CV_MIN(admin_width(word), 9u)),
		"");
	if (admin_str(f, "subject")[0] && same < 2) {
		admin_put(stdout, admin_str(f, "subject"));
		fputs(": ", stdout);
	}
	fputs(admin_str(f, "text"), stdout);
	if (same > 1)
		printf(" (%zu)", same);
	if (admin_str(f, "facts")[0] && same < 2) {
		fputs(" — ", stdout);
		admin_put(stdout, admin_str(f, "facts"));
	}
	putchar('\n');
	if (json_object_get(f, "fixed"))
		put_line("      ", admin_say(call, "mended", "đã sửa"));
	if (json_object_get(f, "would_fix"))
		put_line("      ",
			admin_say(call, "--fix would mend this", "--fix sẽ sửa lỗi này"));
	if (json_object_get(f, "fix_failed"))
		put_line("      ", admin_str(f, "fix_failed"));
	if (state == DOCTOR_OK || same > 1)
		return;
	printf("      → %s\n", admin_str(f, "next"));
	if (admin_str(f, "do")[0])
		put_line("        ", admin_str(f, "do"));
}

/* What needs no line of its own: well, and not because it was mended. */
static bool
is_plain(const json_t *f)
{
	return state_of(f) < DOCTOR_WARN && !json_object_get(f, "fixed");
}

static bool
is_same_kind(const json_t *a, const json_t *b)
{
	return !strcmp(admin_str(a, "id"), admin_str(b, "id")) && state_of(a) == state_of(b);
}

/* Findings that say the same good thing stand in one line, at the first's place. */
static void
print_family(const struct admin_call *call, const json_t *all, const char *family)
{
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *f = json_array_get(all, i);
		size_t same = 1;
		bool was_said = false;
		if (strcmp(admin_str(f, "family"), family))
			continue;
		for (size_t k = 0; is_plain(f) && k < json_array_size(all); k++) {
			const json_t *other = json_array_get(all, k);
			if (k == i || !is_plain(other) || !is_same_kind(other, f))
				continue;
			was_said |= k < i;
			same++;
		}
		if (!was_said)
			print_finding(call, f, same);
	}
}

static void
print_all(const struct admin_call *call, const json_t *all, const size_t counts[4], double secs)
{
	const json_t *f;
	size_t i;

	for (size_t k = 0; k < CV_COUNT(families); k++) {
		bool any = false;
		json_array_foreach(all, i, f)
			any |= !strcmp(admin_str(f, "family"), families[k].name);
		if (!any)
			continue;
		printf("%s\n", admin_say(call, families[k].en, families[k].vi));
		print_family(call, all, families[k].name);
	}
	printf(admin_say(call, "\n%zu faults, %zu warnings, %zu not seen, %zu well; %.1f s\n",
		       "\n%zu lỗi, %zu cảnh báo, %zu chưa xét, %zu tốt; %.1f giây\n"),
		counts[DOCTOR_BAD], counts[DOCTOR_WARN], counts[DOCTOR_NOTE], counts[DOCTOR_OK],
		secs);
}

static int
wrong_family(const struct admin_call *call)
{
	struct cv_buf text = CV_BUF_INIT(2000), vi = CV_BUF_INIT(2000);

	cv_buf_z(&text, "--only takes one of");
	cv_buf_z(&vi, "--only nhận một trong");
	for (size_t i = 0; i < CV_COUNT(families); i++) {
		cv_buf_printf(&text, " %s", families[i].name);
		cv_buf_printf(&vi, " %s", families[i].name);
	}
	int code = admin_error(call, EXIT_USAGE, text.p, vi.p);
	cv_buf_done(&text);
	cv_buf_done(&vi);
	return code;
}

static int
run_doctor(struct admin_call *call)
{
	const char *only = admin_option(call, "only");
	int64_t began = cv_mono_ms();
	size_t counts[4] = {0}, i;
	bool known = !only;
	struct doctor d;
	json_t *f;

	for (i = 0; only && i < CV_COUNT(families); i++)
		known |= !strcmp(only, families[i].name);
	if (!known)
		return wrong_family(call);
	if (!admin_conf(call))
		return EXIT_CONFIG;
	setenv("TZ", admin_main_options(call)->time_zone, 1);
	tzset();
	gather(&d, call);
	json_t *all = run_all(&d, only);
	json_array_foreach(all, i, f)
		counts[state_of(f)]++;
	double secs = (double)(cv_mono_ms() - began) / 1000;
	enum doctor_state worst = counts[DOCTOR_BAD]    ? DOCTOR_BAD
				  : counts[DOCTOR_WARN] ? DOCTOR_WARN
							: DOCTOR_OK;
	json_t *reply = json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:f, s:O}", "ok",
		worst == DOCTOR_OK, "worst", states[worst].name, "faults",
		(json_int_t)counts[DOCTOR_BAD], "warnings", (json_int_t)counts[DOCTOR_WARN],
		"not_seen", (json_int_t)counts[DOCTOR_NOTE], "well", (json_int_t)counts[DOCTOR_OK],
		"seconds", secs, "findings", all);
	if (!admin_json(call, reply))
		print_all(call, all, counts, secs);
	json_decref(reply);
	json_decref(all);
	let_go(&d);
	return worst == DOCTOR_BAD ? 2 : worst == DOCTOR_WARN ? 1 : 0;
}

/* clang-format off */
static const struct admin_option doctor_options[] = {
	{ "only", "FAMILY", "one family of checks: daemons, ports, relay, certificates, dns, queue, filter, disk, clock, backup, files, config, logs, schedule, accounts",
		"chỉ một nhóm kiểm tra, ví dụ dns hoặc disk" },
	{ "fix", NULL, "mend what can be mended safely: missing folders, modes of files",
		"sửa những gì sửa được an toàn: thư mục thiếu, quyền của tệp" },
	{ "dry-run", NULL, "say what --fix would mend", "cho biết --fix sẽ sửa gì" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_doctor = {
	.noun = "doctor",
	.words = "",
	.help = "check everything the service needs and say what to do; exit code 0 all well, 1 warnings, 2 faults",
	.help_vi = "kiểm tra mọi thứ dịch vụ cần và chỉ cách xử lý; mã thoát 0 tốt, 1 cảnh báo, 2 có lỗi",
	.options = doctor_options,
	.examples = "  congvu doctor\n  congvu doctor --only dns --json\n  congvu doctor --only files --fix --dry-run",
	.run = run_doctor,
};

/* score.c - `congvu report score`: points for emulation, by cluster (REP-04).
 *
 * A criterion is a share between 0 and 1 times its points. One that cannot be measured in an
 * agency (no mail to answer, the filter is down, no list of training) is left out there, and what
 * the others give is scaled to the full score. Points are whole hundredths, halves up: the same
 * data gives the same points, and the same points the same place; agencies of one place stand in
 * the order of their codes.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/csv.h"
#include "admin/directory/publish.h"
#include "admin/files.h"
#include "admin/report/events.h"
#include "admin/report/response.h"
#include "common/base/clock.h"
#include "common/text/date.h"

#define CRITERIA       6
#define TRAINING_MAX   (4u << 20)
#define FRESH_DAYS     7  /* a directory published so many days ago is fresh */
#define EVENTS_A_STAFF 20 /* one event of the policy for so many staff takes all points */

enum criterion { S_COVERAGE, S_USE, S_ANSWERS, S_DIRECTORY, S_POLICY, S_TRAINING };

struct score {
	const struct admin_report_agency *agency;
	bool is_known[CRITERIA];
	int64_t n[CRITERIA], of[CRITERIA]; /* the share is n / of */
	int64_t points;                    /* hundredths */
	size_t place;
};
struct job {
	struct admin_report *r;
	int64_t weights[CRITERIA];
	struct score *list; /* as r->agencies */
	size_t count;
};

static void
set_share(struct score *s, enum criterion c, int64_t n, int64_t of)
{
	if (of <= 0)
		return;
	s->is_known[c] = true;
	s->n[c] = CV_MAX(CV_MIN(n, of), 0);
	s->of[c] = of;
}

static bool
read_weights(struct job *j)
{
	const struct admin_options *o = cv_conf_get(j->r->call->conf, &admin_section);
	struct cv_str rest = cv_str_z(o->score_weights), word;
	size_t n = 0;

	while (cv_str_split(&rest, ' ', &word)) {
		uint64_t points;
		if (!word.n)
			continue;
		if (n == CRITERIA || cv_str_u64(word, 1000, &points)) {
			n = 0;
			break;
		}
		j->weights[n++] = (int64_t)points;
	}
	if (n == CRITERIA)
		return true;
	admin_error(j->r->call, EXIT_CONFIG, "score_weights takes six numbers like 30 25 20 10 10 5",
		"score_weights nhận sáu số như 30 25 20 10 10 5");
	return false;
}

/* ---- inputs ---- */

static bool
take_use(struct job *j, int *exit_out)
{
	struct admin_use_facts f;
	bool good = admin_report_use(j->r, &f, exit_out);

	for (size_t i = 0; good && i < j->count; i++) {
		set_share(&j->list[i], S_COVERAGE, f.by_agency[i].accounts, f.by_agency[i].staff);
		set_share(&j->list[i], S_USE, f.by_agency[i].regular, f.by_agency[i].staff);
	}
	admin_use_facts_free(&f);
	return good;
}

static struct score *
score_of(struct job *j, const char *code)
{
	const struct admin_report_agency *g = admin_report_agency_of(j->r, code ? code : "");

	return g ? &j->list[g - j->r->agencies] : NULL;
}

static bool
take_answers(struct job *j, int *exit_out)
{
	json_t *reply = admin_response_ask(j->r, exit_out), *box, *item;
	struct admin_response *sums = cv_calloc(j->count + 1, sizeof *sums);
	int64_t now = cv_wall_secs();
	size_t i, k;

	json_array_foreach(json_object_get(reply, "boxes"), i, box)
	{
		const struct score *s =
			score_of(j, json_string_value(json_object_get(box, "agency")));
		json_array_foreach(json_object_get(box, "items"), k, item)
		{
			if (s)
				admin_response_add(j->r, item, now, &sums[s - j->list]);
		}
	}
	for (i = 0; reply && i < j->count; i++)
		set_share(&j->list[i], S_ANSWERS, sums[i].in_time, sums[i].due);
	free(sums);
	json_decref(reply);
	return reply != NULL;
}

/* Published in an edition that is not older than FRESH_DAYS. */
static void
take_directory(struct job *j)
{
	const struct admin_options *o = cv_conf_get(j->r->call->conf, &admin_section);
	json_t *manifest = NULL;
	struct cv_err err;
	struct cv_date date;

	if (admin_folder_manifest(o->directory_dir, &manifest, &err) || !manifest)
		return;
	const char *day = json_string_value(json_object_get(manifest, "generated"));
	bool is_fresh = day && !cv_date_parse_iso(cv_str_z(day), CV_ZONE_VIETNAM, &date) &&
			j->r->today - cv_date_local_days(date) <= FRESH_DAYS;
	for (size_t i = 0; i < j->count; i++) {
		const json_t *one = json_object_get(json_object_get(manifest, "agencies"),
			j->r->agencies[i].code);
		set_share(&j->list[i], S_DIRECTORY, is_fresh && one, 1);
	}
	json_decref(manifest);
}

static void
take_policy(struct job *j)
{
	struct admin_events e;
	struct cv_err err = {0};

	if (admin_report_events(j->r, &e, &err))
		for (size_t i = 0; i < j->count; i++) {
			const struct admin_event_sums *s = &e.by_agency[i];
			int64_t staff = j->list[i].of[S_COVERAGE];
			set_share(&j->list[i], S_POLICY,
				staff - EVENTS_A_STAFF * (s->signups + s->free_mail + s->secrecy),
				staff);
		}
	admin_events_free(&e);
}

/* --training FILE: code, trained, of (staff when left out). */
static bool
take_training(struct job *j)
{
	const char *path = admin_option(j->r->call, "training");
	struct cv_str text, fields[ADMIN_CSV_COLUMNS_MAX];
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_err err = {0};
	struct admin_csv csv;
	size_t n;

	if (!path)
		return true;
	if (admin_file_read(path, TRAINING_MAX, &text, &err)) {
		admin_error(j->r->call, EXIT_FAILED, err.text, err.text);
		return false;
	}
	admin_csv_init(&csv, text);
	enum cv_status status;
	while (!(status = admin_csv_next(&csv, &arena, fields, &n, &err))) {
		uint64_t trained, of;
		char *code = cv_str_dup(cv_str_trim(fields[0]));
		struct score *s = score_of(j, code);
		free(code);
		bool is_head = csv.line == 1;
		if (n < 2 || cv_str_u64(cv_str_trim(fields[1]), 1000000, &trained) || !s) {
			if (is_head)
				continue;
			status = cv_fail(&err, CV_INVALID,
				"%s line %u: a row is an agency's code and how many were trained",
				path, csv.line);
			break;
		}
		of = (uint64_t)s->of[S_COVERAGE];
		if (n > 2 && fields[2].n)
			(void)!cv_str_u64(cv_str_trim(fields[2]), 1000000, &of);
		set_share(s, S_TRAINING, (int64_t)trained, (int64_t)of);
	}
	cv_arena_done(&arena);
	free((char *)(uintptr_t)text.p);
	if (status == CV_EOF)
		return true;
	admin_error(j->r->call, EXIT_FAILED, err.text, err.text);
	return false;
}

/* ---- points and places ---- */

static void
add_points(const struct job *j, struct score *s)
{
	int64_t points = 0, possible = 0, all = 0;

	for (size_t c = 0; c < CRITERIA; c++) {
		all += j->weights[c];
		if (!s->is_known[c])
			continue;
		possible += j->weights[c];
		points += admin_ratio(s->n[c] * j->weights[c], s->of[c], 10000);
	}
	/* From ten-thousandths of what was possible to hundredths of the full score. */
	s->points = possible ? admin_ratio(points * all, possible, 1) : 0;
	s->points = admin_ratio(s->points, 100, 1);
}

static int
by_cluster_and_points(const void *a, const void *b)
{
	const struct score *x = a, *y = b;
	int clusters = strcmp(x->agency->cluster, y->agency->cluster);

	if (clusters)
		return clusters;
	if (x->points != y->points)
		return x->points < y->points ? 1 : -1;
	return strcmp(x->agency->code, y->agency->code);
}

/* Agencies that have staff and are asked for, by cluster, place and code. */
static void
rank(struct job *j)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->count; i++) {
		struct score one = j->list[i];
		one.agency = &j->r->agencies[i];
		if (!one.agency->is_chosen || !one.of[S_COVERAGE])
			continue;
		add_points(j, &one);
		j->list[kept++] = one;
	}
	j->count = kept;
	qsort(j->list, j->count, sizeof *j->list, by_cluster_and_points);
	for (size_t i = 0, first = 0; i < j->count; i++) {
		if (i && strcmp(j->list[i].agency->cluster, j->list[i - 1].agency->cluster) != 0)
			first = i;
		bool same = i > first && j->list[i].points == j->list[i - 1].points;
		j->list[i].place = same ? j->list[i - 1].place : i - first + 1;
	}
}

/* ---- the document ---- */

static void
put_cluster(struct job *j, size_t from, size_t to, unsigned number)
{
	struct admin_report *r = j->r;
	const char *cluster = j->list[from].agency->cluster;
	char key[32], title[200];

	snprintf(title, sizeof title, "%s%s%s", admin_report_say(r, "Points", "Điểm thi đua"),
		*cluster ? ": " : "", cluster);
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "place",    admin_report_say(r, "Place", "Hạng"), 0, ADMIN_COUNT },
		{ "code",     admin_report_say(r, "Code", "Mã"), 12, ADMIN_TEXT },
		{ "agency",   admin_report_say(r, "Agency", "Cơ quan, đơn vị"), 44, ADMIN_TEXT },
		{ "coverage", admin_report_say(r, "Coverage", "Cấp địa chỉ"), 0, ADMIN_SHARE },
		{ "use",      admin_report_say(r, "Regular use", "Dùng thường xuyên"), 0, ADMIN_SHARE },
		{ "answers",  admin_report_say(r, "Timely answers", "Trả lời đúng hạn"), 0, ADMIN_SHARE },
		{ "directory", admin_report_say(r, "Directory", "Công khai danh bạ"), 0, ADMIN_SHARE },
		{ "policy",   admin_report_say(r, "Policy", "Chấp hành quy chế"), 0, ADMIN_SHARE },
		{ "training", admin_report_say(r, "Training", "Tập huấn"), 0, ADMIN_SHARE },
		{ "points",   admin_report_say(r, "Points", "Điểm"), 0, ADMIN_DECIMAL },
	};
	const struct admin_chart chart = { ADMIN_CHART_BARS,
		title, 2, { 9 }, 1 };
	/* clang-format on */

	snprintf(key, sizeof key, "cluster%u", number);
	struct admin_doc_table *t = admin_doc_table(r->doc, key,
		*cluster ? cluster : admin_report_say(r, "No cluster", "Chưa xếp cụm, khối"),
		columns, CV_COUNT(columns));
	for (size_t i = from; i < to; i++) {
		const struct score *s = &j->list[i];
		struct admin_value cells[CV_COUNT(columns)] = {admin_count((int64_t)s->place),
			admin_text_z(s->agency->code), admin_text_z(s->agency->name)};
		for (size_t c = 0; c < CRITERIA; c++)
			cells[3 + c] = s->is_known[c] ? admin_share(s->n[c], s->of[c])
						      : admin_none();
		cells[9] = admin_decimal(s->points, 100);
		admin_doc_row(r->doc, t, cells, false);
	}
	if (to - from > 1)
		admin_doc_chart(r->doc, t, &chart);
}

static void
put_formula(struct job *j)
{
	const int64_t *w = j->weights;

	admin_doc_note(j->r->doc,
		admin_report_say(j->r,
			"Points = %lld x staff with an address / staff + %lld x regular users / "
			"staff + %lld x answered in time / (answered + overdue) + %lld when the "
			"directory was published within %d days + %lld x (1 - %d x events of the "
			"policy / staff) + %lld x trained / staff. A share that cannot be measured "
			"(–) is left out and the rest scaled to the full score. Equal points: equal "
			"place, in the order of codes.",
			"Điểm = %lld x số người có địa chỉ / tổng số cán bộ + %lld x số người dùng "
			"thường xuyên / tổng số cán bộ + %lld x số thư trả lời đúng hạn / (đã trả "
			"lời + quá hạn) + %lld nếu danh bạ được công khai trong vòng %d ngày + %lld x "
			"(1 - %d x số sự kiện vi phạm / tổng số cán bộ) + %lld x số người đã tập "
			"huấn / tổng số cán bộ. Tiêu chí không đo được (–) thì bỏ qua và quy đổi các "
			"tiêu chí còn lại về thang điểm đầy đủ. Bằng điểm thì đồng hạng, xếp theo mã "
			"đơn vị."),
		(long long)w[0], (long long)w[1], (long long)w[2], (long long)w[3], FRESH_DAYS,
		(long long)w[4], EVENTS_A_STAFF, (long long)w[5]);
}

static void
put_document(struct job *j)
{
	unsigned number = 0;

	for (size_t from = 0, i = 1; i <= j->count; i++) {
		if (i < j->count &&
			!strcmp(j->list[i].agency->cluster, j->list[from].agency->cluster))
			continue;
		put_cluster(j, from, i, ++number);
		from = i;
	}
	put_formula(j);
}

static int
run_score(struct admin_call *call)
{
	struct admin_report r;
	struct job j = {.r = &r};
	int exit_code;

	if (admin_report_open(call, &r, &exit_code)) {
		j.count = r.agency_count;
		j.list = cv_calloc(j.count + 1, sizeof *j.list);
		exit_code = EXIT_CONFIG;
		bool good = read_weights(&j) && take_use(&j, &exit_code) &&
			    take_answers(&j, &exit_code);
		if (good) {
			take_directory(&j);
			take_policy(&j);
			exit_code = EXIT_FAILED;
			good = take_training(&j);
		}
		if (good) {
			rank(&j);
			admin_report_begin(&r, "Emulation score of official mail",
				"Chấm điểm thi đua về thư điện tử công vụ");
			put_document(&j);
			exit_code = admin_report_finish(&r);
		}
	}
	free(j.list);
	admin_report_close(&r);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	ADMIN_REPORT_OPTIONS,
	{ "training", "FILE.csv", "who was trained: agency's code, people trained, of how many (staff)",
		"số người đã tập huấn: mã đơn vị, số người, tổng số (mặc định số cán bộ)" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_report_score = {
	.noun = "report",
	.verb = "score",
	.words = "",
	.help = "points for emulation by cluster, with their formula",
	.help_vi = "chấm điểm thi đua theo cụm, khối, có công thức",
	.options = options,
	.examples = "  congvu report score --period 2026 --training tap-huan.csv\n"
		    "  congvu report score --period 2026-6m --format xlsx --output thi-dua.xlsx",
	.run = run_score,
};

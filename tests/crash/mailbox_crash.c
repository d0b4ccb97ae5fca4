/* crash: store */
/* mailbox_crash.c - the owner of a store dies at a named point, or at any moment, while one thread
 * delivers to many recipients and another appends, copies, flags and expunges. Then the store is
 * opened again and every numbered invariant of store.h is proved against what the owner had
 * acknowledged (a log written only after the ticket was durable) and shown (a log written before).
 *
 *   S1 S8  UIDNEXT and MODSEQ are past all that were shown
 *   S3     acknowledged deliveries, appends, copies and expunges hold; a message that was removed
 *          and restored is there or can be restored, once
 *   S2 S4 S5 S6  `store check` finds nothing but leaks, and after mending nothing at all
 *   S7     every delivery that was attempted is repeated, and is then there exactly once
 *
 * Usage: crash_mailbox [random rounds]
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/rng.h"
#include "common/store/internal.h"
#include "common/store/restore.h"

#define RCPTS    70 /* three groups of one delivery */
#define ROUNDS   40 /* of a child that nobody kills */
#define IDS_MAX  400
#define UIDS_MAX 4000

static char dir[128];
static int log_fd = -1;
static struct cv_store *store;
static struct cv_err err;
static unsigned generation; /* ids of one child differ from those of the next */

#define MUST(call)                                                                                 \
	do {                                                                                       \
		enum cv_status status_ = (call);                                                   \
		if (status_)                                                                       \
			cv_die("%s:%d: %s: %s (%s)", __FILE__, __LINE__, #call,                    \
				cv_status_name(status_), err.text);                                \
	} while (0)
#define PROVE(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);            \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, "\n");                                                     \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static int
unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
open_store(void)
{
	char path[160];
	snprintf(path, sizeof path, "%s/mail", dir);
	struct cv_store_options o = {
		.engine = {.dir = path, .cache_bytes = 8u << 20}
	};
	MUST(cv_store_open(&o, &store, &err));
}

static struct cv_acct *
account(uint64_t number)
{
	struct cv_acct *a;
	cv_ticket t;
	MUST(cv_acct_open(store, cv_acct(CV_CLASS_USER, number), true, &a, &t, &err));
	return a;
}

/* ---- the child ---- */

static void __attribute__((format(printf, 1, 2))) note(const char *fmt, ...)
{
	char line[128];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (write(log_fd, line, (size_t)n) != n)
		cv_die("cannot write the log");
}

static void
fill(struct cv_spool *s, const char *what)
{
	cv_spool_init(s, dir);
	struct cv_buf b = CV_BUF_INIT(1u << 20);
	cv_buf_printf(&b, "From: a@b.example\r\nSubject: %s\r\nMessage-ID: <%s@b.example>\r\n\r\n",
		what, what);
	for (int i = 0; i < 40; i++)
		cv_buf_printf(&b, "dong %d cua thu %s\r\n", i, what);
	MUST(cv_spool_write(s, cv_buf_view(&b), &err));
	cv_buf_done(&b);
}

static void
post(struct cv_delivery *d)
{
	sem_post(d->arg);
}

static void
deliver(struct cv_deliverer *with, const char *id, bool *all_ok, bool *all_duplicate)
{
	struct cv_deliver_rcpt rcpts[RCPTS];
	struct cv_spool spool;
	sem_t done;
	sem_init(&done, 0, 0);
	fill(&spool, id);
	for (uint64_t i = 0; i < RCPTS; i++)
		rcpts[i] = (struct cv_deliver_rcpt){.acct = cv_acct(CV_CLASS_USER, i + 1)};
	struct cv_delivery d = {.id = cv_str_z(id),
		.message = &spool,
		.rcpts = rcpts,
		.rcpt_count = RCPTS,
		.done = post,
		.arg = &done};
	cv_deliver(with, &d);
	while (sem_wait(&done))
		;
	*all_ok = *all_duplicate = true;
	for (size_t i = 0; i < RCPTS; i++) {
		*all_ok &= rcpts[i].result == CV_OK;
		*all_duplicate &= rcpts[i].duplicate;
	}
	cv_spool_done(&spool);
}

static void *
deliver_rounds(void *arg)
{
	struct cv_deliverer *with;
	(void)arg;
	MUST(cv_deliverer_local(store, &with, &err));
	for (int i = 0; i < ROUNDS; i++) {
		char id[40];
		bool ok, duplicate;
		snprintf(id, sizeof id, "d%u-%d", generation, i);
		note("T %s\n", id);
		deliver(with, id, &ok, &duplicate);
		if (ok)
			note("D %s\n", id);
	}
	cv_deliverer_free(with);
	return NULL;
}

static void
show(struct cv_mbox *m, char box)
{
	const struct cv_view *v;
	MUST(cv_mbox_view(m, &v, &err));
	note("S %c %u %" PRIu64 "\n", box, v->uidnext, v->highest_modseq);
	cv_view_unref(v);
}

static void
wait_for(cv_ticket t)
{
	cv_ticket_block(cv_store_engine(store), t);
}

static void
one_round(struct cv_mbox *work, struct cv_mbox *dst, struct cv_mbox *other, int i)
{
	struct cv_append items[3] = {0};
	struct cv_spool spools[3];
	struct cv_flag_change change = {.flags = CV_FLAG_DELETED};
	uint32_t uids[3], from[3], to[3], failed[3];
	size_t done, failed_count;
	uint64_t modseq;
	cv_ticket t;
	for (int k = 0; k < 3; k++) {
		char what[40];
		snprintf(what, sizeof what, "append-%u-%d-%d", generation, i, k);
		fill(&spools[k], what);
		items[k].message = &spools[k];
	}
	MUST(cv_mbox_append(work, items, 3, &t, &err));
	show(work, 'w');
	wait_for(t);
	for (int k = 0; k < 3; k++) {
		uids[k] = items[k].uid;
		note("A %u\n", uids[k]);
		cv_spool_done(&spools[k]);
	}
	MUST(cv_mbox_copy(work, uids, 2, dst, false, from, to, &done, &t, &err));
	show(dst, 'd');
	wait_for(t);
	note("C %u\nC %u\n", to[0], to[1]);
	MUST(cv_mbox_copy(work, uids, 1, other, i % 2, from, to, &done, &t, &err));
	wait_for(t);
	if (i % 2) {
		note("E %u\nX %u\n", uids[0], uids[0]);
	}
	MUST(cv_mbox_store(work, uids + 1, 1, CV_STORE_ADD, &change, UINT64_MAX, failed,
		&failed_count, &modseq, &t, &err));
	note("E %u\n", uids[1]);
	MUST(cv_mbox_expunge(work, uids, 3, &done, &t, &err));
	show(work, 'w');
	wait_for(t);
	note("X %u\n", uids[1]);
}

/* A message that is removed and restored, and goes with its mailbox now and then. */
static void
restore_round(struct cv_acct *a, int i)
{
	struct cv_append item = {0};
	struct cv_spool spool;
	struct cv_mbox *back;
	struct cv_restore_options o = {.mailbox = CV_STR("back")};
	struct cv_restore_report report;
	char what[40];
	size_t done;
	cv_ticket t;
	snprintf(what, sizeof what, "back-%u-%d", generation, i);
	fill(&spool, what);
	item.message = &spool;
	MUST(cv_mbox_open(a, CV_STR("back"), &back, &err));
	MUST(cv_mbox_append(back, &item, 1, &t, &err));
	wait_for(t);
	note("B\n");
	cv_spool_done(&spool);
	if (i % 5 == 4)
		MUST(cv_mbox_delete(a, CV_STR("back"), &t, &err));
	else
		MUST(cv_mbox_remove(back, &item.uid, 1, &done, &t, &err));
	MUST(cv_acct_restore(a, &o, &report, &t, &err));
	PROVE(report.messages, "nothing to restore");
	wait_for(t);
	cv_mbox_close(back);
}

static void
open_boxes(struct cv_mbox **work, struct cv_mbox **dst, struct cv_mbox **other)
{
	struct cv_acct *a = account(1), *b = account(500);
	cv_ticket t;
	(void)!cv_mbox_create(a, CV_STR("work"), CV_USE_NONE, NULL, &t, NULL);
	(void)!cv_mbox_create(a, CV_STR("back"), CV_USE_NONE, NULL, &t, NULL);
	(void)!cv_mbox_create(a, CV_STR("dst"), CV_USE_NONE, NULL, &t, NULL);
	MUST(cv_mbox_open(a, CV_STR("work"), work, &err));
	MUST(cv_mbox_open(a, CV_STR("dst"), dst, &err));
	MUST(cv_mbox_open(b, CV_STR("INBOX"), other, &err));
	cv_acct_close(a);
	cv_acct_close(b);
}

static CV_NORETURN void
child(const char *kill_at)
{
	pthread_t deliverer;
	struct cv_mbox *work, *dst, *other;
	open_store();
	open_boxes(&work, &dst, &other);
	if (kill_at)
		setenv("CONGVU_KILL", kill_at, 1);
	cv_kill_reload();
	pthread_create(&deliverer, NULL, deliver_rounds, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		one_round(work, dst, other, i);
		restore_round(cv_mbox_acct(work), i);
	}
	pthread_join(deliverer, NULL);
	_exit(0);
}

/* ---- the parent: what was promised ---- */

struct promises {
	char attempted[IDS_MAX][40];
	bool acknowledged[IDS_MAX];
	size_t ids;
	uint32_t appended[UIDS_MAX], may_go[UIDS_MAX], gone[UIDS_MAX], copied[UIDS_MAX];
	size_t appended_n, may_go_n, gone_n, copied_n;
	uint32_t work_next, dst_next;
	uint64_t modseq;
	size_t backs;
};
static struct promises said;

static void
push(uint32_t *list, size_t *n, const char *text)
{
	PROVE(*n < UIDS_MAX, "too many rounds");
	list[(*n)++] = (uint32_t)strtoul(text, NULL, 10);
}

static void
read_line(const char *line)
{
	char box, id[40];
	uint32_t next;
	uint64_t modseq;
	switch (line[0]) {
	case 'T':
		PROVE(said.ids < IDS_MAX && sscanf(line + 2, "%39s", said.attempted[said.ids]) == 1,
			"too many ids");
		said.acknowledged[said.ids++] = false;
		break;
	case 'D':
		PROVE(sscanf(line + 2, "%39s", id) == 1, "log");
		for (size_t i = 0; i < said.ids; i++)
			said.acknowledged[i] |= !strcmp(said.attempted[i], id);
		break;
	case 'A':
		push(said.appended, &said.appended_n, line + 2);
		break;
	case 'E':
		push(said.may_go, &said.may_go_n, line + 2);
		break;
	case 'X':
		push(said.gone, &said.gone_n, line + 2);
		break;
	case 'C':
		push(said.copied, &said.copied_n, line + 2);
		break;
	case 'B':
		said.backs++;
		break;
	case 'S':
		PROVE(sscanf(line + 2, "%c %u %" SCNu64, &box, &next, &modseq) == 3, "log");
		said.modseq = CV_MAX(said.modseq, modseq);
		if (box == 'w')
			said.work_next = CV_MAX(said.work_next, next);
		else
			said.dst_next = CV_MAX(said.dst_next, next);
		break;
	}
}

static void
read_log(void)
{
	char path[160], line[128];
	snprintf(path, sizeof path, "%s/log", dir);
	memset(&said, 0, sizeof said);
	FILE *f = fopen(path, "r");
	PROVE(f, "no log");
	while (fgets(line, sizeof line, f))
		if (strchr(line, '\n'))
			read_line(line);
	fclose(f);
}

static bool
is_in(const uint32_t *list, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == uid)
			return true;
	return false;
}

static unsigned hard_faults;

static void
on_fault(void *arg, const char *text)
{
	(void)arg;
	if (!strncmp(text, "leak:", 5))
		return;
	fprintf(stderr, "fault: %s\n", text);
	hard_faults++;
}

static void
on_any_fault(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "fault after mending: %s\n", text);
	hard_faults++;
}

static void
prove_sound(void)
{
	struct cv_check_report r;
	hard_faults = 0;
	MUST(cv_store_check(store, true, true, on_fault, NULL, &r, &err));
	PROVE(!hard_faults, "S1 S2 S4 S5 S6");
	MUST(cv_store_check(store, false, true, on_any_fault, NULL, &r, &err));
	PROVE(!hard_faults, "mending");
}

static void
prove_mailboxes(void)
{
	struct cv_mbox *work, *dst, *other;
	const struct cv_view *v;
	open_boxes(&work, &dst, &other);
	MUST(cv_mbox_view(work, &v, &err));
	for (size_t i = 0; i < said.appended_n; i++) {
		uint32_t uid = said.appended[i];
		bool there = cv_view_uid(v, uid), gone = is_in(said.gone, said.gone_n, uid);
		bool may_go = gone || is_in(said.may_go, said.may_go_n, uid) ||
			      uid + 6 > said.work_next; /* its round may have been under way */
		PROVE(!(there && gone), "S3: expunged %u is back", uid);
		PROVE(there || may_go, "S3: appended %u is lost", uid);
	}
	PROVE(v->uidnext > said.work_next, "S8: UIDNEXT %u, %u was shown", v->uidnext,
		said.work_next);
	cv_view_unref(v);
	MUST(cv_mbox_view(dst, &v, &err));
	for (size_t i = 0; i < said.copied_n; i++)
		PROVE(cv_view_uid(v, said.copied[i]), "S3: copy %u is lost", said.copied[i]);
	PROVE(v->uidnext > said.dst_next, "S8: UIDNEXT %u, %u was shown", v->uidnext,
		said.dst_next);
	cv_view_unref(v);
	PROVE(work->acct->modseq > said.modseq, "S8: MODSEQ");
	cv_mbox_close(work);
	cv_mbox_close(dst);
	cv_mbox_close(other);
}

/* ---- removed and restored ---- */

struct backs {
	uint8_t ids[UIDS_MAX][16];
	size_t count;
};

static void
note_back(struct backs *b, const struct cv_msg *msg, const char *where)
{
	for (size_t i = 0; i < b->count; i++)
		PROVE(memcmp(b->ids[i], msg->email_id, 16), "S3: a message is twice %s", where);
	PROVE(b->count < UIDS_MAX, "too many rounds");
	memcpy(b->ids[b->count++], msg->email_id, 16);
}

static bool
on_live(void *arg, const struct cv_msg *msg)
{
	note_back(arg, msg, "in the mailbox");
	return true;
}

static bool
on_restorable(void *arg, const struct cv_restorable *r)
{
	if (r->msg)
		note_back(arg, r->msg, "to be restored");
	return true;
}

static void
prove_backs(void)
{
	static size_t before;
	static struct backs b;
	struct cv_acct *a = account(1);
	struct cv_restore_options o = {.mailbox = CV_STR("back"),
		.dry_run = true,
		.want = on_restorable,
		.arg = &b};
	struct cv_restore_report report;
	struct cv_mbox *back;
	cv_ticket t;
	b.count = 0;
	if (!cv_mbox_open(a, CV_STR("back"), &back, NULL)) {
		const struct cv_view *v;
		MUST(cv_mbox_view(back, &v, &err));
		uint32_t *uids = cv_malloc((v->exists + 1) * sizeof *uids);
		for (uint32_t i = 0; i < v->exists; i++)
			uids[i] = cv_view_seq(v, i + 1)->uid;
		MUST(cv_msg_each(back, uids, v->exists, false, on_live, &b, &err));
		free(uids);
		cv_view_unref(v);
		cv_mbox_close(back);
	}
	MUST(cv_acct_restore(a, &o, &report, &t, &err));
	PROVE(b.count >= before + said.backs && b.count <= before + said.backs + 1,
		"S3: %zu messages of %zu are there or can be restored", b.count,
		before + said.backs);
	before = b.count;
	cv_acct_close(a);
}

struct counting {
	unsigned times[IDS_MAX];
};

static bool
count_ids(void *arg, uint32_t box, uint32_t uid, const struct cv_row_msg *row)
{
	struct counting *c = arg;
	(void)box;
	(void)uid;
	for (size_t i = 0; i < said.ids; i++)
		c->times[i] += cv_str_eq_z(row->delivery_id, said.attempted[i]);
	return true;
}

static void
prove_deliveries(bool after_retry)
{
	for (uint64_t n = 1; n <= RCPTS; n++) {
		struct counting c = {0};
		MUST(cv_acct_each_msg(store, cv_acct(CV_CLASS_USER, n), count_ids, &c, &err));
		for (size_t i = 0; i < said.ids; i++) {
			PROVE(c.times[i] <= 1, "S7: %s is %u times in %" PRIu64, said.attempted[i],
				c.times[i], n);
			PROVE(c.times[i] || !(said.acknowledged[i] || after_retry),
				"S3: %s is not in %" PRIu64, said.attempted[i], n);
		}
	}
}

static void
retry_all(void)
{
	struct cv_deliverer *with;
	MUST(cv_deliverer_local(store, &with, &err));
	for (size_t i = 0; i < said.ids; i++) {
		bool ok, duplicate;
		deliver(with, said.attempted[i], &ok, &duplicate);
		PROVE(ok, "retry of %s", said.attempted[i]);
		PROVE(duplicate || !said.acknowledged[i], "S7: %s was acknowledged and came again",
			said.attempted[i]);
	}
	cv_deliverer_free(with);
}

static void
prove_all(void)
{
	read_log();
	open_store();
	prove_mailboxes();
	prove_backs();
	prove_deliveries(false);
	prove_sound();
	retry_all();
	prove_deliveries(true);
	prove_sound();
	cv_store_close(store);
	store = NULL;
}

/* ---- one death ---- */

static void
reset_log(void)
{
	char path[160];
	snprintf(path, sizeof path, "%s/log", dir);
	if (log_fd >= 0)
		close(log_fd);
	log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	PROVE(log_fd >= 0, "no log");
}

static void
one_death(const char *kill_at, unsigned after_us)
{
	reset_log();
	generation++;
	pid_t pid = fork();
	if (!pid)
		child(kill_at);
	if (after_us) {
		usleep(after_us);
		kill(pid, SIGKILL);
	}
	int status;
	waitpid(pid, &status, 0);
	if (kill_at)
		PROVE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s was not reached",
			kill_at);
	prove_all();
	printf("%-20s %zu deliveries, %zu appends acknowledged or shown: all hold\n",
		kill_at ? kill_at : "any moment", said.ids, said.appended_n);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	static const char *const points[] = {
		"deliver.body:1",
		"deliver.body:4",
		"deliver.count:1",
		"deliver.count:3",
		"deliver.batch:1",
		"deliver.batch:2",
		"deliver.batch:7",
		"append:1",
		"append:2",
		"append:6",
		"copy:1",
		"copy:2",
		"copy:3",
		"copy:8",
		"expunge:1",
		"expunge:3",
		"restore:1",
		"restore:2",
		"restore:9",
		"restore:10",
		"commit.before:60",
		"commit.after:61",
		"flush.volume:5",
		"flush.before:6",
		"flush.after:7",
	};
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/congvu-crash-XXXXXX", tmp ? tmp : "/tmp");
	PROVE(mkdtemp(dir), "no directory");
	open_store();
	for (uint64_t i = 1; i <= RCPTS; i++)
		cv_acct_close(account(i));
	struct cv_mbox *work, *dst, *other;
	open_boxes(&work, &dst, &other);
	cv_mbox_close(work);
	cv_mbox_close(dst);
	cv_mbox_close(other);
	cv_store_close(store);
	for (size_t i = 0; i < CV_COUNT(points); i++)
		one_death(points[i], 0);
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 4;
	for (int i = 0; i < rounds; i++)
		one_death(NULL, 20000 + (unsigned)cv_random_below(400000));
	close(log_fd);
	(void)nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

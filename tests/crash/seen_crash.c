/* crash: store */
/* seen_crash.c - the owner of a store dies at a named point, or at any moment, while three people
 * read and file in one mailbox and move messages to another account. Then the store is opened
 * again:
 *
 *   - what each person was told to have seen, or not, is so; only the change under way may be
 * either
 *   - no message is lost; only a move to another account that was under way may have left two
 *   - the counts of every person are what the messages say, and `store check` finds no fault
 *   - MODSEQ is past all that were shown
 *
 * The log is written by one thread, so what is under way is its last line.
 * Usage: crash_seen [random rounds]
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/rng.h"
#include "common/store/internal.h"

#define ROUNDS  120
#define PEOPLE  3
#define SERIALS (ROUNDS + 1)
#define BASE    1800000000

static char dir[128];
static int log_fd = -1;
static struct cv_store *store;
static struct cv_err err;
static const struct cv_viewer people[PEOPLE] = {
	{.person = 11, .marks_common = true},
	{.person = 12, .marks_common = true},
	{.person = 13},
};
static const char *const names[] = {"INBOX", "Hồ sơ"};

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

/* Box 0 and 1 are the shared account's, 2 is the other's. */
static struct cv_mbox *
open_box(int box)
{
	struct cv_acct *a;
	struct cv_mbox *m;
	cv_ticket t;
	const char *name = box == 1 ? names[1] : names[0];
	MUST(cv_acct_open(store, cv_acct(CV_CLASS_USER, box == 2 ? 2 : 1), true, &a, &t, &err));
	if (box == 1)
		(void)!cv_mbox_create(a, cv_str_z(name), CV_USE_NONE, NULL, &t, NULL);
	MUST(cv_mbox_open(a, cv_str_z(name), &m, &err));
	cv_acct_close(a);
	return m;
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
wait_for(cv_ticket t)
{
	cv_ticket_block(cv_store_engine(store), t);
}

static uint32_t
append(struct cv_mbox *m, int serial)
{
	struct cv_append item = {.internal_secs = BASE + serial};
	struct cv_spool spool;
	cv_ticket t;
	char text[80];
	snprintf(text, sizeof text, "Subject: thu %d\r\n\r\nThan thu %d\r\n", serial, serial);
	cv_spool_init(&spool, dir);
	MUST(cv_spool_write(&spool, cv_str_z(text), &err));
	item.message = &spool;
	MUST(cv_mbox_append(m, &item, 1, &t, &err));
	wait_for(t);
	note("A %d\n", serial);
	cv_spool_done(&spool);
	return item.uid;
}

static void
see(struct cv_mbox *m, int person, int serial, uint32_t uid, bool on)
{
	struct cv_flag_change change = {.flags = CV_FLAG_SEEN};
	uint32_t failed[1];
	size_t failed_count;
	uint64_t modseq;
	cv_ticket t;
	note("t %d %d %d\n", person, serial, on);
	MUST(cv_mbox_store_as(m, &people[person], &uid, 1, on ? CV_STORE_ADD : CV_STORE_REMOVE,
		&change, UINT64_MAX, failed, &failed_count, &modseq, &t, &err));
	note("S %" PRIu64 "\n", modseq);
	wait_for(t);
	note("T %d %d %d\n", person, serial, on);
}

static void
move(struct cv_mbox *from, int serial, uint32_t uid, struct cv_mbox *to,
	const struct cv_viewer *viewer, char what)
{
	uint32_t a[1], b[1];
	size_t done;
	cv_ticket t;
	note("%c %d\n", what + 'a' - 'A', serial);
	MUST(cv_mbox_copy_as(from, &people[0], &uid, 1, to, viewer, true, a, b, &done, &t, &err));
	PROVE(done == 1, "nothing to move");
	wait_for(t);
	note("%c %d\n", what, serial);
}

static CV_NORETURN void
child(const char *kill_at)
{
	struct cv_mbox *box[3];
	uint32_t uids[SERIALS] = {0}, first, next;
	cv_ticket t;
	open_store();
	for (int i = 0; i < 3; i++)
		box[i] = open_box(i);
	for (int p = 0; p < PEOPLE; p++)
		for (int i = 0; i < 2; i++)
			MUST(cv_mbox_enter_as(box[i], &people[p], true, &first, &next, &t, &err));
	if (kill_at)
		setenv("CONGVU_KILL", kill_at, 1);
	cv_kill_reload();
	for (int i = 1; i <= ROUNDS; i++) {
		uids[i] = append(box[0], i);
		for (int p = 0; p < PEOPLE; p++) {
			int serial = i - (int)cv_random_below((uint32_t)CV_MIN(i, 6));
			if (uids[serial])
				see(box[0], p, serial, uids[serial], cv_random_below(3));
		}
		int old = i - 8;
		if (old < 1 || !uids[old])
			continue;
		if (i % 3 == 0)
			move(box[0], old, uids[old], box[1], &people[0], 'F');
		else if (i % 3 == 1)
			move(box[0], old, uids[old], box[2], NULL, 'G');
		uids[old] = i % 3 == 2 ? uids[old] : 0;
	}
	_exit(0);
}

/* ---- the parent ---- */

static struct {
	bool is_there[SERIALS], left[SERIALS];
	int seen[PEOPLE][SERIALS]; /* -1: either */
	int going;                 /* on its way to the other account when the owner died, or 0 */
	uint64_t modseq;
	int lines;
} said;

static void
read_line(const char *line)
{
	int a = 0, b = 0, c = 0;
	uint64_t modseq = 0;
	bool ok = line[0] == 'S' ? sscanf(line + 2, "%" SCNu64, &modseq) == 1
				 : sscanf(line + 2, "%d %d %d", &a, &b, &c) >= 1;
	PROVE(ok && a < SERIALS && b < SERIALS, "log: %s", line);
	said.lines++;
	said.going = 0;
	switch (line[0]) {
	case 'A':
		said.is_there[a] = true;
		break;
	case 't':
		if (said.seen[a][b] != c)
			said.seen[a][b] = -1;
		break;
	case 'T':
		said.seen[a][b] = c;
		break;
	case 'g':
		said.going = a;
		break;
	case 'G':
		said.left[a] = true;
		break;
	case 'S':
		said.modseq = CV_MAX(said.modseq, modseq);
		break;
	default:
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

struct looking {
	int times[SERIALS]; /* in the mailbox looked at */
	uint32_t uid[SERIALS];
};

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct looking *l = arg;
	int serial = (int)(msg->internal_secs - BASE);
	PROVE(serial > 0 && serial < SERIALS, "serial");
	l->times[serial]++;
	l->uid[serial] = msg->uid;
	return true;
}

static void
look(struct cv_mbox *m, struct looking *l)
{
	const struct cv_view *v;
	memset(l, 0, sizeof *l);
	MUST(cv_mbox_view(m, &v, &err));
	uint32_t *uids = cv_malloc((v->exists + 1) * sizeof *uids);
	for (uint32_t i = 0; i < v->exists; i++)
		uids[i] = cv_view_seq(v, i + 1)->uid;
	MUST(cv_msg_each(m, uids, v->exists, false, on_msg, l, &err));
	free(uids);
	cv_view_unref(v);
}

static void
prove_person(struct cv_mbox *m, const char *name, const struct looking *l, int person)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_mbox_info info;
	const struct cv_view *v, *own;
	uint32_t unseen = 0;
	MUST(cv_mbox_view_as(m, &people[person], &v, &err));
	MUST(cv_mbox_view(m, &own, &err));
	for (int serial = 1; serial < SERIALS; serial++) {
		if (!l->times[serial])
			continue;
		const struct cv_entry *e = cv_view_uid(v, l->uid[serial]);
		bool seen = e->flags & CV_FLAG_SEEN;
		unseen += !seen;
		PROVE(said.seen[person][serial] < 0 || seen == said.seen[person][serial],
			"person %d, message %d", person, serial);
		PROVE(!seen || !people[person].marks_common ||
				(cv_view_uid(own, e->uid)->flags & CV_FLAG_SEEN),
			"nobody has seen %d", serial);
	}
	MUST(cv_mbox_info_as(m->acct, &people[person], cv_str_z(name), &arena, &info, &err));
	PROVE(info.unseen == unseen, "person %d: %u, counted %u", person, info.unseen, unseen);
	PROVE(v->highest_modseq >= said.modseq || m->acct->modseq > said.modseq, "MODSEQ");
	cv_view_unref(own);
	cv_view_unref(v);
	cv_arena_done(&arena);
}

static void
on_fault(void *arg, const char *text)
{
	if (strncmp(text, "leak:", 5)) {
		fprintf(stderr, "fault: %s\n", text);
		++*(unsigned *)arg;
	}
}

static void
prove_all(void)
{
	struct cv_mbox *box[3];
	struct looking at[3];
	struct cv_check_report r;
	unsigned faults = 0;
	read_log();
	open_store();
	for (int i = 0; i < 3; i++) {
		box[i] = open_box(i);
		look(box[i], &at[i]);
	}
	for (int serial = 1; serial < SERIALS; serial++) {
		int here = at[0].times[serial] + at[1].times[serial], there = at[2].times[serial];
		PROVE(!said.is_there[serial] || here + there > 0, "message %d is lost", serial);
		PROVE(here < 2 && there < 2, "message %d is there twice", serial);
		PROVE(!(here && there) || serial == said.going, "message %d is in both", serial);
		PROVE(!said.left[serial] || !here, "message %d came back", serial);
	}
	for (int i = 0; i < 2; i++)
		for (int p = 0; p < PEOPLE; p++)
			prove_person(box[i], names[i], &at[i], p);
	for (int i = 0; i < 3; i++)
		cv_mbox_close(box[i]);
	MUST(cv_store_check(store, true, true, on_fault, &faults, &r, &err));
	PROVE(!faults, "store check");
	cv_store_close(store);
	store = NULL;
}

/* A store of its own, as the log tells of all that is in it. */
static void
one_death(const char *kill_at, unsigned after_us)
{
	const char *tmp = getenv("TMPDIR");
	char path[160];
	int status;
	snprintf(dir, sizeof dir, "%s/congvu-crash-XXXXXX", tmp ? tmp : "/tmp");
	PROVE(mkdtemp(dir), "no directory");
	snprintf(path, sizeof path, "%s/log", dir);
	log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	PROVE(log_fd >= 0, "no log");
	pid_t pid = fork();
	if (!pid)
		child(kill_at);
	if (after_us) {
		usleep(after_us);
		kill(pid, SIGKILL);
	}
	waitpid(pid, &status, 0);
	if (kill_at)
		PROVE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s was not reached",
			kill_at);
	else
		PROVE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : !WEXITSTATUS(status),
			"the child failed");
	close(log_fd);
	prove_all();
	printf("%-20s %d lines of log: all hold\n", kill_at ? kill_at : "any moment", said.lines);
	fflush(stdout);
	(void)nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

int
main(int argc, char **argv)
{
	static const char *const points[] = {
		"store:1", "store:2", "store:30", "store:31", "copy:2", "copy:9", "move:1",
		"move:4", "commit.before:100", "commit.after:101", "flush.before:50",
		"flush.after:51",
	};
	for (size_t i = 0; i < CV_COUNT(points); i++)
		one_death(points[i], 0);
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 4;
	for (int i = 0; i < rounds; i++)
		one_death(NULL, 100000 + (unsigned)cv_random_below(400000));
	return 0;
}

/* fuzz: smtpd */
/* smtp_session_fuzz.c - whole conversations with a real server: the daemon runs in this process
 * over Unix sockets, with a register of two people and a store that takes what is accepted.
 *
 * The first byte chooses the listener (bit 0: LMTP) and how the rest is cut into pieces (bits 1-3).
 * The client then closes its side, and the server must answer in well-formed replies and close.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/net/addr.h"
#include "common/register/registry.h"
#include "common/store/deliver.h"
#include "smtpd/daemon.h"

#define HANG_SECS 30

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#ifdef __has_feature
#if __has_feature(coverage_sanitizer)
/* After each input libFuzzer would look for leaks while other threads are in the middle of their
 * work. The run over the corpus looks once, at the end. */
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return 1;
}
#endif
#endif

static char dir[] = "/tmp/congvu-smtp-fuzz.XXXXXX";
static struct cv_store *store;
static struct cv_audit *audit;
static struct cv_registry *registry;
static struct cv_deliver_server *owner;
static struct smtpd_daemon *daemon_;

static const char *
in_dir(const char *name)
{
	static char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void
must(enum cv_status status, const struct cv_err *err)
{
	if (status != CV_OK) {
		fprintf(stderr, "cannot start: %s\n", err->text);
		abort();
	}
}

static void
request(const char *text)
{
	struct cv_err err = { 0 };
	json_t *reply = NULL, *json = json_loads(text, 0, NULL);

	must(cv_registry_do(registry, "root", json, NULL, NULL, &reply, &err), &err);
	json_decref(json);
	json_decref(reply);
}

static void
start_store(void)
{
	struct cv_err err = { 0 };
	struct sockaddr_storage addr;
	socklen_t len;
	char mail[100], reg[100], sock[120];
	int fd;

	snprintf(mail, sizeof mail, "%s/mail", dir);
	snprintf(reg, sizeof reg, "%s/register", dir);
	struct cv_store_options so = { .engine = { .dir = mail, .with_blobs = true } };
	must(cv_store_open(&so, &store, &err), &err);
	must(cv_audit_open(store, &audit, &err), &err);
	struct cv_registry_options ro = { .store = store, .audit = audit, .dir = reg,
		.default_domain = "lamgiang.example", .address_template = "initials",
		.reserved_local_parts = "", .quota_default = 1u << 30, .quota_agency = 1u << 30 };
	must(cv_registry_open(&ro, &registry, &err), &err);
	request("{\"do\": \"account.add\", \"address\": \"a.snv@lamgiang.example\", \"name\": \"A\","
		" \"no_password\": true}");
	request("{\"do\": \"account.add\", \"address\": \"b.snv@lamgiang.example\", \"name\": \"B\","
		" \"no_password\": true}");
	snprintf(sock, sizeof sock, "unix:%s/run/deliver.sock", dir);
	must(cv_sockaddr_parse(cv_str_z(sock), &addr, &len, &err), &err);
	must(cv_addr_listen(&addr, len, 0600, &fd, &err), &err);
	must(cv_deliver_serve(fd, store, &owner, &err), &err);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
stop(void)
{
	smtpd_daemon_stop(daemon_);
	cv_deliver_server_free(owner);
	cv_registry_close(registry);
	cv_audit_close(audit);
	cv_store_close(store);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
start(void)
{
	struct cv_err err = { 0 };

	if (!mkdtemp(dir))
		abort();
	static const char *const folders[] = { "run", "queue", "mail", "register" };
	for (size_t i = 0; i < CV_COUNT(folders); i++)
		(void)mkdir(in_dir(folders[i]), 0700);
	FILE *zone = fopen(in_dir("zone"), "w");
	FILE *conf = fopen(in_dir("congvu.conf"), "w");
	if (!zone || !conf)
		abort();
	fclose(zone);
	fprintf(conf, "[congvu]\nbase_dir = %s\nhostname = mail.lamgiang.example\n"
		"default_domain = lamgiang.example\nofficial_suffixes = lamgiang.example\n"
		"dns_zone_file = %s/zone\nlog_level = error\nsandbox = no\n" /* the corpus is outside */
		"[smtpd]\nlisten_mx = unix:%s/mx\nlisten_submission =\nlisten_submissions =\n"
		"listen_lmtp = unix:%s/lmtp\nmilters =\nworkers = 2\nmax_message = 64K\nmax_rcpts = 50\n",
		dir, dir, dir, dir);
	fclose(conf);
	start_store();
	must(smtpd_daemon_start(in_dir("congvu.conf"), &daemon_, &err), &err);
	atexit(stop);
}

static int
dial(bool lmtp)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = HANG_SECS };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof un.sun_path, "%s/%s", dir, lmtp ? "lmtp" : "mx");
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof un)
		|| setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit)
		|| setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit))
		abort();
	return fd;
}

/* Whoever talks before the greeting is sent away: it is read first. */
static size_t
read_greeting(int fd, char *text, size_t room)
{
	size_t n = 0;

	while (!n || text[n - 1] != '\n') {
		ssize_t got = recv(fd, text + n, room - n, 0);
		if (got <= 0)
			abort();
		n += (size_t)got;
	}
	return n;
}

/* "250-text" or "250 text", ended by CR LF, no other control bytes. */
static void
check_replies(const char *text, size_t n)
{
	for (size_t at = 0; at < n;) {
		const char *line = text + at, *end = memchr(line, '\n', n - at);
		if (!end || end - line < 5 || end[-1] != '\r' || line[0] < '2' || line[0] > '5'
			|| (line[3] != ' ' && line[3] != '-'))
			abort();
		for (const char *p = line; p < end - 1; p++)
			if ((unsigned char)*p < ' ')
				abort();
		at = (size_t)(end + 1 - text);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answers[1u << 20];

	if (!size || size > (128u << 10))
		return 0;
	if (!daemon_)
		start();
	int fd = dial(data[0] & 1);
	size_t piece = data[0] & 14 ? (size_t)(data[0] & 14) * 3 : size;
	size_t got = read_greeting(fd, answers, 1000);

	for (size_t at = 1; at < size; at += piece)
		if (send(fd, data + at, CV_MIN(piece, size - at), MSG_NOSIGNAL) < 0)
			break; /* it has closed */
	shutdown(fd, SHUT_WR);
	while (got < sizeof answers) {
		ssize_t n = recv(fd, answers + got, sizeof answers - got, 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			abort(); /* it hangs */
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	close(fd);
	if (got < sizeof answers)
		check_replies(answers, got);
	return 0;
}

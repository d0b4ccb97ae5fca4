/* main.c - cvload: reads the options and starts the load. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/load/load.h"

static atomic_uint_fast64_t taken;
static _Atomic double deadline, begun;

/* Operation NUMBER begins when its time has come. */
static void
pace(const struct load_options *o, uint64_t number)
{
	double now = load_now(), none = 0;

	atomic_compare_exchange_strong(&begun, &none, now);
	double wait = atomic_load(&begun) + (double)number / o->rate - now;
	struct timespec t = {.tv_sec = (time_t)wait};
	t.tv_nsec = (long)((wait - (double)t.tv_sec) * 1e9);
	if (wait > 0)
		nanosleep(&t, NULL);
}

bool
load_take(const struct load_options *o, uint64_t *number_out)
{
	if (!o) { /* the clock starts again */
		atomic_store(&deadline, 0);
		return false;
	}
	*number_out = atomic_fetch_add(&taken, 1);
	if (o->rate > 0)
		pace(o, *number_out);
	if (o->count)
		return *number_out < o->count;
	double now = load_now(), none = 0;
	atomic_compare_exchange_strong(&deadline, &none, now + o->seconds);
	return now < atomic_load(&deadline);
}

void
load_user(const struct load_options *o, unsigned number, char *out)
{
	const char *star = strchr(o->pattern, '#');

	if (star)
		snprintf(out, 256, "%.*s%05u%s", (int)(star - o->pattern), o->pattern, number,
		         star + 1);
	else
		snprintf(out, 256, "%s", o->pattern);
}

static void
usage(FILE *to)
{
	fputs("usage: cvload MODE --target HOST:PORT --users PATTERN [options]\n"
	      "Puts load on a mail server and prints one line of key=value.\n\n"
	      "  smtp      messages to --users by SMTP (--lmtp: LMTP)\n"
	      "  login     LOGIN, SELECT, LOGOUT again and again\n"
	      "  command   --command again and again (%r: a random message; %s, %t: each in\n"
	      "            turn, with + and with -; %n: a counter)\n"
	      "  append    APPEND to --mailbox\n"
	      "  hold      --sessions idle sessions, until standard input ends\n"
	      "  milter    --file again and again, as an MTA gives it to a filter; --command: a\n"
	      "            word that the fields it adds must hold\n"
	      "  latency   from the answer to a delivery (--deliver) to the EXISTS of an idle client\n\n"
	      "  --target HOST:PORT   numeric address; or the path of a Unix socket\n"
	      "  --deliver HOST:PORT  where latency delivers\n"
	      "  --tls | --starttls   TLS from the first octet, or by command\n"
	      "  --users PATTERN      log-in name or recipient; # becomes a number of five digits\n"
	      "  --user-count N       numbers 0 to N-1 (1)\n"
	      "  --password TEXT      of every account\n"
	      "  --auth USER          submission: log in as USER and send from it\n"
	      "  --sessions N         at once (1)\n"
	      "  --count N | --seconds S  operations in all, or for so long (1 s)\n"
	      "  --size OCTETS        of a message (10240)\n"
	      "  --rcpts N            recipients of a message (1)\n"
	      "  --per-session N      messages of a connection (0: all)\n"
	      "  --rate N             operations begun a second (0: as many as there can be)\n"
	      "  --sasl plain|scram   log in by AUTHENTICATE\n"
	      "  --compress           hold: sessions with COMPRESS=DEFLATE\n"
	      "  --mailbox NAME       (INBOX)\n"
	      "  --file FILE          milter: the message\n"
	      "  --acked FILE         Message-IDs that were answered 250\n",
		to);
}

static bool
parse_target(char *text, struct load_target *t)
{
	char *colon = strrchr(text, ':');

	if (*text == '/') {
		t->host = text;
		t->port = NULL;
		return true;
	}
	if (!colon)
		return false;
	*colon = 0;
	t->host = text;
	t->port = colon + 1;
	return true;
}

enum { O_TARGET = 256, O_DELIVER, O_TLS, O_STARTTLS, O_USERS, O_USER_COUNT, O_PASSWORD, O_AUTH,
	O_SESSIONS, O_COUNT, O_SECONDS, O_SIZE, O_RCPTS, O_PER_SESSION, O_MAILBOX, O_ACKED,
	O_COMMAND, O_LMTP, O_RATE, O_SASL, O_COMPRESS, O_FILE };

static bool
take_option(struct load_options *o, int option, char *value)
{
	switch (option) {
	case O_TARGET: return parse_target(value, &o->target);
	case O_DELIVER: return parse_target(value, &o->deliver);
	case O_TLS: o->target.tls = LOAD_TLS; break;
	case O_STARTTLS: o->target.tls = LOAD_STARTTLS; break;
	case O_USERS: o->pattern = value; break;
	case O_USER_COUNT: o->users = (unsigned)strtoul(value, NULL, 10); break;
	case O_PASSWORD: o->password = value; break;
	case O_AUTH: o->auth_user = value; break;
	case O_SESSIONS: o->sessions = (unsigned)strtoul(value, NULL, 10); break;
	case O_COUNT: o->count = strtoull(value, NULL, 10); break;
	case O_SECONDS: o->seconds = strtod(value, NULL); break;
	case O_SIZE: o->size = strtoul(value, NULL, 10); break;
	case O_RCPTS: o->recipients = (unsigned)strtoul(value, NULL, 10); break;
	case O_PER_SESSION: o->per_session = (unsigned)strtoul(value, NULL, 10); break;
	case O_MAILBOX: o->mailbox = value; break;
	case O_ACKED: o->acked_file = value; break;
	case O_COMMAND: o->command = value; break;
	case O_LMTP: o->lmtp = true; break;
	case O_RATE: o->rate = strtod(value, NULL); break;
	case O_SASL: o->sasl = value; break;
	case O_COMPRESS: o->compress = true; break;
	case O_FILE: o->file = value; break;
	default: return false;
	}
	return true;
}

static bool
parse_options(int argc, char **argv, struct load_options *o)
{
	static const struct option rows[] = {
		{"target", required_argument, NULL, O_TARGET},
		{"deliver", required_argument, NULL, O_DELIVER},
		{"tls", no_argument, NULL, O_TLS},
		{"starttls", no_argument, NULL, O_STARTTLS},
		{"users", required_argument, NULL, O_USERS},
		{"user-count", required_argument, NULL, O_USER_COUNT},
		{"password", required_argument, NULL, O_PASSWORD},
		{"auth", required_argument, NULL, O_AUTH},
		{"sessions", required_argument, NULL, O_SESSIONS},
		{"count", required_argument, NULL, O_COUNT},
		{"seconds", required_argument, NULL, O_SECONDS},
		{"size", required_argument, NULL, O_SIZE},
		{"rcpts", required_argument, NULL, O_RCPTS},
		{"per-session", required_argument, NULL, O_PER_SESSION},
		{"mailbox", required_argument, NULL, O_MAILBOX},
		{"acked", required_argument, NULL, O_ACKED},
		{"command", required_argument, NULL, O_COMMAND},
		{"lmtp", no_argument, NULL, O_LMTP},
		{"rate", required_argument, NULL, O_RATE},
		{"sasl", required_argument, NULL, O_SASL},
		{"compress", no_argument, NULL, O_COMPRESS},
		{"file", required_argument, NULL, O_FILE},
		{0},
	};

	for (int option; (option = getopt_long(argc, argv, "", rows, NULL)) != -1;)
		if (!take_option(o, option, optarg))
			return false;
	o->mode = optind + 1 == argc ? argv[optind] : "";
	return o->target.host && o->pattern && o->users && o->sessions && o->recipients &&
		(strcmp(o->mode, "command") != 0 || o->command) &&
		(strcmp(o->mode, "milter") != 0 || o->file) &&
		(strcmp(o->mode, "latency") != 0 || (o->deliver.host && o->count));
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct load_options *o);
	} modes[] = {{"smtp", load_smtp}, {"login", load_imap}, {"command", load_imap},
		{"append", load_imap}, {"hold", load_hold}, {"latency", load_latency},
		{"milter", load_milter}};
	struct load_options o = { .sessions = 1,
		                  .recipients = 1,
		                  .users = 1,
		                  .seconds = 1,
		                  .size = 10240,
		                  .mailbox = "INBOX",
		                  .password = "" };
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (parse_options(argc, argv, &o))
		for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
			if (!strcmp(o.mode, modes[i].name))
				return modes[i].run(&o);
	usage(stderr);
	return 64;
}

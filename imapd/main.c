/* main.c - congvu-imapd: owns the mail store, serves IMAP, deliveries and control requests. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <getopt.h>
#include <signal.h>

#include "common/base/log.h"
#include "common/net/daemon.h"
#include "common/sandbox/sandbox.h"
#include "imapd/server.h"

#define EXTRACT_WORKERS  4u /* two threads and the index's ask */
#define EXTRACT_NICENESS 15

static void
print_usage(FILE *out)
{
	fputs("usage: congvu-imapd [--conf FILE]\n"
	      "Serves IMAP and owns the mail store. Usually started by \"congvu serve\".\n\n"
	      "  --conf FILE  configuration; else $CONGVU_CONF, else /etc/congvu/congvu.conf\n"
	      "  --version    print the version\n"
	      "  --help       print this\n",
		out);
}

/* The argument of --conf, or NULL; ends the program for the other options. */
static const char *
read_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{"conf",       required_argument, NULL, 'c'},
		{"version",        no_argument, NULL, 'v'},
		{"help",            no_argument, NULL, 'h'},
		{0},
	};
	const char *conf = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			conf = optarg;
			break;
		case 'v':
			puts("congvu-imapd " CV_VERSION);
			exit(0);
		case 'h':
			print_usage(stdout);
			exit(0);
		default:
			print_usage(stderr);
			exit(64);
		}
	}
	if (optind < argc) {
		print_usage(stderr);
		exit(64);
	}
	return conf;
}

static int
fail(const struct cv_err *err)
{
	fprintf(stderr, "congvu-imapd: %s\n", err->text);
	return 1;
}

static void
reload(struct imapd *d)
{
	struct cv_err err = {0};
	json_t *reply = NULL;

	if (imapd_reload(d, &reply, &err))
		cv_log(0, CV_WARN, "config.kept", "file=%s", cv_conf_path(d->conf_file));
	json_decref(reply);
}

/* What reads documents, while programs may still be started; NULL: nobody does, which was told. */
static struct cv_extract *
start_extract(const struct imapd_config *config)
{
	struct cv_extract *extract = NULL;
	struct cv_err err = {0};

	if (!config->imapd->index_attachments)
		return NULL;
	if (cv_extract_start(NULL, EXTRACT_WORKERS, EXTRACT_NICENESS, &extract, &err)) {
		cv_log(0, CV_WARN, "attachments.none", "error=\"%s\"", err.text);
		return NULL;
	}
	cv_log(0, cv_extract_reads_pdf(extract) ? CV_INFO : CV_WARN, "attachments.ready",
		"reads=\"%s\"%s", cv_extract_ability(extract),
		cv_extract_reads_pdf(extract) ? "" : " lacks=libpoppler-glib8");
	return extract;
}

/* Until a signal says stop. */
static void
serve(struct imapd *d)
{
	for (;;) {
		switch (cv_daemon_wait()) {
		case SIGHUP:
			reload(d);
			break;
		case SIGUSR1:
			cv_log_reopen();
			break;
		default:
			return;
		}
	}
}

int
main(int argc, char **argv)
{
	const char *conf = read_arguments(argc, argv);
	struct imapd_config *config;
	struct imapd *d;
	struct cv_err err = {0};

	if (imapd_config_load(conf, &config, &err))
		return fail(&err);
	cv_program_start("imapd", config->common);
	cv_daemon_signals_block();
	signal(SIGPIPE, SIG_IGN);
	struct cv_extract *extract = start_extract(config);
	if (cv_sandbox_start(CV_SANDBOX_IMAPD, config->conf, cv_conf_path(conf), NULL, &err))
		return fail(&err);
	if (imapd_open(config, extract, &d, &err))
		return fail(&err);
	d->conf_file = conf;
	if (imapd_start(d, &err)) {
		imapd_close(d);
		return fail(&err);
	}
	cv_log(0, CV_INFO, "imapd.ready", "version=" CV_VERSION " sandbox=%s", cv_sandbox_state());
	cv_daemon_ready();
	serve(d);
	cv_log(0, CV_INFO, "imapd.stopping", "sessions=%u", atomic_load(&d->sessions));
	imapd_close(d);
	return 0;
}

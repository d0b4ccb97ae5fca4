/* main.c - congvu-smtpd: reads the configuration, takes the sockets, runs until told to stop. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <getopt.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/net/ctl.h"
#include "common/net/daemon.h"
#include "smtpd/daemon.h"

static void
usage(FILE *to)
{
	fprintf(to,
		"Usage: congvu-smtpd [--conf FILE]\n"
		"Takes and sends mail. Usually started by `congvu serve`.\n\n"
		"  --conf FILE  configuration (else $CONGVU_CONF, else /etc/congvu/congvu.conf)\n"
		"  --version    print the version\n"
		"  --help       print this\n");
}

static const char *
parse_args(int argc, char **argv)
{
	static const struct option options[] = {
		{"conf",    required_argument, NULL, 'c'},
		{"version", no_argument,       NULL, 'v'},
		{"help",    no_argument,       NULL, 'h'},
		{NULL,      0,                 NULL, 0  }
	};
	const char *conf = NULL;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			conf = optarg;
			break;
		case 'v':
			puts("congvu-smtpd " CV_VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(64);
		}
	}
	return conf;
}

int
main(int argc, char **argv)
{
	const char *conf = parse_args(argc, argv);
	struct smtpd_daemon *d = NULL;
	struct cv_err err = {0};

	cv_daemon_signals_block();
	if (smtpd_daemon_start(conf, &d, &err) != CV_OK) {
		cv_log(0, CV_ERROR, "start.failed", "error=%s", err.text);
		fprintf(stderr, "congvu-smtpd: %s\n", err.text);
		return 1;
	}
	cv_daemon_ready();
	for (int sig; (sig = cv_daemon_wait()) != SIGTERM && sig != SIGINT;) {
		if (sig == SIGHUP)
			smtpd_daemon_reload(d);
		else if (sig == SIGUSR1)
			cv_log_reopen();
	}
	smtpd_daemon_drain(d);
	smtpd_daemon_stop(d);
	return 0;
}

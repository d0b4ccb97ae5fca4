/* clock.c - is this machine's time right: the kernel's word on NTP, a second source, the daemons.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "admin/doctor/doctor.h"
#include "common/base/clock.h"

#define NTP_EPOCH  2208988800LL /* 1900 to 1970 */
#define NTP_BYTES  48
#define WAIT_MS    2000
#define OFFSET_BAD_MS  5000
#define OFFSET_WARN_MS 500
#define DAEMON_SECS 3

static void
check_kernel(struct doctor_job *j)
{
	struct timex t = {.modes = 0};
	int state = adjtimex(&t);

	if (state < 0)
		doctor_find(j, "synchronised", DOCTOR_NOTE, NULL, "adjtimex: %s", strerror(errno));
	else
		doctor_say(j, "synchronised", state != TIME_ERROR && !(t.status & STA_UNSYNC), NULL,
			"%s", "");
}

/* One question by SNTP (RFC 4330): how far our clock is before the server's, in ms. */
static bool
ask_server(int fd, int64_t *ahead_ms)
{
	unsigned char q[NTP_BYTES] = {0x23}, a[NTP_BYTES]; /* version 4, client */
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t sent = cv_wall_ms();

	if (send(fd, q, sizeof q, 0) != (ssize_t)sizeof q || poll(&p, 1, WAIT_MS) != 1 ||
		recv(fd, a, sizeof a, 0) != (ssize_t)sizeof a || (a[0] & 7) != 4 || !a[1])
		return false;
	int64_t now = (sent + cv_wall_ms()) / 2;
	uint32_t secs =
		(uint32_t)a[40] << 24 | (uint32_t)a[41] << 16 | (uint32_t)a[42] << 8 | a[43];
	uint32_t part = (uint32_t)a[44] << 8 | a[45];
	int64_t theirs = ((int64_t)secs - NTP_EPOCH) * 1000 + (int64_t)part * 1000 / 65536;
	*ahead_ms = now - theirs;
	return true;
}

static void
check_server(struct doctor_job *j)
{
	const char *option = j->d->admin->time_server;
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
	char host[300];
	const char *port = "123";
	int64_t ahead;
	bool answered = false;

	if (!option[0]) {
		doctor_find(j, "offset", DOCTOR_NOTE, "time_server", "%s", "");
		return;
	}
	snprintf(host, sizeof host, "%s", option);
	char *colon = strrchr(host, ':');
	if (colon && !strchr(colon, ']') && strchr(host, ':') == colon) {
		*colon = '\0';
		port = colon + 1;
	}
	if (!getaddrinfo(host, port, &hints, &found)) {
		int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		answered = fd >= 0 && !connect(fd, found->ai_addr, found->ai_addrlen) &&
			   ask_server(fd, &ahead);
		if (fd >= 0)
			close(fd);
		freeaddrinfo(found);
	}
	if (!answered) {
		doctor_find(j, "offset", DOCTOR_WARN, option, "%s",
			admin_say(j->d->call, "no answer", "không trả lời"));
		return;
	}
	int64_t size = ahead < 0 ? -ahead : ahead;
	doctor_find(j, "offset",
		size > OFFSET_BAD_MS    ? DOCTOR_BAD
		: size > OFFSET_WARN_MS ? DOCTOR_WARN
					: DOCTOR_OK,
		option, "%+.3f s", (double)ahead / 1000);
}

void
doctor_clock(struct doctor_job *j)
{
	int64_t now = cv_wall_secs();

	check_kernel(j);
	check_server(j);
	for (size_t i = 0; i < DOCTOR_DAEMONS; i++) {
		int64_t theirs = admin_number(j->d->status[i], "time");
		if (!theirs)
			continue;
		int64_t off = theirs < j->d->asked_secs     ? theirs - j->d->asked_secs
			      : theirs > j->d->answered_secs ? theirs - j->d->answered_secs
							     : 0;
		doctor_say(j, "daemon", off <= DAEMON_SECS && off >= -DAEMON_SECS,
			doctor_daemon_names[i], "%+lld s", (long long)off);
	}
	time_t t = (time_t)now;
	struct tm tm;
	bool east7 = localtime_r(&t, &tm) && tm.tm_gmtoff == 7 * 3600;
	doctor_say(j, "zone", east7, j->d->main->time_zone, "%s", "");
}

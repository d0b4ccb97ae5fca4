/* daemons.c - do the programs run, of one build, shut in, with room for what they may be asked. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "admin/doctor/doctor.h"

#define PROC_MAX (64u << 10)
#define SPARE_FILES 256

/* The number behind "NAME:" in a file of /proc; -1. BASE 16 for masks. */
static long long
field(const char *text, const char *name, int base)
{
	const char *at = text ? strstr(text, name) : NULL;

	return at ? strtoll(at + strlen(name), NULL, base) : -1;
}

static char *
read_proc(int pid, const char *what)
{
	char path[80];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
	return doctor_read(path, PROC_MAX);
}

/* ---- the kernel ---- */

static void
check_kernel(struct doctor_job *j)
{
	char *actions = doctor_read("/proc/sys/kernel/seccomp/actions_avail", 4096);
	bool seccomp = actions && strstr(actions, "errno");
	long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0, 1u /* version */);

	free(actions);
	doctor_say(j, "seccomp", seccomp, NULL, "%s", "");
	doctor_say(j, "landlock", abi > 0, NULL, abi > 0 ? "ABI %ld" : "%ld", abi);
}

/* ---- one daemon ---- */

static void
check_walls(struct doctor_job *j, const char *name, const char *status)
{
	long long seccomp = field(status, "\nSeccomp:\t", 10),
		  no_new = field(status, "\nNoNewPrivs:\t", 10),
		  caps = field(status, "\nCapEff:\t", 16), uid = field(status, "\nUid:\t", 10);

	doctor_say(j, "sandbox", seccomp == 2 && no_new == 1, name,
		"Seccomp %lld, NoNewPrivs %lld", seccomp, no_new);
	doctor_say(j, "unprivileged", uid > 0 && caps == 0, name, "uid %lld, CapEff %llx", uid,
		(unsigned long long)caps);
}

static void
check_binary(struct doctor_job *j, const char *name, int pid, const json_t *status)
{
	const char *version = json_string_value(json_object_get(status, "version"));
	char path[80], target[1024];

	doctor_say(j, "version", version && !strcmp(version, CV_VERSION), name, "%s, congvu %s",
		version ? version : "?", CV_VERSION);
	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	doctor_say(j, "replaced", !cv_str_has_suffix(cv_str_z(target), " (deleted)"), name, "%s",
		target);
}

static json_int_t
files_wanted(const struct doctor *d, size_t which)
{
	return (json_int_t)(which == DOCTOR_IMAPD ? d->imapd->max_conns
			    : which == DOCTOR_SMTPD
				    ? d->smtpd->max_conns + d->smtpd->outbound_concurrency
				    : d->filter->threads_max * 3);
}

static void
check_limits(struct doctor_job *j, size_t which, int pid)
{
	const char *name = doctor_daemon_names[which];
	char *limits = read_proc(pid, "limits");
	long long files = field(limits, "Max open files", 10);
	json_int_t wanted = files_wanted(j->d, which) + SPARE_FILES;

	if (files >= 0)
		doctor_say(j, "open-files", files >= wanted, name,
			admin_say(j->d->call, "%lld, up to %lld may be needed",
				"%lld, có thể cần đến %lld"),
			files, (long long)wanted);
	free(limits);
}

static void
check_one(struct doctor_job *j, size_t which)
{
	const struct doctor *d = j->d;
	const char *name = doctor_daemon_names[which];
	int pid = doctor_pid(d, (enum doctor_daemon)which);

	doctor_say(j, "running", d->status[which] != NULL, name, "%s", "");
	if (!d->status[which] || pid <= 0)
		return;
	char *status = read_proc(pid, "status");
	if (!status) {
		doctor_find(j, "sandbox", DOCTOR_NOTE, name, "/proc/%d/status", pid);
		return;
	}
	if (d->main->sandbox)
		check_walls(j, name, status);
	check_binary(j, name, pid, d->status[which]);
	check_limits(j, which, pid);
	free(status);
}

/* ---- memory ---- */

static void
check_memory(struct doctor_job *j)
{
	char *text = doctor_read("/proc/meminfo", PROC_MAX);
	long long total = field(text, "MemTotal:", 10), left = field(text, "MemAvailable:", 10);
	long long planned = (long long)((j->d->imapd->cache + j->d->imapd->fetch_cache +
						j->d->imapd->search_cache +
						j->d->filter->classifier_max) >> 10);

	free(text);
	if (total <= 0)
		return;
	doctor_say(j, "memory", left * 10 >= total, NULL,
		admin_say(j->d->call, "%lld MB of %lld MB available", "còn %lld MB trong %lld MB"),
		left >> 10, total >> 10);
	doctor_say(j, "caches", planned * 2 <= total, NULL, "%lld MB / %lld MB", planned >> 10,
		total >> 10);
}

void
doctor_daemons_family(struct doctor_job *j)
{
	for (size_t i = 0; i < DOCTOR_DAEMONS; i++)
		check_one(j, i);
	check_kernel(j);
	check_memory(j);
}

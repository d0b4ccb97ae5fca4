/* disk.c - room for bytes and names where our folders lie, and how fast the store fills it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "admin/doctor/doctor.h"
#include "common/base/clock.h"

#define GROWTH_DAYS  14
#define DAYS_WARN    60
#define DAYS_BAD     14
#define WARN_PERCENT 20u
#define BAD_PERCENT  8u

static enum doctor_state
grade(unsigned percent)
{
	return percent < BAD_PERCENT    ? DOCTOR_BAD
	       : percent < WARN_PERCENT ? DOCTOR_WARN
					: DOCTOR_OK;
}

static void
check_room(struct doctor_job *j, const char *path, uint64_t reserve)
{
	struct statvfs v;

	if (statvfs(path, &v)) {
		doctor_find(j, "room", DOCTOR_NOTE, path, "%s", strerror(errno));
		return;
	}
	uint64_t total = (uint64_t)v.f_blocks * v.f_frsize,
		 free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	unsigned percent = total ? (unsigned)(free_bytes * 100 / total) : 100;
	enum doctor_state state = free_bytes < 2 * reserve ? DOCTOR_BAD : grade(percent);
	doctor_find(j, "room", state, path,
		admin_say(j->d->call, "%.1f GB of %.1f GB free (%u%%)",
			"còn %.1f GB trong %.1f GB (%u%%)"),
		(double)free_bytes / (1u << 30), (double)total / (1u << 30), percent);
	if (!v.f_files) /* made as needed: btrfs and the like */
		return;
	percent = (unsigned)((uint64_t)v.f_favail * 100 / v.f_files);
	doctor_find(j, "inodes", grade(percent), path, "%llu (%u%%)",
		(unsigned long long)v.f_favail, percent);
}

/* Bytes of the files below DIR that were made in the last GROWTH_DAYS, and the oldest file's age:
 * volumes are written once and then stay. */
static void
add_young(const char *dir, int64_t now, uint64_t *young, int64_t *oldest)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct statx sx;
		if (e->d_name[0] == '.' ||
			statx(dirfd(d), e->d_name, AT_SYMLINK_NOFOLLOW,
				STATX_TYPE | STATX_BTIME | STATX_MTIME | STATX_BLOCKS, &sx) ||
			!S_ISREG(sx.stx_mode))
			continue;
		int64_t born = sx.stx_mask & STATX_BTIME ? sx.stx_btime.tv_sec
							 : sx.stx_mtime.tv_sec;
		*oldest = CV_MIN(*oldest, born);
		if (now - born < GROWTH_DAYS * 86400)
			*young += (uint64_t)sx.stx_blocks * 512;
	}
	if (d)
		closedir(d);
}

static void
check_growth(struct doctor_job *j)
{
	static const char *const rooms[] = {"", "/volumes"};
	int64_t now = cv_wall_secs(), oldest = now;
	uint64_t young = 0;
	char path[1200];
	struct statvfs v;

	for (size_t i = 0; i < CV_COUNT(rooms); i++) {
		snprintf(path, sizeof path, "%.1100s%s", j->d->main->mail_dir, rooms[i]);
		add_young(path, now, &young, &oldest);
	}
	int64_t days = CV_MIN((now - oldest) / 86400, (int64_t)GROWTH_DAYS);
	if (days < 2 || statvfs(j->d->main->mail_dir, &v)) {
		doctor_find(j, "growth", DOCTOR_NOTE, j->d->main->mail_dir, "%s",
			admin_say(j->d->call, "the store is younger than two days",
				"kho thư mới chưa đủ hai ngày"));
		return;
	}
	uint64_t a_day = CV_MAX(young / (uint64_t)days, (uint64_t)1);
	uint64_t left = (uint64_t)v.f_bavail * v.f_frsize / a_day;
	doctor_find(j, "growth",
		left < DAYS_BAD    ? DOCTOR_BAD
		: left < DAYS_WARN ? DOCTOR_WARN
				   : DOCTOR_OK,
		j->d->main->mail_dir,
		admin_say(j->d->call, "%.1f MB a day: room for %llu days",
			"%.1f MB mỗi ngày: đủ chỗ %llu ngày"),
		(double)a_day / (1u << 20), (unsigned long long)CV_MIN(left, (uint64_t)99999));
}

void
doctor_disk(struct doctor_job *j)
{
	const struct congvu_options *m = j->d->main;
	const char *const paths[] = {m->base_dir, m->mail_dir, m->queue_dir, m->stats_dir,
		m->register_dir, m->index_dir};
	dev_t seen[CV_COUNT(paths)];
	size_t n = 0;

	for (size_t i = 0; i < CV_COUNT(paths); i++) {
		struct stat st;
		size_t k = 0;
		if (stat(paths[i], &st)) /* the family `files` tells of it */
			continue;
		while (k < n && seen[k] != st.st_dev)
			k++;
		if (k < n)
			continue;
		seen[n++] = st.st_dev;
		check_room(j, paths[i], j->d->smtpd->disk_reserve);
	}
	check_growth(j);
}

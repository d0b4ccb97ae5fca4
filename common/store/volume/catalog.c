/* catalog.c - the list of volumes, written whole and renamed into place at every checkpoint.
 *
 * Lines of text: "congvu-volumes 1", "next N", one "vol <number> <durable end> <sealed|open>" each,
 * and "end <CRC-32C of all before>". It is a shortcut: without it every volume is looked through.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/store/volume/volume.h"

#define FIRST_LINE "congvu-volumes 1"
#define CATALOG_MAX (256u << 20)

static void
describe(struct cv_volumes *s, struct cv_buf *b)
{
	cv_buf_z(b, FIRST_LINE "\n");
	pthread_mutex_lock(&s->lock);
	cv_buf_printf(b, "next %u\n", s->next_number);
	for (uint32_t i = 0; i < s->table_count; i++) {
		const struct cv_volume *v = s->table[i];
		if (!v)
			continue;
		uint64_t durable = atomic_load(&v->durable);
		bool is_sealed = v->is_sealed && durable == atomic_load(&v->end);
		cv_buf_printf(b, "vol %u %" PRIu64 " %s\n", i, durable,
		              is_sealed ? "sealed" : "open");
	}
	pthread_mutex_unlock(&s->lock);
	cv_buf_printf(b, "end %08x\n", cv_crc32c(b->p, b->n));
}

enum cv_status
cv_catalog_write(struct cv_volumes *s, int dir_fd, struct cv_err *err)
{
	struct cv_buf b = CV_BUF_INIT(CATALOG_MAX);
	uint64_t appended = atomic_load(&s->appended);
	describe(s, &b);
	int fd = openat(dir_fd, "catalog.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	errno = 0;
	bool ok = fd >= 0 && !b.full && write(fd, b.p, b.n) == (ssize_t)b.n && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	ok = ok && renameat(dir_fd, "catalog.tmp", dir_fd, "catalog") == 0 && fsync(dir_fd) == 0;
	int why = errno ? errno : EIO;
	cv_buf_done(&b);
	if (!ok)
		return cv_fail_errno(err, CV_TEMPFAIL, why, "writing the catalog of volumes");
	if (dir_fd == s->dir_fd)
		atomic_store(&s->marked, appended);
	return CV_OK;
}

static bool
number_of(struct cv_str *rest, uint64_t max, uint64_t *out)
{
	struct cv_str word;
	return cv_str_split(rest, ' ', &word) && !cv_str_u64(word, max, out);
}

static bool
parse_line(struct cv_volumes *s, struct cv_str line)
{
	struct cv_str word;
	uint64_t number, durable;
	if (!cv_str_split(&line, ' ', &word))
		return false;
	if (cv_str_eq_z(word, "next")) {
		if (!number_of(&line, UINT32_MAX, &number))
			return false;
		s->next_number = CV_MAX(s->next_number, (uint32_t)number);
		return true;
	}
	if (!cv_str_eq_z(word, "vol") || !number_of(&line, UINT32_MAX - 1, &number) ||
		!number_of(&line, INT64_MAX, &durable))
		return false;
	struct cv_volume *v = cv_volume_add(s, (uint32_t)number);
	atomic_store(&v->durable, durable);
	atomic_store(&v->end, durable);
	v->is_sealed = cv_str_eq_z(line, "sealed");
	return true;
}

static bool
parse(struct cv_volumes *s, struct cv_str text)
{
	char want[32];
	struct cv_str line;
	size_t tail = sizeof "end 00000000\n" - 1;
	if (text.n < tail)
		return false;
	snprintf(want, sizeof want, "end %08x\n", cv_crc32c(text.p, text.n - tail));
	if (!cv_str_has_suffix(text, want) || !cv_str_has_prefix(text, FIRST_LINE "\n"))
		return false;
	struct cv_str rest = cv_str_sub(text, sizeof FIRST_LINE, text.n - tail);
	while (rest.n && cv_str_split(&rest, '\n', &line))
		if (line.n && !parse_line(s, line))
			return false;
	return true;
}

enum cv_status
cv_catalog_read(struct cv_volumes *s, struct cv_err *err)
{
	struct stat st;
	int fd = openat(s->dir_fd, "catalog", O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return CV_OK;
	if (fd < 0 || fstat(fd, &st) || st.st_size > CATALOG_MAX) {
		if (fd >= 0)
			close(fd);
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening the catalog of volumes");
	}
	char *text = cv_malloc((size_t)st.st_size + 1);
	bool ok = cv_pread_all(fd, text, (size_t)st.st_size, 0);
	close(fd);
	if (ok && !parse(s, cv_str(text, (size_t)st.st_size)))
		cv_log(0, CV_WARN, "store.catalog_broken", "dir=%s; volumes are looked through",
		       s->dir);
	free(text);
	return ok ? CV_OK : cv_fail(err, CV_TEMPFAIL, "reading the catalog of volumes");
}

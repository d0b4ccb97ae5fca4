/* register_race_test.c - readers look addresses up and log in while the register is rewritten. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/register/auth.h"
#include "common/register/password.h"
#include "common/register/snapshot_format.h"
#include "common/store/engine.h"

#define BASE ((uint64_t)CV_CLASS_USER << CV_ACCT_CLASS_SHIFT)
#define READERS 3
#define ROUNDS 120

static char dir[] = "/tmp/cv_race_XXXXXX";
static struct cv_register *reg;
static struct cv_auth *auth;
static struct reg_secret secret;
static atomic_bool is_over;
static _Atomic uint64_t *gen;

/* Generation G holds accounts 1 .. 20 + G % 7, each with a name that says G. */
static void
publish(uint64_t g)
{
	static const uint8_t dummy[32];
	struct reg_model m;
	reg_model_init(&m, "lamgiang.example");
	reg_model_put_domain(&m, CV_STR("lamgiang.example"), CV_STR(""));
	for (unsigned n = 1; n <= 20 + g % 7; n++) {
		struct reg_account *a = reg_account_new();
		char address[64], name[64];
		snprintf(address, sizeof address, "u%u@lamgiang.example", n);
		snprintf(name, sizeof name, "%llu", (unsigned long long)g);
		a->acct = BASE + n;
		a->secret = secret;
		reg_account_set(a, T_ADDRESS, cv_str_z(address));
		reg_account_set(a, T_NAME, cv_str_z(name));
		reg_model_add(&m, a);
		reg_model_put_address(&m, cv_str_z(address),
			&(struct reg_address){ .type = REG_PRIMARY, .acct = a->acct });
	}
	struct cv_buf snap = CV_BUF_INIT(SNAP_BYTES_MAX), secrets = CV_BUF_INIT(SNAP_BYTES_MAX);
	struct cv_err err;
	snap_build(&m, g, dummy, &snap, &secrets);
	assert_int_equal(snap_write(dir, cv_buf_view(&snap), cv_buf_view(&secrets), &err), CV_OK);
	if (gen)
		atomic_fetch_add(gen, 1);
	cv_buf_done(&snap);
	cv_buf_done(&secrets);
	reg_model_done(&m);
}

static void *
look_up(void *arg)
{
	uint64_t *faults = arg, last = 0;
	while (!atomic_load(&is_over)) {
		const struct cv_snapshot *s = cv_register_get(reg);
		uint64_t g = cv_snapshot_generation(s);
		struct cv_reg_hit hit;
		char name[32], address[32];
		unsigned n = 1 + (unsigned)(g % 20);
		snprintf(address, sizeof address, "u%u@lamgiang.example", n);
		cv_snapshot_find_address(s, cv_str_z(address), &hit);
		snprintf(name, sizeof name, "%llu", (unsigned long long)g);
		bool whole = hit.found == CV_REG_ACCOUNT && hit.account.acct == BASE + n &&
		             cv_str_eq_z(hit.account.display_name, name) &&
		             cv_snapshot_accounts(s) == 20 + g % 7;
		*faults += !whole || g < last;
		last = g;
		cv_snapshot_unref(s);
	}
	return NULL;
}

struct check {
	struct cv_auth_check c;
	atomic_bool is_done;
};
static void
on_done(struct cv_auth_check *c)
{
	atomic_store(&((struct check *)(void *)c)->is_done, true);
}

static void *
log_in(void *arg)
{
	uint64_t *faults = arg;
	for (unsigned i = 0; !atomic_load(&is_over); i++) {
		bool right = i % 4 != 3;
		char login[32];
		snprintf(login, sizeof login, "u%u", 1 + i % 20);
		struct check check = { .c = { .login = cv_str_z(login), .done = on_done,
			.password = cv_str_z(right ? "right" : "wrong") } };
		cv_auth_verify(auth, &check.c);
		while (!atomic_load(&check.is_done))
			usleep(500);
		bool ok = right ? check.c.result == CV_AUTH_OK || check.c.result == CV_AUTH_LOCKED
			: check.c.result != CV_AUTH_OK;
		*faults += !ok;
	}
	return NULL;
}

static void
test_register__readers_see_whole_snapshots_in_order(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, SNAP_GEN_FILE);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, 8), 0);
	gen = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(gen != MAP_FAILED);
	close(fd);
	struct cv_err err;
	secret.version = 1;
	assert_int_equal(password_hash(CV_STR("right"), false, &secret, &err), CV_OK);
	publish(1);
	assert_int_equal(cv_register_open(dir, true, &reg, &err), CV_OK);
	assert_int_equal(cv_auth_new(reg, &auth, &err), CV_OK);
	pthread_t readers[READERS], login;
	uint64_t faults[READERS + 1] = {0};
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, look_up, &faults[i]), 0);
	assert_int_equal(pthread_create(&login, NULL, log_in, &faults[READERS]), 0);
	for (uint64_t g = 2; g < ROUNDS; g++)
		publish(g);
	const struct cv_snapshot *s = cv_register_get(reg);
	assert_int_equal(cv_snapshot_generation(s), ROUNDS - 1);
	cv_snapshot_unref(s);
	atomic_store(&is_over, true);
	for (size_t i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	pthread_join(login, NULL);
	for (size_t i = 0; i <= READERS; i++)
		assert_int_equal(faults[i], 0);
	cv_auth_free(auth);
	cv_register_close(reg);
	munmap(gen, 8);
	for (const char *const *f =
	             (const char *const[]){ SNAP_FILE, SNAP_SECRET_FILE, SNAP_GEN_FILE, NULL };
	     *f; f++) {
		snprintf(path, sizeof path, "%s/%s", dir, *f);
		unlink(path);
	}
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_register__readers_see_whole_snapshots_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

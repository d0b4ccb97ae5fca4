/* ctl_test.c - the control socket, both sides, over a real Unix socket. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/net/net_kit.h"

#include <sys/stat.h>

#include "common/net/ctl.h"

struct fixture {
	struct cv_ctl_server *server;
	char dir[32], path[64];
	_Atomic unsigned running, most;
};

static enum cv_status
answer(struct cv_ctl_call *call, json_t **reply_out, struct cv_err *err)
{
	struct fixture *f = call->ctx;
	const char *verb = json_string_value(json_object_get(call->request, "do"));
	unsigned now = atomic_fetch_add(&f->running, 1) + 1, most = atomic_load(&f->most);
	enum cv_status status = CV_OK;
	while (now > most && !atomic_compare_exchange_weak(&f->most, &most, now))
		;
	if (!verb) {
		status = cv_fail(err, CV_INVALID, "no verb");
	} else if (!strcmp(verb, "refuse")) {
		*reply_out = json_pack("{s:s}", "error_vi", "không có hộp thư đó");
		status = cv_fail(err, CV_NOT_FOUND, "no mailbox a@b");
	} else if (!strcmp(verb, "count")) {
		for (int i = 1; i <= 3; i++)
			call->progress(call, json_integer(i));
		*reply_out = json_pack("{s:i}", "uid", (int)call->peer_uid);
	} else if (!strcmp(verb, "sleep")) {
		usleep(50000);
	} else {
		*reply_out = json_pack("{s:O}", "echo", call->request);
	}
	atomic_fetch_sub(&f->running, 1);
	return status;
}

static int
start(void **state)
{
	struct fixture *f = cv_calloc(1, sizeof(*f));
	struct sockaddr_storage a;
	socklen_t len;
	struct cv_err err;
	struct stat st;
	int fd;
	snprintf(f->dir, sizeof(f->dir), "/tmp/congvu-ctl-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "unix:%s/sock", f->dir);
	assert_int_equal(cv_sockaddr_parse(cv_str_z(f->path), &a, &len, &err), CV_OK);
	assert_int_equal(cv_addr_listen(&a, len, 0600, &fd, &err), CV_OK);
	memmove(f->path, f->path + 5, strlen(f->path + 5) + 1);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(cv_ctl_serve(fd, answer, f, &f->server, &err), CV_OK);
	*state = f;
	return 0;
}

static int
stop(void **state)
{
	struct fixture *f = *state;
	cv_ctl_server_free(f->server);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static enum cv_status
ask(struct fixture *f, const char *text, json_t **reply_out, struct cv_err *err)
{
	json_t *request = json_loads(text, 0, NULL);
	assert_non_null(request);
	enum cv_status status = cv_ctl_ask(f->path, request, 10, NULL, NULL, reply_out, err);
	assert_int_equal(request->refcount, 1);
	json_decref(request);
	return status;
}

static void
sum_up(void *arg, json_t *note)
{
	*(json_int_t *)arg += json_integer_value(note);
	json_decref(note);
}

static void
test_ask__gets_answers_progress_and_refusals(void **state)
{
	struct fixture *f = *state;
	struct cv_err err;
	json_t *reply;
	assert_int_equal(ask(f, "{\"do\":\"x\",\"n\":[1,2]}", &reply, &err), CV_OK);
	assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "echo"), "n")), 2);
	json_decref(reply);

	json_int_t sum = 0;
	json_t *request = json_pack("{s:s}", "do", "count");
	assert_int_equal(cv_ctl_ask(f->path, request, 10, sum_up, &sum, &reply, &err), CV_OK);
	assert_int_equal(sum, 6);
	assert_int_equal(json_integer_value(json_object_get(reply, "uid")), getuid());
	json_decref(request);
	json_decref(reply);

	assert_int_equal(ask(f, "{\"do\":\"refuse\"}", &reply, &err), CV_NOT_FOUND);
	assert_string_equal(err.text, "no mailbox a@b");
	assert_string_equal(json_string_value(json_object_get(reply, "error_vi")),
	                    "không có hộp thư đó");
	json_decref(reply);

	assert_int_equal(cv_ctl_ask("/nonexistent/sock", NULL, 1, NULL, NULL, &reply, &err),
	                 CV_TEMPFAIL);
	assert_null(reply);
}

static int
dial(struct fixture *f)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	memcpy(un.sun_path, f->path, strlen(f->path));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void
test_lines__are_taken_in_pieces_and_bad_ones_answered(void **state)
{
	struct fixture *f = *state;
	static const struct { const char *name, *line, *want; } rows[] = {
		{"object", "{\"do\":\"refuse\"}\n", "\"status\":\"not found\""},
		{"rubbish", "hello\n", "not JSON"},
		{"no object", "[1]\n", "a JSON object is expected"},
		{"a key twice", "{\"do\":\"x\",\"do\":\"y\"}\n", "duplicate object key"},
		{"no verb", "{}\n", "no verb"},
	};
	for (int whole = 0; whole < 2; whole++) {
		int fd = dial(f);
		for (size_t i = 0; i < CV_COUNT(rows); i++) {
			char got[4096];
			if (whole)
				kit_send(fd, rows[i].line);
			for (const char *p = rows[i].line; !whole && *p; p++)
				kit_send(fd, (char[]){*p, '\0'});
			if (!strstr(kit_line_from(fd, got, sizeof(got)), rows[i].want))
				fail_msg("%s: %s", rows[i].name, got);
		}
		close(fd);
	}
}

static void *
ask_sleep(void *arg)
{
	struct fixture *f = arg;
	struct cv_err err;
	json_t *reply, *request = json_pack("{s:s}", "do", "sleep");
	enum cv_status status = cv_ctl_ask(f->path, request, 10, NULL, NULL, &reply, &err);
	json_decref(request);
	json_decref(reply);
	return status ? arg : NULL;
}

static void
test_requests__run_eight_at_once_and_silent_peers_hold_nothing(void **state)
{
	struct fixture *f = *state;
	pthread_t thread[24];
	int silent[20];
	for (size_t i = 0; i < CV_COUNT(silent); i++)
		silent[i] = dial(f);
	for (size_t i = 0; i < CV_COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_sleep, f), 0);
	for (size_t i = 0; i < CV_COUNT(thread); i++) {
		void *failed;
		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_in_range(atomic_load(&f->most), 2, 8);
	for (size_t i = 0; i < CV_COUNT(silent); i++)
		close(silent[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ask__gets_answers_progress_and_refusals, start,
		                                stop),
		cmocka_unit_test_setup_teardown(
			test_lines__are_taken_in_pieces_and_bad_ones_answered, start, stop),
		cmocka_unit_test_setup_teardown(
			test_requests__run_eight_at_once_and_silent_peers_hold_nothing, start,
			stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

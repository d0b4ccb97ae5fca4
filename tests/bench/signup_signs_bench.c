/* bench: policy */
/* signup_signs_bench.c - what the sign-up rules see in mails given as lines, for signup_weights.
 *
 *     signup_signs SUFFIXES [FOLDER] < lines      FOLDER: data files in place of those built in
 *     signup_signs --names                        the signs' names, in the order of their bits
 *
 * A line: local part, domain, shown name, subject, "unsub links reply addressees documents" as
 * numbers, and the text with \n for line ends, parted by tabs. An answer: found, points, signs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/policy/mail.h"

static void
answer(const struct cv_policy *p, struct cv_str line, struct cv_buf *text)
{
	struct cv_str cell[6] = {{0}};
	struct cv_signup_finding found;
	unsigned unsub = 0, links = 0, reply = 0, addressees = 0, documents = 0;
	char numbers[80];

	for (size_t i = 0; i < CV_COUNT(cell); i++)
		(void)cv_str_split(&line, '\t', &cell[i]);
	cv_buf_reset(text);
	for (size_t i = 0; i < cell[5].n; i++) {
		bool is_end = cell[5].p[i] == '\\' && i + 1 < cell[5].n && cell[5].p[i + 1] == 'n';
		cv_buf_c(text, is_end ? '\n' : cell[5].p[i]);
		i += is_end;
	}
	snprintf(numbers, sizeof numbers, "%.*s", (int)CV_MIN(cell[4].n, 70), cell[4].p);
	if (sscanf(numbers, "%u %u %u %u %u", &unsub, &links, &reply, &addressees, &documents) != 5)
		fprintf(stderr, "no five numbers: %s\n", numbers);
	struct cv_signup_facts f = {.from_local = cell[0],
		.from_domain = cell[1],
		.from_name = cell[2],
		.subject = cell[3],
		.text = cv_buf_view(text),
		.list_unsubscribe = unsub,
		.token_links = links,
		.is_reply = reply,
		.addressees = addressees,
		.documents = documents,
		.to_local = CV_STR("hoa.stp")};
	cv_policy_signup_find(p, &f, &found);
	printf("%d %d %llx\n", found.found, found.points, (unsigned long long)found.signs);
}

int
main(int argc, char **argv)
{
	struct cv_policy *p;
	struct cv_err err;
	static char line[64 * 1024];
	struct cv_buf text = CV_BUF_INIT(sizeof line);

	if (argc > 1 && !strcmp(argv[1], "--names")) {
		for (unsigned i = 0; i < CV_SIGNUP_SIGNS; i++)
			puts(cv_signup_sign_word(i));
		return 0;
	}
	if (argc < 2 || cv_policy_load(argc > 2 ? argv[2] : NULL, argv[1], &p, &err)) {
		fprintf(stderr, "signup_signs: %s\n", argc < 2 ? "no suffixes" : err.text);
		return 1;
	}
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		answer(p, cv_str_z(line), &text);
	}
	cv_buf_done(&text);
	cv_policy_free(p);
	return 0;
}

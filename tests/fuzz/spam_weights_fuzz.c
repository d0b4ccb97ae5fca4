/* fuzz: spamfilter */
/* spam_weights_fuzz.c - any bytes as a file of weights: taken whole, or refused with its line. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str text = cv_str((const char *)data, size);
	struct spam_weights *w = NULL;
	struct cv_err err = {0};

	if (spam_weights_parse(text, "w", &w, &err) != CV_OK) {
		assert(!w && !strncmp(err.text, "w:", 2));
		return 0;
	}
	for (enum spam_rule r = 0; r < SPAM_RULES; r++)
		assert(spam_weights_of(w, r) >= -1001 && spam_weights_of(w, r) <= 1001);
	for (enum spam_action a = 0; a < SPAM_ACTIONS; a++)
		(void)spam_weights_threshold(w, cv_str_sub(text, 0, 3), a, 5);
	spam_weights_free(w);
	return 0;
}

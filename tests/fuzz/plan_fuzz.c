/* fuzz: admin */
/* Plans of reorganisation: whatever the text, there is a request, and a fault names its line. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/reorganise/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *problems = json_array(), *one;
	json_t *request = admin_plan_read(cv_str((const char *)data, size), problems);
	size_t i;

	assert(json_is_array(json_object_get(request, "acts")));
	json_array_foreach(problems, i, one)
	{
		assert(json_integer_value(json_object_get(one, "line")) > 0);
		assert(json_string_length(json_object_get(one, "problem")) > 0);
		assert(json_string_length(json_object_get(one, "problem_vi")) > 0);
	}
	json_decref(request);
	json_decref(problems);
	return 0;
}

/* exits.c - the exit codes, once: for --help, the manual and docs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/admin.h"

/* clang-format off */
const struct admin_exit_row admin_exits[] = {
	{ EXIT_OK,     "done", "đã thực hiện" },
	{ EXIT_FAILED, "understood, but refused or failed", "hiểu yêu cầu nhưng bị từ chối hoặc không làm được" },
	{ EXIT_PARTLY, "partly done: some rows were refused, some mail is being sent",
		"làm được một phần: có dòng bị loại, có thư đang gửi" },
	{ EXIT_USAGE,  "the command line is wrong, or a confirmation is missing",
		"câu lệnh sai, hoặc thiếu xác nhận" },
	{ EXIT_DOWN,   "a daemon or a server that is needed does not answer",
		"dịch vụ hoặc máy chủ cần thiết không trả lời" },
	{ EXIT_CONFIG, "the configuration is wrong", "cấu hình có lỗi" },
};
/* clang-format on */
const size_t admin_exits_count = CV_COUNT(admin_exits);

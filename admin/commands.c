/* commands.c - the list of all commands, in the order of the overview. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

/* clang-format off */
const struct admin_command *const admin_commands[] = {
	&admin_init,
	&admin_serve,
	&admin_status,
	&admin_reload,
	&admin_drain,
	&admin_domain_add,
	&admin_domain_list,
	&admin_agency_add,
	&admin_agency_import,
	&admin_agency_list,
	&admin_account_add,
	&admin_account_list,
	&admin_account_show,
	&admin_account_passwd,
	&admin_account_suspend,
	&admin_account_resume,
	&admin_account_app_password,
	&admin_account_certificate,
	&admin_account_unlock,
	&admin_import,
	&admin_dkim_keygen,
	&admin_dkim_show,
	&admin_directory_publish,
	&admin_queue_list,
	&admin_queue_show,
	&admin_queue_retry,
	&admin_queue_hold,
	&admin_queue_release,
	&admin_queue_delete,
	&admin_queue_bounce,
	&admin_queue_stats,
	&admin_tls_report_received,
	&admin_tls_report_pending,
	&admin_tls_report_sent,
	&admin_tls_report_send,
	&admin_policy_explain,
	&admin_store_check,
	&admin_config_check,
	&admin_config_show,
	&admin_manual,
};
/* clang-format on */
const size_t admin_commands_count = CV_COUNT(admin_commands);

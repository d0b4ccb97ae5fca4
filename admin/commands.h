/* commands.h - every command's row; each noun's file defines its own. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_COMMANDS_H
#define ADMIN_COMMANDS_H

#include "admin/admin.h"

extern const struct admin_command admin_init, admin_serve, admin_status, admin_reload, admin_drain,
	admin_trace, admin_doctor, admin_diagnose;
extern const struct admin_command admin_domain_add, admin_domain_list;
extern const struct admin_command admin_agency_add, admin_agency_import, admin_agency_list;
extern const struct admin_command admin_account_add, admin_account_list, admin_account_show,
	admin_account_passwd, admin_account_suspend, admin_account_resume,
	admin_account_app_password, admin_account_certificate, admin_account_unlock;
extern const struct admin_command admin_account_retire, admin_account_set;
extern const struct admin_command admin_account_transfer, admin_account_second, admin_account_leave,
	admin_account_return, admin_account_rename;
extern const struct admin_command admin_role_hold, admin_role_history, admin_purge_list,
	admin_purge_confirm;
extern const struct admin_command admin_request_new, admin_request_list, admin_request_show,
	admin_request_approve, admin_request_reject, admin_request_issue;
/* The one without a verb stands behind the others: it takes any word. */
extern const struct admin_command admin_alias_report, admin_reorganise_mail;
extern const struct admin_command admin_reorganise_list, admin_reorganise_show,
	admin_reorganise_rollback, admin_reorganise;
extern const struct admin_command admin_account_dormant, admin_account_exempt, admin_account_expire,
	admin_account_expiring, admin_account_rules;
extern const struct admin_command admin_review_start, admin_review_list, admin_review_confirm,
	admin_review_status;
extern const struct admin_command admin_account_merge;
extern const struct admin_command admin_dated_list, admin_dated_cancel, admin_dated_run;
extern const struct admin_command admin_alias_add, admin_alias_remove, admin_role_add,
	admin_role_remove, admin_delegate_add, admin_delegate_remove;
extern const struct admin_command admin_group_create, admin_group_add, admin_group_remove,
	admin_group_set, admin_group_show;
extern const struct admin_command admin_forward_add, admin_forward_remove, admin_forward_list;
extern const struct admin_command admin_absence_set, admin_absence_show, admin_absence_clear;
extern const struct admin_command admin_mailbox_restore, admin_mailbox_rights, admin_mailbox_grant,
	admin_mailbox_revoke;
extern const struct admin_command admin_quota_list, admin_quota_set, admin_quota_report;
extern const struct admin_command admin_quarantine_list, admin_quarantine_show,
	admin_quarantine_release, admin_quarantine_delete, admin_quarantine_digest;
extern const struct admin_command admin_mailbox_readers, admin_mailbox_checks;
extern const struct admin_command admin_report_usage, admin_report_import_use, admin_report_checks,
	admin_report_alert, admin_report_response, admin_report_score, admin_report_policy,
	admin_report_spam, admin_report_capacity, admin_report_sample, admin_report_keep,
	admin_report_draft, admin_report_index, admin_report_security, admin_report_paper;
extern const struct admin_command admin_session_list, admin_session_kill;
extern const struct admin_command admin_import;
extern const struct admin_command admin_dkim_keygen, admin_dkim_show;
extern const struct admin_command admin_dns_show, admin_dns_check;
extern const struct admin_command admin_directory_publish, admin_directory_status,
	admin_directory_verify, admin_directory_is_official, admin_directory_ldif,
	admin_directory_key;
extern const struct admin_command admin_clients_publish, admin_clients_show, admin_clients_sheet;
extern const struct admin_command admin_queue_list, admin_queue_show, admin_queue_retry,
	admin_queue_hold, admin_queue_release, admin_queue_delete, admin_queue_bounce,
	admin_queue_stats, admin_queue_summary, admin_queue_adopt;
extern const struct admin_command admin_dmarc_list, admin_dmarc_show, admin_dmarc_send,
	admin_dmarc_import, admin_dmarc_sources;
extern const struct admin_command admin_tls_report_received, admin_tls_report_pending,
	admin_tls_report_sent, admin_tls_report_send;
extern const struct admin_command admin_sending_list, admin_sending_show, admin_sending_freeze,
	admin_sending_release, admin_sending_limit;
extern const struct admin_command admin_spam_explain, admin_spam_judge, admin_spam_rules,
	admin_spam_stats;
extern const struct admin_command admin_spam_thaw;
extern const struct admin_command admin_spam_learn, admin_spam_evaluate;
extern const struct admin_command admin_policy_explain, admin_policy_allow, admin_policy_signups,
	admin_policy_free_mail;
extern const struct admin_command admin_store_check, admin_config_check, admin_config_show;
extern const struct admin_command admin_migrate_imap, admin_migrate_maildir, admin_migrate_mbox,
	admin_migrate_export;
extern const struct admin_command admin_audit_list, admin_audit_verify, admin_audit_export;
extern const struct admin_command admin_incident_open, admin_incident_list, admin_incident_show,
	admin_incident_step, admin_incident_close;
extern const struct admin_command admin_upgrade_check, admin_upgrade_save, admin_upgrade_list,
	admin_upgrade_restore;
extern const struct admin_command admin_admin_add, admin_admin_remove, admin_admin_list,
	admin_admin_whoami;
extern const struct admin_command admin_undo, admin_undo_list, admin_undo_show;
extern const struct admin_command admin_schedule_list, admin_schedule_run, admin_schedule_pause,
	admin_schedule_resume, admin_schedule_serve;
extern const struct admin_command admin_account_slips, admin_dkim_rotate;
extern const struct admin_command admin_account_totp;
extern const struct admin_command admin_breakglass_request, admin_breakglass_approve,
	admin_breakglass_deny, admin_breakglass_end, admin_breakglass_list;
extern const struct admin_command admin_manual;
extern const struct admin_command admin_completion;

#endif

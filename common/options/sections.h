/* sections.h - every option of every program, so that one file configures all and is checked whole.
 *
 * Each row: kind, name, default, minimum, maximum, sentence, sentence in Vietnamese.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SECTIONS_H
#define CV_SECTIONS_H

#include "common/base/log.h"
#include "common/options/options.h"

#define CONGVU_OPTIONS(OPT)                                                                        \
	OPT(path, base_dir, "/var/lib/congvu", "", "1024", "where data lives; other relative paths start here", "thư mục dữ liệu; các đường dẫn tương đối tính từ đây") \
	OPT(path, run_dir, "run", "", "1024", "sockets of the running daemons", "nơi đặt socket của các dịch vụ") \
	OPT(path, mail_dir, "mail", "", "1024", "the mailbox store (imapd's environment)", "kho thư") \
	OPT(path, queue_dir, "queue", "", "1024", "the outbound queue (smtpd's environment)", "hàng đợi gửi") \
	OPT(path, stats_dir, "stats", "", "1024", "spam statistics and sign-up events (spamfilter's environment)", "thống kê lọc thư") \
	OPT(path, register_dir, "register", "", "1024", "snapshots of the provincial register", "bản chụp sổ đăng ký") \
	OPT(path, index_dir, "index", "", "1024", "the search index (imapd's; can be rebuilt, needs no backup)", "chỉ mục tìm kiếm (tự tạo lại được, không cần sao lưu)") \
	OPT(path, keys_dir, "keys", "", "1024", "DKIM and TLS keys", "khóa DKIM và TLS") \
	OPT(text, hostname, "mail.lamgiang.example", "1", "255", "name in greetings, Received and HELO", "tên máy chủ thư") \
	OPT(text, province, "Tỉnh Lam Giang", "1", "200", "name of the province, for people", "tên tỉnh") \
	OPT(text, default_domain, "lamgiang.example", "1", "255", "domain of new addresses and of log-ins without one", "tên miền mặc định") \
	OPT(list, official_suffixes, "lamgiang.example trason.example", "", "65536", "domains whose mail counts as official", "các đuôi tên miền công vụ") \
	OPT(path, holidays_file, "", "", "1024", "days off beside Saturday and Sunday, one a line: YYYY-MM-DD, *-MM-DD of every year, or +YYYY-MM-DD for a Saturday or Sunday that is worked; empty: the list that comes with the program", "tệp ngày nghỉ lễ, mỗi dòng một ngày YYYY-MM-DD, *-MM-DD hằng năm; +YYYY-MM-DD: thứ bảy, chủ nhật làm bù; để trống: danh sách có sẵn") \
	OPT(text, working_hours, "07:30-11:30 13:30-17:00", "", "200", "hours of a working day, for terms and response times", "giờ làm việc, để tính thời hạn và thời gian trả lời") \
	OPT(text, time_zone, "Asia/Ho_Chi_Minh", "1", "64", "time zone of reports and logs", "múi giờ") \
	OPT(text, user, "", "", "32", "Unix user the daemons run as; empty: whoever starts them", "người dùng hệ thống chạy dịch vụ") \
	OPT(flag, sandbox, "yes", "", "", "shut the daemons in: only their own files (Landlock) and the system calls they need (seccomp)", "cô lập các dịch vụ: chỉ mở tệp và lời gọi hệ thống cần thiết") \
	OPT(text, log_level, "info", "1", "10", "error, warn, info or debug", "mức nhật ký") \
	OPT(text, log_format, "text", "4", "4", "text, or json: one object a line", "dạng nhật ký: text hoặc json") \
	OPT(path, log_file, "", "", "1024", "log file; empty: standard error", "tệp nhật ký") \
	OPT(list, tls_cert, "", "", "4096", "certificate chains in PEM, ECDSA first", "chứng thư TLS") \
	OPT(list, tls_key, "", "", "4096", "their private keys", "khóa riêng TLS") \
	OPT(path, tls_client_ca, "", "", "1024", "authorities of staff's client certificates in PEM, with revocation lists if there are any; empty: none are asked for", "chứng thư gốc của chứng thư số cá nhân") \
	OPT(text, oauth_introspection_url, "", "", "1024", "https address that tells whose an access token is (RFC 7662); empty: no tokens", "địa chỉ kiểm tra mã truy cập OAuth") \
	OPT(path, oauth_client_file, "", "", "1024", "file with the line id:secret that we ask it with", "tệp tài khoản dùng để kiểm tra mã truy cập") \
	OPT(path, oauth_ca, "", "", "1024", "authority of that server's certificate in PEM; empty: the system's", "chứng thư gốc của máy chủ OAuth") \
	OPT(text, oauth_claim, "username", "1", "20", "what of its answer names the account: username, email or sub", "trường chứa địa chỉ tài khoản") \
	OPT(text, oauth_scope, "", "", "200", "scope that a token must have; empty: any", "phạm vi mã truy cập phải có") \
	OPT(list, inside_networks, "127.0.0.0/8 ::1/128", "", "65536", "networks of the province: plain passwords are taken here", "mạng nội bộ") \
	OPT(flag, outside_password, "no", "", "", "take an account's own password from other networks too, instead of app passwords, certificates and tokens alone (ACC-05)", "cho dùng mật khẩu chính từ ngoài mạng nội bộ") \
	OPT(list, proxy_networks, "", "", "65536", "front ends: every connection from there must begin with a PROXY protocol header (v1 or v2)", "mạng của máy chủ phía trước: mọi kết nối phải bắt đầu bằng tiêu đề PROXY (v1 hoặc v2)") \
	OPT(text, dns_forwarders, "", "", "1024", "resolvers to ask, addresses with optional @port; empty: ask the root servers", "máy chủ DNS") \
	OPT(path, dns_zone_file, "", "", "1024", "answer DNS from this file alone (tests, isolated sites)", "tệp vùng DNS dùng khi cô lập") \
	OPT(path, dns_trust_anchor, "", "", "1024", "DNSSEC root key file; empty: no validation", "khóa gốc DNSSEC")

#define SMTPD_OPTIONS(OPT)                                                                         \
	OPT(list, listen_mx, "*:25", "", "4096", "addresses for mail from outside", "địa chỉ nhận thư từ ngoài") \
	OPT(list, listen_submission, "*:587", "", "4096", "addresses for staff, STARTTLS", "địa chỉ gửi thư của cán bộ (STARTTLS)") \
	OPT(list, listen_submissions, "*:465", "", "4096", "addresses for staff, TLS from the first octet", "địa chỉ gửi thư của cán bộ (TLS)") \
	OPT(list, listen_lmtp, "", "", "4096", "addresses for LMTP from other MTAs", "địa chỉ LMTP") \
	OPT(num, trace_days, "30", "0", "3650", "days that the course of messages is kept for `congvu trace`; 0: not at all", "số ngày lưu vết đường đi của thư") \
	OPT(size, trace_max, "2G", "128M", "1T", "disk space it may take; the oldest goes first", "dung lượng tối đa cho vết đường đi") \
	OPT(list, metrics_listen, "", "", "1024", "loopback addresses for Prometheus and health checks: GET /metrics, /health, /ready", "địa chỉ nội máy cho Prometheus và kiểm tra sức khỏe") \
	OPT(size, disk_reserve, "256M", "0", "1T", "new mail is put off when the queue's disk has less left than this, or than 5 % of it", "dừng nhận thư mới khi đĩa còn ít hơn mức này hoặc 5 %") \
	OPT(size, max_message, "29360128", "64K", "1G", "largest message", "cỡ thư lớn nhất") \
	OPT(num, max_rcpts, "1000", "1", "100000", "recipients of one message from outside", "số người nhận tối đa một thư") \
	OPT(num, max_rcpts_submission, "500", "1", "100000", "recipients of one message from staff", "số người nhận tối đa một thư gửi đi") \
	OPT(num, send_messages_day, "1000", "0", "100000000", "messages an account may send in a day; 0: no limit", "số thư một tài khoản được gửi trong ngày; 0: không giới hạn") \
	OPT(num, send_rcpts_day, "3000", "0", "100000000", "recipients an account may write to in a day, a group counted once; 0: no limit", "số người nhận một tài khoản được gửi tới trong ngày; 0: không giới hạn") \
	OPT(num, send_first_time_day, "300", "0", "100000000", "outside addresses an account may write to for the first time in a day; 0: no limit", "số địa chỉ ngoài tỉnh mới một tài khoản được gửi tới trong ngày; 0: không giới hạn") \
	OPT(num, send_burst, "200", "0", "100000000", "outside recipients within send_burst_window after which an account is frozen; 0: never", "số người nhận ngoài tỉnh trong khoảng send_burst_window thì khóa gửi; 0: không khóa") \
	OPT(num, send_burst_refused, "100", "0", "100000000", "refused recipients within send_burst_window after which an account is frozen; 0: never", "số người nhận bị từ chối trong khoảng send_burst_window thì khóa gửi; 0: không khóa") \
	OPT(secs, send_burst_window, "10m", "20s", "1d", "how long a burst is counted", "khoảng thời gian tính gửi dồn dập") \
	OPT(list, send_classes, "agency.messages=3000 agency.recipients=20000 agency.first-time=2000 agency.burst=1000 role.messages=3000 role.recipients=20000 role.first-time=2000 role.burst=1000 app.messages=20000 app.recipients=20000 app.first-time=2000 app.burst=1000", "", "65536", "other limits for classes of accounts: person, agency, role or app, then .messages, .recipients, .first-time, .burst or .refused", "hạn mức riêng theo loại tài khoản: person, agency, role, app") \
	OPT(text, recipient_typos, "warn", "1", "10", "staff write to a domain that looks like a slip of the pen (gmial.com): accept, warn (in the answer to RCPT and the log) or refuse", "gõ sai tên miền người nhận (gmial.com): accept, warn hoặc refuse") \
	OPT(text, display_name, "register", "4", "8", "sender's name on submission: register (the province's register says it) or keep (as the mail program wrote it)", "tên người gửi: register (theo sổ đăng ký) hoặc keep (giữ nguyên)") \
	OPT(num, max_conns, "2000", "1", "100000", "connections at once", "số kết nối tối đa") \
	OPT(num, max_conns_per_ip, "50", "0", "100000", "connections from one address (IPv6: one /64); inside networks excepted; 0: no limit", "số kết nối tối đa một địa chỉ") \
	OPT(num, max_conns_per_net, "200", "0", "100000", "connections from one network; inside networks excepted; 0: no limit", "số kết nối tối đa một mạng") \
	OPT(num, limit_bits_v4, "24", "8", "32", "what one network is to the limits, IPv4", "độ dài tiền tố của một mạng IPv4") \
	OPT(num, limit_bits_v6, "64", "16", "128", "what one network is to the limits, IPv6", "độ dài tiền tố của một mạng IPv6") \
	OPT(num, submission_reserve, "25", "0", "90", "percent of max_conns that port 25 and LMTP may not take, so that staff can always send", "phần trăm kết nối dành riêng cho cán bộ gửi thư") \
	OPT(num, rate_conns, "600", "0", "1000000", "new connections a minute from one network; 0: no limit, as in the next options, which except inside networks", "số kết nối mới mỗi phút từ một mạng") \
	OPT(num, rate_commands, "12000", "0", "10000000", "commands a minute from one network", "số lệnh mỗi phút từ một mạng") \
	OPT(num, rate_messages, "1200", "0", "1000000", "messages a minute from one network", "số thư mỗi phút từ một mạng") \
	OPT(num, rate_rcpts, "12000", "0", "10000000", "recipients a minute from one network", "số người nhận mỗi phút từ một mạng") \
	OPT(num, rate_faults, "200", "0", "1000000", "unknown recipients and other faults in ten minutes from one network, after which it is answered slowly", "số lỗi trong mười phút từ một mạng trước khi trả lời chậm lại") \
	OPT(num, rate_auth_failures, "60", "0", "1000000", "failed log-ins an hour from one network", "số lần đăng nhập sai mỗi giờ từ một mạng") \
	OPT(num, rate_messages_account, "600", "0", "1000000", "messages a minute from one account", "số thư mỗi phút của một tài khoản") \
	OPT(num, rate_rcpts_account, "20000", "0", "1000000", "recipients a minute from one account", "số người nhận mỗi phút của một tài khoản") \
	OPT(secs, greet_pause, "1s", "0s", "30s", "wait before the greeting on port 25, for strangers; who speaks meanwhile is refused; 0s: none", "thời gian chờ trước lời chào với máy lạ ở cổng 25") \
	OPT(num, slow_down_after, "5", "0", "1000", "faults after which answers to a stranger come later and later; 0: never", "số lỗi trước khi trả lời chậm dần") \
	OPT(secs, slow_down_max, "20s", "1s", "5m", "longest such delay of an answer", "thời gian trả lời chậm tối đa") \
	OPT(flag, reverse_dns, "yes", "", "", "look up the names of strangers at port 25", "tra tên máy của máy lạ ở cổng 25") \
	OPT(secs, dns_wait, "5s", "1s", "1m", "longest wait for DNS about a stranger", "thời gian chờ DNS về máy lạ") \
	OPT(list, dnsbl, "", "", "8192", "DNS lists of bad addresses: zone[=codes][*weight], codes such as 127.0.0.[2..11]", "danh sách chặn DNS") \
	OPT(num, dnsbl_threshold, "1", "1", "1000", "sum of weights at which a peer is refused", "ngưỡng điểm để từ chối") \
	OPT(list, dnswl, "", "", "8192", "DNS lists of good addresses, written like dnsbl; their weights are taken off", "danh sách cho phép DNS") \
	OPT(list, xclient_networks, "", "", "65536", "front ends that may say by XCLIENT for whom they speak", "mạng được dùng XCLIENT") \
	OPT(flag, xclient_login, "no", "", "", "let them also say who has logged in", "cho phép XCLIENT báo tài khoản đã đăng nhập") \
	OPT(num, max_errors, "20", "1", "1000", "errors after which a session ends", "số lỗi tối đa một phiên") \
	OPT(text, subaddress_separator, "", "", "1", "local+detail is delivered to local: the character between, such as +; empty: off", "ký tự ngăn phần phụ của địa chỉ, ví dụ +; rỗng: tắt") \
	OPT(flag, agency_receipts, "no", "", "", "agency boxes tell authenticated senders outside, once a day, that their mail has come", "hộp thư cơ quan báo đã nhận cho người gửi bên ngoài đã xác thực, mỗi ngày một lần") \
	OPT(secs, srs_validity, "21d", "1d", "365d", "bounces of forwarded mail find their way back this long", "thời hạn nhận báo lỗi của thư chuyển tiếp") \
	OPT(num, max_hops, "50", "5", "1000", "Received fields after which mail is a loop", "số chặng tối đa") \
	OPT(num, max_own_hops, "8", "2", "100", "Received fields of this server after which mail is a loop", "số lần thư được phép quay lại máy chủ này") \
	OPT(secs, future_release_max, "7d", "0", "30d", "how far ahead staff may set when a message goes (FUTURERELEASE); 0: not offered", "thời hạn hẹn giờ gửi tối đa") \
	OPT(num, priority_max, "4", "0", "9", "highest MT-PRIORITY that staff may ask for", "mức ưu tiên cao nhất cán bộ được chọn") \
	OPT(list, priority_networks, "", "", "65536", "networks of other mail servers whose MT-PRIORITY is believed", "mạng máy chủ được tin về mức ưu tiên") \
	OPT(secs, idle_timeout, "5m", "5s", "1h", "silence allowed between commands", "thời gian chờ lệnh") \
	OPT(secs, drain_timeout, "10s", "0s", "1h", "time that messages under way get when the server stops", "thời gian chờ các thư đang nhận khi dừng") \
	OPT(secs, stress_idle_timeout, "30s", "5s", "1h", "the same for strangers while more than 80 percent of the connections are taken; a second fault then ends a session", "thời gian chờ lệnh của máy lạ khi quá tải") \
	OPT(secs, data_timeout, "10m", "10s", "2h", "silence allowed inside a message", "thời gian chờ nội dung thư") \
	OPT(num, workers, "0", "0", "256", "worker threads; 0: twice the cores", "số luồng") \
	OPT(list, milters, "unix:run/spamfilter.sock", "", "4096", "filters in order: unix:/path or inet:port@host, each with settings behind commas: name=, timeout=, connect-timeout=, message-timeout=, on-failure=, reuse=yes", "các bộ lọc milter theo thứ tự, kèm thiết lập sau dấu phẩy") \
	OPT(flag, lmtp_verdicts, "no", "", "", "believe X-Congvu-Verdict in mail that comes by LMTP: the filter ran at the mail server in front", "tin X-Congvu-Verdict của thư nhận qua LMTP (máy chủ phía trước đã lọc)") \
	OPT(list, milters_mx, "", "", "4096", "filters of mail from outside instead of `milters`; none: no filter", "bộ lọc riêng cho thư từ ngoài") \
	OPT(list, milters_submission, "", "", "4096", "filters of mail from staff instead of `milters`; none: no filter", "bộ lọc riêng cho thư cán bộ gửi") \
	OPT(list, milters_lmtp, "", "", "4096", "filters of LMTP instead of `milters`; none: no filter", "bộ lọc riêng cho LMTP") \
	OPT(text, milter_default_action, "tempfail", "1", "10", "when a filter without on-failure= fails: accept, tempfail or reject", "khi bộ lọc hỏng") \
	OPT(secs, milter_timeout, "30s", "1s", "10m", "longest wait for a step of a filter without timeout=", "thời gian chờ bộ lọc") \
	OPT(flag, require_known_sender_domain, "no", "", "", "refuse MAIL FROM domains without MX or address", "từ chối miền gửi không tồn tại") \
	OPT(flag, sender_domain_defer, "yes", "", "", "when DNS does not answer about it: 451; no: let it pass", "trả lời 451 khi DNS không trả lời về miền gửi") \
	OPT(num, outbound_concurrency, "100", "1", "10000", "outgoing connections at once", "số kết nối gửi ra") \
	OPT(num, outbound_per_destination, "10", "1", "1000", "outgoing connections to one destination", "số kết nối tới một nơi nhận") \
	OPT(num, outbound_port, "25", "1", "65535", "port of other mail servers", "cổng máy chủ thư nơi nhận") \
	OPT(flag, outbound_chunking, "yes", "", "", "send with BDAT where it is offered, else with DATA", "gửi bằng BDAT khi máy chủ hỗ trợ") \
	OPT(text, smarthost, "", "", "255", "send all outside mail through [smtps:]host[:port]", "máy chủ chuyển tiếp") \
	OPT(path, smarthost_auth, "", "", "1024", "file with user:password for the smarthost, only over TLS", "tệp tài khoản:mật khẩu của máy chủ chuyển tiếp") \
	OPT(list, transports, "", "", "65536", "where mail for a domain goes: domain=smtp:host[:port], smtps:host, lmtp:host:port, lmtp:unix:/path or error:words, also .below=... and *=...", "tuyến gửi theo miền nhận") \
	OPT(list, split_domains, "", "", "65536", "our domains shared with an old server: domain=host[:port]; addresses unknown here go there when it knows them", "tên miền dùng chung với máy chủ cũ") \
	OPT(list, outbound_tls, "", "", "65536", "what TLS a domain's servers must offer: domain=auto|none|may|encrypt|dane|verify, also .below=... and *=...", "yêu cầu TLS theo miền nhận") \
	OPT(path, outbound_ca, "", "", "1024", "authorities of other servers' certificates in PEM; empty: the system's", "chứng thư gốc để kiểm tra máy chủ khác") \
	OPT(num, mta_sts_port, "443", "1", "65535", "port of other domains' MTA-STS policy servers (tests)", "cổng máy chủ chính sách MTA-STS") \
	OPT(flag, tls_reports, "yes", "", "", "count what becomes of TLS with other domains and tell those that ask for it (RFC 8460)", "thống kê và gửi báo cáo TLS") \
	OPT(text, tls_report_contact, "", "", "255", "address that reports on TLS come from and to; empty: tlsrpt@ the default domain", "địa chỉ gửi và nhận báo cáo TLS") \
	OPT(secs, tls_report_delay, "4h", "0s", "12h", "longest wait after midnight UTC before the day is reported", "thời gian chờ tối đa sau nửa đêm UTC") \
	OPT(secs, retry_min, "5m", "1s", "1d", "first wait after a temporary failure", "thời gian chờ gửi lại lần đầu") \
	OPT(secs, retry_max, "4h", "1s", "7d", "longest wait between two tries", "thời gian chờ gửi lại tối đa") \
	OPT(secs, queue_lease, "1m", "3s", "1h", "another node may adopt this queue when its lease was not renewed for so long", "máy khác được tiếp nhận hàng đợi sau khi máy này im lặng chừng này") \
	OPT(list, queue_adopt_from, "", "", "4096", "queue folders of other nodes that `congvu queue adopt` may take over", "hàng đợi của máy khác được phép tiếp nhận") \
	OPT(secs, queue_life, "5d", "1m", "30d", "a message that could not be sent is returned after", "thời gian giữ thư chưa gửi được") \
	OPT(flag, allow_loopback_targets, "no", "", "", "deliver to loopback addresses (tests)", "cho phép gửi tới địa chỉ nội máy")

#define IMAPD_OPTIONS(OPT)                                                                         \
	OPT(list, listen_imap, "*:143", "", "4096", "addresses for IMAP with STARTTLS", "địa chỉ IMAP (STARTTLS)") \
	OPT(list, listen_imaps, "*:993", "", "4096", "addresses for IMAP, TLS from the first octet", "địa chỉ IMAP (TLS)") \
	OPT(list, listen_pop3, "*:110", "", "4096", "addresses for POP3 with STLS", "địa chỉ POP3 (STLS)") \
	OPT(list, listen_pop3s, "*:995", "", "4096", "addresses for POP3, TLS from the first octet", "địa chỉ POP3 (TLS)") \
	OPT(flag, pop3_delete, "yes", "", "", "POP3 may delete; no: DELE is refused and all mail is kept", "cho phép xóa thư qua POP3") \
	OPT(secs, pop3_idle_timeout, "10m", "5s", "24h", "silence after which a POP3 session ends (RFC 1939 wants 10m at least)", "thời gian chờ phiên POP3") \
	OPT(list, metrics_listen, "", "", "1024", "loopback addresses for Prometheus and health checks: GET /metrics, /health, /ready", "địa chỉ nội máy cho Prometheus và kiểm tra sức khỏe") \
	OPT(text, separator, "/", "1", "1", "hierarchy separator in mailbox names", "dấu phân cấp thư mục") \
	OPT(text, shared_namespace, "Dùng chung", "", "100", "where people find the role and agency boxes they hold or may open; empty: nowhere", "tên nhánh chứa hộp thư chức danh, đơn vị được giao hoặc chia sẻ") \
	OPT(text, others_namespace, "Người khác", "", "100", "where people find the boxes of others that were delegated to them or shared; empty: nowhere", "tên nhánh chứa hộp thư người khác ủy quyền hoặc chia sẻ") \
	OPT(flag, common_seen, "no", "", "", "what one reader of a shared box has seen counts as seen for all its readers", "thư một người đã đọc trong hộp thư dùng chung tính là đã đọc cho mọi người") \
	OPT(list, common_seen_boxes, "", "", "65536", "addresses of boxes for which it does so when common_seen = no", "các hộp thư dùng chung một trạng thái đã đọc") \
	OPT(list, plain_login_networks, "", "", "65536", "networks from which LOGIN without TLS is taken", "mạng được đăng nhập không TLS") \
	OPT(list, id_networks, "", "", "65536", "front ends that may say by ID for whom they speak (x-originating-ip)", "mạng của máy chủ phía trước được báo địa chỉ thật bằng lệnh ID") \
	OPT(num, max_conns, "20000", "1", "200000", "connections at once", "số kết nối tối đa") \
	OPT(num, max_conns_per_ip, "0", "0", "100000", "connections from one address; 0: no limit (agencies sit behind one address)", "số kết nối tối đa một địa chỉ") \
	OPT(num, rate_conns, "0", "0", "1000000", "new connections a minute from one network (IPv4 /24, IPv6 /64); inside networks excepted; 0: no limit", "số kết nối mới mỗi phút từ một mạng") \
	OPT(num, max_conns_per_user, "40", "1", "10000", "sessions of one account", "số phiên tối đa một tài khoản") \
	OPT(size, max_append, "64M", "64K", "1G", "largest message appended", "cỡ thư lưu tối đa") \
	OPT(size, max_line, "64K", "1000", "1M", "longest command line without literals", "độ dài lệnh tối đa") \
	OPT(text, server_comment, "", "0", "1000", "what clients are told of this server (METADATA /shared/comment)", "lời giới thiệu máy chủ cho phần mềm thư") \
	OPT(text, admin_contact, "", "0", "1000", "address of who runs this server, as a URI such as mailto: or tel: (METADATA /shared/admin)", "địa chỉ liên hệ người quản trị (dạng URI)") \
	OPT(num, message_limit, "0", "0", "10000000", "messages one IMAP command may work on (MESSAGELIMIT; 1000 at least is advised); 0: no limit", "số thư tối đa một lệnh IMAP được xử lý") \
	OPT(secs, idle_timeout, "30m", "1m", "24h", "silence after which a session ends", "thời gian chờ phiên") \
	OPT(secs, login_timeout, "1m", "5s", "10m", "time to log in", "thời gian chờ đăng nhập") \
	OPT(secs, progress_interval, "10s", "0s", "5m", "a client whose command runs longer is told so each time so much has passed (INPROGRESS); 0: never", "báo cho phần mềm thư khi lệnh chạy lâu, cứ mỗi") \
	OPT(num, workers, "0", "0", "256", "worker threads; 0: twice the cores", "số luồng") \
	OPT(size, cache, "256M", "16M", "64G", "memory for the database cache", "bộ nhớ đệm cơ sở dữ liệu") \
	OPT(size, fetch_cache, "64M", "1M", "64G", "memory for the answers to FETCH of envelopes and structures", "bộ nhớ đệm cho danh sách thư") \
	OPT(size, search_cache, "128M", "1M", "64G", "memory for what SEARCH, SORT and THREAD look at", "bộ nhớ đệm cho tìm và sắp xếp thư") \
	OPT(num, search_mailboxes_max, "1000", "1", "10000", "mailboxes that one ESEARCH command may search", "số thư mục tối đa trong một lần tìm ESEARCH") \
	OPT(flag, search_exact, "no", "", "", "SEARCH compares diacritics and tones too, but for keys inside FUZZY", "tìm kiếm phân biệt dấu") \
	OPT(flag, search_index, "yes", "", "", "keep an index of the mailboxes in which texts are searched", "lập chỉ mục các hộp thư hay được tìm kiếm") \
	OPT(size, search_index_max, "8G", "1M", "4T", "disk space for the index", "dung lượng đĩa cho chỉ mục tìm kiếm") \
	OPT(flag, index_attachments, "no", "", "", "searches look into documents too: PDF, DOCX, XLSX, PPTX, ODT, ODS, ODP, read by congvu-extract", "tìm cả trong tệp đính kèm (PDF, DOCX, XLSX, PPTX, ODT, ODS, ODP)") \
	OPT(size, index_attachments_max, "4G", "1M", "4T", "disk space for the texts of documents", "dung lượng đĩa cho nội dung tệp đính kèm") \
	OPT(secs, index_attachments_wait, "5s", "0s", "1m", "how long one search may wait for documents that were not read yet", "thời gian tối đa một lần tìm chờ đọc tệp đính kèm") \
	OPT(secs, restore_window, "14d", "1s", "365d", "expunged mail and deleted mailboxes can be restored this long", "thời hạn khôi phục thư và thư mục đã xóa") \
	OPT(size, quota_default, "2G", "1M", "1T", "quota of a member of staff", "hạn mức hộp thư cán bộ") \
	OPT(secs, reader_log_keep, "366d", "1d", "3660d", "how long is kept who opened messages of shared boxes, and when people looked", "thời hạn lưu nhật ký mở thư hộp thư dùng chung và lượt kiểm tra") \
	OPT(num, reader_log_max, "5000000", "1000", "1000000000", "openings kept; the oldest go first", "số lượt mở thư được lưu") \
	OPT(size, quota_leader, "5G", "1M", "1T", "quota of heads of agencies and units and their deputies", "hạn mức hộp thư lãnh đạo") \
	OPT(num, quota_messages, "1000000", "0", "4000000000", "messages in one box; 0: no limit", "số thư tối đa một hộp thư") \
	OPT(flag, teach_filter, "yes", "", "", "mail moved into Junk or out of it, and the keywords $Junk and $NotJunk, teach the filter (SPM-05)", "thư chuyển vào hoặc ra khỏi Thư rác được dùng để dạy bộ lọc") \
	OPT(flag, quota_notices, "yes", "", "", "tell people at 75 and 90 per cent of their quota, once each", "báo cho người dùng khi dùng hết 75% và 90% hạn mức") \
	OPT(size, quota_agency, "10G", "1M", "1T", "quota of agency and role boxes", "hạn mức hộp thư cơ quan") \
	OPT(secs, quarantine_keep, "30d", "1m", "365d", "how long mail stays in quarantine", "thời hạn giữ thư trong khu cách ly") \
	OPT(num, quarantine_messages, "1000", "1", "1000000", "messages in one box's quarantine; past it the oldest go", "số thư cách ly tối đa của một hộp thư; quá thì bỏ thư cũ nhất") \
	OPT(size, quarantine_size, "100M", "1M", "1T", "room for one box's quarantine, beside its quota; past it the oldest go", "dung lượng cách ly của một hộp thư, ngoài hạn mức") \
	OPT(flag, quarantine_digest, "yes", "", "", "tell each owner of what is new in quarantine, on working days", "báo cho chủ hộp thư về thư mới bị cách ly, vào ngày làm việc") \
	OPT(text, quarantine_digest_time, "07:30", "5", "5", "when, in the province's time zone", "giờ gửi báo cáo cách ly") \
	OPT(flag, quarantine_digest_english, "no", "", "", "in English too", "kèm tiếng Anh trong báo cáo cách ly") \
	OPT(list, quarantine_listen, "", "", "1024", "loopback addresses for the pages on which owners release mail; an HTTPS proxy stands in front", "địa chỉ nội máy của trang cho phép lấy lại thư; đặt máy chủ web HTTPS phía trước") \
	OPT(text, quarantine_url, "", "", "500", "where that proxy shows them, such as https://mail.lamgiang.example/cachly; empty: no links in digests", "địa chỉ công khai của trang đó; rỗng: báo cáo không có liên kết")

#define SPAMFILTER_OPTIONS(OPT)                                                                    \
	OPT(text, socket, "unix:run/spamfilter.sock", "1", "1024", "where MTAs reach the milter: unix:/path or inet:port@host", "nơi MTA kết nối tới bộ lọc") \
	OPT(list, metrics_listen, "", "", "1024", "loopback addresses for Prometheus and health checks: GET /metrics, /health, /ready", "địa chỉ nội máy cho Prometheus và kiểm tra sức khỏe") \
	OPT(text, attachment_dangerous, "refuse", "1", "10", "attachments that run when opened, also inside archives (SPM-06): score, mark, junk, quarantine or refuse", "tệp đính kèm là chương trình, kể cả trong tệp nén: score, mark, junk, quarantine hoặc refuse") \
	OPT(text, attachment_macro, "score", "1", "10", "office documents with macros, likewise", "tài liệu văn phòng có macro") \
	OPT(text, attachment_macro_auto, "quarantine", "1", "10", "documents that run or load something as soon as they are opened, likewise", "tài liệu tự chạy hoặc tự nạp khi mở") \
	OPT(text, attachment_encrypted, "score", "1", "10", "archives that nobody can look into, likewise", "tệp nén không kiểm tra được") \
	OPT(text, attachment_bomb, "quarantine", "1", "10", "archives made to mislead or to grow out of bounds, likewise", "tệp nén gây hại") \
	OPT(text, attachment_form, "score", "1", "10", "attached pages with a form to fill in, likewise", "trang web đính kèm có biểu mẫu") \
	OPT(path, attachment_types_file, "", "", "1024", "which extensions are dangerous, instead of the built-in conf/policy/attachment-types.txt", "danh mục đuôi tệp nguy hiểm") \
	OPT(path, url_shorteners_file, "", "", "1024", "hosts that hide where links lead, instead of the built-in conf/policy/url-shorteners.txt", "danh mục dịch vụ rút gọn liên kết") \
	OPT(flag, examine_content, "yes", "", "", "look at texts, links and attachments too; no: who sent it is all that is checked, as by OpenDKIM and OpenDMARC", "xem xét cả nội dung, liên kết, tệp đính kèm; no: chỉ xác thực người gửi") \
	OPT(text, authserv_id, "", "", "255", "name in Authentication-Results; empty: hostname", "tên trong Authentication-Results") \
	OPT(flag, spf, "yes", "", "", "check SPF", "kiểm tra SPF") \
	OPT(flag, spf_reject_fail, "yes", "", "", "refuse mail whose SPF result is fail", "từ chối thư có SPF fail") \
	OPT(flag, spf_helo, "yes", "", "", "check the HELO name by SPF too", "kiểm tra SPF của tên HELO") \
	OPT(flag, spf_cross_check, "no", "", "", "ask libspf2 beside our own evaluation, log and count where they differ", "đối chiếu SPF với libspf2") \
	OPT(flag, received_spf, "no", "", "", "write Received-SPF beside Authentication-Results", "ghi thêm Received-SPF") \
	OPT(flag, host_checks, "yes", "", "", "look the client up backwards (iprev) and check its HELO name", "kiểm tra tên ngược và HELO của máy gửi") \
	OPT(flag, arc, "yes", "", "", "validate ARC chains", "kiểm tra chuỗi ARC") \
	OPT(list, arc_trusted_sealers, "", "", "65536", "domains of forwarders whose ARC chains may vouch for authors", "tên miền chuyển tiếp được tin cậy (ARC)") \
	OPT(flag, smime, "yes", "", "", "look at S/MIME signatures; the message is never changed", "kiểm tra chữ ký số S/MIME; không sửa thư") \
	OPT(path, smime_trust_file, "", "", "1024", "roots that S/MIME certificates must lead to, PEM; empty: none is trusted", "tệp chứng thư gốc cho S/MIME") \
	OPT(flag, isolated_network, "no", "", "", "ask no DNS but dns_zone_file: what that does not know is a temporary error that counts for nothing", "mạng cô lập: không hỏi DNS bên ngoài") \
	OPT(flag, dkim_verify, "yes", "", "", "verify DKIM signatures", "kiểm tra chữ ký DKIM") \
	OPT(flag, dkim_sign, "yes", "", "", "sign mail of our domains that staff submit", "ký DKIM thư gửi đi") \
	OPT(text, dmarc_method, "tree-walk", "1", "20", "how DMARC finds organisations and policies: tree-walk (RFC 9989) or public-suffix (RFC 7489)", "cách DMARC tìm tổ chức và chính sách") \
	OPT(text, dmarc_enforce, "as-published", "1", "20", "what is done when DMARC fails: none, mark, or as-published", "cách xử lý khi DMARC không đạt") \
	OPT(text, dmarc_quarantine, "junk", "1", "20", "what p=quarantine comes to: mark, junk or quarantine", "p=quarantine được xử lý thành gì") \
	OPT(text, dmarc_mailing_lists, "junk", "1", "20", "what p=reject comes to for mail of a mailing list that somebody vouches for: mark, junk, quarantine or refuse", "p=reject với thư của nhóm thư") \
	OPT(text, dmarc_temperror, "accept", "1", "20", "mail whose policy cannot be looked up: accept or defer", "khi không tra được chính sách DMARC") \
	OPT(text, dmarc_bad_from, "refuse", "1", "20", "mail whose From is several or unreadable and names a protected domain: accept, mark, junk, quarantine or refuse", "thư có dòng From sai mà ghi tên miền được bảo vệ") \
	OPT(path, dmarc_override_file, "", "", "1024", "exceptions from DMARC policies: lines 'kind what until-date reason'", "tệp ngoại lệ DMARC") \
	OPT(flag, dmarc_reports, "yes", "", "", "tell domains that ask for it once a day what came in their name (RFC 9990)", "gửi báo cáo DMARC hằng ngày cho tên miền yêu cầu") \
	OPT(text, dmarc_report_contact, "", "", "320", "address these reports come from; empty: dmarc@ the default domain", "địa chỉ gửi báo cáo DMARC") \
	OPT(secs, dmarc_report_delay, "4h", "0", "72000", "longest wait after midnight UTC before they are sent", "thời gian chờ tối đa trước khi gửi báo cáo") \
	OPT(text, dmarc_report_address, "", "", "320", "address at which the reports of others about our domains arrive (rua=); empty: none", "địa chỉ nhận báo cáo DMARC của nơi khác") \
	OPT(list, former_domains, "", "", "65536", "domains the province used before: guarded like its own", "tên miền cũ của tỉnh, được bảo vệ như tên miền hiện tại") \
	OPT(num, leader_rank, "30", "0", "1000", "people of this rank or before it are leaders whose names are guarded; 0: none", "thứ hạng của lãnh đạo được bảo vệ tên") \
	OPT(flag, reject_forged_own, "yes", "", "", "refuse mail from outside that names our own domains in From (POL-06)", "từ chối thư giả mạo tên miền của tỉnh") \
	OPT(text, advertising, "junk", "1", "10", "mail labelled as advertising ([QC]): accept, mark or junk", "thư gắn nhãn quảng cáo [QC]: accept, mark hoặc junk") \
	OPT(text, secrecy_inbound, "mark", "1", "10", "secrecy-marked mail from outside: accept, mark or reject", "thư đến có dấu mật") \
	OPT(flag, secrecy_attachments, "no", "", "", "look for marks of secrecy in attached documents too, read by congvu-extract", "kiểm tra dấu mật trong cả tệp đính kèm") \
	OPT(flag, qr_codes, "no", "", "", "look for links in QR codes of pictures, read by congvu-extract with libzbar0", "tìm liên kết trong mã QR của ảnh") \
	OPT(secs, documents_secs, "5s", "1s", "1m", "time for reading the documents of one message, and as much for its pictures", "thời gian đọc tệp đính kèm của một thư, và chừng ấy cho ảnh") \
	OPT(text, clamav, "", "0", "1024", "ClamAV's daemon: unix:/run/clamav/clamd.ctl or 127.0.0.1:3310; empty: mail is not scanned", "địa chỉ trình quét mã độc ClamAV") \
	OPT(size, clamav_max, "24M", "64K", "1G", "octets of a message that are scanned; not above clamd's StreamMaxLength", "dung lượng thư tối đa được quét") \
	OPT(secs, clamav_timeout, "20s", "1s", "5m", "time for scanning one message", "thời gian quét một thư") \
	OPT(text, clamav_failure, "mark", "1", "10", "mail that was not scanned: accept, mark or tempfail", "cách xử lý thư chưa được quét") \
	OPT(text, clamav_found, "refuse", "1", "10", "mail from outside in which something was found: refuse or quarantine", "cách xử lý thư có mã độc") \
	OPT(text, score_mark, "3", "1", "10", "score from which mail is marked, or off", "điểm đánh dấu thư") \
	OPT(text, score_junk, "5", "1", "10", "score from which mail goes to the Junk folder, or off", "điểm chuyển vào thư rác") \
	OPT(text, score_greylist, "off", "1", "10", "score from which an unknown sender is asked to come again, or off", "điểm yêu cầu gửi lại sau") \
	OPT(text, score_quarantine, "10", "1", "10", "score from which mail is quarantined, or off", "điểm cách ly thư") \
	OPT(text, score_refuse, "15", "1", "10", "score from which mail is refused (mail to agencies and role boxes is quarantined instead), or off", "điểm từ chối thư (thư gửi cơ quan và hộp chức vụ thì cách ly)") \
	OPT(flag, ask_quarantine, "yes", "", "", "ask the mail server to hold what is quarantined (Postfix: queue hold); no: only X-Congvu-Verdict says it, for an LMTP server with lmtp_verdicts", "yêu cầu máy chủ thư giữ thư cách ly; no: chỉ ghi X-Congvu-Verdict") \
	OPT(size, bodies_max, "1G", "1M", "1T", "memory and disk that the bodies of all messages under way may take; above it a message is judged by its head", "dung lượng tối đa cho nội dung các thư đang xử lý; vượt quá thì chỉ xét phần đầu thư") \
	OPT(path, weights_file, "", "", "1024", "file that changes the weights of rules and the thresholds of agencies: lines 'rule weight', 'agency code action score'", "tệp thay đổi trọng số quy tắc và ngưỡng của cơ quan") \
	OPT(list, public_boxes, "", "", "65536", "further addresses whose mail is never refused by its score, like that of agencies and role boxes: an address or @domain", "các địa chỉ không bị từ chối thư theo điểm, ngoài hộp cơ quan và hộp chức vụ") \
	OPT(num, message_cpu_ms, "200", "10", "60000", "processor time for looking at one message, in milliseconds; then rule too-costly", "thời gian xử lý tối đa cho một thư, mili giây") \
	OPT(num, message_secs, "30", "1", "300", "time for waiting for others about one message, in seconds", "thời gian chờ tối đa cho một thư, giây") \
	OPT(num, examined_max, "16", "1", "1000", "messages whose content is looked into at once, 64 MB each at most; others wait, then overload_action applies", "số thư được xem xét nội dung cùng lúc") \
	OPT(text, overload_action, "tempfail", "1", "10", "with threads_max sessions open, further ones are answered: tempfail, or accept (unfiltered)", "khi quá tải: tempfail hoặc accept") \
	OPT(flag, reputation, "yes", "", "", "what earlier mail of a sender, network or link was like counts, and whom our people write to", "tính uy tín người gửi, mạng, liên kết và người quen") \
	OPT(num, bulk_copies, "50", "0", "1000000", "copies of one text in a day from which mail from outside counts as bulk; 0: not looked for", "số bản giống nhau trong ngày coi là thư hàng loạt") \
	OPT(secs, greylist_pause, "5m", "1s", "1h", "how long a doubtful stranger waits (score_greylist)", "thời gian hoãn thư đáng ngờ") \
	OPT(secs, greylist_window, "24h", "10m", "30d", "how long he may take to come again", "thời hạn gửi lại") \
	OPT(list, dnsbl, "", "", "4096", "block lists in DNS asked for the client: zone[=codes][*weight]", "danh sách chặn DNS cho máy gửi") \
	OPT(list, dnswl, "", "", "4096", "lists of good clients in DNS, written as those of dnsbl", "danh sách tin cậy DNS cho máy gửi") \
	OPT(list, urlbl, "", "", "4096", "block lists in DNS asked for the domains of links", "danh sách chặn DNS cho tên miền trong liên kết") \
	OPT(secs, list_wait, "2s", "1s", "20s", "longest wait for all lists of a message", "thời gian chờ các danh sách DNS") \
	OPT(num, burst_recipients, "300", "0", "1000000", "recipients outside of one account in burst_window above which it is frozen; 0: no limit", "số người nhận bên ngoài của một tài khoản trước khi bị khóa gửi") \
	OPT(num, burst_spam, "5", "0", "1000000", "mails of one account in burst_window judged junk above which it is frozen; 0: no limit", "số thư bị coi là thư rác của một tài khoản trước khi bị khóa gửi") \
	OPT(secs, burst_window, "10m", "1m", "1d", "time in which bursts are counted", "khoảng thời gian đếm thư gửi dồn dập") \
	OPT(secs, burst_freeze, "1h", "1m", "7d", "how long such an account sends nothing", "thời gian khóa gửi tài khoản") \
	OPT(size, classifier_max, "256M", "160M", "4G", "memory, and disk, that the statistical classifier may take; what says least is forgotten first", "bộ nhớ và đĩa tối đa cho bộ phân loại thống kê") \
	OPT(num, learn_ham_min, "100", "1", "1000000", "wanted messages to learn before the classifier has an opinion", "số thư thường cần học trước khi bộ phân loại có ý kiến") \
	OPT(num, learn_spam_min, "100", "1", "1000000", "unwanted messages to learn before the classifier has an opinion", "số thư rác cần học trước khi bộ phân loại có ý kiến") \
	OPT(num, learn_account_max, "30", "0", "100000", "messages a day that one account may teach the classifier by moving them into Junk or out of it, or by reporting them; 0: no limit", "số thư một tài khoản được dạy bộ phân loại mỗi ngày") \
	OPT(text, spam_report_address, "", "", "255", "address to which staff forward unwanted mail as an attachment, to teach the classifier; it must be one of the register; empty: none", "địa chỉ cán bộ chuyển tiếp thư rác (đính kèm) để dạy bộ lọc") \
	OPT(text, ham_report_address, "", "", "255", "the same for mail that was wrongly taken for unwanted", "địa chỉ báo thư bị nhận nhầm là thư rác") \
	OPT(num, learn_role_weight, "3", "1", "10", "how many times a lesson from an agency or role box counts", "trọng số bài học từ hộp thư cơ quan, chức danh") \
	OPT(num, signup_notice_days, "30", "0", "60", "the owner of an address hears of a sign-up with it once for each service in so many days; 0: never", "số ngày giữa hai lần báo cho chủ hộp thư về cùng một dịch vụ; 0: không báo") \
	OPT(path, signup_allow_file, "", "", "1024", "senders allowed to write to official addresses as services: lines 'domain-or-address until-date reason'", "tệp cho phép dịch vụ") \
	OPT(list, submission_networks, "", "", "65536", "networks whose mail counts as submitted (MTAs without AUTH macros)", "mạng gửi thư nội bộ") \
	OPT(num, threads_max, "200", "1", "10000", "sessions at once", "số phiên tối đa")

#define ADMIN_OPTIONS(OPT)                                                                         \
	OPT(path, schedule_dir, "schedule", "", "1024", "what is remembered of the jobs that run by the clock", "thư mục ghi nhớ các việc chạy theo lịch") \
	OPT(text, job_unused, "daily 06:30", "3", "40", "when unused accounts are looked for", "khi nào rà tài khoản không sử dụng") \
	OPT(text, job_expiring, "daily 06:40", "3", "40", "when owners are told of accounts that end soon", "khi nào báo tài khoản sắp hết hạn") \
	OPT(text, job_review, "daily 06:50", "3", "40", "when it is looked whether a review of access is due", "khi nào xem đã đến kỳ rà soát quyền truy cập") \
	OPT(text, job_dated, "every 1m", "3", "40", "when dated acts are looked at", "khi nào thực hiện các việc đã hẹn ngày") \
	OPT(text, job_backup, "daily 01:30", "3", "40", "when backups are made", "khi nào sao lưu") \
	OPT(text, job_backup_verify, "weekly sun 03:30", "3", "40", "when every backup is read again", "khi nào kiểm tra lại các bản sao lưu") \
	OPT(text, job_reports, "monthly 1 05:00", "3", "40", "when the reports of the last month are written into reports_dir", "khi nào ghi báo cáo tháng trước vào reports_dir") \
	OPT(path, reports_dir, "reports", "", "1024", "where the reports of each month are kept", "nơi lưu báo cáo hằng tháng") \
	OPT(text, job_dkim_rotate, "off", "3", "40", "when `congvu dkim rotate` looks whether keys are old", "lịch đổi khóa DKIM") \
	OPT(text, job_publish, "hourly :07", "3", "40", "when the directory is published anew if the register changed: off, every 5m, hourly :20, daily 02:30, weekly mon 02:30, monthly 1 02:30", "lịch xuất lại danh bạ khi có thay đổi") \
	OPT(text, job_box_alert, "every 5m", "3", "40", "when agency boxes that nobody looked into in time are reported to their clerks and heads: off, every 5m; it acts once after each of box_check_times", "lịch nhắc hộp thư cơ quan chưa được mở đúng giờ") \
	OPT(text, job_sample, "daily 23:40", "3", "40", "when the use of disk and boxes is noted for the forecast: off, daily 23:40", "lịch ghi dung lượng để dự báo") \
	OPT(text, box_check_times, "10:00 15:00", "", "60", "until when agency boxes are to be looked into on a working day: after the time before, up to this one; empty: no alerts", "các mốc giờ phải mở hộp thư cơ quan trong ngày làm việc") \
	OPT(num, acknowledge_days, "1", "0", "365", "working days within which mail from outside to agency boxes is to be opened", "số ngày làm việc phải mở thư của người dân") \
	OPT(num, answer_days, "5", "1", "365", "working days within which it is to be answered", "số ngày làm việc phải trả lời thư của người dân") \
	OPT(num, regular_use_percent, "60", "1", "100", "share of working days with mail sent or opened that makes a regular user", "tỷ lệ ngày làm việc có dùng thư để tính là sử dụng thường xuyên") \
	OPT(text, score_weights, "30 25 20 10 10 5", "", "60", "points of the emulation score: coverage, regular use, timely answers, fresh directory, few policy events, training", "điểm tối đa của từng tiêu chí thi đua") \
	OPT(text, report_targets, "100 70 90 90", "", "40", "targets of the draft report in per cent: coverage, regular use, answers in time, boxes opened in time", "chỉ tiêu (%) trong báo cáo: cấp địa chỉ, dùng thường xuyên, trả lời đúng hạn, mở hộp thư đúng giờ") \
	OPT(path, directory_dir, "directory", "", "1024", "where the public directory is written", "nơi xuất danh bạ công khai") \
	OPT(text, directory_url, "", "", "1024", "where it is reached by the public, ending in '/'", "địa chỉ công khai của danh bạ") \
	OPT(flag, directory_english, "no", "", "", "English labels beside the Vietnamese ones on its pages", "thêm nhãn tiếng Anh trên trang danh bạ") \
	OPT(flag, directory_coded, "no", "", "", "write addresses on its pages as character references, which harvesters do not read and people do (DIR-06)", "mã hóa địa chỉ trên trang để chống thu thập") \
	OPT(flag, directory_traps, "no", "", "", "an address in each file that nobody has: mail to it tells who harvests, and from which file (DIR-06)", "đặt địa chỉ bẫy trong từng tệp") \
	OPT(list, directory_hidden, "", "", "65536", "agencies (code) and departments (code/phong-co-yeu) that are not published", "đơn vị, phòng không công khai") \
	OPT(text, directory_push, "", "", "1024", "send the files below this https, http or sftp address", "địa chỉ đẩy danh bạ lên máy chủ web") \
	OPT(path, directory_push_auth, "", "", "1024", "file with user:password for the push (SFTP with a key: user:)", "tệp mật khẩu để đẩy danh bạ") \
	OPT(path, directory_push_key, "", "", "1024", "private SSH key for a push over SFTP", "khóa SSH để đẩy qua SFTP") \
	OPT(path, directory_push_known_hosts, "", "", "1024", "file in which the SFTP server's key stands, as ssh-keyscan writes it", "tệp khóa của máy chủ SFTP") \
	OPT(path, directory_push_ca, "", "", "1024", "authority of that server's certificate in PEM; empty: the system's", "chứng thư gốc của máy chủ web") \
	OPT(flag, directory_push_plain, "no", "", "", "push over http without TLS to other machines too", "cho phép đẩy qua http không mã hóa") \
	OPT(text, address_template, "initials", "1", "20", "local parts: initials (nvhoa.snv), flat (nguyenvanhoa) or given (hoanv)", "mẫu địa chỉ") \
	OPT(list, reserved_local_parts, "", "", "65536", "further local parts nobody gets without override", "các tên dành riêng thêm") \
	OPT(text, account_requests, "optional", "8", "8", "required: an agency admin makes accounts only for requests that were approved; or optional", "required: quản trị cơ quan chỉ cấp tài khoản theo đề nghị đã duyệt; hoặc optional") \
	OPT(num, issue_days, "2", "1", "60", "working days in which a request for an account is answered", "số ngày làm việc để giải quyết đề nghị cấp tài khoản") \
	OPT(num, keep_after_leaving, "6", "1", "120", "months for which the box of somebody who left is kept", "số tháng giữ hộp thư của người đã nghỉ") \
	OPT(num, keep_after_leaving_leader, "12", "1", "120", "the same for heads and their deputies", "số tháng giữ hộp thư của lãnh đạo đã nghỉ") \
	OPT(num, unused_warn_days, "30", "1", "3660", "days without use after which the owner is warned", "số ngày không dùng thì nhắc") \
	OPT(num, unused_off_days, "45", "1", "3660", "days without use after which log-ins are refused; mail still arrives", "số ngày không dùng thì khóa đăng nhập (thư vẫn đến)") \
	OPT(num, unused_withdraw_days, "90", "1", "3660", "days without use after which withdrawal is proposed", "số ngày không dùng thì đề nghị thu hồi") \
	OPT(num, review_months, "6", "1", "60", "months between two reviews of who has access to what", "số tháng giữa hai lần rà soát quyền truy cập") \
	OPT(num, review_days, "30", "1", "365", "days in which an agency confirms its list", "số ngày để cơ quan xác nhận danh sách rà soát") \
	OPT(num, resets_a_month, "3", "1", "100", "passwords of one person that helpdesk and agency admins may set in a month; more is the operator's", "số lần cấp lại mật khẩu mỗi tháng do bộ phận hỗ trợ hoặc quản trị cơ quan thực hiện") \
	OPT(text, admin_second_factor, "optional", "8", "8", "required: administrators who log in with --as need a second factor (congvu account totp); or optional", "required: quản trị viên phải có xác thực hai lớp khi dùng --as; hoặc optional") \
	OPT(num, admin_password_months, "2", "0", "60", "months after which administrators change their passwords (ACC-04); 0: never", "số tháng quản trị viên phải đổi mật khẩu; 0: không bắt buộc") \
	OPT(text, rules_version, "", "0", "40", "version of the usage rules that everybody accepts; empty: none", "phiên bản quy chế sử dụng mà người dùng phải chấp nhận") \
	OPT(text, time_server, "", "", "255", "a second clock that `congvu doctor` compares this machine's with: an NTP server; empty: none", "máy chủ thời gian (NTP) để `congvu doctor` so giờ") \
	OPT(list, backup_targets, "", "", "16384", "where backups go: name=file:/dir, name=s3+https://host/bucket[/prefix],credentials=FILE[,region=][,ca=] or name=sftp://user@host/dir,key=FILE,known-hosts=FILE; each also with append-only=yes", "nơi lưu bản sao lưu: thư mục (file:), kho S3 (s3+https:) hoặc máy khác (sftp:)") \
	OPT(num, backup_keep_daily, "35", "1", "10000", "days of which the last backup is kept (BAK-01)", "số ngày giữ bản sao lưu hằng ngày") \
	OPT(num, backup_keep_monthly, "12", "0", "1200", "months of which the last backup is kept", "số tháng giữ bản sao lưu hằng tháng") \
	OPT(size, backup_bandwidth, "0", "0", "1T", "octets a second a backup may write to a target; 0: no limit", "tốc độ ghi tối đa khi sao lưu, byte mỗi giây; 0: không giới hạn")

CV_OPTIONS_DECLARE(congvu_options, CONGVU_OPTIONS);
CV_OPTIONS_DECLARE(smtpd_options, SMTPD_OPTIONS);
CV_OPTIONS_DECLARE(imapd_options, IMAPD_OPTIONS);
CV_OPTIONS_DECLARE(spamfilter_options, SPAMFILTER_OPTIONS);
CV_OPTIONS_DECLARE(admin_options, ADMIN_OPTIONS);

extern const struct cv_section congvu_section, smtpd_section, imapd_section, spamfilter_section,
	admin_section;
/* All five, for cv_conf_load(). */
extern const struct cv_section *const cv_sections[];
extern const size_t cv_sections_count;

/* The file every program reads: argument of --conf, else CONGVU_CONF, else
 * /etc/congvu/congvu.conf. */
const char *cv_conf_path(const char *option);
/* What every program does first with its options: the province's time zone, the log under PROGRAM's
 * name at its level. Before threads start. */
void cv_program_start(const char *program, const struct congvu_options *options);
/* The level that `log_level` names; info for a word that is none. */
enum cv_level cv_log_level_named(const char *word);

/* What of the log a reload may change: level and format. */
void cv_program_log(const struct congvu_options *options);

/* Loads it with cv_sections. */
CV_MUST_CHECK enum cv_status cv_conf_open(const char *option, struct cv_conf **out,
                                          struct cv_err *err);

#endif

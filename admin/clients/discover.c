/* discover.c - the files that Thunderbird and Outlook look for. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/clients/clients.h"
#include "common/text/encode.h"

static void
put(struct cv_buf *out, const char *tag, struct cv_str text)
{
	cv_buf_printf(out, "<%s>", tag);
	cv_html_escape(text, out);
	cv_buf_printf(out, "</%s>\n", tag);
}

/* ---- Thunderbird ---- */

static void
put_server(struct cv_buf *out, const struct admin_clients *c, const char *element, const char *type,
	struct admin_service_port at)
{
	if (!at.port)
		return;
	cv_buf_printf(out, "<%s type=\"%s\">\n", element, type);
	put(out, "hostname", c->hostname);
	cv_buf_printf(out,
		"<port>%u</port>\n<socketType>%s</socketType>\n"
		"<username>%%EMAILADDRESS%%</username>\n"
		"<authentication>password-cleartext</authentication>\n</%s>\n",
		at.port, at.is_tls ? "SSL" : "STARTTLS", element);
}

void
admin_clients_autoconfig(const struct admin_clients *c, struct cv_buf *out)
{
	cv_buf_z(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n"
		      "<emailProvider id=\"");
	cv_html_escape(c->domain, out);
	cv_buf_z(out, "\">\n");
	for (size_t i = 0; i < c->domain_count; i++)
		put(out, "domain", c->domains[i]);
	put(out, "displayName", c->province);
	put(out, "displayShortName", c->domain);
	put_server(out, c, "incomingServer", "imap", c->imap);
	put_server(out, c, "incomingServer", "imap", c->imap_plain);
	put_server(out, c, "incomingServer", "pop3", c->pop3);
	put_server(out, c, "outgoingServer", "smtp", c->smtp);
	put_server(out, c, "outgoingServer", "smtp", c->smtp_plain);
	cv_buf_z(out, "</emailProvider>\n</clientConfig>\n");
}

/* ---- Outlook ---- */

static void
put_protocol(struct cv_buf *out, const struct admin_clients *c, const char *type,
	struct admin_service_port at)
{
	if (!at.port)
		return;
	cv_buf_printf(out, "<Protocol>\n<Type>%s</Type>\n", type);
	put(out, "Server", c->hostname);
	cv_buf_printf(out,
		"<Port>%u</Port>\n<DomainRequired>off</DomainRequired>\n<SPA>off</SPA>\n"
		"<SSL>on</SSL>\n<Encryption>%s</Encryption>\n<AuthRequired>on</AuthRequired>\n"
		"</Protocol>\n",
		at.port, at.is_tls ? "SSL" : "TLS");
}

void
admin_clients_autodiscover(const struct admin_clients *c, struct cv_buf *out)
{
	cv_buf_z(out,
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns="
		"\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"
		"<Response xmlns="
		"\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/"
		"2006a\">\n"
		"<Account>\n<AccountType>email</AccountType>\n<Action>settings</Action>\n");
	put_protocol(out, c, "IMAP", c->imap);
	put_protocol(out, c, "POP3", c->pop3);
	put_protocol(out, c, "SMTP", c->smtp);
	cv_buf_z(out, "</Account>\n</Response>\n</Autodiscover>\n");
}

#include "agents/soap/request.h"

#include <sodium.h>
#include <string.h>

#include "agents/soap/token.h"
#include "base/bytes.h"

static void put(struct torap_writer *out, const char *text)
{
	torap_write_bytes(out, torap_bytes(text, strlen(text)));
}

void soap_escape(struct torap_writer *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			put(out, "&amp;");
			break;
		case '<':
			put(out, "&lt;");
			break;
		case '>':
			put(out, "&gt;");
			break;
		case '"':
			put(out, "&quot;");
			break;
		default:
			torap_write_u8(out, (uint8_t)*text);
		}
	}
}

static void put_security(struct torap_writer *out, const struct soap_request *r)
{
	/* Whole seconds with a Z: some devices refuse fractions, others the lack of the Z. */
	char created[TORAP_WALL_TEXT_SIZE], digest[SOAP_DIGEST_TEXT_SIZE], nonce[32];
	struct torap_wall second = { r->created.us - r->created.us % TORAP_US_PER_S };
	torap_wall_format(second, created);
	soap_token_digest(digest, torap_bytes(r->nonce, sizeof r->nonce), created, r->password);
	sodium_bin2base64(nonce, sizeof nonce, r->nonce, sizeof r->nonce, sodium_base64_VARIANT_ORIGINAL);
	put(out,
		"<wsse:Security s:mustUnderstand=\"1\" xmlns:wsse=\"http://docs.oasis-open.org/wss/2004/01/"
		"oasis-200401-wss-wssecurity-secext-1.0.xsd\" xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/"
		"oasis-200401-wss-wssecurity-utility-1.0.xsd\"><wsse:UsernameToken><wsse:Username>");
	soap_escape(out, r->user);
	put(out, "</wsse:Username><wsse:Password Type=\"http://docs.oasis-open.org/wss/2004/01/"
		 "oasis-200401-wss-username-token-profile-1.0#PasswordDigest\">");
	put(out, digest);
	put(out, "</wsse:Password><wsse:Nonce EncodingType=\"http://docs.oasis-open.org/wss/2004/01/"
		 "oasis-200401-wss-soap-message-security-1.0#Base64Binary\">");
	put(out, nonce);
	put(out, "</wsse:Nonce><wsu:Created>");
	put(out, created);
	put(out, "</wsu:Created></wsse:UsernameToken></wsse:Security>");
}

static void put_message_id(struct torap_writer *out, const uint8_t id[static SOAP_NONCE_SIZE])
{
	char hex[2 * SOAP_NONCE_SIZE + 1];
	torap_hex(hex, torap_bytes(id, SOAP_NONCE_SIZE));
	put(out, "urn:uuid:");
	for (int i = 0; i < 2 * SOAP_NONCE_SIZE; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			torap_write_u8(out, '-');
		torap_write_u8(out, (uint8_t)hex[i]);
	}
}

void soap_request_write(struct torap_writer *out, const struct soap_request *r)
{
	put(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
		"xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header><a:Action s:mustUnderstand=\"1\">");
	soap_escape(out, r->action);
	put(out, "</a:Action><a:MessageID>");
	put_message_id(out, r->message);
	put(out, "</a:MessageID><a:To s:mustUnderstand=\"1\">");
	soap_escape(out, r->to);
	put(out, "</a:To>");
	if (r->user)
		put_security(out, r);
	put(out, "</s:Header><s:Body>");
	put(out, r->body);
	put(out, "</s:Body></s:Envelope>");
}

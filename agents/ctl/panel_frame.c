#include "agents/ctl/panel_frame.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"

enum { BODY_MAX = CTL_PANEL_FRAME_MAX - 16, CLEAR_MAX = 160, BLOCK = 16 };

/* By table, unlike the receiver. */
static unsigned crc_of(const uint8_t *bytes, size_t size)
{
	static unsigned table[256];
	if (!table[1]) {
		for (unsigned i = 0; i < 256; i++) {
			unsigned c = i;
			for (int bit = 0; bit < 8; bit++)
				c = c & 1 ? 0xa001 ^ c >> 1 : c >> 1;
			table[i] = c;
		}
	}
	unsigned crc = 0;
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
	return crc;
}

void ctl_panel_code(char *out, size_t size, const struct ctl_panel_message *m)
{
	const struct ctl_panel_event *e = m->event;
	if (!e->sia)
		snprintf(out, size, "NULL");
	else if (m->cid)
		snprintf(out, size, "%s q%c", e->cid, m->restore ? e->cid_end : e->cid_begin);
	else
		snprintf(out, size, "%s", m->restore && e->sia_end ? e->sia_end : e->sia);
}

static void number_text(char *out, size_t size, const struct ctl_panel_message *m)
{
	snprintf(out, size, m->cid ? "%03u" : "%u", m->number);
}

void ctl_panel_area(char *out, size_t size, const struct ctl_panel_message *m)
{
	*out = 0;
	if (m->event->sia)
		snprintf(out, size, m->cid ? "%02u" : "%u", m->area);
}

void ctl_panel_zone(char *out, size_t size, const struct ctl_panel_message *m)
{
	*out = 0;
	if (m->event->sia && !m->event->user)
		number_text(out, size, m);
}

void ctl_panel_user(char *out, size_t size, const struct ctl_panel_message *m)
{
	*out = 0;
	if (m->event->sia && m->event->user)
		number_text(out, size, m);
}

/* From the account to the timestamp: what an encrypted message hides. */
static int write_content(char *out, size_t size, const struct ctl_panel_message *m)
{
	const struct ctl_panel_event *e = m->event;
	char data[96] = "", stamp[48] = "";
	if (e->sia && m->cid)
		snprintf(data, sizeof data, "#%s|%c%s %02u %03u", m->account,
			m->restore ? e->cid_end : e->cid_begin, e->cid, m->area, m->number);
	else if (e->sia)
		snprintf(data, sizeof data, "#%s|Nri%u/%s%u", m->account, m->area,
			m->restore && e->sia_end ? e->sia_end : e->sia, m->number);
	if (m->dated) {
		time_t seconds = (time_t)(m->time.us / TORAP_US_PER_S);
		struct tm utc;
		gmtime_r(&seconds, &utc);
		strftime(stamp, sizeof stamp, "_%H:%M:%S,%m-%d-%Y", &utc);
	}
	return snprintf(out, size, "%s]%s", data, stamp);
}

static bool run_cipher(const struct ctl_panel_key *key, uint8_t *bytes, size_t size, bool encrypt)
{
	static const uint8_t iv[BLOCK];
	const EVP_CIPHER *cipher = key->size == 16   ? EVP_aes_128_cbc()
				   : key->size == 24 ? EVP_aes_192_cbc()
						     : EVP_aes_256_cbc();
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int done = 0;
	bool ok = c && EVP_CipherInit_ex(c, cipher, NULL, key->bytes, iv, encrypt) &&
		  EVP_CIPHER_CTX_set_padding(c, 0) && EVP_CipherUpdate(c, bytes, &done, bytes, (int)size) &&
		  (size_t)done == size;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

static bool write_encrypted(
	char *out, size_t size, const char *content, const struct ctl_panel_key *key, uint64_t random)
{
	uint8_t clear[CLEAR_MAX];
	size_t length = strlen(content) + 1, pad = BLOCK - length % BLOCK;
	if (pad + length > sizeof clear || 2 * (pad + length) >= size)
		return false;
	for (size_t i = 0; i < pad; i++) {
		random = random * 2862933555777941757u + 3037000493u;
		clear[i] = (uint8_t)('a' + (random >> 40) % 26);
	}
	clear[pad] = '|';
	memcpy(clear + pad + 1, content, length - 1);
	if (!run_cipher(key, clear, pad + length, true))
		return false;
	torap_hex(out, torap_bytes(clear, pad + length));
	for (char *c = out; *c; c++)
		if (*c >= 'a')
			*c = (char)(*c - 'a' + 'A');
	return true;
}

size_t ctl_panel_encode(uint8_t out[static CTL_PANEL_FRAME_MAX], const struct ctl_panel_message *m,
	const struct ctl_panel_key *key, uint64_t random)
{
	char content[CLEAR_MAX], hidden[2 * CLEAR_MAX + 1], body[BODY_MAX];
	write_content(content, sizeof content, m);
	if (key->size && !write_encrypted(hidden, sizeof hidden, content, key, random))
		return 0;
	int size = snprintf(body, sizeof body, "\"%s%s\"%04uR0L0#%s[%s", key->size ? "*" : "",
		!m->event->sia ? "NULL"
		: m->cid       ? "ADM-CID"
			       : "SIA-DCS",
		m->sequence, m->account, key->size ? hidden : content);
	return (size_t)snprintf((char *)out, CTL_PANEL_FRAME_MAX, "\n%04X%04X%s\r",
		crc_of((uint8_t *)body, (size_t)size), (unsigned)size, body);
}

/* The receiver's GMT behind the last underscore. */
static bool read_time(const char *body, struct torap_wall *time)
{
	const char *stamp = strrchr(body, '_');
	struct tm utc = { 0 };
	if (!stamp || !strptime(stamp + 1, "%H:%M:%S,%m-%d-%Y", &utc))
		return false;
	time->us = (int64_t)timegm(&utc) * TORAP_US_PER_S;
	return true;
}

/* Is what follows the [ of an encrypted ACK ours?  It must decipher to a closing bracket and a time. */
static bool read_hidden(const char *hex, const struct ctl_panel_key *key)
{
	uint8_t clear[CLEAR_MAX];
	size_t digits = strlen(hex);
	if (!digits || digits % (2 * BLOCK) || digits / 2 > sizeof clear ||
		!torap_unhex(clear, digits / 2, hex) || !run_cipher(key, clear, digits / 2, false))
		return false;
	return memmem(clear, digits / 2, "]_", 2) != NULL;
}

static enum ctl_panel_answer judge(const char *body, const struct ctl_panel_message *m,
	const struct ctl_panel_key *key, struct torap_wall *time)
{
	if (!strncmp(body, "\"NAK\"", 5))
		return read_time(body, time) ? CTL_PANEL_NAK : CTL_PANEL_STRANGE;
	char echo[64];
	snprintf(echo, sizeof echo, "%04uR0L0#%s[", m->sequence, m->account);
	const char *id = key->size ? "\"*ACK\"" : "\"ACK\"";
	if (!strncmp(body, id, strlen(id)) && !strncmp(body + strlen(id), echo, strlen(echo))) {
		const char *rest = body + strlen(id) + strlen(echo);
		bool ours = key->size ? read_hidden(rest, key) : *rest == ']';
		return ours ? CTL_PANEL_ACK : CTL_PANEL_STRANGE;
	}
	if (!strncmp(body, "\"DUH\"", 5) && !strncmp(body + 5, echo, strlen(echo)))
		return CTL_PANEL_DUH;
	return CTL_PANEL_STRANGE;
}

enum ctl_panel_answer ctl_panel_read_answer(const uint8_t *bytes, size_t size, size_t *used,
	const struct ctl_panel_message *m, const struct ctl_panel_key *key, struct torap_wall *time)
{
	const uint8_t *cr = memchr(bytes, '\r', size);
	*used = cr ? (size_t)(cr - bytes) + 1 : 0;
	if (!cr)
		return CTL_PANEL_NOTHING;
	const uint8_t *lf = memchr(bytes, '\n', *used);
	char body[BODY_MAX] = "", header[9] = "";
	size_t length = lf ? (size_t)(cr - lf - 1) : 0;
	if (length < 10 || length - 8 >= sizeof body)
		return CTL_PANEL_STRANGE;
	memcpy(header, lf + 1, 8);
	memcpy(body, lf + 9, length - 8);
	char want[9];
	snprintf(want, sizeof want, "%04X%04X", crc_of((uint8_t *)body, length - 8) & 0xffff,
		(unsigned)(length - 8) & 0xffff);
	if (strcasecmp(want, header) != 0)
		return CTL_PANEL_STRANGE;
	return judge(body, m, key, time);
}

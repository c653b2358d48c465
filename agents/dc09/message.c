#include "agents/dc09/message.h"

#include <string.h>
#include <strings.h>

void dc09_message_account(char account[static DC09_ACCOUNT_MAX + 1], const struct dc09_frame *frame)
{
	memcpy(account, frame->account.data ? (const void *)frame->account.data : "", frame->account.size);
	account[frame->account.size] = 0;
}

static enum dc09_vocabulary vocabulary_of(struct torap_bytes token)
{
	if (dc09_bytes_are(token, "SIA-DCS"))
		return DC09_SIA;
	if (dc09_bytes_are(token, "ADM-CID"))
		return DC09_CID;
	if (dc09_bytes_are(token, "NULL"))
		return DC09_NULL;
	return DC09_OTHER;
}

/* Hexadecimal up to the end, or up to a ] that should not be there. */
static bool unhex_rest(struct dc09_message *m, size_t *out_size)
{
	struct torap_bytes rest = m->frame.rest;
	const uint8_t *stop = rest.size ? memchr(rest.data, ']', rest.size) : NULL;
	size_t digits = stop ? (size_t)(stop - rest.data) : rest.size;
	if (!digits || digits % (2 * DC09_BLOCK_SIZE) || digits / 2 > sizeof m->storage)
		return false;
	for (size_t i = 0; i < digits; i += 2) {
		char pair[] = { (char)rest.data[i], (char)rest.data[i + 1], 0 };
		if (!torap_unhex(&m->storage[i / 2], 1, pair))
			return false;
	}
	*out_size = digits / 2;
	return true;
}

static bool account_fits(const struct dc09_message *m)
{
	const struct dc09_content *c = &m->content;
	return c->account.size == strlen(m->account) &&
	       !strncasecmp((const char *)c->account.data, m->account, c->account.size);
}

/* Nothing in the encryption tells a right key from a wrong one; the form of what comes out must. */
static int judge_deciphered(const struct dc09_message *m, struct torap_wall now)
{
	const struct dc09_content *c = &m->content;
	if (!c->terminated)
		return DC09_MESSAGE_NOISE;
	if (c->has_account && !account_fits(m))
		return c->has_stamp ? DC09_MESSAGE_FOREIGN : DC09_MESSAGE_NOISE;
	if (!c->has_stamp)
		return c->has_account ? DC09_MESSAGE_OUT_OF_TIME : DC09_MESSAGE_NOISE;
	int64_t ahead_us = c->stamp.us - now.us;
	if (ahead_us < -(int64_t)DC09_OLDEST_S * TORAP_US_PER_S ||
		ahead_us > (int64_t)DC09_NEWEST_S * TORAP_US_PER_S)
		return DC09_MESSAGE_OUT_OF_TIME;
	return 0;
}

static int decipher(struct dc09_message *m, const struct dc09_key *key, struct torap_wall now)
{
	if (!key || !key->size)
		return DC09_MESSAGE_NO_KEY;
	size_t size;
	if (!unhex_rest(m, &size) || !dc09_decrypt(key, torap_bytes(m->storage, size), m->storage))
		return DC09_MESSAGE_NOISE;
	const uint8_t *bar = memchr(m->storage, '|', size);
	if (!bar)
		return DC09_MESSAGE_NOISE;
	m->clear = torap_bytes(bar + 1, (size_t)(m->storage + size - bar - 1));
	dc09_content_decode(&m->content, m->vocabulary, m->clear);
	return judge_deciphered(m, now);
}

int dc09_message_decode(struct dc09_message *out, const struct dc09_frame *frame, const struct dc09_key *key,
	struct torap_wall now)
{
	out->frame = *frame;
	out->vocabulary = vocabulary_of(frame->token);
	out->clear = torap_bytes(NULL, 0);
	dc09_message_account(out->account, frame);
	if (dc09_frame_is_reply(frame))
		return DC09_MESSAGE_REPLY;
	if (frame->encrypted)
		return out->account[0] ? decipher(out, key, now) : DC09_MESSAGE_NO_ACCOUNT;

	dc09_content_decode(&out->content, out->vocabulary, frame->rest);
	struct torap_bytes inner = out->content.account;
	if (!out->account[0] && inner.size && inner.size <= DC09_ACCOUNT_MAX) {
		memcpy(out->account, inner.data, inner.size); /* A header without #acct. */
		out->account[inner.size] = 0;
		for (const char *c = out->account; *c; c++)
			if (*c <= ' ' || *c == 0x7f)
				out->account[0] = 0;
		if (strlen(out->account) != inner.size)
			out->account[0] = 0;
	}
	return out->account[0] ? 0 : DC09_MESSAGE_NO_ACCOUNT;
}

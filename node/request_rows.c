#include "node/request_rows.h"

#include <string.h>

#include "node/entry.h"
#include "node/tables.h"
#include "node/writes.h"
#include "store/kv_key.h"

enum { OF_WISH = 'a', OF_REQUEST = 'r' };

static struct torap_kv_key key_of(uint8_t sort, uint64_t number)
{
	struct torap_kv_key key = { .size = 0 };
	torap_kv_key_u8(&key, sort);
	torap_kv_key_u64(&key, number);
	return key;
}

static void put(struct torap_writer *writes, uint8_t sort, uint64_t number, struct torap_writer *value)
{
	struct torap_kv_key key = key_of(sort, number);
	node_writes_put(
		writes, NODE_TABLE_REQUESTS, torap_kv_key_bytes(&key), torap_bytes(value->data, value->size));
	writes->failed = writes->failed || value->failed;
	torap_writer_finish(value);
}

static void gone(struct torap_writer *writes, uint8_t sort, uint64_t number)
{
	struct torap_kv_key key = key_of(sort, number);
	node_writes_delete(writes, NODE_TABLE_REQUESTS, torap_kv_key_bytes(&key));
}

/* The event's place stands last: node_entry.place_at counts from the end. */
static void write_alarm(struct torap_writer *w, const char *site, const struct node_alarm *alarm)
{
	torap_write_u32(w, alarm->kind);
	torap_write_u64(w, (uint64_t)alarm->at.us);
	torap_write_u8(w, (uint8_t)strlen(site));
	torap_write_bytes(w, torap_bytes(site, strlen(site)));
	torap_write_u8(w, alarm->stream.lane);
	torap_write_u64(w, alarm->stream.incarnation);
	torap_write_u64(w, alarm->seq);
}

static bool read_alarm(struct torap_reader *r, const char *writer, char site[static NODE_REGISTRY_ID_MAX + 1],
	struct node_alarm *out)
{
	out->kind = torap_read_u32(r);
	out->at.us = (int64_t)torap_read_u64(r);
	struct torap_bytes text = torap_read_bytes(r, torap_read_u8(r));
	uint32_t lane = torap_read_u8(r);
	uint64_t incarnation = torap_read_u64(r);
	out->seq = torap_read_u64(r);
	if (!torap_read_end(r) || text.size > NODE_REGISTRY_ID_MAX)
		return false;
	memcpy(site, text.data, text.size);
	site[text.size] = 0;
	return torap_stream_id_make(&out->stream, writer, lane, incarnation);
}

void node_request_rows_wish(struct node_entry *entry, const struct node_wish *wish)
{
	struct torap_writer value = { 0 };
	write_alarm(&value, wish->site, &wish->alarm);
	put(&entry->writes, OF_WISH, wish->row, &value);
	entry->place_at = entry->writes.size - NODE_ENTRY_PLACE_SIZE;
}

void node_request_rows_wish_gone(struct torap_writer *writes, uint64_t row)
{
	gone(writes, OF_WISH, row);
}

void node_request_rows_put(struct torap_writer *writes, const struct node_request *request)
{
	struct torap_writer value = { 0 };
	torap_write_u32(&value, request->class.region);
	torap_write_u32(&value, request->class.facility);
	torap_write_u32(&value, request->alarms);
	torap_write_u32(&value, request->cameras);
	torap_write_u32(&value, request->left_out);
	torap_write_u64(&value, (uint64_t)request->made.us);
	torap_write_u8(&value, request->sent);
	write_alarm(&value, request->site, &request->alarm);
	put(writes, OF_REQUEST, request->id, &value);
}

void node_request_rows_gone(struct torap_writer *writes, uint64_t id)
{
	gone(writes, OF_REQUEST, id);
}

static bool read_wish(const struct node_request_rows_reader *to, uint64_t row, struct torap_reader *r)
{
	struct node_wish wish = { .row = row };
	if (!row || !read_alarm(r, to->writer, wish.site, &wish.alarm))
		return false;
	to->on_wish(to->hint, &wish);
	return true;
}

static bool read_request(const struct node_request_rows_reader *to, uint64_t id, struct torap_reader *r)
{
	struct node_request request = { .id = id };
	request.class.region = torap_read_u32(r);
	request.class.facility = (uint16_t)torap_read_u32(r);
	request.alarms = torap_read_u32(r);
	request.cameras = torap_read_u32(r);
	request.left_out = torap_read_u32(r);
	request.made.us = (int64_t)torap_read_u64(r);
	request.sent = torap_read_u8(r);
	if (!id || !read_alarm(r, to->writer, request.site, &request.alarm))
		return false;
	to->on_request(to->hint, &request);
	return true;
}

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	const struct node_request_rows_reader *to = hint;
	struct torap_reader k = torap_reader(key), r = torap_reader(value);
	uint8_t sort = torap_read_u8(&k);
	uint64_t number = torap_read_u64(&k);
	bool known = false;
	if (torap_read_end(&k) && sort == OF_WISH)
		known = read_wish(to, number, &r);
	else if (torap_read_end(&k) && sort == OF_REQUEST)
		known = read_request(to, number, &r);
	if (!known)
		to->on_strange(to->hint, key);
	return 0;
}

int node_request_rows_read(
	struct torap_kv *kv, const struct node_request_rows_reader *reader, struct torap_error *err)
{
	struct node_request_rows_reader to = *reader;
	return node_table_read(kv, NODE_TABLE_REQUESTS, on_row, &to, err);
}

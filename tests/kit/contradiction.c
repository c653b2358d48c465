#include "kit/contradiction.h"

static void other_key_inside(Torap__Manifest *m)
{
	static uint8_t id[TORAP_KEY_ID_SIZE];
	m->key_id = (ProtobufCBinaryData){ sizeof id, id };
}

static void previous_in_batch_1(Torap__Manifest *m)
{
	static uint8_t digest[TORAP_DIGEST_SIZE];
	m->previous = (ProtobufCBinaryData){ sizeof digest, digest };
}

static void batch_no_0(Torap__Manifest *m)
{
	m->batch_no = 0;
}

static void first_seq_0(Torap__Manifest *m)
{
	m->first_seq = 0;
}

static void class_of_another_lane(Torap__Manifest *m)
{
	m->groups[0]->class_->severity = TORAP__SEVERITY__SEVERITY_HIGH;
}

static void region_of_ten_digits(Torap__Manifest *m)
{
	m->groups[0]->class_->region = 1000000000;
}

static void kind_past_16_bits(Torap__Manifest *m)
{
	m->groups[0]->class_->kind = 65536 + TORAP__KIND__KIND_PANIC;
}

static void class_missing(Torap__Manifest *m)
{
	m->groups[0]->class_ = NULL;
}

static void count_too_high(Torap__Manifest *m)
{
	m->count++;
}

static void group_count_0(Torap__Manifest *m)
{
	m->groups[0]->count = 0;
	m->count--;
}

static void events_4097(Torap__Manifest *m)
{
	m->count = m->groups[0]->count = TORAP_BATCH_EVENTS_MAX + 1;
}

static void groups_257(Torap__Manifest *m)
{
	static Torap__Group groups[TORAP_BATCH_GROUPS_MAX + 1];
	static Torap__Class classes[TORAP_BATCH_GROUPS_MAX + 1];
	static Torap__Group *list[TORAP_BATCH_GROUPS_MAX + 1];
	for (unsigned i = 0; i <= TORAP_BATCH_GROUPS_MAX; i++) {
		classes[i] = *m->groups[0]->class_;
		classes[i].region += i;
		groups[i] = *m->groups[0];
		groups[i].class_ = &classes[i];
		list[i] = &groups[i];
	}
	m->groups = list;
	m->count = (uint32_t)(m->n_groups = TORAP_BATCH_GROUPS_MAX + 1);
}

static void groups_none(Torap__Manifest *m)
{
	m->n_groups = 0;
}

static void group_twice(Torap__Manifest *m)
{
	*m->groups[1]->class_ = *m->groups[0]->class_;
}

static void subject_of_15_bytes(Torap__Manifest *m)
{
	static uint8_t subject[15];
	m->groups[0]->subject = (ProtobufCBinaryData){ sizeof subject, subject };
}

static void parts_swapped(Torap__Manifest *m)
{
	Torap__Part *first = m->groups[0]->parts[0];
	m->groups[0]->parts[0] = m->groups[0]->parts[1];
	m->groups[0]->parts[1] = first;
}

static void part_twice(Torap__Manifest *m)
{
	m->groups[0]->parts[1]->part = TORAP__PART_KIND__PART_OPEN;
}

static void part_without_open(Torap__Manifest *m)
{
	m->groups[0]->parts[0]->part = TORAP__PART_KIND__PART_PERSONAL;
}

static void part_unknown(Torap__Manifest *m)
{
	m->groups[0]->parts[1]->part = (Torap__PartKind)4;
}

static void part_of_salt_alone(Torap__Manifest *m)
{
	m->groups[0]->parts[0]->length = TORAP_SALT_SIZE;
}

static void part_too_long(Torap__Manifest *m)
{
	m->groups[0]->parts[0]->length = TORAP_FRAME_SIZE_MAX + 1;
}

static void frames_digest_too_short(Torap__Manifest *m)
{
	m->frames.len--;
}

static void frames_digest_missing(Torap__Manifest *m)
{
	m->frames = (ProtobufCBinaryData){ 0 };
}

static void digest_unknown(Torap__Manifest *m)
{
	m->digest = (Torap__DigestAlgorithm)2;
}

static void compression_unknown(Torap__Manifest *m)
{
	m->compression = (Torap__Compression)2;
}

static void writer_malformed(Torap__Manifest *m)
{
	m->stream->writer = (char *)"Node Kostanay";
}

const struct contradiction contradictions[] = {
	{ "key-id-differs", other_key_inside, "key_id inside and outside differ" },
	{ "previous-in-batch-1", previous_in_batch_1, "previous in batch 1" },
	{ "batch-number-0", batch_no_0, "batch number 0" },
	{ "first-seq-0", first_seq_0, "first_seq 0" },
	{ "class-of-another-lane", class_of_another_lane, "a class that belongs to another lane" },
	{ "class-missing", class_missing, "a group without class" },
	{ "region-of-ten-digits", region_of_ten_digits, "a region past 999999999" },
	{ "kind-past-16-bits", kind_past_16_bits, "a kind past 65535" },
	{ "counts-do-not-add-up", count_too_high, "group counts do not add up to count" },
	{ "group-count-0", group_count_0, "a group of no events" },
	{ "events-4097", events_4097, "more than 4096 events" },
	{ "groups-257", groups_257, "more than 256 groups" },
	{ "groups-none", groups_none, "no groups" },
	{ "group-twice", group_twice, "two groups of one class" },
	{ "subject-of-15-bytes", subject_of_15_bytes, "a subject that is not 16 bytes long" },
	{ "parts-swapped", parts_swapped, "personal listed before open" },
	{ "part-twice", part_twice, "open listed twice" },
	{ "part-without-open", part_without_open, "no open part" },
	{ "part-unknown", part_unknown, "a part that does not exist" },
	{ "part-of-salt-alone", part_of_salt_alone, "a part of 16 bytes: no message" },
	{ "part-too-long", part_too_long, "an open part of more than 1 MiB" },
	{ "frames-digest-too-short", frames_digest_too_short, "a digest of the frames' digests of 31 bytes" },
	{ "frames-digest-missing", frames_digest_missing, "no digest of the frames' digests" },
	{ "digest-unknown", digest_unknown, "a digest algorithm that does not exist" },
	{ "compression-unknown", compression_unknown, "a compression that does not exist" },
	{ "writer-malformed", writer_malformed, "a writer id with characters that are not allowed" },
	{ NULL, NULL, NULL },
};

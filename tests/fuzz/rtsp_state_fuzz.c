/* What torap-rtsp reads back after a restart, by the first byte: a baseline, a health, open outages (as version 2 or 3), a record of either state file.  What has
 * a digest in its file gets it here, so that what stands behind it is reached too.  What is taken is written again as the same, and the agent
 * goes on with it. */
#include <assert.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/observe.h"
#include "agents/rtsp/outage/mass.h"
#include "agents/rtsp/outage/outage_state.h"
#include "agents/rtsp/state.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAMERAS = 8, DIGEST = 16 };
static const struct rtsp_now now = { { 1000000 }, { 1795687200LL * TORAP_US_PER_S } };

static void write_digest(struct torap_writer *w, struct torap_bytes of)
{
	uint8_t digest[DIGEST];
	crypto_generichash(digest, DIGEST, of.data, of.size, NULL, 0);
	torap_write_bytes(w, torap_bytes(digest, DIGEST));
}

static void expect_same(struct torap_writer *a, struct torap_writer *b)
{
	assert(!a->failed && !b->failed && a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
	torap_writer_finish(a);
	torap_writer_finish(b);
}

enum { PICTURES = 2 };
static struct rtsp_measure measures[PICTURES];

/* Some edges, and where they are found a little aside. */
static void measure_pictures(void)
{
	static struct rtsp_picture p;
	for (int i = 0; i < PICTURES; i++) {
		for (int y = 0; y < RTSP_PICTURE_HEIGHT; y++)
			for (int x = 0; x < RTSP_PICTURE_WIDTH; x++)
				p.luma[y][x] =
					(uint8_t)((x + i) / 13 * 70 + y / 11 * 45 + (x * 7 + y * 3) % 9);
		p.shot = (struct rtsp_shot){ .arrived = { now.mono.us + i * 10000000LL },
			.arrived_wall = { now.wall.us + i * 10000000LL },
			.width = 640,
			.height = 360 };
		memset(&p.marks, i, sizeof p.marks);
		rtsp_measure_picture(&measures[i], &p);
	}
}

static void judge_with(const struct rtsp_baseline *b)
{
	static struct rtsp_sight sight;
	sight = (struct rtsp_sight){ .baseline = *b };
	if (!measures[0].shot.width)
		measure_pictures();
	for (int i = 0; i < PICTURES; i++) {
		struct rtsp_verdict v;
		rtsp_judge(&v, &sight, &measures[i], &rtsp_profile_default);
		assert(v.sight < RTSP_FAULTS && isfinite(v.sharpness_usual) && isfinite(v.match.likeness));
		rtsp_baseline_learn(&sight.baseline, &measures[i]);
	}
	struct torap_writer w = { 0 };
	rtsp_baseline_encode(&sight.baseline, &w);
	bool good = rtsp_baseline_decode(&sight.baseline, torap_bytes(w.data, w.size));
	assert(good);
	torap_writer_finish(&w);
}

static void read_baseline(struct torap_bytes bytes)
{
	static struct rtsp_baseline b, again;
	struct torap_writer w = { 0 }, x = { 0 };
	if (!rtsp_baseline_decode(&b, bytes))
		return;
	for (int64_t hour = 0; hour < 24; hour++) {
		struct rtsp_usual u =
			rtsp_baseline_usual(&b, (struct torap_wall){ hour * 3600 * TORAP_US_PER_S });
		assert(isfinite(u.sharpness) && isfinite(u.structured) && isfinite(u.mean));
	}
	rtsp_baseline_encode(&b, &w);
	bool good = rtsp_baseline_decode(&again, torap_bytes(w.data, w.size));
	assert(good);
	rtsp_baseline_encode(&again, &x);
	expect_same(&w, &x);
	judge_with(&b);
}

static void read_health(struct torap_bytes bytes)
{
	struct rtsp_health h, again;
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	struct torap_writer w = { 0 }, x = { 0 };
	if (!rtsp_health_decode(&h, bytes, now))
		return;
	rtsp_health_encode(&h, &w);
	bool good = rtsp_health_decode(&again, torap_bytes(w.data, w.size), now);
	assert(good && rtsp_health_open(&h) == rtsp_health_open(&again));
	rtsp_health_encode(&again, &x);
	expect_same(&w, &x);
	struct rtsp_now later = now;
	for (int i = 0; i < 12; i++, later.mono.us += 400 * (int64_t)TORAP_US_PER_S) {
		const struct rtsp_verdict v = { .faults = 0 };
		unsigned count =
			i & 4 ? rtsp_health_failure(&h, RTSP_OUTCOME_NO_ROUTE, false, &rtsp_profile_default,
					later, reports)
			      : rtsp_health_picture(&h, &v, false, &rtsp_profile_default, later, reports);
		assert(count <= RTSP_REPORTS_MAX);
		while (count--) {
			struct rtsp_observation o;
			rtsp_observe(&o, "camera", &reports[count], later.wall);
		}
	}
}

/* Cameras "0" to "7": two switches, two audiences. */
static struct rtsp_cameras cameras;
static struct rtsp_outages outages;
static bool planned; /* something is, as of now */

static void on_tell(void *hint, uint32_t slot, const struct rtsp_report *report)
{
	(void)hint;
	struct rtsp_observation o;
	rtsp_observe(&o, cameras.slots[slot]->address, report, now.wall);
}

static void on_tell_mass(void *hint, const struct rtsp_mass *mass)
{
	(void)hint;
	struct rtsp_observation o;
	const uint64_t number = mass->share->number;
	const struct rtsp_camera *c = rtsp_cameras_find(&cameras, mass->share->first);
	struct rtsp_mass_note *note = c ? rtsp_mass_note_create(mass, &cameras) : NULL;
	if (note) {
		rtsp_observe_mass(&o, c->address, note, now.wall);
		rtsp_observe_excuse(&o, note->planned);
	}
	rtsp_mass_note_destroy(note);
	if (!c)
		rtsp_outages_taken(&outages, number, mass->state, false);
}

static void on_hurry(void *hint, uint32_t slot, enum rtsp_fault fault)
{
	(void)hint;
	assert(slot < CAMERAS && fault < RTSP_FAULTS);
}

static struct kit_planned *on_excuse(void *hint, uint32_t slot)
{
	static struct kit_planned order = { .who = (char *)"order 5", .why = (char *)"rewiring", .refs = 1 };
	(void)hint;
	assert(slot < CAMERAS);
	return planned ? &order : NULL;
}

static void open_cameras(void)
{
	static const char *const names[CAMERAS] = { "0", "1", "2", "3", "4", "5", "6", "7" };
	struct kit_row rows[CAMERAS];
	for (size_t i = 0; i < CAMERAS; i++)
		rows[i] = (struct kit_row){ .address = names[i],
			.device = names[i],
			.url = "rtsp://c/1",
			.sub_url = "",
			.key_name = "",
			.profile = "",
			.site = "school",
			.switch_name = i < 4 ? "a" : "b",
			.recorder = "",
			.street = "",
			.mode = "" };
	int r = rtsp_cameras_set(&cameras, rows, CAMERAS, false, NULL, NULL);
	assert(r == 0);
	(void)r;
}

static void open_outages(void)
{
	uint64_t numbers[CAMERAS];
	struct rtsp_belongs belongs[CAMERAS];
	outages = (struct rtsp_outages){ .limits = rtsp_outage_limits_default,
		.port = { NULL, on_tell, on_tell_mass, on_hurry, on_excuse } };
	outages.limits.cameras = 3;
	for (uint32_t i = 0; i < CAMERAS; i++) {
		numbers[i] = cameras.slots[i]->number;
		belongs[i] = (struct rtsp_belongs){ .names = { cameras.slots[i]->switch_name, "", "",
							    "school", "" },
			.audience = i % 4 ? 7 : 8 };
	}
	int r = rtsp_outages_set(&outages, numbers, belongs, CAMERAS, now.mono);
	assert(r == 0);
	(void)r;
}

/* Who is in a share is counted there. */
static void check_share(uint32_t place)
{
	const struct rtsp_share *s = &outages.shares[place];
	uint32_t in = 0, dark = 0;
	for (uint32_t k = 0; s->number && k < CAMERAS; k++) {
		const struct rtsp_member *m = rtsp_outages_member(&outages, s->outage->what.fault, k);
		in += m->share == place;
		dark += m->share == place && m->state == RTSP_MEMBER_IN;
	}
	assert(!s->number || s->ended || (s->members == in && s->dark == dark));
}

static void check_shares(void)
{
	for (uint32_t k = 0; k < CAMERAS; k++) {
		for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++) {
			const struct rtsp_member *m = rtsp_outages_member(&outages, f, k);
			const struct rtsp_share *s =
				m->share == RTSP_NO_SHARE ? NULL : &outages.shares[m->share];
			assert(m->state != RTSP_MEMBER_IN || s);
			assert(!s || (m->share < outages.shares_room && s->number && !s->ended &&
					     (int)s->outage->what.fault == f));
		}
	}
	for (uint32_t i = 0; i < outages.shares_room; i++)
		check_share(i);
}

/* What a camera shows in a step, when it answers: half of them are black for a while, and all froze. */
static struct rtsp_verdict verdict_of(int step, uint32_t i)
{
	struct rtsp_verdict v = { .sight = RTSP_GOOD };
	if (step >= 32 && step < 40)
		v.sight = i % 2 ? RTSP_BLACK : RTSP_FROZEN;
	if (v.sight != RTSP_GOOD)
		v.faults = rtsp_fault_bit(v.sight);
	return v;
}

static void look(int step, uint32_t i, struct rtsp_now at)
{
	const bool answers = step < 10 ? i % 2 : step >= 30;
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	const struct rtsp_verdict v = verdict_of(step, i);
	struct rtsp_health *h = &cameras.slots[i]->health;
	if (answers)
		rtsp_outages_seen(&outages, i, &v, 0, at.mono);
	else
		rtsp_outages_failed(&outages, i, RTSP_OUTCOME_NO_ROUTE, at.mono);
	unsigned count = answers ? rtsp_health_picture(h, &v, false, &rtsp_profile_default, at, reports)
				 : rtsp_health_failure(h, RTSP_OUTCOME_NO_ROUTE, false, &rtsp_profile_default,
					   at, reports);
	while (count--)
		rtsp_outages_report(&outages, i, &reports[count], at);
}

/* Half of the cameras come back; all of them go; all come back, see badly, and are well, and the node hears of everything at last. */
static void go_on(void)
{
	struct rtsp_now at = now;
	for (int step = 0; step < 60; step++, at.mono.us += 10 * (int64_t)TORAP_US_PER_S) {
		planned = step % 16 < 8;
		for (uint32_t i = 0; i < CAMERAS; i++)
			look(step, i, at);
		rtsp_outages_step(&outages, at);
		check_shares();
		for (uint32_t i = 0; step % 3 == 0 && i < outages.shares_room; i++) {
			const struct rtsp_share *s = &outages.shares[i];
			if (s->number && !s->untold)
				rtsp_outages_taken(&outages, s->number,
					s->ended ? RTSP_MASS_END : RTSP_MASS_START, step > 20);
		}
	}
}

static void read_outages(int version, struct torap_bytes body)
{
	char magic[32];
	struct torap_writer file = { 0 }, w = { 0 }, x = { 0 };
	int size = snprintf(magic, sizeof magic, "torap-rtsp outages %d\n", version);
	torap_write_bytes(&file, torap_bytes(magic, (size_t)size));
	write_digest(&file, body);
	torap_write_bytes(&file, body);
	open_cameras();
	open_outages();
	bool good = rtsp_outage_state_decode(&outages, &cameras, torap_bytes(file.data, file.size), now);
	if (good) {
		rtsp_outage_state_encode(&outages, &cameras, &w);
		rtsp_outages_finish(&outages);
		open_outages();
		good = rtsp_outage_state_decode(&outages, &cameras, torap_bytes(w.data, w.size), now);
		assert(good);
		rtsp_outage_state_encode(&outages, &cameras, &x);
		expect_same(&w, &x);
	}
	check_shares();
	go_on(); /* also with what was read until it was damaged */
	rtsp_outages_finish(&outages);
	rtsp_cameras_finish(&cameras);
	torap_writer_finish(&file);
}

/* One record with its digest, then whatever stands in the input as such. */
static void read_file(enum rtsp_state_part part, struct torap_bytes body)
{
	static const char *const magics[] = { "torap-rtsp baselines 2\n", "torap-rtsp faults 2\n" };
	struct torap_writer file = { 0 };
	struct torap_error err;
	uint32_t known, damaged;
	char path[64];
	torap_write_bytes(&file, torap_bytes(magics[part], strlen(magics[part])));
	write_digest(&file, body);
	torap_write_u32(&file, (uint32_t)body.size);
	torap_write_bytes(&file, body);
	torap_write_bytes(&file, body);
	int fd = memfd_create("state", MFD_CLOEXEC);
	assert(fd >= 0 && write(fd, file.data, file.size) == (ssize_t)file.size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	open_cameras();
	int r = rtsp_state_load(part, path, &cameras, now, &known, &damaged, &err);
	assert(r == 0 && (body.size == 0 || known + damaged > 0));
	rtsp_cameras_finish(&cameras);
	close(fd);
	torap_writer_finish(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const struct torap_bytes bytes = torap_bytes(data + 1, size - 1);
	switch (data[0]) {
	case 'b':
		read_baseline(bytes);
		break;
	case 'h':
		read_health(bytes);
		break;
	case 'o':
		read_outages(2, bytes);
		break;
	case 'n':
		read_outages(3, bytes);
		break;
	case 'B':
		read_file(RTSP_STATE_BASELINES, bytes);
		break;
	case 'F':
		read_file(RTSP_STATE_FAULTS, bytes);
		break;
	default:
		break;
	}
	return 0;
}

/* judging: judges the pictures of many clips and counts the verdicts.  `run` feeds it; a line on standard input is
 *
 *     camera                              the next clips are of a new camera
 *     learn  HOUR PERIOD WIDTH HEIGHT COMMAND             good pictures that the camera is known by
 *     judge  HOUR PERIOD WIDTH HEIGHT SKIP TRAITS COMMAND     from what was learned, each time
 *
 * COMMAND writes gray pictures of WIDTH×HEIGHT to its standard output; they come PERIOD seconds apart from HOUR on (UTC).  The first SKIP
 * of a judged clip are not counted.  TRAITS: "-", or any of stuck,slow,clock (stream traits that a picture does not hold).  Answer, one a clip:
 *
 *     pictures N  good N  black N …  opened FAULT…        verdicts by picture, then what health reported as started
 *
 * With a file as argument it writes a line of measurements for each picture there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/sight/health.h"
#include "agents/rtsp/sight/judge.h"

struct camera {
	struct rtsp_sight sight;
	struct rtsp_health health;
	struct torap_mono mono;
	uint32_t session;
	int64_t pts_us;
	long pictures; /* judged in this clip */
	unsigned counts[RTSP_FAULTS];
	uint32_t opened;
};

struct clip {
	int hour, period_s, width, height, skip;
	char traits[64];
	const char *command;
};

static struct rtsp_profile profile;
static FILE *says; /* or NULL: a line for each picture */

static void fill_shot(struct camera *c, const struct clip *clip, struct rtsp_shot *shot)
{
	c->mono.us += (int64_t)clip->period_s * TORAP_US_PER_S;
	if (!strstr(clip->traits, "stuck") || c->pictures < clip->skip)
		c->pts_us += (int64_t)clip->period_s * TORAP_US_PER_S;
	int64_t wall_us = (int64_t)20783 * 86400 * TORAP_US_PER_S +
			  (int64_t)clip->hour * 3600 * TORAP_US_PER_S +
			  (int64_t)clip->period_s * c->pictures * TORAP_US_PER_S;
	*shot = (struct rtsp_shot){
		.arrived = c->mono,
		.arrived_wall = { wall_us },
		.sender_clock = { wall_us + (strstr(clip->traits, "clock") ? 20LL * TORAP_US_PER_S : 30000) },
		.session = c->session,
		.pts_known = true,
		.pts_us = c->pts_us,
		.rate_mhz = strstr(clip->traits, "slow") ? 7000 : 25000,
		.codec = RTSP_CODEC_H264,
	};
}

static void judge_one(struct camera *c, const struct clip *clip, struct rtsp_picture *picture)
{
	struct rtsp_measure m;
	struct rtsp_verdict v;
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	rtsp_measure_picture(&m, picture);
	const struct rtsp_reference *r = rtsp_baseline_reference(&c->sight.baseline, &m);
	float usual = r ? r->likeness : 0, at = r ? r->mean : 0;
	struct rtsp_usual hour = rtsp_baseline_usual(&c->sight.baseline, m.shot.arrived_wall);
	rtsp_judge(&v, &c->sight, &m, &profile);
	struct rtsp_now now = { m.shot.arrived, m.shot.arrived_wall };
	unsigned count = rtsp_health_picture(&c->health, &v, false, &profile, now, reports);
	for (unsigned i = 0; i < count; i++)
		if (reports[i].start)
			c->opened |= rtsp_fault_bit(reports[i].fault);
	if (says)
		fprintf(says,
			"%-9s mean %5.1f dev %5.1f noise %4.1f dark %.2f bright %.2f flat %.2f relief %5.1f steps %4.1f "
			"sharp %5.2f of %5.2f by %u like %.2f of %.2f at %.0f judged %u hidden %u here %u else %u lost %u shifted %.2f from %.2f by %d,%d changed %u usually by %.0f spread %.2f turned by %d %.2f otherwise %.2f pale %.2f\n",
			rtsp_fault_name(v.sight), v.mean, v.deviation, v.noise, v.dark, v.bright, v.flat,
			v.relief, v.steps, v.sharpness, v.sharpness_usual, m.structured, v.match.likeness,
			usual, at, v.match.judged, v.match.hidden, v.match.in_place, v.match.elsewhere,
			v.match.lost, v.match.shifted, v.match.unshifted, v.match.right, v.match.down,
			v.changed, hour.structured, hour.sharpness_spread, v.roll.degrees, v.roll.turned,
			v.roll.otherwise, v.pale);
	if (c->pictures++ < clip->skip)
		return;
	for (int i = RTSP_GOOD + 1; i < RTSP_FAULTS; i++)
		c->counts[i] += (v.faults & rtsp_fault_bit(i)) != 0;
	c->counts[RTSP_GOOD] += v.faults == 0;
}

static int play(struct camera *c, const struct clip *clip)
{
	size_t size = (size_t)clip->width * (size_t)clip->height;
	uint8_t *frame = malloc(size);
	FILE *pipe = frame ? popen(clip->command, "r") : NULL;
	if (!pipe) {
		free(frame);
		return -1;
	}
	c->session++;
	while (fread(frame, 1, size, pipe) == size) {
		struct rtsp_picture picture;
		fill_shot(c, clip, &picture.shot);
		if (rtsp_picture_from_luma(&picture, frame, clip->width, clip->width, clip->height))
			judge_one(c, clip, &picture);
	}
	free(frame);
	return pclose(pipe);
}

static void answer(const struct camera *c, const struct clip *clip)
{
	printf("pictures %ld", c->pictures - clip->skip);
	for (int i = 0; i < RTSP_FAULTS; i++)
		printf("\t%s %u", rtsp_fault_name((enum rtsp_fault)i), c->counts[i]);
	printf("\topened");
	for (int i = 0; i < RTSP_FAULTS; i++)
		if (c->opened & rtsp_fault_bit(i))
			printf(" %s", rtsp_fault_name((enum rtsp_fault)i));
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct camera known, judged;
	static char line[1 << 16];
	if (argc > 1 && !(says = fopen(argv[1], "w"))) {
		perror(argv[1]);
		return 1;
	}
	profile = rtsp_profile_default;
	profile.width_min = 320;
	profile.height_min = 180;
	profile.rate_min_mhz = 12000;
	while (fgets(line, sizeof line, stdin)) {
		struct clip clip = { 0 };
		int begin = 0;
		line[strcspn(line, "\n")] = 0;
		if (strcmp(line, "camera") == 0) {
			known = (struct camera){ 0 };
			continue;
		}
		if (sscanf(line, "learn %d %d %d %d %n", &clip.hour, &clip.period_s, &clip.width,
			    &clip.height, &begin) == 4 &&
			begin) {
			clip.command = line + begin;
			known.pictures = 0;
			known.opened = 0;
			memset(known.counts, 0, sizeof known.counts);
			if (play(&known, &clip))
				return 1;
			answer(&known, &clip);
			continue;
		}
		begin = 0;
		if (sscanf(line, "judge %d %d %d %d %d %63s %n", &clip.hour, &clip.period_s, &clip.width,
			    &clip.height, &clip.skip, clip.traits, &begin) != 6 ||
			!begin) {
			fprintf(stderr, "judging: cannot read: %s\n", line);
			return 1;
		}
		clip.command = line + begin;
		judged = known;
		judged.pictures = 0;
		judged.opened = 0;
		memset(judged.counts, 0, sizeof judged.counts);
		if (play(&judged, &clip))
			return 1;
		answer(&judged, &clip);
	}
	return 0;
}

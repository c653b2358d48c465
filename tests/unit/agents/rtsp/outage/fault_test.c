/* Cameras that see badly together: each fault is as much one event as a dead switch is. */
#include "agents/rtsp/outage/outage.h"

#include "tests/unit/agents/rtsp/outage/district.h"

#define BIT(fault) (1u << RTSP_##fault)
#define DEAD       RTSP_OUTCOME_TIMEOUT_CONNECT
#define WELL       RTSP_OUTCOME_PICTURE

/* 64 channels of a recorder, of which those from `held` on are held, beside as many of another. */
static void open_recorder(uint32_t held)
{
	district_open(200);
	district_belong(0, 64, RTSP_COMMON_RECORDER, "nvr-1");
	district_belong(64, 128, RTSP_COMMON_RECORDER, "nvr-2");
	for (uint32_t i = 0; i < 64; i++)
		district.held[i] = i >= held;
	district_set();
	district_run(300);
	district_expect(0);
}

/* How many of what was told were neither a start nor an end. */
static unsigned changes(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < district.told_count; i++)
		count += strstr(district.told[i].text, "change") != NULL;
	return count;
}

Test(outage_fault, dump, .fini = district_close)
{
	const uint32_t faults[] = { BIT(FROZEN), BIT(BLACK), BIT(WRONG_CLOCK), BIT(WRONG_RATE) };
	for (int k = 0; k < 4; k++) {
		for (int held = 0; held <= 64; held += 32) {
			open_recorder((uint32_t)held);
			int64_t t = district.now_s;
			district_show(0, 64, faults[k]);
			district_run(1200);
			int64_t u = district.now_s;
			district_show(0, 64, 0);
			district_run(1200);
			fprintf(stderr, "== %x held %d\n", faults[k], 64 - held);
			for (unsigned i = 0; i < district.told_count; i++)
				fprintf(stderr, "%lld s: %s, %u %u\n",
					(long long)(district.told[i].at_s -
						    (district.told[i].at_s >= u ? u : t)),
					district.told[i].text, district.told[i].count,
					district.told[i].others_count);
			fprintf(stderr, "changes %u looks %llu\n", changes(),
				(unsigned long long)district.looks);
			if (k * 64 + held < 256)
				district_close();
		}
	}
	district_open(3);
}

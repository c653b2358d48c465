/* profile.h: what a site requires of its cameras, and from when on something is a fault.
 *
 * A file holds profiles by name; a key that is left out has its default, and without a file there is one profile, "default".
 * deploy/rtsp/profiles.yaml is an example with every key. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct torap_error;

enum { RTSP_PROFILE_NAME_MAX = 31 };

struct rtsp_profile {
	char name[RTSP_PROFILE_NAME_MAX + 1];
	uint32_t ignored; /* rtsp_fault_bit() of faults that are not reported */

	/* Requirements; 0: none. */
	uint16_t width_min, height_min;
	uint32_t rate_min_mhz;
	int64_t clock_off_us_max;

	/* When is a picture faulty?  README.md, "How a picture is judged". */
	float black_dark_min;      /* share of dark values */
	float white_bright_min;    /* share of bright values; less of what is not usually so bright */
	float uniform_flat_min;    /* share of flat blocks */
	float uniform_relief_max;  /* luma values between them and a plane */
	float defocus_drop_min;    /* how many halvings of sharpness */
	float moved_elsewhere_min; /* share of regions that are found at another place */
	float moved_in_place_max;  /* or no more than this share in place, in known light */
	uint16_t learn_pictures;   /* good ones, before defocused and moved are judged */
	int64_t frozen_after_us;   /* no change for so long */
	uint8_t frozen_blocks; /* up to so many blocks may change in a frozen picture: the clock in its corner */

	/* When is a camera?  health.h. */
	uint8_t start_pictures, end_pictures; /* bad ones, good ones in succession */
	int64_t start_after_us, end_after_us; /* and for at least so long */
	uint8_t offline_attempts;             /* failures in succession */
	int64_t offline_after_us;             /* and for at least so long */
	uint8_t flap_starts;                  /* so many within flap_window: the fault is held */
	int64_t flap_window_us, flap_calm_us; /* until it stayed away for flap_calm */
};
extern const struct rtsp_profile rtsp_profile_default;

struct rtsp_profiles {
	struct rtsp_profile *list; /* owned; the first is "default" */
	size_t count;
};

/* path NULL: only the default.  0, or a negative error with file, line and reason; *out is then untouched. */
int rtsp_profiles_load(struct rtsp_profiles *out, const char *path, struct torap_error *err);
void rtsp_profiles_finish(struct rtsp_profiles *p);
/* NULL: there is none of that name.  NULL and "" as names mean "default". */
const struct rtsp_profile *rtsp_profiles_find(const struct rtsp_profiles *p, const char *name);

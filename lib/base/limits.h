/* limits.h: what is refused, and why there.  The numbers that two processes must agree on stand in proto/README.md too. */
#pragma once

enum {
	/* Batches (DESIGN.md, "A sealed batch"). */
	TORAP_BATCH_EVENTS_MAX = 4096,        /* an offset fits two varint bytes, a batch a second of work */
	TORAP_BATCH_GROUPS_MAX = 256,         /* keeps a manifest below 64 KiB */
	TORAP_BATCH_FRAMES_MAX = 256 * 3,     /* three parts a group */
	TORAP_FRAME_SIZE_MAX = 1 << 20,       /* open, personal: what one credit can hold */
	TORAP_IMAGE_FRAME_SIZE_MAX = 8 << 20, /* a full-size JPEG */
	TORAP_MANIFEST_SIZE_MAX = 64 << 10,   /* 256 groups of three parts take a third of it */
	TORAP_BATCH_SIZE_MAX = 16 << 20,      /* all frames of a batch */
	TORAP_EVENT_PART_SIZE_MAX = 60 << 10, /* one event's open or personal part */
	TORAP_RUN_MANIFESTS_MAX = 256,        /* manifests in one run */
	TORAP_RUN_SIZE_MAX = 1 << 20,

	/* Names and digests. */
	TORAP_WRITER_ID_MAX = 31, /* [a-z0-9-] */
	TORAP_DIGEST_SIZE = 32,   /* BLAKE2b-256 */
	TORAP_KEY_ID_SIZE = 8,
	TORAP_SUBJECT_SIZE = 16,
	TORAP_SALT_SIZE = 16,
	TORAP_SIGNATURE_SIZE = 64,
	TORAP_CURVE_KEY_SIZE = 32,
	TORAP_SIGN_KEY_SIZE = 32,

	/* Links. */
	TORAP_MESSAGE_SIZE_MAX = 9 << 20, /* ZMQ_MAXMSGSIZE: the largest frame and some */
	TORAP_POSITIONS_MAX = 4096,       /* streams in one hello or ack */
	TORAP_STREAMS_MAX = 4096,         /* that one process stores */
	TORAP_HOLES_MAX = 65536,          /* of one stream, remembered */
	TORAP_HOLES_ASKED_MAX = 1024,     /* of one stream in one message: what an answer is kept ready for */

	/* Agents. */
	TORAP_OBSERVATION_SIZE_MAX = 64 << 10, /* but for its image */
	TORAP_OBSERVATION_IMAGE_MAX =
		(8 << 20) - (1 << 10), /* with what is said of it, it fills an image frame */
	TORAP_OFFER_OBSERVATIONS_MAX = 1024,
	TORAP_REPEAT_KEY_MAX = 64,
	TORAP_ADDRESS_MAX = 64,
};

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "loop/wake.h"

enum { SENDERS = 3, EACH = 50000 };

static struct {
	uv_loop_t loop;
	struct torap_wake wake;
	pthread_mutex_t mutex;
	unsigned there, taken, calls, until; /* the first under the mutex */
	unsigned closed;
} one;

static void on_closed(uv_handle_t *handle)
{
	cr_assert_eq(handle->data, &one);
	one.closed++;
}

static void on_wake(struct torap_wake *wake)
{
	cr_assert_eq(wake, &one.wake);
	pthread_mutex_lock(&one.mutex);
	one.taken += one.there;
	one.there = 0;
	pthread_mutex_unlock(&one.mutex);
	one.calls++;
	if (one.taken == one.until)
		torap_wake_close(
			wake, on_closed); /* A thread may still be on its way out of torap_wake_send(). */
}

static void put(void)
{
	pthread_mutex_lock(&one.mutex);
	one.there++;
	pthread_mutex_unlock(&one.mutex);
	torap_wake_send(&one.wake);
}

static void *put_many(void *hint)
{
	(void)hint;
	for (int i = 0; i < EACH; i++)
		put();
	return NULL;
}

static void set_up(void)
{
	uv_loop_init(&one.loop);
	pthread_mutex_init(&one.mutex, NULL);
	cr_assert_eq(torap_wake_open(&one.wake, &one.loop, on_wake, NULL), 0);
	one.wake.poll.data = &one;
}

/* The loop ends by itself only when all was taken: what is lost would hang it. */
static void run_until(unsigned taken)
{
	one.until = taken;
	uv_run(&one.loop, UV_RUN_DEFAULT);
	cr_assert_eq(one.taken, taken);
	cr_assert_eq(one.closed, 1);
	cr_assert_eq(uv_loop_close(&one.loop), 0);
	torap_wake_send(&one.wake);
}

Test(wake, hears_once_for_all_that_was_sent, .init = set_up)
{
	for (int i = 0; i < 10; i++)
		put();
	run_until(10);
	cr_assert_eq(one.calls, 1);
	torap_wake_finish(&one.wake);
}

Test(wake, loses_nothing_that_threads_send, .init = set_up, .timeout = 60)
{
	pthread_t senders[SENDERS];
	for (int i = 0; i < SENDERS; i++)
		cr_assert_eq(pthread_create(&senders[i], NULL, put_many, NULL), 0);
	run_until(SENDERS * EACH);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	torap_wake_finish(&one.wake);
}

Test(wake, says_that_no_descriptor_is_left)
{
	uv_loop_init(&one.loop);
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(next);
	const struct rlimit limit = { (rlim_t)next, (rlim_t)next };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	struct torap_error err;
	cr_assert_eq(torap_wake_open(&one.wake, &one.loop, on_wake, &err), -EMFILE);
	cr_assert_str_eq(err.text, "cannot wake the loop: Too many open files");
	cr_assert_eq(uv_loop_close(&one.loop), 0);
	torap_wake_finish(&one.wake);
}

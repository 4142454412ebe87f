/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of threads: a queue under a mutex, and a condition.
 */
#include "host/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "host/xmalloc.h"

#define STACK_SIZE (512u << 10)

struct job {
	struct job *next;
	struct loop *loop;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* all under lock */
	struct job *first, **last;
	size_t nwaiting, nrunning, queue_max;
	bool ends;

	unsigned int nthreads;
	pthread_t threads[];
};

static struct job *take_job(struct jobs *j)
{
	struct job *job;

	while (!j->first && !j->ends)
		pthread_cond_wait(&j->changed, &j->lock);
	job = j->first;
	if (!job)
		return NULL;
	j->first = job->next;
	if (!j->first)
		j->last = &j->first;
	j->nwaiting--;
	j->nrunning++;
	return job;
}

static void *thread_main(void *arg)
{
	struct jobs *j = arg;
	struct job *job;

	pthread_mutex_lock(&j->lock);
	while ((job = take_job(j))) {
		pthread_mutex_unlock(&j->lock);
		job->work(job->arg);
		if (job->done)
			loop_post(job->loop, job->done, job->arg);
		free(job);
		pthread_mutex_lock(&j->lock);
		j->nrunning--;
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

static int start_threads(struct jobs *j, unsigned int nthreads)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!r && j->nthreads < nthreads) {
		r = pthread_create(&j->threads[j->nthreads], &attr, thread_main,
				   j);
		if (!r)
			j->nthreads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

int jobs_new(unsigned int nthreads, size_t queue_max, struct jobs **out)
{
	struct jobs *j =
		xcalloc(1, sizeof(*j) + nthreads * sizeof(j->threads[0]));
	int r;

	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->changed, NULL);
	j->last = &j->first;
	j->queue_max = queue_max;
	r = start_threads(j, nthreads);
	if (r < 0) {
		jobs_free(j);
		return r;
	}
	*out = j;
	return 0;
}

int jobs_submit(struct jobs *j, struct loop *loop, void (*work)(void *arg),
		void (*done)(void *arg), void *arg)
{
	struct job *job = xmalloc(sizeof(*job));
	int r = 0;

	*job = (struct job){
		.loop = loop, .work = work, .done = done, .arg = arg
	};
	pthread_mutex_lock(&j->lock);
	if (j->ends || j->nwaiting >= j->queue_max) {
		r = -EAGAIN;
	} else {
		*j->last = job;
		j->last = &job->next;
		j->nwaiting++;
		pthread_cond_signal(&j->changed);
	}
	pthread_mutex_unlock(&j->lock);
	if (r < 0)
		free(job);
	return r;
}

size_t jobs_count(struct jobs *j)
{
	size_t n;

	pthread_mutex_lock(&j->lock);
	n = j->nwaiting + j->nrunning;
	pthread_mutex_unlock(&j->lock);
	return n;
}

void jobs_free(struct jobs *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	j->ends = true;
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
	for (unsigned int i = 0; i < j->nthreads; i++)
		pthread_join(j->threads[i], NULL);
	pthread_cond_destroy(&j->changed);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

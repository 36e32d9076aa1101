/*
 * The queue file of a corpus, used directly while no broker has it.
 */
#ifndef OPS_CORPUS_QUEUE_H
#define OPS_CORPUS_QUEUE_H

#include "broker/queue.h"

/* To look at, without writing.  E_BUSY while a broker has it (ask the broker instead), E_NO_FILE
 * when the directory holds none, E_SYSTEM when it may not be read. */
int corpus_queue_look(const char *corpus, struct queue **q) MUST_CHECK;

/* To change it; fails as above. */
int corpus_queue_open(const char *corpus, struct queue **q) MUST_CHECK;

#endif

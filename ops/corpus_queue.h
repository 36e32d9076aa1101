/*
 * The queue file of a corpus, read directly while no broker has it.
 */
#ifndef OPS_CORPUS_QUEUE_H
#define OPS_CORPUS_QUEUE_H

#include "broker/queue.h"

/* E_BUSY while a broker has it (ask the broker instead), E_NO_FILE when the directory holds none.
 */
int corpus_queue_open(const char *corpus, struct queue **q) MUST_CHECK;

#endif

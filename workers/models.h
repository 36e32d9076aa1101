/*
 * The models a worker grinds with: detector, scene-graph parser, vocabulary.  Opened once, before
 * the compute processes are forked, and read-only ever after, so that they share the memory.
 */
#ifndef WORKERS_MODELS_H
#define WORKERS_MODELS_H

#include "detector/detector.h"
#include "recipes/wordpiece.h"
#include "sceneparse/sceneparse.h"
#include "workers/worker.h"

struct models {
    struct detector *detector;
    struct sg_model *parser;
    struct wordpiece *wordpiece;
    char *about; /* JSON about all of them, for the shards: names, digests, vocabularies */
};

int models_open(const struct worker_options *options, struct models *m) MUST_CHECK;
void models_close(struct models *m);

#endif

/*
 * The model files a worker uses: those named on the command line, else those that ship with
 * pairmill.
 */
#ifndef OPS_MODEL_FILES_H
#define OPS_MODEL_FILES_H

#include "workers/worker.h"

#define DEMO_MODEL_FILE   "demo/model.safetensors"
#define PARSER_MODEL_FILE "sceneparse/captions.sgm"

struct model_files {
    char *detector; /* those that were looked up; freed by model_files_release() */
    char *parser;
};

/* Fills options->model and options->parser_model where they are NULL. */
int model_files_find(struct model_files *files, struct worker_options *options) MUST_CHECK;
void model_files_release(struct model_files *files);

#endif

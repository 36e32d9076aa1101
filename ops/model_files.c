#include "ops/model_files.h"

#include <stdlib.h>

#include "common/paths.h"

int model_files_find(struct model_files *files, struct worker_options *options)
{
    *files = (struct model_files){0};
    int rc = 0;
    if (!options->model) {
        rc = paths_find_data(DEMO_MODEL_FILE, &files->detector);
        options->model = files->detector;
    }
    if (rc == 0 && !options->parser_model) {
        rc = paths_find_data(PARSER_MODEL_FILE, &files->parser);
        options->parser_model = files->parser;
    }
    return rc;
}

void model_files_release(struct model_files *files)
{
    free(files->detector);
    free(files->parser);
    *files = (struct model_files){0};
}

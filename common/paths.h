/*
 * Where pairmill's own files are: the data that ships with it (default model, vocabulary, parser
 * model) and its sibling program.  They are looked for in $PAIRMILL_DATA, then in the source tree
 * around the executable (build/<variant>/pairmill), then in ../share/pairmill of an installation.
 */
#ifndef COMMON_PATHS_H
#define COMMON_PATHS_H

#include "common/err.h"

/* Finds a data file by its path in the source tree ("demo/model.safetensors"); the result is
 * malloc'ed, the caller frees it.  E_NO_FILE names the places tried. */
int paths_find_data(const char *name, char **out) MUST_CHECK;

/* The program `name` beside this executable; malloc'ed. */
int paths_find_program(const char *name, char **out) MUST_CHECK;

#endif

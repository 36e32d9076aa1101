/* A directory of a test's own, and copies of it. */
#ifndef TESTS_UNIT_TEMPDIR_H
#define TESTS_UNIT_TEMPDIR_H

enum { TEMPDIR_MAX = 64 };

/* Makes a new empty directory under /tmp; `out` holds TEMPDIR_MAX bytes. */
void tempdir_make(char *out);

/* dir/name, good until the test's end; for 64 names a test. */
const char *tempdir_path(const char *dir, const char *name);

/* Copies the files (not the subdirectories) of `from` into the existing directory `to`. */
void tempdir_copy(const char *from, const char *to);

/* Deletes a directory and all in it. */
void tempdir_remove(const char *dir);

#endif

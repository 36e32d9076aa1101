/*
 * What the end-to-end tests share: a folder of their own, images made by code, and the real
 * programs started as a user starts them.  Every wait is for an event, with a deadline.
 */
#ifndef TESTS_E2E_MILL_H
#define TESTS_E2E_MILL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MILL_PATH = 512, MILL_OUTPUT = 1 << 16 };

/* A fresh folder under /tmp; removed by mill_clean(). */
void mill_dir(char dir[MILL_PATH]);
void mill_clean(const char *dir);

/* dir/name, valid until mill_clean() */
const char *mill_path(const char *dir, const char *name);

/* A small JPEG whose pixels depend on `number`, so that no two are the same medium. */
void mill_jpeg(const char *path, unsigned number);
void mill_file(const char *path, const char *bytes, size_t n);
void mill_text(const char *path, const char *text);

/* COCO captions of `images` images made in dir/images, `captions` each; gives the JSON's path. */
const char *mill_coco(const char *dir, unsigned images, unsigned captions);

/* Runs `pairmill args...` (NULL-terminated) to its end; standard output and error together in
 * `output`. Fails the test when it takes longer than two minutes. */
int mill_run(char output[MILL_OUTPUT], const char *const *args);
#define MILL_RUN(output, ...) mill_run(output, (const char *const[]){__VA_ARGS__, NULL})

/* The same for another program, looked up in PATH. */
int mill_run_program(char output[MILL_OUTPUT], const char *const *args);
#define MILL_RUN_PROGRAM(output, ...) \
    mill_run_program(output, (const char *const[]){__VA_ARGS__, NULL})

/* Starts it in the background, in a process group of its own, its output into `log`. */
pid_t mill_start(const char *log, const char *const *args);
#define MILL_START(log, ...) mill_start(log, (const char *const[]){__VA_ARGS__, NULL})

/* Its exit code once it has ended, -signal when it was killed; fails the test after `seconds`. */
int mill_wait(pid_t pid, int seconds);
bool mill_has_ended(pid_t pid, int *code);

/* kill -9 of the whole process group. */
void mill_kill_group(pid_t pid);

/* Processes below `ancestor` whose command line contains `word` (all generations); returns how
 * many. */
int mill_descendants(pid_t ancestor, const char *word, pid_t *out, int most);

/* A number of `pairmill status --json`, or -1 when no broker answers; `target` is a corpus or tcp
 * address. */
long mill_status(const char *target, const char *key);

/* Waits until done() says so; fails the test after `seconds`. */
void mill_until(bool (*done)(void *arg), void *arg, int seconds, const char *what);

#endif

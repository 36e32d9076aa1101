/* Commands that look at a corpus on which they may not write, or of which they may not read all. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/broker.h"
#include "common/file.h"
#include "ops/command.h"
#include "tests/unit/corpora.h"
#include "tests/unit/tempdir.h"

enum { NOBODY = 65534 };

static char dir[TEMPDIR_MAX];
static char queue[TEMPDIR_MAX + 16];
static char said[TEMPDIR_MAX + 16];

/* A corpus with a queue that holds no pair; output goes to a file from here on. */
static void begin(void)
{
    const struct queue_options options = queue_default_options();
    struct queue *q = NULL;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){2, 1, 1, 3, 16, 0});
    snprintf(queue, sizeof queue, "%s/%s", dir, QUEUE_FILE);
    cr_assert_eq(queue_open(queue, &options, &q), 0, "%s", err_text());
    queue_close(q);
    snprintf(said, sizeof said, "%s.said", dir);
    cr_assert_not_null(freopen(said, "we", stdout));
    cr_assert_neq(dup2(STDOUT_FILENO, STDERR_FILENO), -1);
}

static void end(void)
{
    chmod(dir, 0700);
    tempdir_remove(dir);
    unlink(said);
}

TestSuite(corpus_queue, .init = begin, .fini = end);

/* As one who is not the owner's friend: root passes by all modes, so as nobody. */
static int run_as_stranger(command_fn command, const char *verb)
{
    char *argv[] = {(char *)verb, dir, NULL};
    const bool root = geteuid() == 0;
    cr_assert(!root || seteuid(NOBODY) == 0);
    const int code = command(2, argv);
    cr_assert(!root || seteuid(0) == 0);
    fflush(stdout);
    return code;
}

static void expect_said(const char *words)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    cr_assert_eq(file_read(said, &text), 0, "%s", err_text());
    cr_assert_eq(buf_terminate(&text), 0);
    cr_assert_not_null(strstr((const char *)text.p, words), "not said: %s", words);
    buf_release(&text);
}

Test(corpus_queue, is_told_where_it_may_only_be_read)
{
    cr_assert_eq(chmod(queue, 0444), 0);
    cr_assert_eq(chmod(dir, 0555), 0);
    cr_assert_eq(run_as_stranger(cmd_status, "status"), EXIT_OK);
    expect_said("0 ingested = 0 pending");
    expect_said("the accounting adds up");
}

Test(corpus_queue, that_may_not_be_read_is_no_problem_of_the_corpus)
{
    cr_assert_eq(chmod(queue, 0), 0);
    cr_assert_eq(chmod(dir, 0555), 0);
    cr_assert_eq(run_as_stranger(cmd_verify, "verify"), EXIT_OK);
    expect_said("2 pairs, 2 media");
    expect_said("the accounting was not checked: cannot open the queue file ");
    expect_said("queue.mdb: Permission denied");
}

Test(corpus_queue, of_a_directory_that_may_not_be_entered_is_not_said_to_be_missing)
{
    cr_assert_eq(chmod(dir, 0), 0);
    cr_assert_eq(run_as_stranger(cmd_status, "status"), EXIT_PROBLEM);
    expect_said("queue.mdb: Permission denied");
}

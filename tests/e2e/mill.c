#include "tests/e2e/mill.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <jpeglib.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/paths.h"

extern char **environ;

enum { RUN_SECONDS = 120, POLL_NS = 20000000 };

void mill_dir(char dir[MILL_PATH])
{
    snprintf(dir, MILL_PATH, "/tmp/pairmill-e2e-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

/* Paths live until mill_clean(), so that a test need not think about them. */
static char *paths[4096];
static size_t path_count;

const char *mill_path(const char *dir, const char *name)
{
    cr_assert_lt(path_count, sizeof paths / sizeof *paths);
    paths[path_count] = file_join(dir, name);
    cr_assert_not_null(paths[path_count]);
    return paths[path_count++];
}

void mill_clean(const char *dir)
{
    char output[MILL_OUTPUT];
    mill_run_program(output, (const char *const[]){"rm", "-rf", dir, NULL});
    while (path_count) {
        free(paths[--path_count]);
    }
}

void mill_file(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wbe");
    cr_assert_not_null(f, "cannot write %s", path);
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

void mill_text(const char *path, const char *text)
{
    mill_file(path, text, strlen(text));
}

void mill_jpeg(const char *path, unsigned number)
{
    enum { W = 160, H = 120 };
    FILE *f = fopen(path, "wbe");
    cr_assert_not_null(f, "cannot write %s", path);
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr err;
    cinfo.err = jpeg_std_error(&err);
    jpeg_create_compress(&cinfo);
    jpeg_stdio_dest(&cinfo, f);
    cinfo.image_width = W;
    cinfo.image_height = H;
    cinfo.input_components = 3;
    cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&cinfo);
    jpeg_start_compress(&cinfo, TRUE);
    for (unsigned y = 0; y < H; y++) {
        JSAMPLE row[W * 3];
        for (unsigned x = 0; x < W; x++) {
            const bool inside = x > number % 60 + 20 && x < number % 60 + 80 && y > 30 && y < 90;
            row[3 * x] = (JSAMPLE)(inside ? 220 : number * 7 % 128);
            row[3 * x + 1] = (JSAMPLE)(inside ? number * 13 % 256 : x);
            row[3 * x + 2] = (JSAMPLE)(y + number / 128);
        }
        JSAMPROW rows = row;
        jpeg_write_scanlines(&cinfo, &rows, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    fclose(f);
}

const char *mill_coco(const char *dir, unsigned images, unsigned captions)
{
    static const char *const things[] = {"red ball", "wooden box", "small dog", "striped cup"};
    json_t *root = json_object();
    json_t *image_list = json_array();
    json_t *annotations = json_array();
    cr_assert_eq(file_make_dirs(mill_path(dir, "images")), 0);
    for (unsigned i = 0; i < images; i++) {
        char name[64];
        snprintf(name, sizeof name, "%06u.jpg", i + 1);
        char below[80];
        snprintf(below, sizeof below, "images/%s", name);
        mill_jpeg(mill_path(dir, below), i);
        json_array_append_new(image_list,
                              json_pack("{s:i, s:s}", "id", (int)i + 1, "file_name", name));
        for (unsigned k = 0; k < captions; k++) {
            char text[120];
            snprintf(text, sizeof text, "a %s next to a %s number %u", things[(i + k) % 4],
                     things[(i + k + 1) % 4], k);
            json_array_append_new(annotations,
                                  json_pack("{s:i, s:i, s:s}", "id", (int)(i * captions + k + 1),
                                            "image_id", (int)i + 1, "caption", text));
        }
    }
    json_object_set_new(root, "images", image_list);
    json_object_set_new(root, "annotations", annotations);
    const char *path = mill_path(dir, "captions_train.json");
    cr_assert_eq(json_dump_file(root, path, 0), 0);
    json_decref(root);
    return path;
}

/* ------------------------------------------------------------------ processes */

static const char *pairmill(void)
{
    static char *path;
    if (!path) {
        cr_assert_eq(paths_find_program("pairmill", &path), 0, "%s", err_text());
    }
    return path;
}

static pid_t spawn(const char *program, const char *const *args, bool own_group, int fd)
{
    char *argv[64] = {(char *)program};
    for (size_t i = 0; args[i] && i + 2 < sizeof argv / sizeof *argv; i++) {
        argv[i + 1] = (char *)args[i];
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fd, 1);
    posix_spawn_file_actions_adddup2(&actions, fd, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, own_group ? POSIX_SPAWN_SETPGROUP : 0);
    pid_t pid = 0;
    const int e = posix_spawnp(&pid, program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    cr_assert_eq(e, 0, "cannot start %s: %s", program, strerror(e));
    return pid;
}

static int run(const char *program, char output[MILL_OUTPUT], const char *const *args)
{
    char name[] = "/tmp/pairmill-e2e-out-XXXXXX";
    const int fd = mkostemp(name, O_CLOEXEC);
    cr_assert_geq(fd, 0);
    const int code = mill_wait(spawn(program, args, false, fd), RUN_SECONDS);
    const ssize_t n = pread(fd, output, MILL_OUTPUT - 1, 0);
    output[n > 0 ? n : 0] = '\0';
    close(fd);
    unlink(name);
    return code;
}

int mill_run(char output[MILL_OUTPUT], const char *const *args)
{
    return run(pairmill(), output, args);
}

int mill_run_program(char output[MILL_OUTPUT], const char *const *args)
{
    return run(args[0], output, args + 1);
}

pid_t mill_start(const char *log, const char *const *args)
{
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    cr_assert_geq(fd, 0);
    const pid_t pid = spawn(pairmill(), args, true, fd);
    close(fd);
    return pid;
}

bool mill_has_ended(pid_t pid, int *code)
{
    int status;
    const pid_t got = waitpid(pid, &status, WNOHANG);
    if (got != pid) {
        return false;
    }
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return true;
}

struct ending {
    pid_t pid;
    int code;
};

static bool has_ended(void *arg)
{
    struct ending *e = arg;
    return mill_has_ended(e->pid, &e->code);
}

int mill_wait(pid_t pid, int seconds)
{
    struct ending e = {.pid = pid};
    mill_until(has_ended, &e, seconds, "the end of a process");
    return e.code;
}

void mill_kill_group(pid_t pid)
{
    int code;
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (!mill_has_ended(pid, &code) && errno != ECHILD) {
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

void mill_until(bool (*done)(void *arg), void *arg, int seconds, const char *what)
{
    const double until = clock_now_s() + seconds;
    while (!done(arg)) {
        cr_assert_lt(clock_now_s(), until, "waited %d s in vain for %s", seconds, what);
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

/* ------------------------------------------------------------------ looking at processes */

static bool read_proc(pid_t pid, const char *what, char *out, size_t room)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const ssize_t n = read(fd, out, room - 1);
    close(fd);
    for (ssize_t i = 0; i < n; i++) {
        out[i] = out[i] ? out[i] : ' ';
    }
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static pid_t parent_of(pid_t pid)
{
    char stat[1024];
    int parent = 0;
    if (read_proc(pid, "stat", stat, sizeof stat)) {
        const char *after = strrchr(stat, ')');
        if (after) {
            sscanf(after + 2, "%*c %d", &parent);
        }
    }
    return parent;
}

static bool is_below(pid_t pid, pid_t ancestor)
{
    for (int depth = 0; pid > 1 && depth < 20; depth++) {
        pid = parent_of(pid);
        if (pid == ancestor) {
            return true;
        }
    }
    return false;
}

int mill_descendants(pid_t ancestor, const char *word, pid_t *out, int most)
{
    DIR *proc = opendir("/proc");
    int n = 0;
    for (struct dirent *d; n < most && (d = readdir(proc));) {
        char line[4096];
        const pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
        if (pid > 0 && read_proc(pid, "cmdline", line, sizeof line) && strstr(line, word) &&
            is_below(pid, ancestor)) {
            out[n++] = pid;
        }
    }
    closedir(proc);
    return n;
}

long mill_status(const char *target, const char *key)
{
    char output[MILL_OUTPUT];
    const bool address = strstr(target, "://") != NULL;
    const int code = address ? MILL_RUN(output, "status", "--json", "--broker", target)
                             : MILL_RUN(output, "status", "--json", target);
    json_t *o = code == 0 ? json_loads(output, 0, NULL) : NULL;
    const long v = o ? (long)json_integer_value(json_object_get(o, key)) : -1;
    json_decref(o);
    return v;
}

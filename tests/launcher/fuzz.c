/* A target for libFuzzer: the whole launcher, with execve(2) and stderr taken away.
 *
 * -DFUZZ_RECORD  the input is a record, or what follows the key in one (first byte even or odd),
 *                for a call that stays the same
 * -DFUZZ_CALL    the input is words, environment variables and with them the guard
 *
 * Whatever the input is, the launcher must end in exactly one of three ways:
 *   it becomes uv with what a record says whose key is that of the call and whose witnesses all hold;
 *   or uv with nothing added but the guard, for a call that is left alone;
 *   or it hands over to Python, with the words and variables that it was given,
 *   and when there is no Python (every second run), it becomes uv with nothing added, or says that
 *   there is none.
 * `check` looks at what execve(2) was given, and reads the record once more in another way.
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int fuzz_execve(const char *path, char *const *words, char *const *variables);
static ssize_t fuzz_write(int handle, const void *bytes, size_t length);

/* Some devices do things when they are opened: a watchdog, a tape. */
static inline bool is_device(const char *path) {
    return strstr(path, "/dev/") && !strstr(path, "/dev/shm/");
}
#define open(path, flags) (is_device(path) ? -1 : (open)((path), (flags)))
#define execve fuzz_execve
#define write fuzz_write
#define main launcher_main
#include "../../shims/launcher.c"
#undef main
#undef write
#undef execve
#undef open

#define CHECK(claim) ((claim) ? (void)0 : (fprintf(stderr, "not so: %s\n", #claim), abort()))

static char directory[512];
static char real_uv[600], python_shim[600], record_path[600], state[600];
static jmp_buf ended;
static bool is_python_gone;
static char **given_words, **given_variables;

enum ending { NOT_YET, REPLAYED, LEFT_ALONE, HANDED_OVER, FAILED_OPEN };
static enum ending ending;

static size_t count_of(char *const *strings) {
    size_t count = 0;
    while (strings[count]) count++;
    return count;
}

static bool same_lists(char *const *one, char *const *other) {
    size_t count = count_of(one);
    if (count != count_of(other)) return false;
    for (size_t index = 0; index < count; index++)
        if (strcmp(one[index], other[index]) != 0) return false;
    return true;
}

/* Is NAME=VALUE in the list, and is it the only one of that name? */
static bool is_set(char *const *list, const char *entry) {
    const char *equals_sign = strchr(entry, '=');
    bool found = false, other = false;
    for (; equals_sign && *list; list++) {
        if (strcmp(*list, entry) == 0) found = true;
        else if (strncmp(*list, entry, (size_t)(equals_sign + 1 - entry)) == 0) other = true;
    }
    return found && !other;
}

/* The record's own words for what was done, read field by field without the launcher's loop. */
static void check_replay(char *const *added, char *const *variables) {
    static char content[LONGEST_RECORD + 1];
    FILE *stream = fopen(record_path, "rb");
    CHECK(stream);
    size_t length = fread(content, 1, sizeof content, stream);
    fclose(stream);
    CHECK(length > 2 && length <= LONGEST_RECORD && memcmp(content + length - 2, ".", 2) == 0);

    char head[64];
    int head_length =
        snprintf(head, sizeof head, "linkpolicy-decision-v1%ck%zu", 0, key.length) + 1;
    CHECK((size_t)head_length + key.length < length);
    CHECK(memcmp(content, head, (size_t)head_length) == 0);
    CHECK(memcmp(content + head_length, key.bytes, key.length) == 0);

    for (char *field = content + head_length + key.length; field < content + length - 2;
         field += strlen(field) + 1) {
        if (field[0] == 'a') CHECK(*added && strcmp(*added++, field + 1) == 0);
        else if (field[0] == 'e') CHECK(is_set(variables, field + 1));
        else CHECK(field[0] == 'w' && holds(slice_of(field + 1)));
    }
    CHECK(*added == NULL);
}

/* What was given is still there, in order. Gives the first word behind it. */
static char *const *check_words(char *const *words) {
    if (strcmp(program, "uvx") == 0) {
        CHECK(strcmp(*words++, "uv") == 0 && strcmp(*words++, "tool") == 0);
    }
    CHECK(strcmp(*words++, program) == 0);
    for (size_t index = 0; index < argument_count; index++) CHECK(*words++ == arguments[index]);
    return words;
}

static int fuzz_execve(const char *path, char *const *words, char *const *variables) {
    CHECK(ending == NOT_YET);
    if (strcmp(path, python_shim) == 0) {
        CHECK(words == given_words);
        const char *note = "_LINKPOLICY_IGNORED=";
        bool noted = false;
        for (char **entry = given_variables; *entry; entry++)
            if (strncmp(*entry, note, strlen(note)) == 0) noted = true;
        CHECK(noted || same_lists(variables, given_variables));
        errno = ENOENT;
        if (is_python_gone) return -1;
        ending = HANDED_OVER;
    } else {
        CHECK(strcmp(path, real_uv) == 0);
        char *const *added = check_words(words);
        size_t count = count_of(variables);
        bool guarded =
            count > 0 && strncmp(variables[count - 1], "_LINKPOLICY_ACTIVE=1;process=", 29) == 0;
        if (added_words.length + added_variables.length > 0) {
            CHECK(guarded);
            check_replay(added, variables);
            ending = REPLAYED;
        } else {
            CHECK(*added == NULL);
            CHECK(guarded || is_python_gone);
            ending = LEFT_ALONE;
        }
    }
    longjmp(ended, 1);
}

static ssize_t fuzz_write(int handle, const void *bytes, size_t length) {
    CHECK(handle == STDERR_FILENO && length > 0 && ((const char *)bytes)[length - 1] == '\n');
    return (ssize_t)length;
}

static void run(char **words, char **variables) {
    given_words = words;
    given_variables = environ = variables;
    ending = NOT_YET;
    if (setjmp(ended) == 0) {
        int code = launcher_main((int)count_of(words), words);
        CHECK(is_python_gone && (code == EXIT_NOT_FOUND || code == EXIT_CANNOT_EXECUTE));
        ending = FAILED_OPEN;
    }
    CHECK(ending != NOT_YET);
}

static void put_file(const char *path, const void *bytes, size_t length, mode_t mode) {
    int handle = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    CHECK(handle >= 0 && write(handle, bytes, length) == (ssize_t)length && close(handle) == 0);
}

static void remove_all(void) {
    char command[600];
    char *none = NULL;
    environ = &none;
    snprintf(command, sizeof command, "/bin/rm -r %s", directory);
    if (system(command) != 0) perror(command);
}

static void configure(const char *as) {
    size_t head = sizeof CONFIG_HEAD - 1;
    snprintf(launcher_config + head, sizeof launcher_config - head, "%s%c%s%c/p%c%s%c", as, 0,
             python_shim, 0, 0, directory, 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    /* What others mount meanwhile must not change what a witness sees, and is seen again. */
    if (unshare(CLONE_NEWNS) == 0) CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    const char *scratch = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/fuzz-XXXXXX", scratch ? scratch : "/tmp");
    CHECK(mkdtemp(directory));
    atexit(remove_all);
    snprintf(real_uv, sizeof real_uv, "%s/uv", directory);
    snprintf(python_shim, sizeof python_shim, "%s/python", directory);
    snprintf(state, sizeof state, "XDG_STATE_HOME=%s", directory);
    put_file(real_uv, "#!", 2, 0700);
    char path[600];
    snprintf(path, sizeof path, "%s/linkpolicy", directory);
    CHECK(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/linkpolicy/decisions", directory);
    CHECK(mkdir(path, 0700) == 0);
    configure("uv");
    CHECK(chdir("/") == 0);
    return 0;
}

#ifdef FUZZ_RECORD

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static char content[LONGEST_RECORD + 4096];
    if (length == 0 || length > LONGEST_RECORD + 1024) return 0;
    is_python_gone = bytes[0] & 2;
    bool whole = bytes[0] & 1;
    char name[] = "uv", word[] = "venv", here[] = "x";
    char *words[] = {name, word, here, NULL};
    char path[600], variable_before[] = "UV_CACHE_DIR=/before";
    snprintf(path, sizeof path, "PATH=%s", directory);
    char *variables[] = {path, variable_before, state, NULL};

    /* Once without a record, to have the key, and with it the record's place. */
    if (record_path[0] == '\0') {
        run(words, variables);
        snprintf(record_path, sizeof record_path, "%s/linkpolicy/decisions/%016llx", directory,
                 (unsigned long long)fingerprint((struct slice){key.bytes, key.length}));
    }
    size_t used = 0;
    if (!whole) {
        used = (size_t)snprintf(content, 64, "linkpolicy-decision-v1%ck%zu", 0, key.length) + 1;
        memcpy(content + used, key.bytes, key.length);
        used += key.length;
    }
    memcpy(content + used, bytes + 1, length - 1);
    put_file(record_path, content, used + length - 1, 0600);
    run(words, variables);
    return 0;
}

#else

/* The input: one byte of settings, then strings that NUL separates: words, a newline, variables. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    enum { MOST = 10000 };
    static char *words[MOST + 2], *variables[MOST + 4];
    static char path[600], name[] = "uv";
    if (length == 0) return 0;
    is_python_gone = bytes[0] & 2;
    bool has_place = bytes[0] & 4;
    configure(bytes[0] & 1 ? "uvx" : "uv");

    char *text = malloc(length); /* exactly, for AddressSanitizer */
    memcpy(text, bytes + 1, length - 1);
    text[length - 1] = '\0';
    size_t word_count = 0, variable_count = 0;
    words[word_count++] = name;
    if (has_place) {
        snprintf(path, sizeof path, "PATH=%s", directory);
        variables[variable_count++] = path;
        variables[variable_count++] = state;
    }
    bool in_words = true;
    for (char *at = text; at < text + length; at += strlen(at) + 1) {
        if (in_words && strcmp(at, "\n") == 0) in_words = false;
        else if (in_words && word_count < MOST) words[word_count++] = at;
        else if (!in_words && variable_count < MOST) variables[variable_count++] = at;
    }
    words[word_count] = variables[variable_count] = NULL;
    run(words, variables);
    free(text);
    return 0;
}

#endif

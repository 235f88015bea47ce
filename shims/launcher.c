/* The launcher: the files `uv` and `uvx` on PATH, where `linkpolicy setup` could install it.
 *
 * It repeats a decision that Python has recorded, when all that the decision depended on is still
 * the same, and becomes the real uv. Every other call it hands to Python, words and environment
 * variables untouched. It knows no policy, no TOML, and nothing of uv but the generated tables.
 * `main`, at the end, is the way of a call; it is the way of `become` in uvx_policy/shim.py.
 * README.md in this directory is the contract, uvx_policy/replay/ writes what is read here.
 *
 * No heap, no stdio, no thread. Buffers are static and of fixed size: untouched pages cost nothing,
 * and what does not fit goes to Python. A file is opened once and judged by its handle.
 * No process is started, and nothing is written, but a note that a terminal was told of our end.
 *
 * Built by hatch_build.py with the flags in the file CFLAGS. Static: the dynamic loader would add
 * 0.2 ms, half of what all this costs (README.md). Not position independent: nothing to relocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tables.h"

#define CONFIG_HEAD "linkpolicy-launcher-config-v2\n"
#define RECORD_FORMAT "linkpolicy-decision-v1"
#define GUARD_VERSION "1"
#define IGNORED_NAME "_LINKPOLICY_IGNORED"
#define ACCESS_LIST "system.posix_acl_access"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127,
    MOST_WORDS = 8000, /* of the command line, and as many environment variables */
    MOST_ADDED = 64,   /* words or variables of a record, and values of ours in a guard */
    MOST_DIGITS = 9,   /* of a number in a guard */
    MOST_TURNS = 200, UNKNOWN_TURNS = 8, MOST_GENERATIONS = 1000, /* see recursion.py */
    LONGEST_RECORD = 262144,
    LONGEST_GUARD = 65536,  /* below MAX_ARG_STRLEN of execve(2) */
    LONGEST_PSEUDO = 1 << 24, /* bytes of a file of /proc, or of a text; more may never end */
};

/* `linkpolicy setup` writes into a copy of this binary, after the head: program, path of the Python
 * shim, the package whose records these are, directories to search after PATH, each ended
 * by NUL, and one empty string. Not static: the compiler could see that nobody here writes to it,
 * and take it for empty. */
extern char launcher_config[8192];
char launcher_config[8192] = CONFIG_HEAD;

/* Pieces of memory --------------------------------------------------------------------------- */

/* Some bytes of another's, with or without a NUL behind them. */
struct slice {
    const char *start;
    size_t length;
};

static struct slice slice_of(const char *string) {
    return (struct slice){string, strlen(string)};
}

static bool same(struct slice one, struct slice other) {
    return one.length == other.length && memcmp(one.start, other.start, one.length) == 0;
}

static bool equals(struct slice slice, const char *string) {
    return same(slice, slice_of(string));
}

/* Cut the piece before `separator` off `rest`. Without one: false, and the piece is all of it. */
static bool cut(struct slice *rest, char separator, struct slice *piece) {
    const char *found = rest->length ? memchr(rest->start, separator, rest->length) : NULL;
    piece->start = rest->start;
    piece->length = found ? (size_t)(found - rest->start) : rest->length;
    size_t used = piece->length + (found != NULL);
    rest->start += used;
    rest->length -= used;
    return found != NULL;
}

/* Bytes that are being put together. What does not fit makes it `full`, and then it is no use. */
struct text {
    char *bytes;
    size_t room, length;
    bool full;
};

#define TEXT(array) ((struct text){.bytes = (array), .room = sizeof(array)})

static void put(struct text *text, struct slice slice) {
    if (text->full || slice.length > text->room - text->length) {
        text->full = true;
        return;
    }
    memcpy(text->bytes + text->length, slice.start, slice.length);
    text->length += slice.length;
}

static void put_string(struct text *text, const char *string) {
    put(text, slice_of(string));
}

/* With the NUL that ends it. */
static void put_field(struct text *text, const char *string) {
    put(text, (struct slice){string, strlen(string) + 1});
}

static void put_byte(struct text *text, char byte) {
    put(text, (struct slice){&byte, 1});
}

/* `base` is 10 or 16; zeros in front fill up to `width` digits. */
static void put_number(struct text *text, uint64_t number, unsigned base, int width) {
    char digits[20]; /* of 2 ** 64 in base 10 */
    size_t place = sizeof digits;
    do {
        digits[--place] = "0123456789abcdef"[number % base];
        number /= base;
    } while (--width > 0 || number);
    put(text, (struct slice){digits + place, sizeof digits - place});
}

static void put_hex(struct text *text, uint64_t number) {
    put_number(text, number, 16, 1);
}

/* A list of strings, as execve(2) wants it: room for a NULL at its end is always kept. */
struct list {
    const char **items;
    size_t room, length;
    bool full;
};

#define LIST(array) ((struct list){.items = (array), .room = COUNT(array)})

static void append(struct list *list, const char *item) {
    if (list->full || list->length + 1 >= list->room) {
        list->full = true;
        return;
    }
    list->items[list->length++] = item;
    list->items[list->length] = NULL;
}

/* The value in `entry` if that is NAME=value, else NULL. */
static const char *value_in(const char *entry, struct slice name) {
    bool named = strncmp(entry, name.start, name.length) == 0 && entry[name.length] == '=';
    return named ? entry + name.length + 1 : NULL;
}

/* The value of a variable in a list that NULL ends; the first one counts, as for getenv(3). */
static const char *variable(const char *const *entries, const char *name) {
    struct slice wanted = slice_of(name);
    for (; *entries; entries++) {
        const char *value = *entries[0] == name[0] ? value_in(*entries, wanted) : NULL;
        if (value) return value;
    }
    return NULL;
}

/* The checksum of uvx_policy/fingerprint.py: a 1 and then the bytes, as one number modulo the
 * prime 2 ** 64 - 59. There 2 ** 64 is 59, so what is shifted out comes back 59 times. */
#define WRAPPED UINT64_C(59)
#define PRIME (UINT64_MAX - WRAPPED + 1)

/* `bits` is 8 or 56, `more` has no more bits than that. */
static uint64_t shifted_and_added(uint64_t sum, unsigned bits, uint64_t more) {
    uint64_t low = sum << bits | more;
    uint64_t all = low + (sum >> (64 - bits)) * WRAPPED;
    if (all < low) all += WRAPPED;
    return all >= PRIME ? all - PRIME : all;
}

static uint64_t fingerprint_more(uint64_t sum, struct slice slice) {
    const unsigned char *byte = (const unsigned char *)slice.start;
    size_t left = slice.length;
    for (; left >= 7; left -= 7) { /* seven at once: a pyproject.toml may have a megabyte */
        uint64_t seven = 0;
        for (int index = 0; index < 7; index++) seven = seven << 8 | *byte++;
        sum = shifted_and_added(sum, 56, seven);
    }
    for (; left > 0; left--) sum = shifted_and_added(sum, 8, *byte++);
    return sum;
}

static uint64_t fingerprint(struct slice slice) {
    return fingerprint_more(1, slice);
}

/* As `_mixed` in uvx_policy/replay/witness.py. */
static uint64_t mixed(uint64_t sum) {
    sum = (sum ^ sum >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 32;
}

/* The call ----------------------------------------------------------------------------------- */

extern char **environ;

static const char *program;  /* "uv" or "uvx" */
static const char *fallback; /* path of the Python shim */
static const char *package;  /* whose decisions are repeated: another linkpolicy may differ */
static struct slice embedded; /* directories to search after PATH, each ended by NUL */

static const char *const *arguments; /* without argv[0] */
static size_t argument_count;
static char **argument_vector;       /* with it, as given */

static uid_t uid;               /* the effective one: who must own what we believe */
static char cwd[PATH_MAX];      /* "" when there is none any more */
static char identity[72];       /* of this process: "<pid>.<start time>.<device of /proc>" */

/* Text and file buffers of one function at a time. */
static char scratch[32768];

/* Take apart what setup wrote. False: nothing was. */
static bool read_configuration(void) {
    size_t head = sizeof CONFIG_HEAD - 1;
    struct slice rest = {launcher_config + head, sizeof launcher_config - head};
    struct slice field;
    if (!cut(&rest, '\0', &field)) return false;
    program = field.start;
    if (strcmp(program, "uv") != 0 && strcmp(program, "uvx") != 0) return false;
    if (!cut(&rest, '\0', &field) || field.start[0] != '/') return false;
    fallback = field.start;
    if (!cut(&rest, '\0', &field) || field.start[0] != '/') return false;
    package = field.start;
    embedded.start = rest.start;
    while (cut(&rest, '\0', &field))
        if (field.length == 0) {
            embedded.length = (size_t)(field.start - embedded.start);
            return true;
        }
    return false;
}

/* As `see_process` in uvx_policy/guard.py. Of proc_pid_stat(5) field 22 is the start time, field 4
 * the parent, and field 2, the command's name, may hold spaces and parentheses. */
static bool see_process(const char *number, struct text *seen, struct text *parent) {
    char path[64];
    struct text text = TEXT(path);
    put_string(&text, "/proc/");
    put_string(&text, number);
    put_field(&text, "/stat");
    struct stat status;
    int handle = text.full ? -1 : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t got = handle < 0 ? -1 : read(handle, scratch, sizeof scratch);
    if (got > 0 && fstat(handle, &status) != 0) got = -1;
    if (handle >= 0) close(handle);
    const char *name_end = got > 0 ? memrchr(scratch, ')', (size_t)got) : NULL;
    if (!name_end) return false;
    struct slice rest = {scratch, (size_t)got}, field;
    cut(&rest, ' ', &field);
    put(seen, field);
    put_byte(seen, '.');
    rest = (struct slice){name_end, (size_t)(scratch + got - name_end)};
    for (int number_of_field = 2; number_of_field <= 22; number_of_field++) {
        if (!cut(&rest, ' ', &field)) return false;
        if (number_of_field == 4) put(parent, field);
    }
    put(seen, field);
    put_byte(seen, '.');
    put_number(seen, status.st_dev, 10, 1);
    put_byte(seen, '\0');
    put_byte(parent, '\0');
    return !seen->full && !parent->full;
}

/* As `process_identity` there. */
static void see_identity(void) {
    char parent_bytes[24];
    struct text text = TEXT(identity), parent = TEXT(parent_bytes);
    if (see_process("self", &text, &parent)) return;
    enum { PIDFD_OPEN = 434 }; /* on every architecture; not every <sys/syscall.h> has it */
    text = TEXT(identity);
    struct stat status;
    int handle = (int)syscall(PIDFD_OPEN, getpid(), 0);
    if (handle >= 0 && fstat(handle, &status) == 0 && status.st_mode & S_IXUSR) {
        put_string(&text, "pidfd.");
        put_number(&text, status.st_ino, 10, 1);
    }
    if (handle >= 0) close(handle);
    put_byte(&text, '\0');
}

static void see_call(int argc, char **argv) {
    argument_vector = argv;
    argument_count = argc > 0 ? (size_t)argc - 1 : 0;
    arguments = (const char *const *)argv + (argc > 0);
    uid = geteuid();
    /* Not getcwd(3), which allocates when the path is long or out of reach. */
    if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0 || cwd[0] != '/') cwd[0] = '\0';
    see_identity();
}

/* Our own variable --------------------------------------------------------------------------- */

static bool is_below;            /* an outer shim has left a guard */
static struct slice outer_guard; /* its fields, without the version */

/* Environment variables without those that are our own old answers. */
static const char *clean_items[MOST_WORDS + 1];
static struct list clean;

/* The next field NAME=VALUE of a guard. */
static bool next_field(struct slice *rest, const char *name, struct slice *value) {
    while (rest->length > 0) {
        struct slice field;
        cut(rest, ';', value);
        cut(value, '=', &field);
        if (equals(field, name)) return true;
    }
    return false;
}

/* Cut the next byte off what stands escaped in a guard, and give what it means. */
static char cut_byte(struct slice *escaped) {
    char byte = escaped->start[0];
    size_t used = 1;
    if (byte == '%' && escaped->length >= 3) {
        bool percent = memcmp(escaped->start, "%25", 3) == 0;
        bool semicolon = memcmp(escaped->start, "%3b", 3) == 0;
        if (semicolon) byte = ';';
        if (percent || semicolon) used = 3;
    }
    escaped->start += used;
    escaped->length -= used;
    return byte;
}

/* Is `escaped`, as it stands in a guard, the same as `plain`? */
static bool means(struct slice escaped, struct slice plain) {
    for (size_t index = 0; index < plain.length; index++)
        if (escaped.length == 0 || cut_byte(&escaped) != plain.start[index]) return false;
    return escaped.length == 0;
}

static void put_escaped(struct text *text, struct slice plain) {
    for (size_t index = 0; index < plain.length; index++) {
        char byte = plain.start[index];
        if (byte == '%') put_string(text, "%25");
        else if (byte == ';') put_string(text, "%3b");
        else put_byte(text, byte);
    }
}

static void read_guard(void) {
    const char *value = variable((const char *const *)environ, GUARD_NAME);
    struct slice version;
    outer_guard = slice_of(value ? value : "");
    cut(&outer_guard, ';', &version);
    is_below = equals(version, GUARD_VERSION);
    if (!is_below) outer_guard.length = 0;
}

/* The value of this field of the outer guard, the last of that name. */
static struct slice outer_field(const char *name) {
    struct slice value, last = {"", 0}, rest = outer_guard;
    while (next_field(&rest, name, &value)) last = value;
    return last;
}

/* Was this program started, and came back? */
static bool is_tried(const char *path) {
    struct slice value, rest = outer_guard;
    while (next_field(&rest, "tried", &value))
        if (means(value, slice_of(path))) return true;
    return false;
}

static uint64_t number_in(struct slice digits) {
    uint64_t number = 0;
    for (size_t index = 0; index < digits.length && index < MOST_DIGITS; index++) {
        if (digits.start[index] < '0' || digits.start[index] > '9') return 0;
        number = number * 10 + (uint64_t)(digits.start[index] - '0');
    }
    return number;
}

static bool same_file(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* As `_uv_above` in uvx_policy/recursion.py, but that no program is read. `complete`: every process
 * was seen, up to the one that left the guard. */
static bool is_uv_above(const char *named, bool *complete) {
    struct slice oldest = outer_field("process");
    struct stat uv_status, status;
    bool is_named = named[0] && stat(named, &uv_status) == 0;
    char seen_bytes[72], number[24], parent_bytes[24], path_bytes[64];
    struct text seen = TEXT(seen_bytes), parent = TEXT(number);
    bool clear = see_process("self", &seen, &parent);
    for (int generation = 0; clear && generation < MOST_GENERATIONS && !*complete; generation++) {
        seen = TEXT(seen_bytes);
        parent = TEXT(parent_bytes);
        clear = see_process(number, &seen, &parent);
        struct text path = TEXT(path_bytes);
        put_string(&path, "/proc/");
        put_string(&path, number);
        put_field(&path, "/exe");
        if (clear && is_named && stat(path_bytes, &status) == 0 && same_file(&uv_status, &status))
            return true;
        *complete = clear && equals(oldest, seen_bytes);
        memcpy(number, parent_bytes, sizeof number);
    }
    return false;
}

static uint64_t depth; /* UV_RUN_RECURSION_DEPTH */
static uint64_t turn;  /* as in a guard */

enum came_back { NO, YES, ASK_PYTHON, ENDLESS };

/* Is this process what an outer shim started, without a real uv in between? As `follow` in
 * uvx_policy/recursion.py. Sets `turn`. */
static enum came_back came_back(void) {
    const char *run = variable((const char *const *)environ, "UV_RUN_RECURSION_DEPTH");
    const char *named = variable((const char *const *)environ, "UV");
    depth = number_in(slice_of(run ? run : ""));
    turn = 0;
    if (!named) named = "";
    if (!is_below || depth > number_in(outer_field("depth"))) return NO;
    turn = number_in(outer_field("turn")) + 1;
    if (identity[0] && equals(outer_field("process"), identity)) return YES;
    bool complete = false, was_uv = is_uv_above(named, &complete);
    if (!was_uv && !complete) was_uv = named[0] && !means(outer_field("uv"), slice_of(named));
    if (!was_uv) turn += UNKNOWN_TURNS - 1;
    if (turn > MOST_TURNS) return was_uv ? ENDLESS : YES;
    return !was_uv && complete ? ASK_PYTHON : NO; /* it reads what the programs are */
}

/* Fill `clean`. False for what only Python knows to treat: too many of them, one of ours twice. */
static bool clean_environment(void) {
    struct {
        struct slice name, value;
        size_t seen;
    } ours[MOST_ADDED] = {{{GUARD_NAME, sizeof GUARD_NAME - 1}, {"", 0}, 0}};
    size_t count = 1;
    struct slice rest = outer_guard, value;
    while (next_field(&rest, "set", &value)) {
        if (count == COUNT(ours)) return false;
        cut(&value, '=', &ours[count].name);
        ours[count].value = value;
        for (size_t other = 0; other < count; other++)
            if (same(ours[count].name, ours[other].name)) return false;
        if (ours[count++].name.length == 0) return false;
    }
    clean = LIST(clean_items);
    clean_items[0] = NULL;
    for (char **entry = environ; *entry; entry++) {
        bool drop = false;
        for (size_t index = 0; index < count; index++) {
            const char *held = value_in(*entry, ours[index].name);
            if (!held) continue;
            if (ours[index].seen++) return false;
            drop = index == 0 || means(ours[index].value, slice_of(held));
        }
        if (!drop) append(&clean, *entry);
    }
    return !clean.full && argument_count <= MOST_WORDS;
}

/* The real uv -------------------------------------------------------------------------------- */

static char uv[PATH_MAX];

/* Does the file hold the marker in its head (a script of ours) or its tail (this binary)? */
static bool is_marked(const char *path, off_t size) {
    int handle = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (handle < 0) {
        /* It may be executed but not read: then only a copy of ourselves can be told. */
        struct stat own, other;
        return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
               same_file(&own, &other);
    }
    size_t wanted[] = {1024, 64};
    off_t from[] = {0, size > 64 ? size - 64 : 0};
    bool found = false;
    for (int part = 0; part < 2 && !found; part++) {
        ssize_t got = pread(handle, scratch, wanted[part], from[part]);
        found = got > 0 && memmem(scratch, (size_t)got, MARKER, sizeof MARKER - 1);
    }
    close(handle);
    return found;
}

/* Set `uv` to directory/name if that is a program and no shim of ours. */
static bool is_real(struct slice directory, const char *name, bool again) {
    struct text path = TEXT(uv);
    put(&path, directory.length ? directory : slice_of("."));
    if (!path.full && path.bytes[path.length - 1] != '/') put_byte(&path, '/');
    put_string(&path, name);
    put_byte(&path, '\0');
    struct stat status;
    return !path.full && access(uv, X_OK) == 0 && stat(uv, &status) == 0 &&
           S_ISREG(status.st_mode) && !is_marked(uv, status.st_size) &&
           !(again && is_tried(uv));
}

/* The first program of this name on PATH. */
static bool find_on(struct slice directories, const char *name, bool again) {
    struct slice directory;
    bool more = directories.length > 0;
    while (more) {
        more = cut(&directories, ':', &directory);
        if (is_real(directory, name, again)) return true;
    }
    return false;
}

/* Find what to become, in the order of `candidates` in uvx_policy/shim.py. `again`: leave out what
 * came straight back to us. */
static bool find_uv(bool again) {
    const char *path = variable((const char *const *)environ, "PATH");
    struct slice on_path = slice_of(path ? path : "/bin:/usr/bin"); /* os.defpath */
    bool uvx = strcmp(program, "uvx") == 0;
    if ((uvx && find_on(on_path, "uvx", again)) || find_on(on_path, "uv", again)) return true;
    struct slice rest = embedded, directory;
    while (cut(&rest, '\0', &directory))
        if ((uvx && is_real(directory, "uvx", again)) || is_real(directory, "uv", again))
            return true;
    return false;
}

/* Is this a call that the policy never touches? */
static bool is_left_alone(void) {
    static const char off[][6] = {"", "0", "false", "no", "off"};
    const char *bypass = variable(clean.items, "LINKPOLICY_BYPASS");
    bool bypassed = bypass != NULL;
    for (size_t index = 0; bypassed && index < COUNT(off); index++)
        bypassed = strcasecmp(bypass, off[index]) != 0;
    if (bypassed || argument_count == 0) return true;
    for (size_t index = 0; index < COUNT(QUICK); index++)
        if (strcmp(arguments[0], QUICK[index]) == 0) return true;
    return false;
}

/* The words that matter ---------------------------------------------------------------------- */

/* What a decision may depend on, as `Invocation.significant` in uvx_policy/uv/invocation.py: the
 * functions below are that parser, function by function, without all that is not asked here. */
static const char *significant_items[MOST_WORDS + 4]; /* `+`, `--`, a NULL more than were given */
static struct list significant;
static bool in_detail; /* as `Invocation.detailed` instead */

/* What stands between one (sub)command's words and those of its subcommand. */
struct level {
    unsigned char command; /* index in COMMANDS */
    unsigned char child;   /* the subcommand that follows, or NO_COMMAND */
    bool printed;          /* --help or --version was met: uv reads no further */
    bool script;           /* an option was met that makes the first word a script */
    bool uncertain;        /* what the tables do not know */
    size_t end;            /* index of the first word that is not of this level */
};

static const struct option *find_option(unsigned char command, struct slice spelling) {
    for (;;) {
        for (unsigned index = COMMANDS[command].first; index < COMMANDS[command].end; index++) {
            const struct option *option = &OPTIONS[ACCEPTED[index]];
            if (equals(spelling, option->spelling)) return option;
        }
        if (command == UV_ITSELF) return NULL;
        command = COMMANDS[command].parent;
    }
}

static unsigned char find_subcommand(unsigned char command, const char *word) {
    for (size_t index = 0; index < COUNT(SUBCOMMANDS); index++)
        if (SUBCOMMANDS[index].below == command && strcmp(SUBCOMMANDS[index].word, word) == 0)
            return SUBCOMMANDS[index].command;
    return NO_COMMAND;
}

/* Take the next word as an option's value, unless uv would not. */
static void take_next_value(struct level *level) {
    const char *word = level->end < argument_count ? arguments[level->end] : NULL;
    if (!word || (word[0] == '-' && word[1] != '\0')) level->uncertain = true;
    else level->end++;
}

/* One option has been found, or none: remember what of it matters later. */
static bool take_option(struct level *level, const struct option *option) {
    if (!option) {
        level->uncertain = true;
        return false;
    }
    if (option->flags & SCRIPT_FLAG) level->script = true;
    if (option->flags & PRINTS) level->printed = true;
    return (option->flags & (in_detail ? SIGNIFICANT | DETAIL : SIGNIFICANT)) != 0;
}

static bool read_long_option(struct level *level, const char *word) {
    struct slice rest = slice_of(word), spelling;
    bool attached = cut(&rest, '=', &spelling);
    const struct option *option = find_option(level->command, spelling);
    bool matters = take_option(level, option);
    if (option && !(option->flags & TAKES_VALUE) && attached) level->uncertain = true;
    if (option && option->flags & TAKES_VALUE && !attached) take_next_value(level);
    return matters;
}

static bool read_short_options(struct level *level, const char *word) {
    bool matters = false;
    for (size_t index = 1; word[index] && !level->printed && !level->uncertain; index++) {
        char spelling[] = {'-', word[index]};
        const struct option *option = find_option(level->command, (struct slice){spelling, 2});
        if (take_option(level, option)) matters = true;
        if (option && option->flags & TAKES_VALUE) {
            if (!word[index + 1]) take_next_value(level);
            break; /* all that is left of the word is the value */
        }
    }
    return matters;
}

static void read_option(struct level *level) {
    size_t start = level->end++;
    const char *word = arguments[start];
    bool is_long = word[1] == '-';
    if (is_long ? read_long_option(level, word) : read_short_options(level, word))
        for (; start < level->end; start++) append(&significant, arguments[start]);
}

/* The first word of an external command: it matters if it may name a file. */
static const char *target(const struct level *level, const char *word) {
    if (COMMANDS[level->command].flags & TARGET_IS_PLAIN) return PLAIN;
    if (level->script || word[0] == '-' || word[0] == '\0') return word;
    return word[strspn(word, PROGRAM_CHARACTERS)] == '\0' ? PLAIN : word;
}

static bool keeps_positionals(unsigned char flags) {
    return (flags & KEEPS_POSITIONALS) != 0 || (in_detail && flags & DETAILED_POSITIONALS);
}

/* All that follows are positional words, or an external command. `start`: behind a `--`. */
static void read_rest(struct level *level, size_t start) {
    unsigned char flags = COMMANDS[level->command].flags;
    if (flags & EXTERNAL && start < argument_count) {
        append(&significant, "--");
        append(&significant, target(level, arguments[start]));
    }
    for (; level->end < argument_count; level->end++)
        if (keeps_positionals(flags)) append(&significant, arguments[level->end]);
}

static void read_level(struct level *level) {
    unsigned char flags = COMMANDS[level->command].flags;
    while (level->end < argument_count && !level->printed && !level->uncertain) {
        const char *word = arguments[level->end];
        if (flags & NAMESPACE) { /* before options, because one alias looks like an option */
            level->child = find_subcommand(level->command, word);
            if (level->child != NO_COMMAND) {
                append(&significant, word);
                level->end++;
                return;
            }
        }
        bool separator = strcmp(word, "--") == 0;
        if (word[0] == '-' && word[1] != '\0' && !separator) {
            read_option(level);
        } else if (flags & NAMESPACE) {
            level->uncertain = true;
        } else if (separator || flags & EXTERNAL) {
            read_rest(level, level->end + separator);
        } else {
            if (keeps_positionals(flags)) append(&significant, word);
            level->end++;
        }
    }
}

/* False when the words are not understood, and for more than a record may hold. */
static bool keep_significant_words(void) {
    significant = LIST(significant_items);
    if (in_detail) append(&significant, DETAILED);
    struct level level = {.child = strcmp(program, "uvx") == 0 ? TOOL_RUN : UV_ITSELF};
    while (level.child != NO_COMMAND && !level.uncertain) {
        level = (struct level){.command = level.child, .child = NO_COMMAND, .end = level.end};
        read_level(&level);
    }
    return !level.uncertain && !significant.full;
}

/* The key ------------------------------------------------------------------------------------ */

static char key_bytes[LONGEST_KEY];
static struct text key;

/* As `make_key` in uvx_policy/replay/key.py. */
static bool make_key(void) {
    key = TEXT(key_bytes);
    put_field(&key, KEY_FORMAT);
    put_field(&key, package);
    put_field(&key, program);
    put_field(&key, uv);
    put_number(&key, uid, 10, 1);
    put_byte(&key, '\0');
    put_field(&key, cwd);
    put_number(&key, significant.length, 10, 1);
    put_byte(&key, '\0');
    for (size_t index = 0; index < significant.length; index++)
        put_field(&key, significant.items[index]);
    for (size_t index = 0; index < COUNT(VARIABLES); index++) {
        const char *value = variable(clean.items, VARIABLES[index]);
        /* The entry itself begins before its value: NAME=VALUE. */
        if (value) put_field(&key, value - strlen(VARIABLES[index]) - 1);
    }
    return !key.full;
}

/* Witnesses ---------------------------------------------------------------------------------- */

/* Each function below renders what it sees now, as the function of the same kind does in
 * uvx_policy/replay/witness.py. False: it cannot be seen, and nothing is equal to that. */

static bool put_letter(struct text *sight, char letter) {
    put_byte(sight, letter);
    return true;
}

static bool put_numbers(struct text *sight, size_t count, const uint64_t *numbers) {
    for (size_t index = 0; index < count; index++) {
        if (index > 0) put_byte(sight, ':');
        put_hex(sight, numbers[index]);
    }
    return true;
}

static uint64_t nanoseconds(struct timespec time) {
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static bool see_status(const char *path, bool followed, struct text *sight) {
    struct stat status;
    if (fstatat(AT_FDCWD, path, &status, followed ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
        return (errno == ENOENT || errno == ENOTDIR) && put_letter(sight, '-');
    mode_t type = status.st_mode & S_IFMT;
    put_byte(sight, type == S_IFREG ? 'f' : type == S_IFDIR ? 'd' : type == S_IFLNK ? 'k' : 'o');
    uint64_t numbers[] = {status.st_mode & 07777, status.st_uid, status.st_gid, status.st_dev,
                          status.st_ino, (uint64_t)status.st_size, nanoseconds(status.st_mtim),
                          nanoseconds(status.st_ctim)};
    put_byte(sight, ':');
    return put_numbers(sight, type == S_IFDIR ? 5 : COUNT(numbers), numbers);
}

static bool see_names(const char *path, struct text *sight) {
    int handle = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (handle < 0) return (errno == ENOENT || errno == ENOTDIR) && put_letter(sight, '-');
    uint64_t count = 0, sum = 0;
    long got; /* not readdir(3), which allocates */
    while ((got = syscall(SYS_getdents64, handle, scratch, sizeof scratch)) > 0) {
        /* struct linux_dirent64: 8 bytes inode, 8 offset, 2 length of the entry, 1 type, name */
        enum { LENGTH = 16, NAME = 19 };
        for (size_t at = 0, end = (size_t)got; at < end;) {
            uint16_t length = 0;
            if (end - at > NAME) memcpy(&length, scratch + at + LENGTH, sizeof length);
            if (length <= NAME || length > end - at) {
                got = -1;
                break;
            }
            const char *start = scratch + at + NAME;
            struct slice name = {start, strnlen(start, length - NAME)};
            at += length;
            if (equals(name, ".") || equals(name, "..")) continue;
            count++;
            sum += mixed(fingerprint(name));
        }
        if (got < 0) break;
    }
    close(handle);
    return got == 0 && put_numbers(sight, 2, (uint64_t[]){count, sum});
}

static bool see_content(const char *path, struct text *sight) {
    int handle = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (handle < 0) return false;
    uint64_t length = 0, sum = 1;
    ssize_t got;
    while ((got = read(handle, scratch, sizeof scratch)) > 0 && length < LONGEST_PSEUDO) {
        length += (uint64_t)got;
        sum = fingerprint_more(sum, (struct slice){scratch, (size_t)got});
    }
    close(handle);
    return got == 0 && put_numbers(sight, 2, (uint64_t[]){length, sum});
}

static bool put_text(struct text *sight, ssize_t length) {
    if (length < 0) return put_letter(sight, '-');
    struct slice text = {scratch, (size_t)length};
    uint64_t numbers[] = {text.length, fingerprint(text)};
    return text.length < sizeof scratch && put_numbers(sight, COUNT(numbers), numbers);
}

/* Bytes in these blocks; more than 64 bits can count are as many as they can. */
static uint64_t bytes_in(uint64_t blocks, const struct statfs *status) {
    uint64_t size = (uint64_t)(status->f_frsize ? status->f_frsize : status->f_bsize);
    return size && blocks > UINT64_MAX / size ? UINT64_MAX : blocks * size;
}

/* statfs(2), because C libraries differ in what they make of its f_fsid for statvfs(3). Of the
 * flags: read-only, noexec. */
static bool see_file_system(const char *path, struct text *sight) {
    struct statfs status;
    if (statfs(path, &status) != 0) return put_letter(sight, '-');
    uint32_t id[2];
    memcpy(id, &status.f_fsid, sizeof id);
    uint64_t size = bytes_in(status.f_blocks, &status), most = UINT64_C(1) << 35;
    uint64_t flags = (uint64_t)status.f_flags & 9;
    uint64_t numbers[] = {(uint64_t)id[1] << 32 | id[0], size < most ? size : most, flags};
    return put_numbers(sight, COUNT(numbers), numbers);
}

static bool see_room(const char *path, uint64_t needed, struct text *sight) {
    struct statfs status;
    if (statfs(path, &status) != 0) return put_letter(sight, '-');
    bool files = status.f_files == 0 || status.f_ffree >= needed >> 14; /* one for 16 KiB */
    return put_letter(sight, files && bytes_in(status.f_bavail, &status) >= needed ? 'y' : 'n');
}

/* As `mount_sight` in witness.py, of an answer of statx(2). Places and numbers are those of
 * linux/stat.h, the same for all processors; C libraries had no `struct statx` for long. */
static bool put_mount(const char *answer, struct text *sight) {
    enum { BIRTH = 0x800, MOUNT = 0x1000, UNIQUE = 0x4000, TOP = 13 };
    uint32_t narrow[64];
    uint64_t wide[32];
    memcpy(narrow, answer, sizeof narrow);
    memcpy(wide, answer, sizeof wide);
    uint32_t mask = narrow[0];
    size_t born = mask & BIRTH ? 10 : 12;
    uint64_t numbers[] = {mask & (UNIQUE | MOUNT) ? wide[18] : UINT64_MAX, wide[1] >> TOP & 1,
                          narrow[34], narrow[35], wide[4],
                          wide[born] * UINT64_C(1000000000) + narrow[2 * born + 2]};
    return put_numbers(sight, mask & UNIQUE ? 2 : COUNT(numbers), numbers);
}

static bool see_mount(const char *path, struct text *sight) {
#ifdef SYS_statx
    enum { WANTED = 0x4000 | 0x1000 | 0x800 | 0x180, NO_AUTOMOUNT = 0x800 };
    uint64_t answer[32];
    return syscall(SYS_statx, AT_FDCWD, path, NO_AUTOMOUNT, WANTED, answer) == 0 &&
           put_mount((const char *)answer, sight);
#else
    (void)path, (void)sight;
    return false;
#endif
}

/* As `read_attributes` in witness.py. Numbers: musl's compiler does not find <linux/fs.h>. */
static bool see_attributes(const char *path, struct text *sight) {
    enum { ENCRYPTED = 0x800, FLAGS = 0x800800, PROJECT = 0x20000200, EXTENDED = 0x20008300 };
    int handle = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (handle < 0) return false;
    uint32_t flags[2] = {0}, extended[7] = {0}; /* struct fsxattr: flags first, project fourth */
    uint64_t policy[9] = {64};                  /* room, and 64 bytes of it */
    bool known = syscall(SYS_ioctl, handle, 0x80006601UL | sizeof(long) << 16, flags) == 0;
    known = syscall(SYS_ioctl, handle, 0x801c581fUL, extended) == 0 || known;
    uint32_t bits = (flags[0] & FLAGS) | (extended[0] & EXTENDED);
    bool encrypted = bits & ENCRYPTED;
    bool clear = !encrypted || syscall(SYS_ioctl, handle, 0xc0096616UL, policy) == 0;
    close(handle);
    if (!known) return put_letter(sight, '-');
    uint64_t numbers[] = {bits, bits & PROJECT ? extended[3] : 0, 0};
    if (encrypted) numbers[2] = fingerprint((struct slice){(char *)policy, sizeof policy});
    return clear && put_numbers(sight, COUNT(numbers), numbers);
}

static bool see_access(const char *path, uint64_t mode, struct text *sight) {
    return mode <= 07 && put_letter(sight, access(path, (int)mode) == 0 ? 'y' : 'n');
}

/* Lower-case hexadecimal, up to 64 bits; nothing at all is false, too. */
static bool read_hex(struct slice digits, uint64_t *number) {
    *number = 0;
    for (size_t index = 0; index < digits.length; index++) {
        const char *found = memchr("0123456789abcdef", digits.start[index], 16);
        if (!found || *number >> 60) return false;
        *number = *number << 4 | (uint64_t)(found - "0123456789abcdef");
    }
    return digits.length > 0;
}

/* Is all as this witness, KIND[PARAMETER]=EXPECTED PATH, has seen it? */
static bool holds(struct slice witness) {
    struct slice token, expected;
    if (!cut(&witness, '=', &token) || !cut(&witness, ' ', &expected)) return false;
    if (token.length == 0 || witness.length == 0) return false;
    const char *path = witness.start; /* up to the NUL of its field */
    struct slice parameter = {token.start + 1, token.length - 1};
    uint64_t number = 0;
    char kind = token.start[0];
    bool numbered = kind == 'a' || kind == 'f', clear = false;
    if (numbered ? !read_hex(parameter, &number) : parameter.length > 0) return false;

    char seen_bytes[160]; /* a letter and 8 numbers of 64 bits: 137 */
    struct text seen = TEXT(seen_bytes);
    switch (kind) {
    case 's': case 'l': clear = see_status(path, kind == 's', &seen); break;
    case 'a': clear = see_access(path, number, &seen); break;
    case 'n': clear = see_names(path, &seen); break;
    case 'c': clear = see_content(path, &seen); break;
    case 'r': clear = put_text(&seen, readlink(path, scratch, sizeof scratch)); break;
    case 'v': clear = see_file_system(path, &seen); break;
    case 'd': clear = see_attributes(path, &seen); break;
    case 'x': clear = put_text(&seen, getxattr(path, ACCESS_LIST, scratch, sizeof scratch)); break;
    case 'f': clear = see_room(path, number, &seen); break;
    case 'm': clear = see_mount(path, &seen); break;
    default: break;
    }
    return clear && !seen.full && same((struct slice){seen.bytes, seen.length}, expected);
}

/* The record --------------------------------------------------------------------------------- */

static char record[LONGEST_RECORD + 1];

/* What the record adds to the call. */
static const char *added_word_items[MOST_ADDED], *added_variable_items[MOST_ADDED];
static struct list added_words, added_variables;

/* Path of a directory below our state directory, as `state_home` in uvx_policy/state/layout.py. */
static bool put_state_directory(struct text *path, const char *below) {
    const char *xdg = variable((const char *const *)environ, "XDG_STATE_HOME");
    const char *home = variable((const char *const *)environ, "HOME");
    bool is_xdg = xdg && xdg[0] == '/';
    const char *base = is_xdg ? xdg : home;
    /* Without HOME the passwd entry counts; and a backslash would count as a separator. */
    if (!base || base[0] != '/' || strchr(base, '\\')) return false;
    put_string(path, base);
    put_string(path, is_xdg ? "/linkpolicy" : "/.local/state/linkpolicy");
    put_string(path, below);
    put_byte(path, '\0');
    return !path->full;
}

/* Is what the handle stands for of this type, our own, and closed to everybody else? */
static bool is_private(int handle, mode_t type, struct stat *status) {
    return handle >= 0 && fstat(handle, status) == 0 && (status->st_mode & S_IFMT) == type &&
           status->st_uid == uid && (status->st_mode & 077) == 0;
}

/* Open the record of `key`; -1 when there is none that we may believe. Through a handle of the
 * directory, so that nobody can put another one in its place between the two looks. */
static int open_record(struct stat *status) {
    struct text path = TEXT(scratch);
    if (!put_state_directory(&path, "/decisions")) return -1;
    char name_bytes[17];
    struct text name = TEXT(name_bytes);
    put_number(&name, fingerprint((struct slice){key.bytes, key.length}), 16, 16);
    put_byte(&name, '\0');

    int directory = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int handle = -1;
    if (is_private(directory, S_IFDIR, status))
        handle = openat(directory, name_bytes, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (directory >= 0) close(directory);
    if (handle >= 0 && !is_private(handle, S_IFREG, status)) {
        close(handle);
        handle = -1;
    }
    return handle;
}

/* Read it whole; an empty slice when that cannot be. */
static struct slice read_record(void) {
    struct slice content = {record, 0};
    struct stat status;
    int handle = open_record(&status);
    if (handle < 0) return content;
    if (status.st_size > 0 && status.st_size <= LONGEST_RECORD) {
        /* One byte more than there should be, to see that it is the end. */
        size_t size = (size_t)status.st_size;
        if (read(handle, record, size + 1) == (ssize_t)size) content.length = size;
    }
    close(handle);
    return content;
}

/* Does the record begin with its format and the whole key? Then `rest` is what follows. */
static bool is_for_this_call(struct slice *rest) {
    struct slice field;
    if (!cut(rest, '\0', &field) || !equals(field, RECORD_FORMAT)) return false;
    char length_bytes[24];
    struct text length = TEXT(length_bytes);
    put_byte(&length, 'k');
    put_number(&length, key.length, 10, 1);
    put_byte(&length, '\0');
    if (!cut(rest, '\0', &field) || !equals(field, length_bytes)) return false;
    if (rest->length < key.length || memcmp(rest->start, key.bytes, key.length) != 0) return false;
    rest->start += key.length;
    rest->length -= key.length;
    return true;
}

/* Add NAME=VALUE. False when it is none, or when there is another one, or we set it ourselves. */
static bool add_variable(struct slice entry) {
    struct slice rest = entry, name;
    if (!cut(&rest, '=', &name) || name.length == 0 || equals(name, GUARD_NAME)) return false;
    for (size_t index = 0; index < added_variables.length; index++)
        if (value_in(added_variables.items[index], name)) return false;
    append(&added_variables, entry.start);
    return true;
}

static void forget_added(void) {
    added_words = LIST(added_word_items);
    added_variables = LIST(added_variable_items);
}

/* Does all that the recorded decision depended on hold? Then `added_...` are its answer. */
static bool replay(void) {
    forget_added();
    struct slice rest = read_record(), field;
    if (!is_for_this_call(&rest)) return false;
    while (cut(&rest, '\0', &field)) { /* so that each field is a string as well */
        if (field.length == 0) return false;
        struct slice value = {field.start + 1, field.length - 1};
        switch (field.start[0]) {
        case 'w':
            if (!holds(value)) return false;
            break;
        case 'a': append(&added_words, value.start); break;
        case 'e':
            if (!add_variable(value)) return false;
            break;
        case '.':
            return value.length == 0 && rest.length == 0 && !added_words.full &&
                   !added_variables.full;
        default: return false;
        }
    }
    return false;
}

/* Is there a decision for all calls that differ in details alone, or for this one? */
static bool is_decided(void) {
    for (int closer = 0; closer <= 1; closer++) {
        in_detail = closer;
        if (keep_significant_words() && make_key() && replay()) return true;
    }
    return false;
}

/* Becoming another program ------------------------------------------------------------------- */

/* The words for uv: the first place stays free for ENOEXEC, two more are for `tool uvx`. */
static const char *word_items[MOST_WORDS + MOST_ADDED + 5];
static const char *variable_items[MOST_WORDS + MOST_ADDED + 2];
static char guard_bytes[LONGEST_GUARD];

/* execve(2), which returns only when it failed. `words[-1]` is free. */
static void execute(const char *path, const char **words, const char *const *variables) {
    execve(path, (char *const *)words, (char *const *)variables);
    if (errno != ENOEXEC) return;
    /* A script without `#!`: execvp(3) and every shell give it to /bin/sh. */
    const char *first = words[0];
    words[-1] = "sh";
    words[0] = path;
    execve("/bin/sh", (char *const *)(words - 1), (char *const *)variables);
    words[0] = first;
}

/* As `render` in uvx_policy/guard.py. */
static bool render_guard(bool again) {
    struct text text = TEXT(guard_bytes);
    const char *named = variable((const char *const *)environ, "UV");
    put_string(&text, GUARD_NAME "=" GUARD_VERSION ";process=");
    put_string(&text, identity);
    put_string(&text, ";turn=");
    put_number(&text, turn, 10, 1);
    put_string(&text, ";depth=");
    put_number(&text, depth, 10, 1);
    put_string(&text, ";uv=");
    put_escaped(&text, slice_of(named ? named : ""));
    struct slice value, rest = outer_guard;
    while (again && next_field(&rest, "tried", &value)) {
        put_string(&text, ";tried=");
        put(&text, value);
    }
    put_string(&text, ";tried=");
    put_escaped(&text, slice_of(uv));
    for (size_t index = 0; index < added_variables.length; index++) {
        struct slice name;
        value = slice_of(added_variables.items[index]);
        cut(&value, '=', &name);
        put_string(&text, ";set=");
        put(&text, name);
        put_byte(&text, '=');
        put_escaped(&text, value);
    }
    put_byte(&text, '\0');
    return !text.full;
}

/* Put NAME=VALUE into the list: instead of the old one, else at the end, as setenv(3) does. False
 * when there are two old ones: programs differ in which of them they heed. */
static bool set_variable(struct list *variables, const char *entry) {
    struct slice rest = slice_of(entry), name;
    cut(&rest, '=', &name);
    size_t places = 0;
    for (size_t index = 0; index < variables->length; index++)
        if (value_in(variables->items[index], name)) {
            variables->items[index] = entry;
            places++;
        }
    if (places == 0) append(variables, entry);
    return places <= 1;
}

/* Is it a uv that has to be told to be uvx? */
static bool needs_tool_uvx(void) {
    return strcmp(program, "uvx") == 0 && strcmp(strrchr(uv, '/'), "/uv") == 0;
}

/* Become `uv`, with what is added. Returns when that is not possible. */
static void become_uv(bool again) {
    struct list words = LIST(word_items), variables = LIST(variable_items);
    append(&words, "");
    if (needs_tool_uvx()) {
        append(&words, "uv");
        append(&words, "tool");
        append(&words, "uvx");
    } else {
        append(&words, program);
    }
    for (size_t index = 0; index < argument_count; index++) append(&words, arguments[index]);
    size_t without_added = words.length;
    for (size_t index = 0; index < added_words.length; index++)
        append(&words, added_words.items[index]);

    variable_items[0] = NULL;
    for (size_t index = 0; index < clean.length; index++) append(&variables, clean.items[index]);
    for (size_t index = 0; index < added_variables.length; index++)
        if (!set_variable(&variables, added_variables.items[index])) return;
    if (!render_guard(again)) return;
    append(&variables, guard_bytes);
    if (words.full || variables.full) return;

    execute(uv, words.items + 1, variables.items);
    if (errno == E2BIG) {
        /* The kernel's limit for words and variables together: uv alone may still be below it. */
        words.items[without_added] = NULL;
        execute(uv, words.items + 1, clean.items);
    }
}

/* Become the Python shim, with words and variables as they came. Returns when there is none. */
static void hand_over(void) {
    /* Python ignores two signals from its start on, and cannot tell then what they were before. */
    const int signals[] = {SIGPIPE, SIGXFSZ};
    char note_bytes[64];
    struct text note = TEXT(note_bytes);
    put_string(&note, IGNORED_NAME "=");
    size_t bare = note.length;
    for (size_t index = 0; index < COUNT(signals); index++) {
        struct sigaction action;
        if (sigaction(signals[index], NULL, &action) != 0 || action.sa_handler != SIG_IGN) continue;
        if (note.length > bare) put_byte(&note, ',');
        put_number(&note, (uint64_t)signals[index], 10, 1);
    }
    bool ignored = note.length > bare;
    put_byte(&note, '\0');

    struct list variables = LIST(variable_items);
    variable_items[0] = NULL;
    bool stale = false; /* a note that is not about this process */
    for (char **entry = environ; *entry; entry++) {
        bool is_note = value_in(*entry, slice_of(IGNORED_NAME)) != NULL;
        if (is_note) stale = true;
        else append(&variables, *entry);
    }
    if (ignored) append(&variables, note_bytes);
    bool changed = (ignored || stale) && !variables.full;
    execve(fallback, argument_vector, changed ? (char *const *)variable_items : environ);
}

/* One line on stderr. */
static void tell(const char *before, const char *path, const char *after) {
    struct text line = TEXT(scratch);
    put_string(&line, "linkpolicy: ");
    put_string(&line, before);
    put_string(&line, path);
    put_string(&line, after);
    for (size_t index = 0; index < line.length; index++) /* a path may hold anything */
        if ((unsigned char)line.bytes[index] < ' ' || line.bytes[index] == 127)
            line.bytes[index] = '?';
    put_byte(&line, '\n');
    /* Nobody may be listening, and that must not end us. What uv inherits stays as it was. */
    void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
    void (*size_before)(int) = signal(SIGXFSZ, SIG_IGN);
    ssize_t written = write(STDERR_FILENO, line.bytes, line.length);
    (void)written;
    if (pipe_before != SIG_ERR) signal(SIGPIPE, pipe_before);
    if (size_before != SIG_ERR) signal(SIGXFSZ, size_before);
}

/* Is this the first time in this terminal session? Never for a program that reads stderr, nor where
 * that cannot be noted: a line for each call would be too many. */
static bool is_first_here(void) {
    char terminal[256];
    bool seen = isatty(STDERR_FILENO);
    ssize_t length = seen ? readlink("/proc/self/fd/2", terminal, sizeof terminal) : 0;
    struct text path = TEXT(scratch);
    struct stat state;
    if (length <= 0 || !put_state_directory(&path, "/told/")) return false;
    if (stat(scratch, &state) != 0) mkdir(scratch, 0700);
    if (stat(scratch, &state) != 0 || state.st_uid != uid) return false;
    path.length--;
    for (ssize_t index = 0; index < length; index++)
        put_byte(&path, terminal[index] == '/' ? '-' : terminal[index]);
    put_byte(&path, '.');
    put_number(&path, (uint64_t)getsid(0), 10, 1);
    put_byte(&path, '\0');
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int handle = path.full ? -1 : openat(AT_FDCWD, scratch, flags, 0600);
    if (handle >= 0) close(handle);
    return handle >= 0;
}

/* What the outer shim became. */
static const char *tried_last(void) {
    struct slice escaped = outer_field("tried");
    struct text path = TEXT(uv);
    while (escaped.length > 0) put_byte(&path, cut_byte(&escaped));
    put_byte(&path, '\0');
    return path.full ? program : uv;
}

/* The Python shim is gone: become the real uv all the same, without policy. Its exit code. */
static int fail_open(void) {
    const char *log = variable((const char *const *)environ, "LINKPOLICY_LOG");
    if ((log && log[0]) || is_first_here())
        tell("cannot run `", fallback, "`: uv runs without a policy "
             "(hint: uv tool install uvx-policy && linkpolicy setup)");
    forget_added();
    enum came_back back = came_back();
    bool again = back == YES;
    if (back == ENDLESS || !find_uv(again)) {
        if (back == ENDLESS || again) {
            tell("`", tried_last(), again ? "` starts this shim again, and PATH has no other uv"
                                          : "` starts this shim again and again");
            return EXIT_CANNOT_EXECUTE;
        }
        tell("no ", program, " on PATH but this shim (hint: install uv, then `linkpolicy setup`)");
        return EXIT_NOT_FOUND;
    }
    if (clean_environment()) {
        become_uv(again);
    } else if (!needs_tool_uvx() && argument_vector[0]) { /* too many to make room for more */
        argument_vector[0] = (char *)program;
        execve(uv, argument_vector, environ);
    }
    tell("cannot execute `", uv, "`");
    return EXIT_CANNOT_EXECUTE;
}

int main(int argc, char **argv) {
    if (!read_configuration()) {
        tell("this launcher is not configured", "", " (hint: `linkpolicy setup` installs it)");
        return EXIT_CANNOT_EXECUTE;
    }
    see_call(argc, argv);
    read_guard();
    forget_added();
    const char *log = variable((const char *const *)environ, "LINKPOLICY_LOG");
    bool wants_story = log && log[0]; /* only Python tells one */
    if (!wants_story && cwd[0] && clean_environment() && came_back() == NO && find_uv(false)) {
        if (is_left_alone() || is_decided()) become_uv(false);
    }
    hand_over();
    return fail_open();
}

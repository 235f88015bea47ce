/* A system that answers nothing, for the part of the launcher that knows none: it must compile for
 * machines that no launcher is made for. */

char **environ;

static bool read_configuration(void) { return false; }

static void see_call(int argc, char **argv) {
    arguments = (const char *const *)argv;
    argument_count = (size_t)argc;
}

static enum above look_above(const char *named) {
    (void)named;
    return UNSEEN;
}

static const char *search_path(void) { return ""; }

static bool cut_directory(struct slice *rest, struct slice *directory) {
    return cut(rest, ':', directory);
}

static bool is_real(struct slice directory, const char *name, bool again) {
    return directory.length > 0 && name[0] && again && is_tried(uv);
}

static void put_user(struct text *text) { put_number(text, 0, 10, 1); }

static bool see(char kind, const char *path, uint64_t number, struct text *sight) {
    (void)kind, (void)number;
    put_hex(sight, mixed(fingerprint(slice_of(path))));
    return put_letter(sight, '-') && put_numbers(sight, 0, NULL);
}

static struct slice read_record(const char *name) {
    (void)name;
    return (struct slice){record, 0};
}

static void become_uv(bool again) { (void)render_guard(again); }

static void become_uv_as_it_is(void) {}

static void hand_over(void) {}

static void write_line(struct slice line) { (void)line; }

static bool is_first_here(void) { return false; }

int main(int argc, char **argv) { return launch(argc, argv); }
